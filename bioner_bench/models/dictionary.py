"""A dictionary of training mentions as a system: the floor, and what memorising alone gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bioner_bench.models.tagging import words
from bioner_bench.schema import Entity, Sentence


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Entries, a tuple of words -> type, and the length in words of the longest one."""

    entries: Mapping[tuple[str, ...], str]
    longest: int
    ignore_case: bool


def collect(sentences: Sequence[Sentence], ignore_case: bool = False) -> Dictionary:
    """A dictionary of all mentions; a string of several types gets its most frequent one, then the first."""
    counts: dict[tuple[str, ...], dict[str, int]] = {}
    for sentence in sentences:
        for entity in sentence.entities:
            types = counts.setdefault(_key(sentence.surface(entity), ignore_case), {})
            types[entity.type] = types.get(entity.type, 0) + 1
    entries = {key: max(sorted(types), key=lambda name: types[name]) for key, types in counts.items()}
    return Dictionary(entries, max(map(len, entries), default=0), ignore_case)


def find(dictionary: Dictionary, text: str) -> list[Entity]:
    """From left to right, the longest entry that starts at each word; found entities do not overlap.

    Entries match whole words and any white space between them.
    """
    spans = words(text)
    keys = [_fold(text[start:end], dictionary.ignore_case) for start, end in spans]
    found = []
    at = 0
    while at < len(spans):
        for end in range(min(len(spans), at + dictionary.longest), at, -1):
            type_ = dictionary.entries.get(tuple(keys[at:end]))
            if type_ is not None:
                found.append(Entity(spans[at][0], spans[end - 1][1], type_))
                at = end
                break
        else:
            at += 1
    return found


def _key(surface: str, ignore_case: bool) -> tuple[str, ...]:
    return tuple(_fold(surface[start:end], ignore_case) for start, end in words(surface))


def _fold(word: str, ignore_case: bool) -> str:
    return word.casefold() if ignore_case else word
