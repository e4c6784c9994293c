"""Sentence <-> lm-eval's "doc", the form in which sentences stand in data sets and samples files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bioner_bench.corpora.loading import surface_key
from bioner_bench.schema import Entity, Sentence

Document = Mapping[str, Any]
"""`id`, `document`, `text`, `types` and `entities` of `start`, `end`, `type` and `seen`.

An entity is seen if the training split has a mention of its type with the same case-folded string; None
without a training split.
"""


def to_document(
    sentence: Sentence, types: Sequence[str], seen: frozenset[tuple[str, str]] | None
) -> Document:
    """A sentence as lm-eval's doc."""
    entities = [
        {
            "start": entity.start,
            "end": entity.end,
            "type": entity.type,
            "seen": None if seen is None else surface_key(sentence.surface(entity), entity.type) in seen,
        }
        for entity in sentence.entities
    ]
    return {
        "id": sentence.id,
        "document": sentence.document,
        "text": sentence.text,
        "types": list(types),
        "entities": entities,
    }


def to_sentence(document: Document) -> Sentence:
    """The inverse of `to_document`."""
    entities = tuple(Entity(e["start"], e["end"], e["type"]) for e in document["entities"])
    return Sentence(document["id"], document["text"], entities, document["document"])
