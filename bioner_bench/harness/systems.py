"""A system's card and the user's options -> what `lm_eval run` is called with.

The card's `run` gives the options that the user leaves out. Of `model_args`, `gen_kwargs` and `metadata`
each key counts by itself, so one of them can be changed and the others kept.
"""

from __future__ import annotations

import difflib
import fnmatch
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bioner_bench import corpora
from bioner_bench.evaluation import prompt
from bioner_bench.harness.cards import Card
from bioner_bench.harness.masking import hide, masked, secrets_in
from bioner_bench.harness.task_folders import PACKAGE, include_paths, task_manager
from bioner_bench.models.packaged import MODELS, base_and_adapter, ends_of_turn, resolve
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.recipes import EncoderRecipe, LlmRecipe, Recipe, family, read_recipe

CARDS = Path("baselines")
"""The folder of cards, in the current one."""

CHECKPOINTS = Path("checkpoints")
"""Where `bioner-bench train` writes, in the current folder."""

OWN_MODELS = {
    "bioner-oracle": "reference",
    "bioner-empty": "reference",
    "bioner-garbage": "reference",
    "dictionary": "dictionary",
    "encoder": "encoder",
    "hf-prefix": "llm",
}
"""Models of `lm_models`, which the stock `lm_eval` does not know, and the kinds of systems that they are."""

Options = dict[str, Any]
"""Options of `lm_eval run` by their long names, in the form that its parser gives them."""


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


def runs(card: Card, folder: Path, given: Sequence[str]) -> list[Options]:
    """The options of each run of lm-eval that a system takes: one, or of a family one a checkpoint.

    The tasks of a group that the family has no checkpoint for are left out, with a line that says so.

    Args:
        card: the system.
        folder: where the card lies; its recipe is looked up below.
        given: the user's part of the command line, in any spelling that lm-eval takes.

    Raises:
        BenchmarkError: as `options`, or the family has no checkpoint for any of the tasks.
    """
    able = _family(card, folder)
    asked = given_options(given)
    if not able or {"pretrained", "peft"} & asked.get("model_args", {}).keys() or not asked.get("tasks"):
        return [options(card, folder, given)]
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
    return [options(card, folder, given, tasks, source) for source, tasks in by_checkpoint.items()]


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


def options(
    card: Card, folder: Path, given: Sequence[str], tasks: Sequence[str] = (), source: str | None = None
) -> Options:
    """The options of a system's run: those of its card, and over them those that the user gave.

    Args:
        card: the system.
        folder: where the card lies; its recipe is looked up below.
        given: the user's part of the command line, in any spelling that lm-eval takes.
        tasks: in place of the tasks that the user named.
        source: of a family, the task whose checkpoint is run.

    Raises:
        BenchmarkError: the card has no `run`, its checkpoint is not there, no task is named, or the user
            gave a configuration file.
    """
    if not card.run:
        raise BenchmarkError(
            f"{card.system} cannot be run: its card has no `run`, it only carries figures that others report"
        )
    asked = given_options(given)
    if "config" in asked:
        raise BenchmarkError("--system and --config both say how to run; give one of them")
    if not asked.get("tasks"):
        raise BenchmarkError(
            f"no task is named; for example: bioner-bench run --system {card.system} --tasks bioner_ncbi"
        )
    if tasks:
        asked["tasks"] = list(tasks)
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
    if isinstance(adapter := model_args.get("peft"), str):
        merged["gen_kwargs"] = _generation_of(Path(adapter)) | merged["gen_kwargs"]
    if "pretrained" in model_args:
        model_args["pretrained"] = resolve(str(model_args["pretrained"]))
    return {name: value for name, value in merged.items() if value != {}}


def _generation_of(adapter: Path) -> dict[str, Any]:
    """How a tuned checkpoint ends its answers; lm-eval takes the base model's settings, and would go on."""
    ends = ends_of_turn(adapter)
    return {"eos_token_id": ends, "repetition_penalty": 1.0} if ends else {}


def arguments(chosen: Mapping[str, Any]) -> list[str]:
    """The options as arguments, which lm-eval's parser turns into the same options."""
    spelled = {action.dest: action.option_strings[0] for action in _parser()._actions}
    made: list[str] = []
    for name, value in chosen.items():
        if value is True:
            made.append(spelled[name])
            continue
        text = _text(name, value)
        made += [f"{spelled[name]}={text}"] if text.startswith("-") else [spelled[name], text]
    return made


def command(chosen: Mapping[str, Any]) -> str:
    """The command line that does the same, to be shown and copied; secrets are masked."""
    shown = {
        name: masked(name, value) if isinstance(value, dict) else value for name, value in chosen.items()
    }
    program = "bioner-bench" if chosen["model"] in OWN_MODELS else "lm_eval"
    return shlex.join([program, "run", *arguments(shown)])


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


def given_options(given: Sequence[str]) -> Options:
    """What the user set, by lm-eval's own parser; it ends the program on what it does not know."""
    parser = _parser()
    defaults = vars(parser.parse_args([]))
    try:
        found = vars(parser.parse_args(list(given)))
    except ValueError as error:  # JSON that is none
        raise BenchmarkError(str(error)) from error
    return {name: value for name, value in found.items() if name not in defaults or value != defaults[name]}


