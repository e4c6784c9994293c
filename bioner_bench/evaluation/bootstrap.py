"""Summed counts under resampling: intervals of scores, and the comparison of two systems.

Whole documents are drawn with replacement, since sentences of one document share its vocabulary and its
errors; sentences where no documents are known. One draw serves all scores of a run.

With few documents a plain percentile interval is too narrow, for the reason that a normal interval is
narrower than Student's. So percentiles are taken further out, as far as the one lies from the other (the
*expanded percentile interval*, Hesterberg, The American Statistician 69(4), 2015), and p values are made
larger to match. From a few hundred documents on it makes no difference that one could see. A p value that
only a few draws would decide is Student's: counted, it could not be smaller than one in the number of draws,
and a correction for many tests would make any difference look like chance.

Of runs of one system that differ in their training seed, seeds and documents are resampled, each on its own
(the pigeonhole bootstrap, Owen, Annals of Applied Statistics 1(2), 2007). Two or three seeds have no
percentiles to speak of, so intervals and p values are Student's, on the standard error of the resamples.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from bioner_bench.evaluation.scoring import Score, Table

RESAMPLES = 10_000
SEED = 1234
SIGNIFICANCE = 0.05
"""The p value below which a difference is more than chance."""

Documents = Sequence[Hashable | None] | None
"""The document of each sentence; sentences are drawn if it is None, or has a None in it."""

SMALLEST = 1e-12
"""The smallest p value that is told; no number of draws can show that chance has no part at all."""

_TOO_FEW = 10
"""Draws that reach a difference; with fewer p is not counted, since their number says little."""

_CHUNK = 1_000_000
"""Numbers drawn at once; bounds memory to some 30 MB."""

_KEPT = 10_000_000
"""Numbers of a draw that is kept for the next comparison; at most 20 MB."""

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
        summed = np.zeros((len(np.unique(document)), units.shape[1]))
        np.add.at(summed, document, units)
        units = summed
    # In this order no order of sentences, and no name of a document, changes a draw.
    rows, times = np.unique(units, axis=0, return_counts=True)
    size = len(units)
    if document is None:  # sentences with equal counts are interchangeable, and mostly few differ
        drawn = _sentences_drawn(size, times, resamples, seed)
    else:  # hardly two documents have the same counts
        rows = np.repeat(rows, times, axis=0)
        kept = resamples * size <= _KEPT
        drawn = iter(_kept_draw(size, resamples, seed) if kept else _documents_drawn(size, resamples, seed))
    return np.concatenate([part.astype(float) @ rows for part in drawn])


def _sentences_drawn(
    size: int, times: npt.NDArray[np.int64], resamples: int, seed: int
) -> Iterator[npt.NDArray[Any]]:
    """How often each of the rows that stand `times` in `size` is drawn: parts of (resamples, rows)."""
    random = np.random.default_rng(seed)
    for draws in _parts(resamples, len(times)):
        yield random.multinomial(size, times / size, size=draws)


def _documents_drawn(size: int, resamples: int, seed: int) -> Iterator[npt.NDArray[Any]]:
    """How often each of `size` documents is drawn: parts of (resamples, documents), in few bytes."""
    random = np.random.default_rng(seed)
    for draws in _parts(resamples, size):
        drawn = random.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
        counted = np.bincount(drawn.ravel(), minlength=draws * size).reshape(draws, size)
        yield counted.astype(np.min_scalar_type(size))


@lru_cache(maxsize=1)
def _kept_draw(size: int, resamples: int, seed: int) -> tuple[npt.NDArray[Any], ...]:
    """`_documents_drawn`, made once for all systems on a corpus that are compared one after the other."""
    return tuple(_documents_drawn(size, resamples, seed))


def _parts(resamples: int, rows: int) -> Iterator[int]:
    step = max(1, _CHUNK // max(1, rows))
    return (min(step, resamples - start) for start in range(0, resamples, step))


def intervals(
    scores: Iterable[Score],
    table: Table,
    documents: Documents = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, tuple[float, float]]:
    """95 % intervals of many scores, by name, from one draw; (0, 1) where there is one document alone."""
    scores = list(scores)
    columns = list(dict.fromkeys(column for score in scores for column in score.columns))
    sums = resampled_sums(_matrix(columns, table), documents, resamples, seed)
    by_column = dict(zip(columns, sums.T, strict=True))
    units = _units(documents, _length(table))
    observed = {column: table[column].sum() for column in columns}
    return {
        score.name: _of_score(
            _Statistic(float(score.of(observed)), score.of(by_column), units, freedom=units - 1).interval()
        )
        for score in scores
    }


def _of_score(interval: tuple[float, float]) -> tuple[float, float]:
    return max(0.0, interval[0]), interval[1]


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
    of `interval`; two or three say little, and where they differ much the interval is wide (Student's
    distribution, with degrees of freedom as of Satterthwaite, Biometrics Bulletin 2(6), 1946).

    Args:
        score: the score.
        runs: the counts of each run, on the same sentences in the same order.
        documents: the document of each sentence.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    return _of_score(_difference(score, runs, [], documents, resamples, seed).interval())


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
    found = _difference(score, runs_a, runs_b, documents, resamples, seed)
    margin = max(map(abs, found.interval(0.90)))
    return Comparison(found.observed, *found.interval(), found.p_value(), margin)


def holm(p_values: Sequence[float], tests: int = 0) -> list[float]:
    """p values of tests that make one statement together, corrected so that their joint error is held.

    Rejecting what is below 5 % then rejects anything wrongly in at most 5 % of cases, whatever the tests
    have to do with each other (Holm, Scandinavian Journal of Statistics 6(2), 1979).

    Args:
        p_values: of the tests.
        tests: how many they were chosen from, if there are more. Who is held against the *best* of n
            systems is held against one that was chosen for being ahead: any of n (n - 1) / 2 pairs may be
            the one that is tested, and a correction for n - 1 tests is not enough.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    tests = max(len(p_values), tests)
    adjusted = list(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (tests - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


@dataclass(frozen=True)
class _Statistic:
    """A statistic, its values in all resamples, and what they are worth.

    Attributes:
        observed: its value on the sentences themselves.
        values: shape (resamples,).
        units: documents, or sentences, that were drawn.
        freedom: degrees of freedom of its variance; 0 if there is no spread to learn from.
        seeds: whether seeds were drawn too.
    """

    observed: float
    values: Floats
    units: int
    freedom: float
    seeds: bool = False

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """What all values can be, -1 to 1, where there is one document, which tells nothing of others."""
        from scipy.special import ndtr, stdtrit

        if self.freedom <= 0:
            return -1.0, 1.0
        level = (1 - confidence) / 2
        student = float(stdtrit(self.freedom, level))
        if self.seeds:
            half = -student * self._standard_error()
            return max(-1.0, self.observed - half), min(1.0, self.observed + half)
        level = round(float(ndtr(_expansion(self.units) * student)), 12)
        low, high = np.quantile(self.values, [level, 1 - level])
        return float(low), float(high)

    def p_value(self) -> float:
        """Two-sided, of no difference; one document alone cannot tell anything from chance."""
        from scipy.special import ndtri, stdtr

        if self.freedom <= 0:
            return 1.0
        # The margin keeps ties that differ by rounding only on the same side on every machine.
        extreme = int((np.abs(self.values - self.observed) >= abs(self.observed) - 1e-12).sum())
        error = self._standard_error()
        if self.seeds or (extreme < _TOO_FEW and error > 1e-9):
            student = abs(self.observed) / error if error else math.inf if self.observed else 0.0
            p = 2 * float(stdtr(self.freedom, -student))
        else:
            share = (extreme + 1) / (len(self.values) + 1)
            p = 2 * float(stdtr(self.freedom, ndtri(share / 2) / _expansion(self.units)))
        return max(round(p, 12), SMALLEST)

    def _standard_error(self) -> float:
        return float(np.std(self.values)) * _expansion(self.units)


def _difference(
    score: Score,
    runs_a: Sequence[Table],
    runs_b: Sequence[Table],
    documents: Documents,
    resamples: int,
    seed: int,
) -> _Statistic:
    """The mean score of some runs minus that of others; minus nothing if there are none."""
    units = _units(documents, _same_length([*runs_a, *runs_b]))
    values = _resampled(score, [*runs_a, *runs_b], documents, resamples, seed)
    random = np.random.default_rng([seed, 1])
    observed, fixed, drawn = 0.0, np.zeros(resamples), np.zeros(resamples)
    parts = []
    for sign, runs, of_side in (
        (1, runs_a, values[: len(runs_a)]),
        (-1, runs_b, values[len(runs_a) :]),
    ):
        if not runs:
            continue
        scores = np.array([score.formula(*_matrix(score.columns, run).sum(axis=0)) for run in runs])
        observed += sign * float(scores.mean())
        fixed += sign * of_side.mean(axis=0)
        drawn += sign * _mean_over_seeds(of_side, random)
        if len(runs) > 1:
            parts.append((float(np.var(scores, ddof=1)) / len(runs), len(runs) - 1))
    # Of a variance that is a sum (Satterthwaite 1946): of documents, and of the seeds of each side.
    parts.append((float(np.var(fixed)), units - 1))
    below = sum(variance**2 / freedom for variance, freedom in parts if freedom)
    freedom = sum(variance for variance, _ in parts) ** 2 / below if below else units - 1
    return _Statistic(observed, drawn, units, freedom, seeds=len(parts) > 1)


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


def _expansion(units: int) -> float:
    return float(np.sqrt(units / max(1, units - 1)))


def _units(documents: Documents, sentences: int) -> int:
    """How many documents, or sentences, are drawn."""
    document = _numbers(documents, sentences)
    return sentences if document is None else len(np.unique(document))


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
