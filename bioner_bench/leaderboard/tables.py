"""Rows of the leaderboard -> its tables in Markdown: what was measured, and what others report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pandas as pd

from bioner_bench.leaderboard.markdown import escape
from bioner_bench.leaderboard.rows import (
    KEY,
    REPORTED_SCORES,
    asked,
    current,
    folded,
    group_means,
    nothing_to_average,
    overview,
    tasks_of,
)
from bioner_bench.leaderboard.tasks import GROUPS, corpus_name, members

CARDS = "../baselines"
"""Where cards and recipes lie, seen from the leaderboard's folder."""

_HEAD = """# Leaderboard

Biomedical named entity recognition, scored on spans; all scores in percent. Built by `bioner-bench
leaderboard build` from the [records](records) and the {cards}; do not edit. The page
[index.html](index.html) has more: every corpus, every run, any two systems compared. All figures are in
[leaderboard.csv](leaderboard.csv) and [leaderboard.json](leaderboard.json); what others report of their
systems is in [REPORTED.md](REPORTED.md).
"""

_OVERVIEW = """## Overview

Strict F1; of several training seeds their mean. The mean is over the four core corpora, unweighted, and blank
unless a system ran on all of them. **Bold** is the best measured system of a corpus, † one that is not
significantly worse (paired bootstrap over documents and seeds, p >= 0.05 after Holm's correction). Two or
three seeds say little of others, so that even a system far below may bear this mark. Reference models and
partial runs are not ranked. Intervals are below, a table a corpus.
"""

_REPORTED = """# Reported by others

Figures from papers and model cards, in percent. None of them was measured here. Texts, splits, scorers and
training data differ from ours and from each other, so none of them stands in a table of
[what was measured](README.md). Built by `bioner-bench leaderboard build` from the cards{place}; do not edit.
"""

_GROUP_NAMES = {"bioner_core": "Core corpora", "bioner_ood": "Out of domain", "bioner": "All corpora"}

_COLUMNS = (
    ("strict F1", "strict_f1"),
    ("precision", "strict_precision"),
    ("recall", "strict_recall"),
    ("relaxed F1", "relaxed_f1"),
    ("string F1", "string_f1"),
    ("recall, seen", "strict_recall_seen"),
    ("recall, unseen", "strict_recall_unseen"),
    ("valid JSON", "json_valid"),
    ("hallucinated", "hallucination_rate"),
)


def markdown(table: pd.DataFrame, figures: Sequence[str], linked: bool = True) -> str:
    """The README: the overview, a table a group and a corpus, and the figures by their file names.

    A group of which nothing ran has no table. The cards are linked to if they are `linked`.
    """
    there = set(current(table)["task"])
    groups = [group for group in GROUPS if there.intersection(members(group))]
    head = _HEAD.format(cards=f"[cards]({CARDS})" if linked else "cards")
    parts = [head, _OVERVIEW, _systems(table), *(_group(table, group) for group in groups)]
    parts += [*_corpora(table), *_unranked(table)]
    links = [f"![{name.removesuffix('.svg').replace('_', ' ')}](figures/{name})" for name in figures]
    return "\n".join([*parts, "## Figures\n", *links, ""])


def reported(table: pd.DataFrame, linked: bool = True) -> str:
    """The page of reported figures, one line each."""
    lines = [
        {
            "corpus": escape(corpus_name(row["task"])),
            "system": escape(row["title"]),
            "score": score,
            "%": percent(row[score]),
            "shots": "" if row["shots"] is None else str(row["shots"]),
            "how sure": row["certainty"],
            "protocol": escape(row["protocol"] or ""),
            "source": f"[{escape(row['source'])}]({_address(row['link'])})",
        }
        for row in table[~table["measured"].astype(bool)].to_dict("records")
        for score in REPORTED_SCORES
        if pd.notna(row.get(score))
    ]
    head = _REPORTED.format(place=f" in\n[{CARDS}]({CARDS})" if linked else "")
    return f"{head}\n{markdown_table(pd.DataFrame(lines)) if lines else 'There are none.'}\n"


def markdown_table(frame: pd.DataFrame) -> str:
    """The frame as a table; its cells are strings, names in them escaped."""
    return str(frame.to_markdown(index=False, tablefmt="pipe", disable_numparse=True))


