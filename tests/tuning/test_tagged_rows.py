"""Rows, selection and training where the answers are tagged text."""

import json
from pathlib import Path

import pytest
import yaml
from tiny_llm import write_llm

from bioner_bench import corpora
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.tag_reading import parse_tagged
from bioner_bench.harness import run_options, systems
from bioner_bench.harness.cards import read_card
from bioner_bench.leaderboard.card_check import check_card
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import llm_training
from bioner_bench.tuning.recipes import as_yaml, read_recipe
from bioner_bench.tuning.rows import rows_of
from bioner_bench.tuning.selection import select_rows
from bioner_bench.tuning.strategies import Choice


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recipe in `cards/`, its card, and the checkpoint that it trained in two steps."""
    folder = tmp_path_factory.mktemp("tagged")
    (folder / "cards").mkdir()
    base = write_llm(folder / "base")
    recipe = {
        "kind": "llm",
        "model": str(base),
        "train": ["bioner_sample"],
        "validation": [],
        "format": "tags",
    }
    recipe |= {
        "seed": 1,
        "epochs": 1,
        "steps": 2,
        "batch_size": 2,
        "learning_rate": 0.01,
        "precision": "float32",
    }
    recipe["select"] = {"strategy": "densest", "ratio": 0.5, "limit": 12}
    (folder / "cards" / "r").mkdir()
    (folder / "cards" / "r" / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "cards" / "tiny.yaml").write_text(
        "system: tiny\ntitle: Tiny\nkind: llm\nrecipe: r/tiny.yaml\ntrained_on: [bioner_sample]\n"
        "train_strategy: densest\ntrain_ratio: 0.5\nrun: {model: hf-prefix, apply_chat_template: true}\n"
    )
    llm_training.train(read_recipe(folder / "cards" / "r" / "tiny.yaml"), folder / "checkpoint")
    return folder


def test_a_row_asks_for_tags_and_its_target_has_them():
    sentences = corpora.load("bioner_sample", "train").sentences
    types = list(corpora.get("bioner_sample").types)
    for row, plain, sentence in zip(
        rows_of("bioner_sample", form="tags"), rows_of("bioner_sample"), sentences, strict=True
    ):
        assert row.messages[-1]["content"].endswith("\nTagged:")
        assert len(parse_tagged(row.target, sentence.text, types).mentions) == len(sentence.entities)
        assert (row.id, row.mentions, row.positive) == (plain.id, plain.mentions, plain.positive)


def test_selection_says_which_format_its_rows_have(tmp_path):
    kept = select_rows(["bioner_sample"], Choice(strategy="densest", limit=9), tmp_path, form="tags")
    report = json.loads((tmp_path / "report.json").read_text())
    types = corpora.get("bioner_sample").types
    assert report["format"] == "tags"
    assert report["prompt"] == {"bioner_sample": prompt.prompt_hash(types, form="tags")}
    written = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["target"] for row in written] == [row.target for row in kept]
    assert any("</" in row.target for row in kept)


def test_the_checkpoint_says_its_format_and_is_run_with_it(folder, monkeypatch):
    out = folder / "checkpoint"
    summary = json.loads((out / "training.json").read_text())
    assert summary["recipe"]["format"] == "tags"
    assert summary["prompt"] == {
        "bioner_sample": prompt.prompt_hash(corpora.get("bioner_sample").types, form="tags")
    }
    assert """--metadata '{"format": "tags"}'""" in (out / "README.md").read_text()
    assert "</" in (out / "selection" / "rows.jsonl").read_text()
    card = read_card(folder / "cards" / "tiny.yaml")
    given = ["--tasks", "bioner_sample", "--model_args", f"peft={out}"]
    chosen = systems.options(card, folder / "cards", run_options.read(given))
    assert chosen["metadata"] == {"format": "tags"}
    assert "--metadata format=tags" in run_options.command(chosen)


def test_a_run_of_it_in_json_is_not_of_its_card(folder):
    card = read_card(folder / "cards" / "tiny.yaml")
    training = json.loads((folder / "checkpoint" / "training.json").read_text())
    arguments = {"pretrained": str(folder / "base"), "peft": str(folder / "checkpoint")}
    given = (Path("results.json"), card, "hf-prefix", arguments, {}, training)
    check_card(*given, {"format": "tags"})
    with pytest.raises(BenchmarkError, match="its format is json, the card's is tags"):
        check_card(*given)


def test_a_finished_folder_is_found_again_and_the_other_format_is_another_run(folder):
    path = folder / "cards" / "r" / "tiny.yaml"
    recipe = read_recipe(path)
    before = (folder / "checkpoint" / "training.json").stat().st_mtime_ns
    llm_training.train(recipe, folder / "checkpoint")
    assert (folder / "checkpoint" / "training.json").stat().st_mtime_ns == before
    other = folder / "other.yaml"
    other.write_text(as_yaml(recipe).replace("format: tags", "format: json"))
    with pytest.raises(BenchmarkError, match="another recipe"):
        llm_training.train(read_recipe(other), folder / "checkpoint")


def test_an_unknown_format_is_one_line(folder, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text((folder / "cards" / "r" / "tiny.yaml").read_text().replace("format: tags", "format: xml"))
    with pytest.raises(BenchmarkError, match=r"format: 'xml' is not one of \['json', 'tags'\]"):
        read_recipe(path)
