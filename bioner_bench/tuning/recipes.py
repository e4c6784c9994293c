"""Recipes: one YAML file a training run; what is trained, on which corpora, and how."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from bioner_bench.corpora.loading import needs_split
from bioner_bench.evaluation import prompt
from bioner_bench.models.hardware import PRECISIONS
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.strategies import MODEL_FREE, SCORES, STRATEGIES, UNSCORED, Choice
from bioner_bench.yaml_files import read_yaml

_TASKS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}
_SHARE = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
_POSITIVE = {"type": "number", "exclusiveMinimum": 0}
_COUNT = {"type": "integer", "minimum": 1}
_FROM_ZERO = {"type": "integer", "minimum": 0}


REPORTERS = ("tensorboard", "wandb", "trackio")
"""What a run's losses and scores can be sent to, as packages and for the Trainer."""

OPTIMIZERS = (
    *("adamw_torch_fused", "adamw_torch", "adamw_8bit", "paged_adamw_32bit", "paged_adamw_8bit", "adafactor"),
)
"""Names of the Trainer; those of 8 bits and the paged ones are bitsandbytes'."""


_COMMON: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1},
    "kind": {"enum": ["encoder", "llm"]},
    "model": {"type": "string", "minLength": 1},
    "revision": {"type": ["string", "null"]},
    "train": _TASKS,
    "each": _TASKS,
    "auxiliary": _TASKS | {"minItems": 0},
    "begin_from": {"type": ["string", "null"], "minLength": 1},
    "context": _FROM_ZERO,
    "validation": _TASKS | {"minItems": 0},
    "seed": _FROM_ZERO,
    "epochs": _POSITIVE,
    "batch_size": _COUNT,
    "accumulate": _COUNT,
    "learning_rate": _POSITIVE,
    "schedule": {"enum": ["linear", "cosine", "constant"]},
    "warmup": _SHARE,
    "weight_decay": {"type": "number", "minimum": 0},
    "max_length": {"type": ["integer", "null"], "minimum": 8},
    "precision": {"enum": list(PRECISIONS)},
    "patience": {"type": ["integer", "null"], "minimum": 1},
    "evaluation_batch_size": {"type": ["integer", "null"], "minimum": 1},
    "report_to": {"type": "array", "items": {"enum": list(REPORTERS)}, "uniqueItems": True},
}

_REQUIRED = ["kind", "model", "seed", "epochs", "learning_rate"]

ENCODER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": _COMMON
    | {
        "layer_decay": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1},
        "reinitialise_layers": _FROM_ZERO,
        "freeze_layers": _FROM_ZERO,
        "head": {"enum": ["linear", "crf", "bilstm-crf"]},
        "characters": {"enum": ["cnn", None]},
    },
    "required": _REQUIRED,
    "additionalProperties": False,
}

