"""The study: its plan, its queue with a tiny model, what it claims, and the report that its records give."""

import json
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import method_figures
import pytest
import study
import study_claims
import study_hours
import study_picture
import study_plan
import study_queue
import study_report
import yaml
from command_line import BIN, call, forked
from conftest import ROOT
from leaderboard_data import make_record
from study_claims import CLAIMS, MARGIN, results
from tiny_llm import write_llm

from bioner_bench.evaluation.bootstrap import compare_runs, holm
from bioner_bench.evaluation.scoring import scores
from bioner_bench.harness.cards import Card, read_card
from bioner_bench.leaderboard import kept_answers, records
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import checkpoints
from bioner_bench.tuning.recipes import LlmRecipe, Lora, as_yaml, read_recipe
from bioner_bench.tuning.rows import rows_of
from bioner_bench.tuning.score_files import Score
from bioner_bench.tuning.strategies import Choice, select

RECORDS = ROOT / "leaderboards" / "records"


@pytest.mark.slow
def test_the_committed_report_is_what_the_committed_records_give(mirror):
    for path, text in study.report().items():
        assert path.read_text(encoding="utf-8") == text, path


@pytest.mark.slow
def test_every_run_has_a_record_of_its_own_and_every_recipe_can_be_read_again(tmp_path):
    plan = study_plan.plan()
    assert len({run.record for run in plan}) == len(plan)
    assert {run.part for run in plan} == set(study_plan.PARTS)
    recipes = {(run.recipe.name, run.recipe.seed): run.recipe for run in plan if run.recipe}
    for (name, seed), recipe in recipes.items():
        path = tmp_path / f"{name}-{seed}.yaml"
        path.write_text(as_yaml(recipe))
        assert read_recipe(path) == recipe


def test_development_sentences_choose_no_checkpoint_of_the_study():
    for run in study_plan.plan():
        if isinstance(recipe := run.recipe, LlmRecipe):
            once = recipe.epochs == 1 and recipe.evaluate_every == recipe.steps
            assert once or not recipe.validation, recipe.name


def test_every_claim_is_planned_with_three_seeds_on_both_sides():
    seeds = Counter(run.card.system for run in study_plan.plan() if run.task == study_claims.TASK)
    for claim in CLAIMS:
        for pair in claim.pairs:
            assert seeds[pair.one] == seeds[pair.other] == study_claims.ENOUGH, pair
    pairs = [pair for claim in CLAIMS for pair in claim.pairs]
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("part", ["steps", "three epochs"])
def test_a_seed_of_all_arms_comes_before_a_second_seed_of_one(part):
    seeds = [run.recipe.seed for run in study_plan.plan() if run.part == part]
    assert seeds == sorted(seeds)
    assert Counter(seeds) == dict.fromkeys((1, 2, 3), len(seeds) // 3)


@pytest.mark.parametrize("name", ["full", "hybrid-50", "random-50"])
def test_the_recipes_of_the_readme_are_those_of_the_study(name):
    system = f"smollm2-135m-ncbi-{name}"
    recipe = read_recipe(ROOT / "baselines" / "bioselecttune" / f"{system}.yaml")
    assert recipe in [run.recipe for run in study_plan.plan() if run.card.system == system]


def test_cards_and_recipes_that_the_queue_wrote_are_those_of_the_plan():
    first = {}
    for run in study_plan.plan():
        first.setdefault(run.card.system, run)
    for system, run in first.items():
        if isinstance(run.recipe, LlmRecipe) and system in study_plan.cards():
            path = ROOT / "baselines" / study_plan.cards()[system].recipe
            assert read_recipe(path) == run.recipe, system


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy", ["full", "hybrid", "random", "matched", "densest", "superfilter", "positives"]
)
def test_rows_are_counted_as_they_are_selected(mirror, strategy):
    rows = rows_of("bioner_ncbi")
    made = {row.id: Score(row.id, 0.5, 1.0, 1.0, 3) for row in rows}
    kept = select(rows, made, strategy, 0.5, 1).kept
    assert study_plan.rows_of(("bioner_ncbi",), strategy, 0.5) == len(kept)


