"""Context: what stands around a sentence is read with it, but neither learned nor answered nor scored."""

import json
from dataclasses import replace

import pytest
from command_line import call
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.tasks import TaskManager
from lm_eval_folder import from_lm_eval
from tiny_models import write_bert
from transformers import AutoTokenizer
from two_corpora import TEXTS

from bioner_bench import corpora
from bioner_bench.corpora.documents import with_context
from bioner_bench.evaluation import prompt
from bioner_bench.harness.cards import read_card
from bioner_bench.harness.lm_models import Encoder
from bioner_bench.leaderboard import lm_eval_output, records, rescoring
from bioner_bench.models import encoder
from bioner_bench.models.heads import IGNORED
from bioner_bench.models.tagging import tag_set
from bioner_bench.schema import BenchmarkError, Sentence
from bioner_bench.tuning import encoder_training
from bioner_bench.tuning.recipes import EncoderRecipe
from bioner_bench.tuning.rows import prompt_hashes, rows_of

TYPES = {"Disease": "a thing"}


pytestmark = pytest.mark.usefixtures("in_two_corpora")


# --- sentences -------------------------------------------------------------------------------------------


def sentences(documents):
    return [Sentence(f"{place}", f"S{place}", (), document) for place, document in enumerate(documents)]


def around(documents, size):
    return [(one.before, one.after) for one in with_context("toy", sentences(documents), size)]


def test_context_is_that_of_the_document():
    assert around("aab", 1) == [("", "S1"), ("S0", ""), ("", "")]
    assert around("aaaa", 2) == [("", "S1 S2"), ("S0", "S2 S3"), ("S0 S1", "S3"), ("S1 S2", "")]
    assert around("aba", 1) == [("", "S2"), ("", ""), ("S0", "")], "a document in two pieces is one"
    with pytest.raises(BenchmarkError, match="toy: its sentences name no documents, so there is no context"):
        around(["a", None], 1)


def test_sentences_gold_and_ids_stay_the_same():
    plain = corpora.load("ills", "test").sentences
    shown = corpora.loading.with_surroundings("ills", "test", 2)
    assert [replace(one, before="", after="") for one in shown] == list(plain)
    assert corpora.loading.with_surroundings("ills", "test", 0) == plain
    assert shown[6].before == "" and shown[6].after == f"{TEXTS[7]} {TEXTS[8]}"


# --- encoders --------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 40), *[st.lists(st.sampled_from(TEXTS), max_size=4).map(" ".join)] * 3)
def test_context_fills_what_the_sentence_leaves_and_never_takes_from_it(
    two_corpora_bert, size, before, text, after
):
    tokenizer = AutoTokenizer.from_pretrained(two_corpora_bert)
    (spans,), alone = encoder.read([text], tokenizer, size)
    (same,), inputs = encoder.read([Sentence("", text, (), None, before, after)], tokenizer, size)
    assert same == spans
    assert [item.window for item in inputs] == [item.window for item in alone]
    for item, plain in zip(inputs, alone, strict=True):
        assert len(item.input_ids) == len(item.of_words) <= size
        owned = [item.of_words[place] for place in item.first_subwords]
        window = item.window
        assert owned == [text[s:e] for s, e in spans[window.owned_first : window.owned_last]]
        bare = plain.input_ids[1:-1]
        start = item.first_subwords[0] - plain.first_subwords[0] if owned else 0
        assert item.input_ids[start + 1 :][: len(bare)] == bare, "the sentence itself is whole"
    if len(inputs) == 1:
        left, right = (
            encoder.read([each], tokenizer, 9999)[1][0].input_ids[1:-1] for each in (before, after)
        )
        room = size - 2 - len(alone[0].input_ids[1:-1])
        assert len(inputs[0].input_ids) == len(alone[0].input_ids) + min(room, len(left) + len(right))
    else:
        assert [item.input_ids for item in inputs] == [item.input_ids for item in alone]


