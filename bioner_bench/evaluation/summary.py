"""Counts of many sentences -> every score with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from bioner_bench.evaluation.bootstrap import RESAMPLES, SEED, Documents, intervals
from bioner_bench.evaluation.confidence import (
    Covered,
    calibration_error,
    mention_confidences,
    precision_at_coverage,
)
from bioner_bench.evaluation.predictions import Judged
from bioner_bench.evaluation.scoring import Table, scores, tabulate, total

Summary = dict[str, float | None]
"""`X`, `X_low`, `X_high` for every score X, in [0, 1]; None where nothing is known."""


def summarise(
    table: Table,
    types: Sequence[str],
    documents: Documents = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Summary:
    """Score a corpus.

    Args:
        table: the counts of all sentences.
        types: the corpus's entity types.
        documents: the document of each sentence; intervals are drawn over documents if all are named.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    sums = total(table)
    named = scores(types)
    known = [score for score in named.values() if any(sums[column] for column in score.needs)]
    found = intervals(known, table, documents, resamples, seed)
    summary: Summary = {}
    for name, score in named.items():
        value = float(score.of(sums)) if name in found else None
        low, high = found.get(name, (None, None))
        summary |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return summary


def sureness(judged: Sequence[Judged]) -> tuple[list[Covered], float | None] | None:
    """What the most confident mentions score, and the calibration error; None if no answer has its tokens."""
    if all(item.tokens is None for item in judged):
        return None
    confidences: list[float | None] = []
    correct: list[bool] = []
    for item in judged:
        strings = [each.mention.text for each in item.aligned]
        confidences += mention_confidences(item.tokens or [], strings)
        correct += [each.span is not None and each.span in item.sentence.entities for each in item.aligned]
    gold = sum(len(item.sentence.entities) for item in judged)
    return precision_at_coverage(confidences, correct, gold), calibration_error(confidences, correct)


def documents_of(judged: Sequence[Judged]) -> int | None:
    """How many documents the intervals are drawn over; None: sentences, since not all name their document."""
    named = {item.sentence.document for item in judged}
    return None if None in named else len(named)


def summarise_judged(judged: Sequence[Judged], resamples: int = RESAMPLES, seed: int = SEED) -> Summary:
    """`summarise` for a file of answers."""
    documents = [item.sentence.document for item in judged]
    return summarise(tabulate([item.counts for item in judged]), judged[0].types, documents, resamples, seed)
