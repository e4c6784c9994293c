"""A batch whose rows begin alike -> logits of the rest, where the common beginning is read only once.

All prompts of a task open with the same instruction, most of a short sentence's tokens. Its keys and values
are computed for one row and repeated, in training with their gradients, which leaves every result what it
is without sharing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

PAD = 0
"""Fills rows up to one width; what it is does not matter, since nothing attends to it."""


def common_prefix(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with; every row keeps at least one of its own."""
    if len(rows) < 2:
        return 0
    shortest = min(len(row) for row in rows) - 1
    first, last = min(map(list, rows)), max(map(list, rows))  # in their order, all others lie between
    return next((i for i in range(shortest) if first[i] != last[i]), shortest)


def logits(model: Any, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> tuple[Tensor, int]:
    """The logits of each row from some place on.

    Args:
        model: a causal language model of transformers.
        rows: token ids.
        starts: the first place of each row whose logits are needed.

    Returns:
        rows x width x vocabulary, rows filled up on the right; and the place in the rows that the first
        column belongs to.
    """
    shared = min(common_prefix(rows), *starts)
    width = max(len(row) for row in rows) - shared
    device = model.device
    ids = torch.full((len(rows), width), PAD)
    mask = torch.zeros((len(rows), shared + width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row) - shared] = torch.tensor(row[shared:])
        mask[index, : len(row)] = 1
    cache = None
    if shared:
        beginning = torch.tensor([rows[0][:shared]], device=device)
        cache = DynamicCache(config=model.config)
        model(input_ids=beginning, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(len(rows))
    first = min(starts)
    output = model(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        position_ids=torch.arange(shared, shared + width, device=device).expand(len(rows), -1),
        past_key_values=cache,
        use_cache=cache is not None,
        logits_to_keep=shared + width - first,
    )
    return output.logits, first
