"""Gold and predicted spans of a sentence -> what went wrong, each thing once.

Every gold span and every predicted mention is in exactly one finding. Spans are paired one to one, in passes,
and what an earlier pass has paired is gone for the later ones:

1. *correct*: same span, same type.
2. *type*: same span, other type.
3. *boundary*: same type, overlapping, not the same span.
4. *boundary+type*: overlapping, another span and another type.

Where a span overlaps several, the pair that shares the most characters comes first, then the leftmost. What
is left has no partner: a gold span is *missed*, a predicted one *spurious*, and no missed span overlaps a
spurious one. A mention that has no span is *hallucinated* (the sentence does not hold it) or *surplus* (it is
named more often than it stands there), as `alignment` says.

So correct findings are the strict true positives, findings with a gold span that are not correct are the
false negatives, and those with a prediction the false positives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bioner_bench.evaluation.alignment import Aligned, Fate
from bioner_bench.schema import Entity


class Kind(StrEnum):
    """What became of a gold span, a predicted mention, or a pair of both."""

    CORRECT = "correct"
    MISSED = "missed"
    SPURIOUS = "spurious"
    BOUNDARY = "boundary"
    TYPE = "type"
    BOUNDARY_AND_TYPE = "boundary+type"
    HALLUCINATED = "hallucinated"
    SURPLUS = "surplus"


ERRORS = tuple(kind for kind in Kind if kind is not Kind.CORRECT)

NONE = "none"
"""In a confusion table, the type of what is not there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One gold span, one predicted mention, or one of each that belong together.

    Attributes:
        kind: what it is.
        gold: the gold span, None if there is none.
        predicted: the predicted mention with its span, None if there is none.
    """

    kind: Kind
    gold: Entity | None
    predicted: Aligned | None

    @property
    def types(self) -> tuple[str, ...]:
        """The types of both sides: of gold, then of the prediction if it differs."""
        sides = (self.gold and self.gold.type, self.predicted and self.predicted.mention.type)
        return tuple(dict.fromkeys(side for side in sides if side))


def findings(gold: Sequence[Entity], aligned: Sequence[Aligned]) -> list[Finding]:
    """Compare a sentence's gold spans, all different, with its predicted mentions.

    >>> from bioner_bench.evaluation.alignment import align
    >>> from bioner_bench.schema import Mention
    >>> answer = align("hereditary breast cancer", [Mention("breast cancer", "Disease")])
    >>> [found.kind.value for found in findings([Entity(0, 24, "Disease")], answer)]
    ['boundary']
    """
    left = sorted(gold)
    right = sorted((item for item in aligned if item.span is not None), key=_span)
    found = []
    for kind in (Kind.CORRECT, Kind.TYPE, Kind.BOUNDARY, Kind.BOUNDARY_AND_TYPE):
        pairs = [(span, item) for span in left for item in right if _kind(span, _span(item)) is kind]
        for span, item in sorted(pairs, key=lambda pair: -_shared(pair[0], _span(pair[1]))):
            if span in left and any(item is other for other in right):
                found.append(Finding(kind, span, item))
                left.remove(span)
                right = [other for other in right if other is not item]
    found += [Finding(Kind.MISSED, span, None) for span in left]
    found += [Finding(Kind.SPURIOUS, None, item) for item in right]
    found.sort(key=lambda each: (each.gold or _span(each.predicted)).start)
    return found + [Finding(Kind(item.fate), None, item) for item in aligned if item.fate is not Fate.ALIGNED]


def confusion(found: Iterable[Finding]) -> Counter[tuple[str, str]]:
    """How often a gold type (or `NONE`) met a predicted type (or `NONE`); paired spans need not be equal."""
    return Counter(
        (
            each.gold.type if each.gold else NONE,
            each.predicted.mention.type if each.predicted else NONE,
        )
        for each in found
    )


def _kind(gold: Entity, predicted: Entity) -> Kind | None:
    if (gold.start, gold.end) == (predicted.start, predicted.end):
        return Kind.CORRECT if gold.type == predicted.type else Kind.TYPE
    if not gold.overlaps(predicted):
        return None
    return Kind.BOUNDARY if gold.type == predicted.type else Kind.BOUNDARY_AND_TYPE


def _shared(a: Entity, b: Entity) -> int:
    return min(a.end, b.end) - max(a.start, b.start)


def _span(item: Aligned | None) -> Entity:
    assert item is not None and item.span is not None
    return item.span