LLM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": _COMMON
    | {
        "epochs": _POSITIVE | {"type": ["number", "null"]},
        "select": {
            "type": "object",
            "properties": {
                "strategy": {"enum": list(STRATEGIES)},
                "score": {"enum": list(SCORES)},
                "ratio": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                "weak_model": {"type": ["string", "null"], "minLength": 1},
                "revision": {"type": ["string", "null"]},
                "dtype": {"enum": list(PRECISIONS)},
                "template": {"type": ["object", "null"]},
                "pooled": {"type": "boolean"},
                "seed": _FROM_ZERO,
                "limit": {"type": ["integer", "null"], "minimum": 1},
            },
            "required": ["strategy"],
            "additionalProperties": False,
        },
        "format": {"enum": list(prompt.VERSIONS)},
        "method": {"enum": ["lora", "full"]},
        "lora": {
            "type": "object",
            "properties": {
                "r": _COUNT,
                "alpha": _COUNT,
                "dropout": _SHARE,
                "targets": {"type": ["string", "array"]},
            },
            "additionalProperties": False,
        },
        "steps": {"type": ["integer", "null"], "minimum": 1},
        "evaluate_every": {"type": ["integer", "null"], "minimum": 1},
        "validation_sentences": {"type": ["integer", "null"], "minimum": 1},
        "gradient_checkpointing": {"type": "boolean"},
        "optimizer": {"enum": list(OPTIMIZERS)},
        "attn_implementation": {"type": ["string", "null"], "minLength": 1},
        "quantization": {"enum": ["4bit", None]},
        "fsdp": {"type": "boolean"},
        "template": {"type": "object"},
    },
    "required": [name for name in _REQUIRED if name != "epochs"],
    "additionalProperties": False,
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all recipes say.

    Attributes:
        name: the file's stem, unless the recipe says otherwise; of a family's checkpoint with its task's
            short name behind it.
        kind: `encoder` or `llm`.
        model: a name of `bioner-bench models prepare`, a folder, or a hub id.
        revision: of the hub id.
        train: tasks whose training splits are learned from.
        auxiliary: tasks whose training splits are learned from beside them, of whatever types; they choose
            no checkpoint, unless `validation` names them.
        begin_from: a checkpoint folder that `train` wrote from the same `model`, to learn on from. Of an
            encoder the body is taken over, and the head if it has the same labels and parts. Of a language
            model it is one with LoRA: its adapters learn on, or with `full` they are merged into the weights
            first. In it `{task}` and `{seed}` stand for a family's task (its short name) and the seed.
        context: how many sentences before and after each one are read with it, from its document.
        validation: tasks whose development splits choose the best checkpoint; those of `train` if left
            out, and with an empty list the last one is kept.
        seed: of new weights, the order of sentences and dropout.
        epochs: passes over the training sentences, at most; of a language model null where `steps` are given.
        batch_size: sentences of one step on one device.
        accumulate: steps whose gradients are summed before the weights change.
        learning_rate: at the top of the schedule.
        schedule: how the rate falls after warming up.
        warmup: share of all steps in which the rate rises.
        weight_decay: of all weights but biases and normalisations.
        max_length: in subwords. An encoder reads longer sentences in windows (null: 512; never more than
            it has positions). For a language model a longer row is an error, since no target is ever
            cut (null: as many as it has positions).
        precision: of the forward pass; weights that are trained are float32.
        patience: scorings on the development split without a better one before training stops; null: none.
        evaluation_batch_size: sentences that are read at once for a score; null: as many as their tokens
            allow, or for an encoder `batch_size`.
        report_to: where losses and scores go besides the checkpoint's folder, of `REPORTERS`.
    """

    name: str
    kind: str
    model: str
    revision: str | None = None
    train: tuple[str, ...]
    auxiliary: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    begin_from: str | None = None
    context: int = 0
    seed: int
    epochs: float | None
    batch_size: int
    accumulate: int = 1
    learning_rate: float
    schedule: str
    warmup: float
    weight_decay: float
    max_length: int | None = None
    precision: str = "auto"
    patience: int | None = None
    evaluation_batch_size: int | None = None
    report_to: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe(Recipe):
    """Fine-tuning of a token classifier.

    Corpora may have different entity types: the loss on a sentence, and the answer to one, then know only
    the tags of those that its corpus annotates.

    Attributes:
        layer_decay: factor on the learning rate from each layer to the one below it; null: one rate.
        reinitialise_layers: the top layers that start from fresh weights.
        freeze_layers: the lowest layers that do not change, and with the first of them the embeddings.
        head: `linear` tags each word by itself, `crf` all words of a sentence together, `bilstm-crf` puts a
            bidirectional LSTM between the body and that.
        characters: `cnn` adds a vector of its word's characters to each subword.

    The first three stabilise fine-tuning on small data (Tinn et al. 2023, doi 10.1016/j.patter.2023.100729).
    """

    kind: str = "encoder"
    batch_size: int = 32
    schedule: str = "linear"
    warmup: float = 0.0
    weight_decay: float = 0.01
    layer_decay: float | None = None
    reinitialise_layers: int = 0
    freeze_layers: int = 0
    head: str = "linear"
    characters: str | None = None


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters: rank, scale alpha / r, dropout, and the layers they are put on (of peft)."""

    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: str | tuple[str, ...] = "all-linear"


