"""Where systems err, as one HTML file: no scripts or styles from elsewhere, readable without JavaScript.

It holds the text of a corpus, so it is for the reader's own machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bioner_bench.evaluation.errors import ERRORS, Kind
from bioner_bench.leaderboard.error_report import (
    MEANINGS,
    Comparison,
    Examined,
    Report,
    confusion_table,
    described,
)
from bioner_bench.leaderboard.marked_text import Piece, pieces
from bioner_bench.leaderboard.templates import template


def html(made: Report | Comparison, groups: Mapping[str, Sequence[Examined]]) -> str:
    """The page of a report or comparison with these of its groups of sentences."""
    names = made.names if isinstance(made, Comparison) else (made.name,)
    page = template("errors.html.j2").render(
        title=" against ".join(names),
        facts=_facts(made, sum(map(len, groups.values()))),
        kinds=[] if isinstance(made, Comparison) else _kinds(made),
        confusion=[] if isinstance(made, Comparison) or len(made.types) < 2 else confusion_table(made),
        types=sorted({type_ for found in groups.values() for one in found for type_ in _types(one)}),
        used=[
            kind.value
            for kind in ERRORS
            if any(_has(one, kind) for found in groups.values() for one in found)
        ],
        groups=[
            {
                "name": name,
                "meaning": MEANINGS.get(Kind(name)) if name in ERRORS else None,
                "size": made.sizes[name],
                "sentences": [_sentence(one, names) for one in found],
            }
            for name, found in groups.items()
            if found
        ],
    )
    # A model may write half a surrogate pair, which no file can hold.
    return page.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _facts(made: Report | Comparison, shown: int) -> list[str]:
    if isinstance(made, Comparison):
        return [
            f"{made.sentences:,} sentences",
            f"{made.both_right:,} both right",
            f"{made.both_wrong:,} both wrong",
            *(f"{size:,} {name}" for name, size in made.sizes.items()),
        ]
    wrong = sum(made.sizes.values())
    here = f"{wrong:,}" if shown == wrong else f"{shown:,} of {wrong:,}"
    return [
        f"{made.sentences:,} sentences",
        f"{made.total(Kind.CORRECT):,} mentions correct",
        f"{here} sentences here",
    ]


def _kinds(made: Report) -> list[dict[str, Any]]:
    return [{"name": kind.value, "number": made.total(kind), "meaning": MEANINGS[kind]} for kind in Kind]


def _sentence(one: Examined, names: Sequence[str]) -> dict[str, Any]:
    text = one.sentence.text
    return {
        "id": one.sentence.id,
        "document": one.sentence.document,
        # A line an error: its kind and types, by which the buttons choose.
        "errors": "\n".join(
            "\t".join((each.kind.value, *each.types))
            for found in one.answers
            for each in found
            if each.kind is not Kind.CORRECT
        ),
        "answers": [
            {
                "name": name if len(names) > 1 else None,
                "pieces": [(piece, _class(piece)) for piece in pieces(text, found)],
                "errors": [described(each, text) for each in found if each.kind is not Kind.CORRECT],
            }
            for name, found in zip(names, one.answers, strict=True)
        ],
    }


def _class(piece: Piece) -> str:
    if piece.correct:
        return "correct"
    sides = [name for name, there in (("gold", piece.gold), ("predicted", piece.predicted)) if there]
    return "both" if len(sides) > 1 else "".join(sides)


def _has(one: Examined, kind: Kind) -> bool:
    return any(each.kind is kind for found in one.answers for each in found)


def _types(one: Examined) -> list[str]:
    wrong = [each for found in one.answers for each in found if each.kind is not Kind.CORRECT]
    return list(dict.fromkeys(type_ for each in wrong for type_ in each.types))
