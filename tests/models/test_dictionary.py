"""The dictionary of training mentions: what it finds in a text, and through lm-eval."""

import logging
from itertools import pairwise

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_corpus import write_toy_corpus

from bioner_bench import corpora
from bioner_bench.corpora.loading import load_training
from bioner_bench.models.dictionary import collect, find
from bioner_bench.models.tagging import words
from bioner_bench.schema import BenchmarkError, Entity, Sentence


def sentence(marked):
    """A sentence from text with its mentions in brackets: `[ataxia|D] in mice`."""
    text, entities = "", []
    for piece in marked.split("["):
        inside, bracket, after = piece.partition("]")
        if not bracket:
            text += piece
            continue
        surface, type_ = inside.rsplit("|", 1)
        entities.append(Entity(len(text), len(text) + len(surface), type_))
        text += surface + after
    return Sentence(marked, text, tuple(entities))


def found(training, text, **options):
    """What a dictionary of these sentences finds, as (surface, type)."""
    entities = find(collect([sentence(marked) for marked in training], **options), text)
    return [(text[e.start : e.end], e.type) for e in entities]


@pytest.mark.parametrize(
    ("training", "text", "expected"),
    [
        # the longest entry, and then on after it
        (["[ataxia|D]", "[ataxia telangiectasia|D]"], "ataxia telangiectasia", ["ataxia telangiectasia"]),
        (["[a b|D]", "[b c d|D]"], "a b c d", ["a b"]),
        (["[a b c|D]", "[b|D]"], "a b d", ["b"]),
        (["[a a|D]"], "a a a a a", ["a a", "a a"]),
        # whole words
        (["[cat|D]"], "catalase cat category", ["cat"]),
        (["[p53|D]"], "p53-null, xp53 and p53", ["p53", "p53"]),
        (["[IL-2|D]"], "IL-2R and IL-2", ["IL-2"]),
        # white space
        (["[A - T|D]"], "A-T and A - T and A  -T", ["A-T", "A - T", "A  -T"]),
        (["[A-T|D]"], "an A - T cell", ["A - T"]),
        (["[breast cancer|D]"], "breast\ncancer, breastcancer", ["breast\ncancer"]),
        # case
        (["[Ataxia|D]"], "Ataxia ataxia", ["Ataxia"]),
        # nothing to find
        (["none"], "ataxia", []),
        ([], "ataxia", []),
        (["[ataxia|D]"], "", []),
    ],
)
def test_what_is_found(training, text, expected):
    assert found(training, text) == [(surface, "D") for surface in expected]


def test_case_is_ignored_if_asked():
    assert found(["[Ataxia|D]"], "ATAXIA ataxia", ignore_case=True) == [("ATAXIA", "D"), ("ataxia", "D")]
    assert found(["[Straße|D]"], "STRASSE", ignore_case=True) == [("STRASSE", "D")]


@pytest.mark.parametrize(
    ("training", "type_"),
    [
        (["[p53|Gene]", "[p53|Disease]", "[p53|Gene]"], "Gene"),
        (["[p53|Gene]", "[p53|Disease]"], "Disease"),  # as often: the first by name
        (["[p53|Disease]", "[p53|Gene]"], "Disease"),
    ],
)
def test_a_string_of_several_types_gets_the_most_frequent(training, type_):
    assert found(training, "p53") == [("p53", type_)]
    assert found(training[::-1], "p53") == [("p53", type_)]


def test_case_decides_what_counts_together():
    training = ["[p53|Gene]", "[P53|Disease]", "[P53|Disease]"]
    assert found(training, "p53") == [("p53", "Gene")]
    assert found(training, "p53", ignore_case=True) == [("p53", "Disease")]


WORDS = st.lists(st.sampled_from(["a", "b", "A", "-", "ab"]), min_size=1, max_size=4)
SPACED = st.builds(lambda pieces, space: space.join(pieces), WORDS, st.sampled_from([" ", "  "]))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(SPACED, st.sampled_from("DG")), max_size=6), SPACED, SPACED, SPACED, st.booleans())
def test_found_spans_are_entries_apart_and_nothing_known_is_missed(entries, one, two, three, ignore_case):
    text = f"{one} {two}{three}"
    training = [Sentence(str(i), key, (Entity(0, len(key), t),)) for i, (key, t) in enumerate(entries)]
    result = find(collect(training, ignore_case), text)

    def key(surface):
        surface = surface.casefold() if ignore_case else surface
        return tuple(surface[start:end] for start, end in words(surface))

    known = {key(surface) for surface, _ in entries}
    for entity in result:
        assert key(text[entity.start : entity.end]) in known
        assert entity.type in {
            t for surface, t in entries if key(surface) == key(text[entity.start : entity.end])
        }
    assert all(before.end <= after.start for before, after in pairwise(result))
    spans = words(text)
    for first, (start, _) in enumerate(spans):
        for _, end in spans[first:]:
            if key(text[start:end]) in known:
                assert any(entity.overlaps(Entity(start, end, "D")) for entity in result)
                longer = [e for e in result if e.start == start]
                assert all(e.end >= end for e in longer)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["bioner_sample", "bioner_ncbi", "bioner_bc5cdr", "bioner_nlmgene"])
