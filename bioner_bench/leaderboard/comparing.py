"""Records of two systems -> by how much they differ, on every task that both have.

The difference of a score is tested by a paired bootstrap over documents, and over training seeds where there
are several. The tasks make one statement together, and so do all details (by type, mentions seen and unseen
in training), so the p values of each are corrected by Holm's method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bioner_bench.evaluation.bootstrap import RESAMPLES, SEED, SIGNIFICANCE, holm
from bioner_bench.evaluation.scoring import Score, scores
from bioner_bench.leaderboard.pairing import Runs, on_common_sentences, paired, read_all, setup_of
from bioner_bench.schema import BenchmarkError


@dataclass(frozen=True)
class Difference:
    """A score of both systems, means over their runs, and A minus B; all but p values in [0, 1].

    `p_value` is corrected, `p_value_uncorrected` not.
    """

    score: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p_value_uncorrected: float
    p_value: float


@dataclass(frozen=True)
class OnTask:
    """Two systems on one task: the score that was asked for, and its details."""

    task: str
    setups: tuple[str, str]
    runs: tuple[int, int]
    sentences: int
    documents: int | None
    main: Difference
    details: tuple[Difference, ...]


@dataclass(frozen=True)
class Comparison:
    """Two systems on all common tasks; `left_out` says what was not compared, and why."""

    names: tuple[str, str]
    score: str
    higher_is_better: bool
    tasks: tuple[OnTask, ...]
    left_out: tuple[str, ...]

    def verdict(self) -> tuple[int, int, int]:
        """On how many tasks A is significantly better, significantly worse, and neither."""
        sign = 1 if self.higher_is_better else -1
        clear = [sign * on.main.difference for on in self.tasks if on.main.p_value < SIGNIFICANCE]
        better = sum(difference > 0 for difference in clear)
        return better, len(clear) - better, len(self.tasks) - len(clear)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        better, worse, undecided = self.verdict()
        return {
            "systems": list(self.names),
            "score": self.score,
            "better": better,
            "worse": worse,
            "undecided": undecided,
            "tasks": [asdict(on) for on in self.tasks],
            "left_out": list(self.left_out),
        }


def compare(
    a: Path, b: Path, score: str = "strict_f1", resamples: int = RESAMPLES, seed: int = SEED
) -> Comparison:
    """Compare two records, or two folders with the records of one system each.

    Of several setups of a task, such as numbers of demonstrations, those of the same name are compared; one
    that is left on each side is compared as well.

    Raises:
        BenchmarkError: a folder holds no records or those of several systems, the score is unknown, or no
            task is common.
    """
    sides = [_side(path) for path in (a, b)]
    (name_a, ours), (name_b, theirs) = sides
    known = {
        name: each
        for of_task in ours.values()
        for runs in of_task
        for name, each in scores(runs[0]["types"]).items()
    }
    if score not in known:
        raise BenchmarkError(f"unknown score {score!r}; there are: {', '.join(known)}")
    pairs, *alone = paired(ours, theirs, setup_of)
    made = [(runs[0]["task"], _on_task(runs, others, score, resamples, seed)) for runs, others in pairs]
    compared = [on for _, on in made if isinstance(on, OnTask)]
    left_out = [f"{task}: {reason}" for task, reason in made if isinstance(reason, str)]
    names = (name_a, name_b) if name_a != name_b else (str(a), str(b))
    for name, side in zip(names, alone, strict=True):
        if side:
            what = (f"{runs[0]['task']} {setup_of(runs[0])}" for runs in side)
            left_out.append(f"only {name} has {', '.join(what)}")
    if not compared:
        reasons = f": {left_out[0]}" if left_out else ""
        raise BenchmarkError(f"{a} and {b} have no task in common that can be compared{reasons}")
    return Comparison(
        names, score, known[score].higher_is_better, tuple(_corrected(compared)), tuple(left_out)
    )


def _side(path: Path) -> tuple[str, dict[str, list[Runs]]]:
    """The name of a system, and its runs by task, those of one setup together."""
    read = read_all(path)
    names = sorted({record["system"]["name"] for record in read})
    if len(names) > 1:
        raise BenchmarkError(
            f"{path} holds records of {len(names)} systems, {names[0]} first; name the folder of one"
        )
    found: dict[str, dict[str, Runs]] = {}
    for record in read:
        found.setdefault(record["task"], {}).setdefault(setup_of(record), []).append(record)
    return names[0], {task: list(by_setup.values()) for task, by_setup in found.items()}


def _on_task(runs_a: Runs, runs_b: Runs, score: str, resamples: int, seed: int) -> OnTask | str:
    """The comparison; or why there is none, whatever prompts and setups they had."""
    for what in ("task_version", "types"):
        values = {str(run[what]) for run in (*runs_a, *runs_b)}
        if len(values) > 1:
            return f"other {what.replace('_', ' ')}: {' against '.join(sorted(values))}"
    types = runs_a[0]["types"]
    named = scores(types)
    if score not in named:
        return f"it has no {score}"
    common = on_common_sentences(runs_a, runs_b)
    if reason := common.refusal(named[score]):
        return reason
    wanted = [score, *(f"{score}_{type_}" for type_ in types), "strict_recall_seen", "strict_recall_unseen"]

    def difference(of: Score) -> Difference:
        a, b, test = common.compared(of, resamples, seed)
        return Difference(of.name, a, b, test.difference, test.low, test.high, test.p_value, test.p_value)

    there = [named[name] for name in dict.fromkeys(wanted) if name in named]
    main, *details = (difference(of) for of in there if common.knows(of))
    return OnTask(
        runs_a[0]["task"],
        (setup_of(runs_a[0]), setup_of(runs_b[0])),
        (len(runs_a), len(runs_b)),
        common.sentences,
        common.number_of_documents,
        main,
        tuple(details),
    )


def _corrected(compared: Sequence[OnTask]) -> list[OnTask]:
    mains = iter(holm([on.main.p_value_uncorrected for on in compared]))
    details = iter(holm([each.p_value_uncorrected for on in compared for each in on.details]))
    return [
        replace(
            on,
            main=replace(on.main, p_value=next(mains)),
            details=tuple(replace(each, p_value=next(details)) for each in on.details),
        )
        for on in compared
    ]
