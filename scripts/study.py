"""The study of docs/STUDY.md: does half of the positives beat all of them?

    python scripts/study.py --dry-run                      # every run, its record or the time it takes
    python scripts/study.py                                # all that has no record yet, then the report
    python scripts/study.py --only 'smollm2-135m-ncbi-*'   # part of it
    python scripts/study.py --report                       # docs/STUDY.md from the records, nothing run

A run trains a checkpoint, unless it is there, evaluates it on one task and writes its record to
leaderboards/. What was killed goes on where it was. It runs on a GPU if there is one.
"""

import argparse
import json
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from statistics import median

import compare_scores
import study_report

from bioner_bench import corpora
from bioner_bench.harness.cards import Card, read_cards
from bioner_bench.harness.systems import checkpoint_folder
from bioner_bench.leaderboard import lm_eval_output, records
from bioner_bench.leaderboard.build import read_records
from bioner_bench.models import hardware, packaged
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import score_files
from bioner_bench.tuning.recipes import LlmRecipe, Recipe, read_recipe
from bioner_bench.tuning.strategies import UNSCORED, Choice
from bioner_bench.writing import write_text

ROOT = Path(__file__).parent.parent
CARDS = ROOT / "baselines"
RECORDS = ROOT / "leaderboards" / "records"
WEAK_MODELS = ROOT / "leaderboards" / "weak_models.json"
"""How far the scores of the two weak models agree, written when both have scored."""

REPORT = ROOT / "docs" / "STUDY.md"
WORK = Path("out") / "study"
"""Scores of the weak models and lm-eval's output, in the current folder."""

CORPORA = {
    "ncbi": "bioner_ncbi",
    "bc5cdr-disease": "bioner_bc5cdr_disease",
    "bc5cdr-chem": "bioner_bc5cdr_chem",
    "bc2gm": "bioner_bc2gm",
}
UNSEEN = {"bioner_bc5cdr_chem": ("bioner_nlmchem",), "bioner_bc2gm": ("bioner_nlmgene",)}
"""Corpora of the same type that are never trained on."""

SEEDS = (1, 2, 3)
STRATEGIES = ("full", "hybrid", "random", "superfilter", "positives")
RATIOS = (0.1, 0.25, 0.75, 1.0)
"""Beside 0.5, on NCBI-disease."""

BASE = CARDS / "bioselecttune" / "smollm2-135m-ncbi-full.yaml"
"""All hyper-parameters that the study does not vary."""

FULL_WEIGHTS_LEARNING_RATE = 1e-4
"""Ten times less than for LoRA, whose few weights take larger steps."""


@dataclass(frozen=True)
class Run:
    """One system on one task: what a record will be made of.

    Attributes:
        purpose: the part of the study, a key of `study_report.PURPOSES`.
        card: the system.
        task: what it is evaluated on.
        recipe: how its checkpoint is trained; None if it needs none.
        shots: demonstrations in the prompt.
    """

    purpose: str
    card: Card
    task: str
    recipe: Recipe | None = None
    shots: int = 0

    @property
    def record(self) -> Path:
        """Where the record lies, below the folder of records."""
        training = {"recipe": {"seed": self.recipe.seed}} if self.recipe else None
        setup = {"shots": self.shots, "demonstrations": "random", "fewshot_seed": 1234}
        return records.place(
            {"system": {"name": self.card.system}, "task": self.task, "setup": setup, "training": training}
        )


@cache
def plan() -> tuple[Run, ...]:
    """Every run of the study, the most telling ones first."""
    runs: list[Run] = []
    for seed in SEEDS:
        for name in CORPORA:
            for strategy in STRATEGIES:
                runs += tuned("epochs", [name], strategy, 0.5, seed)
    for name, task in CORPORA.items():
        runs += [Run("baselines", card("dictionary"), task)]
        runs += [Run("baselines", card("smollm2-135m-instruct"), task, shots=shots) for shots in (0, 5)]
        encoder = read_recipe(CARDS / "encoders" / "minilm.yaml", task=task)
        seeds = SEEDS if name == "ncbi" else SEEDS[:1]
        runs += [Run("baselines", card("minilm"), task, replace(encoder, seed=s)) for s in seeds]
    for seed in SEEDS:
        for ratio in RATIOS:
            for strategy in ("hybrid", "random"):
                runs += tuned("ratios", ["ncbi"], strategy, ratio, seed)
        runs += tuned("weak models", ["ncbi"], "hybrid", 0.5, seed, weak_model="gemma3-270m")
        for strategy in ("full", "hybrid", "random"):
            runs += tuned("three epochs", ["ncbi"], strategy, 0.5, seed, epochs=3)
            runs += tuned("all corpora", list(CORPORA), strategy, 0.5, seed)
        for name in CORPORA:
            for strategy in STRATEGIES[1:]:
                runs += tuned("steps", [name], strategy, 0.5, seed, same_steps=True)
                runs += tuned(
                    "all weights, steps", [name], strategy, 0.5, seed, method="full", same_steps=True
                )
            for strategy in STRATEGIES:
                runs += tuned("all weights", [name], strategy, 0.5, seed, method="full")
    return tuple(runs)


