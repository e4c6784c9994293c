"""The folder that training writes: how a run begins, goes on after a kill, and ends."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import ExportableState

from bioner_bench import __version__
from bioner_bench.evaluation import prompt
from bioner_bench.models import hardware
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import rows, spreading
from bioner_bench.tuning.model_card import CURVE, card, curve
from bioner_bench.tuning.recipes import LlmRecipe, Recipe, as_yaml, read_recipe
from bioner_bench.writing import write_text

RECIPE = "recipe.yaml"
SUMMARY = "training.json"
"""Written last: a folder that has it is a finished checkpoint."""


_SCHEDULES = {"constant": "constant_with_warmup"}
"""What the Trainer calls a schedule by another name; its own `constant` drops the warm-up."""

_UNFINISHED = "unfinished"
"""Where the Trainer's checkpoints are until the run has ended."""


def begin(out: Path, recipe: Recipe) -> bool:
    """Make the folder of a run, or find the same run in it; True if it has ended already.

    A recipe that failed before its first checkpoint can be mended and started again in its folder.

    Raises:
        BenchmarkError: the folder holds something else.
    """
    if not (out / RECIPE).is_file():
        if out.exists() and any(out.iterdir()):
            raise BenchmarkError(f"{out} is not empty and holds no run; name another folder")
    elif _read(out / RECIPE) == recipe:
        return _ended(out, recipe)
    elif (out / SUMMARY).is_file() or last(out):
        raise BenchmarkError(f"{out} holds a run of another recipe or seed; name another folder")
    write_text(out / RECIPE, as_yaml(recipe))
    return False


def _read(path: Path) -> Recipe | None:
    """A recipe that a run left, unless another version wrote it in a form that is none today."""
    try:
        return read_recipe(path)
    except BenchmarkError:
        return None


def _ended(out: Path, recipe: Recipe) -> bool:
    """Whether the run has ended; one that learned from other prompts is refused."""
    if not (out / SUMMARY).is_file():
        return False
    learned = json.loads((out / SUMMARY).read_text(encoding="utf-8"))["prompt"]
    if isinstance(recipe, LlmRecipe) and learned != _prompts(recipe):
        raise BenchmarkError(
            f"{out} was trained with another prompt than this version has; name another folder"
        )
    return True


def _prompts(recipe: Recipe) -> dict[str, str]:
    form = recipe.format if isinstance(recipe, LlmRecipe) else prompt.JSON
    return rows.prompt_hashes((*recipe.train, *recipe.auxiliary), form, recipe.context)


def last(out: Path) -> str | None:
    """The newest checkpoint that a killed run has written to its end."""
    steps = {}
    for path in (out / _UNFINISHED).glob("checkpoint-*"):
        try:  # the last file that the Trainer writes
            steps[json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))["global_step"]] = path
        except (OSError, ValueError, KeyError):
            continue
    return str(steps[max(steps)]) if steps else None


def arguments(recipe: Recipe, out: Path, best: str | None) -> TrainingArguments:
    """The Trainer's arguments; `best` names the development score that chooses the checkpoint, if any."""
    steps = recipe.evaluate_every if isinstance(recipe, LlmRecipe) else None
    every = "steps" if steps else "epoch"
    options: dict[str, Any] = {}
    if isinstance(recipe, LlmRecipe) and recipe.gradient_checkpointing:
        options["gradient_checkpointing"] = True  # transformers warns of the name wherever it is given
    if isinstance(recipe, LlmRecipe):
        options["optim"] = recipe.optimizer
    if isinstance(recipe, LlmRecipe) and recipe.fsdp:
        options |= spreading.ARGUMENTS
    for package in recipe.report_to:
        if importlib.util.find_spec(package) is None:
            raise BenchmarkError(f"report_to: {package} is not installed; run: pip install {package}")
    if "tensorboard" in recipe.report_to:  # by default they would go with the unfinished checkpoints
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(out / "tensorboard"))
    made = TrainingArguments(
        output_dir=str((out / _UNFINISHED).absolute()),
        seed=recipe.seed,
        data_seed=recipe.seed,
        num_train_epochs=recipe.epochs or 1,  # not heeded where there are steps
        max_steps=(recipe.steps if isinstance(recipe, LlmRecipe) else None) or -1,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=recipe.evaluation_batch_size or recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulate,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=_SCHEDULES.get(recipe.schedule, recipe.schedule),
        warmup_steps=recipe.warmup,  # a share, where below 1
        weight_decay=recipe.weight_decay,
        bf16=hardware.dtype(recipe.precision) is torch.bfloat16,
        eval_strategy=every if best else "no",
        eval_steps=steps,
        save_strategy=every,
        save_steps=steps or 500,
        save_total_limit=1,  # besides the best
        load_best_model_at_end=best is not None,
        restore_callback_states_from_checkpoint=True,  # how long a killed run had been patient
        metric_for_best_model=best,
        greater_is_better=True if best else None,
        logging_steps=0.02,  # a share of all steps
        report_to=list(recipe.report_to) or "none",
        run_name=recipe.name,
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        **options,
    )
    # One process uses one GPU: the Trainer would split each batch over all, and so change its size.
    if made.device.type == "cuda":
        made._n_gpu = 1
    return made


