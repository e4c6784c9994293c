"""Where lm-eval finds this project's tasks beside its own folder, which the tasks are installed in.

In a checkout they are read from `tasks/`, so that a new one is there at once and an old copy is not. The task
of a corpus of a user's lies in `tasks/` of the folder that `$BIONER_BENCH_CORPORA` names.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioner_bench.corpora.registry import CORPORA_VARIABLE

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

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


def task_manager(names: Sequence[str], include_path: str | Sequence[str] | None, **given: Any) -> TaskManager:
    """lm-eval's index of tasks: of these folders alone if they have all the names, else of its own too.

    It reads some 13,000 files for its own tasks, for six seconds.

    Args:
        names: of tasks, groups and tags; one with a wildcard may stand for tasks of lm-eval.
        include_path: the folders beside those that are installed.
        given: further arguments of `TaskManager`.
    """
    import lm_eval.tasks

    further = [include_path] if isinstance(include_path, str) else [*(include_path or ())]
    installed = Path(lm_eval.tasks.__file__).parent / "bioner"
    manager = lm_eval.tasks.TaskManager(
        include_path=[str(installed), *further], include_defaults=False, **given
    )
    needed = set(names)
    for entry in manager.task_index.values():  # a user's group may have members of lm-eval's
        parts = (entry.cfg or {}).get("task")
        if isinstance(parts, list):
            needed |= {part if isinstance(part, str) else str(part.get("task")) for part in parts}
    if names and needed <= set(manager.all_tasks):
        return manager
    return lm_eval.tasks.TaskManager(include_path=include_path, **given)


@contextmanager
def only_what_is_needed(names: Sequence[str]) -> Iterator[None]:
    """Inside, lm-eval's command line makes its index with `task_manager`."""
    from unittest.mock import patch

    import lm_eval.tasks

    plain = lm_eval.tasks.TaskManager

    def manager(include_path: Any = None, **given: Any) -> TaskManager:
        lm_eval.tasks.TaskManager = plain
        return task_manager(names, include_path, **given)

    with patch.object(lm_eval.tasks, "TaskManager", manager):
        yield


def _unexpected(record: logging.LogRecord) -> bool:
    if not isinstance(record.args, tuple) or len(record.args) != 3:
        return True
    name, new, _ = map(str, record.args)
    if new == "None":  # a tag, which has no file
        return not name.startswith("bioner_")
    return not Path(new).is_relative_to(PACKAGE.parent / "tasks")
