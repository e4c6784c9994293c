"""Two systems side by side: what is compared, what is not, and what it says."""

import json

import pytest
from command_line import call, fails
from leaderboard_data import make_record

from bioner_bench.evaluation.bootstrap import compare as bootstrap
from bioner_bench.evaluation.scoring import scores
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.comparing import compare
from bioner_bench.schema import BenchmarkError

RESAMPLES = 200


def folder(tmp_path, *made):
    for record in made:
        records.write(record, tmp_path)
    return tmp_path / made[0]["system"]["name"]


def training(seed):
    recipe = {"name": "r", "seed": seed, "model": "m", "epochs": 1}
    return {
        "recipe": recipe,
        "data": {},
        "steps": 1,
        "seconds": 1.0,
        "hardware": "a CPU",
        "precision": "float32",
    }


@pytest.fixture
def sides(tmp_path):
    tasks = ("bioner_ncbi", "bioner_bc5cdr")
    good = folder(tmp_path, *(make_record("good", task, skill=0.9, clustered=True) for task in tasks))
    poor = folder(
        tmp_path,
        *(make_record("poor", task, skill=0.5, clustered=True) for task in tasks),
        make_record("poor", "bioner_bc2gm"),
    )
    return good, poor


def test_every_common_task_by_type_and_by_seen(sides):
    made = compare(*sides, resamples=RESAMPLES)
    assert (made.names, [on.task for on in made.tasks]) == (
        ("good", "poor"),
        ["bioner_bc5cdr", "bioner_ncbi"],
    )
    two, one = made.tasks
    recalls = ["strict_recall_seen", "strict_recall_unseen"]
    assert [each.score for each in two.details] == ["strict_f1_Chemical", "strict_f1_Disease", *recalls]
    assert [each.score for each in one.details] == recalls
    assert made.verdict() == (2, 0, 0)
    assert (one.sentences, one.documents) == (120, 24)
    assert made.left_out == ("only poor has bioner_bc2gm 0-shot",)
    a, b = (records.read(side / "bioner_ncbi-0-shot.json") for side in sides)
    tables = [records.counts_of(record) for record in (a, b)]
    test = bootstrap(scores(a["types"])["strict_f1"], *tables, a["documents"], RESAMPLES)
    assert (one.main.difference, one.main.p_value_uncorrected) == (test.difference, test.p_value)
    assert one.main.p_value >= one.main.p_value_uncorrected


def test_the_other_way_round_is_the_same_with_the_other_sign(sides):
    ours, theirs = compare(*sides, resamples=RESAMPLES), compare(*sides[::-1], resamples=RESAMPLES)
    assert theirs.verdict() == (0, 2, 0)
    assert [on.main.difference for on in ours.tasks] == [-on.main.difference for on in theirs.tasks]
    lower = compare(*sides, score="hallucination_rate", resamples=RESAMPLES)
    assert not lower.higher_is_better
    assert lower.verdict()[1] == 0


def test_training_seeds_are_one_system(tmp_path):
    made = [make_record("a", seed=seed, skill=0.9, training=training(seed)) for seed in (1, 2, 3)]
    on = compare(folder(tmp_path, *made), folder(tmp_path, make_record("b")), resamples=RESAMPLES).tasks[0]
    assert on.runs == (3, 1)
    mean = sum(record["scores"]["strict_f1"]["value"] for record in made) / 3
    assert on.main.a == pytest.approx(mean)


def test_setups_of_one_name_are_compared_and_the_last_of_each_side(tmp_path):
    a = folder(tmp_path, make_record("a"), make_record("a", shots=5))
    b = folder(tmp_path, make_record("b"), make_record("b", shots=5))
    c = folder(tmp_path, make_record("c", shots=2))
    assert [on.setups for on in compare(a, b, resamples=RESAMPLES).tasks] == [
        ("0-shot", "0-shot"),
        ("5-shot-seed-1234", "5-shot-seed-1234"),
    ]
    one = compare(a / "bioner_ncbi-0-shot.json", c, resamples=RESAMPLES).tasks[0]
    assert one.setups == ("0-shot", "2-shot-seed-1234")
    with pytest.raises(BenchmarkError, match="no task in common"):
        compare(a, c, resamples=RESAMPLES)


def test_what_each_side_alone_has_is_told_of_that_side(tmp_path):
    """Also of two versions of one system, which have one name."""
    old = folder(tmp_path / "old", make_record("a"), make_record("a", "bioner_bc2gm"))
    new = folder(tmp_path / "new", make_record("a"), make_record("a", "bioner_jnlpba"))
    made = compare(old, new, resamples=RESAMPLES)
    assert made.names == (str(old), str(new))
    assert made.left_out == (f"only {old} has bioner_bc2gm 0-shot", f"only {new} has bioner_jnlpba 0-shot")


def test_what_cannot_be_compared_is_said(tmp_path):
    a = folder(tmp_path, make_record("a"))
    old = folder(tmp_path, make_record("old", version="0.9"))
    with pytest.raises(BenchmarkError, match="other task version"):
        compare(a, old)
    with pytest.raises(BenchmarkError, match="2 systems"):
        compare(a, tmp_path)
    with pytest.raises(BenchmarkError, match="unknown score"):
        compare(a, a, "f1")


def test_predictions_and_samples_in_place_of_records_are_told_from_damaged_ones(tmp_path):
    for name in ("p.jsonl", "samples_bioner_ncbi_2026.jsonl", "bioner_ncbi-0-shot.jsonl.gz"):
        (tmp_path / name).write_text('{"text": "a"}\n' * 2)
        with pytest.raises(BenchmarkError, match=r"holds answers.* --predictions of a file"):
            compare(tmp_path / name, tmp_path / name)


def test_compare_on_the_command_line(sides):
    shown = call("compare", *sides).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "A is significantly better on 2, significantly worse on 0 of 2 tasks" in shown
    told = json.loads(call("compare", *sides, "--json").stdout)
    assert (told["systems"], told["better"], len(told["tasks"])) == (["good", "poor"], 2, 2)
    assert "no file or folder" in fails("compare", sides[0], "nothing")
