"""Tagged copies of a sentence: written, read back, and read as models get them wrong."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bioner_bench import corpora
from bioner_bench.evaluation.copying import lay, likeness
from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.parsing import Level
from bioner_bench.evaluation.tag_marks import marked
from bioner_bench.evaluation.tag_reading import parse_tagged
from bioner_bench.evaluation.tagged_text import tagged
from bioner_bench.schema import Entity, Sentence

TEXT = "hereditary breast cancer and breast cancer in mice ."
WHOLE, FIRST, SECOND = (0, 24), (11, 24), (29, 42)
TYPES = ["Disease", "Gene"]


def spans(output, text=TEXT, types=TYPES):
    """Start and end of each mention, or the string of one without a span."""
    return [
        m.text if m.start is None else (m.start, m.end) for m in parse_tagged(output, text, types).mentions
    ]


def test_square_tags_of_any_type():
    assert spans("hereditary breast cancer and [Gene]breast cancer[/Gene] in mice .") == [SECOND]


@pytest.mark.parametrize(
    ("line", "text", "share"),
    [("_ .", "_ .", 1), ("A", "A", 1), ("a b", "a", 1), ("b", "a b", 0.5), ("", "_", 0)],
)
def test_how_much_of_a_text_a_line_has(line, text, share):
    assert likeness(line, text) == share


def test_letters_that_were_left_out_are_of_the_mention():
    assert spans("hereditary <Disease>reast cance</Disease> and breast cancer in mice .") == [FIRST]
    assert spans("hereditary breast cancer and <Disease>reast cance</Disease> in mice .") == [SECOND]


def test_a_tag_may_begin_inside_a_word_or_before_one_that_is_misspelt():
    assert spans("hereditary breast cancer and b<Disease>reast cancer</Disease> in mice .") == [(30, 42)]
    assert spans("<Disease>hereditry breast cancer</Disease> and breast cancer in mice .") == [WHOLE]


def test_an_answer_that_stops_within_a_word_is_cut_one_that_goes_on_otherwise_is_not():
    begun = "hereditary <Disease>breast cancer</Disease> and breast cancer"
    cut = [parse_tagged(f"{begun}{rest}", TEXT, TYPES).cut for rest in (" x", " x y", " in mouse models")]
    assert cut == [True, False, False]


def test_only_the_end_of_an_answer_can_be_cut():
    half = "hereditary <Disease>breast cancer</Disease> and"
    outputs = (half, f"```\n{half}", f"{half}\nThat is all I can say.", f"```\n{half}\n```")
    assert [parse_tagged(output, TEXT, TYPES).cut for output in outputs] == [True, True, False, False]


def test_half_of_what_stands_in_a_tag_must_be_of_the_sentence():
    assert lay("mice aaaa", "mice bbbb").span(0, 9) == (0, 4)
    assert lay("mice aaaaa", "mice bbbb").span(0, 10) is None


def test_a_letter_that_was_left_out_is_of_the_mention_also_before_a_sign():
    assert lay("A-b", "pA-b").span(0, 3) == (0, 4)
    assert lay("b-A", "b-Ap").span(0, 3) == (0, 4)


def test_a_tag_names_its_type_first():
    for name, types in (("Disease x", ["Disease"]), ("x Disease", []), ('x y="Disease"', ["Disease"])):
        parts = marked(f"<{name}>mice</{name}>", "mice", ("Disease",)).parts
        assert [part.type for part in parts] == types


def test_a_tag_that_opens_again_closes_itself_and_not_what_is_around_it():
    line = "<Organ>breast <Disease>cancer<Disease> cells</Organ>"
    parts = marked(line, "breast cancer cells", ("Disease", "Organ")).parts
    assert [(part.type, part.start, part.end) for part in parts] == [("Organ", 0, 19), ("Disease", 7, 13)]


@pytest.mark.parametrize(("letters", "more", "is_copy"), [(29, 39, True), (29, 40, False), (30, 90, True)])
def test_of_a_short_sentence_a_copy_has_few_words_of_its_own(letters, more, is_copy):
    text = " ".join(["mice"] * (letters // 4) + ["x" * (letters % 4)])
    answer = " ".join([f"<Disease>{text}</Disease>", *["also"] * (more // 4), "y" * (more % 4)])
    parsed = parse_tagged(answer, text, TYPES)
    assert [m.start for m in parsed.mentions] == [0 if is_copy else None]


@pytest.mark.parametrize("more", [0, 1])
def test_a_line_is_looked_at_up_to_a_length(more):
    line = f"{TEXT} {'x ' * 2000}"[: 4 * len(TEXT) + 400 + more - len("<Dis")] + "<Dis"
    assert parse_tagged(line, TEXT, TYPES).cut is (more == 0)


def test_words_that_both_end_with_are_laid_on_each_other():
    assert lay("mice ataxia today", "ataxia lupus today").span(5, 11) == (0, 6)


def test_of_long_texts_that_differ_everywhere_only_both_ends_are_compared():
    inner = "ab " * 4000  # 16 million pairs of words, all alike
    copy = lay(f"mice x {inner}today", f"mice {inner}x today")
    assert copy.span(0, 4) == (0, 4)
    assert copy.span(len(copy.copied) - 5, len(copy.copied)) == (len(copy.text) - 5, len(copy.text))
    assert copy.letters == len("micetoday")


def test_a_million_pairs_of_words_are_compared():
    words = " ".join(f"w{number}" for number in range(999))
    for others, found in (("x", True), ("x x", False)):
        copy = lay(f"mice {words} y today", f"mice {others} {words} today")
        start = copy.copied.index("w500")
        assert (copy.span(start, start + 4) is not None) is found


@pytest.mark.parametrize(("size", "found"), [(200, (5, 205)), (201, None)])
def test_two_hundred_letters_between_common_words_are_compared(size, found):
    copied, text = ("ab" * 50 + other * (size - 100) for other in "cd")
    assert lay(f"mice {copied} today", f"mice {text} today").span(5, 105) == found


@pytest.mark.parametrize(("copied", "stops"), [("x", True), ("x y", False), ("", True)])
def test_a_copy_without_a_word_of_its_sentence_stops_before_the_first(copied, stops):
    assert lay(copied, "mice").stops is stops


def test_what_ends_at_one_place_is_closed_from_the_inside():
    inside = [Entity(0, 13, "Disease"), Entity(7, 13, "Organ")]
    assert tagged("breast cancer", inside) == "<Disease>breast <Organ>cancer</Organ></Disease>"


def disease(*places):
    return tagged(TEXT, [Entity(*place, "Disease") for place in places])


MARKED = disease(SECOND)
VECTORS = [
    # as it was asked for; the second of two equal strings is the second one
    (MARKED, [SECOND], "VALID"),
    (TEXT, [], "VALID"),
    (disease(WHOLE, SECOND), [WHOLE, SECOND], "VALID"),
    (disease(WHOLE, FIRST), [WHOLE, FIRST], "VALID"),
    # around it
    (f"Here is the sentence:\n```xml\n{MARKED}\n```\nI tagged one disease.", [SECOND], "EXTRACTED"),
    (f"Tagged: {MARKED}", [SECOND], "EXTRACTED"),
    (f"<think>Is <Disease>mice</Disease> one?</think>{MARKED}", [SECOND], "EXTRACTED"),
    (f"Sentence: {TEXT}\nTagged: {MARKED}", [SECOND], "EXTRACTED"),
    (f"{MARKED}\n\nSentence: Lupus .\nTagged: <Disease>Lupus</Disease> .", [SECOND], "EXTRACTED"),
    (f"{MARKED}\n{TEXT}", [SECOND], "EXTRACTED"),
    (f"{TEXT.replace('mice', '<Disease>mice')}\n{TEXT}", [], "REPAIRED"),
    ("\n".join([MARKED, *[TEXT] * 7]), [SECOND], "EXTRACTED"),
    ("\n".join([MARKED, *[TEXT] * 8]), [], "EXTRACTED"),
    # small changes of the text
    (MARKED.replace(" .", "."), [SECOND], "EXTRACTED"),
    (MARKED.upper(), [SECOND], "EXTRACTED"),
    (MARKED.replace("> and <", ">\nand\n<").replace(" and ", "\nand "), [SECOND], "EXTRACTED"),
    (MARKED.replace("hereditary ", ""), [SECOND], "REPAIRED"),
    (MARKED.replace("hereditary", "heriditary familial"), [SECOND], "REPAIRED"),
    (MARKED.replace("breast", "brest"), [SECOND], "REPAIRED"),
    (MARKED.replace("cancer</", "cancers</"), [SECOND], "REPAIRED"),
    (MARKED.replace("cancer</", "canc</"), [SECOND], "REPAIRED"),
    (MARKED.replace(" .", ""), [SECOND], "REPAIRED"),
    # tags in other words, spaces in them, brackets
    (MARKED.replace("Disease", "diseases"), [SECOND], "EXTRACTED"),
    (
        MARKED.replace("<Disease>", "< Disease > ").replace("</Disease>", " </Disease >"),
        [SECOND],
        "EXTRACTED",
    ),
    (
        MARKED.replace("<Disease>", '<entity type="Disease">').replace("/Disease", "/entity"),
        [SECOND],
        "REPAIRED",
    ),
    (MARKED.replace("<", "[").replace(">", "]"), [SECOND], "EXTRACTED"),
    # tags that are not as they should be
    (MARKED.replace("</Disease>", "<Disease>"), [SECOND], "REPAIRED"),
    (MARKED.replace("</Disease>", "</Gene>"), [SECOND], "REPAIRED"),
    (MARKED.replace("</Disease>", ""), [], "REPAIRED"),
    (MARKED.replace("<Disease>", ""), [], "REPAIRED"),
    (MARKED.replace("mice", "<Species>mice</Species>"), [SECOND], "REPAIRED"),
    (MARKED.replace("mice", "<b>mice</b>"), [SECOND], "REPAIRED"),
    (MARKED.replace("mice", "<Disease></Disease>mice"), [SECOND], "REPAIRED"),
    # what the sentence does not say
    (MARKED.replace("mice", "mice with <Disease>lupus</Disease>"), [SECOND, "lupus"], "REPAIRED"),
    (f"{MARKED} <Disease>None</Disease>", [SECOND], "REPAIRED"),
    (MARKED.replace("Disease>", "Illness>"), [], "REPAIRED"),
    (MARKED.replace("breast cancer and", "<Gene>breast cancer</Gene> and"), [FIRST, SECOND], "VALID"),
    (MARKED.replace("mice", "<b>mice</b> <Disease/>"), [SECOND], "REPAIRED"),
    (MARKED.replace("mice", "[Disease]mice[/Disease]"), [SECOND, (46, 50)], "EXTRACTED"),
    (f"<Disease>{TEXT}", [], "REPAIRED"),
    (MARKED.replace("hereditary", "<x>hereditary"), [SECOND], "REPAIRED"),
    (MARKED.replace("<Disease>", "<x><Disease>").replace("cancer</", "cancer</x></"), [SECOND], "REPAIRED"),
    (MARKED.replace("hereditary", "<x>here</y>ditary").replace("mice", "m</x>ice"), [SECOND], "REPAIRED"),
    (MARKED.replace("cancer</Disease> in mice", "cancer in mice</Disease>"), [(29, 50)], "VALID"),
    (f"{MARKED}\n```", [SECOND], "EXTRACTED"),
    (f"```\n\n{MARKED}\n\n```\nDone.", [SECOND], "EXTRACTED"),
    (f"Sentence: {TEXT}\nSentence: {TEXT}\nTagged: {MARKED}", [SECOND], "EXTRACTED"),
    (f"{MARKED} Sentence: Lupus .", [SECOND], "EXTRACTED"),
    (f"{TEXT}\n{MARKED}\nHere {{that}} is all.", [SECOND], "EXTRACTED"),
    (f"{TEXT} {{that is all}}", [], "EXTRACTED"),
    # no copy
    ("<Disease>breast cancer</Disease> <Disease>none</Disease>", ["breast cancer"], "REPAIRED"),
    ("<Disease>breast cancer</Disease> <Gene>p53", ["breast cancer"], "REPAIRED"),
    ("{'Disease': ['breast cancer']}", ["breast cancer"], "REPAIRED"),
    (f'{TEXT}\n{{"Disease": ["breast cancer"]}}', ["breast cancer"], "EXTRACTED"),
    (f'{MARKED}\n{{"Disease": ["mice"]}}', [SECOND], "EXTRACTED"),
    ("<Disease>breast cancer</Disease>", ["breast cancer"], "EXTRACTED"),
    ('{"Disease": ["breast cancer"]}', ["breast cancer"], "EXTRACTED"),
    ('{"Disease": []}', [], "EXTRACTED"),
    ("<Disease>...</Disease>", [], "FAILED"),
    ("<Disease>....</Disease>", [], "FAILED"),
    (f"Sentence: {TEXT}", [], "FAILED"),
    ("There is no disease in this sentence.", [], "FAILED"),
    ("", [], "FAILED"),
]


@pytest.mark.parametrize(("output", "wanted", "level"), VECTORS)
def test_an_answer_is_read_as_a_careful_person_would(output, wanted, level):
    assert spans(output) == wanted
    parsed = parse_tagged(output, TEXT, TYPES)
    assert (parsed.level.name, parsed.cut, parsed.ambiguous) == (level, False, False)


@pytest.mark.parametrize(
    ("end", "wanted"),
    [
        ("<Disease>breast can", [WHOLE]),
        ("<Disease>breast cancer</Dis", [WHOLE]),
        ("<Disease>breast cancer</Disease> in mi", [WHOLE, SECOND]),
        ("<Disease>breast cancer</Disease> in <", [WHOLE, SECOND]),
    ],
)
def test_an_answer_that_stops_early_is_cut_and_what_it_has_is_kept(end, wanted):
    output = disease(WHOLE).removesuffix("breast cancer in mice .") + end
    parsed = parse_tagged(output, TEXT, TYPES)
    assert spans(output) == wanted
    assert (parsed.level, parsed.cut) == (Level.REPAIRED, True)
    again = parse_tagged(f"{MARKED}\n{output}", TEXT, TYPES)  # no better than the whole one before it
    assert [m.start for m in again.mentions] == [29] and not again.cut


def test_thinking_that_never_ends_is_a_failed_answer():
    parsed = parse_tagged(f"<think>{MARKED}", TEXT, TYPES)
    assert (parsed.level, parsed.cut, parsed.mentions) == (Level.FAILED, True, ())


def test_of_copies_that_differ_the_last_one_counts():
    parsed = parse_tagged(f"{disease(FIRST)}\nCorrected:\n{MARKED}", TEXT, TYPES)
    assert [m.start for m in parsed.mentions] == [29] and parsed.ambiguous


def test_what_the_sentence_has_between_angle_brackets_is_text():
    text = "p < 0.05 , <sup>2</sup> and n > 3 in ataxia ."
    start = text.index("ataxia")
    entity = Entity(start, start + 6, "Disease")
    parsed = parse_tagged(tagged(text, [entity]), text, TYPES)
    assert [(m.start, m.end) for m in parsed.mentions] == [(start, start + 6)]
    assert parsed.level is Level.VALID
    assert spans("p < 0.05 , <sup>2</sup> and n > 3 in <Disease>ataxia</Disease>", text) == [
        (start, start + 6)
    ]
    assert parse_tagged("p < 0.05", "p < 0.05 .", TYPES).level is Level.REPAIRED


def test_json_that_the_sentence_holds_is_no_answer():
    text = 'It wrote {"Disease": ["ataxia"]} of mice .'
    parsed = parse_tagged(f"Tagged: {text}", text, TYPES)
    assert (parsed.mentions, parsed.level) == ((), Level.EXTRACTED)


def test_a_span_has_no_white_space_at_its_ends():
    assert spans("in<Disease> ataxia </Disease>.", "in ataxia .") == [(3, 9)]


def test_prose_that_has_the_words_of_a_short_sentence_is_no_copy():
    for text in ("The 2 .", "I .", "There is none ."):
        assert (
            parse_tagged("I find that there is none of the 2 diseases in this sentence.", text, TYPES).level
            == 3
        )
        assert parse_tagged(f"Tagged: {text}", text, TYPES).level == 1
        assert parse_tagged(f"{text}\nThere is none of the diseases in it, I think.", text, TYPES).level == 1
    assert parse_tagged(" ".join([TEXT] * 9), TEXT, TYPES).level is Level.EXTRACTED


def test_a_sentence_without_words_or_without_anything():
    assert parse_tagged(" - ", "-", TYPES).level is Level.VALID
    assert parse_tagged("", "", TYPES).mentions == ()


@st.composite
def sentences(draw):
    """A text with entities of two types that lie beside, within or across each other."""
    words = draw(
        st.lists(st.sampled_from(["ataxia", "T", "cell", "-", "(", "p53", "Ünü", "<", "'"]), max_size=9)
    )
    text = " ".join(words)
    starts = [0] + [found.end() for found in re.finditer(" ", text)]
    ends = [found.start() for found in re.finditer(" ", text)] + [len(text)]
    entities = set()
    for _ in range(draw(st.integers(0, 4)) if words else 0):
        first, last = sorted(draw(st.tuples(*[st.integers(0, len(words) - 1)] * 2)))
        entities.add(Entity(starts[first], ends[last], draw(st.sampled_from(TYPES))))
    return Sentence("1", text, tuple(sorted(entities)))


def cross(a, b):
    return a.type == b.type and a.start < b.start < a.end < b.end


@given(sentences())
def test_any_gold_that_is_tagged_is_read_back(sentence):
    assume(not any(cross(a, b) for a in sentence.entities for b in sentence.entities))
    output = tagged(sentence.text, sentence.entities)
    parsed = parse_tagged(output, sentence.text, TYPES)
    assert {Entity(m.start, m.end, m.type) for m in parsed.mentions} == set(sentence.entities)
    assert len(parsed.mentions) == len(sentence.entities)
    if sentence.text:
        assert parsed.level is Level.VALID


WORDS = [
    "hereditary",
    "ataxia",
    "and",
    "the",
    "T",
    "cell",
    "lymphoma",
    "of",
    "older",
    "mice",
    "with",
    "ataxia",
]


@given(
    st.permutations(WORDS),
    st.integers(2, 8),
    st.integers(1, 2),
    st.sampled_from(["drop", "add", "letter", "case", "spaces", "quotes"]),
    st.data(),
)
def test_a_small_change_elsewhere_moves_no_span(words, first, length, change, data):
    """The words inside and beside the mention stay; one of the others changes."""
    before = " ".join(words[:first]) + " "
    entity = Entity(len(before), len(before) + len(" ".join(words[first : first + length])), "Disease")
    text = " ".join(words)
    others = [n for n in range(len(words)) if not first - 1 <= n <= first + length]
    chosen = data.draw(st.sampled_from(others))
    copied = [*words]
    copied[first] = f"<Disease>{copied[first]}"
    copied[first + length - 1] += "</Disease>"
    word = copied[chosen]
    copied[chosen] = {
        "drop": "",
        "add": f"{word} really",
        "letter": f"{word}s",
        "case": word.swapcase(),
        "spaces": f"  {word}\t",
        "quotes": f"“{word}”",
    }[change]
    assert spans(" ".join(copied), text) == [(entity.start, entity.end)]


@given(st.text(alphabet="<>/DiseaG [](){}.\n\"' `ataxia", max_size=120))
def test_any_output_gives_a_result(output):
    for text in ("", "a", TEXT):
        parsed = parse_tagged(output, text, TYPES)
        for mention in parsed.mentions:
            assert mention.type in TYPES
            if mention.start is not None:
                assert text[mention.start : mention.end] == mention.text
        assert not (parsed.mentions and parsed.level is Level.FAILED)


@pytest.mark.parametrize(
    "unit",
    ["<", "<Disease>", TEXT, f"{TEXT}\n", f"{MARKED}\n", "a ", "the , ", "Sentence: ", "</", "<a ", "{", "`",
     "\n", "<think>", "[Disease]", "breast cancer\n", "<Disease>breast</Disease> ", "Disease "],
)  # fmt: skip
def test_a_long_output_takes_no_long_time(unit):
    output = unit * (100_000 // len(unit))
    began = time.process_time()
    parse_tagged(output, TEXT, TYPES)
    assert time.process_time() - began < 2


def test_the_ceiling_of_the_sample_is_one_though_its_mentions_are_nested():
    corpus = corpora.get("bioner_sample")
    types = list(corpus.types)
    loaded = corpora.load("bioner_sample", "test").sentences
    assert any(a.overlaps(b) for s in loaded for a in s.entities for b in s.entities if a != b)
    for sentence in loaded:
        counts = judge(sentence, tagged(sentence.text, sentence.entities), types, form="tags").counts
        assert counts["strict"] == counts["gold"] == counts["predicted"]
        assert counts["valid"] == 1


def test_examples_of_the_page_are_read_as_it_says():
    page = (Path(__file__).parents[2] / "docs" / "METRICS.md").read_text(encoding="utf-8")
    table = next(part for part in page.split("\n\n") if part.startswith("| tagged output |"))
    rows = [row.strip("| ").rsplit(" | ", 2) for row in table.splitlines()[2:]]
    assert len(rows) == 10
    for output, mentions, level in rows:
        text = "mice with ataxia and severe ataxia ."
        found = [
            each if isinstance(each, str) else f"{each[0]}-{each[1]}"
            for each in spans(output.strip("`"), text)
        ]
        assert found == ([] if mentions == "none" else [mentions]), output
        assert parse_tagged(output.strip("`"), text, TYPES).level is Level[level.upper()], output
