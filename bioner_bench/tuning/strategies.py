"""Scored rows -> the rows to learn from: Hybrid Superfiltering, and the strategies to compare it with.

Hybrid Superfiltering (BioSelectTune, arXiv 2512.22738) keeps the hardest share of the positive rows by IFD
and every negative one, since filtering everything by IFD throws the negatives away: an empty answer is easy.

What IFD finds hard has more mentions. Three controls tell whether it finds anything else: `densest` keeps the
rows with the most mentions and `longest` those of the longest sentences, both without any model; `matched`
draws rows by chance, but as many of each number of mentions as `hybrid` keeps. Those numbers come from
hybrid's selection, so `matched` needs the scores as well; which rows it draws does not hang on them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.score_files import AnyScore, Score

if TYPE_CHECKING:
    from bioner_bench.tuning.rows import Row

NOT_FINITE = "ifd is not finite"
NOT_HELPED = "ifd is 1 or more"
EASIER = "easier than the share that is kept"
LOWER = "a lower score than the share that is kept"
NO_SCORE = "score is not finite"
NEGATIVE = "negative"
NOT_DRAWN = "not drawn"
SPARSER = "fewer mentions than the share that is kept"
SHORTER = "a shorter sentence than the share that is kept"


@dataclass(frozen=True)
class Choice:
    """How rows are selected.

    Attributes:
        strategy: one of `STRATEGIES`.
        ratio: the share that is kept.
        score: what rows are ranked by, one of `SCORES`.
        weak_model: a name of `bioner-bench models prepare`, a folder, or a hub id; the strategies of
            `UNSCORED` and the scores of `MODEL_FREE` need none.
        revision: of the hub id.
        dtype: of the weak model, one of `hardware.PRECISIONS`; in bfloat16 scores depend a little on batches,
            and gradients have float32 alone.
        template: variables of its chat template.
        pooled: take the share of all corpora together, not of each.
        seed: of `random` and `matched`, of the random selection that the report compares with, and of the
            adapters, projection and development sentences of gradients.
        limit: take only the first rows, for a trial.
    """

    strategy: str = "hybrid"
    ratio: float = 0.5
    weak_model: str | None = None
    revision: str | None = None
    dtype: str = "float32"
    template: Mapping[str, Any] | None = None
    pooled: bool = False
    seed: int = 0
    limit: int | None = None
    score: str = "ifd"


@dataclass(frozen=True, slots=True)
class Selection:
    """The ids of the rows that are kept, and of each other row the reason why not."""

    kept: frozenset[str]
    left_out: Mapping[str, str]


def check(strategy: str, ratio: float) -> None:
    """Raise a `BenchmarkError` for an unknown strategy, or a ratio outside (0, 1]."""
    if strategy not in STRATEGIES:
        raise BenchmarkError(f"unknown strategy {strategy!r}; there are: {', '.join(STRATEGIES)}")
    if not 0 < ratio <= 1:
        raise BenchmarkError(f"the ratio is {ratio}; give a share above 0 and up to 1, such as 0.5")


def select(
    rows: Sequence[Row],
    scores: Mapping[str, AnyScore],
    strategy: str,
    ratio: float,
    seed: int,
    pooled: bool = False,
) -> Selection:
    """Choose rows by a strategy.

    Args:
        rows: of one corpus or several.
        scores: by row id, all of one scorer; those of `UNSCORED` need none.
        strategy: one of `STRATEGIES`.
        ratio: the share that is kept, of each corpus unless pooled.
        seed: of `random` and `matched`.
        pooled: take the share of all corpora together.

    Raises:
        BenchmarkError: unknown strategy, or a ratio outside (0, 1].
    """
    check(strategy, ratio)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault("" if pooled else row.task, []).append(row)
    left_out: dict[str, str] = {}
    for name, group in groups.items():
        left_out |= STRATEGIES[strategy].leave_out(group, scores, ratio, Random(f"{seed}:{name}"))
    return Selection(frozenset(row.id for row in rows if row.id not in left_out), left_out)


def _hardest(rows: Sequence[Row], scores: Mapping[str, AnyScore], number: int) -> dict[str, str]:
    """Keep the `number` rows with the highest score, of IFD below 1; why each of the others is left out."""
    left_out = {}
    candidates: list[tuple[float, str]] = []
    by_ifd = any(isinstance(scores[row.id], Score) for row in rows)
    for row in rows:
        value = scores[row.id].value
        if value is None:
            left_out[row.id] = NOT_FINITE if by_ifd else NO_SCORE
        elif by_ifd and value >= 1:
            left_out[row.id] = NOT_HELPED
        else:
            candidates.append((-value, row.id))
    reason = EASIER if by_ifd else LOWER
    return left_out | {id_: reason for _, id_ in sorted(candidates)[number:]}


def _hybrid(rows: Sequence[Row], scores: Mapping[str, AnyScore], ratio: float, _: Random) -> dict[str, str]:
    positives = [row for row in rows if row.positive]
    return _hardest(positives, scores, round(ratio * len(positives)))


def _positives(
    rows: Sequence[Row], scores: Mapping[str, AnyScore], ratio: float, random: Random
) -> dict[str, str]:
    negatives = {row.id: NEGATIVE for row in rows if not row.positive}
    return _hybrid(rows, scores, ratio, random) | negatives


def _superfilter(
    rows: Sequence[Row], scores: Mapping[str, AnyScore], ratio: float, _: Random
) -> dict[str, str]:
    return _hardest(rows, scores, round(ratio * len(rows)))


def _random(
    rows: Sequence[Row], scores: Mapping[str, AnyScore], ratio: float, random: Random
) -> dict[str, str]:
    positives = [row.id for row in rows if row.positive]
    drawn = set(random.sample(positives, _number(rows, scores, ratio, random)))
    return {id_: NOT_DRAWN for id_ in positives if id_ not in drawn}


def _matched(
    rows: Sequence[Row], scores: Mapping[str, AnyScore], ratio: float, random: Random
) -> dict[str, str]:
    left_out = _hybrid(rows, scores, ratio, random)
    alike: dict[int, list[str]] = {}
    for row in rows:
        if row.positive:
            alike.setdefault(row.mentions, []).append(row.id)
    wanted = Counter(row.mentions for row in rows if row.positive and row.id not in left_out)
    not_drawn: dict[str, str] = {}
    for mentions, ids in sorted(alike.items()):
        drawn = set(random.sample(sorted(ids), wanted[mentions]))
        not_drawn |= {id_: NOT_DRAWN for id_ in ids if id_ not in drawn}
    return not_drawn


def _densest(
    rows: Sequence[Row], scores: Mapping[str, AnyScore], ratio: float, random: Random
) -> dict[str, str]:
    order = sorted((-row.mentions, row.id) for row in rows if row.positive)
    return {id_: SPARSER for _, id_ in order[_number(rows, scores, ratio, random) :]}


def _longest(
    rows: Sequence[Row], scores: Mapping[str, AnyScore], ratio: float, random: Random
) -> dict[str, str]:
    # The prompts of a corpus differ in their sentence alone.
    sizes = {row.id: sum(len(turn["content"]) for turn in row.messages) for row in rows if row.positive}
    order = sorted((-size, id_) for id_, size in sizes.items())
    return {id_: SHORTER for _, id_ in order[_number(rows, scores, ratio, random) :]}


def _number(rows: Sequence[Row], scores: Mapping[str, AnyScore], ratio: float, random: Random) -> int:
    """How many positives `hybrid` keeps; without scores, how many it keeps at most."""
    positives = sum(row.positive for row in rows)
    return positives - len(_hybrid(rows, scores, ratio, random)) if scores else round(ratio * positives)


def _full(rows: Sequence[Row], scores: Mapping[str, AnyScore], ratio: float, _: Random) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to choose rows.

    Attributes:
        keeps: what it keeps, in words.
        leave_out: rows of a corpus, scores, share, source of chance -> the rows left out and why.
        scored: whether it needs the scores of a weak model.
    """

    keeps: str
    leave_out: Callable[[Sequence[Row], Mapping[str, AnyScore], float, Random], dict[str, str]]
    scored: bool = True


