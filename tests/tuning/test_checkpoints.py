"""What training begins from, and what its checkpoint carries."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
import transformers
from eight_sentences import write_eight
from families import write_family
from safetensors.torch import load_file
from tiny_llm import load_llm, write_llm
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from bioner_bench.corpora.registry import CORPORA_VARIABLE
from bioner_bench.models import packaged
from bioner_bench.models.chat import Chat
from bioner_bench.models.decoding import greedy
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import checkpoints, learners, llm_training
from bioner_bench.tuning.recipes import LlmRecipe, Lora, as_yaml, read_recipe
from bioner_bench.tuning.rows import rows_of


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    return write_eight(tmp_path_factory.mktemp("corpus"))[0]


@pytest.fixture(autouse=True)
def _corpus(_offline, entries, monkeypatch):
    monkeypatch.setenv(CORPORA_VARIABLE, str(entries))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_llm(tmp_path_factory.mktemp("base"))


def make_recipe(base, **changes):
    plain = LlmRecipe(
        name="tiny",
        model=str(base),
        train=("eight",),
        seed=1,
        epochs=2,
        learning_rate=1e-2,
        batch_size=4,
        precision="float32",
        lora=Lora(r=4),
    )
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def first(base, entries, tmp_path_factory):
    """A LoRA checkpoint, for a second stage to begin from."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(CORPORA_VARIABLE, str(entries))
        return llm_training.train(make_recipe(base), tmp_path_factory.mktemp("first") / "out")


def adapter(folder):
    return load_file(folder / "adapter_model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["model", "begin_from"])
def test_a_second_stage_learns_on_from_the_adapters_of_the_first(base, first, tmp_path, key):
    second = make_recipe(base, **{key: str(first)})
    still = llm_training.train(replace(second, learning_rate=1e-30), tmp_path / "still")
    assert same(adapter(still), adapter(first))
    assert any(tensor.abs().max() > 0 for name, tensor in adapter(first).items() if "lora_B" in name)
    out = llm_training.train(second, tmp_path / "out")
    begun, went_on = (
        json.loads((folder / "training.json").read_text())["training_loss"] for folder in (first, out)
    )
    assert went_on[0]["loss"] < begun[0]["loss"]
    assert went_on[-1]["loss"] < begun[-1]["loss"]
    summary = json.loads((out / "training.json").read_text())
    assert summary["begin_from"] == packaged.revision(str(first))
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(base)


def test_the_revision_that_adapters_were_trained_on_is_that_of_their_base_model(first, base, tmp_path):
    shutil.copytree(first, tmp_path / "pinned")
    path = tmp_path / "pinned" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"revision": "0123abc"}))
    recipe = make_recipe(base, model=str(tmp_path / "pinned"))
    assert learners.origin(recipe) == (str(base), tmp_path / "pinned", "0123abc")
    assert learners.origin(replace(recipe, revision="main"))[2] == "main"
    learner = learners.load(recipe, Chat(AutoTokenizer.from_pretrained(base)))
    learners.save(learner, Chat(AutoTokenizer.from_pretrained(base)), recipe, tmp_path / "out")
    assert packaged.base_and_adapter(str(tmp_path / "out"))[2] == "0123abc"
    recipe = make_recipe(base, begin_from=str(tmp_path / "pinned"))
    with pytest.raises(BenchmarkError, match="at revision 0123abc; write revision: 0123abc"):
        learners.origin(recipe)
    assert learners.origin(replace(recipe, revision="0123abc"))[2] == "0123abc"


def test_all_weights_begin_from_merged_adapters(base, first, tmp_path):
    recipe = make_recipe(base, method="full", begin_from=str(first), learning_rate=1e-30)
    out = llm_training.train(recipe, tmp_path / "out")
    merged = packaged.merge(first, tmp_path / "merged")
    assert same(load_file(out / "model.safetensors"), load_file(merged / "model.safetensors"))
    assert not same(load_file(out / "model.safetensors"), load_file(base / "model.safetensors"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lora": Lora(r=8)}, "has adapters of r 4 and alpha 32, the recipe asks for 8 and 32"),
        ({"model": "other"}, "was trained on .*base.*, but model is other"),
        ({"model": "FIRST"}, "model and begin_from both name LoRA checkpoints"),
        ({"begin_from": "BASE"}, "holds no adapter"),
    ],
)
def test_a_second_stage_that_does_not_fit_is_refused(base, first, tmp_path, changes, said):
    named = {"FIRST": str(first), "BASE": str(base)}
    recipe = make_recipe(base, begin_from=str(first))
    recipe = replace(recipe, **{k: named.get(v, v) if isinstance(v, str) else v for k, v in changes.items()})
    with pytest.raises(BenchmarkError, match=said):
        llm_training.train(recipe, tmp_path / "out")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_all_weights_are_saved_as_the_base_model_has_them(base, tmp_path, dtype):
    folder = tmp_path / "base"
    shutil.copytree(base, folder)
    load_llm(base, dtype)[0].save_pretrained(folder)
    out = llm_training.train(make_recipe(folder, method="full"), tmp_path / "out")
    assert {tensor.dtype for tensor in load_file(out / "model.safetensors").values()} == {dtype}
    config = json.loads((out / "config.json").read_text())
    assert config["dtype"] == str(dtype).removeprefix("torch.")
    assert config["use_cache"] is True
    assert not same(load_file(out / "model.safetensors"), load_file(folder / "model.safetensors"))


