"""What other tools predict becomes a record, or is refused with the reason."""

import codecs
import json
from dataclasses import replace

import pytest
from command_line import call, fails

from bioner_bench import corpora
from bioner_bench.evaluation import predictions
from bioner_bench.harness.cards import Card
from bioner_bench.leaderboard import foreign_predictions, lm_eval_output, records, rescoring
from bioner_bench.models import iob2_files
from bioner_bench.schema import BenchmarkError

TASK = "bioner_sample"
CARD = Card("ruler", "A ruler", "dictionary")


def rows():
    corpus = corpora.get(TASK)
    return [predictions.to_row(each, list(corpus.types)) for each in corpora.load(TASK, "test").sentences]


def gold_but_the_first(row):
    return row | {"predicted": row["gold"][1:]}


def write_lines(path, given):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in given))
    return path


def test_spans_count_as_they_are_and_say_where_they_come_from(tmp_path):
    path = write_lines(tmp_path / "p.jsonl", map(gold_but_the_first, rows()))
    made = foreign_predictions.evaluated(path, CARD, TASK)
    by_score = [item.counts for item in predictions.read(path)]
    table = records.counts_of(made.record)
    for column in ("gold", "predicted", "strict", "relaxed", "string"):
        assert table[column].tolist() == [counts[column] for counts in by_score]
    assert made.record["scores"]["strict_precision"]["value"] == 1
    for name in ("json_valid", "json_failed", "output_cut", "output_ambiguous"):  # nothing was read
        assert made.record["scores"][name] == {"value": None, "low": None, "high": None}
    assert made.record["scores"]["strict_recall_unseen"]["value"] is not None
    assert (made.record["model"]["source"], made.record["prompt_hash"]) == ("predictions", None)
    kept = lm_eval_output.keep(made, tmp_path)
    record = records.read(kept)
    assert record["system"]["name"] == "ruler"
    assert rescoring.rescore(tmp_path)[0].after == record


def test_order_does_not_matter_but_the_tags_of_iob2_stand_in_order(tmp_path):
    shuffled = write_lines(
        tmp_path / "p.jsonl", reversed([row | {"predicted": row["gold"]} for row in rows()])
    )
    scores = foreign_predictions.evaluated(shuffled, CARD, TASK).record["scores"]
    assert scores["strict_f1"]["value"] == 1
    sentences = corpora.load(TASK, "test").sentences
    tags = tmp_path / "p.tsv"
    tags.write_text(iob2_files.write(sentences, tokenised=False).text)
    assert foreign_predictions.evaluated(tags, CARD, TASK).record["scores"]["strict_f1"]["value"] > 0.99


def test_answers_are_read_as_those_of_a_model(tmp_path):
    path = write_lines(tmp_path / "p.jsonl", [row | {"output": "no idea"} for row in rows()])
    assert foreign_predictions.evaluated(path, CARD, TASK).record["scores"]["json_failed"]["value"] == 1


def test_a_mark_before_utf_8_changes_nothing(tmp_path):
    plain = write_lines(tmp_path / "p.jsonl", map(gold_but_the_first, rows()))
    marked = tmp_path / "marked.jsonl"
    marked.write_bytes(codecs.BOM_UTF8 + plain.read_bytes())
    ours, theirs = (foreign_predictions.evaluated(path, CARD, TASK).record for path in (plain, marked))
    assert ours["counts"] == theirs["counts"]
    samples = write_lines(tmp_path / "s.jsonl", [{"doc": {}}])
    samples.write_bytes(codecs.BOM_UTF8 + samples.read_bytes())
    with pytest.raises(BenchmarkError, match="is of lm-eval"):
        foreign_predictions.evaluated(samples, CARD, TASK)
    sentences = corpora.load(TASK, "test").sentences
    tags = tmp_path / "p.tsv"
    tags.write_bytes(codecs.BOM_UTF8 + iob2_files.write(sentences, tokenised=False).text.encode())
    assert foreign_predictions.evaluated(tags, CARD, TASK).record["scores"]["strict_f1"]["value"] > 0.99


def changed(number, **fields):
    def change(given):
        given[number] |= fields
        return given

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda given: given[1:], "lacks 1 of the 76 sentences of bioner_sample"),
        (lambda given: [*given, given[3]], "is there twice"),
        (
            changed(2, text="Another text, as long as it takes to hold the gold of this sentence. " * 9),
            "text",
        ),
        (changed(0, gold=[]), "has another gold than in bioner_sample"),
        (changed(0, id="what"), "no sentence 'what'"),
        (lambda given: [row | {"types": [*row["types"], "Plant"]} for row in given], "types"),
        (lambda given: [{"doc": {}, **row} for row in given], "is of lm-eval"),
        (
            lambda given: [{"output": "{}", **row} for row in rows()[:1]] + given[1:],
            "some lines have `output`, others `predicted`; give one of both in all",
        ),
    ],
)
def test_what_is_not_the_corpus_is_refused(tmp_path, change, said):
    given = change([gold_but_the_first(row) for row in rows()])
    with pytest.raises(BenchmarkError, match=said):
        foreign_predictions.evaluated(write_lines(tmp_path / "p.jsonl", given), CARD, TASK)


def test_a_line_that_is_cut_is_named(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"doc": 1, ')
    with pytest.raises(BenchmarkError, match=r"p\.jsonl:1: not a prediction"):
        foreign_predictions.evaluated(path, CARD, TASK)


def test_a_system_that_can_be_run_is_to_be_run(tmp_path):
    path = write_lines(tmp_path / "p.jsonl", map(gold_but_the_first, rows()))
    with pytest.raises(BenchmarkError, match="run it"):
        foreign_predictions.evaluated(path, replace(CARD, run={"model": "hf"}), TASK)


@pytest.mark.slow
def test_from_export_to_record_on_the_command_line(tmp_path):
    exported = call("corpora", "export", TASK).stdout
    path = write_lines(
        tmp_path / "p.jsonl", [gold_but_the_first(json.loads(x)) for x in exported.splitlines()]
    )
    card = tmp_path / "ruler.yaml"
    card.write_text("system: ruler\ntitle: A ruler\nkind: dictionary\n")
    options = ("--system", card, "--folder", tmp_path)
    kept = call("leaderboard", "add", "--predictions", path, "--task", TASK, *options).stdout.strip()
    assert kept == str(tmp_path / "records/ruler/bioner_sample-0-shot.json")
    assert "with its --task" in fails("leaderboard", "add", "--predictions", path, *options)
    tags = call("corpora", "export", TASK, "--format", "iob2")
    assert tags.stdout.startswith("-DOCSTART-\tO\n") or "\tB-" in tags.stdout
    assert "2 left out" in tags.stderr
    assert "has no split 'dev'" in fails("corpora", "export", TASK, "--split", "dev")
