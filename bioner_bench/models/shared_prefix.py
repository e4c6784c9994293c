"""A batch whose rows begin alike -> logits or answers, where the common beginning is read only once.

All prompts of a task open with the same instruction, most of a short sentence's tokens. Its keys and values
are computed for one row and repeated, in training with their gradients, which leaves every result what it
is without sharing. A model that keeps a running state (Mamba) reads its rows in full.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import CacheLayerMixin, LinearAttentionCacheLayerMixin

from bioner_bench.schema import BenchmarkError

CACHE = "cache" if Version(transformers.__version__) >= Version("5.24") else "past_key_values"
"""What models call the argument of keys and values; one of a wrong name they would ignore without a word."""

PAD = 0
"""Fills rows up to one width; what it is does not matter, since nothing attends to it."""


def common_prefix(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with; every row keeps at least one of its own."""
    if len(rows) < 2:
        return 0
    shortest = min(len(row) for row in rows) - 1
    first, last = min(map(list, rows)), max(map(list, rows))  # in their order, all others lie between
    return next((i for i in range(shortest) if first[i] != last[i]), shortest)


def shareable(model: Any, rows: Sequence[Sequence[int]]) -> int:
    """How many tokens that all rows begin with a model can read once.

    0 if it keeps more of what it read than keys and values, such as a running state.
    """
    shared = common_prefix(rows)
    return shared if shared and can_share(model) else 0


def can_share(model: Any) -> bool:
    """Whether a model keeps nothing but keys and values of what it read; if not, a log line says so once."""
    layers = DynamicCache(config=model.config).layers
    kinds = {type(layer) for layer in layers}
    state = [
        kind.__name__
        for kind in kinds
        if not issubclass(kind, CacheLayerMixin) or issubclass(kind, LinearAttentionCacheLayerMixin)
    ]
    if state:
        kept = ", ".join(sorted(state))
        _say_once(f"{type(model).__name__} keeps a running state ({kept}): rows are read in full")
    return not state


@cache
def _say_once(line: str) -> None:
    logging.getLogger(__name__).warning(line)


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
    shared = min(shareable(model, rows), *starts)
    width = max(len(row) for row in rows) - shared
    device = model.device
    ids = torch.full((len(rows), width), PAD)
    mask = torch.zeros((len(rows), shared + width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row) - shared] = torch.tensor(row[shared:])
        mask[index, : len(row)] = 1
    beginning = repeated_cache(model, rows[0][:shared], len(rows)) if shared else None
    first = min(starts)
    output = model(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        position_ids=torch.arange(shared, shared + width, device=device).expand(len(rows), -1),
        use_cache=beginning is not None,
        logits_to_keep=shared + width - first,
        **{CACHE: beginning},
    )
    return output.logits, first


def greedy(model: Any, rows: Sequence[Sequence[int]], room: int, end: int) -> list[list[int]]:
    """What the model writes after each row, greedily: up to `room` tokens, or to `end`, which is left out.

    Args:
        model: a causal language model of transformers, in evaluation mode.
        rows: token ids.
        room: tokens to write, at most.
        end: the token that ends an answer.
    """
    with torch.no_grad():
        ids, mask, cache = to_continue(model, rows)
        width = ids.shape[1]
        written = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=room,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            use_cache=True,
            eos_token_id=end,
            pad_token_id=end,
            **{CACHE: cache},
        )
    answers: list[list[int]] = written[:, width:].tolist()
    return [answer[: answer.index(end)] if end in answer else answer for answer in answers]


def to_continue(model: Any, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, DynamicCache | None]:
    """What `model.generate` is to be given to continue rows whose common beginning is read already.

    Returns:
        ids and attention mask, rows x width, filled up between what is shared and what is not; and the
        keys and values of what is shared, None if that is nothing.
    """
    shared = shareable(model, rows)
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), PAD)
    mask = torch.ones((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, :shared] = torch.tensor(row[:shared])
        ids[index, width - len(row) + shared :] = torch.tensor(row[shared:])
        mask[index, shared : shared + width - len(row)] = 0
    cache = repeated_cache(model, rows[0][:shared], len(rows)) if shared else None
    return ids.to(model.device), mask.to(model.device), cache


def repeated_cache(model: Any, beginning: Sequence[int], number: int) -> DynamicCache:
    """Keys and values of a beginning, computed once, for so many rows."""
    cache = DynamicCache(config=model.config)
    ids = torch.tensor([beginning], device=model.device)
    model(input_ids=ids, use_cache=True, logits_to_keep=1, **{CACHE: cache})
    if cache.get_seq_length() != len(beginning):
        raise BenchmarkError(
            f"{type(model).__name__} does not fill the keys and values it is given as `{CACHE}`; "
            "evaluate it with --model hf"
        )
    cache.batch_repeat_interleave(number)
    return cache
