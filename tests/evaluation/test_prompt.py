"""The text that a model is given, to the letter."""

import pytest

from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.prompt import CONTEXT_NOTE, JSON, TAGS, messages, plain_text
from bioner_bench.schema import BenchmarkError, Entity, Sentence

ONE = {"Disease": "an illness"}
THREE = ONE | {"Chemical": "a substance", "Gene": "a gene"}
SHOT = Sentence("1", "A - T and é", (Entity(10, 11, "Gene"), Entity(0, 5, "Disease")), before="Up.", after="")
RARE = Sentence("2", "Rare.", (), before="B", after="C")

ASKED = (
    "Find every mention of the following in the sentence:\n"
    "- Disease: an illness\n- Chemical: a substance\n- Gene: a gene\n"
    "Copy each mention exactly as the sentence writes it. List mentions in order of appearance, "
    "and a mention that occurs twice, twice.\n"
    "Answer with one line of JSON and nothing else: "
    '{"Disease": ["...", "..."], "Chemical": ["...", "..."], "Gene": ["...", "..."]}. '
    'If there is no mention: {"Disease": [], "Chemical": [], "Gene": []}'
)
TAGGED = (
    "Tag every mention of the following in the sentence:\n"
    "- Disease: an illness\n- Chemical: a substance\n- Gene: a gene\n"
    "Copy the sentence word for word, and put <Disease>, <Chemical> or <Gene> before each mention and "
    "</Disease>, </Chemical> or </Gene> after it, also where a mention occurs twice.\n"
    "Answer with one line, the tagged sentence, and nothing else. If there is no mention, copy the "
    "sentence without tags."
)
ANSWERS = {
    JSON: '{"Disease": ["A - T"], "Chemical": [], "Gene": ["é"]}',
    TAGS: "<Disease>A - T</Disease> and <Gene>é</Gene>",
}


@pytest.mark.parametrize(("form", "asked", "cue"), [(JSON, ASKED, "JSON:"), (TAGS, TAGGED, "Tagged:")])
def test_the_chat_to_the_letter(form, asked, cue):
    turns = messages(RARE, THREE, [SHOT], form)
    first = f"{asked}\n\nSentence: A - T and é\n{cue}"
    assert turns == [
        {"role": "user", "content": first},
        {"role": "assistant", "content": ANSWERS[form]},
        {"role": "user", "content": f"Sentence: Rare.\n{cue}"},
    ]
    assert plain_text(turns) == f"{first} {ANSWERS[form]}\n\nSentence: Rare.\n{cue}"
    (only,) = messages(RARE, THREE, form=form)
    assert only == {"role": "user", "content": f"{asked}\n\nSentence: Rare.\n{cue}"}
    assert prompt.asked_form(only["content"]) == form
    assert prompt.asked_form(f"Sentence: about {cue}\nJSON:") == JSON
    around = messages(RARE, THREE, [SHOT], form, context=True)
    assert CONTEXT_NOTE == (
        "Lines that begin with Context stand before and after the sentence in its document. They help to "
        "understand it; list no mention of theirs."
    )
    assert around == [
        {
            "role": "user",
            "content": f"{asked}\n{CONTEXT_NOTE}\n\nContext before: Up.\nSentence: A - T and é\n{cue}",
        },
        turns[1],
        {"role": "user", "content": f"Context before: B\nContext after: C\nSentence: Rare.\n{cue}"},
    ]


def test_tags_of_one_and_of_two_types_are_named():
    assert "put <Disease> before each mention and </Disease> after it" in prompt.instruction(ONE, TAGS)
    two = prompt.instruction(ONE | {"Gene": "a gene"}, TAGS)
    assert "put <Disease> or <Gene> before each mention and </Disease> or </Gene> after it" in two


HASHES = [
    "d5c40c5b52032004",
    "b2bdfc245339025c",
    "a29d467db5cd24d6",
    "92900717683da332",
    "f894367260b578a9",
    "a7e8686eab2d6fe3",
]


def test_the_hash_of_a_prompt_stays_and_tells_each_from_the_others():
    """Records of one prompt are compared by it, so a new one without new wording would part them."""
    asked = [
        (),
        ("retrieved",),
        ("random", TAGS),
        ("random", JSON, 1),
        ("random", JSON, 2),
        ("most", TAGS, 1),
    ]
    assert [prompt.prompt_hash(ONE, *how) for how in asked] == HASHES


def test_forms_and_their_versions():
    assert prompt.VERSIONS == {"json": "json-v1", "tags": "tags-v1"}
    assert [prompt.form_of(version) for version in ("json-v1", "tags-v1", None)] == ["json", "tags", "json"]
    assert [prompt.check_form(form) for form in ("json", "tags")] == ["json", "tags"]
    with pytest.raises(BenchmarkError, match="unknown format of answers: 'xml'; there are: json, tags"):
        prompt.check_form("xml")


def test_schemas_of_answers_to_the_letter():
    text = {"type": "string", "pattern": r"\S"}
    offset = {"type": "integer", "minimum": 0}
    located = {
        "type": "object",
        "properties": {"text": text, "start": offset, "end": offset},
        "required": ["text", "start", "end"],
        "additionalProperties": False,
    }
    assert prompt.answer_schema(["Disease"]) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"Disease": {"type": "array", "items": {"anyOf": [text, located]}}},
        "required": ["Disease"],
        "additionalProperties": False,
    }
    held = {
        "type": "object",
        "properties": {"Disease": {"type": "array", "items": {"type": "string"}}},
        "required": ["Disease"],
        "additionalProperties": False,
    }
    assert prompt.response_format(["Disease"]) == {
        "type": "json_schema",
        "json_schema": {"name": "mentions", "strict": True, "schema": held},
    }
