"""Attention of rows that begin alike: the keys and values of the beginning stand once, for all of them.

`reading` puts this attention into a model of transformers while rows are read. What a row has of its own is
kept in a table of fixed places, so that nothing is copied from step to step, and a row can take the place
of one that is finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from bioner_bench.schema import BenchmarkError

NAME = "bioner-shared"
"""Under which transformers knows this attention."""


@dataclass
class Layer:
    """Keys and values of one layer of a model.

    Attributes:
        shared: of the common beginning, each 1 x heads x tokens x size; None before it is read.
        own: of the rest of each row, each rows x heads x places x size.
    """

    shared: tuple[Tensor, Tensor] | None = None
    own: tuple[Tensor, Tensor] | None = None


@dataclass
class Table:
    """What a model keeps of the rows that it is writing.

    Attributes:
        beginning: tokens of the common beginning, which is read first.
        pads: for each row the number of places before its first token.
        ends: for each row the place of its next token.
        layers: by number.
    """

    beginning: int
    pads: Tensor
    ends: Tensor
    layers: dict[int, Layer] = field(default_factory=dict)

    def leave(self, row: int) -> None:
        """Take a row out; the last one moves to its place."""
        last = len(self.pads) - 1
        for layer in self.layers.values():
            for kept in layer.own or ():
                kept[row, :, : int(self.ends[last])] = kept[last, :, : int(self.ends[last])]
        self.pads[row], self.ends[row] = self.pads[last], self.ends[last]
        self.pads, self.ends = self.pads[:last], self.ends[:last]


@dataclass
class Step:
    """What one pass through the model reads: the beginning, or the rest of new rows, or a token of each row.

    Attributes:
        table: what was read before, and is added to.
        new: the number of rows, the last ones of the table, whose rest is read; 0: the next token of all.
        beginning: whether it is the common beginning that is read.
        width: places of a row, from its first to the last that is read.
        masks: the mask of each window, once it is known.
    """

    table: Table
    width: int
    new: int = 0
    beginning: bool = False
    masks: dict[int | None, Tensor] = field(default_factory=dict)

    def mask(self, window: int | None, dtype: torch.dtype) -> Tensor:
        """What is added to the scores: 0 where a token sees another, else minus infinity."""
        if window not in self.masks:
            seen = self._seen(window)
            mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
            self.masks[window] = mask.masked_fill_(~seen, -torch.inf)
        return self.masks[window]

    def _seen(self, window: int | None) -> Tensor:
        """Rows x 1 x tokens that are read x (beginning, places): whether one sees the other."""
        table, width = self.table, self.width
        device = table.pads.device
        if self.beginning:
            places = torch.arange(width, device=device)
            distance = places[:, None] - places
            return ((distance >= 0) & (distance < (window or width)))[None, None]
        if self.new:
            pads = table.pads[-self.new :, None, None]
            reader = torch.arange(width, device=device)[None, :, None]
        else:
            pads = table.pads[:, None, None]
            reader = table.ends[:, None, None]
        places = torch.arange(width, device=device)[None, None]
        # A place before the first token sees itself, for nothing to see would be no number.
        own = ((places >= pads) & (places <= reader)) | (places == reader)
        before = torch.arange(table.beginning, device=device)[None, None]
        distance = table.beginning + reader - pads - before
        if window is not None:
            own = own & (reader - places < window)
            shared = (distance < window) | (reader < pads)
        else:
            shared = torch.ones_like(distance, dtype=torch.bool)
        return torch.cat([shared, own], dim=-1)[:, None]


@contextmanager
def reading(model: Any) -> Iterator[None]:
    """While it lasts, the model attends as this module does, and its calls must name a `bioner_step`."""
    model = model.get_base_model() if hasattr(model, "get_base_model") else model
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    bioner_step: Step | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Called by the model's layers: rows x heads x tokens x size -> rows x tokens x heads x size."""
    if bioner_step is None or any(options.get(name) is not None for name in ("softcap", "s_aux")):
        raise BenchmarkError(f"{type(module).__name__} attends in a way that cannot be shared")
    layer = bioner_step.table.layers.setdefault(int(module.layer_idx), Layer())
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if bioner_step.beginning:
        layer.shared = key, value
        mask = bioner_step.mask(sliding_window, query.dtype)
        found = _full(query, key, value, mask, scale)
    elif bioner_step.new:
        found = _of_new_rows(query, key, value, layer, bioner_step, sliding_window, scale)
    else:
        found = _of_next_tokens(query, key, value, layer, bioner_step, sliding_window, scale)
    return found.transpose(1, 2), None


