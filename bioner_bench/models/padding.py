"""Rows of different lengths -> tensors of one width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from bioner_bench.models import heads


def batch(rows: Sequence[Mapping[str, Any]], padding: int) -> dict[str, torch.Tensor]:
    """Rows as tensors: what they have for each subword filled up on the right, `padding` with `input_ids`."""
    width = max(len(row["input_ids"]) for row in rows)
    nothing = {
        "input_ids": padding,
        "attention_mask": 0,
        "labels": heads.IGNORED,
        "characters": [0] * heads.LETTERS,
    }
    return {
        name: torch.tensor(
            [
                [*row[name], *[nothing[name]] * (width - len(row[name]))] if name in nothing else row[name]
                for row in rows
            ]
        )
        for name in rows[0]
    }
