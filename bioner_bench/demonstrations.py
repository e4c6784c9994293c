"""Training sentences -> the few that are shown, solved, in a few-shot prompt."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from bioner_bench.schema import BenchmarkError, Sentence


def choose(pool: Sequence[Sentence], sentence: Sentence, n: int, seed: int) -> list[Sentence]:
    """Draw `n` demonstrations for `sentence` from the training sentences `pool`.

    The draw depends on the seed and the sentence's id alone, not on which sentences were asked before
    it. Of two or more demonstrations at least one has a mention and at least one has none, where the
    pool allows; a single one has a mention. A training sentence with the same text is never shown.

    Raises:
        BenchmarkError: the pool is too small.
    """
    random = Random(f"{seed}:{sentence.id}")
    # More than asked, so that leaving out copies of the sentence itself needs no second draw.
    drawn = random.sample(pool, min(len(pool), 2 * n + 8))
    chosen = [shot for shot in drawn if shot.text != sentence.text][:n]
    if len(chosen) < n:
        raise BenchmarkError(
            f"{n} demonstrations asked for, but the training split has {len(pool)} sentences; "
            "lower --num_fewshot"
        )
    if n == 0:
        return chosen
    for wanted in (True, False) if n > 1 else (True,):
        if not any(bool(shot.entities) is wanted for shot in chosen):
            others = [shot for shot in pool if bool(shot.entities) is wanted and shot.text != sentence.text]
            if others:
                chosen[random.randrange(n)] = random.choice(others)
    return chosen
