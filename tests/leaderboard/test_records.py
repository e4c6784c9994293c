"""lm-eval's output -> records: what is kept, and what is refused."""

import json
import os
import re
import shlex
import shutil
import sys
import types
import typing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from command_line import call, fails
from conftest import ROOT
from leaderboard_data import make_record
from lm_eval_folder import edit, edit_all, from_lm_eval

from bioner_bench import corpora
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.scoring import scores, tabulate, total
from bioner_bench.harness import run_options
from bioner_bench.harness.cards import read_card
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.lm_eval_output import task_version
from bioner_bench.leaderboard.record_checks import gold_hashes, impossible
from bioner_bench.leaderboard.record_scores import gold_sha256, intervals
from bioner_bench.leaderboard.regression import check
from bioner_bench.schema import BenchmarkError, Entity, Sentence

CARD = ROOT / "baselines" / "bioner-garbage.yaml"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """The output of a real run, two tries of the same task in one folder."""
    folder = tmp_path_factory.mktemp("run")
    options = [
        "--model",
        "bioner-garbage",
        "--tasks",
        "bioner_sample",
        "--log_samples",
        "--output_path",
        folder,
    ]
    call("run", *options, "--num_fewshot", 2, "--apply_chat_template")
    return folder


@pytest.fixture(scope="module")
def without_shots(tmp_path_factory):
    """The output of a real run without demonstrations, and the same as if they had been `fixed`."""
    plain, fixed = (tmp_path_factory.mktemp(name) for name in ("plain", "fixed"))
    options = ["--model", "bioner-garbage", "--tasks", "bioner_sample", "--log_samples"]
    call("run", *options, "--output_path", plain)
    for path in [*plain.rglob("results_*.json"), *plain.rglob("samples_*.jsonl")]:
        shutil.copy(path, fixed / path.name.replace("_20", "_19"))  # earlier
    chosen = prompt.prompt_hash(corpora.get("bioner_sample").types, "fixed")
    edit(
        fixed,
        "results_*.json",
        lambda r: r["configs"]["bioner_sample"]["metadata"].update(
            demonstrations="fixed", prompt_hash=chosen
        ),
    )
    return plain, fixed


@pytest.fixture
def output(run_folder, tmp_path):
    return Path(shutil.copytree(run_folder, tmp_path / "out"))


def refused(output, said, **options):
    with pytest.raises(BenchmarkError, match=said) as caught:
        from_lm_eval(output, read_card(CARD), **options)
    assert "\n" not in str(caught.value)


def test_record_of_a_run_holds_its_scores_setup_and_provenance(output, tmp_path):
    (record,) = from_lm_eval(output, read_card(CARD))
    (results,) = (json.loads(path.read_text()) for path in output.rglob("results_*.json"))
    for name in scores(record["types"]):
        score = record["scores"][name]
        assert score["value"] == pytest.approx(results["results"]["bioner_sample"][f"{name},none"])
        assert score["low"] <= score["value"] <= score["high"]
    assert record["system"]["name"] == "bioner-garbage"
    assert (record["sentences"], record["partial"], record["rescored"]) == (76, False, False)
    assert record["setup"]["shots"] == 2
    assert record["run"]["versions"]["lm_eval"] == "0.4.13"
    assert record["run"]["command"].startswith("bioner-bench run --model bioner-garbage")
    assert record["setup"]["generation"]["until"] == []  # a chat ends with its turn
    path = records.write(record, tmp_path / "records")
    assert path == tmp_path / "records/bioner-garbage/bioner_sample-2-shot-seed-1234.json"
    assert records.read(path) == record
    sums = total(records.counts_of(record))
    assert sums["sentences"] == 76
    assert sums["gold"] == 230


def test_the_counts_survive_packing(output):
    from bioner_bench.evaluation import predictions

    (record,) = from_lm_eval(output, read_card(CARD))
    (samples,) = output.rglob("samples_*.jsonl")
    table = tabulate([item.counts for item in predictions.read(samples)])
    unpacked = records.counts_of(record)
    assert set(unpacked) == set(table)
    for column, values in table.items():
        assert (unpacked[column] == values).all(), column


def test_what_older_records_lack_is_nothing():
    record = make_record()
    counts = {name: value for name, value in record["counts"].items() if name != "ambiguous"}
    assert records.counts_of(record | {"counts": counts})["ambiguous"].tolist() == [0] * 120


def test_the_newest_of_several_runs_counts(output):
    first = from_lm_eval(output, read_card(CARD))
    for path in [*output.rglob("results_*.json"), *output.rglob("samples_*.jsonl")]:
        older = (
            path.name.replace("_2", "_1", 1)
            if path.suffix == ".json"
            else path.name.replace("sample_2", "sample_1")
        )
        shutil.copy(path, path.with_name(older))
    assert from_lm_eval(output, read_card(CARD)) == first