class Legs(TrainerCallback, ExportableState):  # type: ignore[misc]
    """What a run that goes on after a kill must know of its earlier legs; kept in its checkpoints.

    Attributes:
        before: seconds of the earlier legs, up to the checkpoint.
        rows: of an optimiser step, over all processes.
        learned: a hash of all rows, as tokens in their order.
    """

    def __init__(self) -> None:
        self.before, self.rows, self.learned = 0.0, 0, ""
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Of all legs until now."""
        return self.before + time.monotonic() - self.began

    def state(self) -> dict[str, Any]:
        """Called by the Trainer for a checkpoint."""
        kept = {"before": self.seconds, "rows": self.rows, "learned": self.learned}
        return {"args": {}, "attributes": kept}

    def on_train_begin(
        self, args: TrainingArguments, state: Any, control: Any, train_dataloader: Any = None, **_: Any
    ) -> None:
        """Called by the Trainer."""
        tokens = json.dumps([row["input_ids"] for row in train_dataloader.dataset])
        learned = hashlib.sha256(tokens.encode()).hexdigest()
        if self.learned not in ("", learned):
            raise BenchmarkError(
                f"{Path(args.output_dir).parent}: this run began with other rows or another prompt; "
                "name another folder"
            )
        self.learned = learned
        rows = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        if self.rows not in (0, rows):
            raise BenchmarkError(
                f"{Path(args.output_dir).parent}: this run began with {self.rows} rows a step, with "
                f"{args.world_size} processes it would go on with {rows}; start as many processes as before"
            )
        self.rows = rows


def callbacks(recipe: Recipe) -> list[TrainerCallback]:
    """What counts the legs of a run, and early stopping where the recipe asks for it."""
    patience = [EarlyStoppingCallback(recipe.patience)] if recipe.patience and recipe.validation else []
    return [Legs(), *patience]


def finish(
    out: Path,
    recipe: Recipe,
    trainer: Trainer,
    save: Callable[[Any], None],
    data: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write the best weights, the summary and the model card, and remove what only a resumption needs.

    Args:
        out: the folder of the run.
        recipe: what was run.
        trainer: at the end of its training.
        save: writes the model that it is given, and its tokenizer, into the folder.
        data: counts of what was learned from.
        more: further facts for the summary.
    """
    model = spreading.brought_together(trainer)
    if trainer.is_world_process_zero():
        save(model)
        summary = _summary(recipe, trainer, data) | dict(more or {})
        write_text(out / CURVE, curve(summary))
        write_text(out / "README.md", card(recipe, summary))
        write_text(out / SUMMARY, json.dumps(summary, ensure_ascii=False, indent=2) + "\n")
        shutil.rmtree(out / _UNFINISHED, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()


def _summary(recipe: Recipe, trainer: Trainer, data: Mapping[str, Any]) -> dict[str, Any]:
    state = trainer.state
    (legs,) = (item for item in trainer.callback_handler.callbacks if isinstance(item, Legs))
    curve = [
        {"epoch": entry["epoch"], "step": entry["step"], "strict_f1": entry["eval_strict_f1"]}
        for entry in state.log_history
        if "eval_strict_f1" in entry
    ]
    losses = [
        {"epoch": entry["epoch"], "step": entry["step"], "loss": entry["loss"]}
        for entry in state.log_history
        if "loss" in entry
    ]
    kept = next((entry for entry in curve if entry["step"] == state.best_global_step), None)
    return {
        "recipe": asdict(recipe),
        "adapter": isinstance(recipe, LlmRecipe) and recipe.method == "lora",
        "data": dict(data),
        "prompt": _prompts(recipe),
        "steps": state.global_step,
        "kept": kept,
        "development": curve,
        "training_loss": losses,
        "seconds": round(legs.seconds, 1),
        "precision": "bfloat16" if trainer.args.bf16 else "float32",
        "devices": trainer.args.world_size,
        "hardware": hardware.name(),
        "versions": {
            "bioner_bench": __version__,
            **{name: importlib.metadata.version(name) for name in ("torch", "transformers")},
        },
    }
