#!/usr/bin/env python3
"""Compares what textport and llama.cpp compute: perplexity, divergence from full precision, tokens.

    cargo build --release --bins
    benches/llama_cpp.sh
    benches/numbers_beside_llama_cpp.py MODEL.gguf [MODEL.gguf ...] --text FILE [FILE ...]

For every model the reference is the same file with all numbers as f32 (`llama-quantize`), computed
with keys and values in f32. Then on the same windows of the same text (the second half of each
counts, see `textport bench perplexity --help`):

  perplexity   of the model as each engine computes it by default
  divergence   Kullback-Leibler, from the reference to the model, mean per token, in nats; each program
               from the reference as it computes it itself. llama.cpp's file of the reference keeps
               16 bits of each logarithm and leaves out what is less probable than e^-16. That the
               perplexities of the reference agree says that both counted the same tokens.
  tokens       with --greedy N: N tokens after some prompts, the most probable one each time. Where
               engines part, the distance of llama.cpp's first two choices says how near a tie it was.

Several builds of llama.cpp and several kernels of textport (TEXTPORT_CPU) can stand side by side:
--llama FOLDER,FOLDER and --cpu best,avx2. Nothing but Python's standard library is needed; the
reference takes four bytes per number of the model on the disk, and is removed afterwards.
"""

import argparse
import contextlib
import datetime
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # nothing but the script belongs into this folder
from side_by_side import ROOT, Fault, healthy, need, process

PROMPTS = (
    "The capital of France is",
    "A port in hexagonal architecture is",
    "def fibonacci(n):\n",
    "Once upon a time, in a harbour town,",
    "1 2 3 4 5 6",
    "The three laws of motion are:\n1.",
    "Dear Sir or Madam,\n",
    "fn main() {\n    let numbers = vec![",
)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("models", nargs="+", type=Path, metavar="MODEL.gguf")
    add("--text", nargs="+", type=Path, required=True, help="one after the other; UTF-8")
    add("--context", type=int, default=512, help="tokens of a window; default: 512")
    add("--windows", type=int, default=8, help="most windows; default: 8")
    add("--threads", type=int, default=os.cpu_count() or 1)
    add("--greedy", type=int, default=0, metavar="N", help="compare N tokens of each prompt too")
    add("--cpu", default="best", help="kernels of textport, by commas; default: best")
    llama = os.environ.get("LLAMA_CPP_DIR", str(ROOT / "target/llama.cpp"))
    add("--llama", default=llama, help="folders of benches/llama_cpp.sh, by commas")
    add("--textport", type=Path, default=ROOT / "target/release/textport")
    add("--work", type=Path, default=ROOT / "target/numbers", help="where references are made")
    add("--out", type=Path, help="write the tables here too")
    args = parser.parse_args()
    args.cpu = args.cpu.split(",")
    args.llama = [Path(folder) for folder in args.llama.split(",")]
    if args.windows < 1 or args.context < 8 or args.threads < 1:
        parser.error("windows and threads must be at least 1, and a window 8 tokens")
    return args


def ran(command, **environment):
    """Standard output and standard error of a command that succeeded."""
    done = process(command, environment)
    return done["out"], done["err"]


def number(pattern, text):
    found = re.search(pattern, text)
    if not found:
        raise Fault(f"llama-perplexity printed no {pattern!r}:\n{text[-1500:]}")
    return float(found[1])


# ── Engines ────────────────────────────────────────────────────────────────────────────────────────


