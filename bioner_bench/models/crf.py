"""A linear-chain conditional random field over the tags of a sentence's words.

The probability of a tag sequence is proportional to exp(score), the score being the sum of what the encoder
gives each tag, a weight for each pair of neighbouring tags, and one for the first and the last tag (Lafferty
et al. 2001; with neural scores Lample et al. 2016, arXiv 1603.01360). Tags come from `tagging.best_tags`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bioner_bench.models.tagging import Transitions


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