def percent(value: float | None) -> str:
    """A share in percent with two digits, empty where nothing is known."""
    return "" if value is None or pd.isna(value) else f"{100 * value:.2f}"


def _address(link: object) -> str:
    """An address that cannot end the link that it stands in, nor the cell."""
    return re.sub(r"[()<>|\s]", lambda found: quote(found[0], safe=""), str(link))


def _name(row: dict[str, Any]) -> str:
    return f"{escape(row['title'])}{asked(row)}"


def _systems(table: pd.DataFrame) -> str:
    tasks = members("bioner")
    marks = _marks(table)
    lines = []
    for row in overview(table).to_dict("records"):
        key = tuple(row[name] for name in KEY)
        lines.append(
            {
                "rank": "" if pd.isna(row["rank"]) else f"{row['rank']:.0f}",
                "system": _name(row),
                "mean": percent(row["mean"]),
                "corpora": f"{row['coverage']} of {len(tasks)}",
                **{
                    corpus_name(task): marks.get((*key, task), "{}").format(percent(row[task]))
                    for task in tasks
                },
            }
        )
    return markdown_table(pd.DataFrame(lines)) + "\n" if lines else f"{nothing_to_average(table)}\n"


def _marks(table: pd.DataFrame) -> dict[tuple[Any, ...], str]:
    shown = current(table)
    return {
        tuple(row[name] for name in [*KEY, "task"]): "**{}**" if row["best"] else "{} †"
        for row in shown[shown["best"].astype(bool) | shown["tied_with_best"].astype(bool)].to_dict("records")
    }


def _group(table: pd.DataFrame, group: str) -> str:
    names = "; ".join(corpus_name(task) for task in members(group))
    head = f"## {_GROUP_NAMES[group]}\n\nMeans over {names}; of systems that ran on all of them.\n\n"
    means = {
        (name, *(row[key] for key in KEY)): row["mean"]
        for _, name in _COLUMNS
        for row in group_means(table, group, name).to_dict("records")
    }
    ran = group_means(table, group).dropna(subset="mean")
    ran = ran[ran["kind"] != "reference"]
    lines = [
        {"system": _name(row)}
        | {label: percent(means.get((name, *(row[key] for key in KEY)))) for label, name in _COLUMNS}
        for row in ran.to_dict("records")
    ]
    return head + (markdown_table(pd.DataFrame(lines)) if lines else "No system did.") + "\n"


def _corpora(table: pd.DataFrame) -> Iterator[str]:
    """A table a corpus: the systems with the interval of strict F1, or the range of several seeds."""
    shown = folded(table)
    for task in tasks_of(shown):
        lines = [
            {
                "system": _name(row),
                "strict F1": percent(row["strict_f1"]),
                "95 % interval, or range of seeds": _uncertainty(row),
                "precision": percent(row["strict_precision"]),
                "recall": percent(row["strict_recall"]),
                "recall, seen": percent(row["strict_recall_seen"]),
                "recall, unseen": percent(row["strict_recall_unseen"]),
            }
            for row in shown[shown["task"] == task].to_dict("records")
        ]
        yield f"## {escape(corpus_name(task))}\n\n{markdown_table(pd.DataFrame(lines))}\n"


def _uncertainty(row: Mapping[str, Any]) -> str:
    low, high = percent(row["strict_f1_low"]), percent(row["strict_f1_high"])
    return f"[{low}, {high}]" if len(row["runs"]) == 1 else f"{low} to {high}, {len(row['runs'])} seeds"


def _unranked(table: pd.DataFrame) -> list[str]:
    measured = table[table["measured"].astype(bool)]
    others = measured.drop(current(table).index)
    if others.empty:
        return []
    lines = [
        {
            "system": _name(row),
            "corpus": escape(corpus_name(row["task"])),
            "version": escape(row["task_version"]),
            "sentences": f"{row['sentences']}{' (partial)' if row['partial'] else ''}",
            "strict F1": percent(row["strict_f1"]),
        }
        for row in others.to_dict("records")
    ]
    head = "## Not ranked\n\nPartial runs, and runs of older versions of a task.\n\n"
    return [f"{head}{markdown_table(pd.DataFrame(lines))}\n"]
