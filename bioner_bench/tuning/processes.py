"""The processes that `accelerate launch` started, and whose turn it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bioner_bench.writing import only_writer


def together() -> Any:
    """accelerate's state of the processes that were started, or of the only one."""
    import torch
    from accelerate import PartialState

    # Without a GPU they know each other only if they are told that they use none.
    return PartialState(cpu=not torch.cuda.is_available())


def share() -> tuple[int, int]:
    """The number of this process and how many there are; needs no torch where there is one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    state = together()
    return int(state.process_index), int(state.num_processes)


def meet() -> None:
    """Wait for the other processes, if there are any."""
    if share()[1] > 1:
        together().wait_for_everyone()


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a folder against other runs, which wait; of the processes of one run the first does."""
    if share()[0] > 0:
        meet()
        yield
        return
    with only_writer(folder):
        meet()
        yield
