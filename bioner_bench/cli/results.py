"""Scores, verdicts and examples as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bioner_bench.evaluation.alignment import Aligned, Fate
from bioner_bench.evaluation.predictions import Judged
from bioner_bench.evaluation.summary import Summary
from bioner_bench.schema import Entity

STYLES = ("bold green", "bold cyan", "bold magenta", "bold yellow", "bold blue")
"""Of the entity types, in their order, round and round."""


def percent(value: float | None) -> str:
    """A share in percent with two digits; a dash where nothing is known."""
    return "-" if value is None else f"{100 * value:.2f}"


def with_interval(summary: Summary, name: str) -> str:
    """A score in percent and its 95 % interval."""
    if summary[name] is None:
        return "-"
    return f"{percent(summary[name])} [{percent(summary[f'{name}_low'])}, {percent(summary[f'{name}_high'])}]"


def print_summary(console: Console, title: str, summary: Summary) -> None:
    """One score a row, with its interval."""
    table = Table(title=escape(title), title_justify="left")
    table.add_column("score")
    table.add_column("%", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, value in summary.items():
        if not name.endswith(("_low", "_high")):
            interval = f"{percent(summary[f'{name}_low'])} - {percent(summary[f'{name}_high'])}"
            table.add_row(escape(name), percent(value), "-" if value is None else interval)
    console.print(table)


def print_comparison(console: Console, summaries: Mapping[str, tuple[int, Summary]]) -> None:
    """One task a row (name -> sentences and summary), the main scores in columns."""
    table = Table(title="scores in %, with 95 % intervals", title_justify="left")
    table.add_column("task", no_wrap=True)
    shown = ("strict_f1", "relaxed_f1", "string_f1")
    shares = ("json_valid", "hallucination_rate")
    for column in ("sentences", *shown, *shares):
        table.add_column(column.replace("_", " "), justify="right")
    for task, (sentences, summary) in summaries.items():
        scores = [with_interval(summary, name) for name in shown]
        table.add_row(task, str(sentences), *scores, *(percent(summary[name]) for name in shares))
    console.print(table)


def print_examples(console: Console, judged: Iterable[Judged]) -> None:
    """Gold, answer and aligned spans of sentences, side by side."""
    for item in judged:
        sentence = item.sentence
        legend = "  ".join(f"[{_style(type_, item.types)}]{escape(type_)}[/]" for type_ in item.types)
        table = Table(
            title=f"{escape(sentence.id)}   {legend}", title_justify="left", show_lines=True, expand=True
        )
        for column in ("gold", "answer", "aligned spans"):
            table.add_column(column, ratio=1)
        spans = [aligned.span for aligned in item.aligned if aligned.span is not None]
        left_over = "".join(f"\n{_describe(a)}" for a in item.aligned if a.fate is not Fate.ALIGNED)
        table.add_row(
            highlight(sentence.text, sentence.entities, item.types),
            Text(item.output or ""),
            highlight(sentence.text, spans, item.types) + Text(left_over, style="red"),
        )
        console.print(table)


def highlight(text: str, spans: Iterable[Entity], types: Sequence[str]) -> Text:
    """The text with its spans in the colours of their types."""
    shown = Text(text)
    for span in spans:
        shown.stylize(_style(span.type, types), span.start, span.end)
    return shown


def _style(type_: str, types: Sequence[str]) -> str:
    return STYLES[list(types).index(type_) % len(STYLES)]


def _describe(aligned: Aligned) -> str:
    return f"{aligned.fate}: {aligned.mention.text}"
