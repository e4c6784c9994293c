"""Downloads for real, from an HTTP server on the loopback interface."""

import hashlib
import itertools
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from bioner_bench import corpora
from bioner_bench.corpora import download, registry
from bioner_bench.corpora.files import locate
from bioner_bench.schema import BenchmarkError

CONTENT = b"TP53\tB-Gene\nbinds\tO\nMDM2\tB-Gene\n\n" * 2000
PATH = "Toy/test.tsv"


class Server:
    """Serves `bodies` by path and counts what it was asked for; `promised` overrides a Content-Length.

    A body may be a function that gives its pieces; `left` are those that the client did not read to the end.
    """

    def __init__(self):
        self.bodies = {}
        self.promised = {}
        self.asked = []
        self.left = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                body = outer.bodies.get(self.path)
                if body is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                length = outer.promised.get(self.path, len(body) if isinstance(body, bytes) else None)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                try:
                    for piece in [body] if isinstance(body, bytes) else body():
                        self.wfile.write(piece)
                except OSError:  # the client has had enough
                    outer.left.append(self.path)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


@pytest.fixture
def server(monkeypatch):
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the pauses between tries
    server = Server()
    yield server
    server.close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("BIONER_BENCH_DATA", str(folder))
    return folder / "corpora"


@pytest.fixture
def toy(tmp_path, monkeypatch, server):
    """A corpus with one file, at home on the server under /home/."""
    folder = tmp_path / "entries"
    folder.mkdir()
    test = {
        "path": PATH,
        "url": f"{server.url}/home/renamed.tsv",
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "sentences": 2000,
        "mentions": {"Gene": 4000},
    }
    entry = {
        "task": "toy",
        "name": "Toy",
        "role": "demo",
        "types": {"Gene": "a gene"},
        "format": "iob2",
        "files": {"test": test},
        "licence": "none",
        "citation": "none",
    }
    (folder / "toy.yaml").write_text(yaml.safe_dump(entry), encoding="utf-8")
    monkeypatch.setenv("BIONER_BENCH_CORPORA", str(folder))
    return corpora.get("toy")


@pytest.fixture
def mirrored(server, monkeypatch):
    """The server is the mirror, too; the address of the file there."""
    monkeypatch.setenv("BIONER_BENCH_MIRROR", f"{server.url}/mirror/")
    return f"/mirror/{PATH}"


