"""Recipe -> checkpoint: the same from the same seed, also after a kill, and the best epoch is kept."""

import hashlib
import json
import random
import time
from dataclasses import replace

import pytest
import torch
import yaml
from command_line import call, fails, in_background
from safetensors.torch import load_file
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2
from tiny_models import write_bert
from transformers import AutoModelForTokenClassification, TrainerCallback

from bioner_bench import corpora
from bioner_bench.models import encoder
from bioner_bench.models.tagging import tag_set, to_tags, words
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import checkpoints, encoder_training
from bioner_bench.tuning.recipes import EncoderRecipe, family, read_recipe

TRAINING = corpora.load("bioner_sample", "train").sentences
TEST = corpora.load("bioner_sample", "test").sentences
TYPES = list(corpora.get("bioner_sample").types)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model without a head, to be fine-tuned."""
    return write_bert(tmp_path_factory.mktemp("base"), [s.text for s in TRAINING])


@pytest.fixture
def recipe(base):
    return make_recipe(base)


def make_recipe(base, **changes):
    plain = EncoderRecipe(
        name="tiny",
        model=str(base),
        train=("bioner_sample",),
        seed=1,
        epochs=3,
        learning_rate=5e-3,
        batch_size=8,
        precision="float32",
    )
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory):
    """The recipe, and what a run of it left."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    assert encoder_training.train(make_recipe(base), folder) == folder
    return folder


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def strict_f1(folder, sentences):
    found = encoder.predict(encoder.load(folder), [s.text for s in sentences])
    gold = [to_tags(words(s.text), s.entities) for s in sentences]
    tags = [to_tags(words(s.text), entities) for s, entities in zip(sentences, found, strict=True)]
    return float(f1_score(gold, tags, mode="strict", scheme=IOB2, zero_division=0))


def summary(folder):
    return json.loads((folder / "training.json").read_text())


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


# --- a finished run --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_checkpoint_is_all_there_and_nothing_else(finished, base):
    names = {path.name for path in finished.rglob("*")}
    assert {"recipe.yaml", "training.json", "README.md", "config.json", "model.safetensors"} < names
    assert "unfinished" not in names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl"))]
    assert encoder.load(finished).tags == tag_set(TYPES)
    told = summary(finished)
    assert told["data"] == {"sentences": 24, "mentions": 99}
    assert told["steps"] == 9
    assert told["kept"] is None and told["development"] == []
    assert told["precision"] == "float32"
    kept = yaml.safe_load((finished / "recipe.yaml").read_text())
    assert kept == told["recipe"]
    assert (kept["name"], kept["model"], kept["seed"]) == ("tiny", str(base), 1)


def test_the_card_of_a_run_without_development_split_claims_no_score(finished):
    _, front, text = (finished / "README.md").read_text().split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["pipeline_tag"] == "token-classification"
    assert "model-index" not in head
    assert "not measured" in text


@pytest.mark.slow
def test_one_seed_gives_the_same_weights_and_predictions(finished, recipe, tmp_path):
    again = encoder_training.train(recipe, tmp_path / "again")
    assert same(weights(again), weights(finished))
    texts = [s.text for s in TEST]
    assert encoder.predict(encoder.load(again), texts) == encoder.predict(encoder.load(finished), texts)
    other = encoder_training.train(replace(recipe, seed=2), tmp_path / "other")
    assert not same(weights(other), weights(finished))


def test_a_finished_folder_is_not_trained_again(finished, recipe):
    before = contents(finished)
    assert encoder_training.train(recipe, finished) == finished
    assert contents(finished) == before


@pytest.mark.parametrize("change", [{"seed": 2}, {"epochs": 4}, {"name": "other"}, {"learning_rate": 1e-3}])
def test_a_folder_of_another_recipe_is_refused(finished, recipe, change):
    before = contents(finished)
    with pytest.raises(BenchmarkError, match="another recipe or seed; name another folder"):
        encoder_training.train(replace(recipe, **change), finished)
    assert contents(finished) == before


