"""One model of each family through the whole path: scored, tuned, and evaluated by the stock `lm_eval`."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import described_once  # noqa: F401
import lm_eval
import pytest
import torch
from eight_sentences import SENTENCES, write_eight
from families import FAMILIES, write_family
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from tiny_llm import load_llm
from transformers import AutoModelForCausalLM, AutoTokenizer
from verify_ifd import by_definition

from bioner_bench.corpora.registry import CORPORA_VARIABLE
from bioner_bench.models import packaged
from bioner_bench.models.chat import Chat
from bioner_bench.tuning import ifd, llm_training
from bioner_bench.tuning.recipes import LlmRecipe, Lora
from bioner_bench.tuning.rows import rows_of


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """The entries and the tasks of a corpus."""
    return write_eight(tmp_path_factory.mktemp("corpus"))


@dataclass(frozen=True)
class Model:
    name: str
    base: Path

    @property
    def chat(self):
        return Chat(AutoTokenizer.from_pretrained(self.base), FAMILIES[self.name].options)


@pytest.fixture(scope="module", params=list(FAMILIES))
def model(request, tmp_path_factory):
    """A model of a family."""
    return Model(request.param, write_family(request.param, tmp_path_factory.mktemp(request.param) / "base"))


def tune(model, out):
    """Adapters of it that have learned the eight rows by heart."""
    family = FAMILIES[model.name]
    recipe = LlmRecipe(
        name="eight",
        model=str(model.base),
        train=("eight",),
        validation=(),
        seed=1,
        epochs=family.epochs,
        evaluate_every=family.epochs,  # one checkpoint, at the end
        batch_size=8,
        learning_rate=family.learning_rate,
        schedule="cosine",
        precision="float32",
        lora=Lora(r=16, alpha=64),
        template=family.options,
    )
    return llm_training.train(recipe, out)


@pytest.fixture(autouse=True)
def _with_corpus(eight, _offline, monkeypatch):
    monkeypatch.setenv(CORPORA_VARIABLE, str(eight[0]))


def evaluate(kind, eight, model_args, monkeypatch, **gen_kwargs):
    """The prompts that the stock lm-eval sent as tokens, what came back, and the answers it kept."""
    seen = []
    generate = HFLM._model_generate

    def spy(self, context, max_length, stop, **options):
        written = generate(self, context, max_length, stop, **options)
        mask = options["attention_mask"].bool()
        for ids, kept, whole in zip(context, mask, written, strict=True):
            seen.append((ids[kept].tolist(), whole[len(ids) :].tolist()))
        return written

    monkeypatch.setattr(HFLM, "_model_generate", spy)
    done = lm_eval.simple_evaluate(
        kind,
        model_args=model_args | {"dtype": "float32"},
        tasks=["eight"],
        task_manager=TaskManager(include_path=str(eight[1]), include_defaults=False),
        apply_chat_template=True,
        batch_size=4,
        device="cpu",
        bootstrap_iters=0,
        gen_kwargs=gen_kwargs or None,
        verbosity="ERROR",
    )
    answers = [sample["resps"][0][0] for sample in done["samples"]["eight"]]
    return seen, answers, done["results"]["eight"]["strict_f1,none"]


@pytest.mark.slow
def test_a_tuned_model_gets_the_prompts_of_training_in_the_stock_lm_eval_and_stops(
    model, eight, tmp_path, monkeypatch
):
    tuned = tune(model, tmp_path / "tuned")
    losses = json.loads((tuned / "training.json").read_text())["training_loss"]
    assert losses[-1]["loss"] < 0.3 < losses[0]["loss"]
    adapter = {"pretrained": str(model.base), "peft": str(tuned), "tokenizer": str(tuned)}
    merged = {"pretrained": str(packaged.merge(tuned, tmp_path / "merged"))}
    rows = {tuple(model.chat.prompt(row.messages)): row.target for row in rows_of("eight")}
    assert len(rows) == len(SENTENCES)
    ends = packaged.ends_of_turn(tuned)
    for arguments, options in ((adapter, {"eos_token_id": ends}), (merged, {})):
        seen, answers, f1 = evaluate("hf", eight, arguments, monkeypatch, **options)
        assert {tuple(asked) for asked, _ in seen} == set(rows)
        assert all(model.chat.end_of_turn in written for _, written in seen)
        for asked, written in seen:
            learned = model.chat.target(rows[tuple(asked)])
            assert written[: len(learned)] == learned
        assert f1 == 1
        assert all(answer.endswith("]}") for answer in answers)


@pytest.mark.slow
def test_ifd_is_that_of_an_unbatched_float64_loop(model):
    network, _ = load_llm(model.base)
    # The grouped product of experts knows no float64.
    exact = AutoModelForCausalLM.from_pretrained(
        model.base, dtype=torch.float64, experts_implementation="eager"
    ).eval()
    rows = rows_of("eight")
    found = {item.id: item for item in ifd.score(rows, network, model.chat, 8)}
    for row in rows:
        conditional, alone = by_definition(exact, model.chat, row)
        assert found[row.id].loss_conditional == pytest.approx(conditional, abs=1e-4)
        assert found[row.id].loss_alone == pytest.approx(alone, abs=1e-4)
        assert found[row.id].ifd == pytest.approx(math.exp(conditional - alone), rel=1e-4)


@pytest.mark.slow
def test_hf_prefix_answers_as_hf_does(model, eight, monkeypatch):
    import bioner_bench.harness.lm_models  # noqa: F401  # registers it

    arguments = {"pretrained": str(model.base)}
    _, plain, _ = evaluate("hf", eight, arguments, monkeypatch)
    _, shared, _ = evaluate("hf-prefix", eight, arguments, monkeypatch)
    assert len(set(plain)) > 1
    assert shared == plain
