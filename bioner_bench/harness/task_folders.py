"""Where lm-eval finds this project's tasks beside its own folder, which the tasks are installed in.

In a checkout they are read from `tasks/`, so that a new one is there at once and an old copy is not. The task
of a corpus of a user's lies in `tasks/` of the folder that `$BIONER_BENCH_CORPORA` names.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from bioner_bench.corpora.registry import CORPORA_VARIABLE

PACKAGE = Path(__file__).parents[1]


def task_folders() -> list[Path]:
    """The folders that are there, a user's last, so that it wins."""
    checkout = PACKAGE.parent
    found = [checkout / "tasks"] if (checkout / "pyproject.toml").is_file() else []
    further = os.environ.get(CORPORA_VARIABLE, "")
    found += [Path(folder) / "tasks" for folder in further.split(os.pathsep) if folder]
    return [folder for folder in found if folder.is_dir()]


def include_paths(given: str | None = None) -> list[str] | None:
    """For lm-eval's `include_path`: these folders, then the user's own; None if there is none."""
    # That a checkout's tasks take the place of their installed copies is nothing to warn of.
    logging.getLogger("lm_eval.tasks._index").addFilter(_unexpected)
    return [*map(str, task_folders()), *([given] if given else [])] or None


def _unexpected(record: logging.LogRecord) -> bool:
    if not isinstance(record.args, tuple) or len(record.args) != 3:
        return True
    name, new, _ = map(str, record.args)
    if new == "None":  # a tag, which has no file
        return not name.startswith("bioner_")
    return not Path(new).is_relative_to(PACKAGE.parent / "tasks")
