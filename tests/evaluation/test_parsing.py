import json
import string
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bioner_bench import corpora
from bioner_bench.evaluation.brackets import REPAIR_LIMIT
from bioner_bench.evaluation.parsing import Level, Parsed, parse, satisfies
from bioner_bench.evaluation.prompt import IF_NONE, answer_schema, response_format, target
from bioner_bench.evaluation.wording import fold, is_placeholder, says_none
from bioner_bench.schema import Entity, Mention

TASKS = sorted(path.stem for path in (ROOT / "bioner_bench" / "corpora").glob("*.yaml"))
ONE = ("Disease",)
TWO = ("Chemical", "Disease")
FIVE = ("DNA", "RNA", "protein", "cell_line", "cell_type")


def pairs(parsed: Parsed) -> list[tuple[str, str]]:
    return [(mention.text, mention.type) for mention in parsed.mentions]


def diseases(*texts: str) -> list[tuple[str, str]]:
    return [(text, "Disease") for text in texts]


def check_invariants(parsed: Parsed, types: tuple[str, ...]) -> None:
    assert parsed.level in Level
    assert isinstance(parsed.cut, bool)
    for mention in parsed.mentions:
        assert mention.text.strip()
        assert mention.type in types
        assert (mention.start is None) == (mention.end is None)
    if parsed.level is Level.FAILED:
        assert not parsed.mentions
    if parsed.level is Level.VALID:
        assert not parsed.cut


@pytest.mark.parametrize(
    ("output", "types", "expected"),
    [
        ('{"Disease": []}', ONE, []),
        ('{"Disease": ["ataxia"]}', ONE, diseases("ataxia")),
        ('\n\t {"Disease":["ataxia","ataxia"]}  \n', ONE, diseases("ataxia", "ataxia")),
        ('{\n  "Disease": [\n    "ataxia"\n  ]\n}', ONE, diseases("ataxia")),
        (
            '{"Disease": ["ataxia"], "Chemical": ["aspirin"]}',
            TWO,
            [("ataxia", "Disease"), ("aspirin", "Chemical")],
        ),
        ('{"Disease": ["\\u03b2-thalassemia"]}', ONE, diseases("β-thalassemia")),
        ('{"Disease": [" ataxia "]}', ONE, diseases(" ataxia ")),
        ('{"Disease": ["</think>"]}', ONE, diseases("</think>")),
        ('{"Disease": ["```"]}', ONE, diseases("```")),
    ],
)
def test_output_that_satisfies_the_schema_is_valid(output, types, expected):
    parsed = parse(output, types)
    assert (pairs(parsed), parsed.level, parsed.cut) == (expected, Level.VALID, False)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('```json\n{"Disease": ["ataxia"]}\n```', diseases("ataxia")),
        ('```\n{"Disease": ["ataxia"]}\n```', diseases("ataxia")),
        ('```json\n{"Disease": []}', []),
        ('Sure, here it is:\n{"Disease": ["ataxia"]}\nLet me know!', diseases("ataxia")),
        ('{"Disease": ["ataxia"]} The sentence has one mention.', diseases("ataxia")),
        ('{"Disease": ["ataxia"]}}', diseases("ataxia")),
        ('JSON: {"Disease": ["a [b] {c}"]} done', diseases("a [b] {c}")),
        ('As shown before [1], and in [2, 3]: {"Disease": ["ataxia"]}', diseases("ataxia")),
        ('Of {ataxia} and [ataxia, one] I keep {"Disease": ["ataxia"]}', diseases("ataxia")),
        ('\ufeff{"Disease": ["ataxia"]}', diseases("ataxia")),
        ('As in [1, 2), the answer is {"Disease": ["ataxia"]}', diseases("ataxia")),
        ('In [this sentence, it is {"Disease": ["ataxia"]}', diseases("ataxia")),
        ('[/INST] {see below} {"Disease": ["ataxia"]}', diseases("ataxia")),
        ("[1] " * 500 + '{"Disease": ["ataxia"]}', diseases("ataxia")),
        ("[see " * 500 + '{"Disease": ["ataxia"]}', diseases("ataxia")),
    ],
)
def test_prose_and_fences_around_the_answer_are_taken_away(output, expected):
    parsed = parse(output, ONE)
    assert (pairs(parsed), parsed.level, parsed.cut) == (expected, Level.EXTRACTED, False)


@pytest.mark.parametrize("tag", ["think", "thinking", "thought", "reasoning", "THINK"])
def test_text_up_to_the_closing_think_tag_is_dropped(tag):
    draft = '{"Disease": ["wrong"]}'
    for output in (
        f'<{tag}>Maybe {draft}?</{tag}>{{"Disease": ["ataxia"]}}',
        f'<{tag}>\n\n</{tag}>\n\n{{"Disease": ["ataxia"]}}',
        f'Maybe {draft}?</{tag}>\n```json\n{{"Disease": ["ataxia"]}}\n```',
        f'<{tag}>a</{tag}>{draft}<{tag}>b</{tag}>{{"Disease": ["ataxia"]}}',
    ):
        parsed = parse(output, ONE)
        assert (pairs(parsed), parsed.level, parsed.cut) == (diseases("ataxia"), Level.EXTRACTED, False)


