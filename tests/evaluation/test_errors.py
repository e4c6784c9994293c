"""Kinds of errors: a partition of gold and predictions that agrees with the strict counts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioner_bench.evaluation.alignment import align
from bioner_bench.evaluation.errors import Kind, confusion, findings
from bioner_bench.evaluation.scoring import count
from bioner_bench.schema import Entity, Mention, Sentence

TEXT = "abcdefghijkl"
TYPES = ("Gene", "Disease")

spans = st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 5), st.sampled_from(TYPES)).map(
    lambda drawn: Entity(drawn[0], min(len(TEXT), drawn[0] + drawn[1]), drawn[2])
)
golds = st.lists(spans, max_size=6, unique=True)
strings = st.builds(Mention, st.sampled_from(["a", "abc", "cde", "xyz"]), st.sampled_from(TYPES))
mentions = st.lists(
    spans.map(lambda e: Mention(TEXT[e.start : e.end], e.type, e.start, e.end)) | strings, max_size=6
)


@given(golds, mentions)
def test_every_gold_span_and_every_mention_is_in_one_finding(gold, said):
    aligned = align(TEXT, said)
    found = findings(gold, aligned)
    assert Counter(each.gold for each in found if each.gold) == Counter(gold)
    assert Counter(id(each.predicted) for each in found if each.predicted) == Counter(map(id, aligned))
    assert all(each.gold or each.predicted for each in found)


@given(golds, mentions)
def test_findings_agree_with_the_strict_counts(gold, said):
    aligned = align(TEXT, said)
    found = findings(gold, aligned)
    counts = count(Sentence("1", TEXT, tuple(gold)), aligned, TYPES)
    kinds = Counter(each.kind for each in found)
    assert kinds[Kind.CORRECT] == counts["strict"]
    wrong = [each for each in found if each.kind is not Kind.CORRECT]
    assert sum(each.gold is not None for each in wrong) == counts["gold"] - counts["strict"]
    assert sum(each.predicted is not None for each in wrong) == counts["predicted"] - counts["strict"]
    assert kinds[Kind.HALLUCINATED] == counts["hallucinated"]
    assert kinds[Kind.SURPLUS] == counts["surplus"]
    assert kinds[Kind.CORRECT] + kinds[Kind.BOUNDARY] <= counts["relaxed"]
    assert sum(confusion(found).values()) == len(found)


@given(golds, mentions)
def test_each_finding_is_what_its_kind_says(gold, said):
    found = findings(gold, align(TEXT, said))
    for each in found:
        if each.gold and each.predicted:
            span = each.predicted.span
            same_span = (each.gold.start, each.gold.end) == (span.start, span.end)
            same_type = each.gold.type == span.type
            assert each.gold.overlaps(span)
            assert (
                each.kind
                == {
                    (True, True): Kind.CORRECT,
                    (True, False): Kind.TYPE,
                    (False, True): Kind.BOUNDARY,
                    (False, False): Kind.BOUNDARY_AND_TYPE,
                }[same_span, same_type]
            )
    missed = [each.gold for each in found if each.kind is Kind.MISSED]
    spurious = [each.predicted.span for each in found if each.kind is Kind.SPURIOUS]
    assert not any(gold.overlaps(span) for gold in missed for span in spurious)


@given(golds, mentions, st.randoms())
def test_no_order_changes_what_is_found(gold, said, random):
    located = [mention for mention in said if mention.start is not None]
    shuffled = random.sample(located, len(located))
    before, after = (findings(gold, align(TEXT, given)) for given in (located, shuffled))
    assert Counter(each.kind for each in before) == Counter(each.kind for each in after)


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        ([(0, 4, "Gene")], [(0, 4, "Gene")], ["correct"]),
        ([(0, 4, "Gene")], [(0, 4, "Disease")], ["type"]),
        ([(0, 4, "Gene")], [(2, 6, "Gene")], ["boundary"]),
        ([(0, 4, "Gene")], [(2, 6, "Disease")], ["boundary+type"]),
        ([(0, 4, "Gene")], [(4, 6, "Gene")], ["missed", "spurious"]),
        # One gold span read as two: the larger part is its partner.
        ([(0, 6, "Gene")], [(0, 2, "Gene"), (2, 6, "Gene")], ["boundary", "spurious"]),
        # A span of the right type is preferred to one that shares more.
        ([(0, 6, "Gene")], [(0, 5, "Disease"), (0, 2, "Gene")], ["boundary", "spurious"]),
    ],
)
def test_examples(gold, predicted, kinds):
    said = [Mention(TEXT[start:end], type_, start, end) for start, end, type_ in predicted]
    found = findings([Entity(*span) for span in gold], align(TEXT, said))
    assert sorted(each.kind.value for each in found) == sorted(kinds)


def test_of_two_mentions_that_meet_a_gold_span_the_one_that_shares_more_is_its_boundary():
    gold = Entity(0, 10, "Disease")
    said = [Mention(TEXT[start:end], "Disease", start, end) for start, end in ((8, 12), (0, 9))]
    found = findings([gold], align(TEXT, said))
    assert [(each.kind, each.gold, each.predicted.span.start) for each in found] == [
        (Kind.BOUNDARY, gold, 0),
        (Kind.SPURIOUS, None, 8),
    ]
