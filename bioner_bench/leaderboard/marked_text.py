"""A sentence with gold and predicted spans in one line of text: [gold], {predicted}, [{both}]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from bioner_bench.evaluation.errors import Finding, Kind
from bioner_bench.schema import Entity


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the text that the same spans cover, and the brackets that stand around it."""

    before: str
    text: str
    after: str
    gold: bool
    predicted: bool
    correct: bool


def pieces(text: str, findings: Iterable[Finding]) -> list[Piece]:
    """Cut a text where spans begin and end.

    >>> from bioner_bench.schema import Entity
    >>> cut = pieces("ATM in mice", [Finding(Kind.MISSED, Entity(0, 3, "Gene"), None)])
    >>> "".join(piece.before + piece.text + piece.after for piece in cut)
    '[ATM] in mice'
    """
    found = list(findings)
    gold = [each.gold for each in found if each.gold]
    predicted = [each.predicted.span for each in found if each.predicted and each.predicted.span]
    correct = [each.gold for each in found if each.gold and each.kind is Kind.CORRECT]
    cuts = sorted(
        {0, len(text), *(place for span in (*gold, *predicted) for place in (span.start, span.end))}
    )
    made = []
    for start, end in pairwise(cuts):
        made.append(
            Piece(
                "[" * _starting(gold, start) + "{" * _starting(predicted, start),
                text[start:end],
                "}" * _ending(predicted, end) + "]" * _ending(gold, end),
                _covered(gold, start),
                _covered(predicted, start),
                _covered(correct, start),
            )
        )
    return made


def _starting(spans: Iterable[Entity], place: int) -> int:
    return sum(span.start == place for span in spans)


def _ending(spans: Iterable[Entity], place: int) -> int:
    return sum(span.end == place for span in spans)


def _covered(spans: Iterable[Entity], place: int) -> bool:
    return any(span.start <= place < span.end for span in spans)
