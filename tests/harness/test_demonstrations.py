"""Demonstrations by similarity: which sentences are shown, in which order, and what a run of them records."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from command_line import call, fails
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.tasks import TaskManager
from lm_eval_folder import from_lm_eval
from tiny_models import write_bert
from transformers import AutoModel, AutoTokenizer

from bioner_bench import corpora
from bioner_bench.evaluation import prompt
from bioner_bench.harness import demonstrations
from bioner_bench.harness.cards import read_card
from bioner_bench.harness.demonstrations import STRATEGIES, chooser
from bioner_bench.leaderboard import records, rows
from bioner_bench.models import embedding, packaged
from bioner_bench.schema import BenchmarkError, Entity, Sentence

CARD = ROOT / "baselines" / "bioner-empty.yaml"
POOL = corpora.load("bioner_sample", "train").sentences
TEST = corpora.load("bioner_sample", "test").sentences


def made(*texts):
    """Sentences; one that begins with a capital letter has that as a mention."""
    return [
        Sentence(str(number), text, (Entity(0, 1, "Gene"),) if text[:1].isupper() else ())
        for number, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """Demonstrations by a BERT of random weights that knows the words of the sample."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    write_bert(folder, [sentence.text for sentence in POOL + TEST], initializer_range=0.5)
    return f"dense:{folder}"


def shown(pool, text, n, seed=0, strategy="retrieved"):
    return [shot.text for shot in chooser(pool, strategy, seed)(Sentence("asked", text, ()), n)]


# --- which -----------------------------------------------------------------------------------------------


def test_the_nearest_stands_last():
    pool = made("Gene of mice", "Gene of mice with ataxia", "nothing here", "Gene of mice with severe ataxia")
    assert shown(pool, "mice with severe ataxia", 3) == [
        "nothing here",  # in the place of the third, as no other has no mention
        "Gene of mice with ataxia",
        "Gene of mice with severe ataxia",
    ]
    assert shown(pool, "MICE WITH SEVERE ATAXIA!", 1) == ["Gene of mice with severe ataxia"]


def test_rare_words_count_more_than_frequent_ones():
    pool = made(*(f"the thing {number} of the" for number in range(20)), "Zebrafish")
    assert shown(pool, "the zebrafish of the", 2)[-1] == "Zebrafish"


@pytest.mark.parametrize(
    ("pool", "n", "expected"),
    [
        (["A x y", "B x", "c"], 2, ["c", "A x y"]),
        (["a x y", "b x", "C"], 2, ["C", "a x y"]),
        (["a x y", "b x", "C"], 1, ["C"]),  # a single one has a mention
        (["a x y", "b x", "c"], 2, ["b x", "a x y"]),  # the pool has none
        (["a x y", "b x", "c"], 1, ["a x y"]),
        (["A x y", "B x", "C"], 2, ["B x", "A x y"]),
        (["A x y", "b x", "C"], 2, ["b x", "A x y"]),
    ],
)
def test_one_has_a_mention_and_one_has_none_where_the_pool_allows(pool, n, expected):
    assert shown(made(*pool), "x y", n) == expected


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [*STRATEGIES, "dense"])
@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(["A x", "B x y", "C", "a", "b x", "c x y", "d y", ""]), max_size=10),
    st.sampled_from(["x", "x y", "A x", "q", ""]),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_what_holds_of_every_choice(dense, strategy, texts, asked, n, seed):
    pool = made(*texts)
    others = [shot for shot in pool if shot.text != asked]
    by_nearness = strategy in ("retrieved", "dense")
    enough = len({shot.text for shot in others}) >= n if by_nearness else len(others) >= n
    strategy = dense if strategy == "dense" else strategy
    choose = chooser(pool, strategy, seed)
    if not enough:
        with pytest.raises(BenchmarkError, match=f"{n} demonstrations asked for.*lower --num_fewshot"):
            choose(Sentence("asked", asked, ()), n)
        return
    chosen = choose(Sentence("asked", asked, ()), n)
    assert len(chosen) == n
    assert all(shot in pool and shot.text != asked for shot in chosen)
    kinds = {bool(shot.entities) for shot in chosen}
    able = {bool(shot.entities) for shot in others}
    assert kinds == able if n >= 2 else kinds == {True in able}
    if by_nearness:
        assert len({shot.text for shot in chosen}) == n, "no text twice"