@pytest.mark.parametrize(
    "output",
    [
        "<think>The sentence names",
        '  <think>I would answer {"Disease": ["ataxia"]}',
        '<think>a</think><think>so {"Disease": ["ataxia"]}',
        "<think>",
    ],
)
def test_thinking_that_never_ends_is_a_cut_failure(output):
    assert parse(output, ONE) == Parsed((), Level.FAILED, cut=True)


@pytest.mark.parametrize(
    ("output", "types", "expected"),
    [
        # a list of objects with a text and a type, under several names
        ('[{"text": "ataxia", "type": "Disease"}]', TWO, diseases("ataxia")),
        ('[{"mention": "ataxia", "label": "disease"}]', TWO, diseases("ataxia")),
        ('[{"entity": "ataxia", "type": "DISEASE"}]', TWO, diseases("ataxia")),
        ('[{"name": "ataxia", "category": "Diseases"}]', TWO, diseases("ataxia")),
        ('[{"Text": "ataxia", "Type": "Disease"}]', TWO, diseases("ataxia")),
        ('[{"word": "ataxia", "entity_group": "Disease"}]', TWO, diseases("ataxia")),
        ('[{"word": "ataxia", "entity": "Disease"}]', TWO, diseases("ataxia")),
        ('[{"word": "ataxia", "entity": "Disease"}]', ONE, diseases("ataxia")),
        ('{"text": "ataxia", "type": "Disease"}', TWO, diseases("ataxia")),
        (
            '[{"text": "aspirin", "type": "Chemical"}, {"text": "ataxia", "type": "Disease"}]',
            TWO,
            [("aspirin", "Chemical"), ("ataxia", "Disease")],
        ),
        # a wrapper around another shape
        ('{"entities": [{"text": "ataxia", "type": "Disease"}]}', TWO, diseases("ataxia")),
        ('{"Entities": {"Chemical": [], "Disease": ["ataxia"]}}', TWO, diseases("ataxia")),
        ('{"answer": {"entities": [{"text": "ataxia", "type": "Disease"}]}}', TWO, diseases("ataxia")),
        (
            '{"text": "An ataxia.", "entities": [{"text": "ataxia", "type": "Disease"}]}',
            TWO,
            diseases("ataxia"),
        ),
        ('{"mentions": []}', TWO, []),
        ('{"Disease": [["A-T"], "ataxia"]}', ONE, diseases("A-T", "ataxia")),
        ('{"entities": ["ataxia"]}', ONE, diseases("ataxia")),
        # a flat list where the corpus has one type
        ('["ataxia", "A-T"]', ONE, diseases("ataxia", "A-T")),
        ("[]", ONE, []),
        ("[]", TWO, []),
        ("{}", ONE, []),
        ('[{"text": "ataxia"}]', ONE, diseases("ataxia")),
        # keys in another case, number, or with other separators
        ('{"disease": ["ataxia"]}', ONE, diseases("ataxia")),
        ('{"DISEASES": ["ataxia"]}', ONE, diseases("ataxia")),
        ('{"Cell Lines": ["HeLa"]}', FIVE, [("HeLa", "cell_line")]),
        (
            '{"cell-type": ["T cell"], "Proteins": ["IL-2"]}',
            FIVE,
            [("T cell", "cell_type"), ("IL-2", "protein")],
        ),
        ('{"cellLine": ["HeLa"], "dna": ["TATA box"]}', FIVE, [("HeLa", "cell_line"), ("TATA box", "DNA")]),
        ('{"species": ["mouse"]}', ("Species",), [("mouse", "Species")]),
        ('{"Sentence": "An ataxia.", "JSON": {"Disease": ["ataxia"]}}', TWO, diseases("ataxia")),
        ('[null, "ataxia"]', ONE, diseases("ataxia")),
        # the form that the prompt shows, repeated before the answer
        (
            '{"Chemical": ["...", "..."], "Disease": ["..."]}\n{"Chemical": [], "Disease": ["ataxia"]}',
            TWO,
            diseases("ataxia"),
        ),
        # keys missing, or of types that the corpus does not have
        ('{"Disease": ["ataxia"]}', TWO, diseases("ataxia")),
        ('{"Disease": ["ataxia"], "Gene": ["ATM"]}', ONE, diseases("ataxia")),
        # the same key again, in the same or another spelling
        ('{"Disease": ["ataxia"], "Disease": ["A-T"]}', ONE, diseases("ataxia", "A-T")),
        ('{"Disease": ["ataxia"], "diseases": ["A-T"]}', ONE, diseases("ataxia", "A-T")),
        ('{"Disease": ["ataxia"], "Disease": []}', ONE, diseases("ataxia")),
        ('{"Disease": ["ataxia"], "Disease": "A-T"}', ONE, diseases("ataxia", "A-T")),
        ('{"Disease": "ataxia", "Disease": "A-T"}', ONE, diseases("ataxia", "A-T")),
        ('{"Disease": ["ataxia"], "Disease": null}', ONE, diseases("ataxia")),
        # ways to say "none", and a single mention without its list
        ('{"Disease": null}', ONE, []),
        ('{"Disease": ""}', ONE, []),
        ('{"Disease": [""]}', ONE, []),
        ('{"Disease": [null], "Chemical": ["aspirin"]}', TWO, [("aspirin", "Chemical")]),
        ('{"Disease": "ataxia"}', ONE, diseases("ataxia")),
        ('{"Disease": {"text": "ataxia"}}', ONE, diseases("ataxia")),
        # one object a line: a mention each, or other types each
        (
            '{"text": "aspirin", "type": "Chemical"}\n{"text": "ataxia", "type": "Disease"}',
            TWO,
            [("aspirin", "Chemical"), ("ataxia", "Disease")],
        ),
        (
            '{"Chemical": ["aspirin"]}\n{"Disease": ["ataxia"]}',
            TWO,
            [("aspirin", "Chemical"), ("ataxia", "Disease")],
        ),
        (
            '{"DNA": []}, {"cell lines": ["HeLa"]}, {"protein": ["IL-2"]}',
            FIVE,
            [("HeLa", "cell_line"), ("IL-2", "protein")],
        ),
        # JSON in a string, in a list of that string alone
        (json.dumps([json.dumps({"answer": {"Disease": ["ataxia"]}})]), ONE, diseases("ataxia")),
        (json.dumps([json.dumps([{"Disease": ["ataxia"]}])]), ONE, diseases("ataxia")),
        # a list in what cannot be read
        ('[[["ataxia", "Disease"]] x]', TWO, diseases("ataxia")),
        # the answer to the next sentence, which the model made up
        ('{"Disease": ["ataxia"]}\n{"Gene": ["ATM"]}', TWO, diseases("ataxia")),
        ('{"Disease": ["ataxia"]}\nSentence: Aspirin.\n{"Chemical": ["Aspirin"]}', TWO, diseases("ataxia")),
        (
            '{"text": "ataxia", "type": "Disease"}\nSentence:\n{"text": "A-T", "type": "Disease"}',
            TWO,
            diseases("ataxia"),
        ),
    ],
)
def test_other_common_shapes_are_extracted(output, types, expected):
    for wrapped in (output, f"```json\n{output}\n```", f"As in [1]: {output}", f"<think>x</think>{output}"):
        parsed = parse(wrapped, types)
        assert (pairs(parsed), parsed.level, parsed.cut) == (expected, Level.EXTRACTED, False), wrapped