@pytest.mark.parametrize(
    ("other", "said"),
    [({"context": 1}, "there is no context"), ({"constrained": True}, "results_1.*held to another form")],
)
def test_a_run_of_another_setup_is_not_passed_over_for_a_newer_one(output, other, said):
    for path in [*output.rglob("results_*.json"), *output.rglob("samples_*.jsonl")]:
        before, _, time = path.name.rpartition("_2")
        shutil.copy(path, path.with_name(f"{before}_1{time}"))
    edit(output, "results_1*.json", lambda r: r["configs"]["bioner_sample"]["metadata"].update(other))
    refused(output, said)


@pytest.mark.parametrize(
    "text", ["metadata: {version: 2.0}", "metadata:\n    version: '2.0'", "include: common.yaml"]
)
def test_the_version_of_a_users_task_is_read_as_lm_eval_does(tmp_path, text):
    (tmp_path / "common.yaml").write_text("metadata:\n  version: 2.0\nclass: !function x.y\n")
    (tmp_path / "mine.yaml").write_text(f"task: mine\n{text}\nclass: !function no.Such\n")
    assert task_version("mine", str(tmp_path / "mine.yaml")) == "2.0"
    (tmp_path / "mine.yaml").write_text("task: [")
    with pytest.raises(BenchmarkError, match="mend the task's YAML"):
        task_version("mine", str(tmp_path / "mine.yaml"))


def test_without_demonstrations_it_says_nothing_how_they_would_be_chosen(without_shots):
    plain, fixed = (from_lm_eval(folder, read_card(CARD))[0] for folder in without_shots)
    assert fixed["setup"] == plain["setup"]
    assert fixed["prompt_hash"] == plain["prompt_hash"]
    assert fixed["run"]["command"] == plain["run"]["command"]
    assert check(fixed, plain).reason == "the same"


def test_two_runs_are_never_one_file(without_shots, output, monkeypatch):
    for number, folder in enumerate(without_shots):
        shutil.copytree(folder, output / str(number))
    made = from_lm_eval(output, read_card(CARD))
    places = [records.place(record) for record in made]
    assert [place.name for place in places] == [
        "bioner_sample-0-shot.json",
        "bioner_sample-2-shot-seed-1234.json",
    ]
    monkeypatch.setattr(records, "variant", lambda record: "any")
    refused(output, "two runs of bioner_sample whose records would both be bioner-garbage/bioner_sample-any")


def test_a_run_that_computed_no_scores_is_told_from_a_changed_one(output):
    def unscored(results):
        results["results"]["bioner_sample"] = {"bypass,none": 999, "bypass_stderr,none": "N/A"}

    scored = from_lm_eval(output, read_card(CARD))
    edit(output, "results_*.json", unscored)
    names = scores(corpora.get("bioner_sample").types)
    edit_all(output, lambda sample: [sample.pop(name) for name in names] and sample.update(bypass=999))
    refused(output, r"computed no scores \(--predict_only\); --rescore counts them")
    (record,) = from_lm_eval(output, read_card(CARD), rescore=True)
    assert record["counts"] == scored[0]["counts"]


def test_one_changed_answer_is_refused_unless_rescored(output):
    def change(sample):
        made_up = '{"Disease": ["a made-up disease"], "Chemical": [], "Gene": []}'
        sample.update(filtered_resps=[made_up], resps=[[made_up]])

    path = edit(output, "samples_*.jsonl", change)
    refused(output, f"{path.name}:3: the answer counts .* the file was changed")
    (record,) = from_lm_eval(output, read_card(CARD), rescore=True)
    assert record["rescored"]