def test_both_sides_get_half_of_the_room_and_what_the_other_leaves(two_corpora_bert):
    tokenizer = AutoTokenizer.from_pretrained(two_corpora_bert)

    def shown(before, after, size=9):
        (item,) = encoder.read([Sentence("", "gout", (), None, before, after)], tokenizer, size)[1]
        return " ".join(item.of_words).strip()

    six = "asthma fever cough rash croup had"
    assert shown(six, six) == "rash croup had gout asthma fever cough"
    assert shown(six, "Anna") == "fever cough rash croup had gout Anna"
    assert shown("Anna", six) == "Anna gout asthma fever cough rash croup"
    assert shown(six, six, 3) == "gout"


@pytest.fixture(scope="module")
def trained(two_corpora_bert, two_corpora, tmp_path_factory):
    recipe = EncoderRecipe(
        name="context",
        model=str(two_corpora_bert),
        train=("ills",),
        context=1,
        max_length=24,
        seed=1,
        epochs=20,
        batch_size=8,
        learning_rate=1e-2,
        precision="float32",
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("BIONER_BENCH_CORPORA", str(two_corpora))
        return encoder_training.train(recipe, tmp_path_factory.mktemp("context") / "out")


def test_context_has_no_labels(two_corpora_bert):
    reading = encoder.load(write_bert(two_corpora_bert.parent / "tagger", TEXTS, tag_set(TYPES)))
    counts = []
    for context in (0, 1):
        shown = corpora.loading.with_surroundings("ills", "train", context)
        rows = encoder_training._read(reading, shown, [("Disease",)] * len(shown))[2]
        counts.append([sum(label != IGNORED for label in row["labels"]) for row in rows])
        lengths = sum(len(row["input_ids"]) for row in rows)
    assert counts[0] == counts[1]
    assert lengths > 2 * sum(counts[0])


def test_a_checkpoint_reads_context_by_itself(trained, monkeypatch):
    answers = Encoder(str(trained), dtype="float32", max_length=24)
    assert answers._encoder.context == 1
    seen = []
    predict = encoder.predict

    def spy(model, given, *options):
        seen.extend((one.before, one.text, one.after) for one in given)
        return predict(model, given, *options)

    monkeypatch.setattr(encoder, "predict", spy)

    class Request:
        def __init__(self, number, task="ills"):
            self.task_name = task
            self.doc = {"id": f"{number}", "document": "0", "text": TEXTS[number], "types": ["Disease"]}
            self.doc["entities"] = []

    found = answers.generate_until([Request(2), Request(0)], True)  # a part, in any order
    assert seen == [(TEXTS[1], TEXTS[2], TEXTS[3]), ("", TEXTS[0], TEXTS[1])]
    assert [json.loads(one)["Disease"][0]["text"] for one in found] == ["fever", "asthma"]
    with pytest.raises(BenchmarkError, match="variant is no corpus, so the context of its sentences"):
        answers.generate_until([Request(0, "variant")], True)


def test_a_corpus_without_documents_is_one_line(two_corpora_bert, tmp_path):
    recipe = EncoderRecipe(
        name="x",
        model=str(two_corpora_bert),
        train=("bioner_sample",),
        context=1,
        seed=1,
        epochs=1,
        learning_rate=1e-3,
    )
    with pytest.raises(BenchmarkError, match="bioner_sample: its sentences name no documents") as caught:
        encoder_training.train(recipe, tmp_path / "out")
    assert "\n" not in str(caught.value)
    with pytest.raises(BenchmarkError, match="bioner_sample: its sentences name no documents"):
        build(ROOT, "bioner_sample", context=1)


# --- language models -------------------------------------------------------------------------------------


def build(two_corpora, task="ills", **metadata):
    manager = TaskManager(include_path=str(two_corpora / "tasks"), include_defaults=False, metadata=metadata)
    built = manager.load([task])["tasks"][task]
    built.set_fewshot_seed(1)
    return built


def test_a_prompt_shows_context_above_the_sentence(two_corpora):
    task, plain = build(two_corpora, context=1), build(two_corpora)
    first, second = list(task.test_docs())[:2]
    assert task.fewshot_context(second, 0) == (
        f"{prompt.instruction(TYPES)}\n{prompt.CONTEXT_NOTE}\n\n"
        f"Context before: {TEXTS[0]}\nContext after: {TEXTS[2]}\nSentence: {TEXTS[1]}\nJSON:"
    )
    assert task.fewshot_context(first, 0).endswith(
        f"\n\nContext after: {TEXTS[1]}\nSentence: {TEXTS[0]}\nJSON:"
    )
    assert dict(second) == dict(list(plain.test_docs())[1]), "the documents stay the same"
    shown = task.fewshot_context(second, 3)
    assert shown.count("Sentence: ") == 4 and shown.count(prompt.CONTEXT_NOTE) == 1
    for shot in task.demonstrations(second, 3):
        assert shot.before or shot.after
        context = "".join(
            f"Context {side}: {text}\n"
            for side, text in (("before", shot.before), ("after", shot.after))
            if text
        )
        target = prompt.target(shot.text, shot.entities, TYPES)
        assert f"{context}Sentence: {shot.text}\nJSON: {target}\n\n" in shown
    turns = json.loads(
        task.fewshot_context(
            second,
            3,
            apply_chat_template=True,
            fewshot_as_multiturn=True,
            chat_template=lambda turns, add_generation_prompt: json.dumps(turns),
        )
    )
    assert prompt.plain_text(turns) == shown


def test_prompts_with_context_have_a_hash_of_their_own(two_corpora):
    hashes = [prompt.prompt_hash(TYPES, context=size) for size in (0, 1, 2)]
    assert len(set(hashes)) == 3 and hashes[0] == prompt.prompt_hash(TYPES)
    for size, wanted in enumerate(hashes):
        assert build(two_corpora, context=size).config.metadata["prompt_hash"] == wanted
        assert prompt_hashes(["ills"], "json", size) == {"ills": wanted}
    for wrong in (-1, True, "one"):
        with pytest.raises(BenchmarkError, match="give a number of sentences"):
            build(two_corpora, context=wrong)


def test_a_row_to_learn_from_is_the_prompt_of_evaluation(two_corpora):
    task = build(two_corpora, context=2)
    for row, doc in zip(rows_of("ills", "test", context=2), task.test_docs(), strict=True):
        assert prompt.plain_text(row.messages) == task.fewshot_context(doc, 0)
    assert rows_of("ills", "test") == rows_of("ills", "test", context=0)


def test_select_takes_the_number_and_its_rows_are_those_of_a_recipe_with_it(two_corpora, tmp_path):
    options = ["--tasks", "ills", "--strategy", "full", "--context", 1, "--out", tmp_path]
    call("select", *options, BIONER_BENCH_CORPORA=str(two_corpora))
    written = [json.loads(line)["messages"] for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert written == [row.messages for row in rows_of("ills", context=1)]
    assert json.loads((tmp_path / "report.json").read_text())["prompt"] == prompt_hashes(["ills"], "json", 1)


def test_a_run_becomes_a_record_that_says_so(two_corpora, tmp_path):
    options = ["--tasks", "ills", "--log_samples", "--output_path", tmp_path / "out", "--num_fewshot", 2]
    metadata = ["--metadata", '{"context": 1}', "--include_path", two_corpora / "tasks"]
    call("run", "--model", "bioner-oracle", *options, *metadata, BIONER_BENCH_CORPORA=str(two_corpora))
    card = read_card(ROOT / "baselines" / "bioner-oracle.yaml")
    with pytest.raises(BenchmarkError, match="not of bioner-oracle: its context is 1, the card's is 0"):
        from_lm_eval(tmp_path / "out", card)
    declared = replace(card, run=dict(card.run) | {"metadata": {"context": 1}})
    (run,) = lm_eval_output.evaluated(tmp_path / "out", declared)
    assert run.record["setup"]["context"] == 1
    assert run.record["scores"]["strict_f1"]["value"] == 1
    assert "--metadata context=1" in run.record["run"]["command"]
    path = lm_eval_output.keep(run, tmp_path / "board")
    assert records.read(path)["prompt_hash"] == prompt.prompt_hash(TYPES, context=1)
    (again,) = rescoring.rescore(tmp_path / "board")
    assert again.source == "answers" and again.after["scores"] == run.record["scores"]
    (samples,) = (tmp_path / "out").rglob("samples_*.jsonl")
    samples.write_text(
        samples.read_text().replace(f"Context before: {TEXTS[0]}", f"Context before: {TEXTS[3]}")
    )
    with pytest.raises(BenchmarkError, match="the prompt is not that of ills"):
        lm_eval_output.evaluated(tmp_path / "out", declared)
