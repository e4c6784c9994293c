"""Where systems err, on the terminal: tables, and sentences with brackets that a pipe keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bioner_bench.control_characters import printable
from bioner_bench.evaluation.errors import Finding, Kind
from bioner_bench.leaderboard.error_report import (
    MEANINGS,
    Comparison,
    Examined,
    Report,
    confusion_table,
    described,
)
from bioner_bench.leaderboard.marked_text import Piece, pieces

LEGEND = "[gold alone] {predicted alone} [{both}]"


def print_report(console: Console, made: Report, groups: Mapping[str, Sequence[Examined]]) -> None:
    """Counts, the confusion table where there are several types, and these sentences."""
    console.print(printable(f"{made.name}: {made.sentences:,} sentences"), markup=False, highlight=False)
    table = Table()
    table.add_column("kind", no_wrap=True)
    for type_ in made.types if len(made.types) > 1 else ():
        table.add_column(escape(type_), justify="right")
    table.add_column("all", justify="right")
    table.add_column("what it is")
    for kind in Kind:
        by_type = [f"{made.counts[kind, type_]:,}" for type_ in made.types] if len(made.types) > 1 else []
        table.add_row(kind.value, *by_type, f"{made.total(kind):,}", MEANINGS[kind])
    console.print(table)
    if len(made.types) > 1:
        _print_confusion(console, made)
    _print_groups(console, groups, made.sizes, (made.name,))


def print_comparison(console: Console, made: Comparison, groups: Mapping[str, Sequence[Examined]]) -> None:
    """How often one, both or none of two systems is right, and these sentences."""
    console.print(printable(" against ".join(made.names)), markup=False, highlight=False)
    table = Table()
    table.add_column("sentences")
    table.add_column("number", justify="right")
    table.add_row("both right", f"{made.both_right:,}")
    table.add_row("both wrong", f"{made.both_wrong:,}")
    for name, size in made.sizes.items():
        table.add_row(escape(name), f"{size:,}")
    console.print(table)
    _print_groups(console, groups, made.sizes, made.names)


def _print_confusion(console: Console, made: Report) -> None:
    names, *rows = confusion_table(made)
    table = Table(title="types: gold down, predicted across", title_justify="left")
    for name in names:
        table.add_column(escape(str(name)), justify="left" if name == "gold" else "right")
    for row in rows:
        table.add_row(*(escape(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row))
    console.print(table)


def _print_groups(
    console: Console,
    groups: Mapping[str, Sequence[Examined]],
    sizes: Mapping[str, int],
    names: Sequence[str],
) -> None:
    for name, found in groups.items():
        shown = f", {len(found):,} of them here" if len(found) < sizes[name] else ""
        heading = f"{name}: {sizes[name]:,} sentences{shown}; {LEGEND}"
        console.print(f"\n{heading}", style="bold", markup=False, highlight=False)
        for one in found:
            console.print(f"\n{printable(one.sentence.id)}", style="dim", markup=False, highlight=False)
            for system, answer in zip(names, one.answers, strict=True):
                if len(names) > 1:
                    console.print(printable(system), style="dim", markup=False, highlight=False)
                console.print(_text(one.sentence.text, answer), soft_wrap=True)
                for each in answer:
                    if each.kind is not Kind.CORRECT:
                        console.print(
                            f"  {printable(described(each, one.sentence.text))}",
                            markup=False,
                            highlight=False,
                            soft_wrap=True,
                        )


def _text(text: str, findings: Sequence[Finding]) -> Text:
    shown = Text()
    for piece in pieces(text, findings):
        shown.append(printable(f"{piece.before}{piece.text}{piece.after}"), style=_style(piece))
    return shown


def _style(piece: Piece) -> str:
    if piece.correct:
        return "green"
    if piece.gold and piece.predicted:
        return "magenta"
    return "yellow" if piece.gold else "red" if piece.predicted else ""
