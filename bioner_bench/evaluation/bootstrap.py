"""Summed counts under resampling: intervals of scores, and the comparison of two systems.

Whole documents are drawn with replacement, since sentences of one document share its vocabulary and its
errors; sentences where no documents are known. One draw serves all scores of a run.

With few documents a plain percentile interval is too narrow, for the reason that a normal interval is
narrower than Student's. So percentiles are taken further out, as far as the one lies from the other (the
*expanded percentile interval*, Hesterberg, The American Statistician 69(4), 2015), and p values are made
larger to match. From a few hundred documents on it makes no difference that one could see.

Runs of one system that differ in their training seed are resampled too: seeds and documents, each on its own
(the pigeonhole bootstrap, Owen, Annals of Applied Statistics 1(2), 2007).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bioner_bench.evaluation.scoring import Score, Table

RESAMPLES = 10_000
SEED = 1234
SIGNIFICANCE = 0.05
"""The p value below which a difference is more than chance."""

Documents = Sequence[Hashable | None] | None
"""The document of each sentence; sentences are drawn if it is None, or has a None in it."""

_CHUNK = 1_000_000
"""Numbers drawn at once; bounds memory to some 30 MB."""

_ROUNDING = 1e-12
"""Keeps ties that differ by rounding only on the same side on every machine."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """System A minus system B: the difference of a score, its 95 % interval and the two-sided p value.

    `margin` is the smallest one within which they are shown to be equivalent.
    """

    difference: float
    low: float
    high: float
    p_value: float
    margin: float

    def equivalent(self, margin: float) -> bool:
        """Whether the systems differ by less than `margin`, at a level of 5 %.

        Two one-sided tests (Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15, 1987): the 90 %
        interval of the difference lies within -`margin` to `margin`. A difference that is not significant
        does not say so much.
        """
        return self.margin < margin


def resampled_sums(
    counts: npt.ArrayLike, documents: Documents = None, resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """Sums of the columns of `counts` over each of `resamples` draws with replacement.

    Args:
        counts: shape (sentences, columns).
        documents: the document of each sentence.
        resamples: number of draws.
        seed: of the draws.

    Returns:
        Shape (resamples, columns).
    """
    units = np.asarray(counts, dtype=float)
    document = _numbers(documents, len(units))
    if document is not None:
        summed = np.zeros((int(document.max(initial=-1)) + 1, units.shape[1]))
        np.add.at(summed, document, units)
        units = summed
    # In this order no order of sentences, and no name of a document, changes a draw.
    rows, times = np.unique(units, axis=0, return_counts=True)
    random = np.random.default_rng(seed)
    size = len(units)
    if document is not None:  # hardly two documents have the same counts
        rows = np.repeat(rows, times, axis=0)

    def draw(draws: int) -> npt.NDArray[np.int64]:
        if document is None:  # sentences with equal counts are interchangeable, and mostly few differ
            return random.multinomial(size, times / size, size=draws)
        drawn = random.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
        return np.bincount(drawn.ravel(), minlength=draws * size).reshape(draws, size)

    sums = np.empty((resamples, units.shape[1]))
    step = max(1, _CHUNK // max(1, len(rows)))
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        sums[start:stop] = draw(stop - start).astype(float) @ rows
    return sums


def intervals(
    scores: Iterable[Score],
    table: Table,
    documents: Documents = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, tuple[float, float]]:
    """95 % intervals of many scores, by name, from one draw."""
    scores = list(scores)
    columns = list(dict.fromkeys(column for score in scores for column in score.columns))
    sums = resampled_sums(_matrix(columns, table), documents, resamples, seed)
    by_column = dict(zip(columns, sums.T, strict=True))
    units = _units(documents, _length(table))
    return {score.name: _interval(score.of(by_column), units, units - 1) for score in scores}


def interval(
    score: Score, table: Table, documents: Documents = None, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, float]:
    """95 % interval of one score."""
    return intervals([score], table, documents, resamples, seed)[score.name]


def standard_error(
    score: Score, table: Table, documents: Documents = None, resamples: int = RESAMPLES, seed: int = SEED
) -> float:
    """Bootstrap standard error of a score, with n / (n - 1) for n documents, as of a sample's variance."""
    units = _units(documents, _length(table))
    values = _resampled(score, [table], documents, resamples, seed)[0]
    return float(np.std(values, ddof=1) * _expansion(units))


