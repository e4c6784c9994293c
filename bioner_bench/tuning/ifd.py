"""Rows -> how hard their targets are to follow from their prompts: IFD, the instruction-following difficulty.

IFD(x, y) = exp(L(y|x) - L(y)) (Li et al. 2024, arXiv 2402.00530), where L is the mean negative
log-likelihood per token of the same target tokens y, the answer and the token that ends the turn: L(y|x)
after the chat as evaluation would send it, L(y) after the same chat with every message's content empty.
Below 1 the prompt helps; the higher, the harder the row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from bioner_bench.models.chat import Chat
from bioner_bench.models.shared_prefix import target_logits
from bioner_bench.tuning.rows import Row
from bioner_bench.tuning.score_files import Score


def score(
    rows: Sequence[Row],
    model: Any,
    chat: Chat,
    batch_size: int = 16,
    progress: Callable[[int], object] = lambda done: None,
) -> Iterator[Score]:
    """Score rows with a causal language model; in float32 a row's score does not depend on the others.

    Scores come in order of length, not of rows.

    Args:
        rows: what to score.
        model: of transformers, in any dtype; losses are computed in float32.
        chat: its tokenizer and template.
        batch_size: rows that are read at once.
        progress: called with the number of rows that were scored since its last call.
    """
    encoded = {
        row.id: (
            tuple(chat.prompt(row.messages)),
            tuple(chat.empty_prompt(row.messages)),
            tuple(chat.target(row.target)),
        )
        for row in rows
    }
    order = sorted(encoded, key=lambda id_: (len(encoded[id_][0]) + len(encoded[id_][2]), id_))
    # All rows without a mention have one target, so the loss of a target alone is computed once.
    alone: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        prompts, empty, targets = zip(*(encoded[id_] for id_ in batch), strict=True)
        new = [pair for pair in dict.fromkeys(zip(empty, targets, strict=True)) if pair not in alone]
        if new:
            alone.update(zip(new, losses(model, *zip(*new, strict=True)), strict=True))
        conditional = losses(model, prompts, targets)
        for id_, before, target, with_prompt in zip(batch, empty, targets, conditional, strict=True):
            without = alone[before, target]
            yield Score(
                id_,
                _finite(_exp(with_prompt - without)),
                _finite(with_prompt),
                _finite(without),
                len(target),
            )
        progress(len(batch))


def losses(model: Any, prompts: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[float]:
    """The mean negative log-likelihood of each target's tokens after its prompt, in nats."""
    starts = [len(prompt) - 1 for prompt in prompts]
    whole = [[*prompt, *target] for prompt, target in zip(prompts, targets, strict=True)]
    with torch.inference_mode():
        found = target_logits(model, whole, starts).float()
        wanted = torch.tensor([token for target in targets for token in target], device=found.device)
        each = cross_entropy(found, wanted, reduction="none").split([len(target) for target in targets])
    return [float(row.mean()) for row in each]


def _exp(difference: float) -> float:
    return math.exp(difference) if difference < 700 else math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
