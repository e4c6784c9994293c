"""Token classifiers through lm-eval: scored as seqeval scores their tags, whatever the sentence is like."""

import json
import logging
import re

import described_once  # noqa: F401
import pytest
from command_line import call, fails
from conftest import ROOT
from lm_eval.api.instance import Instance
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2
from tiny_models import teach, write_bert, write_roberta
from transformers import AutoTokenizer

from bioner_bench import corpora
from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.parsing import Level
from bioner_bench.harness.lm_models import Encoder, located_answer
from bioner_bench.models import encoder
from bioner_bench.models.tagging import tag_set, to_tags, words
from bioner_bench.schema import BenchmarkError, Entity
from bioner_bench.tuning.encoder_training import IGNORED, _read

TYPES = list(corpora.get("bioner_sample").types)
TEXTS = [s.text for split in ("train", "test") for s in corpora.load("bioner_sample", split).sentences]
WRITERS = {"bert": write_bert, "roberta": write_roberta}


@pytest.fixture(scope="module", params=list(WRITERS))
def folder(request, tmp_path_factory):
    """A classifier of the sample's types, right about some of its test sentences."""
    return taught(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return taught(tmp_path_factory.mktemp("bert"), "bert")


def taught(path, kind):
    WRITERS[kind](path, TEXTS, tag_set(TYPES))
    return teach(path, corpora.load("bioner_sample", "test").sentences)


def predict(path, texts, batch_size=32, **options):
    return encoder.predict(encoder.load(path, **options), texts, batch_size)


def tags_of(text, entities):
    return to_tags(words(text), entities)


# --- scores ----------------------------------------------------------------------------------------------


def seqeval_scores(sentences, found):
    """Of the tags; gold mentions that IOB2 cannot write, two in the sample, count as missed."""
    gold = [tags_of(s.text, s.entities) for s in sentences]
    tags = [tags_of(s.text, entities) for s, entities in zip(sentences, found, strict=True)]
    strict = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    precision = precision_score(gold, tags, **strict)
    written, mentions = (
        sum(tag[0] == "B" for row in gold for tag in row),
        sum(len(s.entities) for s in sentences),
    )
    recall = recall_score(gold, tags, **strict) * written / mentions
    f1 = 2 * precision * recall / (precision + recall)
    if written == mentions:
        assert f1 == pytest.approx(f1_score(gold, tags, **strict), abs=1e-12)
    return {"strict_f1": f1, "strict_precision": precision, "strict_recall": recall}


def lm_eval_scores(task, **options):
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    import bioner_bench.harness.lm_models  # noqa: F401

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    manager = TaskManager(include_path=str(ROOT / "tasks"), include_defaults=False)
    results = simple_evaluate(
        model="encoder", tasks=[task], task_manager=manager, bootstrap_iters=0, log_samples=True, **options
    )
    return results["results"][task], results["samples"][task]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["", ",max_length=24"])
def test_lm_evals_strict_scores_are_those_of_seqeval(folder, arguments):
    sentences = corpora.load("bioner_sample", "test").sentences
    found = predict(folder, [s.text for s in sentences], max_length=24 if arguments else None)
    expected = seqeval_scores(sentences, found)
    assert 0.05 < expected["strict_f1"] < 0.95, "there is something to compare"
    scores, samples = lm_eval_scores(
        "bioner_sample", model_args=f"pretrained={folder},dtype=float32{arguments}"
    )
    assert {name: scores[f"{name},none"] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert scores["json_valid,none"] == 1
    assert scores["hallucination_rate,none"] == 0
    for sample, entities in zip(samples, found, strict=True):
        answer = json.loads(sample["filtered_resps"][0])
        listed = [(m["start"], m["end"], type_) for type_ in answer for m in answer[type_]]
        assert sorted(listed) == sorted((e.start, e.end, e.type) for e in entities)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["bioner_ncbi", "bioner_jnlpba"])
