"""A JSON value -> the mentions that it says, in any of the shapes that models use.

The shapes, for types of which `Disease` is one:

- `{"Disease": [...]}`, its key in other wording, its mentions as strings, objects, pairs, offset lists, maps;
- objects with a text and a type, or maps from mention to type, in lists or one by one;
- where the corpus has one type, lists of strings and of objects without a type;
- wrappers of any name around an answer, also a string of JSON inside of JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from bioner_bench.brackets import UNREADABLE, Budget, groups, loads
from bioner_bench.schema import Mention
from bioner_bench.wording import fold, is_ellipsis, match_synonym, match_type, says_none

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


_TEXT_KEYS = (
    *("text", "mention", "name", "span", "word", "value", "entity", "term", "surface", "phrase", "string"),
    *("surfaceform", "token", "literal", "exact", "content", "matchedtext", "match"),
)
_TYPE_KEYS = (
    *("type", "label", "category", "entitytype", "entitygroup", "class", "entity", "tag", "nertag", "group"),
    *("semantictype", "entitylabel", "entitycategory", "entityclass", "kind", "annotationtype"),
)
_LIST_KEYS = frozenset(
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
_NOT_ANSWERS = frozenset(["token", "label", "tag", "text", "word", "name", "value"])
"""Those of them of which a list of strings may be something else, outside of a type."""
_MENTIONS = frozenset(["entity", "mention", "ent"])
_CALL_KEYS = frozenset(["arguments", "parameters", "input", "function", "tool_calls"])
_START = ("start", "startoffset", "startchar", "startindex", "startpos", "begin", "offset", "from", "s")
_END = ("end", "endoffset", "endchar", "endindex", "endpos", "stop", "to", "e")
_INDEX = re.compile(r"(?:[a-z_ -]{0,20}?)?#?\d{1,4}|first|second|third|fourth|fifth", re.IGNORECASE)
_TAG = re.compile(r"([BIESLU])[-_](?=\w)")
_SPLIT = re.compile(r"\s*[;\n]\s*|, +")
_DEEPEST = 40


def read(value: Any, types: Types, depth: int = 0) -> Reading | None:
    """What a value says, None if it is no answer.

    >>> read([{"text": "ataxia", "type": "disease"}], ("Disease",)).mentions
    [Mention(text='ataxia', type='Disease', start=None, end=None)]
    """
    if depth > _DEEPEST:
        return None
    if isinstance(value, str):
        value = _inner_json(value)
    if isinstance(value, Mapping):
        return _read_object(value, types, depth)
    if isinstance(value, list):
        return _read_list(value, types, depth)
    return None


def _inner_json(text: str) -> Any:
    stripped = text.strip()
    if stripped[:1] not in ("{", "[") or stripped[-1:] not in ("}", "]"):
        return None
    value = loads(stripped)
    if value is UNREADABLE:
        group = next(groups(stripped, Budget(repairs=0)), None)
        if group is not None and (group.start, group.end) == (0, len(stripped)):
            value = group.value
    return None if value is UNREADABLE else value


def _read_object(value: Mapping[str, Any], types: Types, depth: int) -> Reading | None:
    if not value:
        return Reading(Rank.EMPTY)
    if _is_schema(value):
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


def _is_schema(value: Mapping[str, Any]) -> bool:
    """A JSON Schema, as of an answer: what it describes is not in it."""
    return value.get("type") in ("object", "array", "string") and any(
        key in value for key in ("properties", "items", "required", "description")
    )


def _read_types(
    value: Mapping[str, Any], keys: Mapping[str, str | None], types: Types, depth: int
) -> Reading | None:
    """An object with types as keys; None if none of their values can be read."""
    reading = Reading(Rank.TYPES)
    scalars = 0
    for key, type_ in keys.items():
        if type_ is None:
            continue
        mentions, whole = _items(value[key], type_, types, depth + 1)
        reading.mentions += mentions
        reading.whole &= whole
        scalars += isinstance(value[key], str)
        reading.named.add(type_)
        reading.forms = max(reading.forms, _ellipses(value[key]))
    reading.single = len(value) == scalars == 1
    return reading if reading.mentions or reading.whole else None


def _ellipses(items: Any) -> int:
    if not isinstance(items, list):
        return 0
    return sum(isinstance(item, str) and is_ellipsis(item) for item in items)


def read_items(value: Any, type_: str, types: Types) -> Reading | None:
    """What a value says that stands after the name of a type."""
    return _read_types({type_: value}, {type_: type_}, types, 0)


def _last_or_joined(answers: Sequence[Reading]) -> Reading:
    joined = answers[0]
    for answer in answers[1:]:
        joined = join(joined, answer) if joined.named.isdisjoint(answer.named) else answer
    return joined


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


def _wrapped_list(
    value: Mapping[str, Any], inner: Mapping[str, Reading | None], types: Types, depth: int
) -> Reading | None:
    for key, item in value.items():
        name = key if fold(key) in _SCHEMA_WORDS else _last_word(key)
        if fold(key) in _LIST_KEYS or name in _LIST_KEYS:
            if isinstance(item, list | dict) and not item:
                return Reading(Rank.TYPED)
            if isinstance(item, list) and name not in _NOT_ANSWERS:
                return inner[key]
            if isinstance(item, str) and name in _MENTIONS and len(types) == 1:
                mentions, whole = _items_of_string(item, types[0], types, depth)
                return Reading(Rank.STRINGS, mentions, set(types), whole)
    if len(types) == 1 and all(isinstance(i, str) and _INDEX.fullmatch(k) for k, i in value.items()):
        return _strings(list(value.values()), types)
    return None


_SCHEMA_WORDS = frozenset(["required", "enum"])


def _last_word(key: str) -> str:
    return fold(re.split(r"[\W_]+", key[:80])[-1])


# Mentions of one type.


def _items(value: Any, type_: str, types: Types, depth: int) -> tuple[list[Mention], bool]:
    """The mentions that stand under a type, and whether all of it was understood."""
    if depth > _DEEPEST:
        return [], False
    if value is None or value is False or value in ("", 0):
        return [], True
    if isinstance(value, float) and value != value:  # NaN, which tables use for nothing
        return [], True
    if isinstance(value, str):
        return _items_of_string(value, type_, types, depth)
    if isinstance(value, list):
        return _items_of_list(value, type_, types, depth)
    if isinstance(value, Mapping):
        return _items_of_map(value, type_, types, depth)
    return [], False


def _items_of_string(text: str, type_: str, types: Types, depth: int) -> tuple[list[Mention], bool]:
    inner = _inner_json(text)
    if inner is not None:
        return _items(inner, type_, types, depth + 1)
    if says_none(text):
        return [], True
    parts = [part for part in _SPLIT.split(text) if part and not says_none(part)]
    return [Mention(part, type_) for part in parts], True


def _items_of_list(items: list[Any], type_: str, types: Types, depth: int) -> tuple[list[Mention], bool]:
    if [type(item) for item in items] == [str, int, int]:
        return [_mention(items[0], type_, items[1], items[2])], True
    mentions: list[Mention] = []
    whole = True
    for item in items:
        if isinstance(item, str):
            if not says_none(item):
                mentions.append(Mention(item, type_))
        elif isinstance(item, list) and (located := _located(item, type_, types)) is not None:
            mentions.append(located)
        elif item is not None:
            read_, understood = _items(item, type_, types, depth + 1)
            mentions += read_
            whole &= understood and item is not False and item != 0
    return mentions, whole


def _located(items: list[Any], type_: str | None, types: Types) -> Mention | None:
    """A mention as a list: its text with offsets, a score or its type, in any order; None if it is not one.

    Without `type_` the list must name it, or the corpus have only one.
    """
    texts = [item for item in items if isinstance(item, str)]
    others = [item for item in items if not isinstance(item, str)]
    if not 1 <= len(texts) <= 3 or len(items) > 6:
        return None
    labels = [text for text in texts if _label(text, types) is not None]
    if len(texts) > 1 and labels:
        label = labels[-1] if len(labels) < len(texts) else texts[1]
        texts = [text for index, text in enumerate(texts) if index != texts.index(label)]
        type_ = _label(label, types)
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
    return _mention(texts[0], type_, start, end)


def _mention(text: str, type_: str, start: Any, end: Any) -> Mention:
    if type(start) is int and type(end) is int:
        return Mention(text, type_, start, end)
    return Mention(text, type_)


def _label(name: Any, types: Types) -> str | None:
    if not isinstance(name, str):
        return None
    return match_type(name, types) or match_synonym(name, types)


def _items_of_map(
    value: Mapping[str, Any], type_: str, types: Types, depth: int
) -> tuple[list[Mention], bool]:
    if not value:
        return [], True
    if _is_schema(value):
        return [], False
    text_key = _key(value, _TEXT_KEYS)
    if text_key is not None and not (len(value) > 1 and _INDEX.fullmatch(text_key)):
        return _items_of_object(value, text_key, type_, types)
    again = [key for key, item in value.items() if match_type(key, types) == type_ and item != type_]
    if again:
        return _items(value[again[0]], type_, types, depth + 1)
    lists = [key for key in value if fold(key) in _LIST_KEYS and isinstance(value[key], list | str)]
    if lists:
        return _items(value[lists[0]], type_, types, depth + 1)
    if all(_INDEX.fullmatch(key) for key in value) or all(_has_strings(item) for item in value.values()):
        return _items_of_list(list(value.values()), type_, types, depth + 1)
    mentions = []
    for key, item in value.items():
        start, end = _offsets(item)
        if key.strip() and item not in (0, None, False) and not says_none(key):
            mentions.append(_mention(key, type_, start, end))
    return mentions, True


def _has_strings(item: Any) -> bool:
    return isinstance(item, list) and bool(item) and all(isinstance(each, str) for each in item)


def _items_of_object(
    value: Mapping[str, Any], text_key: str, type_: str, types: Types
) -> tuple[list[Mention], bool]:
    type_key = _key(value, _TYPE_KEYS, but=text_key)
    if type_key is not None and fold(type_key) not in ("group", "class", "category", "kind"):
        named = _label(value[type_key], types)
        if named is None:
            return [], False
        type_ = named
    text = value[text_key]
    return ([], True) if says_none(text) else ([_mention(text, type_, *_place(value))], True)


def _place(value: Mapping[str, Any]) -> tuple[Any, Any]:
    folded = {fold(key): item for key, item in value.items()}
    start = next((folded[name] for name in _START if name in folded), None)
    end = next((folded[name] for name in _END if name in folded), None)
    if start is None and end is None:
        for name in ("span", "offset", "offsets", "position", "indices", "location", "char_span"):
            if isinstance(folded.get(fold(name)), list | Mapping):
                return _offsets(folded[fold(name)])
    return start, end


def _offsets(item: Any) -> tuple[Any, Any]:
    while isinstance(item, list) and len(item) == 1:
        item = item[0]
    if isinstance(item, list) and len(item) == 2:
        return item[0], item[1]
    if isinstance(item, Mapping):
        return item.get("start"), item.get("end")
    return None, None


def _key(item: Mapping[str, Any], names: Sequence[str], but: str | None = None) -> str | None:
    """The first of `names` that the object has, whatever its case and decoration, with a string as value."""
    found: dict[str, str] = {}
    for key, value in item.items():
        if isinstance(value, str) and key != but:
            name = re.sub(r"[\W_]+", "", key[:100].casefold())
            found.setdefault(name, key)
            for start in ("entity", "mention", "ne"):
                found.setdefault(name.removeprefix(start), key)
            for end in ("text", "mention", "name"):
                if name.endswith(end):
                    found.setdefault(end, key)
    return next((found[name] for name in names if name in found), None)


# Mentions that bring their types.


def _mention_of_object(value: Mapping[str, Any], types: Types) -> Reading | None:
    """An object with a text and its type, or, of one type, a text alone."""
    if not _CALL_KEYS.isdisjoint(value):
        return None
    if any(isinstance(item, list) and item and fold(key) in _LIST_KEYS for key, item in value.items()):
        return None  # the text is the sentence
    text_key = _key(value, _TEXT_KEYS)
    type_key = _key(value, _TYPE_KEYS, but=text_key)
    if text_key is None:
        return None
    if type_key is None and len(types) > 1:
        return None
    reading = Reading(Rank.TYPED, single=True)
    if type_key is not None:
        label = value[type_key]
        if label.strip() in ("O", "o"):
            return reading
        type_ = _label(label, types)
    else:
        type_ = types[0]
    text = value[text_key]
    if type_ is None or not text.strip():
        reading.whole = False
    elif not says_none(text):
        reading.named.add(type_)
        reading.mentions.append(_mention(text, type_, *_place(value)))
    return reading


def _of_type(value: Mapping[str, Any], types: Types) -> Reading | None:
    """`{"type": "Disease", "mentions": [...]}`."""
    type_key = _key(value, _TYPE_KEYS)
    type_ = None if type_key is None else _label(value[type_key], types)
    if type_ is None:
        return None
    for key, item in value.items():
        if isinstance(item, list) and fold(key) in _LIST_KEYS:
            mentions, whole = _items(item, type_, types, 0)
            return Reading(Rank.TYPED, mentions, {type_}, whole) if mentions or whole else None
    return None


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
            elif isinstance(item, Mapping) and _key(item, _TEXT_KEYS) in (None, _key(item, _TYPE_KEYS)):
                type_key = _key(item, _TYPE_KEYS)
                (start, end), label = _place(item), item.get(type_key or "")
            else:
                return None
            type_ = _label(label, types)
            if type_ is None or type(start) is not int or type(end) is not int:
                reading.whole = False
            elif 0 <= start < end <= len(text):
                reading.named.add(type_)
                reading.mentions.append(Mention(text[start:end], type_, start, end))
    return reading if reading.mentions else None


def _parallel(value: Mapping[str, Any], types: Types) -> Reading | None:
    """`{"mentions": ["ataxia"], "types": ["Disease"]}`."""
    lists = {_last_word(key): item for key, item in value.items() if _has_strings(item)}
    labels = next((lists[name] for name in ("type", "label", "tag", "category") if name in lists), None)
    texts = next(
        (lists[n] for n in ("mention", "entity", "text", "token", "term", "word") if n in lists), None
    )
    if labels is None or texts is None or len(labels) != len(texts):
        return None
    return _typed([_Typed(text, label) for text, label in zip(texts, labels, strict=True)], types)


def _mentions_as_keys(value: Mapping[str, Any], types: Types) -> Reading | None:
    """A map from mention to type, to an object with a type, or, of one type, to offsets."""
    typed = []
    for key, item in value.items():
        if isinstance(item, str) and (_label(item, types) is not None or item == "O"):
            typed.append(_Typed(key, item))
        elif isinstance(item, Mapping) and _key(item, _TEXT_KEYS) is not None:
            return None
        elif isinstance(item, Mapping) and _label(item.get(_key(item, _TYPE_KEYS) or ""), types) is not None:
            typed.append(_Typed(key, item[_key(item, _TYPE_KEYS) or ""], *_place(item)))
        elif len(types) == 1 and isinstance(item, list) and type(_offsets(item)[0]) is int:
            typed.append(_Typed(key, types[0], *_offsets(item)))
        elif not isinstance(item, str):
            return None
    reading = _typed(typed, types) if typed else None
    if reading is not None and len(typed) < len(value):
        reading.whole = False
    return reading


@dataclass(frozen=True, slots=True)
class _Typed:
    """A text and what is said of its type."""

    text: str
    label: str
    start: Any = None
    end: Any = None


def _typed(items: Iterable[_Typed], types: Types) -> Reading | None:
    """Mentions with labels; of tags, what `I-` continues is one mention. None if no label is a type."""
    reading = Reading(Rank.TYPED)
    for item in items:
        if item.label in ("O", "o"):
            continue
        type_ = _label(item.label, types)
        if type_ is None or not item.text.strip():
            reading.whole = False
            continue
        reading.named.add(type_)
        tag = _TAG.match(item.label.strip())
        if tag is not None and tag[1] in "IEL" and reading.mentions and reading.mentions[-1].type == type_:
            before = reading.mentions.pop()
            joined = before.text + (item.text[2:] if item.text.startswith("##") else f" {item.text}")
            reading.mentions.append(_mention(joined, type_, before.start, item.end))
        elif not says_none(item.text):
            reading.mentions.append(_mention(item.text, type_, item.start, item.end))
    return reading if reading.named else None


# Lists.


def _read_list(value: list[Any], types: Types, depth: int) -> Reading | None:
    if not value:
        return Reading(Rank.EMPTY)
    if all(isinstance(item, str) for item in value):
        return _strings(value, types)
    if isinstance(value[0], str) and (located := _located(value, None, types)) is not None:
        return Reading(Rank.TYPED, [located], {located.type}, single=True)
    if any(isinstance(item, Mapping) for item in value):
        return _objects(value, types, depth)
    if any(isinstance(item, list) for item in value):
        return _pairs(value, types, depth)
    if len(types) == 1 and any(isinstance(item, str) for item in value):
        mentions, whole = _items(value, types[0], types, depth)
        return Reading(Rank.STRINGS, mentions, set(types), whole)
    return None


def _strings(value: list[str], types: Types) -> Reading | None:
    labelled = [_labelled_string(item, types) for item in value]
    if all(labelled):
        return _typed([item for item in labelled if item is not None], types)
    if len(value) == 1 and (inner := _inner_json(value[0])) is not None:
        return read(inner, types, _DEEPEST - 1)
    if all(says_none(item) for item in value):
        return Reading(Rank.EMPTY)
    if len(types) > 1:
        return None
    mentions = [Mention(item, types[0]) for item in value if not says_none(item)]
    return Reading(Rank.STRINGS, mentions, set(types))


def _labelled_string(item: str, types: Types) -> _Typed | None:
    """`"Disease: ataxia"` or `"ataxia (Disease)"`."""
    if len(item) > 300:
        return None
    before, _, after = item.partition(":")
    if after.strip() and _label(before.strip(), types) is not None:
        return _Typed(after.strip(), before.strip())
    text, bracket, label = item.rstrip(")] ").rpartition("(" if item.rstrip().endswith(")") else "[")
    if bracket and text.strip() and _label(label.strip(), types) is not None:
        return _Typed(text.strip(), label.strip())
    return None


def _objects(value: list[Any], types: Types, depth: int) -> Reading | None:
    """A list of objects: answers, or mentions; what else is in it was not understood."""
    tagged = list(_tagged(value))
    if tagged:
        return _typed(tagged, types)
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
            mentions, whole = _items(value, types[0], types, depth)
            return Reading(Rank.TYPED, mentions, set(types), whole)
    if reading is None:
        return None
    reading.single = False
    reading.whole &= len(answers) == sum(item is not None and item != {} for item in value)
    if reading.rank is Rank.TYPED and not reading.mentions and not reading.whole:
        return None
    return reading


def _tagged(value: list[Any]) -> Iterator[_Typed]:
    """The tokens of a list of objects with BIO tags; nothing if one has none."""
    tokens = []
    for item in value:
        if not isinstance(item, Mapping):
            return
        text_key = _key(item, _TEXT_KEYS)
        type_key = _key(item, _TYPE_KEYS, but=text_key)
        if text_key is None or type_key is None:
            return
        label = item[type_key].strip()
        if label != "O" and not _TAG.match(label):
            return
        tokens.append(_Typed(item[text_key], label, *_place(item)))
    yield from tokens


def _pairs(value: list[Any], types: Types, depth: int) -> Reading | None:
    """A list of lists: pairs of text and type, texts with offsets, or lists of another shape."""
    pairs = [_pair(item, types) for item in value if isinstance(item, list)]
    if len(pairs) == len(value) and all(pairs):
        return _typed([pair for pair in pairs if pair is not None], types)
    if len(value) == 1:
        return read(value[0], types, depth + 1)
    if len(types) == 1:
        mentions, whole = _items(value, types[0], types, depth)
        if mentions:
            return Reading(Rank.STRINGS, mentions, set(types), whole)
    return None


def _pair(item: list[Any], types: Types) -> _Typed | None:
    located = _located(item, None, types)
    if located is not None:
        label = next((text for text in item[1:] if _label(text, types) is not None), located.type)
        return _Typed(located.text, label, located.start, located.end)
    if len(item) == 2 and all(isinstance(each, str) for each in item):
        text, label = item
        if re.fullmatch(r"O|[A-Za-z_-]{2,30}", label) and len(types) > 1:
            return _Typed(text, label)
        if label == "O":
            return _Typed(text, label)
    return None
