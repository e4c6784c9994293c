"""Rows -> what can be counted without a model, for other scores to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bioner_bench import corpora
from bioner_bench.tuning.rows import Row
from bioner_bench.tuning.score_files import Measure


def score(
    rows: Sequence[Row], name: str, progress: Callable[[int], object] = lambda done: None
) -> Iterator[Measure]:
    """Count rows of training splits.

    Args:
        rows: what to score.
        name: `length`, the characters of the sentence, or `mentions`, the mentions of the row.
        progress: called with the number of rows that were scored since its last call.
    """
    lengths: dict[str, int] = {}
    if name == "length":
        for task in dict.fromkeys(row.task for row in rows):
            sentences = corpora.load(task, "train").sentences
            lengths |= {f"{task}/{sentence.id}": len(sentence.text) for sentence in sentences}
    for row in rows:
        yield Measure(row.id, float(lengths[row.id] if name == "length" else row.mentions))
        progress(1)