def test_fixed_ones_are_the_same_for_all_sentences_but_those_that_are_among_them():
    choose = chooser(POOL, "fixed", 3)
    fixed = choose(TEST[0], 5)
    assert all(choose(sentence, 5) == fixed for sentence in TEST)
    assert chooser(POOL, "fixed", 4)(TEST[0], 5) != fixed
    for sentence in POOL:
        others = choose(sentence, 5)
        assert (others != fixed) == (sentence in fixed)
        assert len(set(map(id, others)) & set(map(id, fixed))) >= (4 if sentence in fixed else 5) - 1


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fixed_ones_stay_the_same_where_one_was_drawn_for_its_kind(n):
    """Of kinds as rare as these the first draw lacks one."""
    pool = made(*(f"g{number}" for number in range(12)), *(f"G{number}" for number in range(3)))
    for seed in range(20):
        choose = chooser(pool, "fixed", seed)
        fixed = choose(Sentence("asked", "not in the pool", ()), n)
        for sentence in pool:
            found = choose(sentence, n)
            assert (found == fixed) == (sentence not in fixed)
            assert sentence not in found and any(shot.entities for shot in found)


def test_a_copy_of_the_sentence_is_never_shown():
    for sentence in POOL:
        texts = shown(POOL, sentence.text, 10)
        assert sentence.text not in texts
        assert len(set(texts)) == 10
    twice = [*POOL, *(Sentence(f"copy-{s.id}", s.text, s.entities) for s in POOL)]
    for sentence in POOL:
        texts = shown(twice, sentence.text, 23, seed=4)
        assert sorted([*texts, sentence.text]) == sorted(s.text for s in POOL)


def test_the_choice_depends_on_the_sentence_alone():
    choose = chooser(POOL, "retrieved", 7)
    forward = [choose(sentence, 5) for sentence in TEST]
    assert [choose(sentence, 5) for sentence in reversed(TEST)] == forward[::-1]
    assert [chooser(POOL, "retrieved", 7)(sentence, 5) for sentence in TEST[:9]] == forward[:9]
    renamed = [Sentence(f"other-{s.id}", s.text, ()) for s in TEST]  # its number and gold play no part
    assert [choose(sentence, 5) for sentence in renamed] == forward
    assert len({tuple(shot.id for shot in shots) for shots in forward}) > 60
    assert [choose(sentence, 2)[-1] for sentence in TEST] == [shots[-1] for shots in forward]


def test_the_seed_orders_equally_near_ones_only():
    pool = made(*(f"X{number} same words" for number in range(8)), "Y same", "z")
    tied = {f"X{number} same words" for number in range(8)}
    first = Counter()
    for seed in range(20):
        texts = shown(pool, "same words", 4, seed)
        assert texts[0] == "z"
        assert set(texts[1:]) < tied
        assert shown(pool, "same words", 4, seed) == texts
        first[texts[-1]] += 1
        everything = shown(pool, "same words", 10, seed)
        assert set(everything[2:]) == tied
        assert everything[:2] == ["z", "Y same"]
    assert len(first) > 3


def test_without_ties_the_seed_changes_nothing(mirror):
    pool = corpora.load("bioner_ncbi", "train").sentences[:800]
    asked = corpora.load("bioner_ncbi", "test").sentences[:40]
    one, other = chooser(pool, "retrieved", 1), chooser(pool, "retrieved", 2)
    same = [one(sentence, 3)[-1].text == other(sentence, 3)[-1].text for sentence in asked]
    assert sum(same) >= 38, "ties are rare in real text"