@dataclass(frozen=True, kw_only=True)
class LlmRecipe(Recipe):
    """Supervised fine-tuning of a causal language model on prompts and their targets.

    Attributes:
        select: the rows to learn from; all if left out.
        format: of the answers, `json` or `tags`.
        method: `lora` or `full`; with LoRA on a GPU the base model's weights are of `precision` as well. A
            `model` that is a LoRA checkpoint is one to begin from.
        lora: the adapters.
        steps: optimiser steps, in place of `epochs`; one of the two is needed, and `steps` counts where both
            are there.
        evaluate_every: optimiser steps between two scorings and checkpoints; null: an epoch.
        validation_sentences: how many sentences are answered for a score, drawn by `seed`; null: all.
        gradient_checkpointing: less memory for more time.
        optimizer: of `OPTIMIZERS`.
        attn_implementation: as `from_pretrained` takes it, such as `flash_attention_2`; null: what it picks,
            and `eager` on a processor.
        quantization: `4bit` holds the base model's weights in 4 bits (NF4, QLoRA); with LoRA only.
        fsdp: spread weights, gradients and moments over the processes that `accelerate launch` starts
            (FSDP2); with `full` only.
        template: variables of the chat template, such as `enable_thinking: false`.
    """

    kind: str = "llm"
    batch_size: int = 16
    schedule: str = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    select: Choice = field(default_factory=lambda: Choice(strategy="full"))
    format: str = prompt.JSON
    method: str = "lora"
    lora: Lora = field(default_factory=Lora)
    steps: int | None = None
    evaluate_every: int | None = None
    validation_sentences: int | None = 200
    gradient_checkpointing: bool = False
    optimizer: str = "adamw_torch_fused"
    attn_implementation: str | None = None
    quantization: str | None = None
    fsdp: bool = False
    template: Mapping[str, Any] = field(default_factory=dict)


def read_recipe(path: Path, seed: int | None = None, task: str | None = None) -> EncoderRecipe | LlmRecipe:
    """Read and check a recipe; `seed` takes the place of its own. A record has the recipe of its model.

    A recipe with `each` in place of `train` is a family: one checkpoint for each of these tasks, each of its
    own training data alone. It is read as the recipe of one of them, `task`.

    Raises:
        BenchmarkError: the file is missing, not YAML, not a recipe, or names a corpus that is not to be
            trained on; or it is a family and `task` is none of its tasks.
    """
    content = _content(path)
    if each := content.pop("each", None):
        if task is None or task not in each:
            asked = f"it has none of {task}" if task else "name one of them"
            raise BenchmarkError(f"{path} is a recipe for each of {', '.join(each)}; {asked}")
        # Each checkpoint has a name of its own, for its folder is called by it.
        content |= {"name": f"{content.get('name', path.stem)}-{short_name(task)}", "train": [task]}
    elif task is not None and task not in content["train"]:
        raise BenchmarkError(f"{path} trains on {', '.join(content['train'])}, not on {task}")
    content = {"name": path.stem} | content
    content["validation"] = content.get("validation", content["train"])
    for name in ("train", "validation", "auxiliary", "report_to"):
        content[name] = tuple(content.get(name, ()))
    content["seed"] = content["seed"] if seed is None else seed
    if begin := content.get("begin_from"):
        of = {"{task}": short_name(content["train"][0]), "{seed}": str(content["seed"])}
        content["begin_from"] = reduce(lambda text, name: text.replace(name, of[name]), of, begin)
    recipe: EncoderRecipe | LlmRecipe
    if content["kind"] == "llm":
        choice = content.get("select", {"strategy": "full"})
        if "weak_model" in choice and content.get("template"):  # rows are scored as they are asked
            choice = {"template": content["template"]} | choice
        content["select"] = Choice(**choice)
        content["lora"] = Lora(**content.get("lora", {}))
        content["epochs"] = content.get("epochs")
        recipe = LlmRecipe(**content)
        scored = recipe.select.strategy not in UNSCORED and recipe.select.score not in MODEL_FREE
        if scored and recipe.select.weak_model is None:
            raise BenchmarkError(f"{path}: select.weak_model is needed for {recipe.select.strategy}")
        if recipe.quantization and recipe.method != "lora":
            raise BenchmarkError(
                f"{path}: quantization is for LoRA; weights of {recipe.quantization} do not learn"
            )
        if recipe.fsdp and recipe.method != "full":
            raise BenchmarkError(
                f"{path}: fsdp spreads weights that all learn; write method: full, or leave it out, for "
                "adapters learn on several processes without it"
            )
    else:
        recipe = EncoderRecipe(**content)
    for name in (*recipe.train, *recipe.auxiliary):
        needs_split(name, "train", path)
    for name in recipe.validation:
        needs_split(name, "validation", path)
    return recipe


