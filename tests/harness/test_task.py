"""The chain through lm-eval: reference models on every task, metrics, samples, a user's own corpus."""

import json
import logging

import described_once  # noqa: F401
import pytest
import yaml
from conftest import ROOT
from toy_corpus import write_toy_corpus

from bioner_bench import corpora
from bioner_bench.evaluation import predictions, scoring
from bioner_bench.evaluation.ceiling import ceiling
from bioner_bench.evaluation.confidence import ScoredText
from bioner_bench.evaluation.summary import summarise_judged
from bioner_bench.harness.task import BioNERTask, metric_list, stderr_aggregation

TASKS = sorted(path.stem for path in (ROOT / "bioner_bench" / "corpora").glob("*.yaml"))
REAL_TASKS = [task for task in TASKS if task != "bioner_sample"]


@pytest.fixture(scope="module")
def task_manager():
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(ROOT / "tasks"), include_defaults=False)


def evaluate(model, tasks, task_manager, **options):
    from lm_eval import simple_evaluate

    import bioner_bench.harness.lm_models  # noqa: F401

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    return simple_evaluate(model=model, tasks=tasks, task_manager=task_manager, bootstrap_iters=0, **options)


def metrics(results, task):
    return {
        key.removesuffix(",none"): value
        for key, value in results["results"][task].items()
        if key.endswith(",none")
    }


