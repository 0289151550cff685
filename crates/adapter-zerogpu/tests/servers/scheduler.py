"""The ZeroGPU scheduler, played: the real `spaces` package asks it for a GPU at every call.

What it answers is told by the caller's `X-IP-Token`, a token whose middle part is JSON:
`{"status": 429, "approve": "quota-exceeded", "auth": "regular", "left": 12, "wait": 5025}`.
Without a token the caller is a visitor whose quota is used up.
"""

import base64
import http.server
import json
import os
import threading
import time
from urllib.parse import parse_qs, urlparse

GPU = {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "MIG-0", "allowToken": "allowed"}


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def head(self, status, kind, plan, length=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        names = {"auth": "X-Authenticated", "approve": "X-Approve-Result", "reason": "X-Queuing-Reason"}
        for key, name in names.items():
            if plan.get(key):
                self.send_header(name, plan[key])
        self.end_headers()

    def answer(self, status, plan, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        self.head(status, "application/json", plan, len(data))
        self.wfile.write(data)

    def do_POST(self):
        url = urlparse(self.path)
        if url.path != "/schedule":
            return self.answer(200, {})
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        plan = {"status": 429, "approve": "quota-exceeded", "left": 0, "wait": 5025}
        if "token" in query:
            middle = query["token"].split(".")[1]
            plan = json.loads(base64.urlsafe_b64decode(middle + "=="))
        if "queue" in plan:
            return self.queue(plan)
        status = plan.get("status", 200)
        if status == 200:
            return self.answer(200, plan, GPU)
        if status == 429:
            return self.answer(429, plan, {"left": plan.get("left", 0), "wait": plan.get("wait", 0)})
        return self.answer(status, plan)

    def queue(self, plan):
        self.head(200, "text/event-stream", plan)
        last = "event: failed\n\n"
        if plan["queue"] == "succeeds":
            last = f"event: succeeded\ndata: {json.dumps(GPU)}\n\n"
        for event in ("event: ping\n\n", "event: ping\n\n", last):
            self.wfile.write(event.encode())
            self.wfile.flush()
            time.sleep(0.2)


def start():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["SPACES_ZERO_GPU"] = "true"
    os.environ["SPACES_ZERO_DEVICE_API_URL"] = f"http://127.0.0.1:{server.server_address[1]}"
    import spaces  # noqa: F401  (it must come before Gradio)


# ---------------------------------------------------------------- endpoints on a GPU
def plain(prompt):
    return f"gpu:{prompt}"


def stream(prompt, max_new_tokens):
    text = ""
    for n in range(int(max_new_tokens)):
        text = f"{text} {prompt}{n}".strip()
        time.sleep(0.03)
        yield text


def raises(prompt):
    raise ValueError(f"inner detail: {prompt}")


def killed(prompt):
    os._exit(9)  # what becomes of a task that outlives its duration


def stream_killed(prompt):
    yield "first"
    time.sleep(0.3)
    os._exit(9)


def overrun(prompt):
    time.sleep(2.2)
    return f"late:{prompt}"


def large(prompt):
    return f"gpu:{prompt}"


def build():
    import gradio as gr
    import spaces

    def app_error(prompt):
        raise gr.Error(f"app error: {prompt}")

    with gr.Blocks() as demo:
        text, limit = gr.Textbox(label="Message"), gr.Slider(1, 64, value=4, label="Max new tokens")
        out, go = gr.Textbox(label="out"), gr.Button("go")
        for fn in (plain, raises, app_error, killed, stream_killed):
            go.click(spaces.GPU(fn), [text], [out], api_name=fn.__name__)
        go.click(spaces.GPU(duration=30)(stream), [text, limit], [out], api_name="stream")
        go.click(spaces.GPU(duration=1)(overrun), [text], [out], api_name="overrun")
        go.click(spaces.GPU(duration=90, size="xlarge")(large), [text], [out], api_name="large")
    return demo
