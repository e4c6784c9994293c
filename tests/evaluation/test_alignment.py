import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bioner_bench.evaluation.alignment import Aligned, Fate, align
from bioner_bench.schema import Entity, Mention


def outcome(text: str, mentions: list[Mention]) -> list[tuple[int, int] | str]:
    """Start and end of each mention, or the name of its fate if it has no span."""
    return [
        (item.span.start, item.span.end) if item.span else item.fate.value for item in align(text, mentions)
    ]


def named(*texts: str, type_: str = "Disease") -> list[Mention]:
    return [Mention(text, type_) for text in texts]


def at(text: str, start: int, end: int, type_: str = "Disease") -> Mention:
    return Mention(text, type_, start, end)


@pytest.mark.parametrize(
    ("text", "mentions", "expected"),
    [
        (
            "breast cancer and hereditary breast cancer",
            ["breast cancer", "hereditary breast cancer"],
            [(0, 13), (18, 42)],
        ),
        (
            "hereditary breast cancer and breast cancer",
            ["breast cancer", "hereditary breast cancer"],
            [(29, 42), (0, 24)],
        ),
        ("ataxia - telangiectasia ( A - T )", ["ataxia-telangiectasia", "A-T"], [(0, 23), (26, 31)]),
        ("ATM and T cells", ["T"], [(8, 9)]),
        ("cancer , Cancer", ["Cancer", "cancer", "cancer"], [(9, 15), (0, 6), "surplus"]),
        ("two cancers here", ["cancer"], [(4, 10)]),
        ("cancer , Cancer , cancer", ["cancer", "cancer"], [(0, 6), (18, 24)]),
        ("a tumour here", ["tumor"], ["hallucinated"]),
    ],
)
def test_documented_examples(text, mentions, expected):
    assert outcome(text, named(*mentions)) == expected


def test_where_a_mention_says_that_it_is_only_that_is_taken():
    assert outcome("in ataxia, chorea", [at("ataxia", 3, 9), *named("chorea")]) == [(3, 9), (11, 17)]


@pytest.mark.parametrize(
    ("text", "mentions", "expected"),
    [
        # A word of its own in another case goes before the right case inside a word.
        ("xcancer Cancer", ["cancer"], [(8, 14)]),
        ("Cancers cancer", ["Cancer"], [(8, 14)]),
        ("CANCERs cancers", ["cancer"], [(8, 14)]),
        ("xCANCERx", ["cancer"], [(1, 7)]),
        # A word may begin behind a sign, and the next try goes on there.
        ("xataxia (ataxia)", ["ataxia"], [(9, 15)]),
        ("xataxia ((ataxia))", ["ataxia"], [(10, 16)]),
        ("xa-a", ["a"], [(3, 4)]),
        ("p53s p53- p53", ["p53", "p53", "p53"], [(5, 8), (10, 13), (0, 3)]),
        ("T1 T (T) T-", ["T", "T", "T", "T"], [(3, 4), (6, 7), (9, 10), (0, 1)]),
        # A pass ends before the next begins, so a short exact mention goes before a long inexact one.
        ("Ataxia type", ["ataxia type", "Ataxia"], ["surplus", (0, 6)]),
        ("ataxia types", ["ataxia type", "ataxia"], ["surplus", (0, 6)]),
        # Within a pass the longest goes first, by its characters without white space.
        ("a b c", ["a   b", "abc"], ["surplus", (0, 5)]),
        ("abc ab", ["ab", "abc"], [(4, 6), (0, 3)]),
        # Ties take the leftmost free occurrence in the order of the list.
        ("a-b-c", ["b-c", "a-b"], [(2, 5), "surplus"]),
        ("a-b-c", ["a-b", "b-c"], [(0, 3), "surplus"]),
        ("IL-2 , IL-2 , IL-2", ["IL-2", "IL-2"], [(0, 4), (7, 11)]),
        # Occurrences that overlap a span are not free, those that touch it are.
        ("aaa", ["a", "aa"], [(2, 3), (0, 2)]),
        ("aaaa", ["aa", "aa", "aa"], [(0, 2), (2, 4), "surplus"]),
        ("abab", ["ab", "ab"], [(0, 2), (2, 4)]),
    ],
)
def test_priority_of_passes_lengths_and_positions(text, mentions, expected):
    assert outcome(text, named(*mentions)) == expected


