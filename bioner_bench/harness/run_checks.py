"""Options of a run that are no good, found before a model is loaded or a server asked."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bioner_bench.harness import systems
from bioner_bench.harness.run_options import OF_A_TASK
from bioner_bench.schema import BenchmarkError

LOADING = ("hf", "hf-prefix", "encoder", "vllm")
"""Models whose weights are folders of this machine; a path that a server is told is one of the server's."""


def check(asked: Mapping[str, Any]) -> None:
    """Look through the options that a user gave to `lm_eval run`, by their long names.

    Raises:
        BenchmarkError: one has a value that cannot be meant.
    """
    if (limit := asked.get("limit")) is not None and limit <= 0:
        raise BenchmarkError(
            f"--limit is {limit:g}; give a number of sentences, a share below 1, or leave it out"
        )
    if (shots := asked.get("num_fewshot")) is not None and shots < 0:
        raise BenchmarkError(f"--num_fewshot is {shots}; give a number of demonstrations, or 0 for none")
    if (asked.get("log_samples") or asked.get("predict_only")) and not asked.get("output_path"):
        raise BenchmarkError("answers are to be kept, but nowhere; say where: --output_path FOLDER")
    if asked.get("model", "hf") in LOADING:
        _weights(asked.get("model_args") or {})
    if asked.get("samples"):
        _samples(asked["samples"], asked)
    _metadata(asked.get("metadata") or {}, shots or 0)


def _weights(model_args: Mapping[str, Any]) -> None:
    for name in ("pretrained", "peft"):
        path = str(model_args.get(name) or "")
        if path.startswith(("/", ".", "~")) and not Path(path).exists():
            home = "; ~ is not your home folder there, write the path in full" if path[0] == "~" else ""
            raise BenchmarkError(f"there is no folder {path}, which {name}= names{home or '; correct it'}")


def _metadata(given: Mapping[str, Any], shots: int) -> None:
    """Unknown keys are no error: they may be for a task that is not of this project."""
    for key in given:
        near = difflib.get_close_matches(key.lower(), OF_A_TASK, 1, 0.8)
        if near and key not in OF_A_TASK:
            print(f"warning: --metadata: nothing heeds {key!r}; did you mean {near[0]!r}?", file=sys.stderr)
    if "demonstrations" in given and not shots:
        print(
            "warning: --metadata says which demonstrations to show, but none are; add --num_fewshot NUMBER",
            file=sys.stderr,
        )


def _samples(given: Any, asked: Mapping[str, Any]) -> None:
    """lm-eval evaluates a task in full where `--samples` does not name it, which may cost money."""
    if isinstance(given, str):
        try:
            given = json.loads(Path(given).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BenchmarkError(
                f"--samples {given} is neither JSON nor a file of JSON: {type(error).__name__}"
            ) from error
    if not isinstance(given, dict):
        raise BenchmarkError('--samples takes task names and numbers: {"bioner_ncbi": [0, 1, 2]}')
    for task, numbers in given.items():
        # lm-eval takes an empty list for all, and leaves out a number below 0.
        whole = isinstance(numbers, list) and all(type(each) is int and each >= 0 for each in numbers)
        if not (whole and numbers):
            raise BenchmarkError(
                f"--samples: {task} has {json.dumps(numbers)}; give a list of whole numbers from 0"
            )
    tasks = asked.get("tasks") or []
    if any(Path(task).suffix or "/" in task for task in tasks):  # files, which name their tasks inside
        return
    try:
        named = systems.expanded(tasks, asked.get("include_path"))
    except BenchmarkError:  # a group with options of its members
        return
    if unknown := [task for task in given if task not in named]:
        raise BenchmarkError(
            f"--samples names {', '.join(unknown)}, but the tasks are {', '.join(named)}; "
            "a task that it does not name is evaluated in full"
        )
    if full := [task for task in named if task not in given]:
        print(f"warning: --samples does not name {', '.join(full)}: evaluated in full", file=sys.stderr)