@pytest.mark.parametrize(
    ("output", "types", "expected"),
    [
        # JSON in which some of what is said is no mention
        ('{"Disease": [true, "ataxia"]}', ONE, diseases("ataxia")),
        ('{"Disease": [{"text": "ataxia", "type": "Virus"}, "A-T"]}', ONE, diseases("A-T")),
        ('[{"text": "ataxia", "type": "Disease"}, {"text": "ATM", "type": "Gene"}]', TWO, diseases("ataxia")),
        ('{"Gene": [53, "ATM"]}', ("Gene",), [("ATM", "Gene")]),
        ('{"Disease": NaN}', ONE, []),
        ('{"Disease": [Infinity, "ataxia"]}', ONE, diseases("ataxia")),
        # broken JSON
        ("{'Disease': ['ataxia', 'A-T']}", ONE, diseases("ataxia", "A-T")),
        ("{'Chemical': [], 'Disease': ['ataxia']}", TWO, diseases("ataxia")),
        ('{"Disease": ["ataxia", "A-T"],}', ONE, diseases("ataxia", "A-T")),
        ('{"Chemical": [], "Disease": ["ataxia"],}', TWO, diseases("ataxia")),
        ('{"Disease": ["ataxia" "A-T"]}', ONE, diseases("ataxia", "A-T")),
        ('{Disease: ["ataxia"]}', ONE, diseases("ataxia")),
        ('{"Disease": ["ataxia"', ONE, diseases("ataxia")),
        ('{"Gene": ["ATM"], "Disease": ["ataxia"', ONE, diseases("ataxia")),
        (
            '[{"text": "ataxia", "type": "Disease"}, {"text": "aspirin" "type": "Chemical"}]',
            TWO,
            [("ataxia", "Disease"), ("aspirin", "Chemical")],
        ),
        ('As in [1]: {"Disease": ["ataxia", "A-T"', ONE, diseases("ataxia", "A-T")),
        ('{\n  # none\n  "Chemical": [],\n  "Disease": ["ataxia"]\n}', TWO, diseases("ataxia")),
        ('{cell-line: [], protein: ["IL-2"]}', FIVE, [("IL-2", "protein")]),
        ('{Disease": ["ataxia"], "Chemical": []}', TWO, diseases("ataxia")),
        ('{**"Disease"**: ["ataxia"]}', TWO, diseases("ataxia")),
        ('{"ataxia", "A-T"}', ONE, diseases("ataxia", "A-T")),
    ],
)
def test_broken_or_partly_meaningless_json_is_repaired(output, types, expected):
    parsed = parse(output, types)
    assert (pairs(parsed), parsed.level) == (expected, Level.REPAIRED)


