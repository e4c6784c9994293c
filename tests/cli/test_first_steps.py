"""What a new user meets: missing packages, cards outside of a checkout, a corpus of their own, scores."""

import json

import pytest
from command_line import call
from conftest import ROOT
from toy_corpus import write_toy_corpus

from bioner_bench.cli import main as cli
from bioner_bench.cli.extras import install_command
from bioner_bench.cli.results import highlight
from bioner_bench.harness import systems
from bioner_bench.schema import BenchmarkError, Entity


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch", "hf"),
        ("transformers.utils", "hf"),
        ("aiohttp", "api"),
        ("matplotlib", "leaderboard"),
        ("seqeval", "train"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(module, extra):
    line = cli._said(ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert line == f"error: No module named {module!r}; run: pip install 'bioner-bench[{extra}]'"


def test_a_module_of_no_extra_is_a_bug_and_lm_evals_own_advice_stands():
    assert install_command("bioner_bench.nothing") is None
    assert "a bug?" in cli._said(ModuleNotFoundError("No module named 'x'", name="x"))
    assert cli._said(ImportError("pip install lm-eval[vllm]")) == "error: pip install lm-eval[vllm]"


def test_cards_are_found_in_the_folder_and_then_in_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert systems.find("dictionary") == ROOT / "baselines/dictionary.yaml"
    own = tmp_path / "baselines/dictionary.yaml"
    own.parent.mkdir()
    own.write_text("system: dictionary\n")
    assert systems.find("dictionary").resolve() == own
    with pytest.raises(BenchmarkError, match="did you mean dictionary"):
        systems.find("dictionaries")


@pytest.mark.slow
def test_the_task_of_a_corpus_of_ones_own_is_found(tmp_path):
    environment = write_toy_corpus(tmp_path, ["Gene", "Plant"])
    (tmp_path / "tasks").rename(tmp_path / "entries/tasks")
    out, oracle = tmp_path / "out", ("--model", "bioner-oracle", "--tasks", "toy")
    done = call("run", *oracle, "--log_samples", "--output_path", out, cwd=tmp_path, **environment)
    assert "overrides existing task" not in done.stderr
    told = json.loads(call("score", out, "--json").stdout)
    assert (told["sentences"], told["strict_f1"]) == (4, 1)
    shown = call("score", out).stdout
    assert max(map(len, shown.splitlines())) <= 80
    for name in ("strict", "Plant", "macro", "strict_recall_unseen", "json_valid"):
        assert name in shown
    card = tmp_path / "card.yaml"
    card.write_text("system: oracle\ntitle: Oracle\nkind: reference\nrun:\n  model: bioner-oracle\n")
    added = call("leaderboard", "add", out, "--system", card, "--folder", tmp_path, **environment)
    assert added.stdout.strip() == str(tmp_path / "records/oracle/toy-0-shot.json")


def test_spans_are_in_brackets_so_that_a_pipe_shows_them():
    spans = [Entity(0, 13, "Disease"), Entity(0, 4, "Gene")]
    assert highlight("CFTR function", spans, ["Disease", "Gene"]).plain == "[Disease: [Gene: CFTR] function]"
    assert highlight("ataxia here", [Entity(0, 6, "Disease")], ["Disease"]).plain == "[ataxia] here"
