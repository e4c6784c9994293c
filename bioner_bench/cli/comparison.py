"""Two systems side by side as text of 80 columns."""

from __future__ import annotations

import textwrap

from bioner_bench.leaderboard.comparing import Comparison, Difference, OnTask

WIDTH = 80


def print_comparison(made: Comparison) -> None:
    """A line a task and one a detail, a verdict, and what was left out."""
    print(f"A  {made.names[0]}\nB  {made.names[1]}\n")
    print(f"{f'{made.score}, %':<31} {'A':>7} {'B':>7} {'A - B, 95 % interval':>24} {'p':>7}")
    for on in made.tasks:
        print(_line(on.task, on.main))
        for each in on.details:
            print(_line(f"  {_label(made.score, each.score)}", each))
        print(f"  {_basis(on)}")
    better, worse, undecided = made.verdict()
    tasks = f"{len(made.tasks)} task{'s' * (len(made.tasks) > 1)}"
    print()
    _print(
        f"A is significantly better on {better}, significantly worse on {worse} of {tasks}, {undecided} "
        "undecided (p < .05; the p values of all tasks, and those of all details, are corrected by Holm's "
        "method)."
    )
    for what in made.left_out:
        _print(f"Not compared: {what}")


def _line(name: str, found: Difference) -> str:
    interval = f"{100 * found.difference:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"
    p_value = "<.0001" if found.p_value < 0.0001 else f"{found.p_value:.4f}".removeprefix("0")
    return f"{name:<31} {100 * found.a:>7.2f} {100 * found.b:>7.2f} {interval:>24} {p_value:>7}".rstrip()


def _label(score: str, name: str) -> str:
    return name.removeprefix(f"{score}_").replace("strict_recall_", "recall, ")


def _basis(on: OnTask) -> str:
    setups = " against ".join(dict.fromkeys(on.setups))
    documents = "" if on.documents is None else f" in {on.documents:,} documents"
    runs = "" if on.runs == (1, 1) else f", {on.runs[0]} and {on.runs[1]} runs"
    return f"({setups}; {on.sentences:,} sentences{documents}{runs})"


def _print(text: str) -> None:
    print(textwrap.fill(text, WIDTH, break_on_hyphens=False))