def test_oracle_reaches_the_format_ceiling_on_the_sample(task_manager):
    results = evaluate("bioner-oracle", ["bioner_sample"], task_manager)
    scores = metrics(results, "bioner_sample")
    assert scores["strict_f1"] == pytest.approx(ceiling("bioner_sample")["strict_f1"], abs=1e-12)
    assert scores["string_f1"] == 1
    assert scores["json_valid"] == 1
    assert scores["hallucination_rate"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("task", REAL_TASKS)
def test_oracle_reaches_the_published_ceiling_on_every_real_corpus(mirror, task):
    published = {
        "bioner_ncbi": 0.9969,
        "bioner_bc2gm": 0.9997,
        "bioner_bc5cdr": 0.9999,
        "bioner_jnlpba": 0.9924,
        "bioner_nlmgene": 0.9989,
        "bioner_nlmchem": 0.9955,
        "bioner_linnaeus": 0.9993,
    }
    found = ceiling(task)
    assert found["strict_f1"] >= 0.992
    assert found["relaxed_f1"] >= found["strict_f1"]
    if task in published:
        assert round(found["strict_f1"], 4) == published[task]
    assert ceiling(task, form="tags")["strict_f1"] == 1


@pytest.mark.slow
def test_lm_models_run_on_every_task(mirror, task_manager):
    """All tasks, through lm-eval, for the three models; the head of each test split, for time."""
    tasks = [*REAL_TASKS, "bioner_sample"]
    loaded = list(task_manager.load(tasks)["tasks"].values())
    oracle = evaluate("bioner-oracle", loaded, task_manager, limit=100, num_fewshot=2)
    empty = evaluate("bioner-empty", loaded, task_manager, limit=100)
    garbage = evaluate("bioner-garbage", loaded, task_manager, limit=100, model_args="seed=1")
    for task in tasks:
        best, silent, noise = (metrics(run, task) for run in (oracle, empty, garbage))
        assert best["strict_f1"] > 0.95
        assert silent["json_valid"] == 1
        assert silent["strict_recall"] == silent["strict_f1"] == silent["false_positive_rate"] == 0
        assert noise["strict_f1"] < 0.2
        assert 0.2 < noise["json_failed"] < 0.8
        assert sum(noise[f"json_{level.name.lower()}"] for level in scoring.Level) == pytest.approx(1)


@pytest.mark.slow
def test_every_score_is_printed_with_its_own_aggregation(task_manager):
    results = evaluate("bioner-garbage", ["bioner_sample"], task_manager, log_samples=True)
    printed = metrics(results, "bioner_sample")
    types = list(corpora.get("bioner_sample").types)
    assert {"strict_f1_macro", "relaxed_f1_macro", "strict_f1_Gene"} <= set(printed)
    assert set(scoring.scores(types)) <= set(printed)
    # A mean of sentence scores would give another figure than the counts of the whole corpus.
    samples = results["samples"]["bioner_sample"]
    assert len(samples) == 76
    for name, score in scoring.scores(types).items():
        summed = [sum(column) for column in zip(*(sample[name] for sample in samples), strict=True)]
        assert printed[name] == pytest.approx(float(score.formula(*summed)), abs=1e-12)


def test_standard_errors_of_f1_take_the_place_of_the_missing_ones(task_manager):
    printed = metrics(evaluate("bioner-garbage", ["bioner_sample"], task_manager), "bioner_sample")
    for name in ("strict_f1", "relaxed_f1", "string_f1"):
        assert 0 < printed[f"{name}_stderr"] < 0.1
    assert printed["strict_recall_stderr"] == "N/A"


def test_one_document_has_no_standard_error():
    error = stderr_aggregation(scoring.scores(["Disease"])["strict_f1"])
    rows = [(2, 3, 4), (1, 1, 1)]
    assert error([("a", *row) for row in rows]) == error([(None, *rows[0])]) == "N/A"
    assert all(
        error([(name, *row) for name, row in zip(names, rows, strict=True)]) > 0
        for names in ("ab", [None] * 2)
    )


@pytest.mark.slow
def test_group_is_the_unweighted_mean_of_its_corpora(mirror, task_manager):
    results = evaluate("bioner-garbage", ["bioner_ood"], task_manager, limit=300)
    members = ["bioner_nlmchem", "bioner_nlmgene"]
    for name in ("strict_f1", "json_valid", "hallucination_rate"):
        mean = sum(metrics(results, member)[name] for member in members) / 2
        assert results["groups"]["bioner_ood"][f"{name},none"] == pytest.approx(mean)


def test_scoring_the_samples_file_gives_lm_evals_figures(task_manager, tmp_path):
    results = evaluate("bioner-garbage", ["bioner_sample"], task_manager, log_samples=True)
    path = tmp_path / "samples_bioner_sample.jsonl"
    path.write_text(
        "".join(json.dumps(sample) + "\n" for sample in results["samples"]["bioner_sample"]), encoding="utf-8"
    )
    summary = summarise_judged(predictions.read(path), resamples=200)
    printed = metrics(results, "bioner_sample")
    for name in scoring.scores(list(corpora.get("bioner_sample").types)):
        assert summary[name] == pytest.approx(printed[name], abs=1e-12)


def test_metric_names_are_unique_and_complete_for_one_and_many_types():
    for types in (["Disease"], ["Chemical", "Disease"]):
        names = [metric["metric"] for metric in metric_list(types)]
        assert len(names) == len(set(names))
        assert {
            *("strict_f1", "strict_precision", "strict_recall"),
            *("relaxed_f1", "relaxed_precision", "relaxed_recall"),
            *("string_f1", "json_valid", "hallucination_rate"),
        } <= set(names)


def test_prompts_in_chat_and_plain_text(task_manager):
    task = task_manager.load(["bioner_sample"])["tasks"]["bioner_sample"]
    doc = task.test_docs()[0]

    def template(turns, add_generation_prompt):
        assert add_generation_prompt
        return json.dumps(turns)

    chat = {"apply_chat_template": True, "chat_template": template}
    turns = json.loads(task.fewshot_context(doc, 3, fewshot_as_multiturn=True, **chat))
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 3 + ["user"]
    assert turns[0]["content"].startswith("Find every mention")
    assert turns[-1]["content"] == f"Sentence: {doc['text']}\nJSON:"
    assert sum("Find every mention" in turn["content"] for turn in turns) == 1

    single = json.loads(task.fewshot_context(doc, 3, fewshot_as_multiturn=False, **chat))
    plain = task.fewshot_context(doc, 3)
    assert [turn["role"] for turn in single] == ["user"]
    assert single[0]["content"] == plain
    assert plain.endswith(f"Sentence: {doc['text']}\nJSON:")

    system = json.loads(task.fewshot_context(doc, 0, system_instruction="Be brief.", **chat))
    assert [turn["role"] for turn in system] == ["system", "user"]
    assert task.fewshot_context(doc, 0, system_instruction="Be brief.").startswith("Be brief.\n\nFind every")


def test_stop_string_is_for_plain_text_and_the_users_own_always_holds(task_manager):
    task = task_manager.load(["bioner_sample"])["tasks"]["bioner_sample"]
    doc = task.test_docs()[0]

    def until(**options):
        return task.construct_requests(doc, "x", metadata=("t", 0, 1), **options).arguments[1]["until"]

    assert until() == ["\n\n"]
    assert until(apply_chat_template=True) == []
    task.set_config("generation_kwargs", {"until": ["STOP"]}, update=True)
    assert until(apply_chat_template=True) == ["STOP"]


def test_a_changed_prompt_needs_a_new_task_version(task_manager, monkeypatch):
    monkeypatch.setattr(
        "bioner_bench.evaluation.prompt.instruction", lambda definitions, form: "Another instruction."
    )
    with pytest.raises(corpora.loading.BenchmarkError, match="new task version"):
        task_manager.load(["bioner_sample"])


@pytest.mark.parametrize("n_types", [1, 16])
def test_a_users_corpus_is_a_registry_entry_and_a_task_folder(n_types, tmp_path, monkeypatch):
    from lm_eval.tasks import TaskManager

    types = [f"Type{chr(65 + number)}" for number in range(n_types)]
    for name, value in write_toy_corpus(tmp_path, types).items():
        monkeypatch.setenv(name, value)
    assert "toy" in corpora.names()
    manager = TaskManager(include_path=str(tmp_path / "tasks"), include_defaults=False)
    scores = metrics(evaluate("bioner-oracle", ["toy"], manager, num_fewshot=1), "toy")
    assert scores["strict_f1"] == scores["relaxed_f1"] == 1
    assert ("strict_f1_TypeP" in scores) == (n_types == 16)


def test_without_training_data_nothing_is_known_of_seen_and_unseen(tmp_path, monkeypatch):
    from bioner_bench.harness.task import load_datasets

    for name, value in write_toy_corpus(tmp_path, ["Disease"]).items():
        monkeypatch.setenv(name, value)
    entry = tmp_path / "entries" / "toy.yaml"
    value = yaml.safe_load(entry.read_text())
    del value["files"]["train"]
    entry.write_text(yaml.safe_dump(value, sort_keys=False))
    splits = load_datasets("toy")
    assert list(splits) == ["test"]
    assert splits["test"][0]["entities"][0]["seen"] is None


def test_what_the_answer_was_made_to_begin_with_is_read_with_it(task_manager):
    from lm_eval.api.model import LM

    class Continues(LM):
        """Goes on with a beginning that names a chemical and opens the next list."""

        def __init__(self):
            super().__init__()
            self.asked = []

        def generate_until(self, requests, disable_tqdm=False):
            self.asked += [request.args[0] for request in requests]
            return [ScoredText(rest, [(rest, -0.5)]) for _ in requests]

        def loglikelihood(self, requests):
            raise NotImplementedError

        def loglikelihood_rolling(self, requests):
            raise NotImplementedError

    prefix, rest = '{"Chemical": ["aspirin"], "Disease": [', '"ataxia"], "Gene": []}'
    model = Continues()
    tasks = [{"task": "bioner_sample", "class": BioNERTask, "gen_prefix": prefix}]
    results = evaluate(model, tasks, task_manager, limit=3, log_samples=True)
    assert all(asked.endswith(prefix) for asked in model.asked)
    assert metrics(results, "bioner_sample")["json_valid"] == 1
    for sample in results["samples"]["bioner_sample"]:
        assert sample["filtered_resps"] == [prefix + rest]
        assert sample["answer_logprob"] == [(prefix, 0.0), (rest, -0.5)]
