"""Sentence <-> tags of words: round trips, the best valid sequence, and the windows of long sentences."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seqeval.scheme import IOB2, Entities

from bioner_bench import corpora
from bioner_bench.models.tagging import best_tags, tag_set, to_entities, to_tags, windows, words
from bioner_bench.schema import Entity

QUICK = settings(deadline=None, max_examples=100)
IOB_TASKS = [task for task in corpora.built_in() if corpora.get(task).format == "iob2"]


def valid(tags):
    """IOB2 as its definition has it: an I- follows a B- or I- of its own type."""
    return all(
        after[0] != "I" or before in (f"B-{after[2:]}", f"I-{after[2:]}")
        for before, after in pairwise(["O", *tags])
    )


@QUICK
@given(st.text())
def test_words_are_all_that_is_not_white_space_in_order(text):
    spans = words(text)
    assert all(start < end for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    covered = "".join(text[start:end] for start, end in spans)
    assert covered == "".join(character for character in text if not character.isspace())
    for start, end in spans:
        assert end - start == 1 or text[start:end].isalnum()
    for (_, end), (start, _) in pairwise(spans):
        assert end < start or not (text[end - 1].isalnum() and text[start].isalnum())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n", []),
        ("IL-2Rα", ["IL", "-", "2Rα"]),
        ("snake_case", ["snake", "_", "case"]),
        ("5' end, β2", ["5", "'", "end", ",", "β2"]),
        ("a\u200bb\u00a0c", ["a", "\u200b", "b", "c"]),
    ],
)
def test_words_of(text, expected):
    assert [text[start:end] for start, end in words(text)] == expected


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("task", IOB_TASKS)
def test_entities_of_every_tagged_corpus_come_back_from_their_tags(mirror, task, split):
    """All but those that split a word or share one: the corpora hold next to none."""
    sentences = corpora.load(task, split).sentences
    known = set(tag_set(corpora.get(task).types))
    lost = 0
    for sentence in sentences:
        spans = words(sentence.text)
        tags = to_tags(spans, sentence.entities)
        assert len(tags) == len(spans)
        assert valid(tags)
        assert known.issuperset(tags)
        found = to_entities(spans, tags)
        assert to_tags(spans, found) == tags
        if found != sorted(sentence.entities):
            starts, ends = {start for start, _ in spans}, {end for _, end in spans}
            whole = all(e.start in starts and e.end in ends for e in sentence.entities)
            assert not whole, f"{sentence.id}: {found}"
            lost += 1
    assert lost <= 0.001 * len(sentences)


@st.composite
def tagged_texts(draw):
    """A text, and entities of whole words that share none."""
    pieces = draw(st.lists(st.sampled_from(["gene", "p53", "-", "(", "β", "A", ",", "_"]), max_size=12))
    text = draw(st.sampled_from(["", " "])).join(pieces)
    spans = words(text)
    entities, at = [], 0
    while at < len(spans):
        length = draw(st.integers(0, 3))
        if length and at + length <= len(spans):
            entities.append(Entity(spans[at][0], spans[at + length - 1][1], draw(st.sampled_from("XY"))))
        at += max(length, 1)
    return text, entities


@QUICK
@given(tagged_texts())
def test_entities_of_whole_words_come_back_from_their_tags(tagged):
    text, entities = tagged
    spans = words(text)
    tags = to_tags(spans, entities)
    assert valid(tags)
    assert to_entities(spans, tags) == entities


@QUICK
@given(st.lists(st.sampled_from(tag_set("XY")), max_size=12).filter(valid))
def test_tags_come_back_from_their_entities_and_are_read_as_seqeval_reads_them(tags):
    spans = words("word " * len(tags))
    entities = to_entities(spans, tags)
    assert to_tags(spans, entities) == tags
    read = Entities([tags], IOB2).entities[0]
    assert [(e.start, e.end, e.type) for e in entities] == [
        (spans[chunk.start][0], spans[chunk.end - 1][1], chunk.tag) for chunk in read
    ]


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ([Entity(1, 3, "X")], ["B-X", "O", "O"]),  # part of a word takes the word
        ([Entity(4, 9, "X")], ["O", "B-X", "I-X"]),
        ([Entity(0, 7, "X"), Entity(4, 11, "Y")], ["B-X", "I-X", "O"]),  # the first of two that share
        ([Entity(0, 3, "X"), Entity(0, 7, "Y")], ["B-Y", "I-Y", "O"]),  # the longer of two that start at once
        ([Entity(0, 3, "X"), Entity(3, 11, "Y")], ["B-X", "B-Y", "I-Y"]),
        ([Entity(3, 4, "X")], ["O", "O", "O"]),  # white space alone
    ],
)
def test_entities_that_tags_cannot_write(entities, expected):
    spans = words("one two six")
    assert to_tags(spans, entities) == expected
    assert to_tags(spans, entities[::-1]) == expected


@st.composite
def scores(draw, types="XY", most=5):
    """Words x tags, from few values, so that ties are many."""
    tags = tag_set(types[: draw(st.integers(1, len(types)))])
    rows = draw(st.integers(0, most))
    values = draw(
        st.lists(st.integers(-4, 4), min_size=rows * len(tags), max_size=rows * len(tags)).map(np.array)
    )
    return values.reshape(rows, len(tags)).astype(np.float32), tags


@QUICK
@given(scores())
@example((np.array([[0, 0, 9], [0, 0, 9]], dtype=np.float32), tag_set("X")))
def test_best_tags_are_the_best_of_all_valid_sequences(given_):
    table, tags = given_
    found = best_tags(table, tags)
    assert len(found) == len(table)
    assert valid(found)

    def total(sequence):
        return sum(row[tags.index(tag)] for row, tag in zip(table, sequence, strict=True))

    assert total(found) == max(
        total(sequence) for sequence in product(tags, repeat=len(table)) if valid(sequence)
    )


@QUICK
@given(st.integers(0, 1000), st.permutations(range(5)))
def test_best_tags_do_not_depend_on_the_order_of_the_labels(seed, order):
    """Checkpoints of others number their labels as they like."""
    tags = tag_set("XY")
    table = np.random.default_rng(seed).normal(size=(4, len(tags))).astype(np.float32)
    found = best_tags(table[:, order], [tags[index] for index in order])
    assert valid(found)
    assert found == best_tags(table, tags)


@pytest.mark.parametrize("types", ["X", "XYZ"])
def test_best_tags_of_long_sentences_are_valid_and_no_worse_than_any_change_of_one_word(types):
    random = np.random.default_rng(0)
    tags = tag_set(types)
    for _ in range(20):
        table = random.normal(size=(60, len(tags))).astype(np.float32)
        found = best_tags(table, tags)
        assert valid(found)
        for place, tag in product(range(60), tags):
            changed = [*found[:place], tag, *found[place + 1 :]]
            if valid(changed):
                assert table[place][tags.index(tag)] <= table[place][tags.index(found[place])]


@st.composite
def sentences(draw):
    size = draw(st.integers(1, 30))
    longest = draw(st.integers(1, 40))
    return draw(st.lists(st.integers(1, longest), max_size=60)), size, draw(st.integers(0, size + 5))


@QUICK
@given(sentences())
def test_windows_own_every_word_once_and_fit(sentence):
    lengths, size, overlap = sentence
    found = windows(7, lengths, size, overlap)
    held = [min(length, size) for length in lengths]
    owned = [word for window in found for word in range(window.owned_first, window.owned_last)]
    assert owned == list(range(len(lengths)))
    for window in found:
        assert window.sentence == 7
        assert window.first <= window.owned_first <= window.owned_last <= window.last
        assert sum(held[window.first : window.last]) <= size
    assert found[0].first == 0
    assert found[-1].last == len(lengths)
    for one, other in pairwise(found):
        assert one.first < other.first <= one.last < other.last, "each window brings a new word"
        assert one.owned_first < one.owned_last
    assert found[-1].owned_first < found[-1].owned_last or not lengths
    assert (len(found) == 1) == (sum(held) <= size)


@QUICK
@given(sentences())
def test_neighbouring_windows_share_the_overlap_where_words_allow(sentence):
    lengths, size, overlap = sentence
    held = [min(length, size) for length in lengths]
    for one, other in pairwise(windows(0, lengths, size, overlap)):
        shared = sum(held[other.first : one.last])
        if shared < overlap:
            # One word more would leave no room for a new one, or make it the window before.
            more = other.first - 1
            assert more == one.first or sum(held[more : one.last + 1]) > size
        elif other.first < one.last:
            assert sum(held[other.first + 1 : one.last]) < overlap, "no more than needed"


@QUICK
@given(st.integers(40, 300), st.integers(4, 30), st.integers(0, 10))
def test_a_shared_word_goes_to_the_window_that_shows_more_around_it(words_, size, overlap):
    found = windows(0, [1] * words_, size, min(overlap, size // 2))
    for word in range(words_):
        around = {
            window: min(
                word - window.first if window.first else size,
                window.last - 1 - word if window.last < words_ else size,
            )
            for window in found
            if window.first <= word < window.last
        }
        (owner,) = (w for w in found if w.owned_first <= word < w.owned_last)
        assert around[owner] >= max(around.values()) - 1


def test_a_word_longer_than_a_window_fills_one():
    found = windows(0, [1, 1, 50, 1, 1], 4, 2)
    assert [(w.owned_first, w.owned_last) for w in found] == [(0, 2), (2, 3), (3, 5)]


def test_without_words_there_is_one_empty_window():
    (window,) = windows(3, [], 10, 2)
    assert (window.sentence, window.first, window.last, window.owned_first, window.owned_last) == (
        3,
        0,
        0,
        0,
        0,
    )
