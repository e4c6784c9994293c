"""Rows and records of the leaderboard -> one self-contained page, the same bytes for the same input.

The page holds its data twice: as a table written here, for readers without JavaScript, and as one block of
JSON, from which its script draws that table again in any order and opens the panel of a row. Names in it
come from others: what is written here is escaped, and the script sets text, never markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from bioner_bench import corpora
from bioner_bench.evaluation.scoring import TYPE_COLUMNS, total
from bioner_bench.harness.cards import KINDS
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.records import Record
from bioner_bench.leaderboard.rows import (
    corpus_name,
    current,
    group_means,
    lines,
    members,
    newest_versions,
    shown_shots,
    task_order,
    tasks_of,
)

Row = Mapping[str, Any]

_KIND_NAMES = {"llm": "LLM", "encoder": "Encoder", "dictionary": "Dictionary", "reference": "Reference"}

_GROUP_NAMES = {"bioner_core": "core", "bioner_ood": "out of domain", "bioner": "all"}

# `score` is None for columns that are no score; {match} is strict or relaxed, as the reader chooses.
_COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "system", "label": "System", "full": "System", "score": None},
    {"key": "kind", "label": "Kind", "full": "Kind", "score": None},
    {"key": "task", "label": "Corpus", "full": "Corpus", "score": None},
    {"key": "f1", "label": "F1", "full": "F1", "score": "{match}_f1"},
    {"key": "precision", "label": "Precision", "full": "Precision", "score": "{match}_precision"},
    {"key": "recall", "label": "Recall", "full": "Recall", "score": "{match}_recall"},
    {"key": "string", "label": "String F1", "full": "String F1", "score": "string_f1"},
    {"key": "seen", "label": "Seen", "full": "Recall, seen", "score": "strict_recall_seen"},
    {"key": "unseen", "label": "Unseen", "full": "Recall, unseen", "score": "strict_recall_unseen"},
    {"key": "json", "label": "Valid JSON", "full": "Valid JSON", "score": "json_valid"},
    {"key": "invented", "label": "Halluci\u00adnated", "full": "Hallucinated", "score": "hallucination_rate"},
    {"key": "sentences", "label": "Sentences", "full": "Sentences", "score": None},
)

_MEAN_SCORES = (
    *(f"{match}_{score}" for match in ("strict", "relaxed") for score in ("f1", "precision", "recall")),
    *("string_f1", "strict_recall_seen", "strict_recall_unseen", "json_valid", "hallucination_rate"),
)


def html(table: pd.DataFrame, found: Sequence[Record]) -> str:
    """The page, as the text of `index.html`.

    Args:
        table: what `leaderboard.rows` returns.
        found: the records behind its measured rows; they fill the panels.
    """
    data = _data(table, found)
    return _template().render(data=data, json=_json(data), kind_names=_KIND_NAMES) + "\n"


def _data(table: pd.DataFrame, found: Sequence[Record]) -> dict[str, Any]:
    by_place = {records.place(record).as_posix(): record for record in found}
    known = task_order()
    tasks = tasks_of(table)
    types: dict[str, list[str]] = {
        task: list(corpora.get(task).types) if task in known else [] for task in tasks
    }
    types |= {record["task"]: record["types"] for record in found}
    rows = _rows(table, by_place)
    place = {task: index for index, task in enumerate(tasks)}
    # Sorting is stable: within a task the order is that of the table, with older versions last.
    rows.sort(key=lambda row: (place[row["task"]], not row["measured"], row["older"]))
    means = {group: _means(table, group, rows) for group in _GROUP_NAMES}
    return {
        "columns": _COLUMNS,
        "kinds": [[kind, _KIND_NAMES[kind]] for kind in KINDS],
        "tasks": [{"id": task, "name": corpus_name(task), "types": types[task]} for task in tasks],
        "types": sorted({type_ for task in tasks for type_ in types[task]}, key=lambda name: name.lower()),
        "groups": [
            {"id": group, "name": name, "tasks": members(group), "incomplete": means[group][1]}
            for group, name in _GROUP_NAMES.items()
            if any(task in tasks for task in members(group))
        ],
        "rows": rows,
        "means": [mean for complete, _ in means.values() for mean in complete],
    }


def _rows(table: pd.DataFrame, by_place: Mapping[str, Record]) -> list[dict[str, Any]]:
    versions = newest_versions(table)
    listed = lines(table)
    rivals: dict[tuple[str, str, str], int] = {}
    for row in listed:
        if row["ranked"]:
            rivals[_rivalry(row)] = rivals.get(_rivalry(row), 0) + 1
    rows: list[dict[str, Any]] = []
    times: dict[str, int] = {}
    for row in listed:
        record = by_place.get(row["record"] or "")
        name = _row_id(row)
        times[name] = times.get(name, 0) + 1
        older = row["measured"] and row["task_version"] != versions.get(row["task"], row["task_version"])
        corpus_size = record["corpus_sentences"] if record else None
        rows.append(
            {
                "id": name + (f"/{times[name]}" if times[name] > 1 else ""),
                "system": row["system"],
                "title": row["title"],
                "kind": row["kind"],
                "task": row["task"],
                "variant": _variant(row),
                "measured": row["measured"],
                "partial": row["partial"],
                "older": older,
                "marks": _marks(row, older, rivals.get(_rivalry(row), 0), corpus_size),
                "sentences": row["sentences"],
                "words": " ".join(
                    str(row[key]) for key in ("base_model", "parameters", "train_strategy") if row[key]
                ),
                "scores": _scores(row, record),
                "counts": _counts(record) if record else None,
                "facts": _record_facts(record) if record else _row_facts(row),
                "command": record["run"]["command"] if record else None,
            }
        )
    return rows


def _rivalry(row: Row) -> tuple[str, str, str]:
    return row["task"], row["task_version"] or "", row["gold_sha256"] or ""


def _variant(row: Mapping[str, Any]) -> str:
    """How a run differs from others of its system; only language models are known by their shots."""
    trained = [] if row.get("train_seed") is None else [f"training seed {row['train_seed']}"]
    if row["shots"] is None or (row["kind"] != "llm" and not row["shots"]):
        unknown = row["kind"] == "llm" and not row["measured"]
        return ", ".join(["shots not known"] * unknown + trained)
    chosen = [row["demonstrations"]] if row["demonstrations"] not in (None, "random") else []
    seed = [] if row.get("seed") is None else [f"seed {row['seed']}"]
    return ", ".join([f"{row['shots']}-shot", *chosen, *seed, *trained])


def _marks(row: Row, older: bool, rivals: int, corpus_size: int | None) -> list[list[str]]:
    """What must be said of a row, each as a class for its look and the words."""
    marks = []
    if not row["measured"]:
        marks.append(["reported", "reported, not measured here"])
    if row["partial"]:
        size = f"{row['sentences']:,}" + (f" of {corpus_size:,}" if corpus_size else "")
        marks.append(["partial", f"partial run, not ranked: {size} sentences"])
    if older:
        marks.append(["older", f"older task version {row['task_version']}"])
    elif row["best"]:
        marks.append(["best", f"★ best of {rivals}" if rivals > 1 else "★ only ranked run"])
    elif row["tied_with_best"]:
        marks.append(["tied", "≈ not significantly worse"])
    if row["kind"] == "reference" and row["measured"]:
        marks.append(["reference", "reference, not ranked"])
    return marks


def _scores(row: Row, record: Record | None) -> dict[str, list[float | None]]:
    """Score -> value and interval, of those that are known; six digits are more than the page shows."""
    names = record["scores"] if record else _MEAN_SCORES
    return {
        name: [
            None if row.get(bound) is None else round(row[bound], 6)
            for bound in (name, f"{name}_low", f"{name}_high")
        ]
        for name in names
        if row.get(name) is not None
    }


def _counts(record: Record) -> dict[str, list[int]]:
    """Type -> gold, predicted, strictly and relaxedly correct mentions of all sentences."""
    sums = total(records.counts_of(record))
    counts = {type_: [int(sums[f"{column}/{type_}"]) for column in TYPE_COLUMNS] for type_ in record["types"]}
    return {"": [int(sums[column]) for column in TYPE_COLUMNS], **counts}


def _means(
    table: pd.DataFrame, group: str, rows: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], int]:
    """Means over a group, one row a system and setup that ran on all its corpora; how many did on some only.

    Args:
        table: what `leaderboard.rows` returns.
        group: its name.
        rows: the page's own.
    """
    compared = current(table)
    # Some scores are not known of every row, such as recall of seen mentions without a training split.
    scores: dict[tuple[str, ...], dict[str, list[float | None]]] = {}
    for score in _MEAN_SCORES:
        for mean in group_means(compared, group, score).to_dict("records"):
            if not pd.isna(mean["mean"]):
                scores.setdefault(_setup(mean), {})[score] = [round(mean["mean"], 6), None, None]
    runs: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    shown = {row["id"]: row for row in rows}
    for row in lines(compared):
        if row["task"] in members(group):
            runs.setdefault(_setup(row), []).append(shown[_row_id(row)])
    means = group_means(compared, group).to_dict("records")
    complete = [
        {
            "id": f"mean/{group}/{mean['system']}/{shown_shots(mean).replace(' ', '-')}-shot",
            "system": mean["system"],
            "title": mean["title"],
            "kind": mean["kind"],
            "task": group,
            "variant": _variant(mean | {"measured": True}),
            "measured": True,
            "partial": False,
            "marks": [["reference", "reference, not ranked"]] if mean["kind"] == "reference" else [],
            "sentences": sum({run["task"]: run["sentences"] for run in runs[_setup(mean)]}.values()),
            "words": runs[_setup(mean)][0]["words"],
            "scores": scores[_setup(mean)],
            "members": [run["id"] for run in runs[_setup(mean)]],
        }
        for mean in means
        if not pd.isna(mean["mean"])
    ]
    return complete, len(means) - len(complete)


def _setup(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What `group_means` takes the mean of: seeds do not count."""
    return row["system"], row["title"], row["kind"], shown_shots(row)


