"""A mirror of one file that misbehaves in the way that the address asks for: /FAULT/NUMBER/PATH."""

from __future__ import annotations

import gzip
import itertools
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

CONTENT = b"TP53\tB-Gene\nbinds\tO\nMDM2\tB-Gene\n\n" * 2000
PATH = "Toy/test.tsv"

FAULTS = (
    *("stalls", "stalls in the middle", "cuts", "cuts without a length", "lies", "empty", "web page"),
    *("redirects for ever", "redirects to a file", "500", "404", "closes", "garbage", "without end"),
    *("byte by byte", "packed bomb", "half a header", "once 500", "once cut", "once closes"),
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