def test_a_folder_with_other_content_is_refused_and_an_empty_one_taken(recipe, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(BenchmarkError, match="not empty and holds no run"):
        encoder_training.train(recipe, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    assert not checkpoints.begin(tmp_path / "empty", recipe)


@pytest.mark.slow
def test_it_learns_its_training_sentences_by_heart(base, tmp_path):
    taught = make_recipe(base, epochs=30, learning_rate=1e-2, batch_size=4)
    assert strict_f1(encoder_training.train(taught, tmp_path / "out"), TRAINING) > 0.97


@pytest.mark.slow
def test_a_sentence_longer_than_a_window_is_learned_in_parts(base, tmp_path):
    out = encoder_training.train(make_recipe(base, epochs=1, max_length=24), tmp_path / "out")
    assert summary(out)["steps"] > 9, "more windows than sentences"


@pytest.mark.slow
@pytest.mark.parametrize("head", ["linear", "crf"])
def test_small_batches_whose_gradients_are_summed_learn_as_a_large_one(tmp_path, head):
    without_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    base = write_bert(tmp_path / "base", [s.text for s in TRAINING], **without_dropout)
    large, small = (
        encoder_training.train(
            make_recipe(base, epochs=1, batch_size=size, accumulate=8 // size, head=head, learning_rate=1e-3),
            tmp_path / f"{size}",
        )
        for size in (8, 2)
    )
    losses = [[entry["loss"] for entry in summary(out)["training_loss"]] for out in (large, small)]
    assert len(losses[0]) == 3
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    for name, value in weights(large).items():
        torch.testing.assert_close(weights(small)[name], value, rtol=0, atol=1e-3)


# --- killed runs -----------------------------------------------------------------------------------------


def write_recipe(path, **fields):
    plain = {
        "kind": "encoder",
        "train": ["bioner_sample"],
        "validation": [],
        "seed": 1,
        "epochs": 2,
        "learning_rate": 0.005,
        "batch_size": 8,
        "precision": "float32",
    }
    path.write_text(yaml.safe_dump(plain | fields))
    return path


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(base, tmp_path):
    path = write_recipe(tmp_path / "tiny.yaml", model=str(base), epochs=25)
    out = tmp_path / "killed"
    run = in_background("train", path, "--out", out, OMP_NUM_THREADS="1")
    while not list(out.glob("unfinished/checkpoint-*/trainer_state.json")):
        assert run.is_alive(), "the run ended by itself"
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.4))
    run.kill()
    run.join()
    assert not (out / "training.json").exists(), "killed too late to show anything"
    reached = checkpoints.last(out)
    encoder_training.train(read_recipe(path), out)
    undisturbed = encoder_training.train(read_recipe(path), tmp_path / "undisturbed")
    assert same(weights(out), weights(undisturbed)), f"differs after {reached}"
    assert summary(out)["steps"] == summary(undisturbed)["steps"] == 75
    assert not (out / "unfinished").exists()


class Killed(BaseException):
    pass


class KillAt(TrainerCallback):
    """Ends a run where a kill would, before this step has counted."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise Killed


def kill_at(monkeypatch, step):
    added = checkpoints.callbacks
    monkeypatch.setattr(checkpoints, "callbacks", lambda recipe: [*added(recipe), KillAt(step)])


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 4, 7])
def test_a_run_killed_at_any_step_goes_on_to_the_same_weights(finished, recipe, tmp_path, step, monkeypatch):
    """Before the first checkpoint, and in the epochs after it."""
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        kill_at(patched, step)
        with pytest.raises(Killed):
            encoder_training.train(recipe, out)
    assert (checkpoints.last(out) is None) == (step < 3)
    encoder_training.train(recipe, out)
    assert same(weights(out), weights(finished))


@pytest.mark.slow
def test_a_half_written_checkpoint_is_passed_over(finished, recipe, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        kill_at(patched, 7)
        with pytest.raises(Killed):
            encoder_training.train(recipe, out)
    whole = checkpoints.last(out)
    later = out / "unfinished" / "checkpoint-999"
    later.mkdir()
    assert checkpoints.last(out) == whole
    (later / "trainer_state.json").write_text('{"global_step": 99')
    assert checkpoints.last(out) == whole
    encoder_training.train(recipe, out)
    assert same(weights(out), weights(finished))


# --- the development split -------------------------------------------------------------------------------


@pytest.fixture
def developed(tmp_path, monkeypatch):
    """A corpus of the sample's sentences that has a development split; returns that split."""
    folder = tmp_path / "entries"
    folder.mkdir()
    splits = {"train": TRAINING, "validation": TEST[:20], "test": TEST[20:30]}
    files = {}
    for split, sentences in splits.items():
        lines = []
        for sentence in sentences:
            entities = [
                {"start": e.start, "end": e.end, "type": e.type, "text": sentence.surface(e)}
                for e in sentence.entities
            ]
            lines.append(json.dumps({"id": sentence.id, "text": sentence.text, "entities": entities}) + "\n")
        content = "".join(lines).encode()
        (folder / f"{split}.jsonl").write_bytes(content)
        files[split] = {
            "path": f"{split}.jsonl",
            "sha256": hashlib.sha256(content).hexdigest(),
            "sentences": len(sentences),
            "mentions": {t: sum(e.type == t for s in sentences for e in s.entities) for t in TYPES},
        }
    entry = {
        "task": "developed",
        "name": "Developed",
        "role": "extended",
        "types": dict.fromkeys(TYPES, "a thing"),
        "format": "jsonl",
        "files": files,
        "licence": "none",
        "citation": "none",
    }
    (folder / "developed.yaml").write_text(yaml.safe_dump(entry, sort_keys=False))
    monkeypatch.setenv("BIONER_BENCH_CORPORA", str(folder))
    return splits["validation"]


def with_development(base, **changes):
    return make_recipe(base, train=("developed",), validation=("developed",), schedule="constant", **changes)


class Snapshots(TrainerCallback):
    """The weights at the end of every epoch."""

    def __init__(self):
        self.taken = []

    def on_epoch_end(self, args, state, control, model=None, **kwargs):
        self.taken.append({name: value.clone() for name, value in model.state_dict().items()})


def script(monkeypatch, scores):
    """Let the epochs score this, in this order; returns the weights of every epoch."""
    left, snapshots, added = list(scores), Snapshots(), checkpoints.callbacks
    monkeypatch.setattr(checkpoints, "callbacks", lambda recipe: [*added(recipe), snapshots])
    monkeypatch.setattr(
        encoder_training._Development, "scores", lambda self, evaluated: {"strict_f1": left.pop(0)}
    )
    return snapshots.taken


@pytest.mark.slow
def test_the_kept_weights_score_what_the_curve_says(base, tmp_path, developed):
    """Of the real development score: its maximum, reached again by the checkpoint that was written."""
    out = encoder_training.train(
        with_development(base, epochs=12, learning_rate=1e-2, batch_size=4), tmp_path / "out"
    )
    told = summary(out)
    curve = [entry["strict_f1"] for entry in told["development"]]
    assert len(curve) == 12 and len(set(curve)) > 3
    assert told["kept"] == told["development"][curve.index(max(curve))]
    assert told["kept"]["strict_f1"] > 0
    assert strict_f1(out, developed) == pytest.approx(told["kept"]["strict_f1"], abs=1e-12)


@pytest.mark.slow
def test_the_development_score_is_that_of_windows_too(base, tmp_path, developed):
    """With sentences cut into windows: scored as prediction cuts them."""
    recipe = with_development(base, epochs=12, learning_rate=1e-2, batch_size=4, max_length=40)
    out = encoder_training.train(recipe, tmp_path / "out")
    found = encoder.predict(encoder.load(out, max_length=40), [s.text for s in developed])
    gold = [to_tags(words(s.text), s.entities) for s in developed]
    tags = [to_tags(words(s.text), entities) for s, entities in zip(developed, found, strict=True)]
    kept = summary(out)["kept"]["strict_f1"]
    assert kept > 0
    assert kept == pytest.approx(f1_score(gold, tags, mode="strict", scheme=IOB2, zero_division=0), abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scores", "patience", "epochs", "kept"),
    [
        ([0.1, 0.4, 0.3, 0.2], None, 4, 2),
        ([0.1, 0.4, 0.3, 0.2, 0.9], 2, 4, 2),  # stops before it would have got better
        ([0.4, 0.3, 0.5, 0.2, 0.6], 2, 5, 5),  # each better score makes it wait again
        ([0.3, 0.3, 0.3], None, 3, 1),  # the first of equals
        ([0.0, 0.0], None, 2, 1),
    ],
)
def test_the_best_epoch_is_kept(base, tmp_path, developed, monkeypatch, scores, patience, epochs, kept):
    taken = script(monkeypatch, scores)
    out = encoder_training.train(
        with_development(base, epochs=len(scores), patience=patience), tmp_path / "out"
    )
    told = summary(out)
    assert [entry["strict_f1"] for entry in told["development"]] == scores[:epochs]
    assert told["steps"] == 3 * epochs
    assert told["kept"] == {"epoch": kept, "step": 3 * kept, "strict_f1": scores[kept - 1]}
    assert same(weights(out), taken[kept - 1])
    assert not (out / "unfinished").exists()


@pytest.mark.slow
@pytest.mark.parametrize("killed", [2, 5, 8])
def test_a_killed_run_keeps_its_best_epoch_and_its_patience(base, tmp_path, developed, monkeypatch, killed):
    scores = [0.5, 0.1, 0.1, 0.9]
    recipe = with_development(base, epochs=4, patience=2)
    with monkeypatch.context() as patched:
        taken = script(patched, scores)
        encoder_training.train(recipe, tmp_path / "undisturbed")
    assert summary(tmp_path / "undisturbed")["steps"] == 9
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        script(patched, scores)
        kill_at(patched, killed)
        with pytest.raises(Killed):
            encoder_training.train(recipe, out)
    with monkeypatch.context() as patched:
        script(patched, scores[killed // 3 :])
        encoder_training.train(recipe, out)
    assert summary(out)["development"] == summary(tmp_path / "undisturbed")["development"]
    assert summary(out)["kept"] == {"epoch": 1, "step": 3, "strict_f1": 0.5}
    assert same(weights(out), taken[0])


def test_the_card_has_the_development_score(base, tmp_path, developed, monkeypatch):
    script(monkeypatch, [0.25, 0.123456])
    out = encoder_training.train(with_development(base, epochs=2), tmp_path / "out")
    _, front, text = (out / "README.md").read_text().split("---\n", 2)
    ((model,),) = [yaml.safe_load(front)["model-index"]]
    (result,) = model["results"]
    assert model["name"] == "tiny"
    assert result["task"]["type"] == "token-classification"
    assert result["dataset"]["type"] == "developed"
    assert result["dataset"]["split"] == "validation"
    assert [(metric["type"], metric["value"]) for metric in result["metrics"]] == [("f1", 0.25)]
    assert "25.00 % (epoch 1)" in text


# --- layers ----------------------------------------------------------------------------------------------


def start(recipe):
    """The model before its first step."""
    torch.manual_seed(0)
    return encoder_training._start(recipe, tag_set(TYPES)).model


def rates(recipe):
    """The learning rate of every weight."""
    model = start(recipe)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = encoder_training._optimizer(model, recipe).param_groups
    return {names[id(parameter)]: group["lr"] for group in groups for parameter in group["params"]}


def part(name):
    for number in range(2):
        if f"layer.{number}." in name:
            return f"layer {number}"
    return "embeddings" if "embeddings" in name else "head"


def test_lower_layers_get_lower_rates(recipe):
    found = rates(replace(recipe, layer_decay=0.5))
    assert len(found) == len(list(start(recipe).parameters()))
    expected = {"head": 1, "layer 1": 0.5, "layer 0": 0.25, "embeddings": 0.125}
    for name, rate in found.items():
        assert rate == pytest.approx(5e-3 * expected[part(name)]), name
    assert set(rates(recipe).values()) == {5e-3}


def test_biases_and_normalisations_do_not_decay(recipe):
    model = start(recipe)
    for group in encoder_training._optimizer(model, replace(recipe, weight_decay=0.3)).param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.3 if parameter.ndim > 1 else 0)


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 2])
def test_frozen_layers_do_not_change(recipe, base, tmp_path, count):
    before = load_file(base / "model.safetensors")
    out = encoder_training.train(replace(recipe, freeze_layers=count, epochs=1), tmp_path / "out")
    after = {name.removeprefix("bert."): value for name, value in weights(out).items()}
    frozen = {"embeddings", *(f"layer {number}" for number in range(count))} if count else set()
    compared = set()
    for name in before.keys() & after.keys():
        compared.add(part(name))
        if "LayerNorm" in name or name.endswith("key.bias"):  # of no, or next to no, gradient
            continue
        assert torch.equal(before[name], after[name]) == (part(name) in frozen), name
    assert compared == {"embeddings", "layer 0", "layer 1"}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_reinitialised_layers_alone_start_afresh(recipe, count):
    before, after = start(recipe).state_dict(), start(replace(recipe, reinitialise_layers=count)).state_dict()
    fresh = {f"layer {number}" for number in range(2 - count, 2)}
    for name, value in after.items():
        if value.ndim > 1:
            assert torch.equal(before[name], value) == (part(name) not in fresh), name
        elif part(name) in fresh:
            assert torch.equal(value, torch.full_like(value, float(name.endswith("LayerNorm.weight"))))
        else:
            assert torch.equal(before[name], value)