def _row_id(row: Row) -> str:
    """The name of a row in the page's address; reported figures may share it."""
    return str(row.get("record") or f"reported/{row['system']}/{row['task']}").removesuffix(".json")


Facts = list[tuple[str, list[tuple[str, str]]]]
"""Headings, and below each of them names and values."""


def _row_facts(row: Row) -> Facts:
    """Where a reported figure comes from."""
    found = [
        ("Source", row.get("source")),
        ("How sure", row.get("certainty")),
        ("Protocol", row.get("protocol") or "not stated"),
        *_system_facts(row),
    ]
    return [("Reported figure", _known(found))]


def _record_facts(record: Record) -> Facts:
    """What a record says of where its scores come from."""
    setup, model, run, drawn = record["setup"], record["model"], record["run"], record["bootstrap"]
    chat = setup["chat_template_sha256"]
    measured = [
        ("Task", f"{record['task']}, version {record['task_version']}"),
        (
            "Sentences",
            f"{record['sentences']:,} of {record['corpus_sentences']:,}, {record['split']} split",
        ),
        ("Gold, SHA-256", record["gold_sha256"]),
        ("Samples, SHA-256", record["samples_sha256"]),
        ("Intervals", f"{drawn['resamples']:,} resamples over {drawn['unit']}s, seed {drawn['seed']}"),
    ]
    asked = [
        ("Prompt", f"{record['prompt']}, hash {record['prompt_hash']}" if record["prompt"] else None),
        (
            "Demonstrations",
            f"{setup['shots']}, {setup['demonstrations']}, seed {setup['fewshot_seed']}"
            if setup["shots"]
            else "none",
        ),
        ("As turns of a chat", _yes(setup["fewshot_as_multiturn"])),
        ("Chat template, SHA-256", chat or "none used"),
        ("System instruction", setup["system_instruction"]),
        ("Generation", _pairs(setup["generation"])),
    ]
    size = model["parameters"]
    ran = [
        *_system_facts(record["system"]),
        ("lm-eval model", model["source"]),
        ("Model arguments", _pairs(model["arguments"])),
        ("Revision", model["revision"]),
        ("Commit", model["sha"]),
        ("Parameters counted", f"{size:,}" if size else None),
        ("dtype", model["dtype"] or "not recorded"),
    ]
    speed = run["sentences_per_second"]
    where = [
        ("Date", run["date"].replace("T", " ").replace("Z", " UTC")),
        ("CPU", run["hardware"]["cpu"] or "not recorded"),
        ("GPU", run["hardware"]["gpu"] or "none recorded"),
        ("Batch size", run["batch_size"]),
        ("Time, all tasks of the run", None if run["seconds"] is None else f"{run['seconds']:,} s"),
        ("Sentences a second", f"{speed:,}" if speed is not None else "not recorded"),
        ("Versions", ", ".join(f"{name} {of}" for name, of in run["versions"].items() if of is not None)),
    ]
    sections = (("Measurement", measured), ("Prompt", asked), ("Model", ran), ("Run", where))
    return [(heading, _known(facts)) for heading, facts in sections]


