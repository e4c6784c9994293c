"""CRF heads: their loss is that of all sequences counted one by one, and of pytorch-crf."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny_models import write_bert
from torchcrf import CRF
from transformers import AutoModelForTokenClassification

from bioner_bench import corpora
from bioner_bench.models import encoder, heads
from bioner_bench.models.crf import Crf
from bioner_bench.models.tagging import best_tags, tag_set
from bioner_bench.tuning import encoder_training
from bioner_bench.tuning.recipes import EncoderRecipe

TAGS = tag_set(["X"])


def random_crf(seed):
    torch.manual_seed(seed)
    made = Crf(len(TAGS))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


def score(made, scores, tags):
    pairs = sum(made.pairs[one, two] for one, two in pairwise(tags))
    words = sum(scores[i, tag] for i, tag in enumerate(tags))
    return made.first[tags[0]] + made.last[tags[-1]] + pairs + words


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_the_loss_counts_every_sequence_and_is_that_of_pytorch_crf(seed, sizes):
    made = random_crf(seed)
    scores, gold = torch.randn(len(sizes), max(sizes), len(TAGS)), torch.randint(3, (len(sizes), max(sizes)))
    found = made.loss(scores, gold, torch.tensor(sizes))
    wanted = 0
    for row, tags, size in zip(scores, gold.tolist(), sizes, strict=True):
        every = torch.stack([score(made, row, path) for path in product(range(len(TAGS)), repeat=size)])
        wanted = wanted + every.logsumexp(0) - score(made, row, tags[:size])
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4, abs=1e-4)

    other = CRF(len(TAGS), batch_first=True)
    with torch.no_grad():
        other.start_transitions.copy_(made.first)
        other.transitions.copy_(made.pairs)
        other.end_transitions.copy_(made.last)
    mask = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    assert found.item() == pytest.approx(
        -other(scores, gold, mask, reduction="sum").item(), rel=1e-4, abs=1e-4
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_best_tags_are_the_valid_sequence_with_the_highest_score(seed, size):
    made, scores = random_crf(seed), torch.randn(size, len(TAGS))
    paths = [
        path
        for path in product(range(len(TAGS)), repeat=size)
        if all(
            TAGS[tag] != "I-X" or (at > 0 and TAGS[path[at - 1]] in ("B-X", "I-X"))
            for at, tag in enumerate(path)
        )
    ]
    best = max(paths, key=lambda path: score(made, scores, path).item())
    found = best_tags(scores.numpy(), TAGS, made.transitions())
    assert found == [TAGS[tag] for tag in best]


def test_without_weights_it_is_a_linear_head():
    scores = np.random.default_rng(0).normal(size=(9, len(TAGS))).astype(np.float32)
    assert best_tags(scores, TAGS, Crf(len(TAGS)).transitions()) == best_tags(scores, TAGS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crf")
    sentences = corpora.load("bioner_sample", "train").sentences
    write_bert(folder / "base", [s.text for s in sentences])
    recipe = EncoderRecipe(
        name="crf",
        model=str(folder / "base"),
        train=("bioner_sample",),
        seed=1,
        epochs=60,
        batch_size=8,
        learning_rate=3e-3,
        head="crf",
    )
    return encoder_training.train(recipe, folder / "out"), sentences


@pytest.mark.slow
def test_a_checkpoint_loads_by_itself_and_has_learned(trained):
    out, sentences = trained
    weights = load_file(out / heads.FILE)
    assert weights["crf.pairs"].abs().max() > 0
    loaded = encoder.load(out)
    assert loaded.transitions is not None
    assert np.array_equal(loaded.transitions.pairs, weights["crf.pairs"].numpy())
    found = encoder.predict(loaded, [s.text for s in sentences])
    right = sum(len(set(s.entities) & set(entities)) for s, entities in zip(sentences, found, strict=True))
    assert right > 0.9 * sum(len(s.entities) for s in sentences)


def test_the_encoder_beside_it_is_an_ordinary_checkpoint(trained):
    out, _ = trained
    assert not [name for name in load_file(out / "model.safetensors") if "tagger" in name]
    _, said = AutoModelForTokenClassification.from_pretrained(out, output_loading_info=True)
    assert not said["missing_keys"] and not said["unexpected_keys"]


def test_subwords_without_a_label_do_not_count(trained):
    out, _ = trained
    model = AutoModelForTokenClassification.from_pretrained(out)
    heads.put_on(model, heads.of_checkpoint(out, model.config))
    ids = torch.arange(5, 11)[None].repeat(3, 1)
    labels = torch.tensor([[-100, 0, -100, 1, 2, -100], [0, 0, 0, 0, 0, 0], [-100] * 6])
    loss = model(input_ids=ids, labels=labels).loss
    logits = model(input_ids=ids).logits
    crf = model.tagger.crf
    one = crf.loss(logits[:1, [1, 3, 4]], labels[:1, [1, 3, 4]], torch.tensor([3]))
    two = crf.loss(logits[1:2], labels[1:2], torch.tensor([6]))
    assert loss.item() == pytest.approx(((one + two) / 9).item(), rel=1e-5)
    summed = model(input_ids=ids, labels=labels, num_items_in_batch=torch.tensor(18)).loss
    assert summed.item() == pytest.approx(loss.item() / 2, rel=1e-5)
