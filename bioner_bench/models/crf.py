"""A linear-chain conditional random field over the tags of a sentence's words.

The probability of a tag sequence is proportional to exp(score), the score being the sum of what the encoder
gives each tag, a weight for each pair of neighbouring tags, and one for the first and the last tag (Lafferty
et al. 2001; with neural scores Lample et al. 2016, arXiv 1603.01360). Tags come from `tagging.best_tags`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers.utils.hub import cached_file

from bioner_bench.models.tagging import Transitions

FILE = "crf.safetensors"
"""In the folder of a checkpoint, beside the encoder's weights, which stay those of an ordinary one."""


class Crf(nn.Module):  # type: ignore[misc]
    """Weights of `first` and `last` tags, and of `pairs`, [before, after]; all start at 0."""

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(tags))
        self.pairs = nn.Parameter(torch.zeros(tags, tags))
        self.last = nn.Parameter(torch.zeros(tags))

    def loss(self, scores: Tensor, tags: Tensor, sizes: Tensor) -> Tensor:
        """The negative log-likelihood of the gold tags of all sentences, in nats.

        Args:
            scores: sentences x words x tags, filled up on the right.
            tags: sentences x words, numbers of tags; any number beyond a sentence's end.
            sizes: words of each sentence, at least 1.
        """
        return (self._all(scores, sizes) - self._one(scores, tags, sizes)).sum()

    def _one(self, scores: Tensor, tags: Tensor, sizes: Tensor) -> Tensor:
        inside = torch.arange(scores.shape[1], device=scores.device) < sizes[:, None]
        words = scores.gather(2, tags[..., None])[..., 0]
        pairs = self.pairs[tags[:, :-1], tags[:, 1:]]
        ends = tags.gather(1, sizes[:, None] - 1)[:, 0]
        along = (words * inside).sum(dim=1) + (pairs * inside[:, 1:]).sum(dim=1)
        return along + self.first[tags[:, 0]] + self.last[ends]

    def _all(self, scores: Tensor, sizes: Tensor) -> Tensor:
        """The logarithm of the sum over all tag sequences, by the forward algorithm."""
        total = self.first + scores[:, 0]
        for word in range(1, scores.shape[1]):
            reached = torch.logsumexp(total[:, :, None] + self.pairs, dim=1) + scores[:, word]
            total = torch.where((word < sizes)[:, None], reached, total)
        return torch.logsumexp(total + self.last, dim=1)

    def transitions(self) -> Transitions:
        """The weights for `best_tags`."""
        first, pairs, last = (part.detach().cpu().numpy() for part in (self.first, self.pairs, self.last))
        return Transitions(first, pairs, last)


def put_on(model: Any, ignored: int) -> None:
    """Give a token classifier a CRF: its loss is that of the tags of the words that have a label.

    Args:
        model: of transformers; it gets a submodule `crf`, and `head: crf` in its configuration.
        ignored: the label of subwords that begin no word.
    """
    model.crf = Crf(model.config.num_labels).to(model.device)
    model.config.head = "crf"
    plain: Callable[..., Any] = model.forward

    @wraps(plain)
    def forward(
        *args: Any, labels: Tensor | None = None, num_items_in_batch: Any = None, **given: Any
    ) -> Any:
        output = plain(*args, **given)
        if labels is not None:
            held = [row != ignored for row in labels]
            sizes = torch.tensor([int(mask.sum()) for mask in held], device=labels.device)
            with torch.autocast(labels.device.type, enabled=False):  # sums of logarithms need float32
                scores = _filled([row[mask].float() for row, mask in zip(output.logits, held, strict=True)])
                tags = _filled([row[mask] for row, mask in zip(labels, held, strict=True)])
                some = sizes > 0
                loss = model.crf.loss(scores[some], tags[some], sizes[some])
            output.loss = loss / (sizes.sum() if num_items_in_batch is None else num_items_in_batch)
        return output

    model.forward = forward


def _filled(rows: list[Tensor]) -> Tensor:
    """Rows of different length as one tensor, with zeros on the right."""
    size = max(1, *(len(row) for row in rows))
    return torch.stack([pad(row, (0, 0) * (row.ndim - 1) + (0, size - len(row))) for row in rows])


def save(model: Any, folder: Path) -> None:
    """Write a model with a CRF: an ordinary checkpoint, and the CRF's weights beside it."""
    own = {name: value for name, value in model.state_dict().items() if not name.startswith("crf.")}
    model.save_pretrained(folder, state_dict=own)
    save_file({name: value.contiguous() for name, value in model.crf.state_dict().items()}, folder / FILE)


def of_checkpoint(source: str | Path, tags: int, revision: str | None = None) -> Crf:
    """The CRF of a checkpoint that `save` wrote, a folder or a hub id."""
    crf = Crf(tags)
    crf.load_state_dict(load_file(str(cached_file(str(source), FILE, revision=revision))))
    return crf