@cache
def card(system: str) -> Card:
    """A system that has a card in `baselines/`."""
    return cards()[system]


@cache
def cards() -> dict[str, Card]:
    """All cards of `baselines/`."""
    return read_cards(CARDS)


def tuned(
    purpose: str,
    names: Sequence[str],
    strategy: str,
    ratio: float,
    seed: int,
    method: str = "lora",
    same_steps: bool = False,
    weak_model: str = "smollm2-135m",
    epochs: float | None = None,
) -> list[Run]:
    """The runs of one tuned model: on the corpora that it learned from, and on unseen ones of their types.

    With `same_steps` it takes as many optimiser steps as a model that learns every row; `epochs` takes the
    place of the base recipe's.
    """
    tasks = tuple(CORPORA[name] for name in names)
    base = read_recipe(BASE, seed)
    assert isinstance(base, LlmRecipe)
    share = "full" if strategy == "full" else f"{strategy}-{100 * ratio:.0f}"
    parts = ["smollm2-135m", names[0] if len(names) == 1 else "core", share]
    parts += ["gemma"] if weak_model != base.model else []
    parts += ["weights"] if method == "full" else []
    parts += ["steps"] if same_steps else []
    parts += [f"{epochs:g}-epochs"] if epochs else []
    whole = math.ceil(base.epochs * rows_of(tasks, "full", 1.0) / base.batch_size)
    steps = whole if same_steps else None
    choice = Choice(strategy, 1.0 if strategy == "full" else ratio)
    if strategy not in UNSCORED:
        choice = replace(choice, weak_model=weak_model)
    if strategy == "random":
        choice = replace(choice, seed=seed)
    recipe = replace(
        base,
        name="-".join(parts),
        train=tasks,
        validation=tasks,
        epochs=epochs or base.epochs,
        select=choice,
        method=method,
        learning_rate=FULL_WEIGHTS_LEARNING_RATE if method == "full" else base.learning_rate,
        steps=steps,
        evaluate_every=steps,  # once, at the end: of several checkpoints the best would be chosen
    )
    corpus = " and others" if len(names) > 1 else ""
    made = Card(
        system=recipe.name,
        title=f"SmolLM2-135M, {corpora.get(tasks[0]).name}{corpus}, {' '.join(parts[2:])}",
        kind="llm",
        base_model=packaged.hub_name(recipe.model),
        parameters="135M",
        train_strategy=strategy,
        train_ratio=choice.ratio,
        trained_on=tasks,
    )
    evaluated = [*tasks, *(unseen for task in tasks for unseen in UNSEEN.get(task, ()))]
    return [Run(purpose, cards().get(recipe.name, made), task, recipe) for task in evaluated]


@cache
def rows_of(tasks: tuple[str, ...], strategy: str, ratio: float) -> int:
    """Rows that a strategy keeps of these corpora, if no score is 1 or more."""
    if strategy == "full":
        return sum(corpora.get(task).files["train"].sentences for task in tasks)
    number = 0
    for task in tasks:
        sentences = corpora.loading.sentences((task,), "train")
        positives = sum(bool(sentence.entities) for sentence in sentences)
        kept, negatives = round(ratio * positives), len(sentences) - positives
        kinds = {"superfilter": round(ratio * len(sentences)), "positives": kept}
        number += kinds.get(strategy, kept + negatives)
    return number


def carry_out(run: Run) -> None:
    """Train the checkpoint if it is not there, evaluate it on the task, and write the record."""
    out = WORK / "lm-eval" / run.record.with_suffix("")
    command = [sys.executable, "-m", "bioner_bench", "run", "--tasks", run.task]
    command += ["--log_samples", "--output_path", str(out)]
    if isinstance(run.recipe, LlmRecipe):
        trained = checkpoint(run.recipe)
        base = packaged.resolve(run.recipe.model)
        source = (
            f"pretrained={base},peft={trained}" if run.recipe.method == "lora" else f"pretrained={trained}"
        )
        command += ["--model", "hf-prefix", "--model_args", f"{source},dtype=float32"]
        command += ["--apply_chat_template", "--batch_size", "16"]
    else:
        command += ["--system", str(CARDS / f"{run.card.system}.yaml"), "--num_fewshot", str(run.shots)]
        command += ["--metadata", '{"demonstrations": "random"}'] if run.shots else []
        if run.recipe is not None:
            from bioner_bench.tuning.encoder_training import train

            command += ["--model_args", f"pretrained={train(run.recipe, checkpoint_folder(run.recipe))}"]
    print(f"$ {shlex.join(command)}", file=sys.stderr, flush=True)
    subprocess.run(command, check=True)
    (made,) = lm_eval_output.evaluated(out, run.card)
    if records.place(made.record) != run.record:
        raise BenchmarkError(f"{out}: this run makes {records.place(made.record)}, not {run.record}")
    print(lm_eval_output.keep(made, RECORDS.parent), flush=True)


