"""Log-probabilities of an answer's tokens -> how sure the model was of each mention, and what that is worth.

A mention's confidence is the mean log-probability of the tokens that hold its string in the answer. With the
most confident mentions alone ("answer only where the model is sure") precision should rise as recall falls.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

from bioner_bench.evaluation.alignment import fold

Tokens = Sequence[tuple[str, float]]
"""The pieces of an answer in order, each with its log-probability in nats; joined they are the answer."""

TOKENS = "answer_logprob"
"""The field of a sample that has them."""

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Of the mentions, the most confident first."""

BINS = 10
"""Of probabilities, of equal width, for the calibration error."""


class ScoredText(str):
    """An answer with its tokens; everywhere else it is the string that it is."""

    tokens: list[tuple[str, float]]

    def __new__(cls, text: str, tokens: Iterable[tuple[str, float]] = ()) -> ScoredText:
        """An answer; `tokens` are its pieces. Pickled, they follow it."""
        made = super().__new__(cls, text)
        made.tokens = [(str(piece), float(logprob)) for piece, logprob in tokens]
        return made


@dataclass(frozen=True, slots=True)
class Covered:
    """The scores of the most confident mentions alone.

    Attributes:
        share: of all predicted mentions.
        mentions: how many these are.
        least: the lowest confidence among them, None if it is not known.
        precision: strict, micro.
        recall: of all gold mentions.
        f1: of both.
    """

    share: float
    mentions: int
    least: float | None
    precision: float
    recall: float
    f1: float


def mention_confidences(tokens: Tokens, strings: Sequence[str]) -> list[float | None]:
    """The confidence of each mention, given by its string, in the answer's order; None if it is not there.

    >>> tokens = [('{"Disease": ["', -0.1), ("atax", -0.2), ("ia", -0.4), ('"]}', -0.1)]
    >>> [round(each, 3) for each in mention_confidences(tokens, ["ataxia"])]
    [-0.3]
    """
    text = "".join(piece for piece, _ in tokens)
    places = [place for place, character in enumerate(text) if not character.isspace()]
    haystack = fold("".join(text.split()))
    ends = list(accumulate(len(piece) for piece, _ in tokens))
    found: list[float | None] = []
    after = 0
    for string in strings:
        if (place := _find(haystack, string, after)) is None:
            found.append(None)
            continue
        at, size = place
        after = at + 1
        # The first token that ends behind the start, up to the first that does not end before the end.
        first = bisect_right(ends, places[at])
        last = bisect_left(ends, places[at + size - 1] + 1)
        values = [logprob for _, logprob in tokens[first : last + 1]]
        found.append(math.fsum(values) / len(values))
    return found


def _find(haystack: str, string: str, after: int) -> tuple[int, int] | None:
    """Place and length of a mention in an answer without white space: after the last one, or anywhere.

    Between tags, or in quotes that no colon follows, as it follows a key; else wherever its words stand. In
    tagged text they may stand before it without a tag, in JSON in a longer mention; and JSON has escapes.
    """
    plain = fold("".join(string.split()))
    escaped = fold("".join(json.dumps(string, ensure_ascii=False)[1:-1].split()))
    if not plain:
        return None
    for before, needle, behind in (
        (">", plain, "<"),
        ('"', escaped, '"(?!:)'),
        ("", plain, ""),
        ("", escaped, ""),
    ):
        sought = re.compile(before + re.escape(needle) + behind)
        if found := sought.search(haystack, after) or sought.search(haystack):
            return found.start() + len(before), len(needle)
    return None


def precision_at_coverage(
    confidences: Sequence[float | None], correct: Sequence[bool], gold: int, shares: Sequence[float] = SHARES
) -> list[Covered]:
    """The scores of the most confident shares of all mentions.

    Mentions whose confidence is not known come last, equal ones in their order.

    Args:
        confidences: of each predicted mention.
        correct: whether it is one of the gold mentions.
        gold: how many of these there are.
        shares: which are looked at, each in (0, 1]; a share of mentions is rounded, and at least one.
    """
    order = sorted(range(len(correct)), key=lambda place: _rank(confidences[place]))
    right = list(accumulate((bool(correct[place]) for place in order), initial=0))
    rows = []
    for share in shares if order else ():
        kept = max(1, round(share * len(order)))
        precision = right[kept] / kept
        recall = right[kept] / gold if gold else 0.0
        both = precision + recall
        f1 = 2 * precision * recall / both if both else 0.0
        rows.append(Covered(share, kept, confidences[order[kept - 1]], precision, recall, f1))
    return rows


def _rank(confidence: float | None) -> float:
    return math.inf if confidence is None else -confidence


def calibration_error(confidences: Sequence[float | None], correct: Sequence[bool]) -> float | None:
    """The expected calibration error: how far probabilities and shares of correct mentions lie apart.

    The probability of a mention is the geometric mean of its tokens'. In bins of equal width the mean
    probability is compared with the share that is correct, weighted by the mentions in the bin (Guo et al.
    2017, arXiv 1706.04599). None if no confidence is known.
    """
    known = [(math.exp(c), bool(hit)) for c, hit in zip(confidences, correct, strict=True) if c is not None]
    bins: dict[int, list[tuple[float, bool]]] = {}
    for probability, hit in known:
        bins.setdefault(min(BINS - 1, int(probability * BINS)), []).append((probability, hit))
    apart = [abs(sum(p for p, _ in each) - sum(hit for _, hit in each)) for each in bins.values()]
    return sum(apart) / len(known) if known else None


def as_json(rows: Sequence[Covered], error: float | None) -> dict[str, Any]:
    """For `--json`."""
    return {"calibration_error": error, "coverage": [asdict(row) for row in rows]}