AttentionInterface.register(NAME, attend)


def _full(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = (kept.repeat_interleave(repeats, dim=1) for kept in (key, value))
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)


def _of_new_rows(
    query: Tensor, key: Tensor, value: Tensor, layer: Layer, step: Step, window: int | None, scale: float
) -> Tensor:
    rows, width = len(key), step.width
    everyone = len(step.table.pads)
    layer.own = _room(layer.own, (key, value), everyone, width)
    for kept, new in zip(layer.own, (key, value), strict=True):
        kept[everyone - rows : everyone, :, :width] = new
    if layer.shared is not None:
        key, value = (
            torch.cat([shared.expand(rows, -1, -1, -1), new], dim=2)
            for shared, new in zip(layer.shared, (key, value), strict=True)
        )
    return _full(query, key, value, step.mask(window, query.dtype), scale)


def _of_next_tokens(
    query: Tensor, key: Tensor, value: Tensor, layer: Layer, step: Step, window: int | None, scale: float
) -> Tensor:
    table = step.table
    rows, heads, _, size = key.shape
    group = query.shape[1] // heads
    width = step.width
    layer.own = _room(layer.own, (key, value), rows, width)
    everyone = torch.arange(rows, device=key.device)
    dtype = layer.own[0].dtype
    for kept, new in zip(layer.own, (key, value), strict=True):
        kept[everyone, :, table.ends] = new[:, :, 0].to(dtype)
    keys, values = (kept[:rows, :, :width] for kept in layer.own)
    asked = (query.to(dtype) * scale).view(rows, heads, group, size)
    scores = asked @ keys.transpose(2, 3)
    if layer.shared is not None:
        shared_keys, shared_values = (kept[0].to(dtype) for kept in layer.shared)
        before = shared_keys.shape[1]
        together = asked.transpose(0, 1).reshape(heads, rows * group, size)
        first = (together @ shared_keys.transpose(1, 2)).view(heads, rows, group, before)
        scores = torch.cat([first.transpose(0, 1), scores], dim=-1)
    weights = (scores + step.mask(window, dtype)).softmax(dim=-1, dtype=torch.float32).to(dtype)
    if layer.shared is None:
        found = weights @ values
    else:
        first, weights = weights[..., :before], weights[..., before:]
        together = first.transpose(0, 1).reshape(heads, rows * group, before)
        found = (together @ shared_values).view(heads, rows, group, size).transpose(0, 1)
        found = found + weights @ values
    return found.reshape(rows, heads * group, 1, size).to(query.dtype)


def _room(
    kept: tuple[Tensor, Tensor] | None, new: tuple[Tensor, Tensor], rows: int, width: int
) -> tuple[Tensor, Tensor]:
    """A table with room for so many rows and places, and some more, with what was kept in it."""
    if kept is not None and kept[0].shape[0] >= rows and kept[0].shape[2] >= width:
        return kept
    made = []
    for index, states in enumerate(new):
        old = kept[index] if kept is not None else states[:0]
        shape = max(rows, old.shape[0]), states.shape[1], max(width + 32, old.shape[2]), states.shape[3]
        # Products of many small matrices are slow in half precision on a processor: each is copied first.
        dtype = torch.float32 if states.device.type == "cpu" else states.dtype
        table = torch.zeros(shape, dtype=dtype, device=states.device)
        if kept is not None:
            table[: old.shape[0], :, : old.shape[2]] = old
        made.append(table)
    return made[0], made[1]