def checkpoint(recipe: LlmRecipe) -> Path:
    """The trained checkpoint; each weak model scores each corpus once, for all recipes."""
    from bioner_bench.tuning.llm_training import train
    from bioner_bench.tuning.selection import select_rows

    scores = None
    if recipe.select.weak_model:
        scores = WORK / "scores" / recipe.select.weak_model
        for task in recipe.train:
            select_rows((task,), replace(recipe.select, strategy="hybrid"), scores)
    return train(recipe, checkpoint_folder(recipe), scores)


def seconds(run: Run, rates: dict[str, float]) -> tuple[float | None, float | None]:
    """How long training and evaluation may take, by what earlier runs on such hardware took."""
    training: float | None = 0.0
    if isinstance(run.recipe, LlmRecipe):
        recipe = run.recipe
        number = rows_of(recipe.train, recipe.select.strategy, recipe.select.ratio) * recipe.epochs
        if recipe.steps:
            number = recipe.steps * recipe.batch_size
        rate = rates.get(f"training, {recipe.method}")
        training = None if rate is None else rate * number
    elif run.recipe is not None:
        rate = rates.get("training, encoder")
        number = rows_of(run.recipe.train, "full", 1.0) * run.recipe.epochs
        training = None if rate is None else rate * number
    rate = rates.get(f"evaluation, {run.card.kind}, {run.shots} shots")
    size = corpora.get(run.task).files["test"].sentences
    return training, None if rate is None else rate * size


def measured_rates() -> dict[str, float]:
    """Seconds a row in training and a sentence in evaluation, of all records made on such hardware."""
    here = hardware.name().split(",")[0]
    found: dict[str, list[float]] = {}
    for record in read_records(RECORDS):
        training = record["training"]
        on_cpu = record["run"]["hardware"]["gpu"] is None
        if on_cpu == (here == "CPU") and record["run"]["sentences_per_second"]:
            key = f"evaluation, {record['system']['kind']}, {record['setup']['shots']} shots"
            found.setdefault(key, []).append(1 / record["run"]["sentences_per_second"])
        if training and training["hardware"].split(",")[0] == here:
            recipe, data = training["recipe"], training["data"]
            rows = data.get("rows") or data["sentences"]
            steps = recipe.get("steps")
            number = steps * recipe["batch_size"] if steps else rows * recipe["epochs"]
            key = f"training, {recipe.get('method', 'encoder')}"
            found.setdefault(key, []).append(training["seconds"] / number)
    return {key: median(values) for key, values in found.items()}


def show(runs: Sequence[Run]) -> None:
    """Print a line a run, and the time that is left."""
    rates = measured_rates()
    left, unknown = 0.0, 0
    trained = set()
    for run in runs:
        if (RECORDS / run.record).is_file():
            print(f"done           {run.record}")
            continue
        training, evaluation = seconds(run, rates)
        if run.recipe is not None:
            folder = checkpoint_folder(run.recipe)
            if folder in trained or (folder / "training.json").is_file():
                training = 0.0
            trained.add(folder)
        if training is None or evaluation is None:
            unknown += 1
            print(f"unknown        {run.record}")
            continue
        left += training + evaluation
        print(f"{(training + evaluation) / 60:6.0f} minutes {run.record}")
    there = sum((RECORDS / run.record).is_file() for run in runs)
    print(
        f"{there} of {len(runs)} runs have a record; the rest takes some {left / 3600:.1f} hours on "
        f"{hardware.name()}" + (f", and {unknown} runs like none before" if unknown else "")
    )


def compare_weak_models() -> None:
    """Write how far the two weak models agree, once both have scored every positive of NCBI-disease."""
    (task,) = compared = ("bioner_ncbi",)
    scored = [WORK / "scores" / name for name in ("smollm2-135m", "gemma3-270m")]
    if all(
        len(score_files.load(folder / "ifd" / f"{task}.jsonl")[1]) >= rows_of(compared, "full", 1.0)
        for folder in scored
    ):
        found = compare_scores.compare(*scored, task)
        write_text(WEAK_MODELS, json.dumps(found, indent=2) + "\n")


def report() -> str:
    """The text of docs/STUDY.md."""
    agreement = json.loads(WEAK_MODELS.read_text(encoding="utf-8")) if WEAK_MODELS.is_file() else None
    return study_report.markdown(plan(), RECORDS, agreement)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="PATTERN", default="*", help="systems, as the shell matches names")
    parser.add_argument("--seed", type=int, choices=SEEDS, help="only runs of this training seed")
    parser.add_argument("--dry-run", action="store_true", help="show the runs and their time, do nothing")
    parser.add_argument("--report", action="store_true", help="only write the report")
    given = parser.parse_args()
    runs = [
        run
        for run in plan()
        if fnmatch(run.card.system, given.only)
        and (given.seed is None or run.recipe is None or run.recipe.seed == given.seed)
    ]
    if given.dry_run:
        show(runs)
        return
    if not given.report:
        for run in runs:
            if study_report.record_of(run, RECORDS) is None:
                carry_out(run)
        compare_weak_models()
    write_text(REPORT, report())
    print(REPORT)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # who reads, such as `head`, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (BenchmarkError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")