@pytest.mark.slow
def test_development_scores_of_adapters_in_bfloat16_do_not_mix_dtypes(base, tmp_path, monkeypatch):
    """On a processor the weights stay in float32, and every forward pass is in bfloat16."""
    seen = []

    def spy(*arguments):
        seen.append(torch.is_autocast_enabled("cpu"))
        return greedy(*arguments)

    monkeypatch.setattr(llm_training, "greedy", spy)
    recipe = make_recipe(base, precision="bfloat16", validation=("eight",), epochs=1)
    out = llm_training.train(recipe, tmp_path / "out")
    summary = json.loads((out / "training.json").read_text())
    assert summary["precision"] == "bfloat16"
    assert len(summary["development"]) == 1
    assert seen == [True]
    assert not torch.is_autocast_enabled("cpu")  # what others then train would not learn


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_penalty_of_the_base_model_reaches_neither_development_scores_nor_the_checkpoint(
    base, tmp_path, method
):
    folder = tmp_path / "base"
    shutil.copytree(base, folder)
    GenerationConfig(
        bos_token_id=0, eos_token_id=1, pad_token_id=4, repetition_penalty=1.8, no_repeat_ngram_size=2
    ).save_pretrained(folder)
    chat = Chat(AutoTokenizer.from_pretrained(base))
    prompts = [chat.prompt(row.messages) for row in rows_of("eight")]
    penalised, _ = load_llm(folder)
    plain, _ = load_llm(base)
    wanted = greedy(plain, prompts, 12, 1)
    learner = learners.load(make_recipe(folder, method=method), chat).eval()
    assert greedy(learner, prompts, 12, 1) == wanted
    assert greedy(penalised, prompts, 12, 1) != wanted
    learners.save(learner, chat, make_recipe(folder, method=method), tmp_path / "out")
    saved = GenerationConfig.from_pretrained(tmp_path / "out")
    assert (saved.repetition_penalty, saved.no_repeat_ngram_size) in [(None, None), (1.0, 0)]
    assert packaged.ends_of_turn(tmp_path / "out") == [chat.end_of_turn]


def test_a_constant_schedule_warms_up(base, tmp_path):
    made = checkpoints.arguments(make_recipe(base, schedule="constant", warmup=0.5), tmp_path / "out", None)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = transformers.get_scheduler(
        made.lr_scheduler_type, optimizer, made.get_warmup_steps(8), num_training_steps=8
    )
    rates = []
    for _ in range(8):
        rates += schedule.get_last_lr()
        optimizer.step()
        schedule.step()
    assert rates == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]


def test_all_linear_layers_are_those_that_read_and_write_text():
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "head_dim": 8}
    text |= {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 20}
    sight = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sight |= {"image_size": 8, "patch_size": 4}
    config = transformers.Gemma3Config(text_config=text, vision_config=sight, mm_tokens_per_image=4)
    model = AutoModelForCausalLM.from_config(config)
    assert any("vision_tower" in name for name, _ in model.named_modules())
    adapted = learners.linear_layers(model)
    parts = {name.rpartition(".")[2] for name in adapted}
    assert parts == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert all("language_model.layers" in name for name in adapted)


def test_a_model_that_cannot_share_says_so_and_is_tuned(tmp_path, caplog):
    out = llm_training.train(
        make_recipe(write_family("falcon-h1", tmp_path / "base"), epochs=1), tmp_path / "out"
    )
    assert (out / "adapter_model.safetensors").is_file()
    assert "cannot share what rows begin with: each is read in full" in caplog.text


@pytest.mark.slow
def test_weights_in_four_bits_learn_and_the_adapter_loads_on_the_base(base, tmp_path):
    pytest.importorskip("bitsandbytes", reason="pip install bitsandbytes, to hold weights in 4 bits")
    recipe = make_recipe(base, quantization="4bit", epochs=6)
    learner = learners.load(recipe, Chat(AutoTokenizer.from_pretrained(base)))
    kinds = {type(module).__name__ for module in learner.modules()}
    assert "Linear4bit" in kinds
    out = llm_training.train(recipe, tmp_path / "out")
    losses = json.loads((out / "training.json").read_text())["training_loss"]
    assert losses[-1]["loss"] < losses[0]["loss"]
    merged = packaged.merge(out, tmp_path / "merged")
    assert {tensor.dtype for tensor in load_file(merged / "model.safetensors").values()} == {torch.float32}


def test_losses_go_where_the_recipe_says(base, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard", reason="pip install tensorboard, to see that losses reach it")
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    out = llm_training.train(make_recipe(base, report_to=("tensorboard",)), tmp_path / "out")
    assert list((out / "tensorboard").rglob("events.out.tfevents.*"))
    with pytest.raises(BenchmarkError, match="trackio is not installed; run: pip install trackio"):
        llm_training.train(make_recipe(base, report_to=("trackio",)), tmp_path / "other")


@pytest.mark.slow
def test_a_recipe_chooses_optimiser_attention_and_rows_at_once(base, tmp_path):
    recipe = make_recipe(
        base,
        optimizer="adafactor",
        attn_implementation="eager",
        evaluation_batch_size=3,
        validation=("eight",),
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(as_yaml(recipe))
    assert read_recipe(path) == recipe
    learner = learners.load(recipe, Chat(AutoTokenizer.from_pretrained(base)))
    assert learner.config._attn_implementation == "eager"
    made = checkpoints.arguments(recipe, tmp_path / "out", None)
    assert (made.optim, made.per_device_eval_batch_size) == ("adafactor", 3)
    out = llm_training.train(recipe, tmp_path / "out")
    assert json.loads((out / "training.json").read_text())["development"]
    path.write_text(as_yaml(replace(recipe, quantization="4bit", method="full")))
    with pytest.raises(BenchmarkError, match="quantization is for LoRA"):
        read_recipe(path)
