"""Toy endpoints: every shape of a Gradio function that a client has to understand."""

import asyncio
import inspect
import json
import time
import zlib

import gradio as gr

from ledger import count, work

MAJOR = int(gr.__version__.split(".")[0])
WORDS = (
    "harbour light ships find their way naïve Ελλάδα 日本語 😀 slowly past every buoy and"
    " bell toward quiet water where ropes wait on stone"
).split()


# ---------------------------------------------------------------- what a model would say
def text_of(content):
    """A message's text, whichever shape this Gradio gives it."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return str(content.get("text", ""))
    if isinstance(content, (list, tuple)):
        return "".join(text_of(part) for part in content)
    return "" if content is None else str(content)


def turns_of(history):
    """The conversation as (role, text), whichever shape this Gradio gives it."""
    turns = []
    for entry in history or []:
        if isinstance(entry, dict):
            turns.append((entry["role"], text_of(entry["content"])))
        elif isinstance(entry, (list, tuple)):
            user, assistant = entry
            turns.append(("user", text_of(user)))
            if assistant is not None:
                turns.append(("assistant", text_of(assistant)))
        else:
            turns.append((entry.role, text_of(entry.content)))
    return turns


def tokens(message, history, system, limit):
    """An endless answer that depends on nothing but the question."""
    if message.startswith("RECALL"):
        seen = {"message": message, "history": turns_of(history), "system": system}
        yield json.dumps(seen, ensure_ascii=False)
        return
    if message.startswith("THINK"):
        yield from ["<th", "ink>", "Two ", "and two", "</thi", "nk>", "\n\n", "Four", "."]
        return
    if message.startswith("SAY "):
        for n, word in enumerate(message[4:].split(" ")[: int(limit)]):
            yield word if n == 0 else " " + word
        return
    seed = zlib.crc32(f"{message}|{system}|{turns_of(history)}".encode())
    for n in range(int(limit)):
        seed = (seed * 1103515245 + 12345) % 2**31
        word = WORDS[(seed >> 8) % len(WORDS)]
        yield word if n == 0 else " " + word
        if message.startswith("FAIL LATE") and n == 3:
            raise gr.Error("the model fell over")


PAUSE = 0.004


def grow(key, pieces, pause=PAUSE):
    """The text so far, piece by piece, as language Spaces send it."""
    text = ""
    with work(key):
        for piece in pieces:
            text += piece
            count("steps", key)
            yield text
            time.sleep(pause)


# ---------------------------------------------------------------- chat
def with_turn(history, user, assistant, pairs):
    if pairs:
        return [*(history or []), [user, assistant]]
    turn = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    return [*(history or []), *turn]


def chat_endpoints(chatbot, pairs, name, controls, button, message):
    """A streamed and a plain chat turn for one shape of history."""

    def streamed(message, chat_history, sys_prompt, temp, max_tok, top_p):
        for text in grow(name, tokens(message, chat_history, sys_prompt, max_tok)):
            yield "", with_turn(chat_history, message, text, pairs)

    def plain(message, chat_history, sys_prompt, temp, max_tok, top_p):
        with work(name):
            text = "".join(tokens(message, chat_history, sys_prompt, max_tok))
        return "", with_turn(chat_history, message, text, pairs)

    inputs, outputs = [message, chatbot, *controls], [message, chatbot]
    limit = {"concurrency_limit": 4}
    button.click(streamed, inputs, outputs, api_name=name, **limit)
    button.click(plain, inputs, outputs, api_name=f"{name}_once", **limit)


def chatbots():
    """Every shape of history that this Gradio knows, by endpoint name."""
    if MAJOR >= 6:
        return {"respond": (gr.Chatbot(label="Chatbot"), False)}
    if "type" not in inspect.signature(gr.Chatbot.__init__).parameters:
        return {"respond": (gr.Chatbot(label="Chatbot"), True)}
    pairs = gr.Chatbot(label="Chatbot") if MAJOR == 4 else gr.Chatbot(label="Chatbot", type="tuples")
    messages = gr.Chatbot(label="Chatbot", type="messages")
    if MAJOR == 4:
        return {"respond": (pairs, True), "respond_messages": (messages, False)}
    return {"respond": (messages, False), "respond_pairs": (pairs, True)}


# ---------------------------------------------------------------- text
def complete(prompt, max_new_tokens):
    """Text in, growing text out: no history at all."""
    yield from grow("complete", tokens(prompt, [], "", max_new_tokens))


def deltas(prompt, max_new_tokens):
    """A Space that yields only the new piece each time, and the whole at the end."""
    whole = ""
    for piece in tokens(prompt, [], "", max_new_tokens):
        whole += piece
        yield piece
        time.sleep(PAUSE)
    yield whole


def revise(prompt):
    """A Space that takes back what it said."""
    for text in ("The port", "The port is", "The port was open", "The port was"):
        yield text
        time.sleep(0.03)


def jump(prompt):
    """A Space whose last value has more than the one before it."""
    for text in ("one", "one two", "one two three four five"):
        yield text
        time.sleep(0.03)


def shapes(n):
    """A list that shrinks inside a list: the diffs of Gradio 6 and 5 are wrong here."""

    def turn(role, *parts):
        if MAJOR >= 6:
            return {"role": role, "content": [{"type": "text", "text": part} for part in parts]}
        return {"role": role, "content": " | ".join(parts)}

    if MAJOR == 4:
        for step in ([["u", "aé"]], [["u", "aé😀"]], [["u", "x"], ["u2", None]], [["u", "p1"]])[: int(n)]:
            yield step
            time.sleep(0.03)
        return
    steps = [
        [turn("user", "u"), turn("assistant", "aé")],
        [turn("user", "u"), turn("assistant", "aé😀")],
        [turn("user", "u"), turn("assistant", "p1", "p2", "p3"), turn("user", "u2")],
        [turn("user", "u"), turn("assistant", "p1")],
    ]
    for step in steps[: int(n)]:
        yield step
        time.sleep(0.03)


def hostile_text(kind, size):
    """Texts that break careless parsers."""
    if kind == "big":
        return "0123456789abcdef" * (int(size) // 16)
    return 'a\u0085b\u2028c\nd\r\ne"f\\g\u0000h\ud83d\ude00'.encode("utf-16", "surrogatepass").decode("utf-16")


# ---------------------------------------------------------------- failures
def boom(text):
    raise gr.Error(f"deliberate: {text}")


def boom_titled(title, text):
    if MAJOR < 5:
        raise gr.Error(text)
    raise gr.Error(text, title=title, print_exception=False)


def boom_hidden(text):
    raise ValueError(f"hidden detail: {text}")


def boom_late(text):
    yield "one"
    time.sleep(0.05)
    yield "one two"
    time.sleep(0.05)
    raise gr.Error(f"late: {text}")


# ---------------------------------------------------------------- progress, state, time
def progress(n, bar=gr.Progress(track_tqdm=True)):
    bar(0, desc="starting")
    for _ in bar.tqdm(range(int(n)), desc="steps", unit="tok"):
        time.sleep(0.06)
    bar((3, 10), desc="in two parts", unit="files")
    time.sleep(0.3)
    return f"did {int(n)}"


def logs(text):
    gr.Info("an info")
    gr.Warning("a warning")
    if hasattr(gr, "Success"):
        gr.Success("a success", title="A title", duration=3)
    time.sleep(1.5)
    return text.upper()


def remember(text, state):
    state = (state or 0) + 1
    return f"{text} #{state}", state


def slow(seconds, tag):
    with work(f"slow:{tag}"):
        time.sleep(float(seconds))
    return f"slept {seconds:g}"


def endless(tag):
    with work(f"endless:{tag}"):
        for n in range(100_000):
            count("steps", f"endless:{tag}")
            yield f"{tag} {n}"
            time.sleep(0.02)


def seen(text, request: gr.Request):
    return {
        "text": text,
        "headers": dict(request.headers),
        "session_hash": getattr(request, "session_hash", None),
        "username": getattr(request, "username", None),
    }


def add(a, b=3):
    return a + b, a * b


def forecast(prompt, n):
    return f"{prompt}*{n:g}"


def check_forecast(prompt, n):
    return [
        gr.validate(len(prompt) > 0, "the prompt must not be empty"),
        gr.validate(n <= 10, "n must be at most 10"),
    ]


def event_seen(text, event: gr.EventData):
    return {"text": text, "data": getattr(event, "_data", None)}


async def paced(text, n):
    """Values at a steady pace without a thread: many of these run at once."""
    for step in range(int(n)):
        text += " word"
        yield text
        await asyncio.sleep(0.025)


# ---------------------------------------------------------------- batches
def lengths(texts):
    return ([f"{len(text)}" for text in texts],)


def evaluated(n, row):
    expected = row["text"].rsplit("<|im_start|>assistant\n", 1)[-1].replace("<|im_end|>", "").strip()
    return {
        "task_id": row.get("task_id", f"task_{n}"),
        "agent": row.get("agent", "unknown"),
        "status": "success",
        "expected_length": len(expected),
        "generated_length": len(expected),
        "generation_time": 0.02,
    }


def run_full_evaluation(test_data_text, batch_size, bar=gr.Progress()):
    """The evaluation endpoint of the origin: JSON lines in, a summary and a report out."""
    rows = [json.loads(line) for line in test_data_text.splitlines() if line.strip()]
    results = []
    with work(f"evaluation:{rows[0].get('agent')}"):
        for n, row in enumerate(rows):
            bar((n, len(rows)), desc="Evaluating")
            time.sleep(0.02)
            results.append(evaluated(n, row))
    report = {
        "total_examples": len(results),
        "successful": len(results),
        "failed": 0,
        "success_rate": 100.0 if results else 0.0,
        "average_generation_time": 0.02,
        "batch_size": int(batch_size),
        "results": results,
    }
    return f"## Evaluation\n\n**{len(results)}** examples, all good", report


def file_size(file):
    path = file if isinstance(file, str) else getattr(file, "name", str(file))
    with open(path, "rb") as handle:
        return {"size": len(handle.read()), "path": path}