def test_as_many_steps_are_as_many_as_the_whole_corpus_takes():
    (run,) = study_plan.tuned("steps", "hybrid", 1, equal_steps=True)
    assert run.recipe.steps == run.recipe.evaluate_every == 678  # 5,424 rows in batches of 8
    assert run.card.system == "smollm2-135m-ncbi-hybrid-50-steps"


def planned(system, seed=1):
    """The planned run of a system on NCBI-disease."""
    return next(
        run
        for run in study_plan.plan()
        if run.card.system == system and run.recipe.seed == seed and run.task == study_claims.TASK
    )


def made(system, skill, seed=1):
    """A planned run and a made-up record of it."""
    run = planned(system, seed)
    training = {
        "recipe": yaml.safe_load(as_yaml(run.recipe)),
        "data": {"rows": 4000, "positives": 1500, "negatives": 2500},
        "steps": 500,
        "seconds": 60.0,
        "hardware": "CPU, 1 threads",
        "precision": "bfloat16",
    }
    record = make_record(
        system,
        title=run.card.title,
        skill=skill,
        seed=seed,
        sentences=600,
        clustered=True,
        train_strategy=run.card.train_strategy,
        train_ratio=run.card.train_ratio,
        parameters=run.card.parameters,
        training=training,
    )
    return run, record


HYBRID, FULL = CLAIMS[0].pairs[0].one, CLAIMS[0].pairs[0].other
RANDOM = CLAIMS[1].pairs[0].other
SEEDS = (1, 2, 3)


def seeds_of(system, skill, seeds=SEEDS):
    return [made(system, skill, seed) for seed in seeds]


def report(folder, found):
    for _, record in found:
        records.write(record, folder)
    runs = [run for run, _ in found]
    return study_report.markdown(runs, folder, study.PICTURES, folder / "no.json")


def single_spaced(text):
    return re.sub(r"\s+", " ", text)


def test_seeds_and_documents_are_both_drawn_and_all_claims_are_one_family():
    systems = {
        HYBRID: [record for _, record in seeds_of(HYBRID, 0.7)],
        FULL: [record for _, record in seeds_of(FULL, 0.6)],
        RANDOM: [record for _, record in seeds_of(RANDOM, 0.65)],
    }
    found = results(systems)
    assert list(found) == [CLAIMS[0].pairs[0], CLAIMS[1].pairs[0]]
    family = sum(len(claim.pairs) for claim in CLAIMS)
    tests = []
    for result in found.values():
        sides = [systems[result.pair.one], systems[result.pair.other]]
        score = scores(sides[0][0]["types"])["strict_f1"]
        tables = [[records.counts_of(record) for record in side] for side in sides]
        tests.append(compare_runs(score, *tables, sides[0][0]["documents"]))
    assert [result.test for result in found.values()] == tests
    assert [result.p_value for result in found.values()] == holm([t.p_value for t in tests], family)
    assert all(result.one.seeds == SEEDS for result in found.values())
    values = [record["scores"]["strict_f1"]["value"] for record in systems[HYBRID]]
    assert found[CLAIMS[0].pairs[0]].one.value == pytest.approx(sum(values) / 3)


@pytest.mark.parametrize(
    ("skills", "said"),
    [
        ({HYBRID: 0.9, FULL: 0.4}, "**Yes**: at equal steps the hardest half beats all rows"),
        ({HYBRID: 0.4, FULL: 0.9}, "**No, it is worse**: at equal steps the hardest half is worse than"),
        ({HYBRID: 0.6, FULL: 0.6}, "**It is not shown to**: at equal steps the hardest half cannot be told"),
        ({HYBRID: 0.9, RANDOM: 0.4}, "at equal steps the hardest half beats a random half"),
        ({HYBRID: 0.9, RANDOM: 0.4}, "**Not answered yet**"),
        ({HYBRID: 0.9}, "**Not answered yet**"),
    ],
)
def test_the_answer_says_what_came_out(tmp_path, skills, said):
    found = [pair for system, skill in skills.items() for pair in seeds_of(system, skill)]
    assert said in single_spaced(report(tmp_path, found))