def test_retrieved_ones_are_nearer_than_random_ones(mirror):
    pool = corpora.load("bioner_ncbi", "train").sentences
    asked = corpora.load("bioner_ncbi", "test").sentences[:60]

    def shared(strategy):
        choose = chooser(pool, strategy, 0)
        return sum(
            len(set(sentence.text.split()) & set(shot.text.split()))
            for sentence in asked
            for shot in choose(sentence, 5)
        )

    assert shared("retrieved") > 2 * shared("random")


@pytest.mark.parametrize("text", ["", " ", "qqq zzz", "?!"])
def test_a_sentence_that_nothing_is_like(text):
    assert len(set(shown(POOL, text, 5))) == 5
    assert shown(POOL, text, 5) == shown(POOL, text, 5)


def test_a_pool_that_is_too_small_or_empty_and_an_unknown_strategy():
    for strategy in STRATEGIES:
        with pytest.raises(BenchmarkError, match=r"25 demonstrations asked for, but .* has 24 sentences"):
            shown(POOL, "x", 25, strategy=strategy)
        with pytest.raises(BenchmarkError, match=r"1 demonstrations asked for, but .* no training split"):
            shown([], "x", 1, strategy=strategy)
    with pytest.raises(BenchmarkError, match="'nearest'; there are: random, retrieved, fixed, dense:MODEL"):
        chooser(POOL, "nearest", 0)


# --- by vectors ------------------------------------------------------------------------------------------


def cosines(folder, texts, asked):
    """As transformers alone has them, one text after the other: the mean of all tokens' last layer."""
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        means = [
            model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
            for text in (*texts, asked)
        ]
    vectors = torch.nn.functional.normalize(torch.stack(means), dim=1)
    return (vectors[:-1] @ vectors[-1]).tolist()


def test_the_nearest_by_vectors_are_those_of_transformers_alone(dense):
    folder = dense.removeprefix("dense:")
    choose = chooser(POOL, dense, 3)
    for sentence in TEST[:8]:
        near = cosines(folder, [shot.text for shot in POOL], sentence.text)
        order = sorted(range(len(POOL)), key=lambda place: -near[place])
        expected = [POOL[place] for place in order[:5]]
        if len({bool(shot.entities) for shot in expected}) == 1:
            wanted = not expected[0].entities
            expected[-1] = next(POOL[i] for i in order if bool(POOL[i].entities) is wanted)
        assert choose(sentence, 5) == expected[::-1], sentence.text


def test_vectors_depend_on_the_sentence_alone_and_the_seed_orders_equally_near_ones(dense):
    choose = chooser(POOL, dense, 7)
    forward = [choose(sentence, 3) for sentence in TEST[:12]]
    assert [choose(sentence, 3) for sentence in reversed(TEST[:12])] == forward[::-1]
    assert [chooser(POOL, dense, 8)(sentence, 3) for sentence in TEST[:12]] == forward, "no ties"
    pool = made("Same words", "SAME words", "Same WORDS", "same wordS", "z")  # one text to this tokenizer
    first = {shown(pool, "same words", 2, seed, dense)[-1] for seed in range(9)}
    assert len(first) > 1
    assert shown(pool, "same words", 2, 5, dense) == shown(pool, "same words", 2, 5, dense)


@pytest.mark.slow
def test_minilm_finds_what_means_the_same_in_other_words(tmp_path):
    folder = packaged.prepare("minilm-l6-v2", tmp_path / "minilm")
    texts = (
        *(
            "Tumours of the breast are often inherited .",
            "The kidney was removed .",
            "We thank our patients .",
        ),
        "The heart of the matter is money .",
    )
    asked = "Hereditary mammary cancer"
    assert shown(made(*texts), asked, 1, strategy=f"dense:{folder}") == [texts[0]]
    by_name = packaged.name_of_folder(str(folder))
    assert by_name == "minilm-l6-v2"
    near = cosines(folder, texts, asked)
    ours = embedding.load(str(folder), embedding.revision(str(folder)))([*texts, asked])
    assert ours[:-1] @ ours[-1] == pytest.approx(near, abs=1e-5)