def test_each_column_of_counts_has_a_line_of_its_own(tmp_path):
    text = records.write(make_record(), tmp_path).read_text()
    names = [name for name, _ in json.loads(text, object_pairs_hook=list)]
    assert len(names) == len(set(names))
    assert text.count('"counts": {') == 1
    lines = text.split('"counts": {')[1].splitlines()
    columns = json.loads(text)["counts"]
    assert [line.split(":")[0].strip(' "') for line in lines[1 : 1 + len(columns)]] == list(columns)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["doc"].update(text=s["doc"]["text"] + " more"), "other text or gold"),
        (lambda s: s["doc"]["entities"].clear(), "other text or gold"),
        (lambda s: s.update(target="{}"), "the target is not"),
        (lambda s: s["arguments"]["gen_args_0"].update(arg_0="Find all diseases."), "the prompt is not"),
        (lambda s: s.update(doc_id=1), "not sentence 1 of the corpus"),
        (lambda s: s.update(doc_id=1000), "not a sample of lm-eval"),
        (lambda s: s.update(doc_id=s["doc_id"] - 76), "no place in the corpus"),
        (lambda s: s.update(doc_id=str(s["doc_id"])), "no place in the corpus"),
        (
            lambda s: s["arguments"]["gen_args_0"].update(
                arg_0=f"It is {s['target']}. {s['arguments']['gen_args_0']['arg_0']}"
            ),
            "other text around its turns",
        ),
        (lambda s: s.pop("filtered_resps"), "not a sample of lm-eval"),
        (lambda s: s.update(filtered_resps=[["a"]]), "not a string"),
    ],
)
def test_samples_that_do_not_fit_the_task_are_refused(output, change, said):
    def remove_entities_or_change(sample):
        before = json.dumps(sample)
        change(sample)
        assert json.dumps(sample) != before

    edit(output, "samples_*.jsonl", remove_entities_or_change)
    refused(output, said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["versions"].update(bioner_sample=0.9), "version 0.9 .* at version 1.0"),
        (lambda r: r["configs"]["bioner_sample"]["metadata"].update(prompt_hash="0" * 16), "the prompt 0000"),
        (lambda r: r["results"]["bioner_sample"].update({"strict_f1,none": 0.99}), "strict_f1 is 0.99"),
        (lambda r: r["n-shot"].update(bioner_sample=5), "with 5 demonstrations"),
        (lambda r: r["config"].update(fewshot_seed=7), "the prompt is not"),
        (lambda r: r.update(configs={}), "no result of a task of this project"),
        (lambda r: r.pop("n-samples"), "not results of lm-eval as they were written"),
        (lambda r: r.pop("date"), "not results of lm-eval as they were written"),
    ],
)
def test_results_that_do_not_fit_are_refused(output, change, said):
    edit(output, "results_*.json", change)
    refused(output, said)


def test_cut_and_missing_files_are_refused(output, tmp_path):
    (samples,) = output.rglob("samples_*.jsonl")
    whole = samples.read_text()
    samples.write_text(whole[: len(whole) // 2])
    refused(output, "not JSON, a cut or changed file")
    samples.write_text("".join(line + "\n" for line in whole.splitlines()[:50]))
    refused(output, "50 sentences, but the run evaluated 76")
    samples.unlink()
    refused(output, "--log_samples")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no results_")


def test_secrets_and_folders_of_the_machine_stay_out(output):
    arguments = {
        "api_key": "sk-123",
        "hf_token": "hf-456",
        "pretrained": "/home/me/models/mine",
        "think_end_token": "</think>",
        "tokenizer": "org/tokenizer",
        "header": {"Authorization": "Bearer abc"},
        "extra": {"password": "pw-789"},
        "base_url": "http://me:pw-789@host:8000/v1?key=pw-789",
    }
    secrets = {"apiKey": "sk-123", "max_gen_toks": 5}
    edit(
        output,
        "results_*.json",
        lambda results: results["config"].update(model_args=arguments, gen_kwargs=secrets),
    )
    edit_all(output, lambda sample: sample["arguments"]["gen_args_0"]["arg_1"].update(secrets))
    options = {"gen_kwargs": {"apiKey": "sk-123"}, "model_args": arguments}
    card = replace(read_card(CARD), run={"model": "bioner-garbage"} | options)
    (record,) = from_lm_eval(output, card)
    assert record["setup"]["generation"]["apiKey"] == "***"
    assert "max_gen_toks=5" in record["run"]["command"]
    text = json.dumps(record)
    assert "sk-123" not in text and "hf-456" not in text and "/home/me" not in text
    assert "Bearer" not in text and "pw-789" not in text
    assert record["model"]["arguments"]["tokenizer"] == "org/tokenizer"
    assert record["model"]["arguments"]["base_url"] == "http://host:8000/v1"
    assert record["model"]["arguments"]["pretrained"] == "mine"
    assert record["model"]["arguments"]["think_end_token"] == "</think>"


@pytest.mark.slow
def test_a_limited_run_is_not_ranked(tmp_path):
    options = [
        "--model",
        "bioner-empty",
        "--tasks",
        "bioner_sample",
        "--log_samples",
        "--output_path",
        tmp_path,
    ]
    call("run", *options, "--limit", 10)
    add = [
        "leaderboard",
        "add",
        tmp_path,
        "--system",
        ROOT / "baselines/bioner-empty.yaml",
        "--folder",
        tmp_path,
    ]
    assert "10 of 76 sentences and cannot be ranked" in fails(*add)
    assert not (tmp_path / "records").exists()
    path = Path(call(*add, "--partial").stdout.strip())
    assert records.read(path)["partial"] is True
    whole = tmp_path / "whole"
    call("run", *options[:-1], whole)
    call("leaderboard", "add", whole, *add[3:])
    assert records.read(path)["partial"] is False
    (whole / "later").mkdir()
    limited = next(p for p in tmp_path.glob("*/results_*.json"))
    shutil.copytree(limited.parent, whole / "later" / "model")
    call("leaderboard", "add", whole, *add[3:])  # a whole run counts before a limited one
    assert "--replace overwrites" in fails("leaderboard", "add", limited.parent, *add[3:], "--partial")
    assert records.read(path)["partial"] is False


@pytest.mark.slow
def test_a_record_of_another_model_is_not_replaced_unasked(tmp_path):
    card = tmp_path / "mine.yaml"
    card.write_text("system: mine\ntitle: Mine\nkind: reference\n")
    add = ["--system", card, "--folder", tmp_path]
    for model in ("bioner-empty", "bioner-oracle"):
        options = ["--model", model, "--tasks", "bioner_sample", "--log_samples"]
        call("run", *options, "--output_path", tmp_path / model)
    path = Path(call("leaderboard", "add", tmp_path / "bioner-empty", *add).stdout.strip())
    call("leaderboard", "add", tmp_path / "bioner-empty", *add)
    assert "of another model" in fails("leaderboard", "add", tmp_path / "bioner-oracle", *add)
    assert records.read(path)["scores"]["strict_f1"]["value"] == 0
    call("leaderboard", "add", tmp_path / "bioner-oracle", *add, "--replace")
    assert records.read(path)["scores"]["strict_f1"]["value"] > 0.9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(kind="llm"), "its kind is reference, the card's is llm"),
        (lambda c: c["run"].update(model="encoder"), "its model is bioner-garbage, the card's is encoder"),
        (
            lambda c: c["run"].update(model_args={"pretrained": "org/b"}),
            "its pretrained is org/a, the card's is org/b",
        ),
    ],
)
def test_a_run_of_another_system_than_the_cards_is_refused(output, tmp_path, change, said):
    edit(output, "results_*.json", lambda r: r["config"].update(model_args={"pretrained": "org/a"}))
    card = yaml.safe_load(CARD.read_text())
    change(card)
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(BenchmarkError, match=said):
        from_lm_eval(output, read_card(tmp_path / "card.yaml"))


