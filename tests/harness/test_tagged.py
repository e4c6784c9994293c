"""Answers as tagged text: through lm-eval, into records without the corpus's text, never mixed with JSON."""

import gzip
import json
import logging

import described_once  # noqa: F401
import pytest
from command_line import call, fails
from conftest import ROOT
from lm_eval_folder import from_lm_eval

from bioner_bench import corpora
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.ceiling import ceiling
from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.parsing import Level
from bioner_bench.harness.cards import read_card
from bioner_bench.harness.lm_models import Garbage
from bioner_bench.leaderboard import (
    given_answers,
    kept_answers,
    records,
    regression,
    rescoring,
)
from bioner_bench.leaderboard.page_facts import of_record
from bioner_bench.schema import BenchmarkError, Entity, Sentence

TAGS = '{"format": "tags"}'
PLACE = "tagger/bioner_sample-0-shot"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The oracle's run, with the plain one beside it."""
    folder = tmp_path_factory.mktemp("out")
    run = ["run", "--model", "bioner-oracle", "--tasks", "bioner_sample", "--log_samples", "--output_path"]
    call(*run, folder / "tags", "--metadata", TAGS)
    call(*run, folder / "json")
    return folder


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    path = tmp_path_factory.mktemp("cards") / "tagger.yaml"
    path.write_text(
        "system: tagger\ntitle: Tagger\nkind: reference\nrun:\n  model: bioner-oracle\n"
        "  metadata: {format: tags}\n"
    )
    return path


