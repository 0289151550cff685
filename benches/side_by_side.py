#!/usr/bin/env python3
"""Measures textport beside llama.cpp and candle-transformers: same files, same lengths, taking turns.

    cargo build --release --bins --examples --workspace
    benches/llama_cpp.sh
    benches/side_by_side.py MODEL.gguf [MODEL.gguf ...] --out benches/results/DATE-NAME.md

Every measurement is a process of its own: a warm-up and one measured run. In each round every engine
has its turn, and who begins changes; the tables have medians over the rounds, with smallest and
largest. Nothing but Python's standard library is needed. Files of true shapes with random numbers:

    cargo run --release -p textport-adapter-local --example random_model -- qwen3-0.6b q4_k_m OUT.gguf

What is measured, and by what:

  speed   prompt of 512 tokens, then 128 tokens one by one: `textport bench`, `llama-bench`,
          example `candle_peer`; peak resident memory of the same processes
  start   from the start of the process to its end with one token computed, nothing warmed up
  batch   128 tokens by each of 1, 2, 4, 8 and 16 sequences at once after 32 tokens of prompt, all
          together: `textport bench --batch`, `llama-batched-bench` (candle's models take no batches)
  server  1, 2, 4, 8 and 16 requests at once with texts of their own, prompts included: example
          `batch_throughput` (the whole provider), `llama-server` (over HTTP)
"""

import argparse
import datetime
import hashlib
import http.client
import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")
PROMPT, DECODE = 512, 128
BATCH_PROMPT = 32
TESTS = ("speed", "start", "batch", "server")


class Fault(Exception):
    """Something that keeps a figure from being true; nothing is measured around it."""


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("models", nargs="+", type=Path, metavar="MODEL.gguf")
    add("--engines", default="textport,llama.cpp,candle", help="which, by commas")
    add("--tests", default="speed,start,batch", help="which of " + ",".join(TESTS))
    add("--threads", default="1,2", help="thread counts; default: 1,2")
    add("--batches", default="1,2,4,8,16", help="sequences at once; default: 1,2,4,8,16")
    add("--rounds", type=int, default=5, help="turns of every engine; default: 5")
    add("--prompt", type=int, default=PROMPT, help="tokens of a prompt; default: 512")
    add("--decode", type=int, default=DECODE, help="tokens generated; default: 128")
    add("--busy", type=int, default=0, metavar="N", help="keep N foreign threads busy meanwhile")
    add(
        "--quiet",
        type=float,
        default=0.15,
        metavar="CORES",
        help="wait until less than this is busy with other work, and repeat what was disturbed by "
        "twice as much; 0: neither; default: 0.15",
    )
    add("--textport", type=Path, default=ROOT / "target/release/textport")
    add("--examples", type=Path, default=ROOT / "target/release/examples")
    llama = os.environ.get("LLAMA_CPP_DIR", ROOT / "target/llama.cpp")
    add("--llama", type=Path, default=Path(llama), help="the folder of benches/llama_cpp.sh")
    add("--out", type=Path, help="write the tables here too")
    args = parser.parse_args()
    for name in ("threads", "batches"):
        setattr(args, name, [int(word) for word in getattr(args, name).split(",")])
    args.engines, args.tests = args.engines.split(","), args.tests.split(",")
    if unknown := set(args.engines) - set(ENGINES):
        parser.error(f"there is no engine {unknown.pop()}; known: {', '.join(ENGINES)}")
    if unknown := set(args.tests) - set(TESTS):
        parser.error(f"there is no test {unknown.pop()}; known: {', '.join(TESTS)}")
    if args.rounds < 1 or min(args.threads + args.batches) < 1:
        parser.error("rounds, threads and batches must be at least 1")
    return args


def need(*paths):
    """Every binary is there before anything is measured."""
    for path in paths:
        if not os.access(path, os.X_OK) or path.is_dir():
            raise Fault(f"{path} is missing: build it first (see --help)")