BRACKETS_IN_PROSE = [
    "There are no diseases in [this sentence].",
    "No disease [see 1, 2)",
    "No {disease} here",
    "[None]",
    "[Ataxia, cancer",
    "No {ataxia, cancer}",
    "(no [)",
]


@pytest.mark.parametrize(
    "output",
    [
        "",
        " \n",
        "There is no disease in this sentence.",
        "ataxia, A-T",
        "[1]",
        "Reported before [1, 2].",
        "null",
        "true",
        "53",
        '"ataxia"',
        "NaN",
        "Infinity",
        '{"reason": "no idea"}',
        '["ataxia"]',  # of which of the two types?
        '{"foo": {"bar": ["ataxia"]}}',
        "</think>",
        '{"Disease": [1e999]}',  # it may be an answer, but not that there is none
        '{"Disease": [true]}',
        *BRACKETS_IN_PROSE,
        "\x00",
        "\ud800",
    ],
)
def test_output_without_a_readable_answer_fails(output):
    assert parse(output, TWO) == Parsed((), Level.FAILED)


@pytest.mark.parametrize("output", BRACKETS_IN_PROSE)
def test_brackets_in_prose_hold_no_mentions_where_the_corpus_has_one_type(output):
    assert parse(output, ONE) == Parsed((), Level.FAILED)


@pytest.mark.parametrize(
    ("output", "level", "expected"),
    [
        (
            '{"Disease": [{"text": "ataxia", "start": 3, "end": 9}, "A-T"]}',
            Level.VALID,
            (Mention("ataxia", "Disease", 3, 9), Mention("A-T", "Disease")),
        ),
        (
            '{"Disease": [{"text": "ataxia", "start": 3.0, "end": 9.0}]}',
            Level.VALID,
            (Mention("ataxia", "Disease", 3, 9),),
        ),
        (
            '[{"text": "ataxia", "type": "disease", "start": 3, "end": 9}]',
            Level.EXTRACTED,
            (Mention("ataxia", "Disease", 3, 9),),
        ),
        (
            '{"Disease": [{"text": "ataxia", "start": 3, "end": 9, "score": 0.9}]}',
            Level.EXTRACTED,
            (Mention("ataxia", "Disease", 3, 9),),
        ),
        *(
            (f'{{"Disease": [{{"text": "ataxia", "{start}": 3, "{end}": 9}}]}}', Level.EXTRACTED, at_3_to_9)
            for at_3_to_9 in [(Mention("ataxia", "Disease", 3, 9),)]
            for start, end in [
                ("start_pos", "end_pos"),
                ("startPos", "endPos"),
                ("start_offset", "end_offset"),
                ("start_char", "end_char"),
                ("startIndex", "endIndex"),
                ("begin", "stop"),
                ("from", "to"),
                ("s", "e"),
                ("Start", "END"),
            ]
        ),
        ('{"Disease": [{"text": "ataxia", "start": 3}]}', Level.EXTRACTED, (Mention("ataxia", "Disease"),)),
        (
            '{"Disease": [{"text": "ataxia", "start": "3", "end": true}]}',
            Level.EXTRACTED,
            (Mention("ataxia", "Disease"),),
        ),
    ],
)
def test_located_mentions_keep_their_offsets(output, level, expected):
    parsed = parse(output, ONE)
    assert (parsed.mentions, parsed.level) == (expected, level)


@pytest.mark.parametrize(
    ("mention", "valid"),
    [
        ("ataxia", True),
        ({"text": "ataxia", "start": 3, "end": 9}, True),
        ({"text": "ataxia", "start": 3}, False),
        ({"text": "ataxia", "start": -1, "end": 9}, False),
        ({"text": " ", "start": 3, "end": 9}, False),
        ({"text": "ataxia", "start": 3, "end": 9, "score": 0.9}, False),
    ],
)
def test_the_schema_and_the_reader_agree_on_what_is_valid(mention, valid):
    answer = {"Disease": [mention]}
    assert Draft202012Validator(answer_schema(ONE)).is_valid(answer) is valid
    assert (parse(json.dumps(answer), ONE).level is Level.VALID) is valid


def test_an_answer_may_name_the_types_in_any_order_and_mentions_keep_the_order_of_the_answer():
    parsed = parse('{"Disease": ["b", "a"], "Chemical": ["c"]}', TWO)
    assert pairs(parsed) == [("b", "Disease"), ("a", "Disease"), ("c", "Chemical")]