def test_that_two_are_as_good_is_a_finding_of_its_own(tmp_path):
    # The same answers under two names: nothing could be more alike.
    found = seeds_of(HYBRID, 0.7)
    for run, record in seeds_of(FULL, 0.7):
        twin = next(other for of, other in found if of.recipe.seed == run.recipe.seed)
        record["counts"], record["scores"] = twin["counts"], twin["scores"]
        found.append((run, record))
    tested = results(study_report.by_system(found))
    (result,) = tested.values()
    assert result.test.difference == 0
    assert result.test.margin < MARGIN or not result.equivalent
    text = single_spaced(report(tmp_path, found))
    assert ("is as good as" in text) == result.equivalent


def test_few_seeds_are_marked_and_counted_against_the_answer(tmp_path):
    text = report(tmp_path, [*seeds_of(HYBRID, 0.9, (1,)), *seeds_of(FULL, 0.4)])
    assert "beats °" in text
    assert "too few seeds" in single_spaced(text)
    assert "Fewer than 3 seeds on a side stand behind 1 of 1 comparisons above" in single_spaced(text)
    assert "1 seed " in text and "3 seeds" in text


def test_what_is_significant_alone_only_is_not_claimed_and_is_said(tmp_path, monkeypatch):
    found = [*seeds_of(HYBRID, 0.62), *seeds_of(FULL, 0.6)]
    (result,) = results(study_report.by_system(found)).values()
    # As if the one test had come out at 2 %.
    weak = replace(result, test=replace(result.test, p_value=0.02), p_value=0.24)
    monkeypatch.setattr(study_report, "results", lambda _: {result.pair: weak})
    text = single_spaced(report(tmp_path, found))
    assert "**It is not shown to**" in text
    assert "Taken alone 1 of them would be significant" in text


def test_a_record_of_another_recipe_is_refused(tmp_path):
    run, record = made(FULL, 0.5)
    records.write(record, tmp_path)
    changed = replace(run, recipe=replace(run.recipe, learning_rate=0.5))
    with pytest.raises(BenchmarkError, match="trained by another recipe than the plan's"):
        study_plan.record_of(changed, tmp_path)


def test_what_was_not_run_is_said_with_its_hours(tmp_path):
    run, record = made(FULL, 0.5)
    records.write(record, tmp_path)
    text = study_report.markdown([run, planned(HYBRID)], tmp_path, study.PICTURES, tmp_path / "no.json")
    # 60 s for 4,000 rows: 81 s for 678 steps of 8 rows; an evaluation of 600 sentences took 61.5 s.
    known = study_hours.rates([record], gpu=False)
    (hours,) = study_hours.hours([planned(HYBRID)], known)
    assert hours == pytest.approx((5424 * 60 / 4000 + 940 * 61.5 / 600) / 3600, rel=0.01)
    assert f"| NCBI-disease, equal steps | 1 | {hours:.0f} |" in single_spaced(text)


def test_a_checkpoint_of_several_runs_is_trained_once_and_unlike_models_are_scaled(tmp_path):
    known = study_hours.rates([made(FULL, 0.5)[1]], gpu=False)
    core = [run for run in study_plan.plan() if run.card.system == "smollm2-135m-core-full"]
    core = [run for run in core if run.recipe.seed == 1]
    first, *others = study_hours.hours(core, known)
    rows = study_plan.rows_of(core[0].recipe.train, "full", 1.0)
    assert first * 3600 == pytest.approx(rows * 60 / 4000 + 940 * 61.5 / 600, rel=0.01)
    assert sum(others) * 3600 == pytest.approx((2 * 4797 + 5038 + 10914 + 1111) * 61.5 / 600, rel=0.01)
    (small,) = study_hours.hours([planned(FULL)], known)
    (large,) = study_hours.hours([planned("qwen2.5-coder-0.5b-ncbi-full")], known)
    assert large == pytest.approx(small * 500 / 135)
    assert study_hours.hours([planned(FULL)], []) == [None]
    assert (
        study_hours.hours([planned(FULL)], known, {study.checkpoint_folder(planned(FULL).recipe)})[0] < small
    )


