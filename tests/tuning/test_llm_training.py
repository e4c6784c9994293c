"""Recipe -> tuned language model: the target alone is learned, also after a kill or on two processes."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from command_line import call, in_background
from filelock import FileLock
from safetensors.torch import load_file
from tiny_llm import TEMPLATE, load_llm, write_llm
from transformers import MambaConfig, MambaForCausalLM, TrainerCallback

from bioner_bench import corpora
from bioner_bench.evaluation import predictions, prompt
from bioner_bench.models.chat import Chat
from bioner_bench.models.decoding import greedy
from bioner_bench.models.shared_prefix import target_logits
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import checkpoints, llm_training, model_card
from bioner_bench.tuning.grouped_trainer import GroupedByLength
from bioner_bench.tuning.llm_training import IGNORED, collate, encode, target_loss
from bioner_bench.tuning.recipes import LlmRecipe, Lora, as_yaml, read_recipe
from bioner_bench.tuning.rows import rows_of
from bioner_bench.tuning.strategies import Choice


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_llm(tmp_path_factory.mktemp("base"))


@pytest.fixture
def recipe(base):
    return make_recipe(base)


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    """What an undisturbed run of the recipe leaves."""
    return llm_training.train(make_recipe(base), tmp_path_factory.mktemp("whole") / "out")


def make_recipe(base, **changes):
    plain = LlmRecipe(
        name="tiny",
        model=str(base),
        train=("bioner_sample",),
        select=Choice(strategy="full", limit=12),
        seed=1,
        epochs=3,
        learning_rate=1e-2,
        batch_size=4,
        precision="float32",
        lora=Lora(r=4),
    )
    return replace(plain, **changes)


def written(path, recipe_fields):
    path.write_text(yaml.safe_dump(recipe_fields))
    return path


def fields(base, **changes):
    plain = {
        "kind": "llm",
        "model": str(base),
        "train": ["bioner_sample"],
        "validation": [],
        "seed": 1,
        "epochs": 2,
        "batch_size": 2,
        "learning_rate": 0.01,
        "precision": "float32",
        "select": {"strategy": "full", "limit": 8},
    }
    return {name: value for name, value in (plain | changes).items() if value is not None}


def adapter(folder):
    return load_file(folder / "adapter_model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_labels_of_a_batch_are_the_targets_and_nothing_else(base):
    chat = Chat(load_llm(base)[1])
    rows = rows_of("bioner_sample")[:5]
    batch = collate([encode(row, chat, 4096) for row in rows])
    for row, ids, mask, labels in zip(
        rows, batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True
    ):
        learned = labels[labels != IGNORED]
        assert chat.tokenizer.decode(learned) == f"{row.target}<|end|>"
        whole = ids[mask.bool()]
        assert whole.tolist() == chat.prompt(row.messages) + chat.target(row.target)
        assert torch.equal(labels[labels != IGNORED], ids[labels != IGNORED])


def test_what_rows_share_is_read_once_without_changing_loss_or_gradients(base):
    model, tokenizer = load_llm(base)
    batch = collate([encode(row, Chat(tokenizer), 4096) for row in rows_of("bioner_sample")[:6]])
    found = []
    for share in (True, False):
        model.zero_grad()
        loss, number = target_loss(model, batch, share)
        loss.backward()
        found.append((float(loss), number, {n: p.grad.clone() for n, p in model.named_parameters()}))
    (shared, count, gradients), (plain, plain_count, plain_gradients) = found
    assert shared == pytest.approx(plain, rel=1e-5)
    assert count == plain_count == int((batch["labels"] != IGNORED).sum())
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, plain_gradients[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("template", [TEMPLATE, None])
def test_answers_are_those_of_one_row_at_a_time(tmp_path, template):
    model, tokenizer = load_llm(write_llm(tmp_path, template=template))
    chat = Chat(tokenizer)
    prompts = [chat.prompt(row.messages) for row in rows_of("bioner_sample")[:7]]
    assert len({len(asked) for asked in prompts}) > 3
    alone = [greedy(model, [asked], 9, chat.end_of_turn)[0] for asked in prompts]
    assert greedy(model, prompts, 9, chat.end_of_turn) == alone
    assert len({tuple(answer) for answer in alone}) > 1
    # The end is left out, wherever it comes.
    end = alone[0][4]
    cut = [answer[: answer.index(end)] if end in answer else answer for answer in alone]
    assert greedy(model, prompts, 9, end) == cut


def test_a_model_with_a_running_state_reads_its_rows_in_full():
    torch.manual_seed(0)
    model = MambaForCausalLM(
        MambaConfig(vocab_size=9, hidden_size=8, num_hidden_layers=2, state_size=2)
    ).eval()
    prompts = [[1, 2, 3, 5], [1, 2, 4, 3]]
    alone = [greedy(model, [asked], 4, 0)[0] for asked in prompts]
    assert greedy(model, prompts, 4, 0) == alone
    together = target_logits(model, prompts, [2, 2])
    torch.testing.assert_close(together[:1], target_logits(model, prompts[:1], [2]))


def test_a_row_that_does_not_fit_is_named_and_not_cut(base, recipe, tmp_path):
    with pytest.raises(
        BenchmarkError, match=r"row bioner_sample/\S+ has \d+ tokens, more than max_length 50"
    ):
        llm_training.train(replace(recipe, max_length=50), tmp_path / "out")


@pytest.mark.slow
def test_all_weights_learn_eight_rows(base, tmp_path):
    """That adapters learn them by heart is in `test_families.py`."""
    recipe = make_recipe(
        base,
        method="full",
        select=Choice(strategy="full", limit=8),
        epochs=40,
        evaluate_every=40,
        batch_size=8,
        schedule="constant",
    )
    out = llm_training.train(recipe, tmp_path / "out")
    losses = json.loads((out / "training.json").read_text())["training_loss"]
    assert losses[-1]["loss"] < 0.5 * losses[0]["loss"], losses
    assert not (out / "adapter_model.safetensors").exists()
    assert not list(out.rglob("*.bin")) + list(out.rglob("*.pt"))


@pytest.mark.slow
def test_the_adapter_changes_and_the_base_weights_do_not(base, recipe, tmp_path, monkeypatch):
    trained = []
    finish = checkpoints.finish

    def watched(out, recipe, trainer, *rest):
        trained.append({name: w.detach().clone() for name, w in trainer.model.named_parameters()})
        finish(out, recipe, trainer, *rest)

    monkeypatch.setattr(checkpoints, "finish", watched)
    before = load_llm(base)[0].state_dict()
    out = llm_training.train(recipe, tmp_path / "out")
    (after,) = trained
    plain = {name: w for name, w in after.items() if "lora_" not in name}
    names = {name: name.removeprefix("base_model.model.").replace(".base_layer", "") for name in plain}
    assert len(plain) > 10
    assert all(torch.equal(weight, before[names[name]]) for name, weight in plain.items())
    learned = adapter(out)
    assert any("lora_B" in name and tensor.abs().max() > 0 for name, tensor in learned.items())
    assert all("lora" in name for name in learned)
    assert not list(out.rglob("*.bin")) + list(out.rglob("*.pt"))
    assert (out / "README.md").read_text().startswith("---\n")
    facts = json.loads((out / "training.json").read_text())
    assert facts["data"]["rows"] == facts["data"]["positives"] + facts["data"]["negatives"] == 12
    assert json.loads((out / "selection" / "report.json").read_text())["all"]["kept"] == 12


@pytest.mark.slow
def test_a_finished_folder_is_left_and_another_recipe_refused(recipe, whole):
    before = adapter(whole)
    assert llm_training.train(recipe, whole) == whole
    assert same(before, adapter(whole))
    with pytest.raises(BenchmarkError, match="another recipe or seed"):
        llm_training.train(replace(recipe, seed=2), whole)


@pytest.mark.slow
def test_of_two_runs_at_once_in_one_folder_the_second_finds_what_the_first_made(base, tmp_path):
    path = written(tmp_path / "recipe.yaml", fields(base))
    printed = [tmp_path / "one.txt", tmp_path / "two.txt"]
    lock = FileLock(tmp_path / ".out.lock")
    lock.acquire()
    started = [in_background("train", path, "--out", tmp_path / "out", printed=place) for place in printed]
    for process, place in zip(started, printed, strict=True):
        while not place.exists() or "waiting for another process" not in place.read_text():
            assert process.is_alive(), place.read_text()
            time.sleep(0.02)
    lock.release()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0, 0]
    assert sorted("train_loss" in place.read_text() for place in printed) == [False, True]


@pytest.mark.slow
def test_a_recipe_that_failed_before_its_first_checkpoint_can_be_mended_in_its_folder(recipe, tmp_path):
    with pytest.raises(BenchmarkError, match="more than max_length 50"):
        llm_training.train(replace(recipe, max_length=50), tmp_path / "out")
    assert llm_training.train(recipe, tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out" / "training.svg").read_text().startswith("<?xml")


SUMMARY = {
    "kept": {"strict_f1": 0.5, "epoch": 1.0},
    "adapter": True,
    "chat_template": True,
    "ends_of_turn": [1],
    "data": {"rows": 12},
    "steps": 3,
    "seconds": 1.0,
    "precision": "float32",
    "hardware": "CPU",
    "versions": {"torch": "2", "transformers": "5"},
}


@pytest.mark.parametrize(
    "folder", ["../models/qwen", "checkpoints/qwen", "./qwen", "~/qwen", "/home/me/models/qwen"]
)
def test_the_card_names_a_folder_by_its_last_part_and_the_hubs_models_in_full(
    recipe, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints" / "qwen").mkdir(parents=True)

    def base_model(name):
        card = model_card.card(replace(recipe, model=name), SUMMARY)
        assert f"pretrained={yaml.safe_load(card.split('---')[1])['base_model']}," in card
        return yaml.safe_load(card.split("---")[1])["base_model"]

    assert base_model(folder) == "qwen"
    assert base_model("Qwen/qwen") == "Qwen/qwen"
    assert base_model("smollm2-135m") == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_the_card_has_no_folders_of_the_machine_it_was_made_on(recipe):
    choice = replace(recipe.select, weak_model="/home/me/weak")
    private = replace(recipe, model="/home/me/base", begin_from="/home/me/first", select=choice)
    card = model_card.card(private, SUMMARY)
    assert "/home" not in card
    assert {"model: base", "begin_from: first"} < set(card.splitlines())
    assert "begin_from: null" in model_card.card(recipe, SUMMARY).splitlines()


@pytest.mark.parametrize(
    ("size", "named"), [(923, "strict entity F1 on 200 sentences"), (15, "strict entity F1")]
)
def test_the_card_says_on_how_many_sentences_the_development_score_is(recipe, size, named):
    recipe = replace(recipe, validation=("bioner_ncbi",), validation_sentences=200)
    drawn = len(llm_training.draw(recipe, [("bioner_ncbi", None)] * size))
    card = model_card.card(recipe, SUMMARY | {"development_sentences": {"drawn": drawn, "of": size}})
    assert ("on 200 sentences of it" in card) == (size == 923)
    pinned = model_card.card(replace(recipe, model="org/base", revision="0123abc"), SUMMARY)
    assert "pretrained=org/base,revision=0123abc,peft=FOLDER,tokenizer=FOLDER" in pinned
    front = yaml.safe_load(card.split("---\n")[1])
    (result,) = front["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "f1", "value": 0.5, "name": named}]
    assert result["dataset"]["split"] == "validation"


def test_the_command_of_the_card_runs_in_any_folder(recipe):
    card = model_card.card(recipe, SUMMARY)
    assert "FOLDER is the folder of this file" in card
    assert 'peft=FOLDER,tokenizer=FOLDER --apply_chat_template --gen_kwargs \'{"eos_token_id": [1]' in card
    merged = model_card.card(recipe, SUMMARY | {"adapter": False})
    assert "--model_args pretrained=FOLDER --apply" in merged


class KilledError(Exception):
    pass


class KillAt(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.step:
            raise KilledError


@pytest.mark.slow
@pytest.mark.parametrize("step", [4, 5, 8])
def test_a_killed_run_goes_on_to_the_same_adapter(recipe, whole, tmp_path, monkeypatch, step):
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "callbacks", lambda recipe: [checkpoints.Legs(), KillAt(step)])
        with pytest.raises(KilledError):
            llm_training.train(recipe, tmp_path / "killed")
    change_legs(tmp_path / "killed", before=1000.0)
    resumed = llm_training.train(recipe, tmp_path / "killed")
    assert same(adapter(whole), adapter(resumed))
    assert json.loads((resumed / "training.json").read_text())["seconds"] > 1000


def change_legs(folder, **changes):
    """Change what the last checkpoint of a killed run says of its legs."""
    path = Path(checkpoints.last(folder)) / "trainer_state.json"
    state = json.loads(path.read_text())
    legs = state["stateful_callbacks"]["Legs"]["attributes"]
    assert legs["before"] > 0
    legs |= changes
    path.write_text(json.dumps(state))


@pytest.mark.slow
def test_a_killed_run_does_not_go_on_with_other_rows_or_another_number_of_processes(
    recipe, tmp_path, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "callbacks", lambda recipe: [checkpoints.Legs(), KillAt(5)])
        with pytest.raises(KilledError):
            llm_training.train(recipe, tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "other")
    change_legs(tmp_path / "other", learned="0")
    with pytest.raises(BenchmarkError, match="began with other rows or another prompt"):
        llm_training.train(recipe, tmp_path / "other")
    change_legs(tmp_path / "out", rows=8)  # as two processes have
    with pytest.raises(
        BenchmarkError, match="began with 8 rows a step, with 1 processes it would go on with 4"
    ):
        llm_training.train(recipe, tmp_path / "out")


@pytest.mark.slow
def test_with_dropout_every_row_is_read_apart(recipe, tmp_path, monkeypatch):
    seen = []

    def spy(model, inputs, share=True):
        seen.append(share)
        return target_loss(model, inputs, share)

    monkeypatch.setattr(llm_training, "target_loss", spy)
    llm_training.train(replace(recipe, epochs=1), tmp_path / "without")
    llm_training.train(replace(recipe, epochs=1, lora=Lora(r=4, dropout=0.1)), tmp_path / "with")
    assert seen == [True] * 3 + [False] * 3


def test_the_order_of_rows_depends_on_seed_and_epoch_and_groups_by_length():
    lengths = [7 * index % 97 for index in range(1000)]
    sampler = GroupedByLength(lengths, 8, 3)
    first = list(sampler)
    assert sorted(first) == list(range(1000))
    assert first == list(GroupedByLength(lengths, 8, 3)) != list(GroupedByLength(lengths, 8, 4))
    steps = [first[i : i + 8] for i in range(0, 1000, 8)]
    spread = [max(lengths[i] for i in step) - min(lengths[i] for i in step) for step in steps]
    assert sum(spread) / len(spread) < 10
    sampler.set_epoch(1)
    assert list(sampler) != first


def launch_two(*arguments, wait=True):
    """`bioner-bench` on two processes, or with `wait=False` what still runs."""
    # On a processor `--cpu` starts several processes with MPI only; this way they are started as on GPUs.
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["--main_process_port", "0", "-m", "bioner_bench", *arguments]
    running = subprocess.Popen(
        list(map(str, command)),
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if not wait:
        return running
    out, err = running.communicate()
    return subprocess.CompletedProcess(command, running.returncode, out, err)


@pytest.mark.slow
def test_two_processes_score_together_and_learn_as_one_with_twice_the_accumulation(base, tmp_path):
    select = {"strategy": "hybrid", "weak_model": str(base), "limit": 11}
    one = written(tmp_path / "one.yaml", fields(base, accumulate=2, select=select))
    two = written(tmp_path / "two.yaml", fields(base, select=select))
    call("train", one, "--out", tmp_path / "one")
    done = launch_two("train", two, "--out", tmp_path / "two")
    assert done.returncode == 0, done.stderr[-2000:]

    chosen = [tmp_path / name / "selection" for name in ("one", "two")]
    scores = [
        {item["id"]: item for item in map(json.loads, (out / "scores.jsonl").read_text().splitlines())}
        for out in chosen
    ]
    assert len(scores[0]) == 11
    assert scores[0].keys() == scores[1].keys()
    for id_, alone in scores[0].items():
        for name, value in alone.items():
            wanted = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
            assert scores[1][id_][name] == wanted
    rows = [(out / "rows.jsonl").read_text() for out in chosen]
    assert rows[0] == rows[1] and len(rows[0].splitlines()) == 8
    assert json.loads((chosen[1] / "report.json").read_text())["scoring"]["processes"] == 2
    assert [path.name for path in (chosen[1] / "ifd").iterdir()] == ["bioner_sample.jsonl"]

    facts = [json.loads((tmp_path / name / "training.json").read_text()) for name in ("one", "two")]
    assert [fact["devices"] for fact in facts] == [1, 2]
    assert facts[0]["steps"] == facts[1]["steps"] > 1
    for alone, together in zip(*(fact["training_loss"] for fact in facts), strict=True):
        assert together["loss"] == pytest.approx(alone["loss"], abs=2e-3)
    for name, tensor in adapter(tmp_path / "one").items():
        torch.testing.assert_close(adapter(tmp_path / "two")[name], tensor, rtol=1e-2, atol=2e-4)


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    """A model whose input and output layer are one, in bfloat16 as published ones are."""
    folder = write_llm(tmp_path_factory.mktemp("tied"), tie_word_embeddings=True)
    load_llm(folder, torch.bfloat16)[0].save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_weights_spread_over_two_processes_learn_as_in_one_also_after_a_kill(tied, mirror, tmp_path):
    """FSDP: all weights, their gradients and moments; what rows begin with is read once there too."""
    task = {"train": ["bioner_ncbi"], "validation": ["bioner_ncbi"], "validation_sentences": 3}
    plain = fields(tied, method="full", learning_rate=1e-3, **task)
    one = written(tmp_path / "one.yaml", plain | {"accumulate": 2})
    two = written(tmp_path / "two.yaml", plain | {"fsdp": True})
    call("train", one, "--out", tmp_path / "one")
    out = tmp_path / "two"
    running = launch_two("train", two, "--out", out, wait=False)
    unfinished = out / "unfinished" / "checkpoint-2"
    while not (unfinished / "trainer_state.json").exists():
        assert running.poll() is None, running.communicate()[1][-2000:]
        time.sleep(0.02)
    launcher = psutil.Process(running.pid)
    for process in [launcher, *launcher.children(recursive=True)]:
        process.kill()
    running.communicate()
    assert not (out / "training.json").exists()
    done = launch_two("train", two, "--out", out)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (out / "unfinished").exists()
    facts = [json.loads((folder / "training.json").read_text()) for folder in (tmp_path / "one", out)]
    assert [fact["devices"] for fact in facts] == [1, 2]
    assert facts[0]["steps"] == facts[1]["steps"] == 4
    assert [score["step"] for score in facts[1]["development"]] == [2, 4]
    losses = [[entry["loss"] for entry in fact["training_loss"]] for fact in facts]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    weights = [load_file(folder / "model.safetensors") for folder in (tmp_path / "one", out)]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        assert weights[1][name].dtype == torch.bfloat16
        torch.testing.assert_close(weights[1][name], tensor, rtol=2**-7, atol=1e-4)
    for name in ("config.json", "generation_config.json", "chat_template.jinja"):
        assert (out / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_what_cannot_be_spread_is_refused_before_anything_is_read(base, tmp_path):
    path = written(tmp_path / "lora.yaml", fields(base, fsdp=True))
    with pytest.raises(BenchmarkError, match="fsdp spreads weights that all learn; write method: full"):
        read_recipe(path)
    with pytest.raises(BenchmarkError, match="there is one; start them by `accelerate launch"):
        llm_training.train(make_recipe("no-such-model", method="full", fsdp=True), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_checkpoint_runs_in_the_stock_lm_eval_as_adapter_and_merged(base, recipe, tmp_path):
    out = llm_training.train(recipe, tmp_path / "out")
    call("models", "merge", out, "--out", tmp_path / "merged")
    answers = []
    for arguments in (f"pretrained={base},peft={out}", f"pretrained={tmp_path / 'merged'}"):
        folder = tmp_path / f"run-{len(answers)}"
        options = ["--model", "hf", "--model_args", f"{arguments},dtype=float32", "--apply_chat_template"]
        options += ["--limit", 3, "--log_samples", "--output_path", folder, "--gen_kwargs", "max_gen_toks=8"]
        call("--tasks", "bioner_sample", *options, program="lm_eval")
        (samples,) = folder.glob("**/samples_bioner_sample_*.jsonl")
        assert len(predictions.read(samples)) == 3
        answers.append([json.loads(line)["resps"] for line in samples.read_text().splitlines()])
    assert answers[0] == answers[1]


def test_the_development_score_is_that_of_greedy_answers(base, mirror, monkeypatch):
    """Of a model that answers every other sentence rightly, and the rest with an empty answer."""
    task = "bioner_ncbi"
    sentences = [s for s in corpora.load(task, "validation").sentences if s.entities][:6]
    model, tokenizer = load_llm(base)
    chat = Chat(tokenizer)
    types = corpora.get(task).types
    targets = {}
    for number, sentence in enumerate(sentences):
        right = prompt.target(sentence.text, sentence.entities if number % 2 else (), types)
        targets[tuple(chat.prompt(prompt.messages(sentence, types)))] = chat.target(right)

    def answer(model, prompts, room, end, rows):
        assert end == chat.end_of_turn
        answers = [targets[tuple(asked)] for asked in prompts]
        assert all(len(tokens) <= room for tokens in answers)
        return [tokens[: tokens.index(end)] for tokens in answers]

    monkeypatch.setattr(llm_training, "greedy", answer)
    counts = llm_training.answer_and_count(model, chat, [(task, s) for s in sentences])
    gold = [len(s.entities) for s in sentences]
    assert sum(count["gold"] for count in counts) == sum(gold)
    assert sum(count["strict"] for count in counts) == sum(count["predicted"] for count in counts)
    assert sum(count["strict"] for count in counts) == sum(gold[1::2]) > 0


@pytest.mark.slow
def test_the_best_checkpoint_on_the_development_split_is_kept(base, mirror, tmp_path, monkeypatch):
    seen = []

    def counted(model, chat, asked, rows_at_once, *_):
        weights = {name: w.detach().clone() for name, w in model.named_parameters() if "lora_" in name}
        seen.append(({task for task, _ in asked}, len(asked), weights))
        strict = (1, 3, 2)[len(seen) - 1]
        return [{"strict": strict, "predicted": 4, "gold": 4}]

    monkeypatch.setattr(llm_training, "answer_and_count", counted)
    recipe = make_recipe(base, validation=("bioner_ncbi",), validation_sentences=5)
    out = llm_training.train(recipe, tmp_path / "out")
    assert [(tasks, number) for tasks, number, _ in seen] == [({"bioner_ncbi"}, 5)] * 3
    facts = json.loads((out / "training.json").read_text())
    assert [point["strict_f1"] for point in facts["development"]] == [0.25, 0.75, 0.5]
    assert facts["development_sentences"]["drawn"] == 5
    assert facts["kept"] == {"epoch": 2.0, "step": 6, "strict_f1": 0.75}
    best = {name.replace(".default", ""): w for name, w in seen[1][2].items()}
    kept = adapter(out)
    assert {name for name in kept if name in best} == set(best) == set(kept)
    assert same(kept, best)
    assert not same(kept, {name.replace(".default", ""): w for name, w in seen[2][2].items()})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, "'colour' was unexpected"),
        ({"train": ["bioner_nothing"]}, "unknown corpus 'bioner_nothing'; train can be: bioner_bc2gm"),
        ({"train": ["bioner_nlmchem"]}, "out of domain: it is never trained on"),
        ({"select": {"strategy": "hybrid", "ratio": 0, "weak_model": "x"}}, "select.ratio"),
        ({"select": {"strategy": "hybrid", "ratio": 1.5, "weak_model": "x"}}, "select.ratio"),
        ({"select": {"strategy": "hybrid"}}, "weak_model is needed for hybrid"),
        ({"select": {"strategy": "best"}}, "'best' is not one of"),
        ({"validation": ["bioner_sample"]}, "bioner_sample has no validation split"),
        ({"method": "magic"}, "'magic' is not one of ['lora', 'full']"),
        ({"layer_decay": 0.9}, "'layer_decay' was unexpected"),
    ],
)
def test_a_bad_recipe_is_one_line_that_says_what_is_allowed(tmp_path, changes, said):
    path = written(tmp_path / "bad.yaml", fields("somewhere", **changes))
    with pytest.raises(BenchmarkError) as error:
        read_recipe(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_steps_stand_in_place_of_epochs(tmp_path):
    path = written(tmp_path / "steps.yaml", fields("somewhere", epochs=None, steps=7))
    recipe = read_recipe(path)
    assert (recipe.epochs, recipe.steps) == (None, 7)
    path.write_text(as_yaml(recipe))
    assert read_recipe(path) == recipe
    made = checkpoints.arguments(recipe, tmp_path / "out", None)
    assert made.max_steps == 7
    for neither in (fields("somewhere", epochs=None), fields("somewhere") | {"epochs": None}):
        with pytest.raises(BenchmarkError, match=r"'epochs' is a required property: .*or `steps`"):
            read_recipe(written(path, neither))
