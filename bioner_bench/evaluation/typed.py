"""Texts that bring their types along -> mentions: pairs, labelled strings, tokens with BIO tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bioner_bench.evaluation.items import (
    TEXT_KEYS,
    TYPE_KEYS,
    as_mention,
    find_key,
    labelled_type,
    located_mention,
    offsets_of,
)
from bioner_bench.evaluation.reading import Rank, Reading, Types
from bioner_bench.evaluation.wording import says_none

_TAG = re.compile(r"[BIESLU][-_](?=\w)")
_GOES_ON = re.compile(r"[IEL][-_](?=\w)")


@dataclass(frozen=True, slots=True)
class Typed:
    """A text and what is said of its type."""

    text: str
    label: str
    start: Any = None
    end: Any = None


def mentions_of_typed(items: Iterable[Typed], types: Types) -> Reading | None:
    """Mentions with labels; of tags, what `I-` continues is one mention. None if no label is a type."""
    reading = Reading(Rank.TYPED)
    for item in items:
        if item.label in ("O", "o"):
            continue
        type_ = labelled_type(item.label, types)
        if type_ is None or not item.text.strip():
            reading.whole = False
            continue
        reading.named.add(type_)
        goes_on = _GOES_ON.match(item.label.strip()) is not None
        if goes_on and reading.mentions and reading.mentions[-1].type == type_:
            before = reading.mentions.pop()
            joined = before.text + (item.text[2:] if item.text.startswith("##") else f" {item.text}")
            reading.mentions.append(as_mention(joined, type_, before.start, item.end))
        elif not says_none(item.text):
            reading.mentions.append(as_mention(item.text, type_, item.start, item.end))
    return reading if reading.named else None


def tagged_tokens(value: list[Any]) -> Iterator[Typed]:
    """The tokens of a list of objects with BIO tags; nothing if one has none."""
    tokens = []
    for item in value:
        if not isinstance(item, Mapping):
            return
        text_key = find_key(item, TEXT_KEYS)
        type_key = find_key(item, TYPE_KEYS, but=text_key)
        if text_key is None or type_key is None:
            return
        label = item[type_key].strip()
        if label != "O" and not _TAG.match(label):
            return
        tokens.append(Typed(item[text_key], label, *offsets_of(item)))
    yield from tokens


def of_labelled_string(item: str, types: Types) -> Typed | None:
    """`"Disease: ataxia"` or `"ataxia (Disease)"`."""
    if len(item) > 300:
        return None
    before, _, after = item.partition(":")
    if after.strip() and labelled_type(before.strip(), types) is not None:
        return Typed(after.strip(), before.strip())
    text, bracket, label = item.rstrip(")] ").rpartition("(" if item.rstrip().endswith(")") else "[")
    if bracket and text.strip() and labelled_type(label.strip(), types) is not None:
        return Typed(text.strip(), label.strip())
    return None


def of_pair(item: list[Any], types: Types) -> Typed | None:
    """`["ataxia", "Disease"]`, with offsets or without, and `["the", "O"]`."""
    located = located_mention(item, None, types)
    if located is not None:
        label = next((text for text in item[1:] if labelled_type(text, types) is not None), located.type)
        return Typed(located.text, label, located.start, located.end)
    if len(item) == 2 and all(isinstance(each, str) for each in item):
        text, label = item
        if label == "O":
            return Typed(text, label)
    return None
