"""A text that a model copied -> where each of its characters stands in the original.

Words are compared first, case and the kind of quotes and dashes aside and white space not looked at; between
words that are the same, characters are. So a word that was dropped, added or spelt otherwise moves nothing
else, and of words that occur twice the right one is found by its place.

The longest common runs are taken first (Ratcliff and Metzener 1988, as in Python's difflib). Both texts are
bounded by the caller, the copy by the length of the original.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

from bioner_bench.evaluation.alignment import fold

NOWHERE = -1

_TOKEN = re.compile(r"[^\W_]+|[^\w\s]|_")
_ALIKE = str.maketrans("‘’‚‛`´“”„‟″‐‑‒–—―−\u00a0", "''''''\"\"\"\"\"------- ")
LONGEST_GAP = 200
"""Characters between two common words that are compared one by one."""

MOST_PAIRS = 1_000_000
"""Words of the copy times words of the original, but for a common beginning and end, that are compared.

Of more, the time would grow with the square of the length. Then only beginning and end count as copied.
"""

ENOUGH = 0.5
"""Share of a mention's characters that must be the original's, so that it stands there."""


@dataclass(frozen=True)
class Copy:
    """A copy and its original, laid side by side.

    Attributes:
        copied: what the model wrote.
        text: the original.
        places: for each character of the copy its place in the original, or `NOWHERE`.
        taken: the places that were copied.
        share: of the letters and digits of the original; of all its characters if it has none.
        letters: how many letters and digits of the original were copied.
        more: how many the copy has beside them.
        same: it holds all of the original; but case, white space, quotes and dashes nothing differs.
        stops: it ends while the original goes on.
    """

    copied: str
    text: str
    places: Sequence[int]
    taken: frozenset[int]
    share: float
    letters: int
    more: int
    same: bool
    stops: bool

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Where a part of the copy stands in the original, without white space around it; None if nowhere.

        Characters of a word that were left out count as copied.
        """
        found = [place for place in self.places[start:end] if place != NOWHERE]
        if not found:
            return None
        first, last = found[0], found[-1] + 1
        while first and first - 1 not in self.taken and self.text[first - 1 : first + 1].isalnum():
            first -= 1
        while last < len(self.text) and last not in self.taken and self.text[last - 1 : last + 1].isalnum():
            last += 1
        longer = max(len("".join(part.split())) for part in (self.copied[start:end], self.text[first:last]))
        return (first, last) if len(found) >= ENOUGH * longer else None


def lay(copied: str, text: str) -> Copy:
    """Lay a copy beside its original.

    >>> lay("breast tumor in mice", "Breast  tumour in mice").span(7, 12)
    (8, 14)
    """
    ours, theirs = _tokens(copied), _tokens(text)
    words, wanted = [word for word, _ in ours], [word for word, _ in theirs]
    places = [NOWHERE] * len(copied)
    common = _common(words, wanted)
    for i, j, size in common:
        for (word, here), (_, there) in zip(ours[i : i + size], theirs[j : j + size], strict=True):
            places[here : here + len(word)] = range(there, there + len(word))
    for (i, j, size), (next_i, next_j, _) in pairwise([(0, 0, 0), *common, (len(ours), len(theirs), 0)]):
        _fill(places, ours[i + size : next_i], theirs[j + size : next_j])
    blocks = common or [(0, 0, 0)]
    first_i, (last_i, last_j, size) = blocks[0][0], blocks[-1]
    counted = [n for n, c in enumerate(text) if c.isalnum()] or [
        n for n, c in enumerate(text) if not c.isspace()
    ]
    taken = frozenset(places) - {NOWHERE}
    return Copy(
        copied,
        text,
        places,
        taken,
        letters=sum(text[n].isalnum() for n in taken),
        more=sum(c.isalnum() for c, place in zip(copied, places, strict=True) if place == NOWHERE),
        share=sum(n in taken for n in counted) / len(counted) if counted else 1.0,
        same=sum(n for _, _, n in common) == len(wanted) == last_i + size - first_i,
        stops=any(word[0].isalnum() for word in wanted[last_j + size :]) and len(ours) - last_i - size <= 1,
    )


def likeness(line: str, text: str) -> float:
    """How many of the letters and digits of `text` are in words that a line has too, in any order."""
    there = {word for word, _ in _tokens(line)}
    words = _words(text)
    return sum(len(word) for word in words if word in there) / max(1, sum(map(len, words)))


@lru_cache(maxsize=16)
def _words(text: str) -> tuple[str, ...]:
    """The words of a text; its signs if it has no words."""
    tokens = [word for word, _ in _tokens(text)]
    return tuple(word for word in tokens if word[0].isalnum()) or tuple(tokens)


def _tokens(text: str) -> list[tuple[str, int]]:
    """Words and signs in one form, with their places."""
    return [(found[0], found.start()) for found in _TOKEN.finditer(fold(text.translate(_ALIKE)))]


def _common(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int, int]]:
    """Runs that both have, in order: place in each, and length."""
    end = min(len(ours), len(theirs))
    head = next((n for n in range(end) if ours[n] != theirs[n]), end)
    tail = next((n for n in range(end - head) if ours[-1 - n] != theirs[-1 - n]), end - head)
    mine, yours = ours[head : len(ours) - tail], theirs[head : len(theirs) - tail]
    blocks = (
        SequenceMatcher(None, mine, yours, autojunk=False).get_matching_blocks()
        if len(mine) * len(yours) <= MOST_PAIRS
        else []
    )
    found = [(head + i, head + j, size) for i, j, size in blocks]
    runs = [(0, 0, head), *found, (len(ours) - tail, len(theirs) - tail, tail)]
    return [run for run in runs if run[2]]


def _fill(places: list[int], ours: Sequence[tuple[str, int]], theirs: Sequence[tuple[str, int]]) -> None:
    """Find places for the characters between two common words."""
    here, there = ([(c, at + n) for word, at in side for n, c in enumerate(word)] for side in (ours, theirs))
    if not (here and there) or max(len(here), len(there)) > LONGEST_GAP:
        return
    matcher = SequenceMatcher(None, [c for c, _ in here], [c for c, _ in there], autojunk=False)
    for i, j, size in matcher.get_matching_blocks():
        for (_, at), (_, place) in zip(here[i : i + size], there[j : j + size], strict=True):
            places[at] = place