class Llama:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        need(*(folder / "bin" / name for name in ("llama-perplexity", "llama-quantize")))
        if args.greedy:
            need(folder / "bin/llama-server")
        about = (folder / "about.txt").read_text()
        built = re.search(r"^built for: ([^;\n]+)", about, re.MULTILINE)
        self.name = f"llama.cpp ({built[1] if built else folder.name})"
        self.about = about.strip()

    def command(self, model, *more):
        window = self.args.context
        return [
            self.folder / "bin/llama-perplexity", "-m", model, "-t", self.args.threads,
            "-c", window, "-b", window, "-ub", min(window, 512), "--no-warmup", *more,
        ]

    def reference(self, model, text, base):
        """Writes what the reference foretells, and gives its perplexity."""
        out, err = ran(self.command(
            model, "-f", text, "--chunks", self.args.windows, "-fa", "off", "-ctk", "f32",
            "-ctv", "f32", "--kl-divergence-base", base,
        ))
        return number(r"Final estimate: PPL = ([\d.]+)", out + err)

    def figures(self, model, _reference, _text, base):
        out, err = ran(self.command(model, "--kl-divergence-base", base, "--kl-divergence"))
        said = out + err
        value = r" *: +([-\d.]+)"
        return {
            "perplexity": number(r"Mean PPL\(Q\)" + value, said),
            "mean": number(r"Mean +KLD" + value, said),
            "error": number(r"Mean +KLD *: +[-\d.]+ ± +([\d.]+)", said),
            "p99": number(r"99\.0% +KLD" + value, said),
            "same_top": number(r"Same top p" + value, said) / 100,
        }

    def greedy(self, model):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [
            self.folder / "bin/llama-server", "-m", model, "-t", self.args.threads, "-np", 1,
            "-c", 2048, "--host", "127.0.0.1", "--port", port,
        ]
        with tempfile.TemporaryFile() as log:
            server = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
            try:
                healthy(port, server)
                return [self.completion(port, prompt) for prompt in PROMPTS]
            finally:
                server.terminate()
                server.wait()

    def completion(self, port, prompt):
        body = {"prompt": prompt, "n_predict": self.args.greedy, "temperature": 0, "n_probs": 2,
                "cache_prompt": False}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/completion", json.dumps(body), headers)
        answer = json.loads(connection.getresponse().read())
        tokens = answer["completion_probabilities"]
        return [(one["id"], [top["logprob"] for top in one["top_logprobs"]]) for one in tokens]


class Textport:
    def __init__(self, args, cpu):
        self.args, self.cpu = args, cpu
        need(args.textport)
        self.name = "textport" if cpu == "best" else f"textport ({cpu})"
        self.environment = {} if cpu == "best" else {"TEXTPORT_CPU": cpu}
        self.about = ran([args.textport, "--version"])[0].strip()

    def figures(self, model, reference, text, _base):
        out, _ = ran(
            [self.args.textport, "bench", "perplexity", text, "-m", model.resolve(),
             "--reference", reference, "--context", self.args.context,
             "--windows", self.args.windows, "-t", self.args.threads, "--json"],
            **self.environment,
        )
        result = json.loads(out)["result"]
        apart = result["divergence"]
        return {"perplexity": result["perplexity"], "reference": apart["reference_perplexity"],
                **{key: apart[key] for key in ("mean", "error", "p99", "same_top")}}

    def greedy(self, model):
        answers = []
        for prompt in PROMPTS:
            out, _ = ran(
                [self.args.textport, "ask", "--provider", "local", "-m", model.resolve(), "--raw",
                 "--no-log", "--temperature", 0, "--max-tokens", self.args.greedy,
                 "--logprobs", 2, "--json", "--query", prompt],
                **self.environment,
            )
            tokens = json.loads(out)["logprobs"]
            answers.append([(one["id"], [top["logprob"] for top in one["top"]]) for one in tokens])
        return answers


# ── Measuring ──────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def full_precision(args, model, llama):
    """The model with all its numbers as f32, while it is needed."""
    args.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        reference = Path(folder) / "reference.gguf"
        # Four bits and a scale become 32, and the probabilities come to it: two bytes a token of the
        # vocabulary.
        wanted = 8 * model.stat().st_size + args.windows * args.context * 200_000
        room = shutil.disk_usage(folder).free
        if room < wanted:
            raise Fault(f"{args.work} has {room / 1e9:.1f} GB left; {wanted / 1e9:.1f} GB may be "
                        "needed: name another folder with --work")
        ran([llama.folder / "bin/llama-quantize", "--allow-requantize", model, reference, "f32"])
        yield reference, Path(folder) / "foretold.bin"