# ── Processes ──────────────────────────────────────────────────────────────────────────────────────


def busy_seconds():
    """Seconds that all processors have worked, for whomever."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _wait, irq, soft, steal = (int(word) for word in words[:8])
    return (user + nice + system + irq + soft + steal) / TICK


def own_seconds(pids):
    total = sum(os.times()[:2])
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / TICK
    return total


class Machine:
    """Who else works here, and the busy threads that were asked for."""

    def __init__(self, args):
        self.quiet, self.busy, self.loops = args.quiet, args.busy, []
        self.worst, self.waited = 0.0, 0.0

    def disturb(self):
        """Starts the busy threads: they run until the last engine has had its last turn."""
        loop = [sys.executable, "-c", "while True: pass"]
        self.loops = [subprocess.Popen(loop) for _ in range(self.busy)]

    def close(self):
        for loop in self.loops:
            loop.kill()
            loop.wait()

    def foreign(self, work, *own):
        """What `work` gives, and how many processors others used meanwhile; `own` processes are none
        of them."""
        pids = [loop.pid for loop in self.loops] + list(own)
        began, busy, own = time.monotonic(), busy_seconds(), own_seconds(pids)
        result = work()
        wall = time.monotonic() - began
        used = busy_seconds() - busy - (own_seconds(pids) - own) - result.get("cpu", 0.0)
        return result, max(0.0, used / max(wall, 1e-9)), wall

    def wait(self):
        began = time.monotonic()
        while self.quiet > 0 and time.monotonic() - began < 120:
            def rest():
                time.sleep(0.5)
                return {}

            if self.foreign(rest)[1] < self.quiet:
                break
        self.waited += time.monotonic() - began

    def run(self, command, **environment):
        """One process; disturbed ones are repeated twice at most."""
        for attempt in range(3):
            self.wait()
            result, foreign, wall = self.foreign(lambda: process(command, environment))
            # Short runs cannot tell: the clock of the kernel counts in hundredths.
            if self.quiet <= 0 or foreign <= 2 * self.quiet or wall < 0.5 or attempt == 2:
                self.note(foreign, wall)
                return result
        raise AssertionError("the last attempt returns")

    def note(self, foreign, wall):
        if wall >= 0.5:
            self.worst = max(self.worst, foreign)


def process(command, environment):
    """Runs to the end: output, seconds of wall clock and processor, peak resident bytes."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            env={**os.environ, **environment},
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()  # nothing runs on when this program is called off
            child.wait()
            raise
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    if child.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise Fault(f"{words}\nended with {child.returncode}:\n{texts[1][-2000:]}")
    return {
        "out": texts[0], "err": texts[1], "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * 1024,
    }


# ── Engines ────────────────────────────────────────────────────────────────────────────────────────