def test_more_layers_than_there_are_is_one_line(recipe, tmp_path):
    with pytest.raises(BenchmarkError, match="more than the 2 layers of") as caught:
        encoder_training.train(replace(recipe, freeze_layers=2, reinitialise_layers=1), tmp_path / "out")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_labels_of_the_base_model_do_not_matter(recipe, tmp_path):
    """A classifier of other types is fine-tuned like any other model, with a head of the size needed."""
    write_bert(tmp_path / "other", [s.text for s in TRAINING], ["O", "B-Cell", "I-Cell"])
    out = encoder_training.train(replace(recipe, model=str(tmp_path / "other"), epochs=1), tmp_path / "out")
    assert encoder.load(out).tags == tag_set(TYPES)


# --- recipes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"epoch": 3}, "'epoch' was unexpected"),
        ({"epochs": 0}, r"\$.epochs: 0 is less than or equal to the minimum of 0"),
        ({"learning_rate": "fast"}, r"\$.learning_rate: 'fast' is not of type 'number'"),
        ({"schedule": "steep"}, "'steep' is not one of .*'cosine'"),
        ({"precision": "int8"}, "'int8' is not one of .*'bfloat16'"),
        ({"warmup": 1}, r"\$.warmup"),
        ({"batch_size": 0}, r"\$.batch_size"),
        ({"seed": -1}, r"\$.seed"),
        ({"layer_decay": 2}, r"\$.layer_decay"),
        ({"train": []}, r"\$.train"),
        ({"train": "bioner_ncbi"}, r"\$.train"),
        ({"train": ["bioner_ncbi", "bioner_ncbi"]}, r"\$.train"),
        ({"train": ["bioner_nope"]}, "unknown corpus 'bioner_nope'; train can be: .*bioner_ncbi"),
        ({"train": ["bioner_nlmchem"]}, "out of domain: it is never trained on; train can be: .*bioner_ncbi"),
        ({"train": ["bioner_ncbi", "bioner_nlmgene"]}, "bioner_nlmgene is out of domain"),
        ({"validation": ["bioner_nlmchem"]}, "bioner_nlmchem is out of domain"),
        ({"validation": ["bioner_sample"]}, "no validation split; validation can be: .*bioner_ncbi"),
        ({"validation": None}, r"\$.validation"),
    ],
)
def test_a_bad_recipe_is_one_line_that_says_what_is_allowed(tmp_path, fields, said):
    path = write_recipe(tmp_path / "bad.yaml", model="x", **fields)
    with pytest.raises(BenchmarkError, match=said) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["kind", "model", "train", "seed", "epochs", "learning_rate"])