def test_the_command_of_a_record_can_be_run(output):
    def change(results):
        results["config"]["model_args"] = {"seed": 3, "chat_template_args": {"enable_thinking": False}}
        results["config"]["system_instruction"] = results["system_instruction"] = "It's a test."

    edit(output, "results_*.json", change)
    arguments = {"chat_template_args": {"enable_thinking": False}}
    card = replace(read_card(CARD), run={"model": "bioner-garbage", "model_args": arguments})
    (record,) = from_lm_eval(output, card)
    program, command, *given = shlex.split(record["run"]["command"])
    assert (program, command) == ("bioner-bench", "run")
    options = run_options.read(given)
    assert options["model_args"] == {"seed": 3, "chat_template_args": {"enable_thinking": False}}
    assert options["system_instruction"] == "It's a test."
    assert options["num_fewshot"] == 2


def test_runs_of_two_models_in_one_folder_are_not_mixed(output):
    (results,) = output.rglob("results_*.json")
    other = Path(shutil.copytree(results.parent, output / "other"))
    (copy,) = other.glob("results_*.json")
    value = json.loads(copy.read_text())
    value["config"]["model_args"] = {"seed": 7}
    value["n-shot"]["bioner_sample"] = 3
    copy.write_text(json.dumps(value))
    refused(output, "several models")


def test_prompts_that_chat_apis_are_sent_are_compared_too(output):
    def as_messages(sample):
        pieces = re.split(r"<(user|assistant)>\n", sample["arguments"]["gen_args_0"]["arg_0"])[1:]
        turns = [
            {"role": role, "content": text.removesuffix("\n")}
            for role, text in zip(pieces[::2], pieces[1::2], strict=True)
        ]
        sample["arguments"]["gen_args_0"]["arg_0"] = [json.dumps(turns)]

    edit_all(output, as_messages)
    assert len(from_lm_eval(output, read_card(CARD))) == 1


RECIPE = {"name": "r", "seed": 0, "model": "m", "epochs": 1}


def trained(record, **change):
    record["training"] = {
        "recipe": RECIPE,
        "data": {},
        "steps": 1,
        "seconds": 1.0,
        "hardware": "a",
        "precision": "fp32",
    } | change


