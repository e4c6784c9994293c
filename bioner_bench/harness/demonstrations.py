"""Training sentences -> the few that are shown, solved, in a few-shot prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from random import Random

import numpy as np

from bioner_bench.models.tagging import words
from bioner_bench.schema import BenchmarkError, Sentence

STRATEGIES = ("random", "retrieved", "fixed")
"""`random`: drawn anew for each sentence. `retrieved`: the most similar training sentences by BM25. `fixed`:
drawn once, the same for all sentences, so that a model needs to read them only once."""

Chooser = Callable[[Sentence, int], list[Sentence]]
"""A sentence and a number -> its demonstrations, in the order in which the prompt shows them."""


def chooser(pool: Sequence[Sentence], strategy: str, seed: int) -> Chooser:
    """How the demonstrations of a sentence are chosen from the training sentences `pool`.

    They depend on the strategy, the seed and the sentence alone, not on which sentences were asked before
    it. Of two or more demonstrations at least one has a mention and at least one has none, where the
    pool allows; a single one has a mention. A training sentence with the same text is never shown.

    Raises:
        BenchmarkError: unknown strategy; and the chooser, if the pool is too small.
    """
    if strategy not in STRATEGIES:
        raise BenchmarkError(
            f"unknown way to choose demonstrations: {strategy!r}; there are: {', '.join(STRATEGIES)}"
        )
    return _retrieved(pool, seed) if strategy == "retrieved" else _drawn(pool, seed, strategy == "fixed")


def _drawn(pool: Sequence[Sentence], seed: int, fixed: bool) -> Chooser:
    """Fixed ones differ only for a sentence that is one of them: there another takes its place."""

    def choose(sentence: Sentence, n: int) -> list[Sentence]:
        random = Random(f"{seed}" if fixed else f"{seed}:{sentence.id}")
        # More than asked, so that leaving out copies of the sentence itself needs no second draw.
        drawn = random.sample(pool, min(len(pool), 2 * n + 8))
        chosen = [shot for shot in drawn if shot.text != sentence.text][:n]
        _check(chosen, n, pool)
        for wanted in _lacking(chosen):
            others = [shot for shot in pool if bool(shot.entities) is wanted and shot.text != sentence.text]
            if others:
                chosen[random.randrange(n)] = random.choice(others)
        return chosen

    return choose


def _retrieved(pool: Sequence[Sentence], seed: int) -> Chooser:
    """The nearest sentence stands last, next to the question; the seed orders equally near ones."""
    import bm25s

    shuffled = Random(seed).sample(pool, len(pool))
    index = bm25s.BM25()
    if shuffled:
        index.index([_terms(shot.text) or [""] for shot in shuffled], show_progress=False)

    def nearest_first(sentence: Sentence) -> Iterator[Sentence]:
        terms = _terms(sentence.text)
        scores = index.get_scores(terms) if terms and shuffled else np.zeros(len(shuffled))
        shown = {sentence.text}
        for place in np.argsort(-scores, kind="stable"):
            if shuffled[place].text not in shown:
                shown.add(shuffled[place].text)
                yield shuffled[place]

    def choose(sentence: Sentence, n: int) -> list[Sentence]:
        chosen = list(islice(nearest_first(sentence), n))
        _check(chosen, n, pool)
        for wanted in _lacking(chosen):
            other = next((shot for shot in nearest_first(sentence) if bool(shot.entities) is wanted), None)
            if other is not None:
                chosen[-1] = other
        return chosen[::-1]

    return choose


def _check(chosen: Sequence[Sentence], n: int, pool: Sequence[Sentence]) -> None:
    if len(chosen) < n:
        raise BenchmarkError(
            f"{n} demonstrations asked for, but the training split has {len(pool)} sentences; "
            "lower --num_fewshot"
        )


def _lacking(chosen: Sequence[Sentence]) -> list[bool]:
    """Which are missing: True, sentences with a mention; False, sentences without one."""
    kinds = {bool(shot.entities) for shot in chosen}
    return [wanted for wanted in (True, False)[: len(chosen)] if wanted not in kinds]


def _terms(text: str) -> list[str]:
    return [text[start:end].casefold() for start, end in words(text)]