@pytest.mark.parametrize(
    ("text", "mention", "expected"),
    [
        ("T-cell", "T", (0, 1)),
        ("(ATM)", "ATM", (1, 4)),
        ("IL2 and IL-2", "IL", (8, 10)),
        ("IL2", "IL", (0, 2)),  # digits are alphanumeric, so only the passes "anywhere" find it
        ("xα and α", "α", (7, 8)),
        ("a_b b", "b", (2, 3)),  # an underscore is not alphanumeric
        ("βb b", "b", (3, 4)),
    ],
)
def test_word_boundaries(text, mention, expected):
    assert outcome(text, named(mention)) == [expected]


@pytest.mark.parametrize(
    ("text", "mention", "expected"),
    [
        ("breast\u00a0cancer", "breast cancer", (0, 13)),
        ("breast cancer", "breast\u2009\u00a0cancer", (0, 13)),
        ("breast\u3000 \u2028cancer x", "breast\ncancer", (0, 15)),
        ("\u00a0 A - T", "A-T", (2, 7)),
        ("A - T", "  A-T\t", (0, 5)),
        ("H2 O and H 2O", "H2O", (0, 4)),
        ("", "A", "hallucinated"),
        (" \u00a0", "A", "hallucinated"),
        ("A", "", "hallucinated"),
        ("A", " ", "hallucinated"),
        ("A", "A A", "hallucinated"),
        ("zero\u200bwidth", "zerowidth", "hallucinated"),  # U+200B is not white space
    ],
)
def test_white_space_never_counts(text, mention, expected):
    assert outcome(text, named(mention)) == [expected]


@pytest.mark.parametrize(
    ("text", "mention", "expected"),
    [
        ("İstanbul fever", "fever", (9, 14)),  # lower case of the first letter is two characters
        ("İstanbul fever", "FEVER", (9, 14)),
        ("İstanbul fever", "İSTANBUL", (0, 8)),
        ("x İ fever İ", "İ FEVER İ", (2, 11)),
        ("TNF-α and Β-cell", "tnf-Α", (0, 5)),
        ("TNF-α and Β-cell", "β-Cell", (10, 16)),
        ("𝛼-synuclein Fever", "fever", (12, 17)),  # one code point beyond the basic plane
        ("Straße", "strasse", "hallucinated"),
        # The lower case of a capital sigma depends on its neighbours; the letter is the same.
        ("TNFΣ levels", "tnfΣ", (0, 4)),
        ("TNFΣ levels", "TNFσ", (0, 4)),
        ("sigma ΑΣ", "ΑΣ", (6, 8)),
        ("ΑΣ levels", "ας", (0, 2)),
        # The micro sign and the Greek letter differ in nothing but case folding.
        ("5 µg", "5 μg", (0, 4)),
    ],
)
def test_letters_beyond_ascii(text, mention, expected):
    assert outcome(text, named(mention)) == [expected]


def test_second_mention_of_a_string_that_occurs_once_is_surplus_in_any_alphabet():
    for text, string in [("A - T", "A-T"), ("the ΑΣ levels", "ΑΣ"), ("the İΣ levels", "İΣ"), ("ẞ", "ẞ")]:
        assert [item.fate for item in align(text, named(string, string))] == [Fate.ALIGNED, Fate.SURPLUS]


