"""Rows and records of the leaderboard -> one self-contained page, the same bytes for the same input.

The page holds its data twice: as tables written here, for readers without JavaScript, and as one block of
JSON, from which its script draws those tables again in any order and opens the panel of a line. Names in it
come from others: what is written here is escaped, and the script sets text, never markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

import pandas as pd
from jinja2 import Template
from markupsafe import Markup

from bioner_bench import corpora
from bioner_bench.harness.cards import Card
from bioner_bench.leaderboard import page_cost, page_counts, page_rows, records
from bioner_bench.leaderboard.page_rows import Json
from bioner_bench.leaderboard.records import Record
from bioner_bench.leaderboard.rows import current, lines, nothing_to_average, overview, tasks_of
from bioner_bench.leaderboard.tasks import corpus_name, members
from bioner_bench.leaderboard.templates import FOLDER, template

_SCRIPTS = ("page.js", "page_panel.js", "page_compare.js")

_KINDS = {"llm": "LLM", "encoder": "Encoder", "dictionary": "Dictionary"}

_GROUPS = {
    "bioner_core": "core",
    "bioner_ood": "out of domain",
    "bioner": "all",
    "bioner_disease": "diseases",
    "bioner_chemical": "chemicals",
    "bioner_gene": "genes",
}

_ROLES = {"core": "Core", "extended": "Extended", "out-of-domain": "Out of domain"}

# `score` is None for columns that are no score; {match} is strict or relaxed, as the reader chooses.
_COLUMNS: tuple[Json, ...] = (
    {"key": "system", "label": "System", "full": "System", "score": None},
    {"key": "kind", "label": "Kind", "full": "Kind", "score": None},
    {"key": "f1", "label": "F1", "full": "F1", "score": "{match}_f1"},
    {"key": "precision", "label": "Precision", "full": "Precision", "score": "{match}_precision"},
    {"key": "recall", "label": "Recall", "full": "Recall", "score": "{match}_recall"},
    {"key": "string", "label": "String F1", "full": "String F1", "score": "string_f1"},
    {"key": "seen", "label": "Seen", "full": "Recall, seen", "score": "strict_recall_seen"},
    {"key": "unseen", "label": "Unseen", "full": "Recall, unseen", "score": "strict_recall_unseen"},
    {"key": "json", "label": "Valid JSON", "full": "Valid JSON", "score": "json_valid"},
    {"key": "invented", "label": "Halluci\u00adnated", "full": "Hallucinated", "score": "hallucination_rate"},
    {"key": "size", "label": "Size", "full": "Parameters", "score": None},
    {"key": "speed", "label": "Sent./s", "full": "Sentences a second", "score": None},
)

_SHADES = 8


def html(table: pd.DataFrame, found: Sequence[Record], cards: Mapping[str, Card], linked: bool = True) -> str:
    """The page, as the text of `index.html`.

    Args:
        table: what `rows.table` returns.
        found: the records behind its measured rows; they fill the panels.
        cards: system -> card; they say where to read on, and how to train and run a system.
        linked: whether the cards lie where the page looks for them.
    """
    board = lines(overview(table))
    data = _data(table, board, found, cards, linked)
    roles = Counter(_ROLES[corpora.get(task).role] for task in data["overview"])
    parts = {"data": data, "board": _board(data, board), "roles": roles, "kind_names": _KINDS}
    drawn = [{name: value for name, value in task.items() if name != "cost"} for task in data["tasks"]]
    return _template().render(**parts, json=_json(data | {"tasks": drawn})) + "\n"


def _data(
    table: pd.DataFrame,
    board: Sequence[Json],
    found: Sequence[Record],
    cards: Mapping[str, Card],
    linked: bool,
) -> Json:
    by_place = {records.place(record).as_posix(): record for record in found}
    made = page_rows.runs(table, by_place, cards, linked)
    entries = page_rows.entries(table, made)
    in_entries = {entry["id"] for entry in entries}
    reported = page_rows.reported(table, cards, linked)
    measured = table[table["measured"].astype(bool)]
    tasks = members("bioner")
    return {
        "columns": _COLUMNS,
        "kinds": [[kind, name] for kind, name in _KINDS.items()],
        "tasks": [_task(task, entries, reported, by_place, table) for task in tasks_of(measured)],
        "overview": tasks,
        "nothing": nothing_to_average(table),
        "names": {task: corpus_name(task) for task in [*tasks, *tasks_of(table)]},
        "groups": [{"id": group, "name": name, "tasks": members(group)} for group, name in _GROUPS.items()],
        "systems": page_rows.systems(table, board, entries, cards, linked),
        "rows": entries,
        "runs": [run for run in made.values() if run["id"] not in in_entries],
        "reported": reported,
        "about": _about(found),
    }


def _task(
    task: str,
    entries: Sequence[Json],
    reported: Sequence[Json],
    found: Mapping[str, Record],
    table: pd.DataFrame,
) -> Json:
    """A corpus: what it is, what runs on it are compared by, and the picture of their cost."""
    here = [entry for entry in entries if entry["task"] == task]
    shown = current(table[table["task"] == task])
    compared = [found[place] for place in shown["record"]]
    compared = [record for record in compared if record["gold_sha256"] == compared[0]["gold_sha256"]]
    one = compared[0] if compared else found[f"{here[0]['id']}.json"]
    known = task in corpora.names()
    return {
        "id": task,
        "name": corpus_name(task),
        "short": "Sample" if task == "bioner_sample" else corpus_name(task),
        "role": _ROLES.get(corpora.get(task).role, "") if known else "",
        "types": one["types"],
        "version": one["task_version"],
        "sentences": one["corpus_sentences"],
        "documents": len(set(one["documents"])) if one["documents"] else None,
        "scale": _scale(here),
        "cost": page_cost.picture([entry for entry in here if not entry["partial"] and not entry["older"]]),
        "counts": page_counts.of_task([r for r in compared if r["system"]["kind"] != "reference"])
        if any(record["system"]["kind"] != "reference" for record in compared)
        else None,
        "reported": sum(row["task"] == task for row in reported),
    }


def _scale(entries: Sequence[Json]) -> list[int]:
    """From where to where whiskers are drawn, in percent: what systems of a corpus reach, in tens.

    Systems below half of the best do not count, else they would press all others together.
    """
    real = [entry["scores"] for entry in entries if entry["kind"] != "reference"]
    best = max((scores["strict_f1"][0] for scores in real), default=0)
    ends = [
        100 * bound
        for scores in real
        if scores["strict_f1"][0] >= best / 2
        for name in ("strict_f1", "relaxed_f1")
        for bound in scores[name]
        if bound is not None
    ]
    if not ends:
        return [0, 100]
    return [10 * int(min(ends) // 10), min(100, 10 * int(max(ends) // 10) + 10)]


def _board(data: Json, rows: Sequence[Json]) -> list[Json]:
    """The lines of the overview as they stand before a reader chooses: strict F1, mean over the core corpora.

    The script makes the same of other choices.
    """
    by_id = {entry["id"]: entry for entry in data["rows"]}
    made = []
    for system, row in zip(data["systems"], rows, strict=True):
        entries = {task: by_id[place] for task, place in system["entries"].items()}
        looks = {task: [look for look, _ in entry["marks"]] for task, entry in entries.items()}
        made.append(
            {
                "system": system,
                "cells": {task: entry["scores"]["strict_f1"][0] for task, entry in entries.items()},
                "marks": {task: look for task in looks for look in looks[task] if look in ("best", "tied")},
                "mean": row.get("mean"),
                "rank": int(row["rank"]) if "rank" in row else None,
                "shades": {},
                "mean_shade": None,
            }
        )
    ranked = [line for line in made if line["system"]["kind"] != "reference"]
    means = [line["mean"] for line in ranked if line["mean"] is not None]
    columns = {
        task: [line["cells"][task] for line in ranked if task in line["cells"]] for task in data["overview"]
    }
    for line in ranked:
        line["shades"] = {task: _shade(value, columns[task]) for task, value in line["cells"].items()}
        line["mean_shade"] = None if line["mean"] is None else _shade(line["mean"], means)
    return made


def _shade(value: float, column: Sequence[float]) -> int:
    """From 0 to `_SHADES` within a column; below half of the best all are the same."""
    low, high = max(min(column), max(column) / 2), max(column)
    return _SHADES // 2 if high == low else max(0, int(_SHADES * (value - low) / (high - low) + 0.5))


def _about(found: Sequence[Record]) -> Json:
    """Of which day and version the page is: those of its newest record; and a hash of all records."""
    newest = max(found, key=lambda record: record["run"]["date"], default=None)
    digest = hashlib.sha256()
    for record in found:
        said = [record["system"], record["setup"], record["samples_sha256"], record["scores"]]
        digest.update(json.dumps(said, sort_keys=True).encode())
    return {
        "date": newest["run"]["date"][:10] if newest else None,
        "version": newest["run"]["versions"]["bioner_bench"] if newest else None,
        "data": digest.hexdigest()[:12],
    }


def _json(data: Json) -> Markup:
    """JSON for a script element: no string in it can end the element or open a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # escaped for where it stands, in the lines above


def _percent(value: float) -> str:
    """A share in percent as the script writes it: `toFixed` rounds halves up."""
    return str(Decimal(100 * value).quantize(Decimal("0.1"), ROUND_HALF_UP))


def _speed(value: float) -> str:
    """A speed with as many digits as mean something, as the script writes it."""
    return str(Decimal(value).quantize(Decimal("1" if value >= 10 else "0.1"), ROUND_HALF_UP))


def _source_hash(content: str) -> str:
    """What a content security policy names an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@cache
def _template() -> Template:
    return template(
        "page.html.j2",
        {"percent": _percent, "speed": _speed, "source_hash": _source_hash},
        style=FOLDER.joinpath("page.css").read_text("utf-8"),
        script="".join(FOLDER.joinpath(name).read_text("utf-8") for name in _SCRIPTS),
    )