def test_a_model_is_pinned_by_its_content_and_its_folder_stays_private(dense, tmp_path):
    folder = Path(dense.removeprefix("dense:"))
    at = demonstrations.pinned(dense)
    assert at.startswith(f"{dense}@sha256:")
    assert demonstrations.pinned(at) == at
    assert demonstrations.as_recorded(at) == f"dense:{folder.name}@{at.partition('@')[2]}"
    assert demonstrations.as_recorded("retrieved") == demonstrations.pinned("retrieved") == "retrieved"
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "README.md").write_text("Words about it change nothing.")
    assert demonstrations.pinned(f"dense:{other}").partition("@")[2] == at.partition("@")[2]
    (other / "1_Pooling").mkdir()
    (other / "1_Pooling" / "config.json").write_text("{}")
    changed = shutil.copytree(other, tmp_path / "changed")
    assert demonstrations.pinned(f"dense:{changed}").partition("@")[2] != at.partition("@")[2]
    with pytest.raises(BenchmarkError, match=r"is sha256:.* here, not sha256:0123; name the folder"):
        demonstrations.pinned(f"dense:{changed}@sha256:0123")


def test_dense_without_a_model_one_that_is_not_there_and_one_that_brings_code(dense, tmp_path):
    with pytest.raises(BenchmarkError, match="names no model; for example: dense:minilm-l6-v2"):
        chooser([], "dense:", 0)
    with pytest.raises(BenchmarkError, match="the model 'no/such/folder' cannot be loaded"):
        chooser([], "dense:no/such/folder", 0)
    folder = shutil.copytree(dense.removeprefix("dense:"), tmp_path / "with-code")
    (folder / "modules.json").write_text(
        json.dumps([{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}])
    )
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(
        BenchmarkError, match=r"with-code cannot be loaded as an embedding model: .*third-party"
    ):
        shown(POOL, "x", 1, strategy=f"dense:{folder}")
    assert not (tmp_path / "ran").exists()


# --- in the task -----------------------------------------------------------------------------------------


def build(metadata=None):
    manager = TaskManager(include_path=str(ROOT / "tasks"), include_defaults=False, metadata=metadata)
    task = manager.load(["bioner_sample"])["tasks"]["bioner_sample"]
    task.set_fewshot_seed(1234)
    return task


def test_the_prompt_hash_tells_the_strategies_apart_and_that_of_random_is_as_it_was():
    types = corpora.get("bioner_sample").types
    assert prompt.prompt_hash(types) == prompt.prompt_hash(types, "random")
    assert prompt.prompt_hash(types, "retrieved") != prompt.prompt_hash(types)
    random, retrieved = (build(m).config.metadata for m in (None, {"demonstrations": "retrieved"}))
    (pinned,) = (path.read_text() for path in (ROOT / "tasks").glob("*/bioner_sample.yaml"))
    assert random["prompt_hash"] in pinned
    assert random["demonstrations"] == "random"
    assert retrieved["demonstrations"] == "retrieved"
    assert retrieved["prompt_hash"] == prompt.prompt_hash(types, "retrieved")
    assert retrieved["version"] == random["version"]


