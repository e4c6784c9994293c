"""A system's card and the user's options -> the options of its runs.

The card's `run` gives the options that the user leaves out. Of `model_args`, `gen_kwargs` and `metadata`
each key counts by itself, so one of them can be changed and the others kept.
"""

from __future__ import annotations

import difflib
import fnmatch
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bioner_bench import corpora
from bioner_bench.evaluation import prompt
from bioner_bench.harness.cards import Card
from bioner_bench.harness.run_options import Options
from bioner_bench.harness.task_folders import PACKAGE, include_paths, task_manager
from bioner_bench.models.packaged import base_and_adapter
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.recipes import EncoderRecipe, LlmRecipe, Recipe, family, read_recipe

CARDS = Path("baselines")
"""The folder of cards, in the current one."""

CHECKPOINTS = Path("checkpoints")
"""Where `bioner-bench train` writes, in the current folder."""


def find(system: str, folder: Path = CARDS) -> Path:
    """The card that is meant: a path to a YAML file as it is, a name in the folder, else in the package.

    Raises:
        BenchmarkError: there is no such card.
    """
    if system.endswith((".yaml", ".yml")) or Path(system).name != system:
        return Path(system)
    folders = list(dict.fromkeys(place for place in (folder, packaged_cards()) if place.is_dir()))
    for place in folders:
        path = place / f"{system}.yaml"
        if path.is_file():
            return path
    names = {card.stem for place in folders for card in place.glob("*.yaml")}
    near = difflib.get_close_matches(system, sorted(names), cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "README.md there lists the systems"
    raise BenchmarkError(f"there is no card for {system!r} in {' and '.join(map(str, folders))}; {hint}")


def packaged_cards() -> Path:
    """The cards that come with the package; in a checkout those of the checkout."""
    inside = PACKAGE / "baselines"
    return inside if inside.is_dir() else PACKAGE.parent / "baselines"


def runs(card: Card, folder: Path, asked: Options) -> list[Options]:
    """The options of each run of lm-eval that a system takes: one, or of a family one a checkpoint.

    The tasks of a group that the family has no checkpoint for are left out, with a line that says so.

    Args:
        card: the system.
        folder: where the card lies; its recipe is looked up below.
        asked: the options that the user gave.

    Raises:
        BenchmarkError: as `options`, or the family has no checkpoint for any of the tasks.
    """
    able = _family(card, folder)
    if not able or {"pretrained", "peft"} & asked.get("model_args", {}).keys() or not asked.get("tasks"):
        return [options(card, folder, asked)]
    by_checkpoint: dict[str, list[str]] = {}
    missing = []
    for task in expanded(asked["tasks"], asked.get("include_path")):
        source = trained_for(task)
        if source in able:
            by_checkpoint.setdefault(source, []).append(task)
        else:
            missing.append(task)
    if not by_checkpoint:
        raise BenchmarkError(
            f"{card.system} has no checkpoint for {', '.join(missing)}; it has them for {', '.join(able)}"
        )
    if missing:
        print(f"Not run: {card.system} has no checkpoint for {', '.join(missing)}.", file=sys.stderr)
    return [
        options(card, folder, asked | {"tasks": tasks}, source) for source, tasks in by_checkpoint.items()
    ]


def trained_for(task: str) -> str:
    """The task whose training data are for this one: its own, or those of the corpus that stands in."""
    return (corpora.get(task).training_corpus or task) if task in corpora.names() else task


def member(card: Card, task: str) -> Card:
    """The card as it is of the checkpoint that answers a task: of a family, of that one alone."""
    source = trained_for(task)
    if source in card.checkpoints:
        run = dict(card.run)
        run["model_args"] = {**run.get("model_args", {}), "pretrained": card.checkpoints[source]}
        return replace(card, checkpoints={}, trained_on=(source,), run=run)
    return replace(card, trained_on=(source,)) if card.recipe and not card.trained_on else card


def _family(card: Card, folder: Path) -> tuple[str, ...]:
    """The tasks that a family has a checkpoint for; empty if the system is one checkpoint."""
    if card.checkpoints:
        return tuple(card.checkpoints)
    return family(folder / card.recipe) if card.recipe and not card.trained_on else ()


def expanded(tasks: Sequence[str], include_path: str | None) -> list[str]:
    """The tasks that names, patterns, groups and tags of lm-eval stand for, each once.

    Raises:
        BenchmarkError: a member of a group has options of its own there.
    """
    index = task_manager(tasks, include_paths(include_path)).task_index
    found: dict[str, None] = {}
    for pattern in tasks:
        for name in fnmatch.filter(index, pattern) or [pattern]:
            entry = index.get(name)
            parts = (entry.cfg or {}).get("task") if entry and entry.kind.name == "GROUP" else None
            for part in parts if isinstance(parts, list) else []:
                if not isinstance(part, str):  # each run names its tasks, and so would lose them
                    raise BenchmarkError(
                        f"{entry.yaml_path or name}: the group {name} sets options of its members ({part}); "
                        "a system with a checkpoint for each corpus cannot heed them: list plain names, and "
                        "give the options to the command"
                    )
            if entry and entry.kind.name == "TAG":
                parts = sorted(entry.tags)
            found |= dict.fromkeys(expanded(parts, include_path) if isinstance(parts, list) else [name])
    return list(found)


def options(card: Card, folder: Path, asked: Options, source: str | None = None) -> Options:
    """The options of a system's run: those of its card, and over them those that the user gave.

    Args:
        card: the system.
        folder: where the card lies; its recipe is looked up below.
        asked: the options that the user gave.
        source: of a family, the task whose checkpoint is run.

    Raises:
        BenchmarkError: the card has no `run`, its checkpoint is not there, no task is named, or the user
            gave a configuration file.
    """
    if not card.run:
        raise BenchmarkError(
            f"{card.system} cannot be run: its card has no `run`, it only carries figures that others report"
        )
    if "config" in asked:
        raise BenchmarkError("--system and --config both say how to run; give one of them")
    if not asked.get("tasks"):
        raise BenchmarkError(
            f"no task is named; for example: bioner-bench run --system {card.system} --tasks bioner_ncbi"
        )
    merged: Options = dict(card.run) | asked
    for name in ("model_args", "gen_kwargs", "metadata"):
        merged[name] = dict(card.run.get(name, {})) | asked.get(name, {})
    if card.kind == "llm" and int(merged.get("num_fewshot") or 0):
        # The same for all sentences, so that caches of prompts serve them all.
        merged["metadata"] = {"demonstrations": "fixed"} | merged["metadata"]
    # lm-eval itself has no way to switch a template off, so `false` is that here.
    if str(merged.get("apply_chat_template") or "false").lower() == "false":
        merged.pop("apply_chat_template", None)
    model_args = merged["model_args"]
    if source is not None and source in card.checkpoints:
        model_args["pretrained"] = card.checkpoints[source]
    elif card.recipe:
        trained, asked_for = _trained(card, folder / card.recipe, model_args, source)
        merged["model_args"] = model_args = trained | model_args
        merged["metadata"] = asked_for | merged["metadata"]
    return {name: value for name, value in merged.items() if value != {}}


def checkpoint_folder(recipe: Recipe) -> Path:
    """Where `bioner-bench train` writes a recipe's checkpoint, if nothing else is said."""
    return CHECKPOINTS / f"{recipe.name}-seed-{recipe.seed}"


def _trained(card: Card, recipe: Path, given: Options, source: str | None) -> tuple[Options, Options]:
    """The model arguments that load what the recipe trained, adapters with their base model, or weights; and
    the metadata of a task that asks as the recipe did.

    `given` are the model arguments that are known: where they name weights, only how these read and are asked
    is the recipe's; `source` is the task of a family's checkpoint. A card that names one is that checkpoint,
    on whatever task it is run.
    """
    named_weights = "pretrained" in given
    if tasks := family(recipe):
        source = source or (card.trained_on[0] if card.trained_on else None)
        if named_weights:  # all of a family read and are asked alike
            source = source or tasks[0]
    read = read_recipe(recipe, task=source)
    windows = {"max_length": read.max_length} if isinstance(read, EncoderRecipe) and read.max_length else {}
    asked: Options = {}
    if isinstance(read, LlmRecipe):
        asked |= {} if read.format == prompt.JSON else {"format": read.format}
        asked |= {"context": read.context} if read.context else {}
    if named_weights:
        return windows, asked
    folder = Path(given.get("peft") or checkpoint_folder(read))
    named = "peft" if isinstance(read, LlmRecipe) and read.method == "lora" else "pretrained"
    if not (folder / "training.json").is_file():
        raise BenchmarkError(
            f"{card.system} is to be trained first, there is no checkpoint in {folder}; "
            f"run: bioner-bench train {recipe}{f' --task {source}' if source else ''} "
            f"(or name another one: --model_args {named}=...)"
        )
    if named == "pretrained":
        return {"pretrained": str(folder)} | windows, asked
    pretrained, _, revision = base_and_adapter(read.model)
    base = {"pretrained": pretrained, "peft": str(folder), "tokenizer": str(folder)}
    revision = read.revision or revision
    return base | ({"revision": revision} if revision else {}), asked
