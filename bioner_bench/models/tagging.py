"""Sentence <-> IOB2 tags of words, for token classifiers.

A word is a run of letters and digits, or one other character that is not white space: what the corpora of
tagged tokens call a token (JNLPBA joins some), and the same in raw text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bioner_bench.schema import Entity

_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")

OUTSIDE = "O"


def words(text: str) -> list[tuple[int, int]]:
    """Start and end (exclusive) of every word, in characters.

    >>> [("p53-null (a)"[start:end]) for start, end in words("p53-null (a)")]
    ['p53', '-', 'null', '(', 'a', ')']
    """
    return [match.span() for match in _WORD.finditer(text)]


def tag_set(types: Iterable[str]) -> list[str]:
    """All tags for these types; a tag's place is its number as a label.

    >>> tag_set(["Gene"])
    ['O', 'B-Gene', 'I-Gene']
    """
    return [OUTSIDE, *(f"{prefix}-{type_}" for type_ in types for prefix in "BI")]


def to_tags(spans: Sequence[tuple[int, int]], entities: Iterable[Entity]) -> list[str]:
    """The tag of every word, which belongs to an entity if it shares a character with it.

    Of entities that share a word the one that starts first gets it, the longer one of two that start
    together: IOB2 cannot write both.
    """
    tags = [OUTSIDE] * len(spans)
    for entity in sorted(entities, key=lambda entity: (entity.start, -entity.end, entity.type)):
        touched = [i for i, (start, end) in enumerate(spans) if start < entity.end and entity.start < end]
        if touched and all(tags[index] == OUTSIDE for index in touched):
            tags[touched[0]] = f"B-{entity.type}"
            for index in touched[1:]:
                tags[index] = f"I-{entity.type}"
    return tags


def to_entities(spans: Sequence[tuple[int, int]], tags: Sequence[str]) -> list[Entity]:
    """The entities of a valid tag sequence, in order of appearance."""
    entities: list[Entity] = []
    for (start, end), tag in zip(spans, tags, strict=True):
        if tag == OUTSIDE:
            continue
        first = entities.pop().start if tag.startswith("I-") else start
        entities.append(Entity(first, end, tag[2:]))
    return entities


@dataclass(frozen=True, slots=True)
class Transitions:
    """What tags score besides their words: the `first` and `last` one, and `pairs`, [before, after]."""

    first: NDArray[np.float32]
    pairs: NDArray[np.float32]
    last: NDArray[np.float32]


def best_tags(
    scores: NDArray[np.float32], tags: Sequence[str], transitions: Transitions | None = None
) -> list[str]:
    """The valid IOB2 sequence with the highest sum of scores (Viterbi).

    Args:
        scores: words x tags, logits or log-probabilities.
        tags: those of `tag_set`, in any order.
        transitions: those of a CRF, in the order of the tags.
    """
    if not len(scores):
        return []
    forbidden = _forbidden(tags)
    outside = tags.index(OUTSIDE)
    if transitions is None:
        path = scores.argmax(axis=1)
        before = np.concatenate(([outside], path[:-1]))
        if not forbidden[before, path].any():  # the best of all sequences, so the best valid one
            return [tags[index] for index in path]
        nothing = np.zeros(len(tags), dtype=scores.dtype)
        transitions = Transitions(nothing, np.zeros((len(tags), len(tags)), dtype=scores.dtype), nothing)
    pairs = np.where(forbidden, -np.inf, transitions.pairs)
    # The start of a sentence forbids what O does.
    total = np.where(forbidden[outside], -np.inf, scores[0] + transitions.first)
    back = np.zeros(scores.shape, dtype=np.int64)
    for position in range(1, len(scores)):
        reached = total[:, None] + pairs
        back[position] = reached.argmax(axis=0)
        total = reached.max(axis=0) + scores[position]
    best = [int((total + transitions.last).argmax())]
    for position in range(len(scores) - 1, 0, -1):
        best.append(int(back[position][best[-1]]))
    return [tags[index] for index in reversed(best)]


def _forbidden(tags: Sequence[str]) -> NDArray[np.bool_]:
    """[before, after]: an I- tag may only follow a tag of its own type."""
    return np.array(
        [[after.startswith("I-") and before[2:] != after[2:] for after in tags] for before in tags]
    )


@dataclass(frozen=True, slots=True)
class Window:
    """Part of a sentence that a model reads at once.

    `first` to `last` (exclusive) are the words it holds; of these, `owned_first` to `owned_last`
    (exclusive) get their tags here: each word in the window that shows most around it.
    """

    sentence: int
    first: int
    last: int
    owned_first: int
    owned_last: int


def windows(sentence: int, lengths: Sequence[int], size: int, overlap: int) -> list[Window]:
    """Cut a sentence into overlapping windows, such that every word is owned by exactly one.

    Args:
        sentence: its number, written into the windows.
        lengths: the number of subwords of each word, at least 1; a word longer than `size` counts `size`.
        size: subwords that a window can hold.
        overlap: subwords that two neighbouring windows share, at least, where words allow.
    """
    lengths = [min(length, size) for length in lengths]
    cuts = []
    first = 0
    while True:
        last, held = first, 0
        while last < len(lengths) and held + lengths[last] <= size:
            held += lengths[last]
            last += 1
        cuts.append((first, last))
        if last == len(lengths):
            break
        start, shared = last, 0
        while start - 1 > first and shared < overlap:
            start -= 1
            shared += lengths[start]
        # A window must bring at least one new word.
        while start < last and sum(lengths[start : last + 1]) > size:
            start += 1
        first = start
    # The words that two windows share are divided in the middle.
    borders = [0, *((later + last) // 2 for (_, last), (later, _) in pairwise(cuts))]
    borders.append(len(lengths))
    return [
        Window(sentence, first, last, borders[index], borders[index + 1])
        for index, (first, last) in enumerate(cuts)
    ]
