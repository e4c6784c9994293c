"""Judged answers -> where they err: counts of each kind, a confusion table, and the sentences themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from bioner_bench.evaluation.errors import ERRORS, NONE, Finding, Kind, confusion, findings
from bioner_bench.leaderboard.given_answers import Answers
from bioner_bench.leaderboard.record_scores import sentence_hash
from bioner_bench.schema import BenchmarkError, Sentence

MEANINGS = {
    Kind.CORRECT: "span and type are right",
    Kind.MISSED: "a gold span that no prediction overlaps, or none that is left",
    Kind.SPURIOUS: "a predicted span that no gold span overlaps, or none that is left",
    Kind.BOUNDARY: "the type is right, the spans overlap but differ",
    Kind.TYPE: "the span is right, the type is not",
    Kind.BOUNDARY_AND_TYPE: "the spans overlap but differ, and so do the types",
    Kind.HALLUCINATED: "a predicted mention that the sentence does not hold",
    Kind.SURPLUS: "a mention predicted more often than it stands there",
}


@dataclass(frozen=True)
class Examined:
    """A sentence and what was found in each answer to it: of one system, or of two."""

    sentence: Sentence
    answers: tuple[list[Finding], ...]

    def kinds(self, kinds: Collection[Kind], types: Collection[str]) -> list[Kind]:
        """The kinds of errors in it, of those asked for, in the order of `ERRORS`."""
        there = {
            each.kind
            for found in self.answers
            for each in found
            if each.kind in kinds and (not types or set(each.types) & set(types))
        }
        return [kind for kind in ERRORS if kind in there]


@dataclass(frozen=True)
class Report:
    """Where one system errs.

    Attributes:
        name: the system's.
        types: the corpus's entity types.
        sentences: how many there are.
        counts: how many findings there are of each kind and type; that of the gold, if there is one.
        confusion: how often a gold type met a predicted type, or `NONE`.
        groups: what the sentences below are sorted by -> the sentences; each is in one.
    """

    name: str
    types: tuple[str, ...]
    sentences: int
    counts: Counter[tuple[Kind, str]]
    confusion: Counter[tuple[str, str]]
    groups: dict[str, list[Examined]]

    def total(self, kind: Kind) -> int:
        """How many findings there are of a kind."""
        return sum(number for (of, _), number in self.counts.items() if of is kind)

    @property
    def sizes(self) -> dict[str, int]:
        """How many sentences each group has."""
        return {name: len(found) for name, found in self.groups.items()}


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same sentences: how many each has all right, and where only one has.

    `groups` has the sentences that only the first, and only the second, has right, of those that were asked
    for; `sizes` says how many there are in all.
    """

    names: tuple[str, str]
    sentences: int
    both_right: int
    both_wrong: int
    sizes: dict[str, int]
    groups: dict[str, list[Examined]]


def report(answers: Answers, kinds: Collection[Kind] = (), types: Collection[str] = ()) -> Report:
    """Where a system errs, its sentences sorted by kind of error.

    Args:
        answers: those of the system.
        kinds: only sentences with an error of these kinds; of any, if none is named.
        types: only errors with these types, on one side or the other.

    Raises:
        BenchmarkError: a type is not the corpus's.
    """
    examined = _examine(answers)
    _check_types(answers, types)
    everything = [each for one in examined for each in one.answers[0]]
    groups: dict[str, list[Examined]] = {kind.value: [] for kind in ERRORS}
    for one in examined:
        if there := one.kinds(kinds or ERRORS, types):
            groups[there[0]].append(one)
    return Report(
        answers.name,
        answers.judged[0].types,
        len(examined),
        Counter((each.kind, each.types[0]) for each in everything),
        confusion(everything),
        {kind: found for kind, found in groups.items() if found},
    )


