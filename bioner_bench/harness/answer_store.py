"""Answers that are kept as they come, so that a killed run goes on where it was.

lm-eval has a cache of answers, `--use_cache`: a table of pickles, a file for each process, with keys that
leave out which model answered. Within `keeping_answers` it is this store: answers are JSON, which runs no
code; one file serves all processes; and what answered is a part of the key. `bioner-bench run` keeps one in
its output folder unless `--use_cache` names another.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import bioner_bench
from bioner_bench.evaluation.confidence import ScoredText
from bioner_bench.schema import BenchmarkError

NAME = ".answers.sqlite"
"""The store in a run's output folder."""

PATIENCE = 60.0
"""Seconds to wait for another process that writes."""

HOW_IT_RUNS = frozenset(
    [
        *("batch_size", "max_batch_size", "device", "device_map", "parallelize", "max_memory_per_gpu"),
        *("max_cpu_memory", "offload_folder", "num_concurrent", "max_retries", "timeout"),
        *("tensor_parallel_size", "data_parallel_size", "gpu_memory_utilization", "swap_space"),
        *("share_prefix", "refill", "sort", "batch_tokens", "api_key", "header"),
    ]
)
"""Model arguments that say where and in which parts a model runs: they change no answer but by rounding."""

_TABLES = """
    CREATE TABLE IF NOT EXISTS answers (
        model TEXT, request TEXT, answer TEXT, sitting INTEGER, PRIMARY KEY (model, request)
    );
    CREATE TABLE IF NOT EXISTS sittings (number INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT, seconds REAL);
"""


class AnswerStore:
    """What lm-eval takes for its `SqliteDict`: the hash of a request -> the answer of one model.

    Safe for several processes and threads. Each answer is in the file once it is set.

    Args:
        path: the file.
        model: what answers, as `fingerprint` gives it.
        fresh: forget what is there of this model, and give nothing of it back.
        timed: keep how long answering took; of several processes that run together, one does.

    Raises:
        BenchmarkError: the file cannot be written, or is something else.
    """

    def __init__(self, path: Path, model: str, fresh: bool = False, timed: bool = True) -> None:
        self.path = path
        self.model = model
        self._start = time.monotonic()
        self._fresh = fresh
        self._written: dict[str, str] = {}
        self._taken_from: set[int] = set()
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
            self._file.executescript(_TABLES)
        self._sitting = self._begun(forgetting=fresh) if timed else 0

    def _begun(self, forgetting: bool) -> int:
        """A number for this run of the model."""
        with self._told(), self._file:
            if forgetting:
                self._file.execute("DELETE FROM answers WHERE model = ?", (self.model,))
            added = self._file.execute("INSERT INTO sittings (model, seconds) VALUES (?, 0)", (self.model,))
            return added.lastrowid or 0

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise BenchmarkError(
                f"answers cannot be kept in {self.path} ({error}); make room or mend its rights, "
                "or delete the file if it is none of bioner-bench's"
            ) from error

    def __contains__(self, request: str) -> bool:
        return self._found(request) is not None

    def __getitem__(self, request: str) -> Any:
        found = self._found(request)
        if found is None:
            raise KeyError(request)
        with self._told():
            answer = json.loads(found[0])
        if found[1] != self._sitting:
            self._taken_from.add(found[1])
        if isinstance(answer, dict):
            return ScoredText(answer["text"], answer["tokens"])
        return tuple(answer) if isinstance(answer, list) else answer  # of likelihoods

    def _found(self, request: str) -> tuple[str, int] | None:
        if self._fresh and request not in self._written:
            return None
        asked = "SELECT answer, sitting FROM answers WHERE model = ? AND request = ?"
        with self._told():
            row = self._file.execute(asked, (self.model, request)).fetchone()
        return (str(row[0]), int(row[1])) if row else None

    def __setitem__(self, request: str, answer: Any) -> None:
        scored = isinstance(answer, ScoredText)
        text = json.dumps({"text": answer, "tokens": answer.tokens} if scored else answer)
        if self._written.get(request) == text:  # lm-eval sets all of them again at the end
            return
        seconds = time.monotonic() - self._start
        with self._told(), self._file:
            self._file.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)",
                (self.model, request, text, self._sitting),
            )
            self._file.execute("UPDATE sittings SET seconds = ? WHERE number = ?", (seconds, self._sitting))
        self._written[request] = text

    def commit(self) -> None:
        """Called by lm-eval; every answer is written at once."""

    def earlier_seconds(self) -> float:
        """Seconds of the earlier runs that answers were taken from, up to the last answer of each."""
        with self._told():
            rows = self._file.execute("SELECT number, seconds FROM sittings").fetchall()
        return float(sum(seconds for number, seconds in rows if number in self._taken_from))


