"""`bioner-bench check`: verdicts and exit codes."""

import json

import pytest
from command_line import call
from leaderboard_data import make_record

from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.regression import Outcome, check


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


def test_folders_are_compared_system_by_system_and_nothing_is_lost(tmp_path):
    tasks = ("bioner_ncbi", "bioner_bc2gm")
    for task in tasks:
        records.write(make_record("good", task, skill=0.8, sentences=300), tmp_path / "old")
        records.write(make_record("poor", task, skill=0.2, sentences=300), tmp_path / "old")
        records.write(make_record("good", task, skill=0.8, sentences=300), tmp_path / "new" / "records")
    same = json.loads(call("check", tmp_path / "old", "--against", tmp_path / "old", "--json").stdout)
    assert [verdict["reason"] for verdict in same] == ["the same"] * 4
    lost = call("check", tmp_path / "new", "--against", tmp_path / "old", "--json", code=2)
    outcomes = [verdict["outcome"] for verdict in json.loads(lost.stdout)]
    assert sorted(outcomes) == ["incomparable"] * 2 + ["pass"] * 2
    # Of one system each, the name may differ: a new checkpoint against the accepted one.
    one = tmp_path / "one"
    records.write(make_record("candidate", "bioner_ncbi", skill=0.3, sentences=300), one)
    assert "regression" in call("check", one, "--against", tmp_path / "new", code=1).stdout


def test_a_score_that_is_not_known_cannot_be_compared():
    record = make_record()
    spans = record | {"counts": record["counts"] | {"seen": 0, "unseen": 0}}
    assert check(spans, record, score="strict_recall_seen").outcome is Outcome.INCOMPARABLE


def test_an_unforeseen_error_never_looks_like_a_regression(tmp_path, monkeypatch, capsys):
    from bioner_bench.cli import main as cli

    def broken(*_):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("bioner_bench.leaderboard.regression.check_all", broken)
    monkeypatch.setattr("sys.argv", ["bioner-bench", "check", "a", "--against", "b"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "error: RuntimeError: unforeseen" in capsys.readouterr().err


def test_wrong_use_is_one_line(tmp_path):
    good = records.write(make_record(), tmp_path / "good")
    few = records.write(make_record(shots=5), tmp_path / "few")
    (tmp_path / "empty").mkdir()
    assert "holds no record" in call("check", good, "--against", tmp_path / "empty", code=2).stderr
    assert "no file or folder" in call("check", good, "--against", tmp_path / "absent.json", code=2).stderr
    done = call("check", good.parent, "--against", few.parent, "--json", code=2)
    assert "holds no such run" in done.stdout
    assert "unknown score" in call("check", good, "--against", good, "--score", "nope", code=2).stderr