CUT_ANSWERS = [
    (ONE, [("ataxia", "Disease"), ("A - T", "Disease")]),
    (ONE, []),
    (TWO, [("aspirin", "Chemical"), ("ataxia", "Disease"), ("A - T", "Disease")]),
    (TWO, [("ataxia", "Disease"), ("A - T", "Disease")]),
    (TWO, [("aspirin", "Chemical")]),
    (FIVE, [("IL - 2", "protein"), ("HeLa", "cell_line"), ("T cells", "cell_type")]),
]


def target_of(types, mentions):
    return json.dumps({type_: [text for text, t in mentions if t == type_] for type_ in types})


@pytest.mark.parametrize("prose", ["", "Here: ", "As in [1, 2]: ", "<think>[2]</think>\n", "```json\n"])
@pytest.mark.parametrize(("types", "mentions"), CUT_ANSWERS)
def test_target_cut_at_any_character_is_marked_and_gives_the_mentions_that_were_complete(
    types, mentions, prose
):
    answer = target_of(types, mentions)
    for length in range(1, len(answer)):
        parsed = parse(prose + answer[:length], types)
        check_invariants(parsed, types)
        assert parsed.cut, answer[:length]
        assert parsed.level in (Level.REPAIRED, Level.FAILED), answer[:length]
        # In this order a mention is complete once the target up to its closing quote is there.
        complete = [pair for pair in mentions if f'"{pair[0]}"' in answer[:length]]
        assert pairs(parsed)[: len(complete)] == complete, answer[:length]
    whole = parse(prose + answer, types)
    assert (pairs(whole), whole.cut) == (mentions, False)


def test_list_of_objects_cut_at_any_character_gives_the_objects_that_were_complete():
    mentions = [("aspirin", "Chemical"), ("ataxia", "Disease"), ("A - T", "Disease")]
    for before, after in (("", ""), ('{"entities": ', "}")):
        answer = before + json.dumps([{"text": text, "type": type_} for text, type_ in mentions]) + after
        for length in range(1, len(answer)):
            parsed = parse(answer[:length], TWO)
            check_invariants(parsed, TWO)
            assert parsed.cut, answer[:length]
            complete = mentions[: answer[:length].count("}")]
            assert pairs(parsed)[: len(complete)] == complete, answer[:length]


@pytest.mark.parametrize("between", ["\n", ", "])
def test_an_object_a_line_cut_at_any_character_gives_the_lines_that_were_complete(between):
    mentions = [("aspirin", "Chemical"), ("ataxia", "Disease")]
    for lines in (
        [json.dumps({"text": text, "type": type_}) for text, type_ in mentions],
        [json.dumps({type_: [text]}) for text, type_ in mentions],
    ):
        answer = between.join(lines)
        for length in range(len(answer)):
            parsed = parse(answer[:length], TWO)
            check_invariants(parsed, TWO)
            complete = mentions[: answer[:length].count("}")]
            assert pairs(parsed)[: len(complete)] == complete, answer[:length]
            inside = answer[:length].count("{") > answer[:length].count("}")
            assert parsed.cut == inside, answer[:length]
            assert (parsed.level in (Level.REPAIRED, Level.FAILED)) == (inside or not complete)
    other = parse('{"Disease": ["ataxia"]}\n{"x": ["A-', TWO)
    assert (pairs(other), other.level, other.cut) == (diseases("ataxia"), Level.REPAIRED, True)
    drafted = parse('{"Disease": ["ataxia"]}\n{"Disease": ["A-T", "canc', TWO)
    assert (pairs(drafted), drafted.level, drafted.cut) == (diseases("ataxia"), Level.REPAIRED, True)


def test_long_broken_answer_that_ends_is_not_cut():
    output = '{"Disease": [' + '"ataxia", ' * (REPAIR_LIMIT // 5) + '"A-T"],}'
    assert not parse(output, ONE).cut


def test_long_answer_that_never_ends_is_cut():
    parsed = parse('{"Disease": ["' + 'ataxia", "' * (REPAIR_LIMIT // 5), ONE)
    assert parsed.cut
    assert set(pairs(parsed)[:-1]) == {("ataxia", "Disease")}


AWKWARD = st.one_of(
    st.text(alphabet="[]{}\"\\'`,:/<>&|$ αβγΔİßµ\u00a0\u2028\x00\x1f\t\nAaTt019-", min_size=1, max_size=12),
    st.text(st.characters(), min_size=1, max_size=12),
    st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3),
    st.sampled_from(
        ['"]}', "</think>", "<think>", "```json", "\\u0041", "\\", "null", "NaN", "{}", "[]", '"']
    ),
).filter(lambda text: bool(text.strip()) and not says_none(text))


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(AWKWARD, st.sampled_from(TWO)), max_size=6))
def test_gold_target_of_any_mentions_is_valid_and_reads_back_the_same(mentions):
    text = ""
    entities = []
    for string_, type_ in mentions:
        entities.append(Entity(len(text), len(text) + len(string_), type_))
        text += string_
    parsed = parse(target(text, entities, TWO), TWO)
    by_type = [pair for type_ in TWO for pair in mentions if pair[1] == type_]
    assert (pairs(parsed), parsed.level, parsed.cut) == (by_type, Level.VALID, False)