def negate(record):
    record["counts"] = {
        column: [-value for value in values] if isinstance(values, list) else -values
        for column, values in record["counts"].items()
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.update(note="unknown"), "'note' was unexpected"),
        (lambda r: r["scores"]["strict_f1"].update(value=0.99), "strict_f1 is 0.99, but its counts give"),
        (lambda r: r["counts"].update({"strict/Disease": [1, 2]}), "strict/Disease is not 120 whole numbers"),
        (lambda r: r["counts"].update({"strict/Disease": ["a"] * r["sentences"]}), "not 120 whole numbers"),
        (lambda r: r["counts"].update({"strict/Disease": [[1], 2]}), "not 120 whole numbers"),
        (lambda r: r["counts"].pop("strict/Disease"), "no counts of"),
        (lambda r: r["counts"].pop("ambiguous"), "output_ambiguous is 0.0, but its counts give None"),
        (lambda r: r.update(schema_version=2), "schema_version"),
        (lambda r: r["system"].update(name="x\n"), "system.name"),
        (lambda r: r["system"].update(name="x" * 101), "system.name"),
        (lambda r: r.update(task="bioner_mine\n"), "task"),
        (lambda r: r["run"].update(date="2026-11-22T10:00:00Z\n"), "run.date"),
        (lambda r: r.update(samples_sha256="0" * 64 + "\n"), "samples_sha256"),
        (lambda r: r.update(task_version="1.0 | <b>"), "task_version"),
        (lambda r: r["scores"].update(ranked=r["scores"]["strict_f1"]), "unknown scores ranked"),
        (lambda r: r["scores"]["strict_f1"].update(low=0.99, high=1.0), "not in its interval"),
        (lambda r: r["scores"]["strict_f1"].update(high=1.5), "not in its interval|maximum"),
        (lambda r: r["scores"]["strict_f1"].update(low=float("nan")), "NaN is no number"),
        (lambda r: r.update(partial=True), "partial is True"),
        (lambda r: r.update(corpus_sentences=1), "partial is False, but the sizes say otherwise"),
        (lambda r: r.update(documents=["a"]), "1 documents of 120"),
        (lambda r: r.pop("gold_sha256"), "gold_sha256"),
        (lambda r: r.update(gold_sha256="0" * 64), "the gold 000000000000 is not that of bioner_ncbi"),
        (lambda r: r.update(sentences=10**9, corpus_sentences=10**9), "120 hashes of 1000000000 sentences"),
        (lambda r: r["sentence_hashes"].__setitem__(1, r["sentence_hashes"][0]), "a sentence is there twice"),
        (lambda r: r["sentence_hashes"].__setitem__(1, "<script>"), "twelve hexadecimal digits"),
        (lambda r: r["sentence_hashes"].__setitem__(1, {}), "twelve hexadecimal digits"),
        (lambda r: r["bootstrap"].update(unit="document"), "intervals by document, but documents"),
        (negate, "gold/Disease is not from 0 to 1,000,000"),
        (lambda r: r["counts"].update({"gold/Disease": 10**30}), "gold/Disease is not from 0 to 1,000,000"),
        (lambda r: r["counts"].update({"cut": True}), "cut: True is not of type"),
        (lambda r: r["counts"].update({"relaxed/Disease": 0}), "more strict than relaxed matches of Disease"),
        (lambda r: r["counts"].update({"gold/Disease": 0}), "more relaxed matches of Disease than gold"),
        (lambda r: r["counts"].update({"predicted/Disease": 0}), "matches of Disease than predicted"),
        (lambda r: r["counts"].update({"string_gold": 9}), "more distinct gold strings than gold mentions"),
        (lambda r: r["counts"].update({"string_gold": 0, "string": 0}), "gold mentions, but no gold string"),
        (lambda r: r["counts"].update({"string": 9}), "more string matches than gold strings"),
        (lambda r: r["counts"].update({"seen": 0, "seen_strict": 0}), "neither seen nor unseen"),
        (lambda r: r["counts"].update({"seen_strict": 9}), "more strict matches of seen mentions"),
        (lambda r: r["counts"].update({"hallucinated": 9}), "more mentions without a span"),
        (lambda r: r["counts"].update({"level": 7}), "no parse level from 0 to 3"),
        (lambda r: r["counts"].update({"level": 3}), "mentions than none in an unreadable answer"),
        (lambda r: r["counts"].update({"cut": 2}), "more cuts than one"),
        (lambda r: r["scores"]["strict_f1"].update(low=None), "of strict_f1 only a part is known"),
        (lambda r: r["scores"]["strict_f1"].update(low=None, high=None), "of strict_f1 only a part is known"),
        (lambda r: r["scores"]["strict_f1"].update(low=0.9, high=0.1), "not in its interval"),
        (lambda r: r["scores"].pop("strict_f1"), "strict_f1 is None, but its counts give 0"),
        (lambda r: r["scores"]["strict_f1"].update(high=None), "of strict_f1 only a part is known"),
        (lambda r: r["scores"]["strict_f1"].update(value=None), "strict_f1 is None, but its counts give 0"),
        (lambda r: r["system"].update(title="a\x1b[31m"), "the control character .* stands in a text"),
        (lambda r: r["model"].update(source="a\x07"), "the control character .* stands in a text"),
        (lambda r: r["run"].update(command="a\x07"), "the control character .* stands in a text"),
        (lambda r: r["setup"].update(system_instruction="\ud800"), "the control character U\\+D800"),
        (lambda r: r["setup"].update(generation={"until": ["\x1b"]}), "the control character U\\+001B"),
        (lambda r: r.update(split="\udfff"), "the control character U\\+DFFF"),
        (lambda r: r.update(documents=["a"] * 119 + ["\x1b"]), "the control character U\\+001B"),
        (lambda r: r["counts"].update({"\x1b": 0}), "the control character U\\+001B"),
        (lambda r: trained(r, recipe={"name": "r", "seed": 0, "model": "m"}), "'epochs' is a required"),
        (lambda r: trained(r, recipe=RECIPE | {"epochs": "many"}), "recipe.epochs: 'many' is not of type"),
        (lambda r: trained(r, recipe=RECIPE | {"steps": "many"}), "recipe.steps: 'many' is not of type"),
        (lambda r: trained(r, recipe=RECIPE | {"select": "str"}), "recipe.select: 'str' is not of type"),
        (lambda r: trained(r, data={"rows": [1]}), r"data.rows: \[1\] is not of type 'integer'"),
        (lambda r: r["setup"].update(shots=10**30), "setup.shots: 10+ is greater than the maximum"),
        (lambda r: r["setup"].update(fewshot_seed=10**30), "fewshot_seed: 10+ is greater than the maximum"),
        (lambda r: r.update(task_version="1" * 5000), "task_version: '1{100}"),
        (lambda r: r.update(partial=True, corpus_sentences=120), "partial is True, but the sizes"),
        (lambda r: r.update(corpus_sentences=121), "partial is False, but the sizes"),
        (lambda r: r.update(corpus_sentences=119, partial=True), "partial is True, but the sizes"),
        (lambda r: r.update(documents=["a"] * 119 + [None]), "a document without a name"),
        (lambda r: r.update(documents=["a"] * 120), "intervals by sentence, but documents say otherwise"),
        (lambda r: r["counts"].update({"gold/Disease": [0] * 119 + [-1]}), "is not from 0 to 1,000,000"),
        (lambda r: r["counts"].update({"gold/Disease": 1.0}), "not 120 whole numbers|not of type"),
    ],
)
def test_a_changed_record_is_refused(tmp_path, change, said):
    path = records.write(make_record(), tmp_path)
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(BenchmarkError, match=said):
        records.read(path)


