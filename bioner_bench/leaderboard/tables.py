"""Rows of the leaderboard -> its README, tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bioner_bench import corpora
from bioner_bench.leaderboard.rows import (
    GROUPS,
    Row,
    corpus_name,
    current,
    group_means,
    members,
    shown_shots,
    tasks_of,
)

_HEAD = """# Leaderboard

Biomedical named entity recognition, scored on spans; all scores in percent, with 95 % bootstrap intervals.
Built by `bioner-bench leaderboard build` from the records in `records/` and the cards in `../baselines/`; do
not edit. The same tables to sort and filter are in [index.html](index.html), all figures in
[leaderboard.csv](leaderboard.csv) and [leaderboard.json](leaderboard.json).

**Bold** is the best measured system of a task, † one that is not significantly worse (paired bootstrap,
p >= 0.05). Reference models (oracle, empty, garbage) and partial runs are not ranked.
"""

_COLUMNS = (
    ("relaxed F1", "relaxed_f1"),
    ("string F1", "string_f1"),
    ("precision", "strict_precision"),
    ("recall", "strict_recall"),
    ("recall, seen", "strict_recall_seen"),
    ("recall, unseen", "strict_recall_unseen"),
    ("valid JSON", "json_valid"),
    ("hallucinated", "hallucination_rate"),
)


def markdown(table: Sequence[Row], figures: Sequence[str]) -> str:
    """The whole README: groups, figures by their file names, a table a corpus, what others report."""
    measured = [row for row in table if row["measured"]]
    parts = [_HEAD]
    for group in GROUPS:
        parts.append(_group(measured, group))
    links = [f"![{name.removesuffix('.svg').replace('_', ' ')}](figures/{name})" for name in figures]
    parts.append("## Figures\n\n" + "\n".join(links) + "\n")
    for task in tasks_of(measured):
        parts.append(_task(task, [row for row in measured if row["task"] == task]))
    parts.append(_reported([row for row in table if not row["measured"]]))
    return "\n".join(parts)


def percent(value: float | None) -> str:
    """A share in percent with two digits, empty where nothing is known."""
    return "" if value is None else f"{100 * value:.2f}"


def escape(text: object) -> str:
    """A name that stays a name inside a table: no markup, no cell border, no line end."""
    safe = " ".join(str(text).split())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;")):
        safe = safe.replace(character, entity)
    for character in "\\`*_[]":
        safe = safe.replace(character, f"\\{character}")
    return safe


def _group(measured: Sequence[Row], group: str) -> str:
    means = group_means(measured, group)
    tasks = members(group)
    lines = [
        f"## {group}",
        "",
        "Strict F1, of several seeds their mean. The mean over corpora is unweighted, and empty unless a",
        "system ran on every one.",
        "",
    ]
    lines += markdown_table(
        ["system", "kind", "shots", "mean", *(corpus_name(task) for task in tasks)],
        [
            [
                escape(row["title"]),
                row["kind"],
                shown_shots(row),
                percent(row["mean"]),
                *(percent(row["tasks"][task]) for task in tasks),
            ]
            for row in means
        ],
    )
    return "\n".join(lines) + "\n"


def _task(task: str, found: Sequence[Row]) -> str:
    compared = current(found)
    lines = [f"## {escape(corpus_name(task))}", ""]
    if compared:
        size = f"{compared[0]['sentences']:,} test sentences"
        if task in corpora.built_in():
            corpus = corpora.get(task)
            mentions = sum(corpus.files["test"].mentions.values())
            size += f", {mentions:,} mentions of {', '.join(corpus.types)}"
        lines += [f"`{task}`, version {escape(compared[0]['task_version'])}: {size}.", ""]
        lines += markdown_table(
            ["system", "kind", "shots", "strict F1", *(label for label, _ in _COLUMNS)],
            [
                [
                    _title(row) + (" (rescored)" if row["rescored"] else ""),
                    row["kind"],
                    shown_shots(row),
                    _strict(row),
                    *(percent(row.get(name)) for _, name in _COLUMNS),
                ]
                for row in compared
            ],
        )
    others = [row for row in found if row not in compared]
    if others:
        lines += ["", "Not ranked: partial runs, and runs of older versions of the task.", ""]
        lines += markdown_table(
            ["system", "shots", "version", "sentences", "strict F1"],
            [
                [
                    _title(row),
                    shown_shots(row),
                    escape(row["task_version"]),
                    f"{row['sentences']}{' (partial)' if row['partial'] else ''}",
                    percent(row["strict_f1"]),
                ]
                for row in others
            ],
        )
    return "\n".join(lines) + "\n"


def _title(row: Row) -> str:
    seed = "" if row["train_seed"] is None else f", seed {row['train_seed']}"
    return f"{escape(row['title'])}{seed}"


def _strict(row: Row) -> str:
    value = percent(row["strict_f1"])
    if row["best"]:
        value = f"**{value}**"
    elif row["tied_with_best"]:
        value = f"{value} †"
    return f"{value} [{percent(row['strict_f1_low'])}, {percent(row['strict_f1_high'])}]"


def _reported(reported: Sequence[Row]) -> str:
    lines = [
        "## Reported by others",
        "",
        "Not measured here: figures from papers and model cards, with their protocols. They are no part of",
        "the tables above: text, splits, scorers and training data differ from ours and from each other.",
        "",
    ]
    lines += markdown_table(
        ["corpus", "system", "score", "%", "shots", "how sure", "protocol", "source"],
        [
            [
                escape(corpus_name(row["task"])),
                escape(row["title"]),
                score,
                percent(row[score]),
                "" if row["shots"] is None else str(row["shots"]),
                row["certainty"],
                escape(row["protocol"] or ""),
                escape(row["source"]),
            ]
            for row in reported
            for score in ("strict_f1", "strict_precision", "strict_recall", "relaxed_f1", "string_f1")
            if score in row
        ],
    )
    return "\n".join(lines) + "\n"


def markdown_table(columns: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; its cells must be escaped."""
    return [
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(row)} |" for row in body),
    ]
