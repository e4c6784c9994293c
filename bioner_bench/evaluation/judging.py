"""A model's answer to one sentence -> counts: parsing, alignment and scoring in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bioner_bench.evaluation.alignment import Aligned, align
from bioner_bench.evaluation.parsing import Parsed, parse
from bioner_bench.evaluation.prompt import JSON, TAGS
from bioner_bench.evaluation.scoring import Counts, count
from bioner_bench.evaluation.tag_reading import parse_tagged
from bioner_bench.schema import Sentence

READERS = {JSON: "7", TAGS: "1"}
"""Format of the answers -> version of parsing and alignment together. Another reading of any is a new one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an answer: how it parsed, where its mentions lie, and what they count."""

    parsed: Parsed
    aligned: list[Aligned]
    counts: Counts


def judge(
    sentence: Sentence,
    output: str,
    types: Sequence[str],
    seen: Sequence[bool | None] | None = None,
    form: str = JSON,
) -> Answer:
    """Score a model's raw output on one sentence.

    Args:
        sentence: text and gold.
        output: what the model wrote.
        types: the corpus's entity types.
        seen: for each gold entity, whether the training split has its string.
        form: the format that was asked for.
    """
    parsed = parse_tagged(output, sentence.text, types) if form == TAGS else parse(output, types)
    return judge_parsed(sentence, parsed, types, seen)


def judge_parsed(
    sentence: Sentence, parsed: Parsed, types: Sequence[str], seen: Sequence[bool | None] | None = None
) -> Answer:
    """Score what an output was read as."""
    aligned = align(sentence.text, parsed.mentions)
    counts = count(sentence, aligned, types, seen, parsed.level, parsed.cut, parsed.ambiguous)
    return Answer(parsed, aligned, counts)
