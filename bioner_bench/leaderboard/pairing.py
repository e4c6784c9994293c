"""Records of two systems, read and set side by side: the same sentences in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bioner_bench.evaluation.scoring import Table
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.records import Record
from bioner_bench.schema import BenchmarkError


@dataclass(frozen=True)
class Common:
    """The counts of several runs on the sentences that all have.

    Attributes:
        tables: the counts of each run.
        documents: the document of each sentence, None where no run names them.
        sentences: how many there are.
        missing: how many sentences of the smallest run another one has otherwise, or not at all.
    """

    tables: list[Table]
    documents: list[str | None] | None
    sentences: int
    missing: int


def read_all(path: Path) -> list[Record]:
    """The record, or all records below a folder.

    Raises:
        BenchmarkError: there are none, or two are of one run: copies, or an older and a newer one. Their mean
            would hide what the newer one lost.
    """
    if path.is_file() and path.name.endswith((".jsonl", ".jsonl.gz")):
        raise BenchmarkError(
            f"{path} holds answers, and records are compared; bioner-bench leaderboard add makes one of "
            "lm-eval's output, and with --predictions of a file"
        )
    paths = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not path.exists():
        raise BenchmarkError(f"there is no file or folder {path}; name a record, or a folder of records")
    if not paths or (path.is_dir() and any(path.rglob("results_*.json"))):
        raise BenchmarkError(
            f"{path} holds no records; make them of lm-eval's output with bioner-bench leaderboard add"
        )
    found: list[Record] = []
    runs: dict[tuple[str, str, str], dict[int | None, Path]] = {}
    for each in paths:
        record = records.read(each)
        same = runs.setdefault((record["system"]["name"], record["task"], setup_of(record)), {})
        seed = record["training"]["recipe"]["seed"] if record["training"] else None
        # One whose training is not known is no further seed beside those of which it is.
        if same and (seed in same or None in {seed, *same}):
            raise BenchmarkError(
                f"{same.get(seed, next(iter(same.values())))} and {each} are of one system, task and setup, "
                "but not of two training seeds; name the folder of one, or take the other away"
            )
        same[seed] = each
        found.append(record)
    return found


def setup_of(record: Record) -> str:
    """What tells a system's runs on a task apart, without the training seed."""
    return records.variant(record).split("-training-seed-")[0]


def on_common_sentences(runs: Sequence[Record]) -> Common:
    """Take from each run the sentences that all have, in one order."""
    common = sorted(set.intersection(*(set(run["sentence_hashes"]) for run in runs)))
    missing = min(run["sentences"] for run in runs) - len(common)
    documents: list[str | None] | None = None
    tables = []
    for run in runs:
        place = {digest: number for number, digest in enumerate(run["sentence_hashes"])}
        chosen = np.array([place[digest] for digest in common], dtype=np.int64)
        tables.append({name: values[chosen] for name, values in records.counts_of(run).items()})
        if documents is None and run["documents"] is not None:
            documents = [run["documents"][number] for number in chosen]
    return Common(tables, documents, len(common), missing)