def test_what_a_recipe_must_say(tmp_path, missing):
    path = write_recipe(tmp_path / "short.yaml", model="x")
    value = yaml.safe_load(path.read_text())
    del value[missing]
    path.write_text(yaml.safe_dump(value))
    with pytest.raises(BenchmarkError, match=f"'{missing}' is a required property"):
        read_recipe(path)


def test_files_that_are_no_recipes(tmp_path):
    for content in ("", "- a\n", "kind: [encoder\n", "just text"):
        (tmp_path / "bad.yaml").write_text(content)
        with pytest.raises(BenchmarkError) as caught:
            read_recipe(tmp_path / "bad.yaml")
        assert "bad.yaml" in str(caught.value) and "\n" not in str(caught.value)
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BenchmarkError, match="cannot read the recipe"):
        read_recipe(tmp_path / "bad.yaml")


def test_validation_is_that_of_the_training_corpora_unless_it_is_said(tmp_path):
    path = write_recipe(tmp_path / "plain.yaml", model="x", train=["bioner_ncbi"], validation=["bioner_ncbi"])
    value = yaml.safe_load(path.read_text())
    assert read_recipe(path, seed=5).seed == 5
    del value["validation"]
    path.write_text(yaml.safe_dump(value))
    assert read_recipe(path).validation == ("bioner_ncbi",)
    assert read_recipe(path).name == "plain"
    path.write_text(yaml.safe_dump(value | {"validation": []}))
    assert read_recipe(path).validation == ()