def compare(
    ours: Answers, theirs: Answers, kinds: Collection[Kind] = (), types: Collection[str] = ()
) -> Comparison:
    """The sentences that only one of two systems has right, with the errors of the other one.

    Raises:
        BenchmarkError: the systems have no sentence in common, or a type is not the corpus's.
    """
    _check_types(ours, types)
    other = {sentence_hash(one.sentence): one.answers[0] for one in _examine(theirs)}
    both = [
        Examined(one.sentence, (one.answers[0], other[digest]))
        for one in _examine(ours)
        if (digest := sentence_hash(one.sentence)) in other
    ]
    if not both:
        raise BenchmarkError(
            f"{ours.name} and {theirs.name} have no sentence in common; compare answers to one task"
        )
    right = [tuple(_right(found) for found in one.answers) for one in both]
    wanted = [bool(one.kinds(kinds or ERRORS, types)) for one in both]

    def only(pattern: tuple[bool, bool]) -> list[Examined]:
        return [
            one for one, is_right, ask in zip(both, right, wanted, strict=True) if is_right == pattern and ask
        ]

    names = (ours.name, theirs.name)
    if ours.name == theirs.name:  # an old and a new run of one system
        names = (f"{ours.name} (first)", f"{theirs.name} (second)")
    patterns = {f"only {names[0]} is right": (True, False), f"only {names[1]} is right": (False, True)}
    return Comparison(
        names,
        len(both),
        right.count((True, True)),
        right.count((False, False)),
        {name: right.count(pattern) for name, pattern in patterns.items()},
        {name: only(pattern) for name, pattern in patterns.items()},
    )


def shorten(groups: dict[str, list[Examined]], limit: int | None) -> dict[str, list[Examined]]:
    """At most `limit` sentences of each group."""
    return groups if limit is None else {name: found[:limit] for name, found in groups.items()}


def confusion_table(found: Report) -> list[list[str | int]]:
    """The confusion table: a line a gold type, a column a predicted one, the first line has the names."""
    names = [*found.types, NONE]
    rows: list[list[str | int]] = [["gold", *names]]
    rows += [[gold, *(found.confusion[gold, predicted] for predicted in names)] for gold in names]
    rows[-1][-1] = ""
    return rows


def described(found: Finding, text: str) -> str:
    """A finding in words.

    >>> from bioner_bench.schema import Entity
    >>> described(Finding(Kind.MISSED, Entity(0, 3, "Gene"), None), "ATM in mice")
    'missed Gene "ATM"'
    """
    gold = found.gold and f'{found.gold.type} "{text[found.gold.start : found.gold.end]}"'
    predicted = found.predicted and f'{found.predicted.mention.type} "{found.predicted.mention.text}"'
    if gold and predicted:
        return (
            f"{found.kind} {predicted} for {gold}"
            if found.kind is not Kind.CORRECT
            else f"{found.kind} {gold}"
        )
    return f"{found.kind} {gold or predicted}"


def as_json(made: Report | Comparison, limit: int | None = None) -> dict[str, Any]:
    """For `--json`."""
    groups = {name: [_example(one) for one in found] for name, found in shorten(made.groups, limit).items()}
    if isinstance(made, Comparison):
        return {
            "systems": list(made.names),
            "sentences": made.sentences,
            "both_right": made.both_right,
            "both_wrong": made.both_wrong,
            "only_one_right": made.sizes,
            "examples": groups,
        }
    return {
        "system": made.name,
        "types": list(made.types),
        "sentences": made.sentences,
        "counts": {kind.value: made.total(kind) for kind in Kind},
        "by_type": {type_: {kind.value: made.counts[kind, type_] for kind in Kind} for type_ in made.types},
        "confusion": [
            {"gold": gold, "predicted": predicted, "count": number}
            for (gold, predicted), number in sorted(made.confusion.items())
        ],
        "examples": groups,
    }


def _example(one: Examined) -> dict[str, Any]:
    sentence = one.sentence

    def span(found: Finding) -> dict[str, Any]:
        predicted = found.predicted
        return {
            "kind": found.kind.value,
            "gold": found.gold and [found.gold.start, found.gold.end, found.gold.type],
            "predicted": predicted
            and {
                "text": predicted.mention.text,
                "type": predicted.mention.type,
                "start": predicted.span and predicted.span.start,
                "end": predicted.span and predicted.span.end,
            },
        }

    answers = [[span(each) for each in found] for found in one.answers]
    return {"id": sentence.id, "document": sentence.document, "text": sentence.text, "findings": answers}


def _examine(answers: Answers) -> list[Examined]:
    return [
        Examined(item.sentence, (findings(item.sentence.entities, item.aligned),)) for item in answers.judged
    ]


def _right(found: Sequence[Finding]) -> bool:
    return all(each.kind is Kind.CORRECT for each in found)


def _check_types(answers: Answers, types: Collection[str]) -> None:
    known = answers.judged[0].types
    if unknown := sorted(set(types) - set(known)):
        raise BenchmarkError(f"there is no type {', '.join(unknown)}; there are: {', '.join(known)}")