@pytest.mark.parametrize(
    ("text", "mentions", "expected"),
    [
        ("ataxia and ataxia", [at("ataxia", 11, 17)], [(11, 17)]),
        # offsets that do not hold are ignored
        ("ataxia and ataxia", [at("ataxia", 10, 16)], [(0, 6)]),
        ("ataxia", [at("ataxia", 0, 5)], [(0, 6)]),
        ("ataxia", [at("ataxia", 0, 600)], [(0, 6)]),
        ("ataxia", [at("ataxia", -6, 6)], [(0, 6)]),
        ("ataxia", [at("ataxia", 6, 0)], [(0, 6)]),
        ("ataxia", [at("ataxia", 0, 10**30)], [(0, 6)]),
        ("ataxia", [at("Ataxia", 0, 6)], [(0, 6)]),
        ("A-T x A - T", [at("A-T", 6, 11)], [(0, 3)]),  # the slice must be equal, white space and all
        ("ataxia", [at("fever", 0, 6)], ["hallucinated"]),
        ("ataxia", [at("", 3, 3)], ["hallucinated"]),
        # a located mention may lie inside a word, nest in another or overlap it
        ("antiviral", [at("viral", 4, 9)], [(4, 9)]),
        ("breast cancer", [at("breast cancer", 0, 13), at("cancer", 7, 13)], [(0, 13), (7, 13)]),
        ("a b c", [at("a b", 0, 3), at("b c", 2, 5)], [(0, 3), (2, 5)]),
        # it goes before all mentions without offsets, wherever it is in the list
        ("ataxia and ataxia", [*named("ataxia"), at("ataxia", 0, 6)], [(11, 17), (0, 6)]),
        (
            "breast cancer",
            [*named("breast cancer"), at("cancer", 7, 13)],
            ["surplus", (7, 13)],
        ),
        # the same claim twice is one span
        ("ataxia", [at("ataxia", 0, 6), at("ataxia", 0, 6)], [(0, 6), "surplus"]),
        ("ataxia", [at("ataxia", 0, 6), *named("ataxia")], [(0, 6), "surplus"]),
    ],
)
def test_given_offsets(text, mentions, expected):
    assert outcome(text, mentions) == expected


def test_types_do_not_compete():
    mentions = [*named("T", "T"), *named("T", "t", type_="Gene"), at("T", 0, 1, "Chemical")]
    assert outcome("T , T", mentions) == [(0, 1), (4, 5), (0, 1), (4, 5), (0, 1)]


def test_no_mentions_give_nothing():
    assert align("ataxia", []) == []


def slow_align(text: str, mentions: list[Mention]) -> list[Aligned]:
    """The rule of the module's docstring, once more, as plainly as possible."""

    def squeeze(string: str) -> str:
        return "".join(character for character in string if not character.isspace())

    def same(one: str, other: str, ignore_case: bool) -> bool:
        one, other = squeeze(one), squeeze(other)
        return len(one) == len(other) and all(
            a == b or (ignore_case and a.lower() == b.lower()) for a, b in zip(one, other, strict=True)
        )

    def boundary(position: int) -> bool:
        around = text[max(position - 1, 0) : position + 1]
        return len(around) < 2 or not around.isalnum() or position == 0

    def occurrences(string: str, ignore_case: bool, on_boundaries: bool) -> list[tuple[int, int]]:
        return [
            (start, end)
            for start in range(len(text))
            for end in range(start + 1, len(text) + 1)
            if not text[start].isspace() and not text[end - 1].isspace()
            if same(text[start:end], string, ignore_case)
            if not on_boundaries or (boundary(start) and boundary(end))
        ]

    spans: list[Entity | None] = [None] * len(mentions)
    repeated: set[int] = set()
    for index, mention in enumerate(mentions):
        start, end = mention.start, mention.end
        if start is None or end is None or not 0 <= start < end <= len(text):
            continue
        if text[start:end] == mention.text:
            claim = Entity(start, end, mention.type)
            if claim in spans:
                repeated.add(index)
            else:
                spans[index] = claim
    for ignore_case, on_boundaries in [(False, True), (True, True), (False, False), (True, False)]:
        for index in sorted(range(len(mentions)), key=lambda i: -len(squeeze(mentions[i].text))):
            mention = mentions[index]
            if spans[index] is not None or index in repeated:
                continue
            for start, end in occurrences(mention.text, ignore_case, on_boundaries):
                span = Entity(start, end, mention.type)
                if not any(other and other.type == span.type and other.overlaps(span) for other in spans):
                    spans[index] = span
                    break
    return [
        Aligned(mention, Fate.ALIGNED, span)
        if span
        else Aligned(mention, Fate.SURPLUS if occurrences(mention.text, True, False) else Fate.HALLUCINATED)
        for mention, span in zip(mentions, spans, strict=True)
    ]