def test_a_recipe_of_a_family_is_read_for_one_of_its_corpora(tmp_path):
    path = tmp_path / "small.yaml"
    text = "kind: encoder\nmodel: x\nseed: 1\nepochs: 1\nlearning_rate: 1e-4\n"
    path.write_text(text + "each: [bioner_ncbi, bioner_bc5cdr_chem]\n")
    assert family(path) == ("bioner_ncbi", "bioner_bc5cdr_chem")
    recipe = read_recipe(path, seed=3, task="bioner_bc5cdr_chem")
    assert (recipe.name, recipe.seed) == ("small-bc5cdr-chem", 3)
    assert recipe.train == recipe.validation == ("bioner_bc5cdr_chem",)
    path.write_text(text + "name: mine\neach: [bioner_ncbi, bioner_bc5cdr_chem]\n")
    named = [read_recipe(path, task=task).name for task in family(path)]
    assert named == ["mine-ncbi", "mine-bc5cdr-chem"]
    for task in (None, "bioner_bc2gm"):
        with pytest.raises(BenchmarkError, match="a recipe for each of bioner_ncbi, bioner_bc5cdr_chem"):
            read_recipe(path, task=task)
    path.write_text(text + "train: [bioner_ncbi]\n")
    assert family(path) == ()
    with pytest.raises(BenchmarkError, match="not on bioner_bc2gm"):
        read_recipe(path, task="bioner_bc2gm")
    for wrong in (text, text + "train: [bioner_ncbi]\neach: [bioner_ncbi]\n"):
        path.write_text(wrong)
        with pytest.raises(BenchmarkError, match=r"train[`'].*`each`"):
            read_recipe(path)


