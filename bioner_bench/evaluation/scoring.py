"""Gold and predicted spans -> counts per sentence -> scores.

Counts come first and ratios last: every score is a formula on columns of counts summed over the corpus,
so no score is ever a mean over sentences, and adding, shuffling or splitting sentences changes nothing.

- strict: same start, end and type.
- relaxed: same type and at least one character shared, one to one, a maximum matching, so that the order
  of no list matters; never below strict.
- string: per sentence the sets of (white-space-collapsed string, type), as many papers on language
  models report it.

A mention without a span is a false positive in strict and relaxed. 0/0 is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from itertools import chain
from operator import itemgetter
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from bioner_bench.evaluation.alignment import Aligned, Fate
from bioner_bench.evaluation.parsing import Level
from bioner_bench.schema import Entity, Sentence

Counts = dict[str, int]
"""One sentence's counts, by column name; `COLUMNS` and, per type, `TYPE_COLUMNS` as "column/type"."""

Table = dict[str, npt.NDArray[np.int64]]
"""The counts of many sentences: column -> one number a sentence."""

Sums = Mapping[str, npt.NDArray[np.float64]]
"""Summed columns: arrays of any one shape, a single sum or one per bootstrap resample."""

TYPE_COLUMNS = ("gold", "predicted", "strict", "relaxed")

_LEVELS = tuple(level.name.lower() for level in Level)

COLUMNS = (
    *TYPE_COLUMNS,
    "string_gold",
    "string_predicted",
    "string",
    "seen",
    "seen_strict",
    "unseen",
    "unseen_strict",
    "hallucinated",
    "surplus",
    "sentences",
    "negative",
    "negative_with_prediction",
    *_LEVELS,
    "cut",
    "ambiguous",
)


def count(
    sentence: Sentence,
    aligned: Sequence[Aligned],
    types: Iterable[str],
    seen: Sequence[bool | None] | None = None,
    level: Level | None = None,
    cut: bool = False,
    ambiguous: bool = False,
) -> Counts:
    """Compare one sentence's gold with its aligned predictions.

    Args:
        sentence: text and gold.
        aligned: the predicted mentions, with and without spans.
        types: the corpus's entity types.
        seen: for each gold entity, whether the training split has its string, None if nothing is known.
        level: how the model's output was parsed; None if spans were predicted, not text.
        cut: whether the output ended in the middle.
        ambiguous: whether it had several candidates that differ.
    """
    types = tuple(types)
    counts = _nothing(types).copy()
    if level is not None:
        counts[level.name.lower()] = 1
    counts["cut"] = int(cut)
    counts["ambiguous"] = int(ambiguous)
    entities = sentence.entities
    if not entities:
        counts["negative"] = 1
        if not aligned:
            return counts
        counts["negative_with_prediction"] = 1

    correct: set[Entity] = set()
    for type_ in types:
        gold = [entity for entity in entities if entity.type == type_]
        mentions = [item for item in aligned if item.mention.type == type_]
        if not gold and not mentions:
            continue
        spans = [item.span for item in mentions if item.span is not None]
        exact = set(gold).intersection(spans)
        correct |= exact
        # Equal spans are pairs, and no matching has more pairs than the shorter side has spans.
        fewer = min(len(gold), len(spans))
        relaxed = fewer if len(exact) == fewer else matching(gold, spans)
        for column, value in zip(TYPE_COLUMNS, (len(gold), len(mentions), len(exact), relaxed), strict=True):
            counts[f"{column}/{type_}"] = value
            counts[column] += value

    gold_strings = {(_collapse(sentence.surface(entity)), entity.type) for entity in entities}
    strings = {(_collapse(item.mention.text), item.mention.type) for item in aligned}
    counts["string_gold"] = len(gold_strings)
    counts["string_predicted"] = len(strings)
    counts["string"] = len(gold_strings & strings)
    for entity, known in zip(entities, seen, strict=True) if seen is not None else ():
        if known is not None:
            column = "seen" if known else "unseen"
            counts[column] += 1
            counts[f"{column}_strict"] += entity in correct
    for item in aligned:
        if item.span is None:
            counts["hallucinated" if item.fate is Fate.HALLUCINATED else "surplus"] += 1
    return counts


@lru_cache(maxsize=256)
def _nothing(types: tuple[str, ...]) -> Counts:
    """The columns of a sentence of a corpus with these types of which nothing is known."""
    columns = [*COLUMNS, *(f"{column}/{type_}" for type_ in types for column in TYPE_COLUMNS)]
    return dict.fromkeys(columns, 0) | {"sentences": 1}