def test_strict_scores_on_a_real_corpus_are_those_of_seqeval(mirror, tmp_path, task):
    sentences = corpora.load(task, "test").sentences[:120]
    texts = [s.text for s in sentences]
    write_bert(tmp_path, texts, tag_set(corpora.get(task).types))
    teach(tmp_path, sentences[:80])
    expected = seqeval_scores(sentences, predict(tmp_path, texts))
    assert 0.05 < expected["strict_f1"] < 0.95
    scores, _ = lm_eval_scores(task, model_args=f"pretrained={tmp_path},dtype=float32", limit=120)
    assert {name: scores[f"{name},none"] for name in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_the_command_line_runs_an_encoder(bert, tmp_path):
    options = ["--tasks", "bioner_sample", "--log_samples", "--output_path", tmp_path, "--limit", 9]
    call("run", "--model", "encoder", "--model_args", f"pretrained={bert},dtype=float32", *options)
    (results,) = tmp_path.rglob("results_*.json")
    sentences = corpora.load("bioner_sample", "test").sentences[:9]
    expected = seqeval_scores(sentences, predict(bert, [s.text for s in sentences]))
    found = json.loads(results.read_text())
    assert found["results"]["bioner_sample"]["strict_f1,none"] == pytest.approx(expected["strict_f1"])
    assert found["config"]["model_num_parameters"] > 1000
    assert found["config"]["model_dtype"] == "torch.float32"


# --- answers ---------------------------------------------------------------------------------------------


def test_answers_are_valid_and_their_offsets_hold(folder):
    """Also where a mention string occurs several times: the offsets say which one is meant."""
    sentences = corpora.load("bioner_sample", "test").sentences
    for sentence, found in zip(sentences, predict(folder, [s.text for s in sentences]), strict=True):
        answer = judge(sentence, located_answer(sentence.text, found, TYPES), TYPES)
        assert answer.parsed.level == Level.VALID
        assert sorted(item.span for item in answer.aligned) == sorted(found)
    text = "ataxia, ataxia and ataxia"
    answer = located_answer(text, [Entity(8, 14, "Disease")], TYPES)
    assert json.loads(answer)["Disease"] == [{"text": "ataxia", "start": 8, "end": 14}]


@pytest.mark.slow
def test_types_that_the_task_does_not_ask_for_are_left_out(mirror, bert):
    _, samples = lm_eval_scores("bioner_ncbi", model_args=f"pretrained={bert},dtype=float32", limit=20)
    texts = [sample["doc"]["text"] for sample in samples]
    predicted = predict(bert, texts)
    assert {e.type for found in predicted for e in found} > {"Disease"}
    for sample, found in zip(samples, predicted, strict=True):
        answer = json.loads(sample["filtered_resps"][0])
        assert list(answer) == ["Disease"]
        spans = [(m["start"], m["end"]) for m in answer["Disease"]]
        assert spans == [(e.start, e.end) for e in found if e.type == "Disease"]


# --- sentences -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_length", [8, 11, 24, 128])
def test_every_word_of_a_long_sentence_is_tagged_once(folder, max_length):
    classifier = encoder.load(folder, max_length=max_length)
    texts = [" ".join(TEXTS[:20]), TEXTS[0], "supercalifragilistic" * 9, "a", "", " ", "? " * 200]
    spans, inputs = encoder.read(texts, classifier.tokenizer, classifier.max_length)
    assert spans == [words(text) for text in texts]
    for index, text_spans in enumerate(spans):
        owned = [
            word
            for item in inputs
            if item.window.sentence == index
            for word in range(item.window.owned_first, item.window.owned_last)
        ]
        assert owned == list(range(len(text_spans)))
    for item in inputs:
        assert len(item.input_ids) <= max_length
        assert len(item.first_subwords) == item.window.owned_last - item.window.owned_first
    found = encoder.predict(classifier, texts)
    for text, entities in zip(texts, found, strict=True):
        starts, ends = {start for start, _ in words(text)}, {end for _, end in words(text)}
        assert all(e.start in starts and e.end in ends for e in entities)
        assert sorted(entities) == entities
    assert max(e.end for e in found[0]) > len(texts[0]) * 0.8


def test_windows_hold_the_subwords_of_the_whole_sentence(folder):
    """The same subwords as the tokenizer gives for the words, and each tagged place begins its word."""
    classifier = encoder.load(folder, max_length=20)
    tokenizer = classifier.tokenizer
    text = " ".join(TEXTS[:6])
    (spans,), inputs = encoder.read([text], tokenizer, 20)
    whole = tokenizer([text[s:e] for s, e in spans], is_split_into_words=True, add_special_tokens=False)
    begins = {word: place for place, word in reversed(list(enumerate(whole.word_ids()))) if word is not None}
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert len(inputs) > 5
    for item in inputs:
        body = item.input_ids[1:-1]
        assert {item.input_ids[0], item.input_ids[-1]} <= special
        first = begins[item.window.first]
        assert body == whole["input_ids"][first : first + len(body)]
        owned = range(item.window.owned_first, item.window.owned_last)
        assert [place - 1 + first for place in item.first_subwords] == [begins[word] for word in owned]


def test_training_rows_hold_every_gold_tag_once(folder):
    classifier = encoder.load(folder, max_length=16)
    sentences = corpora.load("bioner_sample", "train").sentences
    rows = _read(classifier, sentences, [tuple(TYPES)] * len(sentences))[2]
    assert len(rows) > len(sentences)
    labels = [[classifier.tags[n] for n in row["labels"] if n != IGNORED] for row in rows]
    gold = [tags_of(s.text, s.entities) for s in sentences]
    assert [tag for row in labels for tag in row] == [tag for sentence in gold for tag in sentence]
    for row in rows:
        assert len(row["input_ids"]) == len(row["labels"]) == len(row["attention_mask"]) <= 16


def test_a_word_that_the_tokenizer_drops_is_still_tagged(bert):
    """BERT's tokenizers remove what is not printed, such as a zero-width space."""
    tokenizer = AutoTokenizer.from_pretrained(bert)
    assert tokenizer.tokenize("\u200b") == []
    text = "asthma \u200b and \u200b\u200b asthma \u200b"
    spans, (item,) = encoder.read([text], tokenizer, 64)
    assert len(item.first_subwords) == len(spans[0]) == 7
    dropped = [
        item.input_ids[place]
        for place, (start, _) in zip(item.first_subwords, spans[0], strict=True)
        if text[start] == "\u200b"
    ]
    assert dropped == [tokenizer.unk_token_id] * 4
    predict(bert, [text])


def test_predictions_depend_on_neither_order_nor_batch_size(folder):
    texts = [*TEXTS[:40], " ".join(TEXTS[:30]), "", "asthma"]
    found = predict(folder, texts)
    assert sum(map(len, found)) > 100
    assert predict(folder, texts[::-1])[::-1] == found
    assert predict(folder, texts, batch_size=1) == found
    assert predict(folder, texts, batch_size=7) == found
    assert [predict(folder, [text])[0] for text in texts[-4:]] == found[-4:]


def test_a_sentence_that_fits_is_read_at_once_and_a_longer_limit_is_that_of_the_model(folder):
    assert encoder.load(folder).max_length == 128
    assert encoder.load(folder, max_length=1024).max_length == 128
    (item,) = encoder.read([TEXTS[0]], encoder.load(folder).tokenizer, 128)[1]
    assert item.window.owned_last == len(words(TEXTS[0]))


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags",
    [
        ["LABEL_0", "LABEL_1"],
        ["B-Disease", "I-Disease"],
        ["O", "Disease"],
        ["O", "B-", "I-"],
        ["O", "I-Disease", "I-Gene"],  # nothing could ever begin
        ["O", "B-Disease", "I-Disease", "E-Disease", "S-Disease"],
    ],
)
def test_labels_that_are_no_iob2_tags_are_refused(tmp_path, tags):
    write_bert(tmp_path, TEXTS[:3], tags)
    with pytest.raises(BenchmarkError, match="IOB2 tags are needed") as caught:
        encoder.load(tmp_path)
    assert "\n" not in str(caught.value)
    assert tags[0] in str(caught.value)


