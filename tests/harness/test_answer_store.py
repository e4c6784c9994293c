"""Answers that are kept as they come: a killed run goes on, and ends as if nothing had happened."""

import json
import os
import signal
import sqlite3
import time
from importlib.metadata import PackageNotFoundError

import pytest
from command_line import call, fails, in_background
from lm_eval.api.model import CachingLM
from lm_eval_folder import from_lm_eval
from tiny_llm import write_llm

from bioner_bench.harness import answer_store
from bioner_bench.harness.answer_store import NAME, AnswerStore, fingerprint, keeping_answers
from bioner_bench.harness.cards import read_card
from bioner_bench.schema import BenchmarkError

CARD = "system: tiny\ntitle: Tiny\nkind: llm\nrun:\n  model: hf\n  model_args: {pretrained: "


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    return write_llm(tmp_path_factory.mktemp("llm"), seed=3)


def run(llm, out, batch_size, *more):
    model = f"pretrained={llm},dtype=float32"
    given = ["run", "--model", "hf-prefix", "--model_args", model, "--apply_chat_template", "--log_samples"]
    given += [
        "--tasks",
        "bioner_sample",
        "--limit",
        "40",
        "--output_path",
        out,
        "--batch_size",
        batch_size,
        "--device",
        "cpu",
    ]
    return [*map(str, given), *more]


def outcome(out):
    """What a run has written: samples, results, options; without times and names of files."""
    (results,) = out.rglob("results_*.json")
    (samples,) = out.rglob("samples_*.jsonl")
    found = json.loads(results.read_text())
    options = {name: value for name, value in found["config"].items() if name != "batch_size"}
    return samples.read_text(), found["results"], found["configs"], options


def kept(out):
    file = out / NAME
    if not file.exists():
        return 0
    with sqlite3.connect(file) as opened:
        try:
            return opened.execute("SELECT count(*) FROM answers").fetchone()[0]
        except sqlite3.OperationalError:  # its table is still to come
            return 0


@pytest.mark.slow
def test_a_killed_run_goes_on_and_its_record_is_that_of_an_undisturbed_one(llm, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    call(*run(llm, whole, 4))
    process = in_background(*run(llm, killed, 4))
    while kept(killed) < 8 and process.is_alive():
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    before = kept(killed)
    assert 8 <= before < 40
    assert not list(killed.rglob("results_*"))
    call(*run(llm, killed, 16))
    assert kept(killed) == 40
    assert outcome(killed) == outcome(whole)
    assert "use_cache" in outcome(whole)[3] and outcome(whole)[3]["use_cache"] is None
    card = tmp_path / "tiny.yaml"
    card.write_text(f"{CARD}{llm}}}\n  apply_chat_template: true\n")
    records = []
    for out in (whole, killed):
        (record,) = from_lm_eval(out, read_card(card))
        records.append({name: value for name, value in record.items() if name != "run"})
    assert records[0] == records[1]


def test_time_of_earlier_runs_counts_where_their_answers_are_taken(tmp_path):
    path = tmp_path / NAME
    first = AnswerStore(path, "a model")
    first["request"] = "answer"
    taken = time.monotonic() - first._start
    AnswerStore(path, "a model")["of another task"] = "answer"
    third = AnswerStore(path, "a model")
    assert third.earlier_seconds() == 0
    assert third["request"] == "answer"
    assert 0 < third.earlier_seconds() <= taken
    third["new"] = "answer"
    assert third["new"] == "answer"
    assert third.earlier_seconds() <= taken


def test_answers_of_another_model_or_of_a_fresh_run_are_not_given(tmp_path):
    path = tmp_path / "deep" / NAME
    AnswerStore(path, "a model")["request"] = ["a", 1]
    assert AnswerStore(path, "a model")["request"] == ("a", 1)
    assert "request" not in AnswerStore(path, "another model")
    fresh = AnswerStore(path, "a model", fresh=True)
    assert "request" not in fresh
    with pytest.raises(KeyError):
        fresh["request"]
    fresh["request"] = "new"
    assert fresh["request"] == AnswerStore(path, "a model")["request"] == "new"


def test_what_changes_answers_changes_the_fingerprint(llm, tmp_path):
    given = {"pretrained": str(llm), "dtype": "float32"}
    plain = fingerprint("hf-prefix", given)
    assert fingerprint("hf-prefix", given | {"batch_size": 8, "device": "cpu", "refill": False}) == plain
    assert fingerprint("hf", given) != plain
    assert fingerprint("hf-prefix", given | {"dtype": "bfloat16"}) != plain
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes(bytes(20 * 2**20))
    tuned = fingerprint("hf-prefix", given | {"peft": str(adapter)})
    with (adapter / "adapter_model.safetensors").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\1")
    assert plain != tuned != fingerprint("hf-prefix", given | {"peft": str(adapter)})
    (adapter / "README.md").write_text("Read me.")
    assert fingerprint("hf-prefix", given | {"peft": str(adapter)}) != tuned


@pytest.mark.parametrize("argument", ["pretrained", "peft", "delta", "tokenizer"])
def test_what_moved_on_the_hub_is_another_model(tmp_path, monkeypatch, argument):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    reference = tmp_path / "models--me--this" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("a" * 40)
    before = fingerprint("hf", {argument: "me/this"})
    reference.write_text("b" * 40)
    assert fingerprint("hf", {argument: "me/this"}) != before


def test_a_server_needs_no_transformers_and_its_end_of_text_counts(monkeypatch):
    known = answer_store.version

    def version(name):
        if name == "transformers":
            raise PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(answer_store, "version", version)
    ends = [
        fingerprint("local-chat-completions", {"model": "m", "eos_string": end}) for end in ("</s>", "##")
    ]
    assert ends[0] != ends[1]


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be one", bytes(4096)])
def test_a_store_that_is_something_else_is_one_line(llm, tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    said = fails(*run(llm, tmp_path, 4))
    assert NAME in said and "delete the file" in said


def test_processes_share_a_file(tmp_path):
    class Model:
        rank = 0

        def set_cache_hook(self, hook):
            self.hook = hook

    with keeping_answers(lambda: "model") as stores:
        models = [Model(), Model()]
        for rank, model in enumerate(models):
            CachingLM(model, f"{tmp_path}/answers_rank{rank}.db")
        models[0].hook.add_partial("generate_until", ("prompt", {}), "answer")
        (request,) = (row[0] for row in stores[1]._file.execute("SELECT request FROM answers"))
        assert stores[1][request] == "answer"
    assert [path.name for path in tmp_path.iterdir()] == ["answers"]


def test_an_answer_that_is_no_json_is_refused(tmp_path):
    store = AnswerStore(tmp_path / NAME, "model")
    store._file.execute("INSERT INTO answers VALUES ('model', 'request', 'cos\nsystem', 1)")
    store._file.commit()
    with pytest.raises(BenchmarkError, match="cannot be kept"):
        store["request"]