def family(path: Path) -> tuple[str, ...]:
    """The tasks that a recipe makes a checkpoint of each for; empty if it makes one of all.

    Raises:
        BenchmarkError: as `read_recipe`.
    """
    return tuple(_content(path).get("each", ()))


def short_name(task: str) -> str:
    """What a task is called in names of recipes and folders: `bc5cdr-chem`."""
    return task.removeprefix("bioner_").replace("_", "-")


_NO_CHOICE_TODAY = (("overlap", 64),)
"""What recipes of earlier records say, and what is always so today: the subwords that windows share."""


def _of_record(path: Path) -> Any:
    """The recipe that a record of the leaderboard keeps."""
    try:
        kept = dict(json.loads(path.read_text(encoding="utf-8"))["training"]["recipe"])
        return {name: value for name, value in kept.items() if (name, value) not in _NO_CHOICE_TODAY}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is no record of a model that was trained by a recipe") from error


def _content(path: Path) -> dict[str, Any]:
    """A recipe as YAML, or a record, has it, checked by its schema."""
    import jsonschema

    try:
        content: dict[str, Any] = _numbers(
            _of_record(path) if path.suffix == ".json" else read_yaml(path, "the recipe")
        )
        language_model = content.get("kind") == "llm"
        jsonschema.validate(content, LLM_SCHEMA if language_model else ENCODER_SCHEMA)
    except jsonschema.ValidationError as error:
        allowed = ""
        if error.validator == "additionalProperties" and isinstance(error.schema, Mapping):
            allowed = f"; there are: {', '.join(error.schema['properties'])}"
        raise BenchmarkError(f"{path}: {error.json_path}: {error.message}{allowed}") from error
    if language_model and content.get("epochs") is content.get("steps") is None:
        raise BenchmarkError(
            f"{path}: 'epochs' is a required property: passes over the rows; or `steps`, of the optimiser"
        )
    if not {"train", "each"} & content.keys():
        raise BenchmarkError(
            f"{path}: 'train' is a required property: the tasks of one checkpoint; or `each`, tasks with a "
            "checkpoint each"
        )
    if {"train", "each"} <= content.keys():
        raise BenchmarkError(f"{path}: `train` and `each` exclude one another; give one of them")
    return content


def _numbers(content: dict[str, Any]) -> dict[str, Any]:
    """YAML 1.1 takes 5e-5 for a string, since it has no point."""
    numbers = ("learning_rate", "weight_decay", "epochs", "warmup", "layer_decay")
    return {
        name: float(value)
        if name in numbers and isinstance(value, str) and re.fullmatch(r"\d+e[-+]?\d+", value, re.IGNORECASE)
        else value
        for name, value in content.items()
    }


def as_yaml(recipe: Recipe) -> str:
    """The recipe as the text of a file that `read_recipe` reads."""
    plain = json.loads(json.dumps(asdict(recipe)))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
