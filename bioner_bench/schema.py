"""The values that travel through the benchmark.

There is one coordinate system: offsets count Unicode code points of a sentence's text,
the start is inclusive, the end exclusive, so `text[start:end]` is the mention.
"""

from __future__ import annotations

from dataclasses import dataclass


class BenchmarkError(Exception):
    """A fault that the user can mend; the message is one line: what, where, what to do."""


def check_listed(types: object) -> None:
    """Raise a `ValueError` for types that are one string: its letters would be taken for them."""
    if isinstance(types, str):
        raise ValueError(f"types is the string {types!r}; give a list: [{types!r}]")


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """A typed span of a sentence: characters `start` to `end` (exclusive)."""

    start: int
    end: int
    type: str

    def overlaps(self, other: Entity) -> bool:
        """True if both share at least one character; touching is not sharing. Types are not compared.

        >>> Entity(0, 4, "Gene").overlaps(Entity(4, 8, "Gene"))
        False
        """
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Sentence:
    """One unit of evaluation: a text and its gold entities, in order of appearance.

    `document` names the document it comes from where the corpus says so, else None. `before` and `after` are
    the text around it there, where that was asked for; nothing in them is gold.

    Raises:
        ValueError: an entity lies outside the text, is empty, or is given twice.
    """

    id: str
    text: str
    entities: tuple[Entity, ...]
    document: str | None = None
    before: str = ""
    after: str = ""

    def __post_init__(self) -> None:
        for entity in self.entities:
            if not 0 <= entity.start < entity.end <= len(self.text):
                raise ValueError(
                    f"sentence {self.id}: {entity.type} {entity.start}-{entity.end} "
                    f"is not a span of its {len(self.text)} characters"
                )
        if len(set(self.entities)) < len(self.entities):
            raise ValueError(f"sentence {self.id}: an entity is given twice")

    def surface(self, entity: Entity) -> str:
        """The mention string of one of this sentence's entities."""
        return self.text[entity.start : entity.end]


@dataclass(frozen=True, slots=True)
class Mention:
    """What a model wrote: a string and its type, with offsets only if the model gave some.

    The offsets are a claim; `alignment.align` decides whether they hold.
    """

    text: str
    type: str
    start: int | None = None
    end: int | None = None
