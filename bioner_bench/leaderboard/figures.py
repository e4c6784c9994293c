"""Rows of the leaderboard -> SVG figures, the same bytes for the same rows.

A panel a corpus, without reference models; several seeds are one point, their mean, with a line from the
lowest to the highest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from bioner_bench import plotting
from bioner_bench.leaderboard.rows import asked, folded, lines, tasks_of
from bioner_bench.leaderboard.tasks import corpus_name
from bioner_bench.plotting import BLUE, GREEN, GRID, INK, ORANGE, SOFT, VIOLET, panels, spread, style, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]

_COLOURS = {"llm": BLUE, "encoder": ORANGE, "dictionary": GREEN}

_STRATEGIES = {
    "full": INK,
    "hybrid": BLUE,
    "random": ORANGE,
    "positives": GREEN,
    "superfilter": VIOLET,
    "matched": SOFT,
    "densest": SOFT,
}
"""Strategy of choosing training rows -> colour; others are grey."""


def draw(table: pd.DataFrame, kept: Mapping[str, str] | None = None) -> dict[str, str]:
    """File name -> SVG. The figure of training shares is there once systems were trained on shares.

    Of those `kept` from before, one that was drawn from the same, and is as it was drawn, is not drawn again.
    """
    measured = folded(table).drop(columns="runs")
    measured = measured[measured["kind"] != "reference"]
    by_task = {task: lines(measured[measured["task"] == task]) for task in tasks_of(measured)}
    shares = [row for rows in by_task.values() for row in rows if row["train_ratio"] and row["train_rows"]]
    made: dict[str, Callable[[], Figure]] = {
        "f1_by_corpus.svg": lambda: _f1_by_corpus(by_task),
        "precision_recall.svg": lambda: _precision_recall(by_task),
    }
    if shares:
        made["training_share.svg"] = lambda: _training_share(shares)
    shown = [[corpus_name(task), label(row), row] for task, rows in by_task.items() for row in rows]
    source = plotting.source(shown, __file__)
    old = {
        name: text
        for name, text in (kept or {}).items()
        if name in made and plotting.is_drawn_from(text, source + name)
    }
    if len(old) == len(made):
        return {name: old[name] for name in made}
    with style():
        return {
            name: old.get(name) or plotting.stamped(svg(drawn()), source + name)
            for name, drawn in made.items()
        }


def label(row: Row) -> str:
    """A system and its shots, as figures name it."""
    return f"{row['title']}{asked(row)}"


def _f1_by_corpus(by_task: dict[str, list[Row]]) -> Figure:
    """Strict F1 with intervals, a line a system, from what the worst to what the best reaches."""
    drawn, axes = panels([0.7 + 0.24 * len(rows) for rows in by_task.values()], columns=1, width=7.5)
    for (task, rows), panel in zip(by_task.items(), axes, strict=False):
        for place, row in enumerate(rows):
            value, low, high = (100 * row[key] for key in ("strict_f1", "strict_f1_low", "strict_f1_high"))
            colour = _COLOURS[row["kind"]]
            panel.plot([low, high], [place, place], color=colour, linewidth=1.5)
            panel.plot([value], [place], "o", color=colour, markersize=4, clip_on=False)
            panel.annotate(
                f"{value:.1f}", (high, place), (5, 0), textcoords="offset points", va="center", color=INK
            )
        panel.set_yticks(range(len(rows)), [label(row) for row in rows])
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.set_xlim(0, 100)
        panel.grid(axis="x", color=GRID, linewidth=0.6)
        panel.set_axisbelow(True)
        panel.set_title(corpus_name(task))
    if by_task:
        axes[-1].set_xlabel("strict F1 (%); 95 % interval, or range of seeds")
    return drawn


def _precision_recall(by_task: dict[str, list[Row]]) -> Figure:
    """Strict precision against recall, a panel a corpus with two systems or more; names beside the points."""
    by_task = {task: rows for task, rows in by_task.items() if len(rows) > 1}
    heights = [max(2.6, 0.9 + 0.17 * len(rows)) for rows in by_task.values()]
    drawn, axes = panels(heights, columns=2, width=11)
    for (task, rows), height, panel in zip(by_task.items(), heights, axes, strict=False):
        _equal_f1(panel)
        points = [(100 * row["strict_recall"], 100 * row["strict_precision"]) for row in rows]
        _labelled(panel, points, rows, height)
        panel.set_xlabel("strict recall (%)")
        panel.set_ylabel("strict precision (%)")
        panel.set_title(corpus_name(task))
    return drawn


def _equal_f1(panel: Any) -> None:
    """Lines of equal F1 in a panel of precision against recall, both from 0 to 100."""
    for value in (40, 60, 80):
        first = 100 * value / (200 - value)  # the recall that a precision of 100 leaves
        recall = [first + step * (100 - first) / 200 for step in range(201)]
        curve = [(r, value * r / (2 * r - value)) for r in recall]
        panel.plot(*zip(*curve, strict=True), color=GRID, linewidth=0.8, zorder=0)
        panel.text(first, 101, f"F1 {value}", color=SOFT, fontsize=7, ha="center")
    panel.set_xlim(-2, 102)
    panel.set_ylim(-2, 102)


def _labelled(panel: Any, points: Sequence[tuple[float, float]], rows: Sequence[Row], height: float) -> None:
    """Points, and their names to the right of the panel, where they do not cover one another."""
    places = spread([y for _, y in points], 100 * 0.17 / (height - 0.7), 0, 100)
    for (x, y), place, row in zip(points, places, rows, strict=True):
        panel.plot([x, 104], [y, place], color=GRID, linewidth=0.6, zorder=0, clip_on=False)
        panel.plot([x], [y], "o", color=_COLOURS[row["kind"]], markersize=5, clip_on=False)
        name = label(row)
        panel.text(
            105, place, name if len(name) < 50 else f"{name[:48]}…", fontsize=7, va="center", color=INK
        )


def _training_share(shares: Sequence[Row]) -> Figure:
    """Strict F1 against the rows that were learned, a panel a corpus, a colour a strategy."""
    tasks = list(dict.fromkeys(row["task"] for row in shares))
    drawn, axes = panels([3.2] * len(tasks), columns=1, width=7.5)
    for task, panel in zip(tasks, axes, strict=False):
        here = [row for row in shares if row["task"] == task]
        ends = [100 * row[key] for row in here for key in ("strict_f1_low", "strict_f1_high")]
        low, high = 10 * math.floor(min(ends) / 10), 10 * math.ceil(max(ends) / 10)
        most = max(row["train_rows"] for row in here)
        places = spread([100 * row["strict_f1"] for row in here], (high - low) * 0.06, low, high)
        for row, place in zip(here, places, strict=True):
            value, bottom, top = (100 * row[key] for key in ("strict_f1", "strict_f1_low", "strict_f1_high"))
            colour = _STRATEGIES.get(row["train_strategy"], SOFT)
            x = row["train_rows"]
            panel.plot([x, x], [bottom, top], color=colour, linewidth=1.5)
            panel.plot([x, 1.08 * most], [value, place], color=GRID, linewidth=0.6, zorder=0, clip_on=False)
            panel.plot([x], [value], "o", color=colour, markersize=5)
            said = f"{row['train_strategy']}, {100 * row['train_ratio']:g} %, {row['train_setup']}"
            panel.text(1.09 * most, place, said, fontsize=8, va="center", color=colour)
        panel.set_xlim(0, 1.05 * most)
        panel.set_ylim(low, high)
        panel.grid(axis="y", color=GRID, linewidth=0.6)
        panel.set_axisbelow(True)
        panel.set_title(corpus_name(task))
        panel.set_ylabel("strict F1 (%)")
        panel.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes[-1].set_xlabel("rows learned in an epoch; 95 % interval, or range of seeds")
    return drawn
