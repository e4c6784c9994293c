"""Sentence text and mentions -> spans, never looking at the gold.

A mention that comes with offsets keeps them if the sentence says there what the mention says. All other
mentions get spans type by type, in passes; in each pass the mentions that have no span yet, longest
first (ties in list order), take the leftmost occurrence that overlaps no span taken for that type.
Occurrences are compared with all white space removed. The passes:

1. case-sensitive, on word boundaries
2. case-insensitive, on word boundaries
3. case-sensitive, anywhere
4. case-insensitive, anywhere

A position is a word boundary unless the characters on both sides of it are alphanumeric. A mention left
over is a prediction without a span: hallucinated if its string occurs nowhere, surplus if all its
occurrences are taken.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import accumulate

from bioner_bench.schema import Entity, Mention


class Fate(StrEnum):
    """What became of a mention."""

    ALIGNED = "aligned"
    HALLUCINATED = "hallucinated"
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class Aligned:
    """A mention and its span, which is None unless the fate is `ALIGNED`."""

    mention: Mention
    fate: Fate
    span: Entity | None = None


def align(text: str, mentions: Sequence[Mention]) -> list[Aligned]:
    """Give each mention a span of `text` by the rule above; the result has the order of `mentions`.

    >>> mentions = [Mention("breast cancer", "Disease"), Mention("hereditary breast cancer", "Disease")]
    >>> [(a.span.start, a.span.end) for a in align("hereditary breast cancer and breast cancer", mentions)]
    [(29, 42), (0, 24)]
    """
    results: list[Aligned | None] = [None] * len(mentions)
    by_type: dict[str, list[int]] = {}
    for index, mention in enumerate(mentions):
        by_type.setdefault(mention.type, []).append(index)
    squeezed: _Squeezed | None = None
    for indices in by_type.values():
        taken = bytearray(len(text))
        spans: set[Entity] = set()
        waiting = []
        for index in indices:
            span = _given_span(text, mentions[index])
            if span is None:
                waiting.append(index)
            elif span in spans:
                blank = mentions[index].text.isspace()  # white space occurs nowhere: it is not compared
                results[index] = Aligned(mentions[index], Fate.HALLUCINATED if blank else Fate.SURPLUS)
            else:
                spans.add(span)
                taken[span.start : span.end] = b"\1" * (span.end - span.start)
                results[index] = Aligned(mentions[index], Fate.ALIGNED, span)
        if waiting:
            squeezed = squeezed or _Squeezed(text)
            for index, found in zip(
                waiting, _search(squeezed, [mentions[i] for i in waiting], taken), strict=True
            ):
                results[index] = found
    return [result for result in results if result is not None]


def _given_span(text: str, mention: Mention) -> Entity | None:
    start, end = mention.start, mention.end
    if start is None or end is None or not 0 <= start < end <= len(text):
        return None
    return Entity(start, end, mention.type) if text[start:end] == mention.text else None


_WORD = re.compile(r"\S+")


class _Squeezed:
    """A text without white space, its case-folded form, and the offset of each character in the text."""

    def __init__(self, text: str) -> None:
        words = text.split()
        self.text = text
        self.exact = "".join(words)
        self._ends = list(accumulate(map(len, words)))  # of each word, without white space
        self._single = " ".join(words) == text
        self._starts: list[int] = [] if self._single else [word.start() for word in _WORD.finditer(text)]

    @cached_property
    def folded(self) -> str:
        """Folded one character by one, so that offsets stay."""
        return fold(self.exact)

    def offset(self, position: int) -> int:
        """The offset in the text of a character of `exact`."""
        word = bisect_right(self._ends, position)
        if self._single:
            return position + word
        return self._starts[word] + position - (self._ends[word - 1] if word else 0)

    def on_boundaries(self, start: int, end: int) -> bool:
        """True if a span of the original text begins and ends on word boundaries."""
        text = self.text
        if start and text[start].isalnum() and text[start - 1].isalnum():
            return False
        return end == len(text) or not (text[end - 1].isalnum() and text[end].isalnum())

    def next_boundary(self, position: int) -> int:
        """The first position of `exact` right of this one where a word may begin."""
        after = bisect_right(self._beginnings, position)
        return self._beginnings[after] if after < len(self._beginnings) else len(self.exact)

    @cached_property
    def _beginnings(self) -> list[int]:
        """Where a word may begin: everywhere but within a run of alphanumeric characters."""
        text, words = self.exact, set(self._ends)
        return [
            i for i in range(len(text)) if i in words or not (text[i - 1].isalnum() and text[i].isalnum())
        ]


def _squeeze(text: str) -> str:
    return "".join(text.split())


def fold(text: str) -> str:
    """Case folded, character by character, so that offsets stay: one that would grow is lowered or kept."""
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(next(f for f in (c.casefold(), c.lower(), c) if len(f) == 1) for c in text)


_PASSES = ((False, True), (True, True), (False, False), (True, False))
"""Whether a pass folds case, and whether it asks for word boundaries."""


def _search(squeezed: _Squeezed, mentions: Sequence[Mention], taken: bytearray) -> list[Aligned]:
    """The four passes for mentions of one type; `taken` marks the characters of spans already given."""
    results: list[Aligned | None] = [None] * len(mentions)
    exact = [_squeeze(mention.text) for mention in mentions]
    waiting = [index for index, string in enumerate(exact) if string]
    if len(waiting) > 1:
        waiting.sort(key=lambda index: -len(exact[index]))
    for folds, on_boundaries in _PASSES:
        haystack = squeezed.folded if folds else squeezed.exact
        # Taken characters stay taken, so equal strings never have to look left of the last try again.
        searched_to: dict[str, int] = {}
        left = []
        for index in waiting:
            needle = fold(exact[index]) if folds else exact[index]
            at = haystack.find(needle, searched_to.get(needle, 0))
            while at >= 0:
                start = squeezed.offset(at)
                end = squeezed.offset(at + len(needle) - 1) + 1
                last_taken = taken.rfind(1, start, end)
                if last_taken >= 0:
                    after = at + len(_squeeze(squeezed.text[start : last_taken + 1]))
                elif not on_boundaries or squeezed.on_boundaries(start, end):
                    span = Entity(start, end, mentions[index].type)
                    results[index] = Aligned(mentions[index], Fate.ALIGNED, span)
                    taken[start:end] = b"\1" * (end - start)
                    break
                else:
                    after = squeezed.next_boundary(at)
                at = haystack.find(needle, after)
            else:
                left.append(index)
            searched_to[needle] = len(haystack) if at < 0 else at
        waiting = left
        if not waiting:
            break  # the rounds that are left would search for nothing
        if on_boundaries and not folds:  # what the text lacks however it is written is not searched for again
            waiting = [index for index in waiting if fold(exact[index]) in squeezed.folded]
    for index in waiting:
        results[index] = Aligned(mentions[index], Fate.SURPLUS)
    return [
        result or Aligned(mention, Fate.HALLUCINATED)
        for mention, result in zip(mentions, results, strict=True)
    ]