def _system_facts(system: Mapping[str, Any]) -> list[tuple[str, Any]]:
    ratio = system["train_ratio"]
    return [
        ("Base model", system["base_model"]),
        ("Parameters", system["parameters"]),
        ("Training data chosen by", system["train_strategy"]),
        ("Share of the training data", f"{100 * ratio:g} %" if ratio is not None else None),
        ("Trained on", ", ".join(system["trained_on"])),
    ]


def _known(facts: Iterable[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in facts if value not in (None, "")]


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in values.items()
    )


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _json(data: Mapping[str, Any]) -> Markup:
    """JSON for a script element: no string in it can end the element or open a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # escaped for where it stands, in the lines above


def _percent(value: float) -> str:
    """A share in percent as the script writes it: `toFixed` rounds halves up."""
    return str(Decimal(100 * value).quantize(Decimal("0.1"), ROUND_HALF_UP))


def _source_hash(content: str) -> str:
    """What a content security policy names an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        newline_sequence="\n",
    )
    environment.filters |= {"percent": _percent, "source_hash": _source_hash}
    folder = resources.files("bioner_bench.leaderboard")
    environment.globals |= {
        "style": folder.joinpath("page.css").read_text("utf-8"),
        "script": folder.joinpath("page.js").read_text("utf-8"),
    }
    return environment.from_string(folder.joinpath("page.html.j2").read_text("utf-8"))
