"""What the endpoints did, told over a port of its own: tests look here, not at the clock."""

import collections
import contextlib
import http.server
import json
import threading

_LOCK = threading.Lock()
_COUNTS = {
    name: collections.Counter() for name in ("started", "running", "steps", "finished", "ended_early")
}


def count(name, key):
    with _LOCK:
        _COUNTS[name][key] += 1


@contextlib.contextmanager
def work(key):
    """Counts one generation from its start to its end, whichever way it ends."""
    with _LOCK:
        _COUNTS["started"][key] += 1
        _COUNTS["running"][key] += 1
    outcome = "ended_early"
    try:
        yield
        outcome = "finished"
    finally:
        with _LOCK:
            _COUNTS["running"][key] -= 1
            _COUNTS[outcome][key] += 1


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        with _LOCK:
            body = json.dumps({name: dict(counter) for name, counter in _COUNTS.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve():
    """Starts the ledger's own server and gives its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