def interval_of_runs(
    score: Score,
    runs: Sequence[Table],
    documents: Documents = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, float]:
    """95 % interval of the mean score over runs of one system with several training seeds.

    It speaks of other documents and other seeds. One run says nothing of seeds, and its interval is that
    of `interval`; two or three say little, and the interval is wide for it (Student's distribution, with
    degrees of freedom as of Satterthwaite, Biometrics Bulletin 2(6), 1946).

    Args:
        score: the score.
        runs: the counts of each run, on the same sentences in the same order.
        documents: the document of each sentence.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    units = _units(documents, _same_length(runs))
    values = _resampled(score, runs, documents, resamples, seed)
    freedom = _freedom(units, values.mean(axis=0), [_observed(score, runs)])
    low, high = _interval(_mean_over_seeds(values, np.random.default_rng([seed, 1])), units, freedom)
    return max(0.0, low), min(1.0, high)


def compare(
    score: Score,
    a: Table,
    b: Table,
    documents: Documents = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Comparison:
    """Paired bootstrap of two systems on the same sentences, given in the same order.

    The p value starts from the share of resamples whose difference is at least as far from the observed one
    as that is from zero, (k + 1) / (resamples + 1) (two-sided form of Berg-Kirkpatrick, Burkett and
    Klein, EMNLP 2012), and is made larger where documents are few, as intervals are made wider.

    Raises:
        ValueError: the systems were not run on the same number of sentences.
    """
    return compare_runs(score, [a], [b], documents, resamples, seed)


def compare_runs(
    score: Score,
    runs_a: Sequence[Table],
    runs_b: Sequence[Table],
    documents: Documents = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Comparison:
    """`compare` of two systems with one or more training seeds each; of their mean scores.

    Each resample draws documents, the same for all runs, and seeds, for each side on its own. A side with one
    run has no seeds to draw from: the answer then speaks of that checkpoint, and not of its recipe.

    Raises:
        ValueError: the runs are not of the same number of sentences, or a side has none.
    """
    if not runs_a or not runs_b:
        raise ValueError("a side has no run")
    runs = [*runs_a, *runs_b]
    units = _units(documents, _same_length(runs))
    values = _resampled(score, runs, documents, resamples, seed)
    sides = [values[: len(runs_a)], values[len(runs_a) :]]
    observed_a, observed_b = _observed(score, runs_a), _observed(score, runs_b)
    freedom = _freedom(units, sides[0].mean(axis=0) - sides[1].mean(axis=0), [observed_a, observed_b])
    random = np.random.default_rng([seed, 1])
    means_a, means_b = (_mean_over_seeds(side, random) for side in sides)
    observed = float(observed_a.mean() - observed_b.mean())
    differences = means_a - means_b
    low, high = _interval(differences, units, freedom)
    extreme = np.abs(differences - observed) >= abs(observed) - _ROUNDING
    p_value = (int(extreme.sum()) + 1) / (resamples + 1)
    margin = max(map(abs, _interval(differences, units, freedom, 0.90)))
    return Comparison(observed, low, high, _expanded_p_value(min(1.0, p_value), units, freedom), margin)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values of tests that make one statement together, corrected so that their joint error is held.

    Rejecting what is below 5 % then rejects anything wrongly in at most 5 % of cases, whatever the tests
    have to do with each other (Holm, Scandinavian Journal of Statistics 6(2), 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _resampled(
    score: Score, runs: Sequence[Table], documents: Documents, resamples: int, seed: int
) -> Floats:
    """The score of each run in each resample: shape (runs, resamples)."""
    counts = np.hstack([_matrix(score.columns, run) for run in runs])
    sums = resampled_sums(counts, documents, resamples, seed).T
    return np.array([score.formula(*of_run) for of_run in np.split(sums, len(runs))])


def _mean_over_seeds(values: Floats, random: np.random.Generator) -> Floats:
    """The mean over drawn seeds in each resample; `values` has the shape (seeds, resamples).

    Drawing k of k seeds gives (k - 1) / k of the variance that it should; weights are spread to make up for
    it (Rao and Wu, JASA 83, 1988). So a mean can leave [0, 1].
    """
    seeds, resamples = values.shape
    if seeds == 1:
        return np.asarray(values[0])
    weights = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples).T / seeds
    weights = 1 / seeds + _expansion(seeds) * (weights - 1 / seeds)
    return np.asarray(np.sum(weights * values, axis=0))


def _observed(score: Score, runs: Sequence[Table]) -> Floats:
    return np.array([score.formula(*_matrix(score.columns, run).sum(axis=0)) for run in runs])


def _freedom(units: int, by_documents: Floats, sides: Sequence[Floats]) -> float:
    """Degrees of freedom of a variance that is a sum: of documents, and of the seeds of each side."""
    parts = [(float(np.var(by_documents)), units - 1)]
    parts += [(float(np.var(side, ddof=1)) / len(side), len(side) - 1) for side in sides if len(side) > 1]
    below = sum(variance**2 / freedom for variance, freedom in parts if freedom)
    return sum(variance for variance, _ in parts) ** 2 / below if below else units - 1


def _interval(values: Floats, units: int, freedom: float, confidence: float = 0.95) -> tuple[float, float]:
    level = _expanded_level((1 - confidence) / 2, units, freedom)
    low, high = np.quantile(values, [level, 1 - level])
    return float(low), float(high)


def _expansion(units: int) -> float:
    return float(np.sqrt(units / (units - 1))) if units > 1 else 1.0


def _expanded_level(level: float, units: int, freedom: float) -> float:
    """The percentile that stands for `level`; one unit has no spread to expand."""
    from scipy.special import ndtr, stdtrit

    if freedom <= 0:
        return level
    return round(float(ndtr(_expansion(units) * stdtrit(freedom, level))), 12)


def _expanded_p_value(p_value: float, units: int, freedom: float) -> float:
    """The inverse of `_expanded_level`, on both sides; one unit cannot tell anything from chance."""
    from scipy.special import ndtri, stdtr

    if freedom <= 0:
        return 1.0
    return round(2 * float(stdtr(freedom, ndtri(p_value / 2) / _expansion(units))), 12)


def _units(documents: Documents, sentences: int) -> int:
    """How many documents, or sentences, are drawn."""
    document = _numbers(documents, sentences)
    return sentences if document is None else int(document.max(initial=-1)) + 1


def _numbers(documents: Documents, sentences: int) -> npt.NDArray[np.int64] | None:
    """The number of each sentence's document; None where sentences are drawn."""
    if documents is None or None in documents:
        return None
    if len(documents) != sentences:
        raise ValueError(f"{len(documents)} documents of {sentences} sentences")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(document, len(numbers)) for document in documents], dtype=np.int64)


def _length(table: Table) -> int:
    return len(next(iter(table.values())))


def _same_length(runs: Sequence[Table]) -> int:
    lengths = [_length(run) for run in runs]
    if other := next((length for length in lengths if length != lengths[0]), None):
        raise ValueError(f"{lengths[0]} sentences against {other}: not the same sentences")
    return lengths[0]


def _matrix(columns: Sequence[str], table: Table) -> Floats:
    return np.column_stack([table[column] for column in columns]).astype(float)