class Textport:
    def __init__(self, args):
        self.args, self.binary = args, args.textport
        need(self.binary)
        if "server" in args.tests:
            need(args.examples / "batch_throughput")

    def bench(self, model, threads, *more):
        return [
            self.binary, "bench", "-m", model.resolve(), "--device", "cpu", "-t", threads,
            "--repetitions", 1, "--json", *more,
        ]

    def speed(self, machine, model, threads):
        lengths = ["--prompt-lengths", self.args.prompt, "--decode-lengths", self.args.decode]
        ran = machine.run(self.bench(model, threads, *lengths))
        rows = {row["kind"]: row["tokens_per_s"]["median"] for row in json.loads(ran["out"])["rows"]}
        return {"prefill": rows["prefill"], "decode": rows["decode"], "peak": ran["peak"]}

    def start(self, machine, model, threads):
        lengths = ["--prompt-lengths", 0, "--decode-lengths", 1, "--no-warmup"]
        return {"start": machine.run(self.bench(model, threads, *lengths))["wall"]}

    def batch(self, machine, model, threads):
        batches = ",".join(str(batch) for batch in self.args.batches)
        ran = machine.run(self.bench(
            model, threads, "--prompt-lengths", 0, "--depths", BATCH_PROMPT,
            "--decode-lengths", self.args.decode, "--batch", batches,
        ))
        rows = json.loads(ran["out"])["rows"]
        return {f"batch {row['batch']}": row["tokens_per_s"]["median"] for row in rows}

    def server(self, machine, model, _threads):
        example = self.args.examples / "batch_throughput"
        batches = ",".join(str(batch) for batch in self.args.batches)
        ran = machine.run([example, model.resolve(), self.args.decode, 1, batches])
        rows = re.findall(r"^\| (\d+) \| ([\d.]+) ", ran["out"], re.MULTILINE)
        if not rows:
            raise Fault(f"batch_throughput printed no table:\n{ran['out']}")
        return {f"requests {n}": float(speed) for n, speed in rows}

    def version(self):
        said = process([self.binary, "--version"], {})["out"].strip()
        git = subprocess.run(
            ["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True
        )
        kernels = os.environ.get("TEXTPORT_CPU")
        limited = f"; TEXTPORT_CPU={kernels}" if kernels else ""
        return f"{said} ({git.stdout.strip() or 'no git'}){limited}"

    def facts(self, machine, model, threads):
        """What is read and multiplied per token, how fast memory is and the processor."""
        lengths = ["--prompt-lengths", 0, "--decode-lengths", 1, "--no-warmup"]
        command = self.bench(model, threads, *lengths, "--bandwidth", "--peak")
        said = json.loads(machine.run(command)["out"])
        said["bandwidth"] = said["read_bandwidth"][0]["bytes_per_s"]["median"]
        said["bytes_peak"] = said["peak"][0]["bytes_per_s"]["median"]
        said["floats_peak"] = said["peak"][0]["floats_per_s"]["median"]
        return said


class Llama:
    def __init__(self, args):
        self.args, self.folder = args, args.llama
        names = ["llama-bench"] + ["llama-batched-bench"] * ("batch" in args.tests)
        names += ["llama-server"] * ("server" in args.tests)
        need(*(self.binary(name) for name in names))

    def binary(self, name):
        return self.folder / "bin" / name

    def bench(self, model, threads, *more):
        return [self.binary("llama-bench"), "-m", model, "-t", threads, "-r", 1, "-o", "json", *more]

    def speed(self, machine, model, threads):
        lengths = ["-p", self.args.prompt, "-n", self.args.decode]
        ran = machine.run(self.bench(model, threads, *lengths))
        rows = json.loads(ran["out"])
        prefill = next(row["avg_ts"] for row in rows if row["n_gen"] == 0)
        decode = next(row["avg_ts"] for row in rows if row["n_prompt"] == 0)
        return {"prefill": prefill, "decode": decode, "peak": ran["peak"]}

    def start(self, machine, model, threads):
        lengths = ["-p", 0, "-n", 1, "--no-warmup"]
        return {"start": machine.run(self.bench(model, threads, *lengths))["wall"]}

    def batch(self, machine, model, threads):
        most = max(self.args.batches) * (BATCH_PROMPT + self.args.decode)
        ran = machine.run([
            self.binary("llama-batched-bench"), "-m", model, "-t", threads, "-c", most,
            "-npp", BATCH_PROMPT, "-ntg", self.args.decode,
            "-npl", ",".join(str(batch) for batch in self.args.batches),
            "--output-format", "jsonl",
        ])
        lines = [line for line in ran["out"].splitlines() + ran["err"].splitlines()
                 if line.startswith("{") and '"speed_tg"' in line]
        rows = [json.loads(line) for line in lines]
        if len(rows) != len(self.args.batches):
            raise Fault(f"llama-batched-bench gave {len(rows)} rows:\n{ran['err'][-2000:]}")
        return {f"batch {row['pl']}": row["speed_tg"] for row in rows}

    def server(self, machine, model, _threads):
        cores = os.cpu_count() or 1
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        most = max(self.args.batches)
        command = [
            self.binary("llama-server"), "-m", model, "-t", cores, "-np", most,
            "-c", most * 512, "--host", "127.0.0.1", "--port", port,
        ]
        machine.wait()
        with tempfile.TemporaryFile() as log:
            server = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
            try:
                healthy(port, server)
                asked(port, [0], self.args.decode)
                first, figures = 1, {}
                for batch in self.args.batches:
                    numbers = range(first, first + batch)
                    first += batch
                    ask = lambda: {"speed": asked(port, numbers, self.args.decode)}
                    said, foreign, wall = machine.foreign(ask, server.pid)
                    machine.note(foreign, wall)
                    figures[f"requests {batch}"] = said["speed"]
                return figures
            finally:
                server.terminate()
                server.wait()

    def version(self):
        about = self.folder / "about.txt"
        if not about.exists():
            raise Fault(f"{about} is missing: build with benches/llama_cpp.sh")
        return about.read_text().strip()

    def buffers(self, model):
        """Where its weights are: says whether AMX or another repacking is used."""
        ran = process(self.bench(model, 1, "-p", 0, "-n", 1, "--no-warmup", "-v"), {})
        found = re.findall(r"(\S+) model buffer size = +([\d.]+ \w+)", ran["err"])
        return ", ".join(f"{name} {size}" for name, size in found) or "not said"


def healthy(port, server):
    for _ in range(600):
        if server.poll() is not None:
            raise Fault(f"llama-server ended with {server.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise Fault("llama-server does not become healthy")


def asked(port, numbers, tokens):
    """Tokens per second of requests at once; the same texts as batch_throughput's."""
    counts, faults = [], []

    def ask(n):
        prompt = f"{n} reasons why a ship that leaves port number {n} comes back:"
        body = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "cache_prompt": False}
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/completion", json.dumps(body), headers)
            counts.append(json.loads(connection.getresponse().read())["tokens_predicted"])
        except (OSError, ValueError, KeyError) as error:
            faults.append(error)

    threads = [threading.Thread(target=ask, args=(n,)) for n in numbers]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.monotonic() - began
    if faults:
        raise Fault(f"llama-server: {faults[0]}")
    return sum(counts) / wall


class Candle:
    def __init__(self, args):
        self.args, self.binary = args, args.examples / "candle_peer"
        if {"speed", "start"} & set(args.tests):
            need(self.binary)
        if "speed" in args.tests and (args.prompt, args.decode) != (PROMPT, DECODE):
            raise Fault("candle_peer measures 512 and 128 tokens only: leave candle out (--engines)")

    def run(self, machine, threads, *words):
        threads = str(threads)
        environment = {"CANDLE_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads}
        return machine.run([self.binary, *words], **environment)

    def speed(self, machine, model, threads):
        ran = self.run(machine, threads, "--turn", "candle", model, threads)
        prefill, decode, _load = (float(word) for word in ran["out"].split())
        return {"prefill": prefill, "decode": decode, "peak": ran["peak"]}

    def start(self, machine, model, threads):
        return {"start": self.run(machine, threads, "--first", "candle", model)["wall"]}

    def batch(self, *_):
        return {}

    server = batch

    def version(self):
        lock = (ROOT / "Cargo.lock").read_text()
        found = re.search(r'name = "candle-transformers"\nversion = "([^"]+)"', lock)
        return f"candle-transformers {found[1] if found else '(version unknown)'}"


ENGINES = {"textport": Textport, "llama.cpp": Llama, "candle": Candle}


# ── Measuring ──────────────────────────────────────────────────────────────────────────────────────


def measure(args, engines, machine, tell):
    """Figures by (model, threads, metric, engine)."""
    found = {}
    for model in args.models:
        for test in args.tests:
            # Both servers take the processors that there are.
            for threads in [0] if test == "server" else args.threads:
                for turn in range(args.rounds):
                    names = list(engines)
                    names = names[turn % len(names):] + names[:turn % len(names)]
                    for name in names:
                        tell(f"{model.name}: {test}, {threads or 'all'} threads, "
                             f"round {turn + 1} of {args.rounds}, {name}")
                        figures = getattr(engines[name], test)(machine, model, threads)
                        for metric, value in figures.items():
                            found.setdefault((model, threads, metric, name), []).append(value)
    return found


UNITS = {
    "prefill": ("prefill {prompt} tok/s", 1, "{:.1f}"),
    "decode": ("decode {decode} tok/s", 1, "{:.1f}"),
    "start": ("start to first token s", 1, "{:.3f}"),
    "peak": ("peak memory MB", 1e6, "{:.0f}"),
}


def unit(args, metric):
    name, scale, form = UNITS.get(metric, (metric + " tok/s", 1, "{:.1f}"))
    return name.format(prompt=args.prompt, decode=args.decode), scale, form


def cell(values, scale, form):
    if not values:
        return "-"
    low, middle, high = (form.format(v / scale)
                         for v in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low}-{high})" if len(values) > 1 else middle


def tables(args, engines, found, facts):
    lines = []
    names = list(engines)
    peers = [name for name in names if name != "textport"] if "textport" in names else []
    for model in args.models:
        lines += [f"## {model.name}", "", "| measured | threads | " + " | ".join(names)
                  + "".join(f" | textport ÷ {peer}" for peer in peers) + " | n |",
                  "|---" * (3 + len(names) + len(peers)) + "|"]
        keys = dict.fromkeys((t, m) for (which, t, m, _) in found if which == model)
        for threads, metric in keys:
            name, scale, form = unit(args, metric)
            columns = [found.get((model, threads, metric, engine), []) for engine in names]
            ours = found.get((model, threads, metric, "textport"), [])
            ratios = []
            for peer in peers:
                theirs = found.get((model, threads, metric, peer), [])
                both = ours and theirs
                ratios.append(
                    f"{statistics.median(ours) / statistics.median(theirs):.2f}" if both else "-"
                )
            row = [name, str(threads or "all"), *(cell(c, scale, form) for c in columns), *ratios,
                   str(max(len(c) for c in columns))]
            lines.append("| " + " | ".join(row) + " |")
        lines.append("")
        lines += shares(args, names, found, facts, model)
    return lines


def shares(args, names, found, facts, model):
    """What of the machine the rows reach, from medians."""
    known = {t: facts[model, t] for t in args.threads if (model, t) in facts}
    if not known or "speed" not in args.tests:
        return []
    lines = ["| of the machine | threads | " + " | ".join(names) + " |",
             "|---" * (2 + len(names)) + "|"]
    for threads, said in known.items():
        # What the products of weights of one token take at the peak.
        quantized = said["byte_products_per_token"]
        floats = said["products_per_token"] - quantized
        shortest = quantized / said["bytes_peak"] + floats / said["floats_peak"]
        read, products, peak = [], [], []
        for name in names:
            decode = found.get((model, threads, "decode", name))
            prefill = found.get((model, threads, "prefill", name))
            read.append("-" if not decode else "{:.0f} %".format(
                100 * statistics.median(decode) * said["bytes_per_step"] / said["bandwidth"]))
            products.append("-" if not prefill else "{:.1f}".format(
                statistics.median(prefill) * said["products_per_token"] / threads / 1e9))
            peak.append("-" if not prefill else "{:.0f} %".format(
                100 * statistics.median(prefill) * shortest))
        label = "decode, of {:.1f} GB/s read".format(said["bandwidth"] / 1e9)
        lines.append(f"| {label} | {threads} | " + " | ".join(read) + " |")
        lines.append(f"| prefill, GMAC/s per thread | {threads} | " + " | ".join(products) + " |")
        label = "prefill, of {:.0f} GMAC/s of bytes and {:.0f} of floats, {}".format(
            said["bytes_peak"] / 1e9, said["floats_peak"] / 1e9, said["cpu"]["kernels"])
        lines.append(f"| {label} | {threads} | " + " | ".join(peak) + " |")
    stored = ", ".join(f"{one['kind']} {one['bytes'] / 1e6:.1f} MB" for one in said["stored_as"])
    lines += ["", "A decode step reads {:.1f} MB of weights ({}); a token of a prompt takes {:.1f} M "
              "products of weights, output and attention not counted.".format(
                  said["bytes_per_step"] / 1e6, stored, said["products_per_token"] / 1e6), ""]
    return lines


FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16",
         "amx_int8", "amx_bf16", "asimddp", "i8mm", "sve")


