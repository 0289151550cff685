"""Drives a program on a pseudo-terminal.

Arguments: the steps, one a line, then the program and its arguments. Steps are `send TEXT`,
`key NAME`, `wait TEXT`, `prompt` (a new one; the editor draws it again as one types) and `exit CODE`.
All that the terminal showed goes to stdout. Waiting in vain for five minutes, or another exit code,
is an error.
"""

import os
import pty
import re
import select
import struct
import sys
import termios
import fcntl
import time

PATIENCE = 300
KEYS = {
    "enter": b"\r",
    "tab": b"\t",
    "up": b"\x1b[A",
    "backspace": b"\x7f",
    "ctrl-c": b"\x03",
    "ctrl-d": b"\x04",
}
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

steps, program = sys.argv[1].split("\n"), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(program[0], program)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))

shown, seen = b"", 0


def text():
    return ESCAPES.sub("", shown.decode("utf-8", "replace"))


def receive():
    """Takes what the program shows; False when it is gone."""
    global shown
    ready, _, _ = select.select([terminal], [], [], 0.1)
    if not ready:
        return True
    try:
        data = os.read(terminal, 65536)
    except OSError:
        return False
    shown += data
    return bool(data)


def fail(message):
    sys.stdout.write(text())
    sys.exit(message)


def wait(wanted):
    global seen
    deadline = time.monotonic() + PATIENCE
    alive = True
    while True:
        at = text().find(wanted, seen)
        if at >= 0:
            seen = at + len(wanted)
            return
        if not alive or time.monotonic() > deadline:
            fail(f"waited in vain for {wanted!r} after {text()[:seen][-80:]!r}")
        alive = receive()


def leave(code):
    deadline = time.monotonic() + PATIENCE
    while receive():
        if time.monotonic() > deadline:
            fail("the program does not end")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != int(code):
        fail(f"the program ended with {status}, not with {code}")


for step in steps:
    verb, _, rest = step.partition(" ")
    if verb == "send":
        data = rest.encode()
        # A terminal takes long lines in pieces.
        for start in range(0, len(data), 512):
            os.write(terminal, data[start : start + 512])
            receive()
    elif verb == "key":
        os.write(terminal, KEYS[rest])
    elif verb == "wait":
        wait(rest)
    elif verb == "prompt":
        wait("\n\r>>> ")
    elif verb == "exit":
        leave(rest)
    else:
        fail(f"unknown step {step!r}")
sys.stdout.write(text())
