"""Training sentences -> the few that are shown, solved, in a few-shot prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioner_bench.models.packaged import public_name
from bioner_bench.models.tagging import words
from bioner_bench.schema import BenchmarkError, Sentence

STRATEGIES = ("random", "retrieved", "fixed")
"""`random`: drawn anew for each sentence. `retrieved`: the most similar training sentences by BM25. `fixed`:
drawn once, the same for all sentences but those among them, so that a model needs to read them only once."""

DENSE = "dense:"
"""Before the name of an embedding model: the most similar training sentences by the cosine of their vectors.
Behind the name `@` and a revision; what a run was made with has it always."""

DECIMALS = 5
"""Of a cosine. What differs less is equally near, since a vector depends that much on its batch."""

Chooser = Callable[[Sentence, int], list[Sentence]]
"""A sentence and a number -> its demonstrations, in the order in which the prompt shows them."""

Similarity = Callable[[str], NDArray[Any]]
"""A text -> how near each sentence of the pool is to it."""


def chooser(pool: Sequence[Sentence], strategy: str, seed: int) -> Chooser:
    """How the demonstrations of a sentence are chosen from the training sentences `pool`.

    They depend on the strategy, the seed and the sentence alone, not on which sentences were asked before
    it. Of two or more demonstrations at least one has a mention and at least one has none, where the
    pool allows; a single one has a mention. A training sentence with the same text is never shown.

    Raises:
        BenchmarkError: unknown strategy; and the chooser, if the pool is too small.
    """
    strategy = pinned(strategy)
    if strategy == "retrieved":
        return _nearest(pool, seed, _by_words)
    if strategy.startswith(DENSE):
        model, at = _model(strategy)
        return _nearest(pool, seed, lambda texts: _by_vectors(texts, model, at))
    return _drawn(pool, seed, strategy == "fixed")


def pinned(strategy: str) -> str:
    """A strategy with the revision of its model, as this machine has it; one without a model as it is.

    Raises:
        BenchmarkError: unknown strategy or model, or the model is here in another revision.
    """
    if not strategy.startswith(DENSE):
        if strategy not in STRATEGIES:
            raise BenchmarkError(
                f"unknown way to choose demonstrations: {strategy!r}; "
                f"there are: {', '.join(STRATEGIES)}, {DENSE}MODEL"
            )
        return strategy
    from bioner_bench.models import embedding

    model, at = _model(strategy)
    if not model:
        raise BenchmarkError(f"{strategy!r} names no model; for example: {DENSE}minilm-l6-v2")
    return f"{DENSE}{model}@{embedding.revision(model, at or None)}"


def as_recorded(strategy: str) -> str:
    """A strategy as prompts' hashes and records have it: without the folders of the machine it is on.

    >>> as_recorded("dense:/home/me/models/medcpt@sha256:12ab")
    'dense:medcpt@sha256:12ab'
    """
    model, at = _model(strategy)
    return f"{DENSE}{public_name(model)}@{at}" if model else strategy


def in_words(strategy: str) -> str:
    """A strategy as tables have it.

    >>> in_words("dense:minilm-l6-v2@sha256:12ab")
    'dense minilm-l6-v2'
    """
    model, _ = _model(strategy)
    return f"dense {model}" if model else strategy


def in_a_file_name(strategy: str) -> str:
    """A strategy as names of files have it: of a revision only the beginning.

    >>> in_a_file_name("dense:org/model@0123456789abcdef")
    'dense-org-model-01234567'
    """
    model, at = _model(strategy)
    return f"dense-{model.replace('/', '-')}-{at.removeprefix('sha256:')[:8]}" if model else strategy


def _model(strategy: str) -> tuple[str, str]:
    """The embedding model of a strategy and its revision, each empty where there is none."""
    if not strategy.startswith(DENSE):
        return "", ""
    model, _, at = strategy.removeprefix(DENSE).partition("@")
    return model, at


def _drawn(pool: Sequence[Sentence], seed: int, fixed: bool) -> Chooser:
    """Fixed ones differ only for a sentence that is one of them: for it they are drawn without it."""

    def draw(random: Random, n: int, without: str | None) -> list[Sentence]:
        # More than asked, so that leaving out copies of the sentence itself needs no second draw.
        drawn = random.sample(pool, min(len(pool), 2 * n + 8))
        chosen = [shot for shot in drawn if shot.text != without][:n]
        _check(chosen, n, pool)
        for wanted in _lacking(chosen):
            others = [shot for shot in pool if bool(shot.entities) is wanted and shot.text != without]
            if others:
                chosen[random.randrange(n)] = random.choice(others)
        return chosen

    def choose(sentence: Sentence, n: int) -> list[Sentence]:
        if not fixed:
            return draw(Random(f"{seed}:{sentence.id}"), n, sentence.text)
        same = draw(Random(f"{seed}"), n, None)
        if all(shot.text != sentence.text for shot in same):
            return same
        return draw(Random(f"{seed}"), n, sentence.text)

    return choose


def _nearest(pool: Sequence[Sentence], seed: int, index: Callable[[list[str]], Similarity]) -> Chooser:
    """The nearest sentence stands last, next to the question; the seed orders equally near ones."""
    shuffled = Random(seed).sample(pool, len(pool))
    similarity = index([shot.text for shot in shuffled]) if shuffled else None

    def nearest_first(sentence: Sentence, scores: NDArray[Any]) -> Iterator[Sentence]:
        shown = {sentence.text}
        for place in np.argsort(-scores, kind="stable"):
            if shuffled[place].text not in shown:
                shown.add(shuffled[place].text)
                yield shuffled[place]

    def choose(sentence: Sentence, n: int) -> list[Sentence]:
        scores = similarity(sentence.text) if similarity else np.zeros(0)
        chosen = list(islice(nearest_first(sentence, scores), n))
        _check(chosen, n, pool)
        for wanted in _lacking(chosen):
            others = (shot for shot in nearest_first(sentence, scores) if bool(shot.entities) is wanted)
            if (other := next(others, None)) is not None:
                chosen[-1] = other
        return chosen[::-1]

    return choose


def _by_words(texts: list[str]) -> Similarity:
    """BM25 of the texts' words."""
    import bm25s

    index = bm25s.BM25()
    index.index([_terms(text) or [""] for text in texts], show_progress=False)

    def similarity(text: str) -> NDArray[Any]:
        terms = _terms(text)
        return np.asarray(index.get_scores(terms)) if terms else np.zeros(len(texts))

    return similarity


def _by_vectors(texts: list[str], model: str, at: str) -> Similarity:
    """The cosine of the texts' vectors, all of them compared."""
    from bioner_bench.models import embedding

    embed = embedding.load(model, at)
    vectors = embed(texts)
    return lambda text: np.round(vectors @ embed([text])[0], DECIMALS)


def _check(chosen: Sequence[Sentence], n: int, pool: Sequence[Sentence]) -> None:
    if not pool and n > 0:
        raise BenchmarkError(
            f"{n} demonstrations asked for, but the corpus has no training split; name another corpus as "
            "training_corpus in its entry, or lower --num_fewshot to 0"
        )
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
