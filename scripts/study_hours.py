"""How long the runs of the study take, by what records of such runs took."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from study_plan import Run, rows_of

from bioner_bench import corpora
from bioner_bench.harness.systems import checkpoint_folder
from bioner_bench.leaderboard.records import Record
from bioner_bench.tuning.recipes import LlmRecipe, Recipe

GROUPS = {"K": 1e3, "M": 1e6, "B": 1e9}


@dataclass(frozen=True)
class Rate:
    """Seconds a row and parameter of one record; a model of the same size is the better guide."""

    kind: str
    parameters: float
    seconds: float


def size_of(parameters: str | None) -> float:
    """A number of parameters as cards write it, such as 135M; 1 if it is not known."""
    found = re.fullmatch(r"([\d.]+)([KMB])", parameters or "")
    return float(found[1]) * GROUPS[found[2]] if found else 1.0


def rates(found: Sequence[Record], gpu: bool) -> list[Rate]:
    """The rates of all records that were made on a GPU, or without one."""
    made = []
    for record in found:
        parameters = size_of(record["system"]["parameters"])
        training, speed = record["training"], record["run"]["sentences_per_second"]
        if speed and bool(record["run"]["hardware"]["gpu"]) == gpu:
            kind = evaluation(record["system"]["kind"], training is not None)
            made.append(Rate(kind, parameters, 1 / speed / parameters))
        if training and training["hardware"].startswith("CPU") != gpu:
            recipe, data = training["recipe"], training["data"]
            rows, steps = data.get("rows") or data["sentences"], recipe.get("steps")
            learned = steps * recipe["batch_size"] if steps else rows * recipe["epochs"]
            kind = f"training, {recipe.get('method', 'encoder')}"
            made.append(Rate(kind, parameters, training["seconds"] / learned / parameters))
    return made


def evaluation(kind: str, tuned: bool) -> str:
    """What is alike in evaluation: a model that was tuned writes less than one that was not."""
    return f"evaluation, {kind}, {'tuned' if tuned else 'as it comes'}"


def hours(runs: Sequence[Run], known: Sequence[Rate], there: Collection[Path] = ()) -> list[float | None]:
    """What each run takes in this order; None where no record tells.

    Args:
        runs: in their order; a checkpoint that several of them need is trained once.
        known: rates of earlier runs.
        there: folders of checkpoints that need no training any more.
    """
    made: list[float | None] = []
    trained = set(there)
    for run in runs:
        parameters = size_of(run.card.parameters)
        sentences = corpora.get(run.task).files["test"].sentences
        parts = [(evaluation(run.card.kind, run.recipe is not None), sentences)]
        if run.recipe is not None:
            folder = checkpoint_folder(run.recipe)
            if folder not in trained:
                method = run.recipe.method if isinstance(run.recipe, LlmRecipe) else "encoder"
                parts.append((f"training, {method}", learned(run.recipe)))
            trained.add(folder)
        seconds = [
            None if (rate := _rate(kind, parameters, known)) is None else rate * parameters * number
            for kind, number in parts
        ]
        made.append(None if None in seconds else sum(seconds) / 3600)
    return made


def learned(recipe: Recipe) -> float:
    """How many rows a training reads, one that is read twice counted twice."""
    if isinstance(recipe, LlmRecipe):
        if recipe.steps:
            return recipe.steps * recipe.batch_size
        return recipe.epochs * rows_of(recipe.train, recipe.select.strategy, recipe.select.ratio)
    return recipe.epochs * rows_of(recipe.train, "full", 1.0)


def _rate(kind: str, parameters: float, known: Sequence[Rate]) -> float | None:
    alike = [rate for rate in known if rate.kind == kind]
    same = [rate for rate in alike if rate.parameters == parameters]
    return median(rate.seconds for rate in same or alike) if alike else None
