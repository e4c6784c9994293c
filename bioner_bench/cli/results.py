"""Scores and examples as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bioner_bench.control_characters import printable
from bioner_bench.evaluation.alignment import Aligned, Fate
from bioner_bench.evaluation.confidence import Covered
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


def print_summary(console: Console, title: str, summary: Summary, types: Sequence[str]) -> None:
    """The scores in percent with 95 % intervals, in sections of lines of 80 characters."""
    for text, style in _sections(title, summary, types):
        console.print(printable(text), style=style, markup=False, highlight=False, soft_wrap=True)


def _sections(title: str, summary: Summary, types: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Lines with their styles."""
    wide = max(9, *map(len, types)) if len(types) > 1 else 9
    yield title, "bold"
    yield f"{'in %':<{wide}} {'F1 [95 % interval]':>22} {'precision':>22} {'recall':>22}", "dim"
    for kind in ("strict", "relaxed", "string"):
        cells = (with_interval(summary, f"{kind}_{part}") for part in ("f1", "precision", "recall"))
        yield f"{kind:<{wide}}" + "".join(f" {cell:>22}" for cell in cells), ""
    if len(types) > 1:
        yield f"\n{'by type':<{wide}} {'strict F1':>22} {'P':>7} {'R':>7} {'relaxed F1':>22}", "dim"
        for type_ in types:
            strict = with_interval(summary, f"strict_f1_{type_}")
            precision, recall = (
                percent(summary[f"strict_{part}_{type_}"]) for part in ("precision", "recall")
            )
            relaxed = with_interval(summary, f"relaxed_f1_{type_}")
            yield f"{type_:<{wide}} {strict:>22} {precision:>7} {recall:>7} {relaxed:>22}", ""
        macro = (with_interval(summary, f"{kind}_f1_macro") for kind in ("strict", "relaxed"))
        yield f"{'macro':<{wide}} {next(macro):>22} {'':>7} {'':>7} {next(macro):>22}", ""
    for heading, rows in _FURTHER.items():
        known = [(said, name) for name, said in rows.items() if summary.get(name) is not None]
        if known:
            yield f"\n{heading}", "dim"
            for said, name in known:
                yield f"{name:<21} {with_interval(summary, name):>23}  {said}", ""


_FURTHER = {
    "found of the mentions": {
        "strict_recall_seen": "whose string training has",
        "strict_recall_unseen": "whose string it has not",
    },
    "how the answers were read": {
        "json_valid": "what was asked for",
        "json_extracted": "once text around them was gone",
        "json_repaired": "after a repair",
        "json_failed": "not at all: no mentions",
        "output_cut": "cut off in the middle",
        "output_ambiguous": "with others as good that differ",
    },
    "predictions that cannot be right": {
        "hallucination_rate": "mentions the sentence lacks",
        "surplus_rate": "mentions more often than it has",
        "false_positive_rate": "mention-free sentences with one",
    },
}
"""Heading -> score -> what it says."""


def print_sureness(console: Console, rows: Sequence[Covered], error: float | None) -> None:
    """What the most confident mentions score."""
    console.print(f"\n{'most confident':<14} {'mentions':>9} {'P':>7} {'R':>7} {'F1':>7}", style="dim")
    for row in rows:
        scores = (percent(value) for value in (row.precision, row.recall, row.f1))
        line = f"{row.share:>12.0%}   {row.mentions:>9,}" + "".join(f" {value:>7}" for value in scores)
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"calibration error {percent(error)}", markup=False, highlight=False)


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
            title=f"{escape(printable(sentence.id))}   {legend}",
            title_justify="left",
            show_lines=True,
            expand=True,
        )
        for column in ("gold", "answer", "aligned spans"):
            table.add_column(column, ratio=1)
        spans = [aligned.span for aligned in item.aligned if aligned.span is not None]
        left_over = "".join(f"\n{_describe(a)}" for a in item.aligned if a.fate is not Fate.ALIGNED)
        table.add_row(
            highlight(sentence.text, sentence.entities, item.types),
            Text(printable(item.output or "")),
            highlight(sentence.text, spans, item.types) + Text(left_over, style="red"),
        )
        console.print(table)


def highlight(text: str, spans: Iterable[Entity], types: Sequence[str]) -> Text:
    """The text with its spans in brackets and in the colours of their types."""
    spans = list(spans)
    shown = Text()
    cuts = sorted({0, len(text), *(place for span in spans for place in (span.start, span.end))})
    for start, end in pairwise(cuts):
        # With several types the colour alone would say which one it is.
        names = (f"{span.type}: " if len(types) > 1 else "" for span in spans if span.start == start)
        shown.append("".join(f"[{name}" for name in names))
        styles = [_style(span.type, types) for span in spans if span.start <= start < span.end]
        shown.append(printable(text[start:end]), style=styles[0] if styles else "")
        shown.append("]" * sum(span.end == end for span in spans))
    return shown


def _style(type_: str, types: Sequence[str]) -> str:
    return STYLES[list(types).index(type_) % len(STYLES)]


def _describe(aligned: Aligned) -> str:
    return f"{aligned.fate}: {printable(aligned.mention.text)}"
