"""Records of two systems, read and set side by side: the same sentences in the same order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bioner_bench.evaluation.bootstrap import Comparison, compare_runs
from bioner_bench.evaluation.scoring import Score, Table, total
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.records import Record
from bioner_bench.schema import BenchmarkError

Runs = list[Record]
"""Of one system on one task with one setup: they differ in their training seed."""


@dataclass(frozen=True)
class Common:
    """The counts of two systems' runs on the sentences that all of them have.

    Attributes:
        tables: the counts of each run of A, and of each run of B.
        documents: the document of each sentence, None where no run names them.
        sentences: how many there are.
        missing: how many sentences of the smallest run another one has otherwise, or not at all.
    """

    tables: tuple[list[Table], list[Table]]
    documents: list[str | None] | None
    sentences: int
    missing: int

    @property
    def number_of_documents(self) -> int | None:
        """None where no run names them."""
        return len(set(self.documents)) if self.documents else None

    def knows(self, score: Score) -> bool:
        """Whether there is what the score counts, in each run."""
        return all(
            any(table[column].any() for column in score.needs) for side in self.tables for table in side
        )

    def refusal(self, score: Score) -> str | None:
        """Why the systems cannot be compared by a score; None if they can."""
        if self.missing:
            return f"other gold or text in {self.missing} sentences"
        return None if self.knows(score) else f"{score.name} is not known of both"

    def compared(self, score: Score, resamples: int, seed: int) -> tuple[float, float, Comparison]:
        """The mean of each side's runs, and the test of A minus B."""
        a, b = (float(np.mean([score.of(total(table)) for table in side])) for side in self.tables)
        return a, b, compare_runs(score, *self.tables, self.documents, resamples, seed)


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


def paired(
    left: Mapping[Any, Sequence[Runs]], right: Mapping[Any, Sequence[Runs]], setup: Callable[[Record], Any]
) -> tuple[list[tuple[Runs, Runs]], list[Runs], list[Runs]]:
    """The runs that belong together, and what is left of each side.

    Of one place, such as a task, those of one setup do, and the last ones on each side, whatever theirs is.
    """
    pairs, only_left, only_right = [], [], []
    for place in dict.fromkeys([*left, *right]):
        alone, others = [], list(right.get(place, []))
        for runs in left.get(place, []):
            same = [number for number, other in enumerate(others) if setup(other[0]) == setup(runs[0])]
            if same:
                pairs.append((runs, others.pop(same[0])))
            else:
                alone.append(runs)
        if len(alone) == len(others) == 1:
            pairs.append((alone.pop(), others.pop()))
        only_left += alone
        only_right += others
    return pairs, only_left, only_right


def on_common_sentences(runs_a: Runs, runs_b: Runs) -> Common:
    """Take from each run the sentences that all have, in one order."""
    runs = [*runs_a, *runs_b]
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
    return Common((tables[: len(runs_a)], tables[len(runs_a) :]), documents, len(common), missing)
