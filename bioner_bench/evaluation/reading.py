"""What a value of an answer says, and how sure it is that it is meant as the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from bioner_bench.schema import Mention

Types = tuple[str, ...]


class Rank(IntEnum):
    """How sure it is that a value is meant as the answer; lower is surer."""

    TYPES = 0
    """An object with types as keys."""
    TYPED = 1
    """Mentions with their types."""
    STRINGS = 2
    """Strings, where there is one type."""
    EMPTY = 3
    """An empty bracket."""


@dataclass(slots=True)
class Reading:
    """What a value says.

    `named`: the types that it speaks of. `whole`: whether everything in it was understood. `single`: it is
    one mention, one of several objects that make an answer. `forms`: the most ellipses in one list of it.
    """

    rank: Rank
    mentions: list[Mention] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    whole: bool = True
    single: bool = False
    forms: int = 0


def join(first: Reading, second: Reading) -> Reading:
    """Two parts of one answer as one; the first is used up, so that many parts take linear time."""
    first.mentions += second.mentions
    first.named |= second.named
    return Reading(
        max(first.rank, second.rank),
        first.mentions,
        first.named,
        first.whole and second.whole,
        first.single and second.single,
        max(first.forms, second.forms),
    )