STRATEGIES: Mapping[str, Strategy] = {
    "hybrid": Strategy("the hardest share of the positives, all negatives", _hybrid),
    "superfilter": Strategy("the hardest share of all rows", _superfilter),
    "random": Strategy(
        "as many positives as `hybrid`, drawn by the seed; all negatives", _random, scored=False
    ),
    "matched": Strategy(
        "as many positives of each number of mentions as `hybrid`, drawn by the seed; all negatives", _matched
    ),
    "densest": Strategy(
        "as many positives as `hybrid`, those with the most mentions; all negatives", _densest, scored=False
    ),
    "longest": Strategy(
        "as many positives as `hybrid`, those of the longest sentences; all negatives", _longest, scored=False
    ),
    "positives": Strategy("those of `hybrid`, no negatives", _positives),
    "full": Strategy("every row", _full, scored=False),
}

SCORES: Mapping[str, str] = {
    "ifd": "how hard the answer is to follow from its prompt, for the weak model",
    "gradient": "how far the row moves the weak model the way the development split wants",
    "length": "characters of the sentence",
    "mentions": "mentions of the row",
}
"""What rows can be ranked by, the highest first."""

MODEL_FREE = ("length", "mentions")
"""The scores that need no weak model."""

UNSCORED = tuple(name for name, strategy in STRATEGIES.items() if not strategy.scored)
"""The strategies that need no scores."""
