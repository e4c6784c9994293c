"""A batch whose rows begin alike -> logits, where the common beginning is read only once.

All prompts of a task open with the same instruction, most of a short sentence's tokens. Its keys and values
are computed for one row and repeated, in training with their gradients, which leaves every result what it
is without sharing. A model that keeps a running state (Mamba) reads its rows in full.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

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


def can_share(model: Any, tokens: int = 0) -> bool:
    """Whether a model can go on from what it has read for several rows at once, and so read it only once.

    It can if all it keeps of a text are the keys and values of each token: no running state (Mamba,
    Falcon-H1), no attention in chunks. Nor may a token's keys depend on how long the text becomes, as with
    rotary embeddings that change when a text is longer than they were trained for.

    Args:
        model: a causal language model of transformers.
        tokens: how long a row can become.
    """
    config = model.config.get_text_config(decoder=True)
    if getattr(config, "is_encoder_decoder", False) or "chunked_attention" in (
        getattr(config, "layer_types", None) or ()
    ):
        return False
    layers = DynamicCache(config=model.config).layers
    if not layers or any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers):
        return False
    rotations = getattr(config, "rope_parameters", None) or {}
    for rotation in [rotations, *rotations.values()]:  # of the model, or of each kind of layer
        if isinstance(rotation, dict) and rotation.get("rope_type") in ("dynamic", "longrope"):
            trained = rotation.get("original_max_position_embeddings") or config.max_position_embeddings
            if tokens > trained:
                return False
    return True


def shareable(model: Any, rows: Sequence[Sequence[int]]) -> int:
    """How many tokens that all rows begin with a model can read once; 0 if it cannot share."""
    shared = common_prefix(rows)
    if shared and not can_share(model, max(len(row) for row in rows)):
        _say_once(f"{model.config.model_type} cannot share what rows begin with: each is read in full")
        return 0
    return shared


def shared_tokens(model: Any, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> int:
    """How many of them `target_logits` reads once: those before the first token that it predicts from."""
    return min(shareable(model, rows), *starts)


@cache
def _say_once(line: str) -> None:
    logging.getLogger(__name__).warning(line)


def target_logits(
    model: Any, rows: Sequence[Sequence[int]], starts: Sequence[int], share: bool = True
) -> Tensor:
    """The logits of the tokens that each row ends with; the output layer runs for them alone.

    Args:
        model: a causal language model of transformers.
        rows: token ids.
        starts: the place in each row of the token before the first one that is predicted.
        share: read what all rows begin with only once, if the model can.

    Returns:
        tokens x vocabulary, one row's tokens after the other's.
    """
    shared = shared_tokens(model, rows, starts) if share else 0
    width = max(len(row) for row in rows) - shared
    device = model.device
    ids = torch.full((len(rows), width), PAD)
    mask = torch.zeros((len(rows), shared + width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row) - shared] = torch.tensor(row[shared:])
        mask[index, : len(row)] = 1
    places = [
        (index, place - shared)
        for index, (row, start) in enumerate(zip(rows, starts, strict=True))
        for place in range(start, len(row) - 1)
    ]
    beginning, end = _beginning(model, rows[0][:shared], len(rows)) if shared else (None, None)
    with _only_at(model.get_output_embeddings(), torch.tensor(places, device=device)):
        output = model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            position_ids=torch.arange(shared, shared + width, device=device).expand(len(rows), -1),
            use_cache=beginning is not None,
            **{CACHE: beginning},
        )
    logits: Tensor = output.logits[0]
    if end is not None and is_spread(model):
        # Of the last layer the beginning gives keys and values only. Weights that are spread are brought
        # together on the way back where the output of a layer gets a gradient, so it gets one of 0.
        logits = logits + 0 * end.sum()
    return logits


def is_spread(model: Any) -> bool:
    """Whether a process holds only its part of the weights (FSDP2), so that all must read in step."""
    return callable(getattr(model, "unshard", None))


@contextmanager
def _only_at(output_layer: torch.nn.Module, places: Tensor) -> Iterator[None]:
    """Let an output layer see these places (row, column) alone, as one row."""
    rows, columns = places.unbind(dim=1)
    hook = output_layer.register_forward_pre_hook(lambda _, given: (given[0][rows, columns][None],))
    try:
        yield
    finally:
        hook.remove()


def _beginning(model: Any, tokens: Sequence[int], number: int) -> tuple[DynamicCache, Tensor]:
    """Keys and values of a beginning, computed once, for so many rows; and the logits at its end."""
    kept = DynamicCache(config=model.config)
    ids = torch.tensor([tokens], device=model.device)
    output = model(input_ids=ids, use_cache=True, logits_to_keep=1, **{CACHE: kept})
    if kept.get_seq_length() != len(tokens):
        raise BenchmarkError(
            f"{model.config.model_type} does not fill the keys and values it is given as `{CACHE}`; "
            "evaluate it with --model hf"
        )
    kept.batch_repeat_interleave(number)
    return kept, output.logits
