"""Sentence and mentions -> the sentence with tags around the mentions: the answer format `tags`.

    ataxia and <Gene>ATM</Gene> -> entity 11-14 of `ataxia and ATM`

Nested mentions and those of different types that overlap have tags of their own, which say what is meant; two
mentions of one type that overlap without one holding the other cannot be told from two that are nested.
"""

from __future__ import annotations

from collections.abc import Iterable

from bioner_bench.schema import Entity


def tagged(text: str, entities: Iterable[Entity]) -> str:
    """The sentence with `<Type>` and `</Type>` around each mention.

    >>> tagged("A - T and ataxia", [Entity(0, 5, "Disease"), Entity(10, 16, "Disease")])
    '<Disease>A - T</Disease> and <Disease>ataxia</Disease>'
    """
    # At one place what ends comes before what begins, and the longer mention is outside.
    tags = []
    for number, each in enumerate(sorted(entities, key=lambda e: (e.start, -e.end, e.type)), start=1):
        tags.append((each.start, number, f"<{each.type}>"))
        tags.append((each.end, -number, f"</{each.type}>"))
    pieces, done = [], 0
    for place, _, tag in sorted(tags):
        pieces += [text[done:place], tag]
        done = place
    return "".join([*pieces, text[done:]])