def table(model, found, first):
    lines = [f"## {model.name}", "",
             "| engine | perplexity | ÷ llama.cpp | divergence | ÷ llama.cpp | 99 % below "
             "| same first choice | reference's perplexity |", "|---" * 8 + "|"]
    theirs = found[first]
    for name, one in found.items():
        lines.append(
            f"| {name} | {one['perplexity']:.4f} | {one['perplexity'] / theirs['perplexity']:.5f} "
            f"| {one['mean']:.6f} ± {one['error']:.6f} | {one['mean'] / theirs['mean']:.3f} "
            f"| {one['p99']:.5f} | {100 * one['same_top']:.2f} % | {one['reference']:.4f} |"
        )
    return lines + [""]


def greedy_table(answers, first):
    """How far each engine's tokens are the first one's."""
    lines = ["| prompt | " + " | ".join(f"{name} beside {first}" for name in answers
                                        if name != first) + " |",
             "|---" * len(answers) + "|"]
    for index, prompt in enumerate(PROMPTS):
        cells = []
        for name in answers:
            if name == first:
                continue
            theirs, ours = answers[first][index], answers[name][index]
            pairs = zip(theirs, ours)
            same = next((i for i, (a, b) in enumerate(pairs) if a[0] != b[0]), None)
            if same is None and len(theirs) == len(ours):
                cells.append(f"all {len(ours)} tokens")
            elif same is None:
                cells.append(f"ends after {len(ours)} tokens, the other after {len(theirs)}")
            else:
                gap = theirs[same][1][0] - theirs[same][1][1]
                cells.append(f"{same} of {len(theirs)}, then a distance of {gap:.4f}")
        lines.append(f"| {json.dumps(prompt)} | " + " | ".join(cells) + " |")
    return lines + [""]


def measure(args, llamas, textports, tell):
    lines = []
    engines = llamas + textports
    text = args.work / "text.txt"
    args.work.mkdir(parents=True, exist_ok=True)
    # llama.cpp drops the last newline of a file.
    text.write_text("\n".join(path.read_text() for path in args.text).rstrip("\n"))
    for model in args.models:
        found = {}
        with full_precision(args, model, llamas[0]) as (reference, base):
            tell(f"{model.name}: the reference, {llamas[0].name}")
            exact = llamas[0].reference(reference, text, base)
            for engine in engines:
                tell(f"{model.name}: perplexity and divergence, {engine.name}")
                figures = engine.figures(model, reference, text, base)
                found[engine.name] = {"reference": exact, **figures}
        lines += table(model, found, llamas[0].name)
        if args.greedy:
            answers = {}
            for engine in engines:
                tell(f"{model.name}: {args.greedy} tokens of {len(PROMPTS)} prompts, {engine.name}")
                answers[engine.name] = engine.greedy(model)
            lines += greedy_table(answers, llamas[0].name)
    text.unlink()
    return lines


def main():
    args = arguments()
    if missing := [path for path in args.models + args.text if not path.is_file()]:
        raise Fault(f"{missing[0]} is not there")
    llamas = [Llama(args, folder) for folder in args.llama]
    textports = [Textport(args, cpu) for cpu in args.cpu]

    def tell(words):
        print(words, file=sys.stderr, flush=True)

    lines = measure(args, llamas, textports, tell)
    abouts = [f"| {engine.name} | {engine.about.replace(chr(10), '<br>')} |"
              for engine in llamas + textports]
    names = ", ".join(path.name for path in args.text)
    scored = args.context - args.context // 2 - 1
    head = ["# textport and llama.cpp: the same numbers?", "", "| thing | value |", "|---|---|",
            f"| date | {datetime.date.today().isoformat()} |", *abouts,
            f"| text | {names}; at most {args.windows} windows of {args.context} tokens, the last "
            f"{scored} of each count |", ""]
    whole = "\n".join(head + lines).rstrip() + "\n"
    if args.out:
        part = args.out.with_name(args.out.name + ".part")
        part.write_text(whole)
        os.replace(part, args.out)
    print(whole, end="")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Fault as fault:
        sys.exit(f"error: {fault}")
    except KeyboardInterrupt:
        sys.exit(130)
