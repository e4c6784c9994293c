"""Records and cards -> the rows of the leaderboard, and all files made of them. Pure: same input, same bytes.

Measured rows come from records, reported ones from cards. Systems are compared on a task only if they ran
the same version of it on the same gold, in full; reference models and partial runs are never ranked.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bioner_bench import corpora
from bioner_bench.evaluation.bootstrap import SIGNIFICANCE, compare
from bioner_bench.evaluation.scoring import scores
from bioner_bench.harness.cards import Card
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.records import Record
from bioner_bench.schema import BenchmarkError
from bioner_bench.writing import write_text

RESAMPLES = 2_000
"""Of the paired tests that mark systems; they need a p value near 0.05 only."""

GROUPS = {
    "bioner_core": ("core",),
    "bioner_ood": ("out-of-domain",),
    "bioner": ("core", "extended", "out-of-domain"),
}
"""Group -> the roles of its corpora."""

Row = dict[str, Any]
"""One system on one task; `measured` says whether a record or a card's report is behind it."""


def read_records(folder: Path) -> list[Record]:
    """All records below a folder, in the order of their paths.

    Raises:
        BenchmarkError: one is no valid record, or does not lie where it belongs.
    """
    found = []
    for path in sorted(folder.rglob("*.json")):
        record = records.read(path)
        if path.relative_to(folder) != records.place(record):
            raise BenchmarkError(
                f"{path}: this record belongs to {folder / records.place(record)}; move it there"
            )
        found.append(record)
    return found


def measured_systems(folder: Path) -> set[str]:
    """The systems that have a record below a folder of records."""
    return {path.parent.name for path in folder.glob("*/*.json")}


def rows(found: Sequence[Record], cards: Mapping[str, Card]) -> list[Row]:
    """The rows of `leaderboard.json`: measured ones by task, best first, then reported ones."""
    measured = [_measured_row(record) for record in found]
    _mark(measured, found)
    order = {task: index for index, task in enumerate(task_order())}
    measured.sort(
        key=lambda row: (
            order.get(row["task"], len(order)),
            row["task"],
            [-part for part in _version_key(row["task_version"])],
            row["partial"],
            row["kind"] == "reference",
            -row["strict_f1"],
            row["system"],
            row["shots"],
            row["demonstrations"] or "",
            row["seed"] or 0,
            row["train_seed"] or 0,
        )
    )
    reported = [
        _reported_row(card, figure)
        for card in cards.values()
        for figure in card.reported
        if figure["certainty"] != "unverified"
    ]
    reported.sort(
        key=lambda row: (order.get(row["task"], len(order)), row["task"], row["system"], row["shots"] or 0)
    )
    return measured + reported


def task_order() -> list[str]:
    """The built-in tasks as tables list them: core, extended, out of domain, then the sample."""
    roles = ("core", "extended", "out-of-domain", "demo")
    return sorted(corpora.built_in(), key=lambda task: (roles.index(corpora.get(task).role), task))


def tasks_of(table: Iterable[Row]) -> list[str]:
    """The tasks that rows are about: built-in ones in their order, then others by name."""
    there = {row["task"] for row in table}
    known = [task for task in task_order() if task in there]
    return known + sorted(there - set(known))


def members(group: str) -> list[str]:
    """The tasks of a group."""
    return [task for task in task_order() if corpora.get(task).role in GROUPS[group]]


def corpus_name(task: str) -> str:
    """How tables call a task: its corpus, or the task itself where it is none of the built-in ones."""
    return corpora.get(task).name if task in corpora.built_in() else task


def _measured_row(record: Record) -> Row:
    system = record["system"]
    row: Row = {
        "system": system["name"],
        "title": system["title"],
        "kind": system["kind"],
        "task": record["task"],
        "task_version": record["task_version"],
        "split": record["split"],
        "sentences": record["sentences"],
        "measured": True,
        "partial": record["partial"],
        "rescored": record["rescored"],
        "ranked": not record["partial"] and system["kind"] != "reference",
        "best": False,
        "tied_with_best": False,
        "base_model": system["base_model"],
        "parameters": system["parameters"],
        "train_strategy": system["train_strategy"],
        "train_ratio": system["train_ratio"],
        "trained_on": system["trained_on"],
        "shots": record["setup"]["shots"],
        "demonstrations": record["setup"]["demonstrations"] if record["setup"]["shots"] else None,
        "seed": record["setup"]["fewshot_seed"] if record["setup"]["shots"] else None,
        "train_seed": record["training"]["recipe"]["seed"] if record["training"] else None,
        "train_setup": _train_setup(record["training"]["recipe"]) if record["training"] else None,
        "gold_sha256": record["gold_sha256"],
        "record": records.place(record).as_posix(),
    }
    for name, score in record["scores"].items():
        row |= {name: score["value"], f"{name}_low": score["low"], f"{name}_high": score["high"]}
    return row


def _train_setup(recipe: Mapping[str, Any]) -> str:
    """How long and what a recipe trains, and by whose scores: what tells systems of one strategy apart."""
    steps = recipe.get("steps")
    long = f"{steps:,} steps" if steps else f"{recipe['epochs']:g} epoch{'s' * (recipe['epochs'] != 1)}"
    weak_model = (recipe.get("select") or {}).get("weak_model")
    return ", ".join(
        [
            long,
            "LoRA" if recipe.get("method") == "lora" else "all weights",
            *([f"scored by {weak_model}"] if weak_model not in (None, recipe["model"]) else []),
        ]
    )


