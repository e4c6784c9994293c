"""The picture of docs/STUDY.md: strict F1 by rows learned, and by optimiser steps."""

from collections.abc import Sequence
from statistics import mean

from study_claims import TASK
from study_plan import SMOLLM2, Run

from bioner_bench import plotting
from bioner_bench.leaderboard.records import Record
from bioner_bench.tuning.recipes import LlmRecipe

COLOURS = {
    "full": plotting.INK,
    "hybrid": plotting.BLUE,
    "random": plotting.ORANGE,
    "matched": plotting.GREEN,
    "densest": plotting.VIOLET,
}
LABELS = {"full": "all rows", "hybrid": "hardest (IFD)", "densest": "most mentions"}
HALF = 0.5


def draw(found: Sequence[tuple[Run, Record]]) -> str:
    """SVG with two panels; a point is a seed, a line goes through the means of a strategy.

    On the left all models saw each of their rows once, and differ in how many those are; on the right they
    learned from all rows, or half of the positives, and differ in how long.
    """
    shown = [
        (run, record)
        for run, record in found
        if run.task == TASK
        and isinstance(run.recipe, LlmRecipe)
        and run.recipe.model == SMOLLM2.model
        and run.recipe.method == "lora"
        and run.recipe.train == (TASK,)
        and run.recipe.select.strategy in COLOURS
        and run.recipe.select.weak_model in (None, SMOLLM2.model)
    ]
    once = [pair for pair in shown if pair[0].recipe.epochs == 1 and not pair[0].recipe.steps]
    whole = [
        pair for pair in shown if pair[0].recipe.select.ratio in (HALF, 1.0) and not _all_positives(pair[0])
    ]
    with plotting.style():
        figure, axes = plotting.panels([3.4, 3.4], 2, 9)
        _panel(axes[0], once, "rows learned, each once", lambda record: record["training"]["data"]["rows"])
        _panel(axes[1], whole, "optimiser steps", lambda record: record["training"]["steps"])
        axes[0].set_ylabel("strict F1, %")
        handles, labels = axes[1].get_legend_handles_labels()
        if handles:
            axes[1].legend(handles, labels, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        return plotting.svg(figure)


def _all_positives(run: Run) -> bool:
    """Whether a strategy other than all rows keeps all positives, which makes it the same."""
    return run.recipe.select.strategy != "full" and run.recipe.select.ratio == 1.0


def _panel(axes, found, label, place) -> None:
    for strategy, colour in COLOURS.items():
        points: dict[int, list[float]] = {}
        for run, record in found:
            if run.recipe.select.strategy == strategy:
                points.setdefault(place(record), []).append(100 * record["scores"]["strict_f1"]["value"])
        for number, values in points.items():
            axes.plot([number] * len(values), values, "o", color=colour, markersize=4, alpha=0.7)
        if points:
            order = sorted(points)
            means = [mean(points[number]) for number in order]
            axes.plot(order, means, "-", color=colour, label=LABELS.get(strategy, strategy), marker="_")
    axes.set_xlabel(label)
    axes.set_xlim(left=0)