def test_a_number_that_no_float_can_hold_is_refused(tmp_path):
    path = records.write(make_record(), tmp_path)
    for part, name in (("model", "arguments"), ("run", "sentences_per_second")):
        record = json.loads(path.read_text())
        record[part][name] = {"x": "HUGE"} if name == "arguments" else "HUGE"
        changed = tmp_path / "changed.json"
        changed.write_text(json.dumps(record).replace('"HUGE"', "1e999"))
        with pytest.raises(BenchmarkError, match=r"changed\.json: .*1e999 is too large a number"):
            records.read(changed)


NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", list: "array"}


def form_of_hint(hint):
    """What a type hint allows, in the words of JSON Schema."""
    form = {"type": set()}
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    for part in typing.get_args(hint) if union else [hint]:
        origin, inner = typing.get_origin(part), typing.get_args(part)
        if origin is typing.Literal:
            form["enum"] = set(inner)
            form["type"] |= {NAMES[type(value)] for value in inner}
            continue
        form["type"].add(NAMES.get(origin or part, "object"))
        if typing.is_typeddict(part):
            form["required"] = set(part.__required_keys__)
            form["properties"] = {
                key: form_of_hint(hint) for key, hint in typing.get_type_hints(part).items()
            }
        elif origin is list:
            form["items"] = form_of_hint(inner[0])
        elif origin is dict and inner[1] is not typing.Any:
            form["values"] = form_of_hint(inner[1])
    return form


