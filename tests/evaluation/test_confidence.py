"""How sure a model was of each mention, and what its sure mentions alone score."""

import copy
import json
import math
from itertools import pairwise

import pytest
from command_line import call
from hypothesis import given
from hypothesis import strategies as st

from bioner_bench.evaluation.confidence import (
    ScoredText,
    calibration_error,
    mention_confidences,
    precision_at_coverage,
)

PIECES = [
    ('{"Disease": ["', -1.0),
    ("ata", -0.2),
    ("xia", -0.4),
    ('", "A -', -0.6),
    (" T", -0.8),
    ('"]}', -1.0),
]


@pytest.mark.parametrize(
    ("pieces", "strings", "wanted"),
    [
        (PIECES, ["ataxia"], [-0.3]),
        (PIECES, ["A-T"], [-0.7]),  # a token that holds a part of it counts whole
        (PIECES, ["A - T", "ATAXIA"], [-0.7, -0.3]),  # in any order, case and white space
        (PIECES, ["lupus", "ataxia"], [None, -0.3]),
        (
            [("a", -1.0), ("b", -2.0), ("a", -3.0)],
            ["a", "a"],
            [-1.0, -3.0],
        ),  # the second one is the second one
        ([("T and <Gene>", -1.0), ("T", -2.0), ("</Gene>", -3.0)], ["T"], [-2.0]),  # the one that is tagged
        ([('["5', -1.0), ('\\"-HT"]', -2.0)], ['5"-HT'], [-1.5]),  # escaped in JSON
        (
            [('["breast', -1.0), (' cancer"', -2.0), (', "cancer"]', -3.0)],
            ["breast cancer", "cancer"],
            [-1.5, -3.0],
        ),
        ([('{"DNA": [', -9.0), ('"DNA', -0.5), ('"]}', -0.1)], ["DNA"], [-0.5]),  # not the key
        ([("<Gene>T1<", -1.0), ("/Gene> <Gene>T", -2.0), ("</Gene>", -3.0)], ["T"], [-2.0]),
        ([("[ataxia", -1.0), (", lupus]", -2.0)], ["lupus", "ataxia"], [-2.0, -1.0]),  # without quotes
        ([("é", -1.0), ("ß", -3.0)], ["ß"], [-3.0]),
        ([("A", -1.0), ("A", -2.0), ("A", -3.0)], ["A", "A"], [-1.0, -2.0]),  # one right behind the other
        ([], ["ataxia"], [None]),
        (PIECES, [], []),
    ],
)
def test_a_mention_is_as_sure_as_its_tokens(pieces, strings, wanted):
    assert mention_confidences(pieces, strings) == [each and pytest.approx(each) for each in wanted]


def test_the_surest_mentions_alone():
    rows = precision_at_coverage(
        [-0.1, -0.5, None, -0.2], [True, False, True, True], 5, (1.0, 0.75, 0.5, 0.1)
    )
    assert [(row.share, row.mentions, row.least) for row in rows] == [
        (1.0, 4, None),
        (0.75, 3, -0.5),
        (0.5, 2, -0.2),
        (0.1, 1, -0.1),
    ]
    assert [row.precision for row in rows] == [0.75, 2 / 3, 1.0, 1.0]
    assert [row.recall for row in rows] == [0.6, 0.4, 0.4, 0.2]
    assert rows[0].f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)


def test_the_curve_goes_by_tenths():
    rows = precision_at_coverage([-float(n) for n in range(10)], [True] * 10, 10)
    tenths = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
    assert [(row.share, row.mentions) for row in rows] == [(share, round(10 * share)) for share in tenths]


def test_nothing_predicted_and_nothing_to_find():
    assert precision_at_coverage([], [], 3) == []
    (row,) = precision_at_coverage([-1.0], [False], 0, (1.0,))
    assert (row.precision, row.recall, row.f1) == (0, 0, 0)
    assert calibration_error([], []) is None and calibration_error([None], [True]) is None


def test_the_calibration_error_of_bins():
    sure, half = math.log(0.95), math.log(0.55)
    # One bin: mean probability .95, half are right; the other: .55, all are. Two mentions each.
    assert calibration_error(
        [sure, sure, half, half, None], [True, False, True, True, True]
    ) == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)
    assert calibration_error([0.0, 0.0], [True, True]) == 0
    # One that is certain is in the last of them.
    assert calibration_error([0.0, math.log(0.95)], [False, True]) == pytest.approx(0.475)
    assert calibration_error([math.log(0.85), math.log(0.95)], [False, True]) == pytest.approx(0.45)
    # There are ten of them: .905 and .99 are in one.
    assert calibration_error([math.log(0.905), math.log(0.99)], [True, False]) == pytest.approx(0.4475)


mentions = st.lists(st.tuples(st.none() | st.floats(-9, 0), st.booleans()), min_size=1, max_size=30)


@given(mentions, st.integers(0, 9))
def test_the_curve_ends_at_all_mentions_and_keeps_the_best(found, missed):
    confidences, correct = [c for c, _ in found], [hit for _, hit in found]
    gold = sum(correct) + missed
    rows = precision_at_coverage(confidences, correct, gold)
    assert rows[0].mentions == len(found)
    assert rows[0].precision == sum(correct) / len(found)
    for more, fewer in pairwise(rows):
        assert fewer.mentions <= more.mentions and fewer.recall <= more.recall
        assert more.least is None or (fewer.least is not None and fewer.least >= more.least)
    error = calibration_error(confidences, correct)
    assert error is None or 0 <= error <= 1


def test_a_scored_answer_is_its_text():
    text = ScoredText("ab", [("a", -1), ("b", -2.0)])
    assert text == "ab" and json.dumps(text) == '"ab"' and text.tokens == [("a", -1.0), ("b", -2.0)]
    assert copy.deepcopy(text).tokens == text.tokens  # by the protocol that processes send objects by


def test_score_prints_the_curve_where_answers_have_their_tokens(tmp_path):
    row = {"text": "ataxia and A - T", "types": ["Disease"]}
    row["gold"] = [{"start": 0, "end": 6, "type": "Disease"}]
    row |= {"output": "".join(piece for piece, _ in PIECES), "answer_logprob": PIECES}
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps(row))
    found = json.loads(call("score", path, "--json").stdout)["confidence"]
    assert found["coverage"][0]["precision"] == 0.5
    assert found["coverage"][-1] | {"least": 0} == {
        "share": 0.1, "mentions": 1, "least": 0, "precision": 1.0, "recall": 1.0, "f1": 1.0
    }  # fmt: skip
    assert "most confident" in call("score", path).stdout
    row["answer_logprob"] = PIECES[1:]
    path.write_text(json.dumps(row))
    assert "not those of the answer" in call("score", path, code=2).stderr
