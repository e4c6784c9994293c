"""`bioner-bench check`: verdicts and exit codes."""

import json

import pytest
from leaderboard_data import make_record
from test_cli import call

from bioner_bench import records
from bioner_bench.regression import Outcome, check


def test_a_record_against_itself_passes():
    verdict = check(make_record(), make_record())
    assert verdict.outcome is Outcome.PASS
    assert verdict.comparison.difference == 0
    assert verdict.comparison.p_value == 1


def test_a_clear_drop_is_a_regression_and_its_reverse_is_not():
    good, bad = make_record(skill=0.8, sentences=400), make_record(skill=0.4, sentences=400)
    down, up = check(bad, good), check(good, bad)
    assert down.outcome is Outcome.REGRESSION
    assert "significantly worse" in down.reason
    assert up.outcome is Outcome.PASS
    assert "significantly better" in up.reason
    assert down.comparison.difference == -up.comparison.difference < 0


def test_a_drop_beyond_the_allowed_points_is_a_regression_even_if_chance_explains_it():
    old, new = make_record("a", skill=0.6, sentences=40), make_record("b", skill=0.58, sentences=40)
    verdict = check(new, old)
    if verdict.comparison.difference > 0:
        old, new = new, old
        verdict = check(new, old)
    assert verdict.outcome is Outcome.PASS
    points = -100 * verdict.comparison.difference
    assert check(new, old, max_drop=points - 0.01).outcome is Outcome.REGRESSION
    assert check(new, old, max_drop=points + 0.01).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "other",
    [
        make_record(version="2.0"),
        make_record(task="bioner_bc5cdr_disease"),
        make_record() | {"prompt_hash": "0" * 16},
        make_record() | {"sentence_hashes": [f"{i:012x}" for i in range(120)]},
    ],
)
def test_other_version_task_prompt_or_gold_cannot_be_compared(other):
    verdict = check(other, make_record())
    assert verdict.outcome is Outcome.INCOMPARABLE
    assert verdict.comparison is None


def test_a_partial_run_is_compared_on_the_common_sentences():
    old, new = make_record(sentences=200), make_record(sentences=200, evaluated=50)
    verdict = check(new, old)
    assert verdict.sentences == 50
    assert verdict.outcome is Outcome.PASS
    assert verdict.old == verdict.new


def test_a_score_that_should_be_low_regresses_upwards():
    old, new = make_record(skill=0.9, sentences=400), make_record(skill=0.2, sentences=400)
    assert check(new, old, score="hallucination_rate").outcome is Outcome.REGRESSION
    assert check(old, new, score="hallucination_rate").outcome is Outcome.PASS


def test_exit_codes_and_json(tmp_path):
    good = records.write(make_record(skill=0.8, sentences=300), tmp_path / "good")
    bad = records.write(make_record(skill=0.3, sentences=300), tmp_path / "bad")
    other = records.write(make_record(version="2.0", sentences=300), tmp_path / "other")
    assert "pass: the same" in call("check", good, "--against", good).stdout
    assert "regression: significantly" in call("check", bad, "--against", good, code=1).stdout
    assert "other task version: 1.0 against 2.0" in call("check", good, "--against", other, code=2).stdout
    (verdict,) = json.loads(
        call("check", tmp_path / "bad", "--against", tmp_path / "good", "--json", code=1).stdout
    )
    assert verdict["outcome"] == "regression"
    assert verdict["difference"] < verdict["difference_high"] < 0
    assert verdict["p_value"] < 0.05


def test_wrong_use_is_one_line(tmp_path):
    good = records.write(make_record(), tmp_path / "good")
    few = records.write(make_record(shots=5), tmp_path / "few")
    (tmp_path / "empty").mkdir()
    assert "holds no record" in call("check", good, "--against", tmp_path / "empty", code=2).stderr
    assert "cannot read" in call("check", good, "--against", tmp_path / "absent.json", code=2).stderr
    done = call("check", good.parent, "--against", few.parent, code=2)
    assert "compare two files instead" in done.stderr
    assert "unknown score" in call("check", good, "--against", good, "--score", "nope", code=2).stderr
