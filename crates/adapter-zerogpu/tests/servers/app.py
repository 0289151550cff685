"""A real Gradio server for the adapter's tests. `python app.py main` or `python app.py zerogpu`.

Prints one line `READY {"name": "http://127.0.0.1:port", ...}` when every server answers, and ends
when its standard input is closed: whatever becomes of the test that started it, nothing is left.
"""

import json
import os
import signal
import socket
import sys
import threading

MODE = sys.argv[1] if len(sys.argv) > 1 else "main"


def end_with_the_parent():
    # Not through `sys.stdin`: a worker that is forked while another thread reads it hangs for ever.
    while os.read(0, 4096):
        pass
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)  # workers that were forked go too
    os._exit(0)


threading.Thread(target=end_with_the_parent, daemon=True).start()

if MODE == "zerogpu":
    import scheduler

    scheduler.start()  # the `spaces` package reads its address when it is imported

import gradio as gr  # noqa: E402

import endpoints as e  # noqa: E402
import ledger  # noqa: E402


def visibility(kind):
    """How this Gradio says that an endpoint is not for clients."""
    if e.MAJOR >= 6:
        return {"api_visibility": kind}
    return {"show_api": False} if kind == "undocumented" else {"api_name": False}


def build_main():
    with gr.Blocks(title="proof") as demo:
        message = gr.Textbox(label="Message")
        controls = [
            gr.Textbox(value="You are helpful.", label="System prompt"),
            gr.Slider(0.0, 2.0, value=0.7, step=0.1, label="Temperature"),
            gr.Slider(1, 4096, value=64, step=1, label="Max tokens"),
            gr.Slider(0.05, 1.0, value=0.95, step=0.05, label="Top-p"),
        ]
        state = gr.State(0)
        text, title = gr.Textbox(label="text", value="hello"), gr.Textbox(label="title")
        num, num2 = gr.Number(label="num", value=1), gr.Number(label="num", value=2)
        limit = gr.Slider(1, 4096, value=64, step=1, label="Max new tokens")
        json_out, out, out2 = gr.JSON(label="json"), gr.Textbox(label="out"), gr.Markdown()
        file, go = gr.File(label="upload"), gr.Button("go")
        bots = e.chatbots()
        for name, (bot, pairs) in bots.items():
            e.chat_endpoints(bot, pairs, name, controls, go, message)

        def endpoint(fn, inputs, outputs, **extra):
            go.click(fn, inputs, outputs, **{"api_name": fn.__name__, **extra})

        many = {"concurrency_limit": None}
        endpoint(e.complete, [text, limit], [out], **many)
        endpoint(e.paced, [text, num], [out], **many)
        endpoint(e.deltas, [text, limit], [out], **many)
        endpoint(e.revise, [text], [out])
        endpoint(e.jump, [text], [out])
        endpoint(e.shapes, [num], [next(iter(bots.values()))[0]])
        endpoint(e.hostile_text, [text, num], [out])
        endpoint(e.boom, [text], [out])
        endpoint(e.boom_titled, [title, text], [out])
        endpoint(e.boom_hidden, [text], [out])
        endpoint(e.boom_late, [text], [out])
        endpoint(e.progress, [num], [out])
        endpoint(e.logs, [text], [out])
        endpoint(e.remember, [text, state], [out, state])
        endpoint(e.slow, [num, text], [out])
        endpoint(e.endless, [text], [out], concurrency_limit=4)
        endpoint(e.endless, [text], [out], api_name="endless_alone", concurrency_limit=1, concurrency_id="alone")
        endpoint(e.seen, [text], [json_out])
        endpoint(e.add, [num, num2], [out, json_out])
        endpoint(e.event_seen, [text], [json_out])
        endpoint(e.lengths, [text], [out], batch=True, max_batch_size=4)
        endpoint(e.run_full_evaluation, [text, num], [out2, json_out])
        endpoint(e.file_size, [file], [json_out])
        endpoint(e.slow, [num, text], [out], api_name="slow_unqueued", queue=False)
        endpoint(lambda x: x, [text], [out], **{"api_name": "unlisted", **visibility("undocumented")})
        endpoint(lambda x: x, [text], [out], **{"api_name": "hidden", **visibility("private")})
        if e.MAJOR >= 6:
            endpoint(e.forecast, [text, num], [out], validator=e.check_forecast)
    return demo


def build_interface():
    def chat(message, history, system_message, max_tokens, temperature, top_p):
        pieces = e.tokens(e.text_of(message), history, system_message, max_tokens)
        yield from e.grow("chat", pieces)

    extra = {"type": "messages"} if e.MAJOR == 5 else {}
    return gr.ChatInterface(
        chat,
        additional_inputs=[
            gr.Textbox(value="You are a friendly chatbot.", label="System message"),
            gr.Slider(1, 4096, value=64, step=1, label="Max new tokens"),
            gr.Slider(0.1, 4.0, value=0.7, step=0.1, label="Temperature"),
            gr.Slider(0.1, 1.0, value=0.95, step=0.05, label="Top-p"),
        ],
        concurrency_limit=4,
        **extra,
    )


def build_small(fn=None):
    """One endpoint and nothing else, for servers that differ in how they are started."""
    with gr.Blocks() as demo:
        text, num, out = gr.Textbox(label="text"), gr.Number(label="num", value=1), gr.Textbox()
        file, report = gr.File(label="upload"), gr.JSON(label="json")
        go = gr.Button("go")
        go.click(e.slow, [num, text], [out], api_name="slow")
        go.click(e.complete, [text, num], [out], api_name="complete")
        go.click(e.boom_hidden, [text], [out], api_name="boom_hidden")
        go.click(e.seen, [text], [report], api_name="seen")
        go.click(e.file_size, [file], [report], api_name="file_size")
    return demo


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launch(demo, queue=None, **how):
    if e.MAJOR >= 5:
        how["ssr_mode"] = False
    demo.queue(**(queue or {}))
    for _ in range(5):  # between the probe and the start another program may take the port
        port = free_port()
        try:
            demo.launch(server_name="127.0.0.1", server_port=port, quiet=True,
                        prevent_thread_lock=True, **how)
            return f"http://127.0.0.1:{port}"
        except OSError:
            continue
    raise SystemExit("no free port")


def start():
    if MODE == "zerogpu":
        # On ZeroGPU one waiting call fills the queue, unless the app says otherwise.
        return {"zerogpu": launch(scheduler.build(), queue={"max_size": 64})}
    if MODE == "early":  # the servers that differ in how they are started are the later versions'
        return {"main": launch(build_main()), "interface": launch(build_interface())}
    if MODE == "alone":
        return {"main": launch(build_main())}
    return {
        "main": launch(build_main()),
        "interface": launch(build_interface()),
        "login": launch(build_small(), auth=("bob", "builder"), max_file_size=1000),
        "full": launch(build_small(), queue={"max_size": 1}),
        "open_errors": launch(build_small(), show_error=True),
        "closed": launch(build_small(), queue={"api_open": False}),
    }


ready = start()
ready["ledger"] = f"http://127.0.0.1:{ledger.serve()}"
ready["gradio"] = gr.__version__
print("READY " + json.dumps(ready), flush=True)
threading.Event().wait()
