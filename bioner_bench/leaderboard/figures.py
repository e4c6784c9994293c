"""Rows of the leaderboard -> SVG figures, the same bytes for the same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from bioner_bench.leaderboard.rows import corpus_name, current, lines, tasks_of
from bioner_bench.plotting import BLUE, GREEN, GREY, ORANGE, figure, style, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]

_COLOURS = {"llm": BLUE, "encoder": ORANGE, "dictionary": GREEN, "reference": GREY}


def draw(table: pd.DataFrame) -> dict[str, str]:
    """File name -> SVG. The figure of training shares is there once systems were trained on shares."""
    tasks = tasks_of(current(table))
    shown = lines(current(table))
    with style():
        drawn = {
            "f1_by_corpus.svg": svg(_f1_by_corpus(shown, tasks)),
            "precision_recall.svg": svg(_precision_recall(shown, tasks)),
            "grid.svg": svg(_grid(shown, tasks)),
        }
        shares = [row for row in shown if row["train_ratio"]]
        if shares:
            drawn["training_share.svg"] = svg(_training_share(shares))
    return drawn


def label(row: Row) -> str:
    """A system and its shots, as figures name it."""
    shots = f", {row['shots']}-shot" if row["kind"] == "llm" else ""
    chosen = "" if row["demonstrations"] in (None, "random") else f" {row['demonstrations']}"
    seed = "" if row["train_seed"] is None else f", seed {row['train_seed']}"
    return f"{row['title']}{shots}{chosen}{seed}"


def _f1_by_corpus(shown: Sequence[Row], tasks: Sequence[str]) -> Figure:
    """Strict F1 with intervals, one line a system, corpora one below the other."""
    drawn, axes = figure(7.5, 1.2 + 0.24 * (len(shown) + 1.5 * len(tasks)))
    position = 0.0
    ticks, names = [], []
    for task in tasks:
        axes.text(0, position, corpus_name(task), weight="bold", va="center")
        position += 1
        for row in (row for row in shown if row["task"] == task):
            value, low, high = (100 * row[key] for key in ("strict_f1", "strict_f1_low", "strict_f1_high"))
            axes.plot([low, high], [position, position], color=_COLOURS[row["kind"]], linewidth=1.5)
            axes.plot([value], [position], "o", color=_COLOURS[row["kind"]], markersize=4, clip_on=False)
            ticks.append(position)
            names.append(label(row))
            position += 1
        position += 0.5
    axes.set_yticks(ticks, names)
    axes.set_ylim(position, -1)
    axes.set_xlim(0, 100)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("strict F1 (%), 95 % interval")
    axes.set_title("Strict F1 by corpus")
    return drawn


def _precision_recall(shown: Sequence[Row], tasks: Sequence[str]) -> Figure:
    """Strict precision against recall, a marker a corpus, with lines of equal F1."""
    drawn, axes = figure(6.5, 5.5)
    for value in (20, 40, 60, 80):
        first = 100 * value / (200 - value)  # the recall that a precision of 100 leaves
        recall = [first + step * (100 - first) / 200 for step in range(201)]
        curve = [(r, value * r / (2 * r - value)) for r in recall]
        axes.plot(*zip(*curve, strict=True), color="#dddddd", linewidth=0.8, zorder=0)
        axes.text(99, value * 99 / (198 - value), f"F1 {value}", color="#888888", fontsize=7, ha="right")
    markers = "osD^vP*Xh<>"
    for index, task in enumerate(tasks):
        for row in (row for row in shown if row["task"] == task):
            axes.plot(
                100 * row["strict_recall"],
                100 * row["strict_precision"],
                markers[index % len(markers)],
                color=_COLOURS[row["kind"]],
                markersize=6,
                alpha=0.85,
            )
        axes.plot([], [], markers[index % len(markers)], color="#444444", label=corpus_name(task))
    for kind in dict.fromkeys(row["kind"] for row in shown):
        axes.plot([], [], "s", color=_COLOURS[kind], label=kind)
    axes.set_xlim(-2, 102)
    axes.set_ylim(-2, 102)
    axes.set_xlabel("strict recall (%)")
    axes.set_ylabel("strict precision (%)")
    axes.set_title("Precision against recall")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
    return drawn


def _grid(shown: Sequence[Row], tasks: Sequence[str]) -> Figure:
    """Systems by corpora, strict F1 in the cells; of several seeds the mean."""
    systems = list(dict.fromkeys(label(row) for row in sorted(shown, key=lambda r: r["kind"] == "reference")))
    cells: dict[tuple[str, str], list[float]] = {}
    for row in shown:
        cells.setdefault((label(row), row["task"]), []).append(100 * row["strict_f1"])
    values = [
        [
            sum(cells[system, task]) / len(cells[system, task]) if (system, task) in cells else float("nan")
            for task in tasks
        ]
        for system in systems
    ]
    drawn, axes = figure(2.6 + 0.8 * len(tasks), 1.4 + 0.32 * len(systems))
    if values:
        axes.imshow(values, cmap="Blues", vmin=0, vmax=115, aspect="auto")
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            if not math.isnan(value):
                colour = "white" if value > 70 else "#222222"
                axes.text(x, y, f"{value:.1f}", ha="center", va="center", color=colour, fontsize=8)
    names = [corpus_name(task) for task in tasks]
    axes.set_xticks(range(len(tasks)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(systems)), systems)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title("Strict F1 (%) by system and corpus")
    return drawn


def _training_share(shares: Sequence[Row]) -> Figure:
    """Strict F1 against the share that was learned, a line a strategy, way of training and corpus.

    Of several training seeds the mean is drawn, with a bar from the lowest to the highest.
    """
    drawn, axes = figure(6.5, 4.5)
    drawn_lines: dict[str, dict[float, list[Row]]] = {}
    for row in shares:
        base = (row["base_model"] or row["title"]).split("/")[-1]
        how = [base, row["train_strategy"], row["train_setup"], *map(corpus_name, row["trained_on"])]
        name = ", ".join(filter(None, how))
        if row["trained_on"] != [row["task"]]:
            name += f", on {corpus_name(row['task'])}"
        drawn_lines.setdefault(name, {}).setdefault(row["train_ratio"], []).append(row)
    for index, (name, points) in enumerate(sorted(drawn_lines.items())):
        aside = min(1.5, 10 / len(drawn_lines)) * (
            index - (len(drawn_lines) - 1) / 2
        )  # so that bars of one share do not cover each other
        share, value, below, above = [], [], [], []
        for ratio, group in sorted(points.items()):
            scores = [100 * row["strict_f1"] for row in group]
            low, high = min(scores), max(scores)
            if len(group) == 1:
                low, high = 100 * group[0]["strict_f1_low"], 100 * group[0]["strict_f1_high"]
            share.append(100 * ratio + aside)
            value.append(sum(scores) / len(scores))
            below.append(value[-1] - low)
            above.append(high - value[-1])
        axes.errorbar(share, value, yerr=[below, above], marker="o", markersize=4, capsize=2, label=name)
    axes.set_xlim(0, 110)
    axes.set_xlabel("share that the strategy keeps (%)")
    axes.set_ylabel("strict F1 (%); 95 % interval, or range of seeds")
    axes.set_title("Strict F1 against the share of training data")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
    return drawn
