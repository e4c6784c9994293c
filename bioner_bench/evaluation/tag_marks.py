"""A line with tags -> its plain text, and which parts of it the tags hold.

A tag is `<Disease>` and `</Disease>`; the type may be in other words (`wording.match_type`) or an attribute,
and `[Disease]` is one as well. What the sentence itself has between angle brackets is text. Tags that do not
open and close in turn are mended where only one reading is likely:

- where no tag closes, a second opening one does;
- a closing tag of another name closes the mention that would stay open without it.

A mention that stays open is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from bioner_bench.evaluation.wording import fold, match_type


@dataclass(frozen=True, slots=True)
class Part:
    """What a pair of tags holds: characters `start` to `end` (exclusive) of the plain text."""

    type: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Marked:
    """A line without its tags.

    `intact`: all tags were of known types, opened and closed in turn, and not empty; `exact`: and written as
    they were asked for. `torn`: a tag is cut at the end. `tags`: those of known types.
    """

    plain: str
    parts: tuple[Part, ...]
    intact: bool
    exact: bool
    torn: bool
    tags: int


@dataclass(slots=True)
class _Tag:
    """At a place of the plain text; `type` is None if it is of no known type."""

    place: int
    closes: bool
    type: str | None
    name: str


def marked(line: str, text: str, types: tuple[str, ...]) -> Marked:
    """Take the tags out of a line that is a copy of `text`.

    >>> marked("<Disease>Ataxia</Disease> in mice.", "Ataxia in mice.", ("Disease",)).parts
    (Part(type='Disease', start=0, end=6),)
    """
    pieces: list[str] = []
    tags: list[_Tag] = []
    size = done = 0
    intact = exact = True
    for found in _pattern(types).finditer(line):
        name = found["exact"] or found["bracket"] or found["name"] or ""
        type_ = _type(name, types)
        if found[0] in text and (type_ is None or found["bracket"]):
            continue
        exact = exact and found[0] in (f"<{type_}>", f"</{type_}>")
        pieces.append(line[done : found.start()])
        size += len(pieces[-1])
        done = found.end()
        if found["empty"]:
            intact = False
        else:
            tags.append(_Tag(size, bool(found["slash"] or found["closing"]), type_, fold(name)))
    rest = line[done:]
    torn = _TORN.search(rest)
    if torn is not None and torn[0].strip() not in text:
        rest = rest[: torn.start()]
    else:
        torn = None
    plain = "".join([*pieces, rest])
    parts, in_turn = _paired(tags)
    filled = tuple(part for part in parts if plain[part.start : part.end].strip())
    intact = intact and in_turn and torn is None and len(filled) == len(parts)
    known = sum(tag.type is not None for tag in tags)
    return Marked(plain, filled, intact, intact and exact, torn is not None, known)


def _paired(tags: Sequence[_Tag]) -> tuple[list[Part], bool]:
    """What pairs of tags hold, and whether all opened and closed in turn."""
    opening = Counter(tag.type for tag in tags if not tag.closes)
    closing = Counter(tag.type for tag in tags if tag.closes)
    parts: list[Part] = []
    opened: list[_Tag] = []
    in_turn = all(tag.type is not None for tag in tags)
    for tag in tags:
        place = _partner(tag, opened, opening, closing)
        if place is None:
            if tag.closes:
                in_turn = False
            else:
                opened.append(tag)
            continue
        before = opened.pop(place)
        in_turn = in_turn and tag.closes and tag.type == before.type
        if before.type is not None:
            parts.append(Part(before.type, before.place, tag.place))
    return sorted(parts, key=lambda part: (part.start, -part.end)), in_turn and not opened


def _partner(
    tag: _Tag, opened: Sequence[_Tag], opening: Counter[str | None], closing: Counter[str | None]
) -> int | None:
    """Which of the open tags one closes; None if it closes none."""
    if not tag.closes:
        same = bool(opened) and opened[-1].type == tag.type is not None
        return len(opened) - 1 if same and not closing[tag.type] else None
    for place in reversed(range(len(opened))):
        if opened[place].type == tag.type and (tag.type is not None or opened[place].name == tag.name):
            return place
    last = opened[-1].type if opened else None
    return len(opened) - 1 if last is not None and closing[last] < opening[last] else None


def _type(name: str, types: tuple[str, ...]) -> str | None:
    """The type that a tag names, as a whole, in its first word, or in an attribute."""
    if name in types:
        return name
    named = [name, *name.split()[:1], *ATTRIBUTE.findall(name)]
    return next((type_ for each in named if (type_ := match_type(each, types)) is not None), None)


ATTRIBUTE = re.compile(r"""=\s{0,3}["']?([^"'<>]{1,60})""")
"""The value of an attribute, in what stands between the brackets of a tag."""
_TORN = re.compile(r"<\s?/?\s?\w{0,40}\s*\Z")
"""A tag that is cut."""


@lru_cache(maxsize=256)
def _pattern(types: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(type_) for type_ in sorted(types, key=len, reverse=True))
    return re.compile(
        rf"<\s?(?P<slash>/?)\s?(?:(?P<exact>{names})|(?P<name>[^\W\d_][^<>]{{0,100}}?|(?<=/)))\s?(?P<empty>/?)>"
        rf"|\[(?P<closing>/?)(?P<bracket>{names})\]",
        re.IGNORECASE,
    )
