"""A proxy in front of a real node that fails and lies as a test says.

A fault is a function of the call's parameters and of ``forward``, which asks the real node. It returns the
answer: a mapping (JSON), bytes (sent as they are) or an HTTP status.
"""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


class UnreliableNode:
    """Honest until told otherwise; ``taken`` lists the raw transactions that reached the real node."""

    def __init__(self, real_url):
        self.taken = []
        self._real_url = real_url
        self._client = httpx.Client(timeout=30)
        self._faults = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._client.close()

    @contextmanager
    def lying(self, method, fault):
        """While the context lasts, calls of ``method`` (`*`: all) are answered by ``fault``."""
        self._faults[method] = fault
        try:
            yield
        finally:
            del self._faults[method]

    def answer(self, call):
        def forward():
            if call["method"] == "eth_sendRawTransaction":
                self.taken.append(call["params"][0])
            return self._client.post(self._real_url, json=call).json()

        fault = self._faults.get(call["method"]) or self._faults.get("*")
        return fault(call["params"], forward) if fault else forward()

    def _handler(node):  # noqa: N805 - the handler below has its own self
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = node.answer(call)
                status = answer if isinstance(answer, int) else 200
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the caller has given up waiting

            def log_message(self, *_args):
                pass

        return Handler


def says(result):
    """The node's result is ``result``."""
    return changed(lambda _honest, _params: result)


def changed(change):
    """The node's result is ``change(result, params)``."""

    def fault(params, forward):
        answer = forward()
        return {**answer, "result": change(answer["result"], params)} if "result" in answer else answer

    return fault


def http_500(_params, _forward):
    return 500


def answer_lost(_params, forward):
    """The call arrives, its answer does not."""
    forward()
    return 502


def page(_params, _forward):
    return b"<html>Service temporarily unavailable</html>"


def truncated(_params, forward):
    return json.dumps(forward()).encode()[:-9]


def nothing(_params, _forward):
    return {}


def too_late(_params, forward):
    time.sleep(1)
    return forward()
