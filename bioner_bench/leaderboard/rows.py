"""Records and cards -> the rows of the leaderboard, one a run and task or reported figure, and their means.

Measured rows come from records, reported ones from cards. Systems are compared on a task only if they ran
the same version of it on the same gold, in full; reference models and partial runs are never ranked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import pandas as pd

from bioner_bench.evaluation.bootstrap import SIGNIFICANCE, Documents, compare_runs, holm
from bioner_bench.evaluation.scoring import Score, Table, scores
from bioner_bench.harness.cards import Card
from bioner_bench.harness.demonstrations import in_words
from bioner_bench.leaderboard import records, sources
from bioner_bench.leaderboard.records import Record
from bioner_bench.leaderboard.tasks import members, task_order

KEY = ["system", "shots", "demonstrations"]
"""What makes one line of a table: a system and how it was asked. Seeds do not count."""

SETUP = [*KEY, "title", "kind"]
"""What such a line says of itself."""

REPORTED_SCORES = ("strict_f1", "strict_precision", "strict_recall", "relaxed_f1", "string_f1")

MORE_SCORES = (
    *("relaxed_precision", "relaxed_recall", "string_precision", "string_recall"),
    *("strict_recall_seen", "strict_recall_unseen", "json_valid", "hallucination_rate"),
)
"""What the mean of seeds is taken of, beside the scores that others report."""

_NO_DOUBT = 1e-8
"""A p value that no number of systems, and no further draws, make one of chance."""


class Row(TypedDict):
    """What a row says beside its scores; `measured` says whether a record or a card's report is behind it."""

    system: str
    title: str
    kind: str
    task: str
    task_version: str | None
    split: str
    sentences: int | None
    measured: bool
    partial: bool
    rescored: bool
    ranked: bool
    best: bool
    tied_with_best: bool
    base_model: str | None
    parameters: str | None
    train_strategy: str | None
    train_ratio: float | None
    trained_on: list[str]
    shots: int | None
    demonstrations: str | None
    seed: int | None
    train_seed: int | None
    train_setup: str | None
    train_rows: int | None
    gold_sha256: str | None
    record: str | None
    source: str | None
    link: str | None
    certainty: str | None
    protocol: str | None


FACTS = list(Row.__annotations__)
"""The columns of the table that are no scores."""


def table(found: Sequence[Record], cards: Mapping[str, Card]) -> pd.DataFrame:
    """All rows: measured ones by task, best first, then reported ones.

    Columns are those of `Row`, None where nothing is known, then every score with `_low` and `_high`, NaN
    where nothing is known.
    """
    measured = _frame([_measured_row(record) | _scores(record) for record in found])
    _mark(measured, found)
    reported = _frame(
        [
            _reported_row(card, figure) | {figure["score"]: figure["value"]}
            for card in cards.values()
            for figure in sources.shown(card)
        ]
    )
    both = [_sorted(part) for part in (measured, reported) if len(part)]
    return _typed(pd.concat(both, ignore_index=True)) if both else measured


def lines(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries, without the scores that are not known of them."""
    names, known = list(frame), frame.notna().to_numpy() | frame.columns.isin(FACTS)
    return [
        {name: value for name, value, shown in zip(names, values, there, strict=True) if shown}
        for values, there in zip(frame.to_numpy(dtype=object), known, strict=True)
    ]


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    names = dict.fromkeys([*FACTS, *(name for row in rows for name in row)])
    return _typed(pd.DataFrame(rows, columns=list(names), dtype=object))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Facts as they are, with None for what is not known; scores as numbers."""
    known = frame[FACTS].astype(object)
    values = frame[[name for name in frame if name not in FACTS]].astype(float)
    return pd.concat([known.where(known.notna(), None), values], axis=1)


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """By task; newest version, whole runs and real systems first, then the best."""
    order = {task: place for place, task in enumerate(tasks_of(frame))}
    versions = sorted({version or "" for version in frame["task_version"]}, key=_version_key, reverse=True)
    score = frame["strict_f1"] if "strict_f1" in frame else pd.Series(float("nan"), frame.index)
    keys = pd.DataFrame(
        {
            "task": frame["task"].map(order),
            "version": frame["task_version"].fillna("").map(versions.index),
            "partial": frame["partial"].astype(bool),
            "reference": frame["measured"].astype(bool) & (frame["kind"] == "reference"),
            "worse": -score.where(frame["measured"].astype(bool), 0.0),
            "system": frame["system"],
            "shots": frame["shots"].fillna(0).astype(int),
            "demonstrations": frame["demonstrations"].fillna(""),
            "seed": frame["seed"].fillna(0).astype(int),
            "train_seed": frame["train_seed"].fillna(0).astype(int),
        }
    )
    return frame.loc[keys.sort_values(list(keys), kind="stable").index].reset_index(drop=True)


def tasks_of(frame: pd.DataFrame) -> list[str]:
    """The tasks that rows are about: built-in ones in their order, then others by name."""
    there = set(frame["task"])
    known = [task for task in task_order() if task in there]
    return known + sorted(there - set(known))


def _measured_row(record: Record) -> dict[str, Any]:
    system, setup = record["system"], record["setup"]
    recipe = record["training"]["recipe"] if record["training"] else None
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
        "shots": setup["shots"],
        "demonstrations": setup["demonstrations"] if setup["shots"] else None,
        "seed": setup["fewshot_seed"] if setup["shots"] else None,
        "train_seed": recipe["seed"] if recipe else None,
        "train_setup": _train_setup(recipe) if recipe else None,
        "train_rows": _train_rows(record),
        "gold_sha256": record["gold_sha256"],
        "record": records.place(record).as_posix(),
        "source": None,
        "link": None,
        "certainty": None,
        "protocol": None,
    }
    return {**row}