@pytest.fixture(scope="module")
def board(out, card, tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    call("leaderboard", "add", out / "tags", "--system", card, "--folder", folder)
    return folder


def samples_of(folder):
    (path,) = folder.rglob("samples_*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("shots", [0, 2])
def test_the_oracle_reaches_the_ceiling_through_lm_eval(shots):
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    import bioner_bench.harness.lm_models  # noqa: F401

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    manager = TaskManager(
        include_path=str(ROOT / "tasks"), include_defaults=False, metadata={"format": "tags"}
    )
    results = simple_evaluate(
        model="bioner-oracle",
        tasks=["bioner_sample"],
        task_manager=manager,
        num_fewshot=shots,
        bootstrap_iters=0,
        metadata={"format": "tags"},
    )
    scores = results["results"]["bioner_sample"]
    assert ceiling("bioner_sample", form="tags")["strict_f1"] == 1
    assert scores["strict_f1,none"] == scores["json_valid,none"] == scores["string_f1,none"] == 1
    asked = results["samples"]["bioner_sample"][0]["arguments"][0][0]
    assert asked.count("Tagged:") == shots + 1 and "JSON" not in asked
    assert asked.count("<Disease>, <Chemical> or <Gene> before each mention") == 1


def test_the_prompt_is_pinned_and_the_one_that_asks_for_json_is_as_it_was():
    types = corpora.get("bioner_ncbi").types
    assert prompt.prompt_hash(types, form="tags") == "680d55223b2c63b6"
    assert prompt.messages(Sentence("1", "A .", ()), types)[-1]["content"].endswith("Sentence: A .\nJSON:")


def test_there_is_room_to_copy_the_longest_sentence(out):
    options = [
        {row["arguments"]["gen_args_0"]["arg_1"]["max_gen_toks"] for row in samples_of(out / each)}
        for each in ("json", "tags")
    ]
    longest = max(len(sentence.text) for sentence in corpora.load("bioner_sample", "test").sentences)
    assert options[1] == {options[0].pop() + longest // 2}


def test_score_knows_the_format_of_samples_and_of_predictions(out, tmp_path):
    found = json.loads(call("score", out / "tags", "--json").stdout)
    assert found["strict_f1"] == found["json_valid"] == 1
    row = {"text": "T cell , T", "types": ["Gene"], "gold": [{"start": 9, "end": 10, "type": "Gene"}]}
    row |= {"output": "T cell , <Gene>T</Gene>", "format": "tags"}
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps(row))
    assert json.loads(call("score", path, "--json").stdout)["strict_f1"] == 1
    del row["format"]
    path.write_text(json.dumps(row))
    assert json.loads(call("score", path, "--json").stdout)["strict_f1"] == 0


def test_a_record_is_marked_and_keeps_mentions_in_place_of_the_corpus(out, board):
    record = records.read(board / "records" / f"{PLACE}.json")
    assert record["prompt"] == "tags-v1"
    assert record["prompt_hash"] == prompt.prompt_hash(corpora.get("bioner_sample").types, form="tags")
    assert "--metadata format=tags" in record["run"]["command"]
    assert ("Format of answers", "the sentence with tags around mentions") in dict(of_record(record))[
        "Prompt"
    ]
    kept = gzip.decompress((board / "answers" / f"{PLACE}.jsonl.gz").read_bytes()).decode()
    rows = [json.loads(line) for line in kept.splitlines()]
    sentences = corpora.load("bioner_sample", "test").sentences
    for row, sentence in zip(rows, sentences, strict=True):
        said = json.loads(row["output"])
        assert said["level"] == "valid"
        assert sorted(said["mentions"]) == sorted([e.type, e.start, e.end] for e in sentence.entities)
        assert sentence.text not in kept
        assert not any(
            sentence.surface(e) in kept for e in sentence.entities if len(sentence.surface(e)) > 12
        )


def test_a_record_is_scored_again_from_what_is_kept(board, tmp_path):
    path = board / "records" / f"{PLACE}.json"
    before = path.read_bytes()
    (done,) = rescoring.rescore(board)
    assert (done.source, done.run_again) == ("answers", None)
    assert path.read_bytes() == before
    answers = given_answers.read(path).judged
    assert all(set(each.sentence.entities) == {a.span for a in each.aligned} for each in answers)
    other = json.loads(before)
    other["parser"] = "0"  # valid answers read the same in any version
    path.write_text(json.dumps(other))
    rescoring.rescore(board)
    assert json.loads(path.read_text())["parser"] == "0"
    path.write_bytes(before)


def test_what_is_kept_of_other_answers_counts_the_same_and_says_who_read_it(board):
    record = records.read(board / "records" / f"{PLACE}.json")
    sentence = Sentence("1", "ataxia and ataxia in mice", (Entity(11, 17, "Disease"),))
    for output in (
        "ataxia and <Disease>ataxia</Disease> in mice",
        "ataxia and <Disease>ataxia</Disease> in mi",
        "<Disease>ataxia</Disease>, <Gene>TP53</Gene>",
        "no",
    ):
        answer = judge(sentence, output, record["types"], form="tags")
        again = kept_answers.judged(record, sentence, kept_answers.of_parsed(answer.parsed))
        assert again == answer
    with pytest.raises(BenchmarkError, match="not as it was written"):
        kept_answers.judged(record, sentence, output)
    stale = {**record, "parser": "0", "scores": {**record["scores"], "json_valid": {"value": 0.5}}}
    assert "other than valid tagged text" in rescoring._stale_reading(stale)


def test_formats_are_never_mixed(out, card, board, tmp_path):
    plain = tmp_path / "plain.yaml"
    plain.write_text(card.read_text().replace("  metadata: {format: tags}\n", ""))
    with pytest.raises(BenchmarkError, match="its format is tags, the card's is json"):
        from_lm_eval(out / "tags", read_card(plain))
    with pytest.raises(BenchmarkError, match="its format is json, the card's is tags"):
        from_lm_eval(out / "json", read_card(card))
    (record,) = from_lm_eval(out / "json", read_card(plain))
    tagged = records.read(board / "records" / f"{PLACE}.json")
    verdict = regression.check(tagged, record, across=regression.ACROSS)
    assert verdict.outcome is regression.Outcome.INCOMPARABLE
    assert "other format of answers" in verdict.reason


@pytest.mark.slow
def test_wrong_use_is_one_line():
    run = ["run", "--tasks", "bioner_sample", "--model"]
    both = '{"format": "tags", "constrained": true}'
    said = fails(
        *run, "local-chat-completions", "--model_args", "model=m,base_url=http://x", "--metadata", both
    )
    assert "constrained answers are JSON, not tags" in said
    assert "there are: json, tags" in fails(*run, "bioner-oracle", "--metadata", '{"format": "xml"}')
    assert "leave the format out" in fails(*run, "dictionary", "--metadata", TAGS)
    assert "there are: json, tags" in fails("corpora", "ceiling", "bioner_sample", "--format", "xml")


def test_noise_is_never_a_valid_answer():
    model = Garbage(seed=3)
    types = list(corpora.get("bioner_sample").types)
    for sentence in corpora.load("bioner_sample", "test").sentences:
        noise = model.answer({"id": sentence.id, "text": sentence.text, "types": types}, "tags")
        parsed = judge(sentence, noise, types, form="tags").parsed
        assert parsed.level is not Level.VALID and not (parsed.mentions and parsed.level is Level.FAILED)