def _parser() -> Any:
    from lm_eval._cli import HarnessCLI

    return HarnessCLI()._subparsers.choices["run"]


def _text(name: str, value: Any) -> str:
    """An option's value as it is written on the command line."""
    if name == "cache_requests" and isinstance(value, dict):
        from lm_eval._cli.utils import request_caching_arg_to_dict

        words = ("true", "refresh", "delete")
        return next(word for word in words if request_caching_arg_to_dict(word) == value)
    if name == "samples" and isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, dict):
        plain = ",".join(f"{key}={item}" for key, item in value.items())
        return plain if _reads_back(plain, value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _reads_back(plain: str, value: Mapping[str, Any]) -> bool:
    """Whether lm-eval reads `key=value,...` as these values; else they must be written as JSON."""
    from lm_eval._cli.utils import key_val_to_dict

    if "{" in plain:  # it would be taken for JSON
        return False
    try:
        return repr(key_val_to_dict(plain)) == repr(dict(value))
    except ValueError:
        return False


def with_config(given: list[str]) -> list[str]:
    """The options of `lm_eval run` with those of a configuration file, `--config`, spelled out below them.

    So what is done with options is done with a file's as well. A file that has whole tasks in place of their
    names stays as it is, since a command line has no room for them.

    Raises:
        BenchmarkError: the file cannot be read, or has an option that lm-eval does not know.
    """
    options = given_options(given)
    if "config" not in options:
        return given
    from lm_eval.config.evaluate_config import EvaluatorConfig

    path = options.pop("config")
    try:
        content = EvaluatorConfig.load_yaml_config(path)
    except (OSError, ValueError, TypeError) as error:
        raise BenchmarkError(f"--config: {' '.join(str(error).split())}") from error
    hide(secrets_in(Path(path).read_text("utf-8", "replace")))
    takes_a_value = {action.dest: action.nargs != 0 for action in _parser()._actions}
    if unknown := content.keys() - takes_a_value.keys():
        raise BenchmarkError(f"{path}: lm-eval has no option {', '.join(sorted(map(str, unknown)))}")
    tasks = content.get("tasks") if "tasks" not in options else None
    if isinstance(tasks, list) and not all(isinstance(task, str) for task in tasks):
        return given
    return arguments(
        {
            name: value
            for name, value in (content | options).items()
            if value not in (None, {}) and (value is not False or takes_a_value[name])
        }
    )


def with_weights_to_load(given: list[str]) -> list[str]:
    """The options of `lm_eval run` with what it loads in place of other names of weights.

    A packaged model is its folder, and a LoRA checkpoint that is named as `pretrained` its base model with
    the adapter, as transformers takes it. Adapters end their answers as they learned to.
    """
    options = given_options(given)
    of_model, generation = options.get("model_args") or {}, options.get("gen_kwargs") or {}
    named = of_model.get("pretrained")
    if not isinstance(named, str) or "config" in options:
        return given
    found = {"pretrained": named}
    ends: Options = {}
    if options.get("model", "hf") in ("hf", "hf-prefix"):
        if isinstance(adapter := of_model.get("peft"), str):
            ends = _generation_of(Path(adapter))
        elif adapter is None:
            found["pretrained"], folder, revision = base_and_adapter(named)
            if folder is not None:
                found["peft"] = str(folder)
                if revision and "revision" not in of_model:
                    found["revision"] = revision
                if "tokenizer" not in of_model and (folder / "tokenizer_config.json").is_file():
                    found["tokenizer"] = str(folder)
                ends = _generation_of(folder)
    if found["pretrained"] in MODELS:
        found["pretrained"] = resolve(found["pretrained"])
    generation = ends | generation
    if found == {"pretrained": named} and not ends:
        return given
    more = {"gen_kwargs": generation} if generation else {}
    return arguments(options | {"model_args": of_model | found} | more)


def without_penalty(given: list[str]) -> list[str]:
    """The options of `lm_eval run` with greedy answers as they are meant: always the likeliest token.

    transformers heeds the `repetition_penalty` of a model's generation config in greedy answers as well. It
    would make a mention that occurs twice less likely to be copied twice.
    """
    options = given_options(given)
    of_model, generation = options.get("model_args") or {}, options.get("gen_kwargs") or {}
    if "config" in options or options.get("model", "hf") not in ("hf", "hf-prefix"):
        return given
    if "repetition_penalty" in generation or generation.get("do_sample") or "pretrained" not in of_model:
        return given
    from transformers import GenerationConfig

    try:
        found = GenerationConfig.from_pretrained(
            of_model["pretrained"], revision=of_model.get("revision", "main")
        )
    except OSError:  # it has none, or lm-eval will say that there is no such model
        return given
    if found.repetition_penalty in (None, 1.0):
        return given
    print(
        f"{of_model['pretrained']} asks for a repetition penalty of {found.repetition_penalty}; answers are "
        "greedy without it (--gen_kwargs repetition_penalty=1.0), unless you set one",
        file=sys.stderr,
    )
    return arguments(options | {"gen_kwargs": generation | {"repetition_penalty": 1.0}})