def test_the_task_shows_retrieved_sentences_of_the_training_split():
    random, retrieved = build(), build({"demonstrations": "retrieved"})
    expected = chooser(POOL, "retrieved", 1234)
    training = {sentence.text for sentence in POOL}
    differ = 0
    for doc, sentence in zip(retrieved.test_docs(), TEST, strict=True):
        chosen = retrieved.demonstrations(doc, 5)
        assert chosen == expected(sentence, 5)
        assert training.issuperset(shot.text for shot in chosen)
        context = retrieved.fewshot_context(doc, 5)
        assert context == prompt.plain_text(
            prompt.messages(sentence, corpora.get("bioner_sample").types, chosen)
        )
        differ += context != random.fewshot_context(doc, 5)
        assert retrieved.fewshot_context(doc, 0) == random.fewshot_context(doc, 0)
    assert differ == len(TEST)


def test_prompts_with_fixed_ones_begin_alike_and_have_a_hash_of_their_own():
    random, fixed = build(), build({"demonstrations": "fixed"})
    assert len({task.config.metadata["prompt_hash"] for task in (random, fixed)}) == 2
    contexts = [fixed.fewshot_context(doc, 5) for doc in fixed.test_docs()]
    beginning = alike(contexts)
    shots = fixed.demonstrations(next(iter(fixed.test_docs())), 5)
    assert all(shot.text in beginning for shot in shots)
    assert {bool(shot.entities) for shot in shots} == {True, False}
    assert len(beginning) > 2 * len(alike([random.fewshot_context(doc, 5) for doc in random.test_docs()]))


def alike(texts):
    """What all of them begin with."""
    first, last = min(texts), max(texts)  # in their order, all others lie between
    return first[
        : next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), 0)
    ]


def test_random_ones_are_the_same_whether_named_or_not():
    plain, named = build(), build({"demonstrations": "random"})
    for doc in list(plain.test_docs())[:10]:
        assert plain.fewshot_context(doc, 3) == named.fewshot_context(doc, 3)
    assert plain.config.metadata["prompt_hash"] == named.config.metadata["prompt_hash"]


def test_an_unknown_strategy_is_one_line():
    options = ["--model", "bioner-empty", "--tasks", "bioner_sample"]
    said = fails("run", *options, "--metadata", '{"demonstrations": "nonsense"}')
    assert "unknown way to choose demonstrations: 'nonsense'; there are: random, retrieved, fixed" in said


# --- in records ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    options = ["--tasks", "bioner_sample", "--limit", 12, "--log_samples", "--output_path", folder]
    metadata = '{"demonstrations": "retrieved"}'
    call("run", "--model", "bioner-empty", "--num_fewshot", 5, "--metadata", metadata, *options)
    return folder


@pytest.fixture
def output(run_folder, tmp_path):
    return Path(shutil.copytree(run_folder, tmp_path / "out"))


def show_random_ones(folder):
    """Put the prompts of a run with random demonstrations into the samples."""
    (path,) = folder.rglob("samples_*.jsonl")
    samples = [json.loads(line) for line in path.read_text().splitlines()]
    choose = chooser(POOL, "random", 1234)
    types = corpora.get("bioner_sample").types
    for sample in samples:
        sentence = TEST[sample["doc_id"]]
        turns = prompt.messages(sentence, types, choose(sentence, 5))
        sample["arguments"]["gen_args_0"]["arg_0"] = prompt.plain_text(turns)
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples))


def call_it_random(folder, strategy="retrieved"):
    """Let the results say that demonstrations were random ones."""
    (path,) = folder.rglob("results_*.json")
    results = json.loads(path.read_text())
    types = corpora.get("bioner_sample").types
    metadata = results["configs"]["bioner_sample"]["metadata"]
    assert metadata["demonstrations"] == strategy
    metadata |= {"demonstrations": "random", "prompt_hash": prompt.prompt_hash(types)}
    path.write_text(json.dumps(results))


def test_a_retrieved_run_becomes_a_record_of_its_own(output, tmp_path):
    added = call("leaderboard", "add", output, "--system", CARD, "--folder", tmp_path, "--partial").stdout
    path = Path(added.strip())
    assert path.name == "bioner_sample-5-shot-retrieved-seed-1234.json"
    record = records.read(path)
    assert record["setup"]["demonstrations"] == "retrieved"
    assert record["setup"]["shots"] == 5
    types = corpora.get("bioner_sample").types
    assert record["prompt_hash"] == prompt.prompt_hash(types, "retrieved")
    assert "--metadata demonstrations=retrieved" in record["run"]["command"]


