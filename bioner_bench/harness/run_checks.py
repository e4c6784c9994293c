"""Options of a run that are no good, found before a model is loaded or a server asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bioner_bench.harness import systems
from bioner_bench.schema import BenchmarkError


def check(asked: Mapping[str, Any]) -> None:
    """Look through the options that a user gave to `lm_eval run`, by their long names.

    Raises:
        BenchmarkError: one has a value that cannot be meant.
    """
    if asked.get("samples"):
        _samples(asked["samples"], asked)


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
