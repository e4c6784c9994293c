"""Answers kept beside a record -> the record, made anew without a model."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import call, fails
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from lm_eval_folder import edit, edit_all

from bioner_bench import corpora
from bioner_bench.evaluation import predictions
from bioner_bench.evaluation.confidence import as_json
from bioner_bench.evaluation.parsing import Level
from bioner_bench.evaluation.summary import sureness
from bioner_bench.harness.cards import Card, read_card
from bioner_bench.leaderboard import given_answers, kept_answers, records, rescoring
from bioner_bench.leaderboard.lm_eval_output import evaluated, keep
from bioner_bench.schema import BenchmarkError

CARD = ROOT / "baselines" / "bioner-garbage.yaml"
PLACE = "bioner-garbage/bioner_sample-0-shot"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    options = ["--tasks", "bioner_sample", "--log_samples", "--output_path", folder]
    call("run", "--model", "bioner-garbage", *options)
    return folder


@pytest.fixture(scope="module")
def added(run_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("added")
    call("leaderboard", "add", run_folder, "--system", CARD, "--folder", folder)
    return folder


@pytest.fixture
def board(added, tmp_path):
    """A leaderboard with one record and its answers."""
    return Path(shutil.copytree(added, tmp_path / "board"))


def paths(board):
    return board / "records" / f"{PLACE}.json", board / "answers" / f"{PLACE}.jsonl.gz"


def test_add_keeps_the_answers_without_text_of_the_corpus(board, run_folder):
    record_path, answers_path = paths(board)
    record = records.read(record_path)
    kept = [json.loads(line) for line in gzip.decompress(answers_path.read_bytes()).splitlines()]
    (samples,) = run_folder.rglob("samples_*.jsonl")
    written = [json.loads(line)["resps"][0][0] for line in samples.read_text().splitlines()]
    assert [row["output"] for row in kept] == written
    assert [row["sentence"] for row in kept] == record["sentence_hashes"]
    assert all(row.keys() == {"sentence", "output"} for row in kept)
    assert record["answers_sha256"] == kept_answers.digest(kept_answers.read(answers_path))
    texts = [sentence.text for sentence in corpora.load("bioner_sample", "test").sentences]
    assert not any(text in gzip.decompress(answers_path.read_bytes()).decode() for text in texts)


def test_the_same_answers_give_the_same_bytes(board, run_folder):
    before = [path.read_bytes() for path in paths(board)]
    for path in paths(board):
        path.unlink()
    (run,) = evaluated(run_folder, read_card(CARD))
    keep(run, board)
    assert [path.read_bytes() for path in paths(board)] == before


@pytest.mark.slow
@given(st.dictionaries(st.from_regex("[0-9a-f]{12}", fullmatch=True), st.text()))
def test_answers_survive_their_file(tmp_path_factory, outputs):
    path = tmp_path_factory.mktemp("kept") / "a.jsonl.gz"
    outputs = {**outputs, "0" * 12: "half a pair \ud83d, lines\u2028\r\n\x85 and \x00"}
    kept_answers.write(outputs, path)
    assert kept_answers.read(path) == outputs


def test_rescoring_changes_nothing_where_nothing_is_new(board):
    before = [path.read_bytes() for path in paths(board)]
    said = call("leaderboard", "rescore", "--folder", board).stdout
    assert said.startswith(f"{PLACE}.json: from answers, strict F1 ")
    assert "->" not in said
    assert [path.read_bytes() for path in paths(board)] == before


def test_a_better_reader_scores_every_record_again(board):
    """What was counted otherwise, as another version of the parser would have."""
    record_path, _ = paths(board)
    right = records.read(record_path)
    worse = json.loads(record_path.read_text())
    found = rescoring.from_counts(worse)
    for column in (
        "strict/Disease",
        "strict/Chemical",
        "strict/Gene",
        "string",
        "seen_strict",
        "unseen_strict",
    ):
        worse["counts"][column] = 0
    worse |= {"parser": "0", **rescoring.from_counts(worse)}
    records.write(worse, board / "records")
    assert worse["scores"] != found["scores"]
    said = call("leaderboard", "rescore", "bioner-garbage", "--folder", board).stdout
    assert "strict F1 0.00 [0.00, 0.00] -> " in said
    again = records.read(record_path)
    assert again == right | {"rescored": True}


def test_a_record_without_answers_gets_new_intervals_and_says_if_it_must_be_run_again(board):
    record_path, answers_path = paths(board)
    answers_path.unlink()
    right = records.read(record_path)
    old = right | {"parser": "0", "answers_sha256": None}
    old["scores"] = {
        name: score if score["value"] is None else {"value": score["value"], "low": 0.0, "high": 1.0}
        for name, score in right["scores"].items()
    }
    records.write(old, board / "records")
    said = call("leaderboard", "rescore", "--folder", board, code=1).stdout
    assert f"run again: {PLACE}.json: 100.0% of its answers were other than valid JSON" in said
    again = records.read(record_path)
    assert again == right | {"parser": "0", "answers_sha256": None}


def test_a_variant_of_a_task_is_read_on_its_corpus(board, run_folder, tmp_path):
    """Under a name of its own: its record says of which corpus it is."""
    variant = Path(shutil.copytree(run_folder, tmp_path / "variant"))
    (results,), (samples,) = (list(variant.rglob(name)) for name in ("results_*.json", "samples_*.jsonl"))
    results.write_text(results.read_text().replace('"bioner_sample"', '"sample_again"'))
    samples.rename(samples.with_name(samples.name.replace("bioner_sample", "sample_again")))
    yaml = tmp_path / "sample_again.yaml"
    yaml.write_text("task: sample_again\nmetadata:\n  version: 1.0\n")
    named = {"corpus": "bioner_sample", "config_source": str(yaml)}
    edit(variant, "results_*.json", lambda r: r["configs"]["sample_again"]["metadata"].update(named))
    (run,) = evaluated(variant, read_card(CARD))
    path = keep(run, board)
    before = [each.read_bytes() for each in (*paths(board), path)]
    assert json.loads(before[2])["corpus"] == "bioner_sample"
    assert "corpus" not in json.loads(before[0])
    done = rescoring.rescore(board)
    assert [one.source for one in done] == ["answers"] * 2
    assert [each.read_bytes() for each in (*paths(board), path)] == before
    assert rescoring.from_counts(run.record) == run.record
    assert len(given_answers.read(path).judged) == 76
    # It is held to the corpus's gold, and no task of this project is a variant.
    for name, value in (("gold_sha256", "0" * 64), ("task", "bioner_ncbi")):
        path.write_text(json.dumps(run.record | {name: value}))
        with pytest.raises(BenchmarkError, match=r"is not (that )?of (the corpus )?bioner_sample"):
            records.read(path)


def test_nothing_is_known_of_how_spans_were_read(board, run_folder, tmp_path):
    """The JSON in which lm-eval gets the spans of an encoder or a dictionary is not theirs."""
    folder = Path(shutil.copytree(run_folder, tmp_path / "spans"))
    edit(folder, "results_*.json", lambda results: results["config"].update(model="dictionary"))
    card = Card("words", "Words", "dictionary", run={"model": "dictionary"})
    (run,) = evaluated(folder, card)
    of_text = records.read(paths(board)[0])
    known = {name for name, score in of_text["scores"].items() if score["value"] is not None}
    unread = {f"json_{level}" for level in ("valid", "extracted", "repaired", "failed")}
    unread |= {"output_cut", "output_ambiguous"}
    assert {name for name in known if run.record["scores"][name]["value"] is None} == unread
    assert "level" not in run.record["counts"]
    table = records.counts_of(run.record)
    assert [table[level.name.lower()].sum() for level in Level] == [0, 0, 0, 0]
    path = keep(run, board)
    before = path.read_bytes()
    # Records that were made with the levels of that JSON lose them, with answers and without.
    for answers in (board / "answers" / "words" / "bioner_sample-0-shot.jsonl.gz", None):
        older = run.record | {"counts": of_text["counts"], "scores": of_text["scores"], "parser": "0"}
        path = records.write(older, board / "records")
        if answers is None:
            (board / "answers" / "words" / "bioner_sample-0-shot.jsonl.gz").unlink()
        (done,) = rescoring.rescore(board, ["words"])
        assert done.run_again is None
        assert records.read(path) | {"parser": run.record["parser"]} == json.loads(before)
        assert list(records.read(path)["counts"])[-2:] == ["cut", "ambiguous"]  # the same in every process
    # A language model's answers have levels.
    path.write_text(json.dumps(run.record | {"model": run.record["model"] | {"source": "hf"}}))
    with pytest.raises(BenchmarkError, match="there are no counts of level"):
        records.read(path)
    path.write_text(json.dumps(run.record | {"counts": run.record["counts"] | {"cut": 1}}))
    with pytest.raises(BenchmarkError, match="sentence 1 has predicted spans that were read"):
        records.read(path)


def test_no_record_is_written_if_one_cannot_be_made(board):
    record_path, _ = paths(board)
    stale = json.loads(record_path.read_text())
    stale["scores"]["strict_f1"]["high"] = 1.0
    records.write(stale, board / "records")
    before = record_path.read_bytes()
    stale |= {"system": stale["system"] | {"name": "other"}, "task": "of_no_corpus"}
    records.write(stale, board / "records")
    with pytest.raises(
        BenchmarkError, match=r"other/of_no_corpus-0-shot.json: unknown corpus 'of_no_corpus'"
    ):
        rescoring.rescore(board)
    assert record_path.read_bytes() == before


@pytest.fixture
def sure(run_folder, tmp_path):
    """The run, with log-probabilities of its answers: each character a token, the more sure the later."""

    def with_tokens(sample):
        text = sample["filtered_resps"][0]
        sample["answer_logprob"] = [[letter, -1 / (1 + place)] for place, letter in enumerate(text)]

    folder = Path(shutil.copytree(run_folder, tmp_path / "sure"))
    edit_all(folder, with_tokens)
    return folder


def test_a_record_keeps_how_sure_the_model_was(sure, tmp_path):
    call("leaderboard", "add", sure, "--system", CARD, "--folder", tmp_path)
    record_path, _ = paths(tmp_path)
    confidence = records.read(record_path)["confidence"]
    (samples,) = sure.rglob("samples_*.jsonl")
    assert confidence == as_json(*sureness(predictions.read(samples)))
    shares = [each["share"] for each in confidence["coverage"]]
    assert shares == sorted(shares, reverse=True) and shares[0] == 1 and len(shares) > 5
    before = record_path.read_bytes()
    call("leaderboard", "rescore", "--folder", tmp_path)
    assert record_path.read_bytes() == before
    # What was counted otherwise is of other mentions.
    changed = json.loads(before)
    changed["counts"]["ambiguous"] = 1
    assert "confidence" not in rescoring.from_answers(changed, paths(tmp_path)[1])
    for name, value in (("precision", 0.9), ("recall", 0.9), ("mentions", 3), ("share", 0.9)):
        changed = json.loads(before)
        changed["confidence"]["coverage"][0][name] = value
        record_path.write_text(json.dumps(changed))
        with pytest.raises(BenchmarkError, match="confidence is of other mentions"):
            records.read(record_path)


def test_log_probabilities_of_another_answer_are_refused(sure):
    edit(sure, "samples_*.jsonl", lambda sample: sample["answer_logprob"].pop())
    with pytest.raises(BenchmarkError, match=r"jsonl:3: the tokens of answer_logprob are not those"):
        evaluated(sure, read_card(CARD))


@pytest.mark.slow
def test_valid_answers_stand_without_being_kept(tmp_path):
    folder = tmp_path / "run"
    call(
        "run",
        "--model",
        "bioner-oracle",
        "--tasks",
        "bioner_sample",
        "--log_samples",
        "--output_path",
        folder,
    )
    (run,) = evaluated(folder, read_card(ROOT / "baselines" / "bioner-oracle.yaml"))
    path = records.write(run.record | {"parser": "0"}, tmp_path / "records")
    call("leaderboard", "rescore", "--folder", tmp_path)
    assert records.read(path)["parser"] == "0"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no gzip", "cannot read the answers"),
        (gzip.compress(b'{"sentence": "0", "output": 1}\n'), ":1: not an answer"),
        (gzip.compress(b'{"sentence": "0"}\n'), ":1: not an answer"),
        (gzip.compress(b"[" * 100_000), ":1: not an answer"),
        (gzip.compress(b'{"sentence": "0", "output": ""}\n' * 2), ":2: not an answer: a sentence twice"),
        (gzip.compress(b'{"sentence": "0", "output": ""}\n'), "not the answers of the record"),
        (gzip.compress(b""), "not the answers of the record"),
    ],
    ids=["no gzip", "a number", "no output", "deep", "twice", "others", "none"],
)
def test_other_answers_are_refused(board, content, said):
    record_path, answers_path = paths(board)
    before = record_path.read_bytes()
    answers_path.write_bytes(content)
    with pytest.raises(BenchmarkError, match=said):
        rescoring.rescore(board)
    with pytest.raises(BenchmarkError, match=said):
        given_answers.read(record_path)
    assert record_path.read_bytes() == before


@pytest.mark.parametrize("read", [rescoring.rescore, given_answers.read])
def test_answers_to_other_gold_are_refused(board, monkeypatch, read):
    now = rescoring.expected("bioner_sample")
    other = replace(now, sentences=(replace(now.sentences[0], entities=()), *now.sentences[1:]))
    for module in (rescoring, given_answers):
        monkeypatch.setattr(module, "expected", lambda name: other)
    with pytest.raises(BenchmarkError, match=r"has no sentence '[0-9a-f]{12}', or its gold has changed"):
        read(board)


def test_cut_answers_and_a_bomb_are_refused(board, monkeypatch):
    _, answers_path = paths(board)
    whole = answers_path.read_bytes()
    for end in range(0, len(whole), 61):
        answers_path.write_bytes(whole[:end])
        with pytest.raises(BenchmarkError):
            rescoring.rescore(board)
    monkeypatch.setattr(kept_answers, "MAX_BYTES", 1 << 20)
    answers_path.write_bytes(gzip.compress(b" " * (1 << 24)))
    with pytest.raises(BenchmarkError, match="more than 1 MB of answers"):
        rescoring.rescore(board)


def test_what_is_not_there_is_said(board, tmp_path):
    assert "has no records of nobody" in fails("leaderboard", "rescore", "nobody", "--folder", board)
    assert "has no records" in fails("leaderboard", "rescore", "--folder", tmp_path / "none")
    record_path, answers_path = paths(board)
    record = json.loads(record_path.read_text())
    record["sentence_hashes"][0] = "0" * 12
    record_path.write_text(json.dumps(record))
    answers_path.unlink()
    assert "has no sentence" in fails("leaderboard", "rescore", "--folder", board)
