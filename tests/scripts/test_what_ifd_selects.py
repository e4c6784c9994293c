"""What IFD selects: the facts of score files, by hand and by tiny models that scored the sample."""

import json
import math
from dataclasses import asdict

import method_figures
import pytest
import study
import study_report
import what_ifd_selects
from command_line import call
from conftest import ROOT
from tiny_llm import write_llm

from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.rows import rows_of
from bioner_bench.tuning.score_files import Score

ROWS = rows_of("bioner_sample")
POSITIVES = [row for row in ROWS if row.positive]


def write_scores(folder, ifd, rows=ROWS):
    """A folder of `select` in which a row has this IFD."""
    path = folder / "ifd" / "bioner_sample.jsonl"
    path.parent.mkdir(parents=True)
    scores = [asdict(Score(row.id, ifd(row), 1.0, 1.0, 3)) for row in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in [{"weak_model": folder.name}, *scores]))
    return folder


def facts(*folders):
    return what_ifd_selects.facts([one for folder in folders for one in what_ifd_selects.read(folder)])


def test_ifd_that_counts_mentions_is_found_to_count_mentions(tmp_path):
    folder = write_scores(tmp_path / "counting", lambda row: 0.01 + row.mentions / 100)
    (fact,) = facts(folder)["scored"]
    assert fact["rank_correlation"]["mentions"] == 1.0
    assert fact["kept"]["mentions"] > fact["left_out"]["mentions"]
    tenths = fact["tenths"]["mentions"]
    assert tenths == sorted(tenths)
    mentions = sorted(row.mentions for row in POSITIVES)
    half = len(POSITIVES) - round(len(POSITIVES) / 2)
    assert fact["left_out"]["mentions"] == pytest.approx(sum(mentions[:half]) / half, abs=1e-4)
    assert (fact["positives"], fact["negatives"]) == (len(POSITIVES), len(ROWS) - len(POSITIVES))
    assert fact["ifd_of_negatives"] == [0.01, 0.01, 0.01]


def test_rare_and_repeated_mentions_are_those_of_the_training_split(tmp_path):
    (scored,) = what_ifd_selects.read(write_scores(tmp_path / "flat", lambda row: 0.5))
    found = what_ifd_selects.properties_of(scored)
    everything = [
        (type_, string.casefold())
        for row in ROWS
        for type_, strings in json.loads(row.target).items()
        for string in strings
    ]
    for row in POSITIVES:
        said = [(t, string.casefold()) for t, strings in json.loads(row.target).items() for string in strings]
        assert found["mentions"][row.id] == len(said)
        assert found["rare"][row.id] == pytest.approx(sum(everything.count(x) == 1 for x in said) / len(said))
        assert found["repeated"][row.id] == pytest.approx(1 - len(set(said)) / len(said))
    (fact,) = facts(tmp_path / "flat")["scored"]
    assert set(fact["rank_correlation"].values()) == {None}  # of scores that are all the same


def test_two_weak_models_are_compared_on_all_positives(tmp_path):
    place = {row.id: index for index, row in enumerate(POSITIVES)}

    def rising(row):
        return 0.5 + place.get(row.id, 0) / 100

    def falling(row):
        return None if row.id == POSITIVES[0].id else 1 - rising(row) / 2

    folders = [
        write_scores(tmp_path / "one", rising),
        write_scores(tmp_path / "same", rising),
        write_scores(tmp_path / "other", falling),
    ]
    pairs = {tuple(pair["weak_models"]): pair for pair in facts(*folders)["pairs"]}
    assert set(pairs) == {("one", "other"), ("one", "same"), ("other", "same")}
    same, other = pairs["one", "same"], pairs["one", "other"]
    assert (same["rank_correlation"], same["hardest_half_in_common"]) == (1.0, 1.0)
    assert other["rank_correlation"] == -1.0
    assert other["hardest_half_in_common"] <= 1 / round(len(POSITIVES) / 2)


@pytest.mark.slow
def test_new_facts_take_the_place_of_old_ones_and_the_files_are_the_same_again(tmp_path):
    one, other = (write_scores(tmp_path / name, lambda row: 0.5 - row.mentions / 50) for name in ("a", "b"))
    what_ifd_selects.write([one], tmp_path / "ifd")
    made = what_ifd_selects.write([other], tmp_path / "ifd")
    assert [fact["weak_model"] for fact in made["scored"]] == ["a", "b"]
    assert made["pairs"] == []  # of scores that were not read together
    both = what_ifd_selects.write([other, one], tmp_path / "ifd")
    before = [path.read_bytes() for path in sorted(tmp_path.glob("ifd.*"))]
    assert what_ifd_selects.write([one, other], tmp_path / "ifd")["scored"] == both["scored"]
    assert [path.read_bytes() for path in sorted(tmp_path.glob("ifd.*"))] == before
    assert len(before) == 3


def test_scores_that_are_not_whole_are_refused(tmp_path):
    cut = write_scores(tmp_path / "cut", lambda row: 0.5, ROWS[:10])
    with pytest.raises(
        BenchmarkError, match="no score of 14 of 24 rows; let `bioner-bench select` finish it"
    ):
        what_ifd_selects.read(cut)
    with pytest.raises(BenchmarkError, match="holds no scores"):
        what_ifd_selects.read(tmp_path / "nothing")


def test_rows_that_are_not_finite_are_the_hardest_and_never_kept(tmp_path):
    folder = write_scores(tmp_path / "odd", lambda row: None if row.id == POSITIVES[3].id else 0.5)
    (scored,) = what_ifd_selects.read(folder)
    assert scored.ifd(POSITIVES[3]) == math.inf
    (fact,) = facts(folder)["scored"]
    assert fact["positives_of_1_or_more"] == 1
    assert fact["hardest"][0] == POSITIVES[3].target
    assert fact["ifd_of_positives"] == [0.5, 0.5, None]


@pytest.mark.slow
def test_scores_of_real_models_become_tables_and_a_picture_of_the_study_and_the_method(tmp_path, monkeypatch):
    """As the queue does it, with two tiny models that score the sample."""
    for seed, name in enumerate(("smollm2-135m", "gemma3-270m")):
        model = write_llm(tmp_path / "models" / name, seed=seed)
        out = tmp_path / "out/study/scores" / name
        call("select", "--tasks", "bioner_sample", "--weak-model", model, "--out", out)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "SELECTED", tmp_path / "docs/study/ifd.json")
    study.write_selected()
    text = study_report.ifd(study.SELECTED, "study/ifd.svg")
    assert text.count("| mentions a row ") == 2
    assert "| gemma3-270m and smollm2-135m " in text
    assert "![What IFD selects](study/ifd.svg)" in text
    drawn = (tmp_path / "docs/study/ifd.svg").read_text()
    assert all(label in drawn for label in what_ifd_selects.PROPERTIES.values())
    # METHOD.md speaks of NCBI-disease, so the same facts under its name.
    made = json.loads(study.SELECTED.read_text())
    page = (ROOT / "docs/METHOD.md").read_text(encoding="utf-8")
    assert method_figures.filled(page, tmp_path, study.SELECTED) == page
    (fact,) = (fact for fact in made["scored"] if fact["weak_model"] == "smollm2-135m")
    fact["task"] = "bioner_ncbi"
    study.SELECTED.write_text(json.dumps(made))
    filled = method_figures.filled(page, tmp_path, study.SELECTED)
    assert f"Of the {fact['hybrid_positives']} positives that the hybrid keeps" in filled
    assert "0.253" in page and "0.253" not in filled
