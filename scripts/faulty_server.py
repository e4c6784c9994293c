"""A mirror of one file, and a model behind a chat API, that misbehave in the way that the address asks for.

GET /FAULT/NUMBER/PATH is the file. POST /FAULT/AFTER/NUMBER/v1/chat/completions is an answer, and from the
request after the AFTERth on it goes wrong.
"""

from __future__ import annotations

import gzip
import itertools
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from chat_server import answer

CONTENT = b"TP53\tB-Gene\nbinds\tO\nMDM2\tB-Gene\n\n" * 2000
PATH = "Toy/test.tsv"

FAULTS = (
    *("stalls", "stalls in the middle", "cuts", "cuts without a length", "lies", "empty", "web page"),
    *("redirects for ever", "redirects to a file", "500", "404", "closes", "garbage", "without end"),
    *("byte by byte", "packed bomb", "half a header", "once 500", "once cut", "once closes"),
)

CHAT_FAULTS = (
    *("500", "429", "401", "half a JSON", "cut in the middle", "no answer", "web page"),
    *("no choices", "stalls", "takes its time"),
)


class _Handler(BaseHTTPRequestHandler):
    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        fault, number, *_ = self.path.strip("/").replace("%20", " ").split("/")
        key = f"{fault}/{number}"
        self.asked[key] += 1
        if fault.startswith("once"):
            fault = {"500": "500", "cut": "cuts", "closes": "closes"}[fault.split()[1]]
            fault = fault if self.asked[key] == 1 else "good"
        with suppress(OSError):  # the client has had enough
            self._misbehave(fault)

    def do_POST(self) -> None:
        fault, after, number, *_ = self.path.strip("/").replace("%20", " ").split("/")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = f"{fault}/{after}/{number}"
        self.asked[key] += 1
        with suppress(OSError):
            self._answer("good" if self.asked[key] <= int(after) else fault, body["messages"])

    def _answer(self, fault: str, messages: Any) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": answer(messages)}}
        whole = json.dumps({"choices": [choice]}).encode()
        as_json: dict[str, Any] = {"Content-Type": "application/json"}
        if fault.isdecimal():
            self._send(b'{"error": "not now"}', status=int(fault), **as_json)
        elif fault == "half a JSON":
            self._send(whole[: len(whole) // 2], **as_json)
        elif fault == "cut in the middle":
            self._send(whole[: len(whole) // 2], len(whole), **as_json)
        elif fault == "web page":
            self._send(b"<html>Please sign in</html>")
        elif fault == "no choices":
            self._send(b'{"choices": []}', **as_json)
        elif fault == "stalls":
            time.sleep(5)
        elif fault != "no answer":
            time.sleep(0.2 if fault == "takes its time" else 0)
            self._send(whole, **as_json)
        self.close_connection = True

    def _misbehave(self, fault: str) -> None:
        half = CONTENT[: len(CONTENT) // 2]
        if fault == "good":
            self._send(CONTENT)
        elif fault == "stalls":
            time.sleep(5)
        elif fault == "stalls in the middle":
            self._send(half, len(CONTENT))
            time.sleep(5)
        elif fault == "cuts":
            self._send(half, len(CONTENT))
        elif fault == "cuts without a length":
            self._send(half, None)
        elif fault == "lies":
            self._send(CONTENT.replace(b"TP53", b"TP63"))
        elif fault == "empty":
            self._send(b"")
        elif fault == "web page":
            self._send(b"<html>Please sign in</html>")
        elif fault.startswith("redirects"):
            to = f"{self.path}x" if fault.endswith("ever") else "file:///etc/passwd"
            self._send(b"", 0, 302, Location=to)
        elif fault in ("500", "404"):
            self._send(b"no", 2, int(fault))
        elif fault == "garbage":
            self.wfile.write(b"\x00\xff" * 5000)
        elif fault == "half a header":
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Le")
        elif fault in ("without end", "byte by byte"):
            self._send(b"", None)
            for number in itertools.count():
                self.wfile.write(CONTENT if fault == "without end" else CONTENT[number : number + 1])
                if fault == "byte by byte":
                    time.sleep(0.1)
        elif fault == "packed bomb":
            self._send(gzip.compress(b"\0" * 2**24), **{"Content-Encoding": "gzip"})
        self.close_connection = True

    def _send(self, body: bytes, length: int | None = -1, status: int = 200, **headers: Any) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass


def _run(ports: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    ports.send(server.server_port)
    server.serve_forever()


@contextmanager
def serve() -> Iterator[str]:
    """A mirror in a process of its own; gives its address."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_run, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.kill()
        process.join()