def test_seen_mentions_are_found_on_every_kind_of_corpus(request, task):
    """A mention whose string is known is found, or overlaps one that begins before it or is longer."""
    if task != "bioner_sample":
        request.getfixturevalue("mirror")
    training = load_training(corpora.get(task))
    dictionary = collect(training)
    surfaces = {s.surface(entity) for s in training for entity in s.entities}
    seen = hit = 0
    for sentence_ in corpora.load(task, "test").sentences[:400]:
        result = find(dictionary, sentence_.text)
        spans = words(sentence_.text)
        starts, ends = {start for start, _ in spans}, {end for _, end in spans}
        for gold in sentence_.entities:
            if sentence_.surface(gold) in surfaces and gold.start in starts and gold.end in ends:
                seen += 1
                hit += any((e.start, e.end) == (gold.start, gold.end) for e in result)
                assert any(e.overlaps(gold) for e in result), f"{sentence_.id}: {gold}"
    assert seen > 20
    assert hit / seen > 0.85


@pytest.mark.slow
def test_it_finds_all_of_its_training_sentences_that_are_not_nested(mirror):
    sentences = corpora.load("bioner_bc5cdr", "train").sentences
    dictionary = collect(sentences)
    gold = [{(e.start, e.end) for e in s.entities} for s in sentences]
    result = [{(e.start, e.end) for e in find(dictionary, s.text)} for s in sentences]
    hit = sum(len(one & other) for one, other in zip(gold, result, strict=True))
    assert hit / sum(map(len, gold)) > 0.95


# --- through lm-eval -------------------------------------------------------------------------------------


def evaluate(task, folder=ROOT / "tasks", **arguments):
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    import bioner_bench.harness.lm_models  # noqa: F401

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    results = simple_evaluate(
        model="dictionary",
        model_args=arguments,
        tasks=[task],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
    )
    return {name.removesuffix(",none"): value for name, value in results["results"][task].items()}


def test_through_lm_eval_its_scores_are_those_of_its_spans():
    training, test = (corpora.load("bioner_sample", split).sentences for split in ("train", "test"))
    scores = evaluate("bioner_sample")
    predicted = [set(find(collect(training), s.text)) for s in test]
    right = sum(len(one & set(s.entities)) for one, s in zip(predicted, test, strict=True))
    assert right > 10
    assert scores["strict_precision"] == pytest.approx(right / sum(map(len, predicted)))
    assert scores["strict_recall"] == pytest.approx(right / sum(len(s.entities) for s in test))
    assert scores["json_valid"] == 1
    assert scores["hallucination_rate"] == 0
    assert scores["strict_recall_seen"] > 0.9
    assert scores["strict_recall_seen"] > scores["strict_recall_unseen"]
    folded = evaluate("bioner_sample", ignore_case=True)
    assert folded["strict_recall"] >= scores["strict_recall"]


def test_the_training_split_of_another_task_can_be_named(mirror):
    """Its other types are left out of the answer."""
    own, other = evaluate("bioner_sample"), evaluate("bioner_sample", train="bioner_bc5cdr_disease")
    assert other["strict_recall_Gene"] == 0 < own["strict_recall_Gene"]
    assert other["strict_recall_Disease"] > own["strict_recall_Disease"] / 2
    assert other["json_valid"] == 1


def test_a_task_without_training_split_is_one_line(tmp_path, monkeypatch):
    for name, value in write_toy_corpus(tmp_path, ["Disease"]).items():
        monkeypatch.setenv(name, value)
    entry = tmp_path / "entries" / "toy.yaml"
    lines = entry.read_text().split("\n")
    start, end = lines.index("  train:"), lines.index("  test:")
    entry.write_text("\n".join(lines[:start] + lines[end:]))
    with pytest.raises(BenchmarkError, match="toy has no training split; name one: --model_args train=") as e:
        evaluate("toy", tmp_path / "tasks")
    assert "\n" not in str(e.value)
    assert evaluate("toy", tmp_path / "tasks", train="bioner_sample")["json_valid"] == 1
    with pytest.raises(BenchmarkError, match=r"unknown corpus 'bioner_nope'; there are: .*bioner_ncbi"):
        evaluate("toy", tmp_path / "tasks", train="bioner_nope")
