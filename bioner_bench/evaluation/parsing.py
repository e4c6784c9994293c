"""Model output -> mentions. Total: any string gives a result, in time linear in its length.

Levels, in the order in which they are tried:

- valid: the output, stripped, is JSON that satisfies `prompt.answer_schema`.
- extracted: it is so once thinking, code fences or prose around it are taken away, or it is the same
  information in another common shape (see `_interpret`, and `_joined` for one object a line).
- repaired: after `json_repair` has mended broken JSON, or when an item of a list is no mention.
- failed: nothing can be read as an answer, so there are no mentions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Any

import jsonschema
from json_repair import repair_json

from bioner_bench.evaluation.prompt import answer_schema
from bioner_bench.schema import Mention


class Level(IntEnum):
    """How much had to be done to read an output; lower is better."""

    VALID = 0
    EXTRACTED = 1
    REPAIRED = 2
    FAILED = 3


@dataclass(frozen=True, slots=True)
class Parsed:
    """What an output says. `cut`: its JSON or its thinking never ends, as if generation ran out of tokens."""

    mentions: tuple[Mention, ...]
    level: Level
    cut: bool = False


REPAIR_LIMIT = 4_000
"""Characters of a broken answer that are looked at: repair can take quadratic time on hostile input."""

_REPAIRS = 5
"""Broken answers that are repaired, for the same reason."""

_OPENING = re.compile(r"""\{ | \[ (?= [\s\\>`]*+ (?: ["'“”‘’\[{\]] | null\b | \Z ) )""", re.VERBOSE)
"""What may open JSON. A list without a quoted item or an object is prose, as "[1, 2)" or "[see text]"."""
_QUOTED = re.compile(r"""\[ | \{ [\s\\]*+ ["'“‘] """, re.VERBOSE)
_MARK = re.compile(r'[\[\]{}"]')
_STRING_END = re.compile(r'(?:[^"\\]|\\.)*+"', re.DOTALL)

_THINK_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_THINK_START = re.compile(r"\s*<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_TEXT_KEYS = ("text", "mention", "name", "span", "word", "value", "entity")
_TYPE_KEYS = ("type", "label", "category", "entity_type", "entity_group", "class", "entity")
_LIST_KEYS = (
    *("entities", "named_entities", "mentions", "annotations", "result", "results", "ner", "answer"),
    *("output", "json"),
)
_ELLIPSES = ("...", "…")
"""Items of the form that the prompt shows; a model may repeat it before its answer."""


def parse(output: str, types: Sequence[str]) -> Parsed:
    """Read the mentions of the given types out of a model's output.

    >>> parsed = parse('Sure! {"diseases": ["ataxia"]}', ["Disease"])
    >>> parsed.mentions[0].text, parsed.level.name
    ('ataxia', 'EXTRACTED')
    """
    types = tuple(types)
    stripped = output.strip()
    value = _loads(stripped)
    if not isinstance(value, _Unreadable) and _satisfies(value, types):
        return Parsed(tuple(_valid_mentions(value)), Level.VALID)

    *_, answer = _THINK_END.split(stripped)
    if _THINK_START.match(answer):
        return Parsed((), Level.FAILED, cut=True)
    broken = []
    nothing = False
    for group in _joined(_groups(answer), types):
        if isinstance(group.value, _Unreadable):
            broken.append(group)
            continue
        if not group.value:
            nothing = True  # "[]" or "{}" may be the answer, or a bracket in prose before it
            continue
        read = _understand(group.value, types)
        if read is None or (read[0] and all(mention.text in _ELLIPSES for mention in read[0])):
            continue
        whole = read[1] and group.closed
        return Parsed(tuple(read[0]), Level.EXTRACTED if whole else Level.REPAIRED, not group.closed)
    if nothing and not broken:
        return Parsed((), Level.EXTRACTED)
    cut = bool(broken) and not broken[-1].closed
    for group in broken[:_REPAIRS]:
        read = _understand(_repair(group.text), types)
        if read is not None:
            return Parsed(tuple(read[0]), Level.REPAIRED, cut)
    # Last, an answer inside of what only looked like JSON, as a bracket in prose that never closes.
    for group in broken[:_REPAIRS]:
        for inner in _groups(group.text[1:REPAIR_LIMIT]):
            read = _understand(inner.value, types)
            if read is not None:
                return Parsed(tuple(read[0]), Level.REPAIRED, cut)
    return Parsed((), Level.FAILED, cut)


class _Unreadable:
    """Stands for text that is not JSON (None is JSON's null)."""


class _Object(dict[str, Any]):
    """A JSON object; `repeated` keeps what a repeated key would overwrite."""

    repeated = False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    merged = _Object()
    merged.repeated = True
    for key, value in pairs:
        merged.setdefault(key, []).extend(value if isinstance(value, list) else [value])
    return merged


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _loads(text: str) -> Any:
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):  # ValueError also for integers of thousands of digits
        return _Unreadable()
    return value if end == len(text) and not getattr(value, "repeated", False) else _Unreadable()


def _satisfies(value: Any, types: tuple[str, ...]) -> bool:
    try:
        return _validator(types).is_valid(value)
    except RecursionError:  # jsonschema describes what it refuses, however deep that is
        return False


@lru_cache(maxsize=256)
def _validator(types: tuple[str, ...]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(answer_schema(types))


def _valid_mentions(value: Mapping[str, list[Any]]) -> Iterator[Mention]:
    for type_, items in value.items():
        for item in items:
            if isinstance(item, str):
                yield Mention(item, type_)
            else:
                yield Mention(item["text"], type_, int(item["start"]), int(item["end"]))


@dataclass(frozen=True, slots=True)
class _Group:
    """An outermost bracket of a text.

    `value`: what its JSON says. `closed`: whether the bracket ends. `follows`: whether nothing but white
    space and commas stands between it and the group before it.
    """

    text: str
    value: Any
    closed: bool
    follows: bool


def _groups(text: str) -> Iterator[_Group]:
    """The JSON objects and arrays in `text`, and what begins like one, first to last, none inside another."""
    position = 0
    while (opening := _OPENING.search(text, position)) is not None:
        start = opening.start()
        end = _closing(text, start)
        group = text[start:end]
        try:
            value = _DECODER.decode(group)  # of the group alone: an error counts the lines before it
        except (ValueError, RecursionError):
            value = _Unreadable()
        yield _Group(group, value, end is not None, not text[position:start].strip(" \t\r\n,"))
        position = len(text) if end is None else end


def _closing(text: str, start: int) -> int | None:
    """Where the bracket at `start` closes, brackets inside strings not counted; None if it never does."""
    depth = 0
    position = start
    while (mark := _MARK.search(text, position)) is not None:
        position = mark.end()
        if mark[0] == '"':
            string_end = _STRING_END.match(text, position)
            if string_end is None:
                return None
            position = string_end.end()
        else:
            depth += 1 if mark[0] in "[{" else -1
            if depth == 0:
                return position
    return None


def _joined(groups: Iterable[_Group], types: Sequence[str]) -> Iterator[_Group]:
    """The groups, those of one answer that is written in several objects, as one a line, made one."""
    run: list[_Group] = []
    for group in groups:
        part = group
        if run and not group.closed:  # the last group, so that it is repaired once: a line that was cut
            value = _repair(group.text)
            told = isinstance(value, dict) and (_types_named(value, types) or _is_mention(value))
            part = replace(group, value=value if told else {})
        if run and not _goes_on(run, part, types):
            yield _one(run)
            run, part = [], group
        run.append(part)
    if run:
        yield _one(run)


def _one(run: Sequence[_Group]) -> _Group:
    if len(run) == 1:
        return run[0]
    return replace(run[-1], value=[group.value for group in run if group.value])


def _goes_on(run: Sequence[_Group], group: _Group, types: Sequence[str]) -> bool:
    """Whether a group goes on with the answer of those before it: another mention, or other types.

    The same types again are another answer, as of a model that invents the next sentence.
    """
    last, value = run[-1].value, group.value
    if not (group.follows and isinstance(last, Mapping) and isinstance(value, Mapping)):
        return False
    named = _types_named(value, types)
    if not _types_named(last, types):
        return _is_mention(last) and not named and (_is_mention(value) or not group.closed)
    before = {type_ for part in run for type_ in _types_named(part.value, types)}
    if not named:  # cut before its key was complete
        return not group.closed and len(before) < len(types)
    return before.isdisjoint(named)


def _types_named(value: Mapping[str, Any], types: Sequence[str]) -> set[str]:
    return {type_ for key in value if (type_ := _match_type(key, types)) is not None}


def _is_mention(value: Mapping[str, Any]) -> bool:
    return _key(value, _TEXT_KEYS) is not None and _key(value, _TYPE_KEYS) is not None


def _understand(value: Any, types: Sequence[str]) -> tuple[list[Mention], bool] | None:
    try:
        return _interpret(value, types)
    except RecursionError:
        return None


def _interpret(value: Any, types: Sequence[str]) -> tuple[list[Mention], bool] | None:
    """Read a JSON value as an answer in one of the shapes that models use.

    The shapes: {type: mentions}, or a list of such; {"entities": [...]} and the like around any other
    shape; a list of objects with a text and a type; where the corpus has one type, a list of strings or
    of objects without a type. Types match whatever their case, number and separators.

    Returns:
        The mentions, and whether everything in the value was understood; None if it is no answer.
    """
    if isinstance(value, Mapping):
        return _read_object(value, types)
    if isinstance(value, list):
        return _read_list(value, types)
    return None


def _read_object(value: Mapping[str, Any], types: Sequence[str]) -> tuple[list[Mention], bool] | None:
    keys = {key: _match_type(key, types) for key in value}
    if any(keys.values()):
        mentions: list[Mention] = []
        complete = True
        for key, type_ in keys.items():
            if type_ is not None:
                read, understood = _read_items(value[key], [type_])
                mentions += read
                complete &= understood
        return mentions, complete
    for key in value:
        if key.casefold() in _LIST_KEYS and isinstance(value[key], list | Mapping):
            return _interpret(value[key], types)
    if not value:
        return [], True
    if _is_mention(value):
        return _read_list([value], types)
    return None


def _has_types(item: Any, types: Sequence[str]) -> bool:
    return isinstance(item, Mapping) and any(_match_type(key, types) for key in item)


def _read_list(value: list[Any], types: Sequence[str]) -> tuple[list[Mention], bool] | None:
    if value and all(_has_types(item, types) for item in value):
        parts = [_read_object(item, types) or ([], False) for item in value]
        return [mention for part in parts for mention in part[0]], all(part[1] for part in parts)
    # A list of numbers is no answer: prose is full of "[1]".
    if value and not any(isinstance(item, str | Mapping) for item in value):
        return None
    read = _read_items(value, types)
    return read if read[0] or not value else None


def _read_items(value: Any, types: Sequence[str]) -> tuple[list[Mention], bool]:
    """Mentions of a list; their own type is needed only where `types` leaves a choice."""
    mentions: list[Mention] = []
    complete = True
    items = value if isinstance(value, list) else [value]
    for item in items:
        if item is None or item == "":
            continue  # a common way to say "none"
        if isinstance(item, str) and item.strip() and len(types) == 1:
            mentions.append(Mention(item, types[0]))
            continue
        mention = _read_mention(item, types) if isinstance(item, Mapping) else None
        if mention is None:
            complete = False
        else:
            mentions.append(mention)
    return mentions, complete


def _read_mention(item: Mapping[str, Any], types: Sequence[str]) -> Mention | None:
    text_key = _key(item, _TEXT_KEYS)
    if text_key is None:
        return None
    type_key = _key(item, [key for key in _TYPE_KEYS if key != text_key])
    type_ = types[0] if len(types) == 1 and type_key is None else None
    if type_key is not None:
        type_ = _match_type(item[type_key], types)
    text = item[text_key]
    if type_ is None or not text.strip():
        return None
    start, end = item.get("start"), item.get("end")
    if type(start) is int and type(end) is int:
        return Mention(text, type_, start, end)
    return Mention(text, type_)


def _key(item: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first of `names` that the object has, whatever its case, with a string as value."""
    found = {key.casefold(): key for key, value in item.items() if isinstance(value, str)}
    return next((found[name] for name in names if name in found), None)


def _match_type(name: str, types: Sequence[str]) -> str | None:
    if name in types:
        return name
    return _type_index(tuple(types)).get(_fold_type(name))


@lru_cache(maxsize=256)
def _type_index(types: tuple[str, ...]) -> dict[str, str]:
    return {_fold_type(type_): type_ for type_ in reversed(types)}


def _fold_type(name: str) -> str:
    """Case, separators and the plural taken away: "Cell Lines" and "cell_line" become one."""
    letters = re.sub(r"[\W_]+", "", name[:100].casefold())
    if letters.endswith("ies") and letters != "species":
        return letters[:-3] + "y"
    return letters.removesuffix("s")


def _repair(text: str) -> Any:
    """What a broken group may say; None if nothing, as "{see below}"."""
    try:
        value = repair_json(text[:REPAIR_LIMIT], return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError, AssertionError):  # the library asserts what hostile input breaks
        return None
    # Keys that are missing make a list of an object: of quoted strings it is a set, of others prose.
    return value if isinstance(value, dict) or _QUOTED.match(text) else None
