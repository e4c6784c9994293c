"""What the study is to tell, claim by claim, and what its records say of each.

Each claim is a few comparisons of two systems on one corpus. A side is the mean over its training seeds; a
comparison resamples seeds and documents both. All comparisons of the study are one family (Holm), whether
they are run yet or not, so that none of them becomes significant by being one of many. Beside the test of
difference stands one of equivalence: that there is no difference may be shown too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bioner_bench.evaluation.bootstrap import (
    SIGNIFICANCE,
    Comparison,
    compare_runs,
    holm,
    interval_of_runs,
)
from bioner_bench.evaluation.scoring import Score, scores
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.records import Record

MARGIN = 0.01
"""Systems that differ by less are as good as each other: one point."""

TASK = "bioner_ncbi"
ENOUGH = 3
"""Training seeds that a side must have for an answer that is of a recipe, and not of a checkpoint."""


@dataclass(frozen=True)
class Pair:
    """Two systems that learned for as long as each other.

    Attributes:
        budget: how long that is, as words that open a sentence.
        one: the system that the claim says is better.
        other: what it is held against.
    """

    budget: str
    one: str
    other: str


@dataclass(frozen=True)
class Claim:
    """Something that may or may not hold.

    Attributes:
        title: the claim.
        about: what it would mean, in a sentence.
        one: what all systems `one` have in common, in words.
        other: what all systems `other` have in common.
        pairs: the comparisons, the most telling one first.
    """

    title: str
    about: str
    one: str
    other: str
    pairs: tuple[Pair, ...]


HYBRID = "the hardest half"
EQUAL_STEPS, THREE_EPOCHS, ONE_EPOCH = "at equal steps", "in three epochs", "in one epoch"


def _pairs(other: str, one_epoch: bool = False) -> tuple[Pair, ...]:
    """Hybrid against another strategy."""
    name = "smollm2-135m-ncbi"
    full = other == "full"
    pairs = [
        Pair(EQUAL_STEPS, f"{name}-hybrid-50-steps", f"{name}-full" if full else f"{name}-{other}-steps"),
        Pair(THREE_EPOCHS, f"{name}-hybrid-50-3-epochs-last", f"{name}-{other}-3-epochs-last"),
    ]
    pairs += [Pair(ONE_EPOCH, f"{name}-hybrid-50", f"{name}-{other}")] if one_epoch else []
    return tuple(pairs)


CLAIMS = (
    Claim(
        "The hardest half of the positives beats all of them",
        "This is what the paper says. In one epoch a model that learns from fewer rows takes fewer steps, "
        "so that comparison is not fair to it; the others are.",
        HYBRID,
        "all rows",
        _pairs("full", one_epoch=True),
    ),
    Claim(
        "The hardest half beats a random half",
        "If it does not, IFD chooses no better than chance.",
        HYBRID,
        "a random half",
        _pairs("random-50", one_epoch=True),
    ),
    Claim(
        "There is more to it than the number of mentions",
        "What IFD finds hard has more mentions. `matched` draws rows by chance, with as many of each number "
        "of mentions as `hybrid` has.",
        HYBRID,
        "a random half with as many mentions",
        _pairs("matched-50"),
    ),
    Claim(
        "IFD beats counting mentions",
        "`densest` takes the rows with the most mentions, and needs no weak model.",
        HYBRID,
        "the half with the most mentions",
        _pairs("densest-50"),
    ),
    Claim(
        "Who scores makes a difference",
        "The paper asks for a weak model of the family that is tuned; here that is the tuned model itself.",
        "rows scored by the tuned model itself",
        "rows scored by another weak model",
        tuple(
            Pair(
                f"{EQUAL_STEPS}, by {name}",
                "smollm2-135m-ncbi-hybrid-50-steps",
                f"smollm2-135m-ncbi-hybrid-50-{weak}-steps",
            )
            for name, weak in (("Gemma 3 270M", "gemma"), ("Qwen2.5-Coder-0.5B", "qwen"))
        ),
    ),
)


@dataclass(frozen=True)
class Side:
    """The runs of a system: its seeds, its mean strict F1, and the 95 % interval of that."""

    seeds: tuple[int, ...]
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Result:
    """What came out of a pair; `p_value` is after Holm's correction over all pairs of all claims."""

    pair: Pair
    one: Side
    other: Side
    test: Comparison
    p_value: float

    @property
    def better(self) -> bool:
        return self.p_value < SIGNIFICANCE and self.test.difference > 0

    @property
    def worse(self) -> bool:
        return self.p_value < SIGNIFICANCE and self.test.difference < 0

    @property
    def equivalent(self) -> bool:
        return self.test.equivalent(MARGIN)

    @property
    def enough(self) -> bool:
        return min(len(self.one.seeds), len(self.other.seeds)) >= ENOUGH


def results(runs: Mapping[str, Sequence[Record]], claims: Sequence[Claim] = CLAIMS) -> dict[Pair, Result]:
    """The results of all pairs that have a record on each side.

    Args:
        runs: system -> its records on the task, one a training seed.
        claims: the family.
    """
    family = [pair for claim in claims for pair in claim.pairs]
    measured = [pair for pair in family if runs.get(pair.one) and runs.get(pair.other)]
    tests = [_compared(runs[pair.one], runs[pair.other]) for pair in measured]
    corrected = holm([test.p_value for test in tests], tests=len(family))
    return {
        pair: Result(pair, side(runs[pair.one]), side(runs[pair.other]), test, p_value)
        for pair, test, p_value in zip(measured, tests, corrected, strict=True)
    }


def side(found: Sequence[Record]) -> Side:
    """The mean of the runs of a system, and its interval over other documents and other seeds."""
    tables = [records.counts_of(record) for record in found]
    low, high = interval_of_runs(_score(found[0]), tables, found[0]["documents"])
    values = [record["scores"]["strict_f1"]["value"] or 0.0 for record in found]
    seeds = tuple(record["training"]["recipe"]["seed"] for record in found if record["training"])
    return Side(seeds, sum(values) / len(values), low, high)


def _compared(one: Sequence[Record], other: Sequence[Record]) -> Comparison:
    assert len({record["gold_sha256"] for record in [*one, *other]}) == 1
    tables = [[records.counts_of(record) for record in found] for found in (one, other)]
    return compare_runs(_score(one[0]), *tables, one[0]["documents"])


def _score(record: Record) -> Score:
    return scores(record["types"])["strict_f1"]


def verdict(result: Result) -> str:
    """What a result says of its first side, as the words between the two."""
    if result.better:
        return "beats" + (", by less than a point," if result.equivalent else "")
    if result.worse:
        return "is worse than" + (", by less than a point," if result.equivalent else "")
    return "is as good as" if result.equivalent else "cannot be told from"
