"""Summed counts under resampling: intervals of a score, and the comparison of two systems.

Sentences are drawn with replacement, or whole documents where a corpus has them, since sentences of one
document are not independent. Sentences with equal counts are interchangeable, so one draw of all of them
is one multinomial draw over the distinct rows of counts: the same distribution, over ten times faster.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bioner_bench.evaluation.scoring import Score, Table

RESAMPLES = 10_000
SEED = 1234
SIGNIFICANCE = 0.05
"""The p value below which a difference is more than chance."""

_CHUNK = 4_000_000
"""Numbers drawn at once; bounds memory to some 32 MB."""


@dataclass(frozen=True)
class Comparison:
    """System A minus system B: the difference of a score, its 95 % interval and the two-sided p value."""

    difference: float
    low: float
    high: float
    p_value: float


def resampled_sums(
    counts: npt.NDArray[np.float64],
    documents: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> npt.NDArray[np.float64]:
    """Sums of the columns of `counts` over each of `resamples` draws with replacement.

    Args:
        counts: shape (sentences, columns).
        documents: the document of each sentence; None to draw sentences.
        resamples: number of draws.
        seed: of the draws.

    Returns:
        Shape (resamples, columns).
    """
    counts = np.asarray(counts, dtype=float)
    if documents is not None:
        _, unit = np.unique([str(document) for document in documents], return_inverse=True)
        summed = np.zeros((unit.max(initial=-1) + 1, counts.shape[1]))
        np.add.at(summed, unit, counts)
        counts = summed
    rows, times = np.unique(counts, axis=0, return_counts=True)
    draws = int(times.sum())
    random = np.random.default_rng(seed)
    sums = np.empty((resamples, counts.shape[1]))
    step = max(1, _CHUNK // max(1, len(rows)))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        sums[start : start + size] = random.multinomial(draws, times / draws, size=size) @ rows
    return sums


def interval(
    score: Score,
    table: Table,
    documents: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a score (Efron and Tibshirani 1993, chapter 13)."""
    sums = resampled_sums(_matrix(score, table), documents, resamples, seed)
    low, high = np.quantile(score.formula(*sums.T), [0.025, 0.975])
    return float(low), float(high)


def standard_error(
    score: Score,
    table: Table,
    documents: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> float:
    """Bootstrap standard error of a score."""
    sums = resampled_sums(_matrix(score, table), documents, resamples, seed)
    return float(np.std(score.formula(*sums.T), ddof=1))


def compare(
    score: Score,
    a: Table,
    b: Table,
    documents: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Comparison:
    """Paired bootstrap of two systems on the same sentences, given in the same order.

    The p value is the share of resamples whose difference is at least as far from the observed one as
    that is from zero, (k + 1) / (resamples + 1) (two-sided form of Berg-Kirkpatrick, Burkett and Klein,
    EMNLP 2012).

    Raises:
        ValueError: the systems were not run on the same number of sentences.
    """
    left, right = _matrix(score, a), _matrix(score, b)
    if len(left) != len(right):
        raise ValueError(f"{len(left)} sentences against {len(right)}: not the same sentences")
    both = np.hstack([left, right])
    columns = len(score.columns)

    def difference(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return score.formula(*sums.T[:columns]) - score.formula(*sums.T[columns:])

    observed = float(difference(both.sum(axis=0)))
    resampled = difference(resampled_sums(both, documents, resamples, seed))
    low, high = np.quantile(resampled, [0.025, 0.975])
    # The margin keeps ties that differ by rounding only on the same side on every machine.
    extreme = np.abs(resampled - observed) >= abs(observed) - 1e-12
    p_value = (int(extreme.sum()) + 1) / (resamples + 1)
    return Comparison(observed, float(low), float(high), min(1.0, p_value))


def _matrix(score: Score, table: Table) -> npt.NDArray[np.float64]:
    return np.column_stack([table[column] for column in score.columns]).astype(float)