ATOMS = [
    *"{}[]\",:'\\",
    '"Disease"',
    '"Disease": [',
    '{"text": "a", "type": "Disease"}',
    '{"entities": ',
    '"start": 3',
    "null",
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 5000,
    "\ud83d",
    "\x00",
    "\\u12",
    "<think>",
    "</think>",
    "```json",
    "// x",
    "[1]",
    "True",
    "“",
]


@st.composite
def outputs(draw):
    answer = draw(
        st.sampled_from(
            [
                target_of(TWO, CUT_ANSWERS[2][1]),
                target_of(TWO, []),
                '[{"text": "ab", "type": "Disease", "start": 0, "end": 2}, {"text": "c", "type": "Disease"}]',
                '{"entities": {"Disease": "ataxia", "Chemical": null}}',
                "",
            ]
        )
    )
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(answer)))
        to = draw(st.integers(at, min(len(answer), at + 12)))
        piece = draw(
            st.one_of(st.sampled_from(ATOMS), st.text(max_size=5), st.text(string.printable, max_size=5))
        )
        answer = answer[:at] + draw(st.sampled_from(["", piece, answer[at:to] * 2])) + answer[to:]
    return answer[: draw(st.sampled_from([len(answer), len(answer) // 2]))]


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(outputs(), st.sampled_from([ONE, TWO, FIVE]))
def test_mutated_targets_and_random_text_always_give_a_result(output, types):
    parsed = parse(output, types)
    check_invariants(parsed, types)
    assert parse(output, types) == parsed


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(
                st.sampled_from(
                    ["Disease", "diseases", "text", "type", "entity", "entities", "start", "end", "x"]
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    )
)
def test_any_json_value_gives_a_result(value):
    check_invariants(parse(json.dumps(value), ONE), ONE)
    check_invariants(parse(json.dumps(value), TWO), TWO)


MEGABYTES = 2_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        "[",
        "{",
        '"',
        "\\",
        "a",
        " ",
        "]",
        "</think>",
        "<think>",
        "[1]",
        "{}",
        "\ud800",
        "\x00",
        "9",
        "{ ",
        '["',
    ],
)
def test_megabytes_of_one_pattern_finish(unit):
    check_invariants(parse(unit * (MEGABYTES // len(unit)), ONE), ONE)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["{'a'} ", '{"DNA":[]}\n', '{"text":"a","type":"DNA"},', '["a"', "[{a:"])
def test_a_hundred_thousand_groups_finish(unit):
    check_invariants(parse(unit * 100_000, ONE), ONE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "output",
    [
        '{"Disease": ["' + "a" * MEGABYTES,
        '{"Disease": ["' + "\\" * MEGABYTES,
        '{"Disease": [' + "9" * MEGABYTES + "]}",
        '{"Disease": [1e' + "9" * MEGABYTES + "]}",
        '{"Disease": [-' + "9" * 4000 + "]}",
        '{"Disease": [{"text": "a", "start": ' + "9" * 4000 + ', "end": 1e300}]}',
        '{"Disease": [{"text": "a", "start": 0, "end": ' + "9" * 5000 + "}]}",
        '{"Disease": [NaN, Infinity, -Infinity, 1e999, -0.0]}',
        '{"Disease": ["\ud800", "\udc00\ud800", "\\ud800"]}',
        '{"Disease": ["\x00", "\\u0000"]}',
        "{'Disease': ['\\ud800', 'a']}",
        '{"Disease": ["a"],' * 1000 + "}",
        '["' * 49 + "a" * 1_000_000,
        f"{json.dumps({'text': 'a', 'type': 'x'} | {str(i): i for i in range(9999)})}"
        + '\n{"text": "a", "type": "x"}' * 9999,
        '{"```json{```',
        "{“```json['```",
        '{"Disease": ["ataxia"], "```json9```',
        '{"Disease": [' + "[1]," * 100_000 + '"ataxia"]}',
    ],
    ids=lambda output: output[:24],
)
def test_hostile_answers_finish(output):
    check_invariants(parse(output, ONE), ONE)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [5, 100, 300, 400, 500, 700, 5000, 100_000])
@pytest.mark.parametrize(
    ("opening", "inside", "closing"),
    [
        ("[", "", "]"),
        ('{"Disease":', "[]", "}"),
        ('{"Disease": [', '"ataxia"', "]}"),
        ('{"entities":', "[]", "}"),
        ('{"entities": [', "", "]}"),
        ('[{"text":', '"ataxia"', "}]"),
    ],
)
def test_nesting_of_any_depth_gives_a_result(opening, inside, closing, depth):
    nested = opening * depth + inside + closing * depth
    for output in (nested, f"Sure: {nested}", f'{{"Disease": {nested}}}', nested[: len(nested) // 2]):
        check_invariants(parse(output, ONE), ONE)


@pytest.mark.slow
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"Disease":', "}"), ('{"x": [', "]}")])
def test_nesting_that_can_just_be_read_but_not_be_looked_into_gives_a_result(opening, closing):
    # Reading, validating and interpreting reach the interpreter's recursion limit at different depths.
    for depth in range(850, 1000):
        check_invariants(parse(f'{{"Disease": {opening * depth}1{closing * depth}}}', ONE), ONE)


ANSWERS = [
    json.loads(line) for line in (Path(__file__).parent / "answers.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: row["name"])
def test_answers_of_the_table_are_read_as_a_careful_person_would(row):
    """`answers.jsonl`: one output a line; add one there to add a case."""
    parsed = parse(row["output"], row["types"])
    wanted = [(mention["text"], mention["type"]) for mention in row["mentions"]]
    assert pairs(parsed) == wanted
    for found, mention in zip(parsed.mentions, row["mentions"], strict=True):
        if "start" in mention:
            assert (found.start, found.end) == (mention["start"], mention["end"])
    assert parsed.level is Level[row["level"].upper()]
    assert (parsed.cut, parsed.ambiguous) == (row["cut"], row["ambiguous"])


def test_what_models_write_is_read_right(mirror):
    rows = (mirror / "answers" / "what-models-write.jsonl").read_text("utf-8").splitlines()
    assert len(rows) >= 83
    for row in map(json.loads, rows):
        wanted = [(mention["text"], mention["type"]) for mention in row["mentions"]]
        assert pairs(parse(row["output"], row["types"])) == wanted, row["name"]


WRONG = [{"text": ""}, {"text": 5}, {"start": -1}, {"end": 1.5}, {"end": "1"}, {"end": True}, {"x": 1}]
MISSING = [{"start": 0, "end": 1}, {"text": "a", "end": 1}, {"text": "a", "start": 0}, {"text": "a"}, {}, []]
NEAR_MISSES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 9),
        st.floats(),
        st.sampled_from(["ataxia", " ", "", "\x1f", "\u200b", "\x85", "\ufeff", 3.0, -0.0, 1e300]),
        st.text(max_size=3),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["text", "start", "end", "x"]), inner, max_size=4),
        st.fixed_dictionaries({"text": inner, "start": inner, "end": inner}),
    ),
    max_leaves=8,
)


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(
    st.one_of(
        NEAR_MISSES,
        st.dictionaries(st.sampled_from([*TWO, "disease"]), NEAR_MISSES, max_size=3),
        st.fixed_dictionaries({type_: st.lists(NEAR_MISSES, max_size=3) for type_ in TWO}),
    )
)
def test_plain_checks_agree_with_the_schema(value):
    for types in (ONE, TWO):
        assert satisfies(value, types) == Draft202012Validator(answer_schema(types)).is_valid(value)


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ({"Disease": []}, True),
        ({"Disease": ["a", {"text": "a", "start": 0, "end": 1}]}, True),
        ({"Disease": [" "]}, False),
        ({"Disease": [5]}, False),
        ({"Disease": "a"}, False),
        ({"Disease": {}}, False),
        ({}, False),
        ([], False),
        ("Disease", False),
        ({"Disease": [], "x": []}, False),
        *(({"Disease": [{"text": "a", "start": 0, "end": 1} | wrong]}, False) for wrong in WRONG),
        *(({"Disease": [found]}, False) for found in MISSING),
    ],
)
def test_what_the_schema_takes(value, valid):
    assert satisfies(value, ONE) is valid
    assert Draft202012Validator(answer_schema(ONE)).is_valid(value) is valid
    Draft202012Validator.check_schema(answer_schema(ONE))


def test_what_a_server_is_asked_for():
    """The form of OpenAI's `response_format`."""
    lists = {"type": "array", "items": {"type": "string"}}
    assert response_format(TWO) == {
        "type": "json_schema",
        "json_schema": {
            "name": "mentions",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"Chemical": lists, "Disease": lists},
                "required": ["Chemical", "Disease"],
                "additionalProperties": False,
            },
        },
    }


@pytest.mark.slow
def test_no_gold_mention_of_any_corpus_is_a_word_for_none_and_every_target_reads_back(mirror):
    for task in TASKS:
        corpus = corpora.get(task)
        types = tuple(corpus.types)
        for split in corpus.files:
            for sentence in corpora.load(task, split).sentences:
                parsed = parse(target(sentence.text, sentence.entities, types), types)
                assert parsed.level is Level.VALID
                assert sorted(pairs(parsed)) == sorted(
                    (sentence.surface(e), e.type) for e in sentence.entities
                )


@pytest.mark.parametrize(
    ("output", "ambiguous"),
    [
        ('{"Disease": ["mice"]} No: {"Disease": ["ataxia"]}', True),
        ('{"Disease": ["ataxia"]}\n{"Disease": ["ataxia"]}', False),
        ('["mice"] {"Disease": ["ataxia"]}', False),  # of another rank
        ('{"Disease": ["...", "..."]} {"Disease": ["ataxia"]}', False),
        ('<think>{"Disease": ["mice"]}</think>{"Disease": ["ataxia"]}', False),
    ],
)
def test_several_answers_that_differ_are_ambiguous_and_the_last_one_counts(output, ambiguous):
    parsed = parse(output, ONE)
    assert (pairs(parsed), parsed.ambiguous) == (diseases("ataxia"), ambiguous)


def test_mentions_that_stand_far_apart_are_not_of_one_answer():
    one, other = (json.dumps({"text": word, "type": "Disease"}) for word in ("mice", "ataxia"))
    assert pairs(parse(f"{one}{' ' * 399}{other}", ONE)) == diseases("mice", "ataxia")
    assert pairs(parse(f"{one}{' ' * 400}{other}", ONE)) == diseases("ataxia")


@pytest.mark.parametrize(
    ("before", "opens", "inside", "closes", "after", "deepest"),
    [
        ("", '{"answer": ', '{"Disease": ["ataxia"]}', "}", "", 39),
        ("", '[{"answer": ', '{"Disease": ["ataxia"]}', "}]", "", 19),
        ("", '{"type": "object", "properties": ', '{"Disease": ["ataxia"]}', "}", "", 39),
        ("", '{"Disease": ', '["ataxia"]', "}", "", 40),
        ('{"Disease": ', '{"1": ', '["ataxia"]', "}", "}", 19),
        ('{"Disease": ', "[", '"ataxia"', "]", "}", 40),
        ('{"Disease": ', "[", '{"mentions": ["ataxia"]}', "]", "}", 38),
        ('{"type": "Disease", "mentions": ', "[", '["ataxia"]', "]", "}", 40),
        ("Disease: ", "[", '["ataxia"]', "]", ".", 39),
        ("", "[", '{"Disease": ["ataxia"]}', "]", "", 39),
        ("", "[", '["ataxia"]', "]", "", 40),
        ("", "[", '["ataxia"]', ', ["mice"]]', "", 40),
        ("", "[", r'["{\"Disease\": [\"ataxia\"]}"]', "]", "", 38),
    ],
)
def test_values_are_looked_into_up_to_a_depth(before, opens, inside, closes, after, deepest):
    for levels, read in ((deepest, True), (deepest + 1, False)):
        output = f"{before}{opens * levels}{inside}{closes * levels}{after}"
        assert (("ataxia", "Disease") in pairs(parse(output, ONE))) is read, levels


def test_twenty_thousand_brackets_are_looked_at():
    for others, read in ((19_999, True), (20_000, False)):
        output = "{} " * others + '{"Disease": ["ataxia"]}'
        assert pairs(parse(output, ONE)) == (diseases("ataxia") if read else [])


def test_what_is_said_before_an_answer_is_looked_at_so_far():
    said = f"Write {IF_NONE}"
    for spaces, wanted in ((160 - len(IF_NONE), diseases("mice")), (161 - len(IF_NONE), [])):
        output = f'{{"Disease": ["mice"]}} {said}{" " * spaces}{{"Disease": []}}'
        assert pairs(parse(output, ONE)) == wanted


def test_a_word_for_none_may_stand_in_white_space_but_not_in_much():
    assert says_none(f"none{' ' * 96}") and not says_none(f"none{' ' * 97}")


def test_of_a_name_a_hundred_characters_count():
    assert (fold(f"gene{'_' * 95}x"), fold(f"gene{'_' * 96}x")) == ("genex", "gene")


def test_what_is_as_long_as_ten_words_is_no_placeholder():
    for words, size, said in ((11 * "the " + 3 * "an ", 60, True), (12 * "the " + 2 * "an ", 61, False)):
        assert len(f"{words}mention") == size
        assert is_placeholder(f"{words}mention", ONE) is said


def test_a_type_is_looked_for_in_front_of_a_mention_but_not_of_a_long_text():
    for size, mention in ((290, "x" * 290), (291, f"Disease : {'x' * 291}")):
        assert pairs(parse(json.dumps([f"Disease : {'x' * size}"]), ONE)) == diseases(mention)


@pytest.mark.parametrize(
    "word", ["NA", "NO", "NaN", "nilotinib", "NULL cells", "None of the patients", "no. 5"]
)
def test_what_only_looks_like_a_word_for_none_is_a_mention(word):
    assert pairs(parse(json.dumps({"Chemical": [word]}), ("Chemical",))) == [(word, "Chemical")]


def test_examples_of_the_page_are_read_as_it_says():
    page = (ROOT / "docs" / "METRICS.md").read_text(encoding="utf-8")
    table = next(part for part in page.split("\n\n") if part.startswith("| output | mentions | level |"))
    rows = [row.strip("| ").rsplit(" | ", 2) for row in table.splitlines()[2:]]
    assert len(rows) > 10
    for output, mentions, level in rows:
        parsed = parse(output.strip("`"), ONE)
        assert pairs(parsed) == ([] if mentions == "none" else diseases(mentions)), output
        assert parsed.level is Level[level.upper()], output