def _reported_row(card: Card, figure: Mapping[str, Any]) -> Row:
    return {
        "system": card.system,
        "title": card.title,
        "kind": card.kind,
        "task": figure["task"],
        "task_version": None,
        "split": "test",
        "sentences": None,
        "measured": False,
        "partial": False,
        "rescored": False,
        "ranked": False,
        "best": False,
        "tied_with_best": False,
        "base_model": card.base_model,
        "parameters": card.parameters,
        "train_strategy": card.train_strategy,
        "train_ratio": card.train_ratio,
        "trained_on": list(card.trained_on),
        "shots": figure.get("shots"),
        "demonstrations": None,
        "seed": None,
        "train_seed": None,
        "train_setup": None,
        "source": figure["source"],
        "certainty": figure["certainty"],
        "protocol": figure.get("protocol"),
        figure["score"]: figure["value"],
    }


def _mark(measured: Sequence[Row], found: Sequence[Record]) -> None:
    """Mark the best system of each task, and those not significantly worse, by a paired bootstrap."""
    newest = newest_versions(measured)
    comparable: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(measured):
        if row["ranked"] and row["task_version"] == newest[row["task"]]:
            comparable.setdefault((row["task"], row["gold_sha256"]), []).append(index)
    for indices in comparable.values():
        best = min(
            indices, key=lambda i: (-measured[i]["strict_f1"], measured[i]["system"], measured[i]["shots"])
        )
        measured[best]["best"] = True
        strict = scores(found[best]["types"])["strict_f1"]
        table = records.counts_of(found[best])
        documents = found[best]["documents"]
        for index in indices:
            # Intervals that lie apart need no test: the standard error of a difference is at most the
            # sum of both.
            if index == best or measured[index]["strict_f1_high"] < measured[best]["strict_f1_low"]:
                continue
            test = compare(strict, records.counts_of(found[index]), table, documents, RESAMPLES)
            measured[index]["tied_with_best"] = test.p_value >= SIGNIFICANCE


def newest_versions(table: Iterable[Row]) -> dict[str, str]:
    """Task -> the newest version that a complete run was measured with."""
    versions: dict[str, str] = {}
    for row in table:
        if row["measured"] and not row["partial"]:
            task, version = row["task"], row["task_version"]
            if task not in versions or _version_key(version) > _version_key(versions[task]):
                versions[task] = version
    return versions


def current(table: Iterable[Row]) -> list[Row]:
    """The rows that are put side by side: measured in full, with the newest version of their task."""
    table = list(table)
    versions = newest_versions(table)
    return [
        row
        for row in table
        if row["measured"] and not row["partial"] and row["task_version"] == versions[row["task"]]
    ]


def _version_key(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


def group_means(table: Sequence[Row], group: str, score: str = "strict_f1") -> list[Row]:
    """One row a system and setup: `score` per member task, and its unweighted mean.

    The mean is None unless the system was measured in full on every member, each at its newest version.
    Shots and how they are chosen set systems apart, seeds do not: of several seeds a task's scores are
    averaged first.
    """
    tasks = members(group)
    systems: dict[tuple[str, str, str, int, str | None], dict[str, list[float]]] = {}
    for row in current(table):
        if row["task"] in tasks and row[score] is not None:
            key = (row["system"], row["title"], row["kind"], row["shots"], row["demonstrations"])
            systems.setdefault(key, {}).setdefault(row["task"], []).append(row[score])
    result: list[Row] = []
    for (system, title, kind, shots, demonstrations), values in systems.items():
        by_task = {task: sum(values[task]) / len(values[task]) if task in values else None for task in tasks}
        known = [value for value in by_task.values() if value is not None]
        mean = sum(known) / len(tasks) if len(known) == len(tasks) else None
        result.append(
            {
                "system": system,
                "title": title,
                "kind": kind,
                "shots": shots,
                "demonstrations": demonstrations,
                "tasks": by_task,
                "mean": mean,
            }
        )
    result.sort(
        key=lambda row: (
            row["kind"] == "reference",
            -(row["mean"] or -1),
            row["system"],
            row["shots"],
            row["demonstrations"] or "",
        )
    )
    return result


def shown_shots(row: Mapping[str, Any]) -> str:
    """The demonstrations of a row in a word: `5`, or `5 retrieved`."""
    special = row["demonstrations"] not in (None, "random")
    return f"{row['shots']} {row['demonstrations']}" if special else str(row["shots"])


def build(records_folder: Path, cards: Mapping[str, Card]) -> dict[str, str]:
    """All files of the leaderboard: path below its folder -> content."""
    from bioner_bench.leaderboard import figures, page, tables

    found = read_records(records_folder)
    table = rows(found, cards)
    drawn = figures.draw(table)
    return {
        "README.md": tables.markdown(table, list(drawn)),
        "leaderboard.csv": _csv(table),
        "leaderboard.json": json.dumps(table, ensure_ascii=False, indent=1) + "\n",
        "index.html": page.html(table, found),
        **{f"figures/{name}": svg for name, svg in drawn.items()},
    }


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write what `build` made, and remove figures that it did not make."""
    for name, content in files.items():
        write_text(folder / name, content)
    for path in (folder / "figures").glob("*.svg"):
        if f"figures/{path.name}" not in files:
            path.unlink()


def stale(files: Mapping[str, str], folder: Path) -> list[str]:
    """The names of files in `folder` that are not as `build` makes them."""
    wrong = [name for name, content in files.items() if _read(folder / name) != content]
    extra = {f"figures/{path.name}" for path in (folder / "figures").glob("*.svg")} - set(files)
    return sorted([*wrong, *extra])


def _read(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8", "replace") if path.is_file() else None


def _csv(table: Sequence[Row]) -> str:
    columns = dict.fromkeys(column for row in table for column in row)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in table:
        writer.writerow({key: " ".join(v) if isinstance(v, list) else v for key, v in row.items()})
    return stream.getvalue()