def form_of_schema(node, definitions):
    """The same of a JSON Schema; keys of an open object are not ours to fix."""
    node = definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    choices = node.get("enum", [node["const"]] if "const" in node else [])
    kinds = [NAMES[type(choice)] for choice in choices] or node["type"]
    form = {"type": {kinds} if isinstance(kinds, str) else set(kinds)}
    if choices:
        form["enum"] = set(choices)
    if node.get("additionalProperties") is False:
        form["required"] = set(node["required"])
        form["properties"] = {
            key: form_of_schema(value, definitions) for key, value in node["properties"].items()
        }
    elif "additionalProperties" in node:
        form["values"] = form_of_schema(node["additionalProperties"], definitions)
    if "items" in node:
        form["items"] = form_of_schema(node["items"], definitions)
    return form


def test_the_types_of_a_record_are_its_json_schema():
    schema = records.validator().schema
    typed = form_of_hint(records.Record)
    for array in ("documents", "sentence_hashes"):  # one item a sentence: `read` checks them, which is faster
        del typed["properties"][array]["items"]
    del typed["properties"]["counts"]["values"]["items"]
    assert typed == form_of_schema(schema, schema["$defs"])


def test_a_score_just_outside_of_its_percentile_interval_is_taken(tmp_path):
    record = make_record()
    strict = record["scores"]["strict_f1"]
    strict.update(low=strict["value"] + 0.001, high=strict["value"] + 0.05)
    assert records.read(records.write(record, tmp_path))["scores"]["strict_f1"] == strict


def test_a_strict_match_written_otherwise_is_no_string_match():
    """So strict F1 can be 1 beside a lower string F1, and such a record is taken."""
    sentence = Sentence("1", "Ataxia is rare", (Entity(0, 6, "Disease"),))
    table = tabulate([judge(sentence, '{"Disease": ["ataxia"]}', ["Disease"], [True]).counts])
    assert (table["strict"][0], table["string"][0]) == (1, 0)
    assert impossible(table, ["Disease"]) is None


OF_ONE_SENTENCE = {
    **{"gold": 2, "predicted": 4, "strict": 2, "relaxed": 2, "string": 2, "string_gold": 2},
    **{"string_predicted": 3, "seen": 1, "unseen": 1, "seen_strict": 1, "unseen_strict": 1},
    **{"hallucinated": 1, "surplus": 1, "cut": 1, "ambiguous": 1},
    **{"valid": 0, "extracted": 0, "repaired": 1, "failed": 0},
}


ONE_IN_FAILED = {
    **{"predicted": 1, "predicted/Disease": 1, "string_predicted": 1, "hallucinated": 1, "surplus": 0},
    **dict.fromkeys(("strict", "relaxed", "strict/Disease", "relaxed/Disease", "string"), 0),
    **{"seen_strict": 0, "unseen_strict": 0, "repaired": 0, "failed": 1},
}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"strict/Disease": 3}, "more strict than relaxed matches of Disease"),
        ({"gold/Disease": 1}, "more relaxed matches of Disease than gold mentions"),
        ({"predicted/Disease": 1}, "more relaxed matches of Disease than predicted mentions"),
        ({"string_gold": 3}, "more distinct gold strings than gold mentions"),
        ({"string_predicted": 5}, "more distinct predicted strings than mentions"),
        ({"string": 3}, "more string matches than gold strings"),
        ({"string_predicted": 1}, "more string matches than predicted strings"),
        ({"seen": 2}, "more seen and unseen than gold mentions"),
        ({"unseen": 2}, "more seen and unseen than gold mentions"),
        ({"seen_strict": 2}, "more strict matches of seen mentions than seen mentions"),
        ({"unseen_strict": 2}, "more strict matches of unseen mentions than unseen mentions"),
        ({"strict": 1}, "more strict matches of seen and unseen mentions than strict matches"),
        ({"hallucinated": 2}, "more mentions without a span than unmatched ones"),
        ({"surplus": 2}, "more mentions without a span than unmatched ones"),
        ({"failed": 1}, "more mentions than none in an unreadable answer"),
        (ONE_IN_FAILED, "more mentions than none in an unreadable answer"),
        ({"cut": 2}, "more cuts than one"),
        ({"ambiguous": 2}, "more ambiguous answers than one"),
        ({"string": 0, "string_gold": 0}, "gold mentions, but no gold string"),
        (
            ONE_IN_FAILED | {"failed": 0, "repaired": 1, "string_predicted": 0},
            "predicted mentions, but no predicted string",
        ),
        ({"string": 0, "string_predicted": 0}, "predicted mentions, but no predicted string"),
        ({"seen": 0, "seen_strict": 0}, "gold mentions that are neither seen nor unseen"),
        ({"unseen": 0, "unseen_strict": 0}, "gold mentions that are neither seen nor unseen"),
        ({"repaired": 0}, "no parse level from 0 to 3"),
        ({"valid": 1}, "no parse level from 0 to 3"),
        ({"extracted": 1}, "no parse level from 0 to 3"),
    ],
)
def test_what_counts_cannot_be_is_said_with_the_sentence(changes, reason):
    one = OF_ONE_SENTENCE | {
        f"{column}/Disease": OF_ONE_SENTENCE[column] for column in ("gold", "predicted", "strict", "relaxed")
    }
    table = {column: np.array([value, (one | changes)[column]]) for column, value in one.items()}
    assert impossible(table, ["Disease"]) == (reason and f"sentence 2 has {reason}")


