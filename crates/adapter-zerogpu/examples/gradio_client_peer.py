"""The official Python client under the same load as `gradio_peer client`: one JSON line.

Arguments: URL, calls at once, rounds, values per call, and how to read a call: `iterate` takes value
by value, `result` waits for the last one only, which costs this client least.
"""

import json
import sys
import threading
import time

from gradio_client import Client

url, at_once, rounds, values = sys.argv[1], *map(int, sys.argv[2:5])
iterate = sys.argv[5] == "iterate"
client = Client(url, verbose=False, max_workers=at_once, analytics_enabled=False)


def one(first, total, lengths):
    begin = time.perf_counter()
    job = client.submit("x", values, api_name="/paced")
    seen = None
    if iterate:
        for last in job:
            seen = seen or time.perf_counter() - begin
        first.append(seen)
    else:
        last = job.result()
    total.append(time.perf_counter() - begin)
    lengths.append(len(last.split(" ")))


def load(rounds):
    first, total, lengths = [], [], []
    for _ in range(rounds):
        threads = [threading.Thread(target=one, args=(first, total, lengths)) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return first, total, lengths


load(1)  # warm
cpu, wall = time.process_time(), time.perf_counter()
first, total, lengths = load(rounds)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps({"first_s": first, "total_s": total, "cpu_s": cpu, "wall_s": wall, "peak_kb": peak,
                  "calls": len(total), "whole": all(n == values + 1 for n in lengths)}))
