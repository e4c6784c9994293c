"""The words that the parser knows: each is enough by itself."""

import json

import pytest

from bioner_bench.evaluation.brackets import UNREADABLE, Budget, groups
from bioner_bench.evaluation.parsing import Level, parse
from bioner_bench.evaluation.wording import match_synonym, match_type, says_none

ONE = ("Disease",)
WRAPPERS = """
    annotation answer data ent entity extractedentity extractedmention extraction finalanswer found
    item json label list mention name namedentity ner output prediction response result span tag
    term text token value word
"""
TEXTS = """
    text mention name span word value entity term surface phrase string surfaceform token literal
    exact content matchedtext matched_text match
"""
TYPES = """
    type label category entitytype entitygroup class entity tag nertag group semantictype
    entitylabel entitycategory entityclass kind annotationtype
"""
BESIDE = """
    a all and annotation answer bio biomedical detected entities entity entry extracted final form
    found identified in instance item list mention mentioned mentions name named names occurrence of
    output phrase present recognised recognized result sentence span specific string surface tag
    term text the value word
"""
SAID = (
    "none n/a null nil nothing empty undefined ... … - -- --- – — [] {} () "
    "not_applicable not_available [_] \"\" ''"
)


def read(value):
    parsed = parse(value if isinstance(value, str) else json.dumps(value), ONE)
    return [(mention.text, mention.start, mention.end) for mention in parsed.mentions], parsed.level


@pytest.mark.parametrize("key", WRAPPERS.split())
def test_an_empty_list_under_a_wrapper_is_an_answer(key):
    assert read({key: []}) == read({f"{key}s": []}) == ([], Level.EXTRACTED)


@pytest.mark.parametrize("key", ["Disease [MeSH]", "Disease (MeSH)", "[MeSH] disease"])
def test_what_stands_in_brackets_says_nothing_of_the_type(key):
    assert match_type(key, ONE) == "Disease"


@pytest.mark.parametrize("key", TEXTS.split())
def test_where_the_mention_is(key):
    assert read([{key: "ataxia", "type": "Disease"}]) == ([("ataxia", None, None)], Level.EXTRACTED)


@pytest.mark.parametrize("key", TYPES.split())
def test_where_the_type_is(key):
    assert read([{"text": "ataxia", key: "Disease"}]) == ([("ataxia", None, None)], Level.EXTRACTED)
    assert read([{"text": "ataxia", key: "Chemical"}])[0] == []


PLACES = """
    start-end startoffset-endoffset startchar-endchar startindex-endindex begin-end start-stop
    offset-end from-to
"""


@pytest.mark.parametrize("keys", PLACES.split())
def test_where_the_mention_begins_and_ends(keys):
    start, end = keys.split("-")
    assert read([{"text": "ataxia", "type": "Disease", start: 3, end: 9}])[0] == [("ataxia", 3, 9)]


@pytest.mark.parametrize("word", BESIDE.split())
def test_a_word_beside_a_type_says_nothing_more(word):
    assert match_type(f"disease {word}", ONE) == match_type(f"{word}_disease", ONE) == "Disease"


def test_other_names_of_types():
    known = {
        "Disease": "disorder illness Illnesses medicalcondition medical_conditions",
        "Chemical": "drug compound chemicalcompound medication chemicalsubstance",
        "Gene": "protein geneproduct",
        "Species": "organism taxon",
    }
    for type_, names in known.items():
        assert [match_synonym(name, tuple(known)) for name in names.split()] == [type_] * len(names.split())


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("Disease [all]", "Disease"),
        ("Diseases (all)", "Disease"),
        ("B-Disease", "Disease"),
        ("Gene and Protein", "Gene"),
        ("gene or protein", "Gene"),
        ("list of all of the diseases", "Disease"),
        ("the list of all of the diseases", None),  # seven words are a sentence
        ("cell line mentions", "cell_line"),
        ("CELL_LINE", "cell_line"),
        ("B-CELL_LINE", "cell_line"),
        ("disease".ljust(80), "Disease"),
        ("disease".ljust(81), None),
        ("β disease", None),
        ("skin disease", None),
        ("Gene/Disease", None),
    ],
)
def test_which_type_a_name_means(name, type_):
    assert match_type(name, ("Disease", "Gene", "cell_line")) == type_


def test_other_names_of_types_in_tags_and_of_any_length():
    names = ("B-Drug", "DRUGS", "drug".ljust(80), "drug".ljust(81))
    assert [match_synonym(name, ("Chemical",)) for name in names] == ["Chemical"] * 3 + [None]


@pytest.mark.parametrize(
    ("said", "none"),
    [
        ("none".ljust(100), True),
        (" " * 101, True),
        ("non-small cell lung cancer" * 5, False),
        ("No", True),
        ("no", True),
        ("No.", True),
        ("NO", False),
        ("NullX", False),
        ("no chemicals and diseases", True),
        ("No gene products or cell types.", True),
        ("none of those", True),
        ("None of the named entities", True),
        ("none here", True),
        ("no disease has been mentioned", True),
        ("none in the context", True),
        ("nothing found in this passage", True),
        ("there are no known diseases in the text above", True),
        ("no disease gene in mice", False),
        ("nothing but ataxia", False),
    ],
)
def test_none_in_words(said, none):
    assert says_none(said) is none


@pytest.mark.parametrize("said", SAID.split())
def test_a_word_for_none_is_no_mention(said):
    assert read({"Disease": [said.replace("_", " ")]})[0] == []


def test_an_answer_inside_a_bracket_that_cannot_be_read():
    assert read('["see {"Disease": ["ataxia"]}') == ([("ataxia", None, None)], Level.EXTRACTED)


@pytest.mark.parametrize("nothing", [None, False, 0, ""])
def test_a_value_for_nothing_is_an_answer(nothing):
    assert read({"Disease": nothing}) == ([], Level.EXTRACTED)
    assert read({"Disease": True}) == ([], Level.FAILED)


def test_what_is_spent_on_one_text_is_bounded():
    budget = Budget()
    assert [budget.rescan(10) for _ in range(6)] == [True] * 5 + [False]
    budget = Budget()
    assert [budget.rescan(size) for size in (60_000, 40_001, 40_000, 1)] == [True, False, True, False]
    assert not Budget().rescan(100_001)
    text = '{"Disease": ["a" "b"]}'
    budget = Budget()
    (read,) = groups(text, budget)
    assert budget.repairs == 20_000 - len(text) - 100
    assert read.value is not UNREADABLE
    assert [one.value is UNREADABLE for one in groups(text, Budget(repairs=len(text) - 1))] == [True]
    assert [one.value for one in groups(text, Budget(repairs=len(text)))] == [read.value]