def machine_lines(args, engines, machine, buffers):
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)
    flags = set(re.findall(r"^(?:flags|Features)\s*: (.*)$", info, re.MULTILINE)[:1][0].split())
    memory = int(re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    rows = [
        ("date", datetime.date.today().isoformat()),
        ("processor", f"{model[1] if model else platform.machine()}, {os.cpu_count()} processors; "
                      + ", ".join(flag for flag in FLAGS if flag in flags)),
        ("memory, kernel", f"{memory:.1f} GiB, {platform.system()} {platform.release()}"),
        ("protocol", f"{args.rounds} rounds, engines taking turns in processes of their own"),
        ("other work", f"{machine.worst:.2f} processors at worst during a run; waited "
                       f"{machine.waited:.0f} s for quiet"
                       + (f"; {args.busy} busy threads on purpose" if args.busy else "")),
    ]
    rows += [(name, engine.version().replace("\n", "<br>")) for name, engine in engines.items()]
    for path in args.models:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        where = f"; llama.cpp keeps it in: {buffers[path]}" if path in buffers else ""
        size = f"{path.stat().st_size:,} bytes"
        rows.append((path.name, f"{size}, sha256 {digest.hexdigest()[:16]}…{where}"))
    words = " ".join(word if "/" not in word else Path(word).name for word in sys.argv[1:])
    rows.append(("command", f"`benches/side_by_side.py {words}`"))
    return ["| thing | value |", "|---|---|"] + [f"| {a} | {b} |" for a, b in rows] + [""]


def main():
    args = arguments()
    if missing := [model for model in args.models if not model.is_file()]:
        raise Fault(f"{missing[0]} is not there")
    engines = {name: ENGINES[name](args) for name in args.engines}
    began = time.monotonic()

    def tell(words):
        print(f"{time.monotonic() - began:6.0f} s  {words}", file=sys.stderr, flush=True)

    machine = Machine(args)
    try:
        facts, buffers = {}, {}
        for model in args.models:
            if "llama.cpp" in engines:
                buffers[model] = engines["llama.cpp"].buffers(model)
            if "textport" in engines:
                for threads in args.threads:
                    facts[model, threads] = engines["textport"].facts(machine, model, threads)
        machine.disturb()
        found = measure(args, engines, machine, tell)
    finally:
        machine.close()
    title = "# " + ", ".join(engines) + ": side by side"
    lines = [title, "", *machine_lines(args, engines, machine, buffers),
             "Medians (smallest-largest) of n runs. Ratios of speeds are good above 1, those of "
             "times and memory below 1.", "", *tables(args, engines, found, facts)]
    text = "\n".join(lines).rstrip() + "\n"
    if args.out:
        whole = args.out.with_name(args.out.name + ".part")
        whole.write_text(text)
        os.replace(whole, args.out)
    print(text, end="")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Fault as fault:
        sys.exit(f"error: {fault}")
    except KeyboardInterrupt:
        sys.exit(130)