def test_of_a_corpus_without_a_training_split_nothing_is_seen(tmp_path):
    record = make_record("a", "bioner_nlmgene", known=False)
    assert records.read(records.write(record, tmp_path)) == record


def test_a_count_has_a_highest_value(tmp_path):
    record = make_record(sentences=2)
    for value, said in ((10**6, "more mentions without a span"), (10**6 + 1, "not from 0 to 1,000,000")):
        path = records.write(record | {"counts": record["counts"] | {"surplus": value}}, tmp_path)
        with pytest.raises(BenchmarkError, match=said):
            records.read(path)


@pytest.mark.slow
def test_the_pinned_gold_is_that_of_the_corpora(mirror):
    found = {task: gold_sha256(corpora.load(task, "test").sentences) for task in corpora.built_in()}
    assert gold_hashes() == found


def test_a_cut_record_is_refused_at_every_place(tmp_path):
    path = records.write(make_record(sentences=5), tmp_path)
    whole = path.read_text()
    for end in range(0, len(whole) - 2, 97):
        path.write_text(whole[:end])
        with pytest.raises(BenchmarkError, match="cannot read"):
            records.read(path)


def test_what_two_runs_of_one_record_have_in_common():
    """Which weights, recipe and setup: else one would take the place of the other."""
    record = make_record()
    given = {"pretrained": "w", "peft": "p", "delta": "d", "model": "m", "train": "t", "seed": 5}
    record["model"] |= {"source": "hf", "arguments": given, "sha": "abc"}
    common = ["hf", ["d", "m", "p", "w", "t"], "abc"]
    assert records.identity(record) == [*common, None, record["setup"]]
    recipe = {"name": "r", "seed": 1}
    assert records.identity(record | {"training": {"recipe": recipe}}) == [*common, recipe, record["setup"]]


def test_what_can_be_derived_is_not_kept():
    derived = {"gold", "predicted", "strict", "relaxed", "sentences", "negative", "negative_with_prediction"}
    assert not (derived | {"valid", "extracted", "repaired", "failed"}) & make_record()["counts"].keys()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices")
def test_a_record_is_a_regular_file_of_bounded_size(tmp_path):
    pipe, zero, large = tmp_path / "pipe.json", tmp_path / "zero.json", tmp_path / "large.json"
    os.mkfifo(pipe)
    zero.symlink_to("/dev/zero")
    with large.open("wb") as stream:
        stream.truncate(records.MAX_BYTES + 1)
    for path, said in ((pipe, "no regular file"), (zero, "no regular file"), (large, "more than 67,108,864")):
        with pytest.raises(BenchmarkError, match=f"{path.name} .*{said}"):
            records.read(path)


def test_a_record_is_an_object(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("[]")
    with pytest.raises(BenchmarkError, match="not a JSON object"):
        records.read(path)


def test_intervals_of_a_record_are_drawn_over_its_documents_if_all_are_named():
    sentence = Sentence("1", "ataxia", (Entity(0, 6, "Disease"),))
    outputs = ['{"Disease": ["ataxia"]}'] * 6 + ['{"Disease": ["mice"]}'] * 6
    table = tabulate([judge(sentence, output, ["Disease"]).counts for output in outputs])
    named = [f"{place // 3}" for place in range(12)]
    by_document = intervals(table, ["Disease"], named)
    by_sentence = intervals(table, ["Disease"], [None, *named[1:]])
    assert (by_document["bootstrap"]["unit"], by_document["documents"]) == ("document", named)
    assert (by_sentence["bootstrap"]["unit"], by_sentence["documents"]) == ("sentence", None)
    wide, narrow = (found["scores"]["strict_f1"] for found in (by_document, by_sentence))
    assert wide["value"] == narrow["value"] == 0.5
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"] + 0.1