def test_the_picture_has_a_point_a_seed_and_a_line_a_strategy():
    found = [*seeds_of(HYBRID, 0.7), *seeds_of(FULL, 0.6), *seeds_of("smollm2-135m-ncbi-hybrid-50", 0.5)]
    drawn = study_picture.draw(found)
    assert drawn == study_picture.draw(found)
    assert {"all rows", "hardest (IFD)", "optimiser steps", "rows learned, each once"} <= set(
        re.findall(r">([^<>]+)</text>", drawn)
    )
    assert "random" not in re.findall(r">([^<>]+)</text>", drawn)


@pytest.mark.slow
def test_the_dry_run_shows_the_order_and_the_hours(mirror, capsys):
    assert study.main(["--dry-run", "--part", "three epochs", "--seed", "1"]) == 0
    *lines, summary = capsys.readouterr().out.splitlines()
    assert [re.search(r"ncbi-(\w+)", line)[1] for line in lines] == ["full", *study_plan.RIVALS]
    assert re.match(r"\d of 5 runs have a record; the rest takes some \d+ hours", summary)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder where a queue can work, with a tiny model; the plan's cards and leaderboard are its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study_queue, "LEADERBOARD", tmp_path / "leaderboards")
    monkeypatch.setattr(study_plan.write_card, "__defaults__", (tmp_path / "baselines",))
    write_llm(tmp_path / "base")

    def run(words, stdout, env, **_):
        done = forked([BIN / "bioner-bench", *words[3:]], env)
        stdout.write(done.stdout + done.stderr)
        return done

    forks = SimpleNamespace(run=run, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)
    monkeypatch.setattr(study_queue, "subprocess", forks)  # as other tests call commands: it is faster
    return tmp_path


def tiny(strategy):
    """A run of a tiny model on the sample."""
    recipe = LlmRecipe(
        name=f"tiny-{strategy}",
        model="base",
        train=("bioner_sample",),
        select=Choice(strategy, 0.5, weak_model="base" if strategy == "matched" else None),
        seed=1,
        epochs=1,
        batch_size=8,
        learning_rate=1e-3,
        precision="float32",
        lora=Lora(r=2),
    )
    card = Card(
        recipe.name,
        f"Tiny, {strategy}",
        "llm",
        train_strategy=strategy,
        train_ratio=0.5,
        trained_on=recipe.train,
        recipe=f"bioselecttune/{recipe.name}.yaml",
        run={
            "model": "hf",
            "model_args": {"dtype": "float32"},
            "apply_chat_template": True,
            "gen_kwargs": {"max_gen_toks": 16},
        },
    )
    return study_plan.Run("steps", card, "bioner_sample", recipe)


@pytest.mark.slow
def test_a_queue_goes_on_after_a_failure_and_adds_records_with_their_answers(workplace, monkeypatch):
    failing = study_plan.Run("systems", Card("broken", "A card that cannot be run", "llm"), "bioner_sample")
    good = tiny("matched")
    reports = []
    failed = study_queue.work([failing, good], 1, lambda: reports.append(1))
    assert (failed, reports) == ([failing], [1])
    place = good.record
    record = records.read(workplace / "leaderboards" / "records" / place)
    assert (record["sentences"], record["run"]["sentences_per_second"] > 0) == (76, True)
    assert record["training"]["recipe"]["select"]["strategy"] == "matched"
    answers = kept_answers.read(workplace / "leaderboards" / "answers" / kept_answers.place(record))
    assert kept_answers.digest(answers) == record["answers_sha256"]
    log = (workplace / "out/study/logs" / place.with_suffix(".log")).read_text()
    commands = re.findall(r"^\$ bioner-bench (\w+)", log, flags=re.MULTILINE)
    assert list(dict.fromkeys(commands)) == ["select", "train", "run"]
    noted = workplace / "out/study/failed" / failing.record.with_suffix(".txt")
    assert "broken cannot be run" in noted.read_text()
    # What has a record is not run again; what failed comes last.
    order = []
    again = replace(good, card=replace(good.card, system="tiny-matched-again"))
    monkeypatch.setattr(study_queue, "carry_out", lambda run, threads: order.append(run))
    assert study_queue.work([failing, good, again], 1) == []
    assert order == [again, failing]
    assert not noted.exists()
    # The checkpoint is made again by one command from its record.
    recipe = read_recipe(workplace / "leaderboards" / "records" / place)
    assert recipe == good.recipe
    assert checkpoints.begin(workplace / "checkpoints" / "tiny-matched-seed-1", recipe)


