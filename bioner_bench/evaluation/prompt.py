"""Sentence -> prompt and target. The only place where text for a model is made.

Evaluation, data selection and fine-tuning all build their prompts here. A prompt is a list of chat
messages; the instruction opens the first user turn (not a system turn, which several chat templates
refuse), every demonstration is a user and an assistant turn. Models without a chat template get the
same turns as one plain text.

Answers have one of two formats: `json`, a line of JSON, or `tags`, the sentence with tags around mentions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from bioner_bench.evaluation.tagged_text import tagged
from bioner_bench.schema import BenchmarkError, Entity, Sentence

VERSIONS = {"json": "json-v1", "tags": "tags-v1"}
"""Format of the answers -> name of the prompt text that asks for it.

New wording is a new name, and bumps every task's version.
"""

JSON, TAGS = VERSIONS

TURN_SEPARATOR = "\n\n"
"""Between the turns of a plain-text prompt; a completion has ended when it writes this."""

ITEM = "Sentence:"
"""Opens a question; a model that goes on after its answer may write the next one."""

_CUES = {JSON: "JSON:", TAGS: "Tagged:"}
"""Closes a question."""

IF_NONE = "If there is no mention:"
"""Before the form of the empty answer, which a model may repeat."""

CONTEXT_NOTE = (
    "Lines that begin with Context stand before and after the sentence in its document. They help to "
    "understand it; list no mention of theirs."
)
"""Closes the instruction where sentences are shown with their context."""


class Message(TypedDict):
    """One chat turn, in the form that chat templates take."""

    role: str
    content: str


def check_form(form: Any) -> str:
    """The name of a format, if it is one.

    Raises:
        BenchmarkError: there is no such format.
    """
    if form not in VERSIONS:
        raise BenchmarkError(f"unknown format of answers: {form!r}; there are: {', '.join(VERSIONS)}")
    return str(form)


def form_of(version: str | None) -> str:
    """The format that a prompt of this version asks for; JSON where there was no prompt."""
    return next((form for form, name in VERSIONS.items() if name == version), JSON)


def asked_form(text: str) -> str:
    """The format that the text of a prompt asks for."""
    return TAGS if f"\n{_CUES[TAGS]}" in text else JSON


def target(text: str, entities: Iterable[Entity], types: Iterable[str], form: str = JSON) -> str:
    """The gold answer.

    As JSON one line with every type as a key, mentions in order of appearance; in tags the sentence.

    >>> target("A - T and ataxia", [Entity(0, 5, "Disease"), Entity(10, 16, "Disease")], ["Disease"])
    '{"Disease": ["A - T", "ataxia"]}'
    """
    if form == TAGS:
        return tagged(text, entities)
    mentions: dict[str, list[str]] = {type_: [] for type_ in types}
    for entity in sorted(entities):
        mentions[entity.type].append(text[entity.start : entity.end])
    return json.dumps(mentions, ensure_ascii=False)


def answer_schema(types: Sequence[str]) -> dict[str, Any]:
    """JSON Schema of a valid answer for a corpus with these types.

    A mention is a non-blank string, or an object that adds the offsets of that string.
    """
    text = {"type": "string", "pattern": r"\S"}
    offset = {"type": "integer", "minimum": 0}
    located = {
        "type": "object",
        "properties": {"text": text, "start": offset, "end": offset},
        "required": ["text", "start", "end"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {type_: {"type": "array", "items": {"anyOf": [text, located]}} for type_ in types},
        "required": list(types),
        "additionalProperties": False,
    }


def response_format(types: Sequence[str]) -> dict[str, Any]:
    """What holds a model to a valid answer while it writes, as OpenAI-compatible servers take it.

    Lists of strings, without offsets and patterns: backends read patterns in different ways, and one that
    takes "one letter" for the whole string would allow no mention of two.
    """
    lists = {type_: {"type": "array", "items": {"type": "string"}} for type_ in types}
    schema = {
        "type": "object",
        "properties": lists,
        "required": list(types),
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "mentions", "strict": True, "schema": schema}}


def instruction(definitions: Mapping[str, str], form: str = JSON) -> str:
    """The task in words, for entity types given as type -> definition."""
    types = list(definitions)
    described = "\n".join(f"- {type_}: {definition}" for type_, definition in definitions.items())
    if form == TAGS:
        opening, closing = (_either([f"<{slash}{type_}>" for type_ in types]) for slash in ("", "/"))
        return (
            f"Tag every mention of the following in the sentence:\n{described}\n"
            f"Copy the sentence word for word, and put {opening} before each mention and {closing} after it, "
            "also where a mention occurs twice.\n"
            "Answer with one line, the tagged sentence, and nothing else. If there is no mention, copy the "
            "sentence without tags."
        )
    shape = json.dumps({type_: ["...", "..."] for type_ in types})
    empty = json.dumps({type_: [] for type_ in types})
    return (
        f"Find every mention of the following in the sentence:\n{described}\n"
        "Copy each mention exactly as the sentence writes it. List mentions in order of appearance, "
        "and a mention that occurs twice, twice.\n"
        f"Answer with one line of JSON and nothing else: {shape}. {IF_NONE} {empty}"
    )


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def messages(
    asked: Sentence,
    definitions: Mapping[str, str],
    demonstrations: Sequence[Sentence] = (),
    form: str = JSON,
    context: bool = False,
) -> list[Message]:
    """The chat that asks for the mentions in a sentence.

    Args:
        asked: the sentence.
        definitions: entity type -> definition.
        demonstrations: solved sentences that are shown before it.
        form: the format of the answers.
        context: show above each sentence its context, marked as that.
    """
    opening = instruction(definitions, form) + (f"\n{CONTEXT_NOTE}" if context else "")
    turns: list[Message] = []
    for shot in demonstrations:
        turns.append({"role": "user", "content": _question(shot, form, context)})
        turns.append({"role": "assistant", "content": target(shot.text, shot.entities, definitions, form)})
    turns.append({"role": "user", "content": _question(asked, form, context)})
    turns[0]["content"] = opening + TURN_SEPARATOR + turns[0]["content"]
    return turns


def plain_text(turns: Sequence[Message]) -> str:
    """The same chat for a model without a chat template: turns one after another, ready to be continued."""
    parts = []
    for turn in turns:
        parts.append(turn["content"] if turn["role"] == "user" else f" {turn['content']}{TURN_SEPARATOR}")
    return "".join(parts)


def prompt_hash(
    definitions: Mapping[str, str], demonstrations: str = "random", form: str = JSON, context: int = 0
) -> str:
    """Sixteen hexadecimal digits that change whenever a prompt for these types would.

    `demonstrations` is how they are chosen (`demonstrations.STRATEGIES`), `context` how many sentences on
    each side are shown.
    """
    shot = Sentence("", "A B", (Entity(0, 1, next(iter(definitions))),))
    turns = messages(Sentence("", "C", (), before="D", after="E"), definitions, [shot], form, context > 0)
    chosen = [] if demonstrations == "random" else [demonstrations]
    if context:
        chosen.append(f"context {context}")
    content = json.dumps([VERSIONS[form], turns, plain_text(turns), *chosen], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _question(sentence: Sentence, form: str, context: bool) -> str:
    around = (("Context before:", sentence.before), ("Context after:", sentence.after)) if context else ()
    above = "".join(f"{mark} {text}\n" for mark, text in around if text)
    return f"{above}{ITEM} {sentence.text}\n{_CUES[form]}"