def store_path(output_path: str) -> Path:
    """Where the answers of a run are kept, of lm-eval's `--output_path`: a folder or a JSON file."""
    out = Path(output_path)
    return (out.parent if out.suffix == ".json" else out) / NAME


@contextmanager
def keeping_answers(model: Callable[[], str], fresh: bool = False) -> Iterator[list[AnswerStore]]:
    """Inside, lm-eval's cache of answers is an `AnswerStore`; what it opens is in the list.

    Args:
        model: gives what answers, as `fingerprint` does; asked once the model is loaded.
        fresh: ask everything anew.
    """
    import sqlitedict

    plain = sqlitedict.SqliteDict
    opened: list[AnswerStore] = []

    def store(path: str, **_: Any) -> AnswerStore:
        # lm-eval adds the process to the name, but who answers what may change from run to run.
        file = Path(re.sub(r"_rank\d+\.db$", "", path))
        made = AnswerStore(file, model(), fresh, timed=path.endswith("_rank0.db"))
        opened.append(made)
        return made

    sqlitedict.SqliteDict = store
    try:
        yield opened
    finally:
        sqlitedict.SqliteDict = plain


def fingerprint(model: str, model_args: Mapping[str, Any]) -> str:
    """What answers: the model, its weights and adapters, and all arguments that may change an answer.

    Weights in a folder are known by their content, those of the hub by their commit. A file of more than 16
    MiB is known by its size and 16 blocks spread over it: other weights differ in all of them.
    """
    told = {
        name: _content(value) if isinstance(value, str) else value
        for name, value in sorted(model_args.items())
        if name not in HOW_IT_RUNS
    }
    revision = str(model_args.get("revision", "main"))
    for argument in ("pretrained", "peft", "delta", "tokenizer"):
        name = model_args.get(argument)
        if isinstance(name, str) and not Path(name).exists():
            told[f"commit of {argument}"] = _commit(name, revision if argument == "pretrained" else "main")
    versions = [bioner_bench.__version__, *map(_version, ("lm_eval", "transformers"))]
    return hashlib.sha256(json.dumps([model, told, versions], default=str).encode()).hexdigest()


def _version(package: str) -> str | None:
    """Of an installed package; a model on a server needs no transformers."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _content(value: str) -> Any:
    path = Path(value)
    try:
        files = [path] if path.is_file() else sorted(path.rglob("*")) if path.is_dir() else None
        if files is None:
            return value
        return [[file.relative_to(path).as_posix(), _digest(file)] for file in files if _counts(file, path)]
    except OSError:
        return value


def _counts(file: Path, folder: Path) -> bool:
    """Whether a file of a checkpoint may change an answer: no hidden one, no lock, no text for readers."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.is_file() and not hidden and file.suffix not in (".md", ".lock", ".png", ".svg")


def _digest(file: Path, block: int = 2**20, blocks: int = 16) -> str:
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as stream:
        for part in range(blocks):
            stream.seek(part * block if size <= block * blocks else part * (size - block) // (blocks - 1))
            digest.update(stream.read(block))
    return digest.hexdigest()


def _commit(name: str, revision: str) -> str | None:
    """The commit of a model in the hub's cache; None if it is not there."""
    from huggingface_hub.constants import HF_HUB_CACHE

    reference = Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "refs" / revision
    return reference.read_text() if reference.is_file() else None