def matching(gold: Sequence[Entity], predicted: Sequence[Entity]) -> int:
    """Size of a maximum one-to-one matching of spans that share a character; types are not compared.

    Spans are taken by end. The one that ends first is paired with the overlapping span of the other side
    that ends first: whatever else could use that partner overlaps every later choice as well, so the
    exchange never loses a pair.
    """
    order = sorted([(e.end, e.start, 0) for e in gold] + [(e.end, e.start, 1) for e in predicted])
    free = [True] * len(order)
    # Of each side, the places in `order` of spans still to begin, and of those begun, which ends first. Ends
    # only grow, so a span that has begun for one stays so, and time is that of the sorting.
    coming = [
        sorted((i for i, span in enumerate(order) if span[2] == side), key=lambda i: -order[i][1])
        for side in (0, 1)
    ]
    begun: list[list[int]] = [[], []]
    pairs = 0
    for first, (end, _, side) in enumerate(order):
        if not free[first]:
            continue
        waiting, partners = coming[1 - side], begun[1 - side]
        while waiting and order[waiting[-1]][1] < end:
            heappush(partners, waiting.pop())
        while partners and partners[0] < first:  # had its turn
            heappop(partners)
        if partners:
            free[heappop(partners)] = False
            pairs += 1
    return pairs


def f1(correct: npt.ArrayLike, predicted: npt.ArrayLike, gold: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """2 correct / (predicted + gold): the harmonic mean of precision and recall."""
    return share(2 * np.asarray(correct), np.asarray(predicted) + np.asarray(gold))


def share(part: npt.ArrayLike, whole: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """part / whole, and 0 where whole is 0."""
    over = np.asarray(whole, dtype=np.float64)
    result = np.zeros_like(over)
    np.divide(part, over, out=result, where=over != 0)
    return result


@dataclass(frozen=True)
class Score:
    """A score: a formula on summed columns. `higher_is_better` is for tables and regression checks.

    `needs` are columns of which one at least must have been counted, else nothing is known of the score.
    """

    name: str
    columns: tuple[str, ...]
    formula: Callable[..., npt.NDArray[np.float64]]
    higher_is_better: bool = True
    needs: tuple[str, ...] = ("sentences",)

    def of(self, sums: Sums) -> npt.NDArray[np.float64]:
        """The score of summed counts, in [0, 1], with the shape of the sums."""
        return self.formula(*(sums[column] for column in self.columns))


def scores(types: Sequence[str]) -> Mapping[str, Score]:
    """Every score of a corpus with these types, by name, in the order of tables.

    By-type and macro scores are there only where there is more than one type. What comes back is made
    once for the same types, and cannot be changed.
    """
    return _scores(tuple(types))


@lru_cache(maxsize=256)
def _scores(types: tuple[str, ...]) -> Mapping[str, Score]:
    named: list[Score] = []
    for kind in ("strict", "relaxed"):
        named += _prf(kind, kind, "predicted", "gold")
        if len(types) > 1:
            columns = [f"{column}/{type_}" for type_ in types for column in (kind, "predicted", "gold")]
            named.append(Score(f"{kind}_f1_macro", tuple(columns), _mean_f1))
            for type_ in types:
                named += _prf(kind, f"{kind}/{type_}", f"predicted/{type_}", f"gold/{type_}", f"_{type_}")
    named += _prf("string", "string", "string_predicted", "string_gold")
    named += [
        Score("strict_recall_seen", ("seen_strict", "seen"), share, needs=("seen",)),
        Score("strict_recall_unseen", ("unseen_strict", "unseen"), share, needs=("unseen",)),
    ]
    named += [
        Score(f"json_{level}", (level, "sentences"), share, level == _LEVELS[0], needs=_LEVELS)
        for level in _LEVELS
    ]
    named += [
        Score("output_cut", ("cut", "sentences"), share, False, needs=_LEVELS),
        Score("output_ambiguous", ("ambiguous", "sentences"), share, False, needs=_LEVELS),
        Score("hallucination_rate", ("hallucinated", "predicted"), share, False),
        Score("surplus_rate", ("surplus", "predicted"), share, False),
        Score("false_positive_rate", ("negative_with_prediction", "negative"), share, False),
    ]
    return MappingProxyType({score.name: score for score in named})


def tabulate(rows: Sequence[Counts]) -> Table:
    """The counts of sentences as columns; the rows all have the same ones."""
    columns = list(rows[0])
    values = chain.from_iterable(map(itemgetter(*columns), rows))
    numbers = np.fromiter(values, dtype=np.int64, count=len(rows) * len(columns))
    return dict(zip(columns, np.ascontiguousarray(numbers.reshape(len(rows), len(columns)).T), strict=True))


def total(table: Table) -> dict[str, npt.NDArray[np.float64]]:
    """Sum counts over sentences."""
    return {column: np.asarray(values.sum(), dtype=float) for column, values in table.items()}


def _prf(kind: str, correct: str, predicted: str, gold: str, suffix: str = "") -> list[Score]:
    return [
        Score(f"{kind}_f1{suffix}", (correct, predicted, gold), f1),
        Score(f"{kind}_precision{suffix}", (correct, predicted), share),
        Score(f"{kind}_recall{suffix}", (correct, gold), share),
    ]


def _mean_f1(*columns: npt.ArrayLike) -> npt.NDArray[np.float64]:
    per_type = [f1(*columns[index : index + 3]) for index in range(0, len(columns), 3)]
    return np.asarray(np.mean(per_type, axis=0))


def _collapse(string: str) -> str:
    return " ".join(string.split())
