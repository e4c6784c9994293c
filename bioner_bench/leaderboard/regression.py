"""Two records of one task -> the answer whether a system got worse.

A regression is a strict F1 that is significantly lower by a paired bootstrap over the common sentences, or
lower by more than the allowed drop. Records of another task version, prompt or gold are not compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from bioner_bench.evaluation.bootstrap import RESAMPLES, SEED, SIGNIFICANCE, Comparison, compare
from bioner_bench.evaluation.scoring import scores, total
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.records import Record
from bioner_bench.schema import BenchmarkError


class Outcome(IntEnum):
    """The exit codes of `bioner-bench check`."""

    PASS = 0
    REGRESSION = 1
    INCOMPARABLE = 2


@dataclass(frozen=True)
class Verdict:
    """The answer for one run. Scores are in [0, 1], on the common sentences; None if not comparable."""

    system: str
    task: str
    setup: str
    outcome: Outcome
    reason: str
    sentences: int = 0
    old: float | None = None
    new: float | None = None
    comparison: Comparison | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        test = self.comparison
        return {
            "system": self.system,
            "task": self.task,
            "setup": self.setup,
            "outcome": self.outcome.name.lower(),
            "reason": self.reason,
            "sentences": self.sentences,
            "old": self.old,
            "new": self.new,
            "difference": test.difference if test else None,
            "difference_low": test.low if test else None,
            "difference_high": test.high if test else None,
            "p_value": test.p_value if test else None,
        }


def check_all(new: Path, old: Path, score: str = "strict_f1", max_drop: float | None = None) -> list[Verdict]:
    """Verdicts on two records, or on two folders of records, task by task.

    In folders, records of the same system, task, shots and seed belong together; where each folder holds one
    system, its name may differ. An old record without a new one cannot be compared, and says so.

    Raises:
        BenchmarkError: a file is no record, or a folder holds none.
    """
    news, olds = _records(new), _records(old)
    if new.is_file() and old.is_file():
        return [check(news[0], olds[0], score, max_drop)]
    one_each = all(len({record["system"]["name"] for record in side}) == 1 for side in (news, olds))

    def key(record: Record) -> tuple[str, Path]:
        place = records.place(record)
        return "" if one_each else record["system"]["name"], place.relative_to(place.parts[0])

    by_key = {key(record): record for record in news}
    verdicts = []
    for record in olds:
        counterpart = by_key.get(key(record))
        if counterpart is not None:
            verdicts.append(check(counterpart, record, score, max_drop))
        else:
            reason = f"{new} holds no such run of {record['system']['name']}"
            verdicts.append(_incomparable(record, records.variant(record), reason))
    return verdicts


def outcome_of(verdicts: Sequence[Verdict]) -> Outcome:
    """A regression anywhere is one; else what cannot be compared counts."""
    for outcome in (Outcome.REGRESSION, Outcome.INCOMPARABLE):
        if any(verdict.outcome is outcome for verdict in verdicts):
            return outcome
    return Outcome.PASS


def _records(path: Path) -> list[Record]:
    paths = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not path.exists():
        raise BenchmarkError(f"there is no file or folder {path}; name a record, or a folder of records")
    if not paths or (path.is_dir() and any(path.rglob("results_*.json"))):
        raise BenchmarkError(
            f"{path} holds no records; make them of lm-eval's output with bioner-bench leaderboard add"
        )
    return [records.read(each) for each in paths]


def check(
    new: Record,
    old: Record,
    score: str = "strict_f1",
    max_drop: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Verdict:
    """Compare a new record with an old one.

    Args:
        new: the record of the system under test.
        old: the record that it is held against.
        score: the score that must not drop.
        max_drop: a drop of more than this many points (hundredths) is a regression even if chance could
            explain it.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    if score not in scores(new["types"]):
        raise BenchmarkError(f"unknown score {score!r}; there are: {', '.join(scores(new['types']))}")
    setup = " against ".join(dict.fromkeys([records.variant(new), records.variant(old)]))
    for what, ours, theirs in (
        ("task", new["task"], old["task"]),
        ("task version", new["task_version"], old["task_version"]),
        ("prompt", new["prompt_hash"], old["prompt_hash"]),
        ("types", new["types"], old["types"]),
    ):
        if ours != theirs:
            return _incomparable(new, setup, f"other {what}: {ours} against {theirs}")
    needs = scores(new["types"])[score].needs
    if not all(any(records.counts_of(record)[column].any() for column in needs) for record in (new, old)):
        return _incomparable(new, setup, f"{score} is not known of both")
    common = sorted(set(new["sentence_hashes"]) & set(old["sentence_hashes"]))
    missing = min(new["sentences"], old["sentences"]) - len(common)
    if missing:
        reason = f"other gold or text in {missing} sentences"
        return _incomparable(new, setup, reason)
    tables, places = [], []
    for record in (new, old):
        place = {digest: index for index, digest in enumerate(record["sentence_hashes"])}
        places.append([place[digest] for digest in common])
        tables.append(
            {name: values[np.array(places[-1])] for name, values in records.counts_of(record).items()}
        )
    documents = [new["documents"][index] for index in places[0]] if new["documents"] else None
    named = scores(new["types"])[score]
    values = [float(named.of(total(table))) for table in tables]
    test = compare(named, tables[0], tables[1], documents, resamples, seed)
    sign = 1 if named.higher_is_better else -1
    drop = -sign * test.difference * 100
    worse = test.p_value < SIGNIFICANCE and drop > 0
    outcome = Outcome.PASS
    reason = "no worse than chance explains"
    if worse:
        outcome, reason = Outcome.REGRESSION, f"significantly worse, p = {test.p_value:.4f}"
    elif max_drop is not None and drop > max_drop:
        outcome, reason = Outcome.REGRESSION, f"worse by {drop:.2f} points, more than {max_drop:g}"
    elif drop < 0 and test.p_value < SIGNIFICANCE:
        reason = f"significantly better, p = {test.p_value:.4f}"
    elif drop == 0:
        reason = "the same"
    if len(common) < new["corpus_sentences"]:
        reason += f"; on {len(common):,} of {new['corpus_sentences']:,} sentences"
    return Verdict(
        new["system"]["name"],
        new["task"],
        setup,
        outcome,
        reason,
        len(common),
        values[1],
        values[0],
        test,
    )


def _incomparable(record: Record, setup: str, reason: str) -> Verdict:
    return Verdict(record["system"]["name"], record["task"], setup, Outcome.INCOMPARABLE, reason)
