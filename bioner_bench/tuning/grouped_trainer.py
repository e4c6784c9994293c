"""transformers' Trainer, with the rows of an optimiser step of similar length: less padding, same chances.

The Trainer's own `group_by_length` goes from long rows to short ones again and again; here the steps come in
random order, so that neighbouring ones do not resemble each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback


class GroupedByLength(Sampler):  # type: ignore[misc]
    """Rows in a new order each epoch, such that those of one optimiser step are of similar length.

    The order depends on the seed, the epoch and the rows of a step alone, not on how processes share a step,
    nor on what was drawn before: so a run that goes on after a kill goes on with the same rows.
    """

    def __init__(self, lengths: Sequence[int], step: int, seed: int) -> None:
        self.lengths, self.step, self.seed, self.epoch = lengths, step, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        random = Random(f"{self.seed}:{self.epoch}")
        order = random.sample(range(len(self.lengths)), len(self.lengths))
        # Long stretches are sorted, not everything, so that steps differ from epoch to epoch.
        stretch = 50 * self.step
        steps = []
        for start in range(0, len(order), stretch):
            part = sorted(order[start : start + stretch], key=lambda index: -self.lengths[index])
            steps += [part[i : i + self.step] for i in range(0, len(part), self.step)]
        whole = [step for step in steps if len(step) == self.step]
        random.shuffle(whole)
        rest = [step for step in steps if len(step) < self.step]  # stays last: only it is smaller
        return iter([index for step in whole + rest for index in step])

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer."""
        self.epoch = epoch


class _EpochOfRows(TrainerCallback):  # type: ignore[misc]
    """Tells the sampler its epoch: the Trainer fails to where several processes go on after a kill."""

    def __init__(self, sampler: GroupedByLength) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.sampler.set_epoch(int(state.epoch or 0))


class GroupedTrainer(Trainer):  # type: ignore[misc]
    """Trains on rows, mappings with `input_ids`, in the order of `GroupedByLength`."""

    def _get_train_sampler(self, train_dataset: Any = None) -> GroupedByLength:
        step = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        lengths = [len(row["input_ids"]) for row in self.train_dataset]
        sampler = GroupedByLength(lengths, step, self.args.seed)
        self.add_callback(_EpochOfRows(sampler))
        return sampler