def _scores(record: Record) -> dict[str, float | None]:
    named: dict[str, float | None] = {}
    for name, score in record["scores"].items():
        named |= {name: score["value"], f"{name}_low": score["low"], f"{name}_high": score["high"]}
    return named


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


def _train_rows(record: Record) -> int | None:
    """How many rows, or sentences, the system learned from."""
    data = record["training"]["data"] if record["training"] else {}
    found = data.get("rows", data.get("sentences"))
    return None if found is None else int(found)


def _reported_row(card: Card, figure: Mapping[str, Any]) -> dict[str, Any]:
    row: Row = {
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
        "train_rows": None,
        "gold_sha256": None,
        "record": None,
        "source": figure["source"],
        "link": sources.address(figure),
        "certainty": figure["certainty"],
        "protocol": figure.get("protocol"),
    }
    return {**row}


def _mark(measured: pd.DataFrame, found: Sequence[Record]) -> None:
    """Mark the best system of each task, and those that are not significantly worse.

    Of several seeds a system has their mean, and the test resamples seeds and documents; so the luckiest seed
    makes no best system. One table is one statement, so its p values are corrected together (Holm).
    """
    ranked = current(measured)
    ranked = ranked[ranked["ranked"].astype(bool)]
    for _, rivals in ranked.groupby(["task", "gold_sha256"]):
        systems = {tuple(setup.values()): list(runs.index) for setup, runs in by_setup(rivals)}
        means = {setup: rivals["strict_f1"][runs].mean() for setup, runs in systems.items()}
        best, *others = sorted(means, key=lambda setup: (-means[setup], setup[0], setup[1], setup[2] or ""))
        measured.loc[systems[best], "best"] = True
        strict = scores(found[systems[best][0]]["types"])["strict_f1"]
        counts = {run: records.counts_of(found[run]) for runs in systems.values() for run in runs}
        documents = next((found[run]["documents"] for run in counts if found[run]["documents"]), None)
        sides = {setup: [counts[run] for run in runs] for setup, runs in systems.items()}
        p_values = [_p_value(strict, sides[other], sides[best], documents) for other in others]
        # The best is the best of all, so any pair of systems may turn out to be tested.
        corrected = holm(p_values, len(means) * (len(means) - 1) // 2)
        for other, p_value in zip(others, corrected, strict=True):
            measured.loc[systems[other], "tied_with_best"] = p_value >= SIGNIFICANCE


def _p_value(score: Score, runs_a: Sequence[Table], runs_b: Sequence[Table], documents: Documents) -> float:
    """Of the difference of two systems; where a few draws leave no doubt, the others are spared."""
    few = compare_runs(score, runs_a, runs_b, documents, resamples=500).p_value
    return few if few < _NO_DOUBT else compare_runs(score, runs_a, runs_b, documents).p_value


def newest_versions(frame: pd.DataFrame) -> dict[str, str]:
    """Task -> the newest version that a complete run was measured with."""
    whole = frame[frame["measured"].astype(bool) & ~frame["partial"].astype(bool)]
    return {task: max(versions, key=_version_key) for task, versions in whole.groupby("task")["task_version"]}


def current(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that are put side by side: measured in full, with the newest version of their task."""
    newest = frame["task"].map(newest_versions(frame))
    whole = frame["measured"].astype(bool) & ~frame["partial"].astype(bool)
    return frame[whole & (frame["task_version"] == newest)]


def _version_key(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


def by_setup(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """A system and how it was asked, with all of its rows; in the order of the first of them."""
    for _, runs in frame.groupby(KEY, sort=False, dropna=False):
        yield runs[SETUP].iloc[0].to_dict(), runs


def folded(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a task, system and setup, of the rows that are put side by side: seeds are folded.

    A score of several seeds is their mean, its `_low` and `_high` the lowest and the highest of them; of one
    seed they are its interval. `runs` are the places of the records.
    """
    shown = current(frame)
    made = []
    for _, runs in by_setup(shown):
        for _, same in runs.groupby("task", sort=False):
            row = same.iloc[0].to_dict() | {"runs": list(same["record"])}
            if len(same) > 1:
                for name in (name for name in REPORTED_SCORES + MORE_SCORES if name in same):
                    mean, low, high = same[name].agg(["mean", "min", "max"]).tolist()
                    row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
            made.append(row)
    columns = [*shown.columns, "runs"]
    return _sorted(pd.DataFrame(made, columns=columns, dtype=object)) if made else shown.assign(runs=None)


def group_means(frame: pd.DataFrame, group: str, score: str = "strict_f1") -> pd.DataFrame:
    """One row a system and setup: `score` per member task, and its unweighted mean.

    The mean is NaN unless the system was measured in full on every member, each at its newest version. Of
    several seeds a task's scores are averaged first. The columns are those of `SETUP`, the tasks, `mean`.
    """
    tasks = members(group)
    means = _by_task(frame, tasks, score)
    means["mean"] = means[tasks].mean(axis=1, skipna=False)
    return _best_first(means, [-means["mean"].fillna(-1)])


def overview(frame: pd.DataFrame, group: str = "bioner_core", score: str = "strict_f1") -> pd.DataFrame:
    """One row a system and setup: `score` per corpus, the mean over a group, rank and coverage.

    Sorted by mean, then by coverage, the number of corpora it was measured on. Systems without a mean, and
    reference models, which come last, have no rank. The columns are those of `SETUP`, every task of all
    corpora, `mean`, `coverage` and `rank`.
    """
    tasks = members("bioner")
    shown = _by_task(frame, tasks, score)
    shown["mean"] = shown[members(group)].mean(axis=1, skipna=False)
    shown["coverage"] = shown[tasks].notna().sum(axis=1)
    ranked = shown["mean"].where(shown["kind"] != "reference")
    shown["rank"] = ranked.rank(method="min", ascending=False)
    of_known = shown[tasks].mean(axis=1)
    return _best_first(shown, [-shown["mean"].fillna(-1), -shown["coverage"], -of_known])


def nothing_to_average(frame: pd.DataFrame) -> str:
    """What an overview without lines says: that nothing ran, or nothing of which there are means."""
    if not frame["measured"].astype(bool).any():
        return "There are no results yet."
    if current(frame).empty:
        return "There are only partial runs so far."
    return "There is no group of corpora to average over: each corpus has a table of its own."


def _by_task(frame: pd.DataFrame, tasks: Sequence[str], score: str) -> pd.DataFrame:
    """One row a system and setup: the mean of its seeds' `score` on each task."""
    needed = [*SETUP, "task", "task_version", "measured", "partial", score]
    shown = current(frame.reindex(columns=needed)).dropna(subset=score)
    shown = shown[shown["task"].isin(tasks)]
    setup = shown.groupby(KEY, sort=False, dropna=False).ngroup()
    means = shown[score].astype(float).groupby([setup, shown["task"]]).mean().unstack("task")
    return shown.drop_duplicates(KEY)[SETUP].reset_index(drop=True).join(means.reindex(columns=list(tasks)))


def _best_first(frame: pd.DataFrame, worse: Sequence[pd.Series]) -> pd.DataFrame:
    """Sorted by these keys, reference models last; then by name and setup."""
    keys = pd.DataFrame(
        {
            "reference": frame["kind"] == "reference",
            **{f"worse_{place}": key for place, key in enumerate(worse)},
            "system": frame["system"],
            "shots": frame["shots"].astype(int),
            "demonstrations": frame["demonstrations"].fillna(""),
        }
    )
    return frame.loc[keys.sort_values(list(keys), kind="stable").index].reset_index(drop=True)


def asked(row: Mapping[str, Any]) -> str:
    """How a language model was asked, after its name: `, 5-shot, retrieved`; nothing of other systems."""
    chosen = "" if row["demonstrations"] in (None, "random") else f", {in_words(row['demonstrations'])}"
    return f", {row['shots']}-shot{chosen}" if row["kind"] == "llm" else ""


def shown_shots(row: Mapping[str, Any]) -> str:
    """The demonstrations of a row in a word: `5`, `5 retrieved` or `5 fixed`."""
    special = row["demonstrations"] not in (None, "random")
    return f"{row['shots']} {in_words(row['demonstrations'])}" if special else str(row["shots"])
