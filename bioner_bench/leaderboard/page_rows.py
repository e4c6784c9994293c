"""Rows and records -> the lines of the page's tables, as JSON: runs, folded seeds, systems.

An *entry* is one line of a corpus's table: a run, or the mean of several seeds with those runs as `members`.
A *system* is one line of the overview: a system and how it was asked, with its entry on each corpus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bioner_bench.evaluation.scoring import TYPE_COLUMNS
from bioner_bench.harness.cards import Card
from bioner_bench.harness.demonstrations import in_words
from bioner_bench.leaderboard import page_facts
from bioner_bench.leaderboard.records import Record
from bioner_bench.leaderboard.rows import (
    REPORTED_SCORES,
    current,
    folded,
    lines,
    newest_versions,
    shown_shots,
)
from bioner_bench.leaderboard.tasks import members

Json = dict[str, Any]


def runs(
    table: pd.DataFrame, found: Mapping[str, Record], cards: Mapping[str, Card], linked: bool
) -> dict[str, Json]:
    """Place of a record -> all that the page knows of that run."""
    versions = newest_versions(table)
    made = {}
    for row in lines(table[table["measured"].astype(bool)]):
        record = found[row["record"]]
        older = row["task_version"] != versions.get(row["task"], row["task_version"])
        card = cards.get(row["system"])
        made[row["record"]] = _described(row) | {
            "id": row["record"].removesuffix(".json"),
            "variant": _variant(row, seeds=True),
            "partial": row["partial"],
            "older": older,
            "marks": _marks(row, older, record),
            "sentences": row["sentences"],
            "scores": _scores(row, list(record["scores"])),
            "counts": _counts(record),
            "sure": _sure(record),
            "speed": record["run"]["sentences_per_second"],
            "hardware": page_facts.hardware(record),
            "facts": page_facts.of_record(record),
            "links": page_facts.links(card, linked, row["record"]),
            "commands": [
                *page_facts.how_it_was_trained(record, row["record"]),
                ("The command of this run", record["run"]["command"]),
            ],
        }
    return made


def _sure(record: Record) -> Json | None:
    """What the most confident mentions score alone: share, precision, recall and F1 of each line."""
    if (found := record.get("confidence")) is None:
        return None
    shares = [[each["share"], each["precision"], each["recall"], each["f1"]] for each in found["coverage"]]
    return {"error": found["calibration_error"], "shares": shares}


def entries(table: pd.DataFrame, made: Mapping[str, Json]) -> list[Json]:
    """The lines of all corpora: those that are compared, best first, then partial and older runs."""
    shown = folded(table)
    rivals = shown[shown["ranked"].astype(bool)].groupby(["task", "gold_sha256"]).size().to_dict()
    found = []
    for row, places in zip(lines(shown.drop(columns="runs")), shown["runs"], strict=True):
        members = [made[place] for place in places]
        best = [_rank_mark(row, rivals.get((row["task"], row["gold_sha256"]), 0))]
        best = [mark for mark in best if mark]
        if len(members) == 1:
            found.append(members[0] | {"marks": [*best, *members[0]["marks"]]})
            continue
        speeds = [run["speed"] for run in members if run["speed"]]
        found.append(
            _described(row)
            | {
                "id": f"{row['system']}/{row['task']}-{_shots(row)}-{len(members)}-seeds",
                "variant": _variant(row),
                "partial": False,
                "older": False,
                "marks": [*best, ["seeds", f"mean of {len(members)} seeds"]],
                "sentences": row["sentences"],
                "scores": _mean_scores(members),
                "counts": None,
                "speed": sum(speeds) / len(speeds) if speeds else None,
                "hardware": members[0]["hardware"],
                "members": [run["id"] for run in members],
            }
        )
    compared = set(current(table)["record"])
    others = [run for place, run in made.items() if place not in compared]
    return found + sorted(others, key=lambda run: -run["scores"]["strict_f1"][0])


def systems(
    table: pd.DataFrame,
    board: Sequence[Mapping[str, Any]],
    found: Sequence[Json],
    cards: Mapping[str, Card],
    linked: bool,
) -> list[Json]:
    """The lines of the overview, which are `board`: what is known of each system, and its entries."""
    described = {_setup(row): _described(row) for row in reversed(lines(current(table)))}
    tasks = members("bioner")
    at = {(entry["setup"], entry["task"]): entry["id"] for entry in reversed(found) if _is_current(entry)}
    made = []
    for row in board:
        setup, card = _setup(row), cards.get(row["system"])
        made.append(
            described[setup]
            | {
                "id": f"system/{setup}",
                "variant": described[setup]["asked"],
                "entries": {task: at[setup, task] for task in tasks if (setup, task) in at},
                "facts": page_facts.of_card(card),
                "links": page_facts.links(card, linked),
                "commands": page_facts.how_to_run(card),
            }
        )
    return made


def reported(table: pd.DataFrame, cards: Mapping[str, Card], linked: bool) -> list[Json]:
    """The lines of figures that others report."""
    made: list[Json] = []
    times: dict[str, int] = {}
    for row in lines(table[~table["measured"].astype(bool)]):
        name = f"reported/{row['system']}/{row['task']}"
        times[name] = times.get(name, 0) + 1
        made.append(
            _described(row)
            | {
                "id": name + (f"/{times[name]}" if times[name] > 1 else ""),
                "variant": _variant(row),
                "measured": False,
                "partial": False,
                "older": False,
                "marks": [["reported", "reported, not measured here"]],
                "sentences": None,
                "scores": _scores(row, REPORTED_SCORES),
                "counts": None,
                "speed": None,
                "hardware": "",
                "certainty": row["certainty"],
                "protocol": row["protocol"],
                "source": row["source"],
                "link": row["link"],
                "facts": page_facts.of_report(row),
                "links": page_facts.links(cards.get(row["system"]), linked, source=row["link"]),
                "commands": [],
            }
        )
    return made


def _described(row: Mapping[str, Any]) -> Json:
    return {
        "system": row["system"],
        "setup": _setup(row),
        "title": row["title"],
        "asked": _variant(row),
        "kind": row["kind"],
        "task": row["task"],
        "measured": row["measured"],
        "size": row["parameters"] or "",
        "words": " ".join(
            str(row[key]) for key in ("base_model", "parameters", "train_strategy") if row[key]
        ),
    }


def _is_current(entry: Mapping[str, Any]) -> bool:
    return not entry["partial"] and not entry["older"]


def _setup(row: Mapping[str, Any]) -> str:
    return f"{row['system']}/{_shots(row)}"


def _shots(row: Mapping[str, Any]) -> str:
    return f"{shown_shots(row).replace(' ', '-')}-shot"


def _variant(row: Mapping[str, Any], seeds: bool = False) -> str:
    """How a run differs from others of its system; only language models are known by their shots."""
    trained = [] if row["train_seed"] is None or not seeds else [f"training seed {row['train_seed']}"]
    if row["shots"] is None or (row["kind"] != "llm" and not row["shots"]):
        unknown = row["kind"] == "llm" and not row["measured"]
        return ", ".join(["shots not known"] * unknown + trained)
    chosen = [in_words(row["demonstrations"])] if row["demonstrations"] not in (None, "random") else []
    seed = [] if row["seed"] is None or not seeds else [f"seed {row['seed']}"]
    return ", ".join([f"{row['shots']}-shot", *chosen, *seed, *trained])


def _marks(row: Mapping[str, Any], older: bool, record: Record) -> list[list[str]]:
    """What must be said of a run, each as a class for its look and the words."""
    marks = []
    if row["partial"]:
        said = f"partial run, not ranked: {row['sentences']:,} of {record['corpus_sentences']:,} sentences"
        marks.append(["partial", said])
    if older:
        marks.append(["older", f"older task version {row['task_version']}"])
    if row["kind"] == "reference":
        marks.append(["reference", "reference, not ranked"])
    if record["prompt"] is None:
        marks.append(["predictions", "from a file of predictions"])
    return marks


def _rank_mark(row: Mapping[str, Any], rivals: int) -> list[str] | None:
    if row["best"]:
        return ["best", f"★ best of {rivals}" if rivals > 1 else "★ only ranked system"]
    return ["tied", "≈ not significantly worse"] if row["tied_with_best"] else None


def _scores(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, list[float | None]]:
    """Score -> value and interval, of those that are known; six digits are more than the page shows."""
    return {
        name: [
            None if row.get(bound) is None else round(row[bound], 6)
            for bound in (name, f"{name}_low", f"{name}_high")
        ]
        for name in names
        if row.get(name) is not None
    }


def _mean_scores(members: Sequence[Json]) -> dict[str, list[float | None]]:
    """Score -> mean, lowest and highest of seeds, of the scores that all of them have."""
    made: dict[str, list[float | None]] = {}
    for name in members[0]["scores"]:
        values = [run["scores"][name][0] for run in members if name in run["scores"]]
        if len(values) == len(members):
            made[name] = [round(sum(values) / len(values), 6), min(values), max(values)]
    return made


def _counts(record: Record) -> dict[str, list[int]]:
    """Type -> gold, predicted, strictly and relaxedly correct mentions of all sentences."""
    counts = {
        type_: [_total(record, f"{column}/{type_}") for column in TYPE_COLUMNS] for type_ in record["types"]
    }
    return {"": [sum(column) for column in zip(*counts.values(), strict=True)], **counts}


def _total(record: Record, column: str) -> int:
    values = record["counts"][column]
    return sum(values) if isinstance(values, list) else values * record["sentences"]