@pytest.mark.slow
def test_an_evaluation_that_was_killed_goes_on(workplace):
    run = tiny("full")
    study_queue.carry_out(run)
    record = workplace / "leaderboards" / "records" / run.record
    whole = records.read(record)
    record.unlink()
    # As a kill leaves it: some answers are kept, and there are no results yet.
    out = workplace / "out/study/lm-eval" / run.record.with_suffix("")
    shutil.rmtree(out)
    command = study_queue.evaluation(run, workplace / "baselines/tiny-full.yaml", out)
    call(*command, "--limit", 30)
    for path in [*out.rglob("results_*"), *out.rglob("samples_*")]:
        path.unlink()
    study_queue.carry_out(run)
    resumed = records.read(record)
    assert (
        "Cached requests: 30, Requests remaining: 46"
        in (workplace / "out/study/logs" / run.record.with_suffix(".log")).read_text()
    )
    assert resumed["counts"] == whole["counts"]
    assert resumed["answers_sha256"] == whole["answers_sha256"]
    assert resumed["run"]["sentences_per_second"] > 0


def test_written_cards_are_read_again(tmp_path):
    for run in {run.card.system: run for run in study_plan.plan()}.values():
        if isinstance(run.recipe, LlmRecipe):
            path = study_plan.write_card(run, tmp_path)
            assert read_card(path).trained_on == run.recipe.train
            assert (tmp_path / run.card.recipe).is_file()


def test_figures_of_the_method_are_written_between_their_marks(tmp_path):
    page = (ROOT / "docs" / "METHOD.md").read_text(encoding="utf-8")
    emptied = re.sub(r"(<!-- begin records -->\n).*?(<!-- end)", r"\1\2", page, flags=re.DOTALL)
    assert method_figures.filled(emptied, RECORDS, tmp_path / "no.json") == page
    assert method_figures.filled(emptied, tmp_path, tmp_path / "no.json") == emptied


def test_the_report_leads_to_what_is_known_of_ifd_while_no_scores_were_looked_at(tmp_path):
    said = study_report.ifd(tmp_path / "no.json", "no.svg")
    assert "(METHOD.md#what-it-does-to-ncbi-disease)" in said
    page = (ROOT / "docs" / "METHOD.md").read_text(encoding="utf-8")
    _, section = page.split("## What it does to NCBI-disease\n")
    assert "mentions a row" in section.split("\n## ")[0]


def test_every_checkpoint_that_a_record_names_has_its_recipe_in_the_record():
    # An encoder's is made by its family's recipe, which has a task and a seed as options.
    found = {path: records.read(path) for path in sorted(RECORDS.glob("smollm2-135m-ncbi-*/*.json"))}
    assert found
    for path, record in found.items():
        recipe = read_recipe(path)
        assert (recipe.name, recipe.seed) == tuple(record["training"]["recipe"][n] for n in ("name", "seed"))
        assert str(study.checkpoint_folder(recipe)) in record["run"]["command"]


def test_a_file_that_is_no_record_is_no_recipe(tmp_path):
    for content in ("{}", "[1]", "not json", json.dumps({"training": None})):
        (tmp_path / "record.json").write_text(content)
        with pytest.raises(BenchmarkError, match="no record of a model that was trained"):
            read_recipe(tmp_path / "record.json")