def test_a_fixed_run_becomes_a_record_of_its_own(tmp_path):
    options = ["--tasks", "bioner_sample", "--limit", 6, "--log_samples", "--output_path", tmp_path / "out"]
    metadata = '{"demonstrations": "fixed"}'
    call("run", "--model", "bioner-empty", "--num_fewshot", 5, "--metadata", metadata, *options)
    (made,) = from_lm_eval(tmp_path / "out", read_card(CARD))
    assert made["setup"]["demonstrations"] == "fixed"
    assert records.place(made).name == "bioner_sample-5-shot-fixed-seed-1234.json"
    call_it_random(tmp_path / "out", "fixed")
    with pytest.raises(BenchmarkError, match="the prompt is not that of"):
        from_lm_eval(tmp_path / "out", read_card(CARD))


@pytest.mark.slow
def test_a_dense_run_keeps_its_model_and_revision_in_hash_and_record(dense, tmp_path):
    options = ["--tasks", "bioner_sample", "--limit", 6, "--log_samples", "--output_path", tmp_path / "out"]
    metadata = json.dumps({"demonstrations": dense})
    call("run", "--model", "bioner-empty", "--num_fewshot", 5, "--metadata", metadata, *options)
    (made,) = from_lm_eval(tmp_path / "out", read_card(CARD))
    at = demonstrations.as_recorded(demonstrations.pinned(dense))
    assert made["setup"]["demonstrations"] == at
    types = corpora.get("bioner_sample").types
    assert made["prompt_hash"] == prompt.prompt_hash(types, at) != prompt.prompt_hash(types, "dense")
    name, _, revision = at.removeprefix("dense:").partition("@sha256:")
    assert records.place(made).name == f"bioner_sample-5-shot-dense-{name}-{revision[:8]}-seed-1234.json"
    assert f"--metadata demonstrations={at}" in made["run"]["command"]
    row = {"kind": "llm", "shots": 5, "demonstrations": at}
    assert rows.asked(row) == f", 5-shot, dense {name}"
    assert str(Path(dense.removeprefix("dense:")).parent) not in json.dumps(made)
    call_it_random(tmp_path / "out", demonstrations.pinned(dense))
    with pytest.raises(BenchmarkError, match="the prompt is not that of"):
        from_lm_eval(tmp_path / "out", read_card(CARD))


def test_samples_with_other_demonstrations_than_the_run_says_are_refused(output):
    card = read_card(CARD)
    show_random_ones(output)
    with pytest.raises(BenchmarkError, match="the prompt is not that of bioner_sample with 5 demonstrations"):
        from_lm_eval(output, card)
    call_it_random(output)
    (record,) = from_lm_eval(output, card)
    assert record["setup"]["demonstrations"] == "random"
    assert records.place(record).name == "bioner_sample-5-shot-seed-1234.json"
    assert "--metadata" not in record["run"]["command"]


def test_a_retrieved_run_is_not_taken_for_a_random_one(output):
    call_it_random(output)
    with pytest.raises(BenchmarkError, match="the prompt is not that of"):
        from_lm_eval(output, read_card(CARD))


def test_runs_of_both_strategies_in_one_folder_are_two_records(output, tmp_path):
    shutil.copytree(output, tmp_path / "both" / "retrieved")
    random = Path(shutil.copytree(output, tmp_path / "both" / "random"))
    show_random_ones(random)
    call_it_random(random)
    made_records = from_lm_eval(tmp_path / "both", read_card(CARD))
    assert {record["setup"]["demonstrations"] for record in made_records} == {"random", "retrieved"}
    assert len({records.place(record) for record in made_records}) == 2
