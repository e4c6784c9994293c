"""What stands under the name of a type -> mentions of that type.

A list, a string, or a map: of texts, objects, pairs, offset lists, or of mentions as keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bioner_bench.evaluation.brackets import UNREADABLE, Budget, groups, loads
from bioner_bench.evaluation.reading import Types
from bioner_bench.evaluation.wording import fold, is_ellipsis, match_synonym, match_type, says_none
from bioner_bench.schema import Mention

TEXT_KEYS = (
    *("text", "mention", "name", "span", "word", "value", "entity", "term", "surface", "phrase", "string"),
    *("surfaceform", "token", "literal", "exact", "content", "match"),
)
TYPE_KEYS = (
    *("type", "label", "category", "group", "class", "entity", "tag", "nertag", "semantictype", "kind"),
    "annotationtype",
)
_SUBTYPE_KEYS = frozenset(map(fold, ("group", "class", "category", "kind")))
"""What may say more of a mention than its type, as `"class": "inherited"` does of one under "Disease"."""

LIST_KEYS = frozenset(
    [
        "entity",
        "namedentity",
        "mention",
        "annotation",
        "result",
        "ner",
        "answer",
        "output",
        "json",
        "ent",
        "span",
        "extraction",
        "extractedentity",
        "extractedmention",
        "term",
        "list",
        "item",
        "prediction",
        "data",
        "response",
        "finalanswer",
        "tag",
        "token",
        "label",
        "value",
        "found",
        "name",
        "text",
        "word",
    ]
)
"""Wrappers whose list is an answer even if it is empty or one of strings; singular."""
_START = tuple(
    fold(name)
    for name in (
        *("start", "start_offset", "start_char", "start_index", "start_pos"),
        *("begin", "offset", "from", "s"),
    )
)
_END = tuple(
    fold(name) for name in ("end", "end_offset", "end_char", "end_index", "end_pos", "stop", "to", "e")
)
_PAIR = tuple(map(fold, ("span", "offset", "position", "indices", "location", "char_span")))
INDEX = re.compile(r"(?:[a-z_ -]{0,20}?)?#?\d{1,4}|first|second|third|fourth|fifth", re.IGNORECASE)
_SPLIT = re.compile(r"\s*[;\n]\s*|, +")
DEEPEST = 40


def is_schema(value: Mapping[str, Any]) -> bool:
    """A JSON Schema, as of an answer: what it describes is not in it."""
    return value.get("type") in ("object", "array", "string") and any(
        key in value for key in ("properties", "items", "required", "description")
    )


def inner_json(text: str) -> Any:
    """The value of a string that is JSON, or nearly so; None of other strings."""
    stripped = text.strip()
    if stripped[:1] not in ("{", "[") or stripped[-1:] not in ("}", "]"):
        return None
    value = loads(stripped)
    if value is UNREADABLE:
        group = next(groups(stripped, Budget(repairs=0)), None)
        if group is not None and (group.start, group.end) == (0, len(stripped)):
            value = group.value
    return None if value is UNREADABLE else value


def count_ellipses(items: Any) -> int:
    """How many items of a list are an ellipsis; 0 of what is no list."""
    if not isinstance(items, list):
        return 0
    return sum(isinstance(item, str) and is_ellipsis(item) for item in items)


def mentions_in(value: Any, type_: str, types: Types, depth: int) -> tuple[list[Mention], bool]:
    """The mentions that stand under a type, and whether all of it was understood.

    `depth` is in how many other values of the answer it stands; deeper than `DEEPEST` nothing is read.
    """
    if depth > DEEPEST:
        return [], False
    if value is None or value == 0:  # false, too
        return [], True
    if isinstance(value, float) and math.isnan(value):  # NaN, which tables use for nothing
        return [], True
    if isinstance(value, str):
        return mentions_in_string(value, type_, types, depth)
    if isinstance(value, list):
        return _in_list(value, type_, types, depth)
    if isinstance(value, Mapping):
        return _in_map(value, type_, types, depth)
    return [], False


def mentions_in_string(text: str, type_: str, types: Types, depth: int) -> tuple[list[Mention], bool]:
    """The mentions of one string: several with semicolons, lines or commas between; or JSON."""
    inner = inner_json(text)
    if inner is not None:
        return mentions_in(inner, type_, types, depth)
    if says_none(text):
        return [], True
    parts = [part for part in _SPLIT.split(text) if part and not says_none(part)]
    return [Mention(part, type_) for part in parts], True


def _in_list(items: list[Any], type_: str, types: Types, depth: int) -> tuple[list[Mention], bool]:
    if [type(item) for item in items] == [str, int, int]:
        return [as_mention(items[0], type_, items[1], items[2])], True
    mentions: list[Mention] = []
    whole = True
    for item in items:
        if isinstance(item, str):
            if not says_none(item):
                mentions.append(Mention(item, type_))
        elif isinstance(item, list) and (located := located_mention(item, type_, types)) is not None:
            mentions.append(located)
        elif item is not None:
            read_, understood = mentions_in(item, type_, types, depth + 1)
            mentions += read_
            whole &= understood and item is not False and item != 0
    return mentions, whole


def located_mention(items: list[Any], type_: str | None, types: Types) -> Mention | None:
    """A mention as a list: its text with offsets, a score or its type, in any order; None if it is not one.

    Without `type_` the list must name it, or the corpus have only one.
    """
    texts = [item for item in items if isinstance(item, str)]
    others = [item for item in items if not isinstance(item, str)]
    if not texts or len(items) > 6:
        return None
    labels = [text for text in texts if labelled_type(text, types) is not None]
    if len(texts) > 1 and labels:
        label = labels[-1] if len(labels) < len(texts) else texts[1]
        texts = [text for index, text in enumerate(texts) if index != texts.index(label)]
        type_ = labelled_type(label, types)
    elif not others or (type_ is None and len(types) > 1):
        return None
    else:
        type_ = type_ or types[0]
    if len(texts) == 2 and re.fullmatch(r"\d+\s*[-:–,]\s*\d+", texts[1]):
        texts.pop()
    if type_ is None or len(texts) != 1 or not texts[0].strip():
        return None
    numbers: list[Any] = []
    for other in others:
        numbers += other if isinstance(other, list) else [other]
    if not all(type(number) in (int, float) for number in numbers):
        return None
    start, end = (*(number for number in numbers if type(number) is int), None, None)[:2]
    return as_mention(texts[0], type_, start, end)


def as_mention(text: str, type_: str, start: Any, end: Any) -> Mention:
    """A mention, with its offsets if they are a pair of integers."""
    if type(start) is int and type(end) is int:
        return Mention(text, type_, start, end)
    return Mention(text, type_)


def labelled_type(name: Any, types: Types) -> str | None:
    """The type that a label names, if need be in other words."""
    if not isinstance(name, str):
        return None
    return match_type(name, types) or match_synonym(name, types)


def _in_map(value: Mapping[str, Any], type_: str, types: Types, depth: int) -> tuple[list[Mention], bool]:
    if not value:
        return [], True
    if is_schema(value):
        return [], False
    text_key = find_key(value, TEXT_KEYS)
    if text_key is not None:
        return _in_object(value, text_key, type_, types)
    again = [key for key, item in value.items() if match_type(key, types) == type_ and item != type_]
    if again:
        return mentions_in(value[again[0]], type_, types, depth + 1)
    lists = [key for key in value if fold(key) in LIST_KEYS and isinstance(value[key], list | str)]
    if lists:
        return mentions_in(value[lists[0]], type_, types, depth + 1)
    if all(INDEX.fullmatch(key) for key in value) or all(has_strings(item) for item in value.values()):
        return _in_list(list(value.values()), type_, types, depth + 1)
    mentions = []
    for key, item in value.items():
        start, end = offsets_in(item)
        if key.strip() and item not in (0, None, False) and not says_none(key):
            mentions.append(as_mention(key, type_, start, end))
    return mentions, True


def has_strings(item: Any) -> bool:
    """Whether a value is a list of strings, and not an empty one."""
    return isinstance(item, list) and bool(item) and all(isinstance(each, str) for each in item)


def _in_object(
    value: Mapping[str, Any], text_key: str, type_: str, types: Types
) -> tuple[list[Mention], bool]:
    type_key = find_key(value, TYPE_KEYS, but=text_key)
    if type_key is not None and fold(type_key) not in _SUBTYPE_KEYS:
        named = labelled_type(value[type_key], types)
        if named is None:
            return [], False
        type_ = named
    text = value[text_key]
    return ([], True) if says_none(text) else ([as_mention(text, type_, *offsets_of(value))], True)


def offsets_of(value: Mapping[str, Any]) -> tuple[Any, Any]:
    """Start and end that an object gives, under any of their names."""
    folded = {fold(key): item for key, item in value.items()}
    for name in _PAIR:
        if isinstance(folded.get(name), list | Mapping):
            return offsets_in(folded[name])
    start = next((folded[name] for name in _START if name in folded), None)
    end = next((folded[name] for name in _END if name in folded), None)
    return start, end


def offsets_in(item: Any) -> tuple[Any, Any]:
    """Start and end of a pair, or an object that has them and no text of its own."""
    while isinstance(item, list) and len(item) == 1:
        item = item[0]
    if isinstance(item, list) and len(item) == 2:
        return item[0], item[1]
    if isinstance(item, Mapping) and find_key(item, TEXT_KEYS) is None:
        return item.get("start"), item.get("end")
    return None, None


def find_key(item: Mapping[str, Any], names: Sequence[str], but: str | None = None) -> str | None:
    """The first of `names` that the object has, whatever its case and decoration, with a string as value."""
    found: dict[str, str] = {}
    for key, value in item.items():
        if isinstance(value, str) and key != but:
            name = re.sub(r"[\W_]+", "", key.casefold())
            for start in ("entity", "mention", "ne"):  # no name begins with two: as a whole it is found too
                found.setdefault(name.removeprefix(start), key)
            for end in ("text", "mention", "name"):
                if name.endswith(end):
                    found.setdefault(end, key)
    return next((found[name] for name in names if name in found), None)