def files_in(folder):
    """Those that are no lock."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_file_is_fetched_from_the_mirror_once(server, cache, toy, mirrored):
    server.bodies[mirrored] = CONTENT
    path = locate(toy, "test")
    assert path == cache / PATH
    assert path.read_bytes() == CONTENT
    assert server.asked == [mirrored]
    assert locate(toy, "test") == path
    assert len(corpora.load("toy", "test").sentences) == 2000
    assert server.asked == [mirrored]
    assert files_in(cache) == ["test.tsv"]


def test_file_is_fetched_from_its_home_without_a_mirror(server, cache, toy):
    server.bodies["/home/renamed.tsv"] = CONTENT
    assert len(corpora.load("toy", "test").sentences) == 2000
    assert server.asked == ["/home/renamed.tsv"]
    assert (cache / PATH).read_bytes() == CONTENT


def test_fetched_file_is_used_when_the_server_is_gone(server, cache, toy, mirrored):
    server.bodies[mirrored] = CONTENT
    locate(toy, "test")
    server.close()
    assert len(corpora.load("toy", "test").sentences) == 2000


def test_file_spoilt_in_the_cache_is_fetched_again(server, cache, toy, mirrored):
    server.bodies[mirrored] = CONTENT
    locate(toy, "test").write_bytes(CONTENT[:100])
    assert locate(toy, "test").read_bytes() == CONTENT
    assert server.asked == [mirrored, mirrored]


@pytest.mark.parametrize(
    ("body", "promised"),
    [
        (CONTENT.replace(b"MDM2", b"MDM4"), None),
        (b"", None),
        (CONTENT[: len(CONTENT) // 2], None),
        (CONTENT[: len(CONTENT) // 2], len(CONTENT)),
        (CONTENT, len(CONTENT) + 10),
        (b"<html>Please sign in</html>", None),
    ],
    ids=["other content", "empty", "cut, no length", "cut, with length", "length too large", "a web page"],
)
def test_wrong_content_is_an_error_and_leaves_nothing_behind(server, cache, toy, mirrored, body, promised):
    server.bodies[mirrored] = body
    server.promised[mirrored] = promised
    with pytest.raises(BenchmarkError, match="cannot fetch") as caught:
        corpora.load("toy", "test")
    message = str(caught.value)
    assert f"{server.url}{mirrored}" in message
    assert "BIONER_BENCH_MIRROR" in message
    assert "\n" not in message
    assert files_in(cache) == []
    assert len(server.asked) > 1, "one more try could have helped"


def test_absent_file_is_an_error_naming_the_address(server, cache, toy, mirrored):
    with pytest.raises(BenchmarkError, match=f"cannot fetch {server.url}{mirrored}: 404"):
        locate(toy, "test")
    assert files_in(cache) == []


def test_server_that_is_gone_is_an_error_naming_the_address(server, cache, toy, mirrored):
    server.close()
    with pytest.raises(BenchmarkError, match=f"cannot fetch {server.url}{mirrored}") as caught:
        locate(toy, "test")
    assert "\n" not in str(caught.value)
    assert files_in(cache) == []


def test_next_call_succeeds_once_the_server_has_the_right_file(server, cache, toy, mirrored):
    server.bodies[mirrored] = CONTENT[:-1]
    with pytest.raises(BenchmarkError):
        locate(toy, "test")
    server.bodies[mirrored] = CONTENT
    assert locate(toy, "test").read_bytes() == CONTENT


def test_a_single_failure_is_overcome_by_trying_again(server, cache, toy, mirrored, monkeypatch):
    def appear(seconds):
        server.bodies[mirrored] = CONTENT

    monkeypatch.setattr(time, "sleep", appear)
    assert locate(toy, "test").read_bytes() == CONTENT


def test_cache_that_cannot_be_made_is_an_error(server, toy, mirrored, tmp_path, monkeypatch):
    server.bodies[mirrored] = CONTENT
    (tmp_path / "occupied").write_text("a file")
    monkeypatch.setenv("BIONER_BENCH_DATA", str(tmp_path / "occupied"))
    with pytest.raises(BenchmarkError, match="occupied"):
        locate(toy, "test")


def test_mirror_folder_is_read_in_place(server, cache, toy, tmp_path, monkeypatch):
    file = tmp_path / "mirror" / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    monkeypatch.setenv("BIONER_BENCH_MIRROR", str(tmp_path / "mirror"))
    assert locate(toy, "test") == file
    assert len(corpora.load("toy", "test").sentences) == 2000
    assert not cache.exists()
    assert server.asked == []


def test_file_cut_in_a_mirror_folder_is_an_error_and_is_left_alone(server, toy, tmp_path, monkeypatch):
    file = tmp_path / "mirror" / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT[: len(CONTENT) // 2])
    monkeypatch.setenv("BIONER_BENCH_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(BenchmarkError, match=r"test\.tsv: SHA-256 is .*, expected .*: a cut or another file"):
        corpora.load("toy", "test")
    assert file.stat().st_size == len(CONTENT) // 2
    assert server.asked == []


def test_a_server_that_sends_without_end_is_left(server, cache, toy, mirrored, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 10 * len(CONTENT))
    server.bodies[mirrored] = lambda: itertools.repeat(CONTENT)
    with pytest.raises(BenchmarkError, match="sends more than 660,000 bytes"):
        locate(toy, "test")
    assert files_in(cache) == []


def test_a_server_that_sends_byte_by_byte_is_left(server, cache, toy, mirrored, monkeypatch):
    monkeypatch.setattr(download, "DEADLINE", 0.2)
    sleep = threading.Event().wait  # what `server` leaves of time.sleep does not wait

    def slowly():
        for byte in CONTENT:
            yield bytes([byte])
            sleep(0.05)

    server.bodies[mirrored] = slowly
    server.promised[mirrored] = len(CONTENT)
    with pytest.raises(BenchmarkError, match="bytes in 0 seconds: too slow"):
        locate(toy, "test")
    assert files_in(cache) == []


def test_what_a_killed_fetch_left_is_removed_by_the_next(server, cache, toy, mirrored):
    server.bodies[mirrored] = CONTENT
    place = cache / PATH
    place.parent.mkdir(parents=True)
    (place.parent / ".test.tsv-ab12cd_3").write_bytes(CONTENT[:99])
    (place.parent / "notes.txt").write_bytes(b"mine")
    assert locate(toy, "test").read_bytes() == CONTENT
    assert sorted(files_in(cache)) == ["notes.txt", "test.tsv"]


@pytest.mark.slow
def test_of_many_that_fetch_at_once_one_asks(server, cache, toy, mirrored):
    server.bodies[mirrored] = CONTENT
    code = "from bioner_bench import corpora; from bioner_bench.corpora.files import locate; "
    code += "print(locate(corpora.get('toy'), 'test'))"
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [process.communicate()[0] for process in started] == [f"{cache / PATH}\n"] * 4
    assert server.asked == [mirrored]


@pytest.mark.parametrize("path", ["../../../../etc/passwd", "/etc/passwd", "a/../../b.tsv", "a\\..\\b", ""])
def test_an_entry_names_no_file_outside_of_its_folder(toy, tmp_path, path):
    file = tmp_path / "entries" / "toy.yaml"
    entry = yaml.safe_load(file.read_text(encoding="utf-8"))
    entry["files"]["test"]["path"] = path
    other = tmp_path / "others" / "toy.yaml"
    other.parent.mkdir()
    other.write_text(yaml.safe_dump(entry), encoding="utf-8")
    with pytest.raises(BenchmarkError, match="path"):
        registry._read(other)