@pytest.mark.parametrize(
    "tags",
    [
        ["B-Disease", "I-Disease", "O"],
        ["I-Gene", "O", "B-Disease", "B-Gene", "I-Disease"],
        ["O", "B-Disease"],
    ],
)
def test_labels_in_any_order_are_taken(tmp_path, tags):
    write_bert(tmp_path, TEXTS, tags, seed=3)
    found = predict(tmp_path, TEXTS)
    assert any(found)
    for text, entities in zip(TEXTS, found, strict=True):
        assert all(text[e.start : e.end].strip() == text[e.start : e.end] != "" for e in entities)


def test_wrong_use_is_one_line(bert, tmp_path):
    write_bert(tmp_path, TEXTS[:3], ["LABEL_0", "LABEL_1"])
    run = ["run", "--tasks", "bioner_sample", "--limit", 2, "--model", "encoder", "--model_args"]
    assert "LABEL_0, LABEL_1, but IOB2 tags are needed" in fails(*run, f"pretrained={tmp_path}")
    with pytest.raises(BenchmarkError, match="'int3'; there are: auto, float32, bfloat16"):
        Encoder(bert, dtype="int3")


def test_labels_that_name_the_type_otherwise_are_refused(tmp_path):
    write_bert(tmp_path, TEXTS, ["O", "B-DISEASE", "I-DISEASE"])
    doc = {"id": "1", "text": TEXTS[0], "types": ["Disease", "Gene"], "entities": []}
    request = Instance("generate_until", doc, ("", {}), 0, metadata=("bioner_mine", 0, 1))
    with pytest.raises(BenchmarkError, match=r"bioner_mine asks for Disease, Gene, but .* are of DISEASE;"):
        Encoder(str(tmp_path), dtype="float32").generate_until([request], disable_tqdm=True)


def test_a_window_without_room_for_a_word_is_refused(bert):
    with pytest.raises(BenchmarkError, match="max_length 2 leaves no room"):
        predict(bert, ["a"], max_length=2)


def test_a_long_word_is_cut_to_a_window(folder):
    classifier = encoder.load(folder, max_length=8)
    text = "x " + "ab" * 60 + " y"
    _, inputs = encoder.read([text], classifier.tokenizer, 8)
    assert all(len(item.input_ids) <= 8 for item in inputs)
    assert re.findall(r"\S+", text) == [text[s:e] for s, e in words(text)]
    encoder.predict(classifier, [text])
