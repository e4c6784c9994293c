"""Rows -> how far learning them moves a model the way the development split wants: cosines of gradients.

After LESS (Xia et al. 2024, arXiv 2402.04333): the gradient of a row's loss in the weights of LoRA adapters,
projected at random to a few thousand numbers, against the mean gradient of development rows. A step along a
row with a high cosine lowers the loss on those as well. LESS warms the adapters up and takes Adam's step for
a row; here a step is the plain gradient, and warming up is up to the user:

- of a model without adapters those are fresh: A drawn by the seed, B zero, so that the model answers as
  before. A has no gradient then; that of B is the gradient of the weights themselves, seen through A;
- of a LoRA checkpoint it is the gradient of its A and B.

The projection adds each number to one of `DIMENSIONS` places, with a sign, both drawn by the seed (Charikar
et al. 2002, doi 10.1007/3-540-45465-9_59). It keeps scalar products in the mean, with a standard deviation of
about 1 / sqrt(DIMENSIONS) for a cosine, in one pass over the numbers; a full matrix takes thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from torch.nn.functional import cross_entropy

from bioner_bench.models.chat import Chat
from bioner_bench.models.shared_prefix import target_logits
from bioner_bench.tuning.learners import linear_layers
from bioner_bench.tuning.recipes import Lora
from bioner_bench.tuning.rows import Row
from bioner_bench.tuning.score_files import Measure

DIMENSIONS = 8192
"""Numbers that a gradient is projected to; LESS has as many."""

ADAPTER = Lora()
"""Rank and scale of fresh adapters: those of a recipe that names none."""


@dataclass(frozen=True)
class Gradients:
    """A model, the weights whose gradients count, and the place and sign that each number is added with."""

    model: Any
    chat: Chat
    weights: Sequence[Tensor]
    places: Tensor
    signs: Tensor

    def of(self, row: Row) -> Tensor:
        """The projected gradient of a row's mean loss per target token: `DIMENSIONS` numbers of float64."""
        asked, target = self.chat.prompt(row.messages), self.chat.target(row.target)
        logits = target_logits(self.model, [[*asked, *target]], [len(asked) - 1])
        loss = cross_entropy(logits.float(), torch.tensor(target, device=logits.device))
        found = torch.autograd.grad(loss, list(self.weights))
        # On a processor, since GPUs add up in any order.
        flat = torch.cat([gradient.flatten() for gradient in found]).cpu().double()
        return torch.zeros(DIMENSIONS, dtype=torch.double).index_add_(0, self.places, flat * self.signs)


def prepare(model: Any, chat: Chat, adapter: Path | None, seed: int) -> Gradients:
    """Give a model adapters, those of a LoRA checkpoint or fresh ones, and draw the projection.

    Args:
        model: a causal language model in float32.
        chat: its tokenizer and template.
        adapter: a LoRA checkpoint on this model.
        seed: of fresh adapters and of the projection.
    """
    if adapter is not None:
        adapted = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    else:
        config = LoraConfig(
            task_type="CAUSAL_LM", r=ADAPTER.r, lora_alpha=ADAPTER.alpha, target_modules=linear_layers(model)
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            adapted = get_peft_model(model, config)
        for name, weight in adapted.named_parameters():
            weight.requires_grad_("lora_B" in name)
    adapted.eval()  # no dropout
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    size = sum(weight.numel() for weight in weights)
    drawn = torch.Generator().manual_seed(seed)
    places = torch.randint(DIMENSIONS, (size,), generator=drawn)
    signs = torch.randint(2, (size,), generator=drawn) * 2.0 - 1
    return Gradients(adapted, chat, weights, places, signs)


def mean(rows: Iterable[Row], gradients: Gradients) -> Tensor:
    """The mean projected gradient of rows; each row counts alike, however long its target."""
    found = [gradients.of(row) for row in rows]
    return torch.stack(found).mean(dim=0)


def score(
    rows: Sequence[Row],
    gradients: Gradients,
    wanted: Tensor,
    progress: Callable[[int], object] = lambda done: None,
) -> Iterator[Measure]:
    """The cosine of each row's projected gradient with the one that is wanted; None without a direction.

    Row by row: a score does not depend on the others, not even in its last digit.
    """
    for row in rows:
        found = gradients.of(row)
        lengths = float(found.norm() * wanted.norm())
        cosine = float(found @ wanted) / lengths if lengths else float("nan")
        yield Measure(row.id, cosine if abs(cosine) < 2 else None)  # not so of NaN and infinity
        progress(1)