LETTERS = "aAbB1- \u00a0βΒİ"


@st.composite
def texts_and_mentions(draw, letters: str = LETTERS):
    text = draw(st.text(letters, max_size=14))
    mentions = []
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 5)))
        string = draw(
            st.sampled_from(
                [
                    text[start:end],
                    text[start:end].swapcase(),
                    " ".join(text[start:end]),
                    text[start:end][::-1],
                ]
            )
            | st.text(letters, max_size=4)
        )
        offsets = draw(st.sampled_from([(None, None), (None, None), (start, end), (start + 1, end)]))
        mentions.append(Mention(string, draw(st.sampled_from(["D", "G"])), *offsets))
    return text, mentions


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(texts_and_mentions())
@example(("aAaA", named("Aa", "aA", "AAAA", "a", "a")))
@example(("a a", [at("a a", 0, 3), at("a", 0, 1), *named("a")]))
@example((" ", [at(" ", 0, 1), at(" ", 0, 1)]))
def test_equals_the_rule_written_plainly(case):
    text, mentions = case
    assert align(text, mentions) == slow_align(text, mentions)


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(texts_and_mentions() | texts_and_mentions(letters="aA \u2003ΑασςΣßẞµμſKk\ud800\x00\u0130"))
def test_properties_that_hold_for_any_text(case):
    text, mentions = case
    aligned = align(text, mentions)
    assert [item.mention for item in aligned] == mentions
    assert align(text, mentions) == aligned

    def squeezed(string: str) -> str:
        return "".join(string.split())

    def folded(string: str) -> str:
        # Letter by letter; where folding would lengthen a letter, its lower case if that is one letter.
        forms = [(c.casefold(), c.lower(), c) for c in squeezed(string)]
        return "".join(next(form for form in three if len(form) == 1) for three in forms)

    given_spans = {
        (item.mention.start, item.mention.end, item.mention.type)
        for item in aligned
        if item.mention.start is not None
    }
    spans = [item.span for item in aligned if item.span]
    assert len(set(spans)) == len(spans)
    for item in aligned:
        assert (item.fate is Fate.ALIGNED) == (item.span is not None)
        nowhere = not squeezed(item.mention.text) or folded(item.mention.text) not in folded(text)
        assert (item.fate is Fate.HALLUCINATED) == (nowhere and item.span is None)
        if item.span is None:
            continue
        assert 0 <= item.span.start < item.span.end <= len(text)
        assert item.span.type == item.mention.type
        assert folded(text[item.span.start : item.span.end]) == folded(item.mention.text)
        if (item.span.start, item.span.end, item.span.type) in given_spans:
            continue
        assert not text[item.span.start].isspace()
        assert not text[item.span.end - 1].isspace()
        for other in spans:
            assert other is item.span or other.type != item.span.type or not other.overlaps(item.span)


def test_many_equal_mentions_in_a_long_text():
    random.seed(0)
    words = [random.choice(["IL-2", "il-2", "xIL-2", "and"]) for _ in range(2000)]
    aligned = align(" ".join(words), named(*["IL-2"] * 3000))
    occurrences = sum(word != "and" for word in words)
    assert sum(item.span is not None for item in aligned) == occurrences
    assert {item.fate for item in aligned[occurrences:]} == {Fate.SURPLUS}


def test_many_different_mentions_in_a_text_without_a_space():
    """Each begins with all shorter ones; looking everywhere for each of them would take half a minute."""
    text = "a" * 4000
    aligned = align(text, [Mention("a" * length, "Disease") for length in range(1, 1001)])
    spans = [(item.span.start, item.span.end) for item in aligned if item.span is not None]
    assert spans == [(3994, 4000), (2997, 3994), (1999, 2997), (1000, 1999), (0, 1000)]
