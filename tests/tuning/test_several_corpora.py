"""One encoder of several corpora: each sentence knows the tags of its corpus, in learning and in answers."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_llm import write_llm
from two_corpora import ILLS, NAMES, TEXTS

from bioner_bench import corpora
from bioner_bench.harness.lm_models import Encoder
from bioner_bench.models import encoder, heads
from bioner_bench.models.tagging import tag_set
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import encoder_training, llm_training
from bioner_bench.tuning.recipes import EncoderRecipe, LlmRecipe, Lora, read_recipe
from bioner_bench.tuning.rows import prompt_hashes
from bioner_bench.tuning.strategies import Choice

pytestmark = pytest.mark.usefixtures("in_two_corpora")


@pytest.fixture(scope="module")
def together(two_corpora_bert, two_corpora, tmp_path_factory):
    """A recipe of both corpora, and what it left."""
    made = EncoderRecipe(
        name="together",
        model=str(two_corpora_bert),
        train=("ills",),
        auxiliary=("names",),
        validation=("ills",),
        seed=1,
        epochs=25,
        batch_size=8,
        learning_rate=1e-2,
        precision="float32",
    )
    out = tmp_path_factory.mktemp("together") / "out"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("BIONER_BENCH_CORPORA", str(two_corpora))
        return made, encoder_training.train(made, out)


def found(out, types=()):
    """The mentions of each text."""
    entities = encoder.predict(encoder.load(out), TEXTS, types=types)
    return [
        [(text[e.start : e.end], e.type) for e in each] for text, each in zip(TEXTS, entities, strict=True)
    ]


def test_what_a_corpus_leaves_o_may_be_a_mention_of_the_other(together):
    """Learned apart from it, although it stands unlabelled in half of the sentences."""
    _, out = together
    assert found(out, ["Disease"]) == [[(text.split()[2], "Disease")] for text in TEXTS]
    assert found(out, ["person"]) == [[(text.split()[0], "person")] for text in TEXTS]
    assert set(ILLS) | set(NAMES) == {text for each in found(out) for text, _ in each}, (
        "without a question: all"
    )


def test_the_labels_are_the_union_and_the_checkpoint_knows_whose_they_are(together):
    _, out = together
    loaded = encoder.load(out)
    assert loaded.tags == tag_set(["Disease", "person"])
    assert loaded.model.config.annotated == [["Disease"], ["person"]]
    told = json.loads((out / "training.json").read_text())
    assert told["data"] == {"sentences": 24, "mentions": 24}
    assert set(told["prompt"]) == {"ills", "names"}
    assert told["kept"]["strict_f1"] == 1, "the auxiliary corpus chooses nothing"
    assert "ills beside names" in (out / "README.md").read_text()
    assert not (out / heads.FILE).exists()


def test_an_evaluation_asks_for_the_types_of_its_task(together):
    _, out = together
    answers = Encoder(str(out), dtype="float32")

    class Request:
        def __init__(self, task):
            (type_,) = corpora.get(task).types
            self.task_name = task
            self.doc = {"id": "0", "document": "0", "text": TEXTS[0], "types": [type_], "entities": []}

    first, second, third = answers.generate_until([Request(task) for task in ("ills", "names", "ills")], True)
    assert json.loads(first) == {"Disease": [{"text": "asthma", "start": 9, "end": 15}]}
    assert json.loads(second) == {"person": [{"text": "Anna", "start": 0, "end": 4}]}
    assert third == first


def test_one_corpus_is_learned_without_masks(together):
    recipe, _ = together
    torch.manual_seed(0)
    model = encoder_training._start(replace(recipe, auxiliary=()), tag_set(["Disease"]), [("Disease",)]).model
    assert not hasattr(model, "tagger") and not hasattr(model.config, "annotated")
    alike = EncoderRecipe(**vars(recipe) | {"train": ("ills", "ills"), "auxiliary": ()})
    assert encoder_training._annotated(alike) == [("Disease",)], "corpora of the same types need none"


@pytest.mark.slow
def test_all_parts_of_a_head_learn_with_masked_tags(together, tmp_path):
    """The best epoch is kept with its head, and a run goes on from one with all of its parts."""
    recipe, _ = together
    whole = replace(recipe, name="whole", head="bilstm-crf", characters="cnn", epochs=15)
    out = encoder_training.train(whole, tmp_path / "out")
    assert json.loads((out / "training.json").read_text())["kept"]["strict_f1"] > 0.9
    right = sum(
        (text.split()[2], "Disease") in each
        for text, each in zip(TEXTS, found(out, ["Disease"]), strict=True)
    )
    assert right > 0.9 * len(TEXTS)
    again = encoder_training._start(replace(whole, begin_from=str(out)), tag_set(["Disease", "person"]))
    for name, value in load_file(out / heads.FILE).items():
        assert torch.equal(again.model.tagger.state_dict()[name], value)
    other = encoder_training._start(replace(whole, begin_from=str(out)), tag_set(["Disease"]))
    assert not other.model.tagger.crf.pairs.any(), "of other labels it starts anew"


# --- then the target alone -------------------------------------------------------------------------------


def start(recipe, types):
    torch.manual_seed(0)
    return encoder_training._start(recipe, tag_set(types)).model.state_dict()


def test_it_begins_from_the_body_and_with_the_same_labels_from_the_head(together):
    recipe, out = together
    then = replace(recipe, auxiliary=(), begin_from=str(out))
    learned = load_file(out / "model.safetensors")
    body = [name for name in learned if not name.startswith("classifier")]
    for types, kept in ((["Disease"], False), (["person", "Disease"], False), (["Disease", "person"], True)):
        before = start(then, types)
        assert all(torch.equal(before[name], learned[name]) for name in body)
        weight = before["classifier.weight"]
        assert (weight.shape == learned["classifier.weight"].shape) == (len(types) == 2)
        assert (len(types) == 2 and torch.equal(weight, learned["classifier.weight"])) == kept


def test_the_target_alone_after_both_leaves_a_checkpoint_of_the_target(together, tmp_path):
    recipe, out = together
    then = replace(recipe, name="then", auxiliary=(), begin_from=str(out), epochs=2)
    made = encoder_training.train(then, tmp_path / "out")
    assert encoder.load(made).tags == tag_set(["Disease"])
    assert not hasattr(encoder.load(made).model.config, "annotated")
    assert json.loads((made / "training.json").read_text())["begin_from"].startswith("sha256:")
    assert found(made)[0] == [("asthma", "Disease")], "two epochs are enough from there"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"begin_from": "nowhere"}, "nowhere holds no checkpoint of `bioner-bench train`; train it first"),
        ({"model": "another"}, "was trained on .*base.*, but model is another"),
        ({"validation": ("bioner_sample",)}, "no training corpus annotates all types .* bioner_sample"),
    ],
)
def test_wrong_use_is_one_line(together, changes, said, tmp_path):
    recipe, out = together
    wrong = replace(recipe, **{"begin_from": str(out)} | changes)
    with pytest.raises(BenchmarkError, match=said) as caught:
        encoder_training._annotated(wrong)
        encoder_training._begin(wrong)
    assert "\n" not in str(caught.value)


def test_a_recipe_names_its_beginning_by_task_and_seed(tmp_path):
    path = tmp_path / "then.yaml"
    path.write_text(
        "kind: encoder\nmodel: x\nseed: 1\nepochs: 1\nlearning_rate: 1e-4\neach: [ills, bioner_sample]\n"
        "validation: []\nauxiliary: [names]\nbegin_from: 'checkpoints/both-{task}-seed-{seed}'\n"
    )
    read = read_recipe(path, seed=7, task="bioner_sample")
    assert read.begin_from == "checkpoints/both-sample-seed-7"
    assert (read.train, read.auxiliary, read.validation) == (("bioner_sample",), ("names",), ())
    path.write_text(path.read_text().replace("[names]", "[bioner_nlmchem]"))
    with pytest.raises(BenchmarkError, match="out of domain: it is never trained on"):
        read_recipe(path, task="ills")


# --- language models -------------------------------------------------------------------------------------


def test_a_language_model_learns_each_row_with_its_own_corpus_in_the_prompt(tmp_path, monkeypatch):
    """All auxiliary rows beside the selected ones, with context where the recipe says so."""
    seen = []
    encode = llm_training.encode

    def spy(row, chat, limit):
        seen.append((row.task, row.messages[0]["content"], row.target))
        return encode(row, chat, limit)

    monkeypatch.setattr(llm_training, "encode", spy)
    recipe = LlmRecipe(
        name="both",
        model=str(write_llm(tmp_path / "base")),
        train=("ills",),
        auxiliary=("names",),
        context=1,
        select=Choice(strategy="full", limit=5),
        seed=1,
        epochs=1,
        steps=1,
        learning_rate=1e-3,
        batch_size=2,
        precision="float32",
        lora=Lora(r=2),
    )
    out = llm_training.train(recipe, tmp_path / "out")
    told = json.loads((out / "training.json").read_text())
    assert (told["data"]["rows"], told["data"]["auxiliary_rows"]) == (5, 12)
    assert told["prompt"] == prompt_hashes(["ills", "names"], "json", context=1)
    assert [task for task, _, _ in seen] == ["ills"] * 5 + ["names"] * 12
    for number, (task, asked, target) in enumerate(seen):
        type_ = "Disease" if task == "ills" else "person"
        place = number if task == "ills" else number - 5
        assert f"- {type_}: a thing" in asked and f"Sentence: {TEXTS[place]}\n" in asked
        assert ("Context before: " in asked) == (place % 6 > 0)
        assert list(json.loads(target)) == [type_]
    assert """ --metadata '{"context": 1}' """ in (out / "README.md").read_text()
    (tmp_path / "again.yaml").write_text((out / "recipe.yaml").read_text())
    assert read_recipe(tmp_path / "again.yaml") == recipe
