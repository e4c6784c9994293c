"""A JSON value -> the mentions that it says, in any of the shapes that models use.

The shapes, for types of which `Disease` is one:

- `{"Disease": [...]}`, its key in other wording, its mentions as strings, objects, pairs, offset lists, maps;
- objects with a text and a type, or maps from mention to type, in lists or one by one;
- where the corpus has one type, lists of strings and of objects without a type;
- wrappers of any name around an answer, also a string of JSON inside of JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bioner_bench.evaluation.items import (
    DEEPEST,
    INDEX,
    LIST_KEYS,
    TEXT_KEYS,
    TYPE_KEYS,
    as_mention,
    count_ellipses,
    find_key,
    has_strings,
    inner_json,
    is_schema,
    labelled_type,
    located_mention,
    mentions_in,
    mentions_in_string,
    offsets_in,
    offsets_of,
)
from bioner_bench.evaluation.reading import Rank, Reading, Types, join
from bioner_bench.evaluation.typed import Typed, mentions_of_typed, of_labelled_string, of_pair, tagged_tokens
from bioner_bench.evaluation.wording import fold, match_synonym, match_type, says_none
from bioner_bench.schema import Mention

_NOT_ANSWERS = frozenset(["token", "label", "tag", "text", "word", "name", "value"])
"""Those of them of which a list of strings may be something else, outside of a type."""
_MENTIONS = frozenset(["entity", "mention", "ent"])
_CALL_KEYS = frozenset(["arguments", "parameters", "input", "function", "tool_calls"])


def read(value: Any, types: Types, depth: int = 0) -> Reading | None:
    """What a value says, None if it is no answer.

    `depth` is in how many other values of the answer it stands; deeper than `DEEPEST` nothing is read.

    >>> read([{"text": "ataxia", "type": "disease"}], ("Disease",)).mentions
    [Mention(text='ataxia', type='Disease', start=None, end=None)]
    """
    if depth > DEEPEST:
        return None
    if isinstance(value, str):
        value = inner_json(value)
    if isinstance(value, Mapping):
        return _read_object(value, types, depth)
    if isinstance(value, list):
        return _read_list(value, types, depth)
    return None


def _read_object(value: Mapping[str, Any], types: Types, depth: int) -> Reading | None:
    if not value:
        return Reading(Rank.EMPTY)
    if is_schema(value):
        return read(value.get("properties"), types, depth + 1)
    keys = {key: match_type(key, types) for key in value}
    found = {type_ for type_ in keys.values() if type_ is not None}
    for key, type_ in keys.items():
        if type_ is None and (other := match_synonym(key, types)) is not None and other not in found:
            keys[key] = other
    if any(keys.values()):
        reading = _read_types(value, keys, types, depth)
        if reading is not None:
            return reading
    inner = {key: read(item, types, depth + 1) for key, item in value.items()}
    answers = [each for each in inner.values() if each is not None and each.rank is Rank.TYPES]
    if answers:
        return _last_or_joined(answers)
    for reader in (_mention_of_object, _of_type, _located_in_text, _parallel, _mentions_as_keys):
        typed = reader(value, types)
        if typed is not None:
            return typed
    answers = [each for each in inner.values() if each is not None and each.rank is Rank.TYPED]
    if answers:
        return _last_or_joined(answers)
    return _wrapped_list(value, inner, types, depth)


def _read_types(
    value: Mapping[str, Any], keys: Mapping[str, str | None], types: Types, depth: int
) -> Reading | None:
    """An object with types as keys; None if none of their values can be read."""
    reading = Reading(Rank.TYPES)
    scalars = 0
    for key, type_ in keys.items():
        if type_ is None:
            continue
        mentions, whole = mentions_in(value[key], type_, types, depth + 1)
        reading.mentions += mentions
        reading.whole &= whole
        scalars += isinstance(value[key], str)
        reading.named.add(type_)
        reading.forms = max(reading.forms, count_ellipses(value[key]))
    reading.single = len(value) == scalars == 1
    return reading if reading.mentions or reading.whole else None


def read_items(value: Any, type_: str, types: Types) -> Reading | None:
    """What a value says that stands after the name of a type."""
    return _read_types({type_: value}, {type_: type_}, types, 0)


def _last_or_joined(answers: Sequence[Reading]) -> Reading:
    joined = answers[0]
    for answer in answers[1:]:
        joined = join(joined, answer) if joined.named.isdisjoint(answer.named) else answer
    return joined


def _wrapped_list(
    value: Mapping[str, Any], inner: Mapping[str, Reading | None], types: Types, depth: int
) -> Reading | None:
    for key, item in value.items():
        name = key if fold(key) in _SCHEMA_WORDS else _last_word(key)
        if fold(key) in LIST_KEYS or name in LIST_KEYS:
            if isinstance(item, list | dict) and not item:
                return Reading(Rank.TYPED)
            if isinstance(item, list) and name not in _NOT_ANSWERS:
                return inner[key]
            if isinstance(item, str) and name in _MENTIONS and len(types) == 1:
                mentions, whole = mentions_in_string(item, types[0], types, depth)
                return Reading(Rank.STRINGS, mentions, set(types), whole)
    if len(types) == 1 and all(isinstance(i, str) and INDEX.fullmatch(k) for k, i in value.items()):
        return _strings(list(value.values()), types, depth)
    return None


_SCHEMA_WORDS = frozenset(["required", "enum"])


def _last_word(key: str) -> str:
    return fold(re.split(r"[\W_]+", key)[-1])


# Mentions that bring their types.


def _mention_of_object(value: Mapping[str, Any], types: Types) -> Reading | None:
    """An object with a text and its type, or, of one type, a text alone."""
    if not _CALL_KEYS.isdisjoint(value):
        return None
    if any(fold(key) in LIST_KEYS and _holds_more_than_numbers(item) for key, item in value.items()):
        return None  # the text is the sentence
    text_key = find_key(value, TEXT_KEYS)
    type_key = find_key(value, TYPE_KEYS, but=text_key)
    if text_key is None:
        return None
    if type_key is None and len(types) > 1:
        return None
    reading = Reading(Rank.TYPED, single=True)
    if type_key is not None:
        label = value[type_key]
        if label.strip() in ("O", "o"):
            return reading
        type_ = labelled_type(label, types)
    else:
        type_ = types[0]
    text = value[text_key]
    if type_ is None or not text.strip():
        reading.whole = False
    elif not says_none(text):
        reading.named.add(type_)
        reading.mentions.append(as_mention(text, type_, *offsets_of(value)))
    return reading


def _holds_more_than_numbers(item: Any) -> bool:
    return isinstance(item, list) and not all(isinstance(each, int | float) for each in item)


def _of_type(value: Mapping[str, Any], types: Types) -> Reading | None:
    """`{"type": "Disease", "mentions": [...]}`."""
    type_key = _type_key(value, types)
    type_ = None if type_key is None else labelled_type(value[type_key], types)
    if type_ is None:
        return None
    for key, item in value.items():
        if isinstance(item, list | str) and fold(key) in LIST_KEYS and key != type_key:
            mentions, whole = mentions_in(item, type_, types, 0)
            return Reading(Rank.TYPED, mentions, {type_}, whole) if mentions or whole else None
    return None


def _type_key(value: Mapping[str, Any], types: Types) -> str | None:
    """The key under which an object names one of the types."""
    key = find_key(value, TYPE_KEYS)
    return key if key is not None and labelled_type(value[key], types) is not None else None


def _located_in_text(value: Mapping[str, Any], types: Types) -> Reading | None:
    """`{"text": SENTENCE, "ents": [{"start": 0, "end": 6, "label": "Disease"}]}`."""
    text = value.get("text", value.get("sentence"))
    if not isinstance(text, str):
        return None
    reading = Reading(Rank.TYPED)
    for items in value.values():
        for item in items if isinstance(items, list) else []:
            if isinstance(item, list) and len(item) == 3:
                start, end, label = item
            elif isinstance(item, Mapping) and find_key(item, TEXT_KEYS) in (None, find_key(item, TYPE_KEYS)):
                type_key = find_key(item, TYPE_KEYS)
                (start, end), label = offsets_of(item), item.get(type_key)
            else:
                return None
            type_ = labelled_type(label, types)
            if type_ is None or type(start) is not int or type(end) is not int:
                reading.whole = False
            elif 0 <= start < end <= len(text):
                reading.named.add(type_)
                reading.mentions.append(Mention(text[start:end], type_, start, end))
    return reading if reading.mentions else None


def _parallel(value: Mapping[str, Any], types: Types) -> Reading | None:
    """`{"mentions": ["ataxia"], "types": ["Disease"]}`."""
    lists = {_last_word(key): item for key, item in value.items() if has_strings(item)}
    labels = next((lists[name] for name in ("type", "label", "tag", "category") if name in lists), None)
    texts = next(
        (lists[n] for n in ("mention", "entity", "text", "token", "term", "word") if n in lists), None
    )
    if labels is None or texts is None or len(labels) != len(texts):
        return None
    return mentions_of_typed([Typed(text, label) for text, label in zip(texts, labels, strict=True)], types)


def _mentions_as_keys(value: Mapping[str, Any], types: Types) -> Reading | None:
    """A map from mention to type, to an object with a type, or, of one type, to offsets."""
    if _type_key(value, types) is not None:
        return None  # "type" is no mention
    typed = []
    for key, item in value.items():
        if isinstance(item, list) and (fold(key) in LIST_KEYS or match_type(key, types)):
            return None  # spans without their texts
        if isinstance(item, str) and (labelled_type(item, types) is not None or item == "O"):
            typed.append(Typed(key, item))
        elif isinstance(item, Mapping) and find_key(item, TEXT_KEYS) is not None:
            return None
        elif isinstance(item, Mapping) and (type_key := _type_key(item, types)) is not None:
            typed.append(Typed(key, item[type_key], *offsets_of(item)))
        elif len(types) == 1 and isinstance(item, list) and type(offsets_in(item)[0]) is int:
            typed.append(Typed(key, types[0], *offsets_in(item)))
        elif not isinstance(item, str):
            return None
    reading = mentions_of_typed(typed, types) if typed else None
    if reading is not None and len(typed) < len(value):
        reading.whole = False
    return reading


# Lists.


def _read_list(value: list[Any], types: Types, depth: int) -> Reading | None:
    if not value:
        return Reading(Rank.EMPTY)
    if all(isinstance(item, str) for item in value):
        return _strings(value, types, depth)
    if isinstance(value[0], str) and (located := located_mention(value, None, types)) is not None:
        return Reading(Rank.TYPED, [located], {located.type}, single=True)
    if any(isinstance(item, Mapping) for item in value):
        return _objects(value, types, depth)
    if any(isinstance(item, list) for item in value):
        return _pairs(value, types, depth)
    if len(types) == 1 and any(isinstance(item, str) for item in value):
        mentions, whole = mentions_in(value, types[0], types, depth)
        return Reading(Rank.STRINGS, mentions, set(types), whole)
    return None


def _strings(value: list[str], types: Types, depth: int) -> Reading | None:
    if len(value) == 1 and (inner := inner_json(value[0])) is not None:
        return read(inner, types, depth + 1)
    labelled = [of_labelled_string(item, types) for item in value]
    if all(labelled):
        return mentions_of_typed([item for item in labelled if item is not None], types)
    if all(says_none(item) for item in value):
        return Reading(Rank.EMPTY)
    if len(types) > 1:
        return None
    mentions = [Mention(item, types[0]) for item in value if not says_none(item)]
    return Reading(Rank.STRINGS, mentions, set(types))


def _objects(value: list[Any], types: Types, depth: int) -> Reading | None:
    """A list of objects: answers, or mentions; what else is in it was not understood."""
    tagged = list(tagged_tokens(value))
    if tagged:
        return mentions_of_typed(tagged, types)
    readings = [read(item, types, depth + 1) if isinstance(item, Mapping) else None for item in value]
    answers = [each for each in readings if each is not None and each.rank is Rank.TYPES]
    if not answers:
        answers = [each for each in readings if each is not None and each.rank is Rank.TYPED]
    reading: Reading | None = None
    for answer in answers:
        if reading is None:
            reading = answer
        else:
            reading.mentions += answer.mentions
            reading.named |= answer.named
            reading.whole &= answer.whole
    if len(types) == 1 and not any(answer.rank is Rank.TYPES for answer in answers):
        texts = [item for item in value if isinstance(item, str) and not says_none(item)]
        if texts:
            mentions, whole = mentions_in(value, types[0], types, depth)
            return Reading(Rank.TYPED, mentions, set(types), whole)
    if reading is None:
        return None
    reading.single = False
    reading.whole &= len(answers) == sum(item is not None and item != {} for item in value)
    if reading.rank is Rank.TYPED and not reading.mentions and not reading.whole:
        return None
    return reading


def _pairs(value: list[Any], types: Types, depth: int) -> Reading | None:
    """A list of lists: pairs of text and type, texts with offsets, or lists of another shape."""
    pairs = [pair for item in value if isinstance(item, list) and (pair := of_pair(item, types)) is not None]
    if len(pairs) == len(value) or (pairs and len(types) > 1):
        reading = mentions_of_typed(pairs, types)
        if reading is not None:
            reading.whole &= len(pairs) == len(value)
        return reading
    if len(value) == 1:
        return read(value[0], types, depth + 1)
    if len(types) == 1:
        mentions, whole = mentions_in(value, types[0], types, depth)
        if mentions:
            return Reading(Rank.STRINGS, mentions, set(types), whole)
    return None