@pytest.mark.slow
def test_the_command_line_prints_the_folder_or_one_line_of_error(base, tmp_path):
    path = write_recipe(tmp_path / "tiny.yaml", model=str(base), epochs=7)  # long enough to log a loss
    done = call("train", path, cwd=tmp_path, OMP_NUM_THREADS="1")
    assert done.stdout == "checkpoints/tiny-seed-1\n"
    assert summary(tmp_path / "checkpoints/tiny-seed-1")["training_loss"]
    assert "unexpected" in fails("train", write_recipe(tmp_path / "bad.yaml", model="x", epoch=3))
    assert "cannot read" in fails("train", tmp_path / "absent.yaml")


@pytest.mark.slow
def test_a_trained_checkpoint_is_loaded_by_transformers_alone(finished):
    model = AutoModelForTokenClassification.from_pretrained(finished)
    assert model.config.label2id["B-Disease"] == 1
    assert model.dtype == torch.float32


def test_a_head_for_other_tags_is_not_taken_over_and_one_for_the_same_is(tmp_path):
    texts = [sentence.text for sentence in TRAINING]
    other = [*tag_set(["Cell"]), "B-Drug", "I-Drug"]
    own = tag_set(["Disease", "Chemical"])
    assert len(own) == len(other)
    heads = {}
    for name, tags in (("other", other), ("own", own)):
        folder = write_bert(tmp_path / name, texts, tags)
        torch.manual_seed(7)
        started = encoder_training._start(make_recipe(folder), own)
        assert started.tags == own
        before = AutoModelForTokenClassification.from_pretrained(folder).classifier.weight
        heads[name] = torch.equal(started.model.classifier.weight, before)
    assert heads == {"other": False, "own": True}
