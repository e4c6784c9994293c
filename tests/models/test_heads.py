"""Heads: tags that a row cannot have are out of the loss, and every part is in the checkpoint."""

import math
from itertools import product

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import write_bert
from torch import nn
from transformers import AutoModelForTokenClassification
from transformers.modeling_outputs import TokenClassifierOutput
from two_corpora import TEXTS

from bioner_bench.models import encoder, heads, padding
from bioner_bench.models.heads import FORBIDDEN, IGNORED, LETTERS, Head, allowed, annotation, letters
from bioner_bench.models.tagging import tag_set

TAGS = tag_set(["A", "B"])  # O, B-A, I-A, B-B, I-B


class Fixed(nn.Module):
    """A model whose scores are its weights."""

    device = torch.device("cpu")

    def __init__(self, scores):
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))

    def forward(self, input_ids=None):
        return TokenClassifierOutput(logits=self.scores)


def test_masked_tags_are_out_of_the_loss():
    """Two sentences by hand, one of a corpus with A, one of a corpus with B."""
    model = Fixed([[[0.0, math.log(2), 0.0, 9.0, 9.0]], [[0.0, 5.0, 5.0, 0.0, 0.0]]])
    heads.put_on(model, Head(8, len(TAGS), "linear", None))
    possible = torch.tensor([allowed(TAGS, ["A"]), allowed(TAGS, ["B"])])
    labels = torch.tensor([[1], [0]])
    found = model(input_ids=labels, labels=labels, allowed=possible)
    # B-A has 2 of 1 + 2 + 1, O one of 1 + 1 + 1.
    assert found.loss.item() == pytest.approx((math.log(2) + math.log(3)) / 2, rel=1e-6)
    assert found.logits[0, 0, 3:].tolist() == [FORBIDDEN] * 2
    found.loss.backward()
    gradient = model.scores.grad[:, 0]
    wanted = torch.tensor([[0.25, -0.5, 0.25, 0, 0], [-2 / 3, 0, 0, 1 / 3, 1 / 3]]) / 2
    torch.testing.assert_close(gradient, wanted)
    summed = model(input_ids=labels, labels=labels, allowed=possible, num_items_in_batch=4).loss
    assert summed.item() == pytest.approx(found.loss.item() / 2)


def test_masked_tags_are_out_of_the_sum_over_sequences_of_a_crf():
    torch.manual_seed(0)
    model = Fixed(torch.randn(1, 3, len(TAGS)).tolist())
    heads.put_on(model, Head(8, len(TAGS), "crf", None))
    crf = model.tagger.crf
    for parameter in crf.parameters():
        nn.init.normal_(parameter)
    labels = torch.tensor([[3, 4, 0]])
    found = model(input_ids=labels, labels=labels, allowed=torch.tensor([allowed(TAGS, ["B"])])).loss

    def score(tags):
        words = sum(model.scores[0, place, tag] for place, tag in enumerate(tags))
        return words + crf.first[tags[0]] + crf.last[tags[2]] + crf.pairs[tags[:2], tags[1:]].sum()

    every = torch.stack([score(list(tags)) for tags in product([0, 3, 4], repeat=3)])
    assert found.item() == pytest.approx(((every.logsumexp(0) - score([3, 4, 0])) / 3).item(), rel=1e-5)


def test_which_tags_a_sentence_can_have():
    assert allowed(TAGS, ["B"]) == [True, False, False, True, True]
    assert allowed(TAGS, []) == [True, False, False, False, False]
    corpora = [("A", "B"), ("A",), ("C",)]
    assert annotation(corpora, ["A"]) == ("A",)
    assert annotation(corpora, ["B"]) == ("A", "B")
    assert annotation(corpora, ["A", "C"]) is None


def test_letters_are_numbers_with_case_and_of_a_long_word_both_ends():
    assert letters("Ab") == [65, 98] + [0] * (LETTERS - 2)
    assert letters("") == [0] * LETTERS
    long = letters("abcdefgh" + "x" * 50 + "ijklmnop")
    assert "".join(map(chr, long)) == "abcdefghijklmnop"
    assert all(128 <= number < 256 for number in letters("αβ")[:2])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_bert(tmp_path_factory.mktemp("base"), TEXTS, TAGS)


def with_head(base, head, characters, seed=0):
    model = AutoModelForTokenClassification.from_pretrained(base)
    model.config.head, model.config.characters = head, characters
    torch.manual_seed(seed)
    heads.put_on(model, heads.new(model.config))
    for parameter in model.tagger.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.mark.parametrize(
    ("head", "characters"), [("crf", None), ("bilstm-crf", None), ("linear", "cnn"), ("bilstm-crf", "cnn")]
)
def test_a_head_is_saved_beside_an_ordinary_checkpoint_and_loads_by_itself(base, tmp_path, head, characters):
    model = with_head(base, head, characters)
    heads.save(model, tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((base / name).read_bytes())
    _, said = AutoModelForTokenClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not said["missing_keys"] and not said["unexpected_keys"]
    parts = {name.partition(".")[0] for name in load_file(tmp_path / heads.FILE)}
    assert parts == {*(["crf"] if "crf" in head else []), *(["lstm"] if "bilstm" in head else [])} | (
        {"characters"} if characters else set()
    )
    again = encoder.load(tmp_path)
    assert (again.transitions is not None) == ("crf" in head)
    for name, value in model.tagger.state_dict().items():
        assert torch.equal(again.model.tagger.state_dict()[name], value)
    found = encoder.predict(again, TEXTS)
    assert found == encoder.predict(encoder.Encoder(model, again.tokenizer, 128), TEXTS)
    assert found == encoder.predict(again, TEXTS, batch_size=1), "what is filled up does not count"
    other = with_head(base, head, characters, seed=1)
    assert found != encoder.predict(encoder.Encoder(other, again.tokenizer, 128), TEXTS)


def test_character_vectors_see_case_where_the_subwords_do_not(base):
    model = with_head(base, "linear", "cnn")
    reading = encoder.Encoder(model, encoder.AutoTokenizer.from_pretrained(base), 128)
    _, (lower, upper) = encoder.read(["anna had gout", "ANNA had gout"], reading.tokenizer, 128)
    assert lower.input_ids == upper.input_ids
    rows = padding.batch([reading.row(lower), reading.row(upper)], 0)
    scores = model(**rows).logits.detach()
    assert not torch.allclose(scores[0, 1], scores[1, 1])
    assert torch.allclose(scores[0, 2:], scores[1, 2:], atol=1e-5)


def test_rows_of_different_length_are_filled_up():
    made = padding.batch(
        [
            {"input_ids": [5, 6, 7], "labels": [IGNORED, 1, 2], "allowed": [True, False]},
            {"input_ids": [8], "labels": [0], "allowed": [True, True]},
        ],
        padding=9,
    )
    assert made["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert made["labels"].tolist() == [[IGNORED, 1, 2], [0, IGNORED, IGNORED]]
    assert made["allowed"].tolist() == [[True, False], [True, True]]
