"""The study: its plan, one whole run of a tiny model, and the report that its records give."""

import json
import re
from dataclasses import asdict, replace

import compare_scores
import pytest
import study
import study_report
import yaml
from conftest import ROOT
from leaderboard_data import make_record
from tiny_llm import write_llm

from bioner_bench.harness.cards import Card
from bioner_bench.leaderboard import records
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import checkpoints
from bioner_bench.tuning.recipes import LlmRecipe, Lora, as_yaml, read_recipe
from bioner_bench.tuning.rows import rows_of
from bioner_bench.tuning.score_files import Score
from bioner_bench.tuning.strategies import Choice, select


def test_the_committed_report_is_what_the_committed_records_give():
    assert study.REPORT.read_text() == study.report()


def test_every_run_has_a_record_and_every_recipe_can_be_read_again(tmp_path):
    plan = study.plan()
    assert len({run.record for run in plan}) == len(plan)
    assert {run.purpose for run in plan} == set(study_report.PURPOSES)
    for recipe in {run.recipe.name: run.recipe for run in plan if isinstance(run.recipe, LlmRecipe)}.values():
        # As a checkpoint keeps it, and as `bioner-bench train` would read it again.
        checkpoints.begin(tmp_path / recipe.name, recipe)
        assert read_recipe(tmp_path / recipe.name / "recipe.yaml") == recipe


def test_two_weak_models_are_compared_on_the_positives_that_both_scored(tmp_path):
    rows = rows_of("bioner_sample")
    positives = [row.id for row in rows if row.positive]
    for name, sign in (("one", 1), ("same", 1), ("other", -1)):
        values = {id_: 0.5 + sign * place / 100 for place, id_ in enumerate(positives)}
        values[positives[0]] = None if name == "other" else 1.5
        values |= {row.id: 0.1 for row in rows if not row.positive}
        scores = [asdict(Score(id_, value, 1.0, 1.0, 3)) for id_, value in values.items()]
        path = tmp_path / name / "ifd" / "bioner_sample.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in [{"weak_model": name}, *scores]))
    same = compare_scores.compare(tmp_path / "one", tmp_path / "same", "bioner_sample")
    assert (same["rank_correlation"], same["hardest_half_in_common"]) == (1.0, 1.0)
    assert (same["positives"], same["ifd_of_1_or_more"]) == (len(positives), [1, 1])
    other = compare_scores.compare(tmp_path / "one", tmp_path / "other", "bioner_sample")
    # All but the first, which both set aside, are in the opposite order.
    assert (other["rank_correlation"] < 0, other["hardest_half_in_common"]) == (True, 0.0)
    assert (other["positives"], other["ifd_of_1_or_more"]) == (len(positives), [1, 1])
    text = study_report.markdown(study.plan(), tmp_path / "no records", other)
    shown = f"{other['rank_correlation']:.3f}"
    assert f"one and that of other have a rank correlation of {shown}, and 0.0 % of" in text
    with pytest.raises(BenchmarkError, match="name a folder that `select` wrote"):
        compare_scores.compare(tmp_path / "one", tmp_path / "nothing", "bioner_sample")


@pytest.mark.parametrize("strategy", ["full", "hybrid-50", "random-50"])
def test_the_recipes_of_the_readme_are_those_of_the_study(strategy):
    name = f"smollm2-135m-ncbi-{strategy}"
    recipe = read_recipe(ROOT / "baselines" / "bioselecttune" / f"{name}.yaml")
    assert recipe in [run.recipe for run in study.plan() if run.card.system == name]


@pytest.mark.parametrize("strategy", study.STRATEGIES)
def test_rows_are_counted_as_they_are_selected(mirror, strategy):
    rows = rows_of("bioner_ncbi")
    scores = {row.id: Score(row.id, 0.5, 1.0, 1.0, 3) for row in rows}
    kept = select(rows, scores, strategy, 0.5, 1).kept
    assert study.rows_of(("bioner_ncbi",), strategy, 0.5) == len(kept)


def test_as_many_steps_are_as_many_as_the_whole_corpus_takes():
    (run,) = study.tuned("steps", ["ncbi"], "hybrid", 0.5, 1, same_steps=True)
    assert run.recipe.steps == run.recipe.evaluate_every == 678  # 5,424 rows in batches of 8
    assert run.card.system == "smollm2-135m-ncbi-hybrid-50-steps"


def tuned(strategy, skill, seed=1, purpose="epochs"):
    """A planned run and a made-up record of it."""
    runs = study.tuned(purpose, ["ncbi"], strategy, 0.5, seed, same_steps=purpose == "steps")
    run = runs[0]
    recipe = yaml.safe_load(as_yaml(run.recipe))
    training = {
        "recipe": recipe,
        "data": {"rows": 4000, "positives": 1500, "negatives": 2500},
        "steps": 500,
        "seconds": 60.0,
        "hardware": "a GPU",
        "precision": "bfloat16",
    }
    record = make_record(
        run.card.system,
        title=run.card.title,
        skill=skill,
        sentences=600,
        train_strategy=strategy,
        train_ratio=run.card.train_ratio,
        training=training,
    )
    return run, record


