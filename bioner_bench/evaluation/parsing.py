"""Model output -> mentions. Total: any string gives a result, in time linear in its length.

The reading is a careful person's, in this order:

1. thinking goes (`thinking`);
2. what the model invents after its answer goes: the next question, as the prompt opens one;
3. what may be the answer is found and ranked, and what repeats the prompt left out (`candidates`);
4. it is read in any of the shapes that models use (`brackets`, `shapes`), words for none being no mention
   (`wording`).

Levels:

- valid: the output, stripped, is JSON that satisfies `prompt.answer_schema`.
- extracted: it is so once thinking, code fences or prose around it are taken away, or it is the same
  information in another common shape.
- repaired: after broken JSON has been mended, or when an item of a list is no mention.
- failed: nothing can be read as an answer, so there are no mentions. All other levels without a mention
  mean that the model said that there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from bioner_bench.evaluation.brackets import loads, repeats_a_key
from bioner_bench.evaluation.candidates import Answer, find_answer
from bioner_bench.evaluation.prompt import ITEM
from bioner_bench.evaluation.thinking import without_thinking
from bioner_bench.evaluation.wording import is_ellipsis, says_none
from bioner_bench.schema import Mention, check_listed


class Level(IntEnum):
    """How much had to be done to read an output; lower is better."""

    VALID = 0
    EXTRACTED = 1
    REPAIRED = 2
    FAILED = 3


@dataclass(frozen=True, slots=True)
class Parsed:
    """What an output says.

    `cut`: a string, list, object or thinking is open at its end, as if generation ran out of tokens.
    `ambiguous`: it had several candidates that differ, of which the last one counts.
    """

    mentions: tuple[Mention, ...]
    level: Level
    cut: bool = False
    ambiguous: bool = False


def parse(output: str, types: Sequence[str]) -> Parsed:
    """Read the mentions of the given types out of a model's output.

    >>> parsed = parse('Sure! {"diseases": ["ataxia"]}', ["Disease"])
    >>> parsed.mentions[0].text, parsed.level.name
    ('ataxia', 'EXTRACTED')

    Raises:
        ValueError: the output is no string, or the types are one; no string is ever an error.
    """
    check_listed(types)
    if not isinstance(output, str):
        raise ValueError(f"the output is {output!r}; give an empty string for a request that failed")
    types = tuple(types)
    stripped = output.strip()
    if stripped[:1] == "{":
        value = loads(stripped)
        if satisfies(value, types) and not repeats_a_key(value):
            if _is_form(value):
                return Parsed((), Level.FAILED)
            return Parsed(tuple(_valid_mentions(value)), Level.VALID)
    answer_text = without_thinking(stripped)
    if answer_text is None:
        return Parsed((), Level.FAILED, cut=True)
    answer, cut = _first_item(answer_text, types)
    if answer is None:
        return Parsed((), Level.FAILED, cut)
    level = Level.EXTRACTED if answer.intact and not cut else Level.REPAIRED
    return Parsed(answer.mentions, level, cut, answer.ambiguous)


def satisfies(value: Any, types: tuple[str, ...]) -> bool:
    """Whether a JSON value satisfies `prompt.answer_schema`, which defines it, in a fraction of its time."""
    if not isinstance(value, dict) or len(value) != len(types):
        return False
    for type_ in types:
        items = value.get(type_)
        if not isinstance(items, list):
            return False
        for item in items:
            if not (bool(item.strip()) if isinstance(item, str) else _is_located(item)):
                return False
    return True


def _is_located(item: Any) -> bool:
    if not isinstance(item, dict) or item.keys() != {"text", "start", "end"}:
        return False
    text = item["text"]
    return isinstance(text, str) and bool(text.strip()) and all(map(_is_offset, (item["start"], item["end"])))


def _is_offset(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer() and value >= 0
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_form(value: Mapping[str, list[Any]]) -> bool:
    """Whether an answer is the prompt's form: several ellipses for each type, and nothing else."""
    for items in value.values():
        if len(items) < 2 or not all(isinstance(item, str) and is_ellipsis(item) for item in items):
            return False
    return True


def _valid_mentions(value: Mapping[str, list[Any]]) -> Iterator[Mention]:
    for type_, items in value.items():
        for item in items:
            if not isinstance(item, str):
                yield Mention(item["text"], type_, int(item["start"]), int(item["end"]))
            elif not says_none(item):
                yield Mention(item, type_)


NEXT_ITEM = re.compile(
    rf"""
      ^ [\s>*_\#\d.)-]{{0,8}} (?: {ITEM[:-1]} (?:\s\d{{1,3}})? [*_]{{0,2}} \s?: | Find\ every\ mention\ of )
    | (?<=[\]}}]) \s? {re.escape(ITEM)}
    | <\|im_start\|>\s?user | <\|start_header_id\|>\s?user | <start_of_turn>\s?user | <\|user\|>
    | <\|turn>\s?user | <[|｜]User[|｜]> | \[INST\] | ^(?:User|Human):
    """,
    re.VERBOSE | re.MULTILINE,
)
"""The next question: as the prompt opens it, or as a chat template opens a user's turn."""


def _first_item(text: str, types: tuple[str, ...]) -> tuple[Answer | None, bool]:
    """The answer before the model goes on with a question of its own, and whether it is cut."""
    starts = [match.start() for match in NEXT_ITEM.finditer(text)]
    position = 0
    for start in starts:
        answer, _ = find_answer(text[position:start], types)
        if answer is not None:
            return answer, False
        position = start
    answer, cut = find_answer(text[position:], types)
    if answer is None and starts:
        return find_answer(text, types)
    return answer, cut