def report(folder, *made):
    for _, record in made:
        records.write(record, folder)
    return study_report.markdown([run for run, _ in made], folder)


@pytest.mark.parametrize(
    ("skills", "said"),
    [
        (
            {"hybrid": 0.9, "full": 0.4},
            "half of the positives beats all rows, as the paper claims",
        ),
        ({"hybrid": 0.4, "full": 0.9}, "does not beat all rows, it is worse"),
        ({"hybrid": 0.6, "full": 0.6}, "is not shown to beat all rows"),
        ({"hybrid": 0.9, "random": 0.4}, "beats a random half, so hardness matters"),
        ({"hybrid": 0.9, "random": 0.4}, "beats all rows is not measured"),
        ({"hybrid": 0.9}, "Not answered yet"),
    ],
)
def test_the_report_says_what_came_out(tmp_path, skills, said):
    assert said in report(tmp_path, *(tuned(strategy, skill) for strategy, skill in skills.items()))


def single_spaced(table):
    return re.sub(" +", " ", table)


def test_seeds_share_a_row_and_each_is_compared_with_its_own(tmp_path):
    made = [tuned(s, skill, seed) for s, skill in (("hybrid", 0.6), ("full", 0.6)) for seed in (1, 2)]
    text = report(tmp_path, *made)
    assert "2 comparisons; NCBI-disease, training seeds 1, 2)" in text
    text = single_spaced(text)
    assert text.count("| 1, 2 | 4,000 | 1,500 | 500 |") == 2
    assert text.count("all rows | epochs | 1 |") == text.count("all rows | epochs | 2 |") == 1


def test_a_record_of_another_recipe_is_refused(tmp_path):
    run, record = tuned("full", 0.5)
    records.write(record, tmp_path)
    changed = replace(run, recipe=replace(run.recipe, learning_rate=0.5))
    with pytest.raises(BenchmarkError, match="trained by another recipe than the plan's"):
        study_report.markdown([changed], tmp_path)


def test_only_what_all_comparisons_say_is_claimed(tmp_path):
    made = [tuned("hybrid", 0.9, 1), tuned("full", 0.4, 1), tuned("hybrid", 0.4, 2), tuned("full", 0.9, 2)]
    text = report(tmp_path, *made)
    assert "beats all rows in some comparisons only**" in text
    assert "significantly better in 1 and significantly worse in 1 of 2 comparisons" in text


def test_what_was_not_run_is_said(tmp_path):
    run, record = tuned("full", 0.5)
    records.write(record, tmp_path)
    missing, _ = tuned("hybrid", 0.5)
    text = study_report.markdown([run, missing], tmp_path)
    assert "Not run: 1 of 2 planned runs." in text


def test_a_run_trains_evaluates_and_records_and_goes_on_after_a_failure(tmp_path, monkeypatch):
    """All of it, with a tiny model on the sample."""
    base = write_llm(tmp_path / "base")
    recipe = LlmRecipe(
        name="tiny",
        model=str(base),
        train=("bioner_sample",),
        select=Choice("hybrid", 0.5, weak_model=str(base)),
        seed=1,
        epochs=1,
        batch_size=8,
        learning_rate=1e-3,
        precision="float32",
        lora=Lora(r=2),
    )
    card = Card("tiny", "Tiny", "llm", train_strategy="hybrid", train_ratio=0.5, trained_on=recipe.train)
    run = study.Run("epochs", card, "bioner_sample", recipe)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "RECORDS", tmp_path / "records")
    failing = replace(run, task="bioner_nothing")
    with pytest.raises(study.subprocess.CalledProcessError):
        study.carry_out(failing)
    trained = (tmp_path / "checkpoints" / "tiny-seed-1" / "training.json").stat().st_mtime_ns
    study.carry_out(run)
    assert (tmp_path / "checkpoints" / "tiny-seed-1" / "training.json").stat().st_mtime_ns == trained
    record = records.read(tmp_path / "records" / "tiny" / "bioner_sample-0-shot-training-seed-1.json")
    assert record["sentences"] == 76
    assert record["training"]["data"]["negatives"] > 0
    text = study_report.markdown([run], tmp_path / "records")
    assert "| Tiny | 0 | 1 |" in single_spaced(text)


SEEDS = "0-shot-training-seed-?"


def test_the_figures_in_the_readme_are_those_of_the_records():
    systems = {
        "untuned": ["smollm2-135m-instruct/0-shot", "smollm2-135m-instruct/5-shot-seed-1234"],
        "hardest half": [f"smollm2-135m-ncbi-hybrid-50{more}/{SEEDS}" for more in ("", "-3-epochs")],
        "random half": [f"smollm2-135m-ncbi-random-50/{SEEDS}"],
        "all rows": [f"smollm2-135m-ncbi-full/{SEEDS}"],
        "dictionary": ["dictionary/0-shot", f"minilm/{SEEDS}"],
    }
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for label, places in systems.items():
        (line,) = (line for line in lines if line.startswith("|") and line.endswith("|") and label in line)
        for place in places:
            system, variant = place.split("/")
            group = [
                records.read(path) for path in study.RECORDS.glob(f"{system}/bioner_ncbi-{variant}.json")
            ]
            assert study_report.averaged(group, "strict_f1") in line
