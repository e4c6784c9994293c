"""How often does `bioner-bench check` cry wolf, and how large a drop does it catch?

    python scripts/simulate_check.py --runs 1000

Errors cluster by document, and the clustering here is real: pairs of committed records are taken, and for
each document a coin says which of the two systems stands on which side. Both sides are equally good by that,
and differ as those two systems do. Each pair goes through the real check; exit code 1 is a false alarm. It is
about half of all significant differences (p < 5 %), since those that are better are none. The same pairs are
tested with sentences resampled too, to show what that does.

Then the new side loses right mentions, each as likely as any other, until the check finds it in 90 % of
cases: the smallest drop that it catches, between systems that differ as those two do.

Last, a table of ten systems that are equally good, made in the same way: how often does it call at least one
of them significantly worse than the best?

The corpora are needed for their documents (BIONER_BENCH_MIRROR, or a download).
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bioner_bench import corpora
from bioner_bench.evaluation.bootstrap import SIGNIFICANCE, compare, holm
from bioner_bench.evaluation.scoring import scores
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.regression import Outcome, check, judge

RECORDS = Path(__file__).parent.parent / "leaderboards/records"

PAIRS = [
    ("bioner_ncbi", "minilm seed-1", "minilm seed-2"),
    ("bioner_ncbi", "minilm seed-1", "dictionary"),
    ("bioner_ncbi", "smollm2-135m-ncbi-full seed-1", "smollm2-135m-ncbi-hybrid-50 seed-1"),
    ("bioner_bc5cdr_disease", "minilm-ncbi seed-1", "minilm-ncbi seed-2"),
    ("bioner_bc5cdr_disease", "minilm seed-1", "dictionary"),
    ("bioner_bc5cdr_chem", "minilm seed-1", "dictionary"),
    ("bioner_nlmgene", "minilm seed-1", "dictionary"),
    ("bioner_nlmchem", "minilm seed-1", "dictionary"),
]
"""Task, and two systems with how their record's name ends."""

DROPS = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30]
COLUMNS = ("strict", "predicted", "gold")
POWER = 0.90
ENOUGH = "> 30"
SYSTEMS = 10
"""In a table."""


@dataclass(frozen=True)
class Pair:
    """Counts of two systems, shape (sentences, COLUMNS) each, and the number of each sentence's document."""

    name: str
    template: records.Record
    a: np.ndarray
    b: np.ndarray
    document: np.ndarray


def record_path(task, system):
    folder, _, ending = system.partition(" ")
    (path,) = (RECORDS / folder).glob(f"{task}-0-shot*{ending}.json")
    return path


def read_pair(task, *systems):
    found = [records.read(record_path(task, system)) for system in systems]
    tables = [records.counts_of(record) for record in found]
    sentences = corpora.load(task, "test").sentences
    _, document = np.unique([sentence.document for sentence in sentences], return_inverse=True)
    a, b = (np.column_stack([table[column] for column in COLUMNS]) for table in tables)
    return Pair(f"{task}: {systems[0]}, {systems[1]}", found[0], a, b, document)


def swapped(pair, random):
    """The two systems with their answers swapped by document, at random."""
    swap = random.random(pair.document.max() + 1) < 0.5
    mask = swap[pair.document][:, None]
    return np.where(mask, pair.b, pair.a), np.where(mask, pair.a, pair.b)


def worse(counts, drop, random):
    """Counts of which so many right mentions became wrong ones that F1 drops by so many points on average."""
    strict, predicted, gold = counts.T
    lost = drop / 100 * (predicted.sum() + gold.sum()) / 2  # F1 is 2 strict / (predicted + gold)
    kept = random.binomial(strict, max(0.0, 1 - lost / strict.sum()))
    return np.column_stack([kept, predicted, gold])


def as_record(pair, counts):
    """A record of these counts with a row a document: the check, which draws documents, sees nothing else."""
    size = pair.document.max() + 1
    summed = np.zeros((size, len(COLUMNS)), dtype=int)
    np.add.at(summed, pair.document, counts)
    strict, predicted, gold = summed.T.tolist()
    (type_,) = pair.template["types"]
    rows = {"gold": gold, "predicted": predicted, "strict": strict, "relaxed": strict}
    empty = {name: value if isinstance(value, int) else 0 for name, value in pair.template["counts"].items()}
    return pair.template | {
        "sentences": size,
        "corpus_sentences": size,
        "sentence_hashes": [str(number) for number in range(size)],
        "documents": [str(number) for number in range(size)],
        "counts": empty | {f"{name}/{type_}": values for name, values in rows.items()},
    }


def checked(pair, old, new, resamples):
    return check(as_record(pair, new), as_record(pair, old), resamples=resamples)


def by_sentence(pair, old, new, resamples):
    """Whether a comparison that draws sentences would call the difference significant."""
    named = scores(pair.template["types"])["strict_f1"]
    sides = [dict(zip(COLUMNS, counts.T, strict=True)) for counts in (new, old)]
    return compare(named, *sides, resamples=resamples).p_value < SIGNIFICANCE


def smallest_drop(pair, random, runs, resamples):
    """The drop that is caught in 90 %, between steps by linear interpolation."""
    before = (0.0, 0.0)
    for drop in DROPS:
        caught = 0
        for _ in range(runs):
            old, new = swapped(pair, random)
            found = checked(pair, old, worse(new, drop, random), resamples)
            caught += found.outcome is Outcome.REGRESSION
        share = caught / runs
        if share >= POWER:
            return f"{before[0] + (drop - before[0]) * (POWER - before[1]) / (share - before[1]):.1f}"
        before = (drop, share)
    return ENOUGH


def worse_than_best(pair, random, resamples):
    """p values of equally good systems against the best of them: a coin says who answers each document."""
    named = scores(pair.template["types"])["strict_f1"]
    size = pair.document.max() + 1
    a, b = np.zeros((size, len(COLUMNS))), np.zeros((size, len(COLUMNS)))
    np.add.at(a, pair.document, pair.a)
    np.add.at(b, pair.document, pair.b)
    systems = [np.where(random.random((size, 1)) < 0.5, a, b) for _ in range(SYSTEMS)]
    systems.sort(key=lambda counts: -named.formula(*counts.sum(axis=0)))
    tables = [dict(zip(COLUMNS, counts.T, strict=True)) for counts in systems]
    documents = list(range(size))
    return [compare(named, table, tables[0], documents, resamples).p_value for table in tables[1:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--runs-of-drops", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    runs, resamples = arguments.runs, arguments.resamples
    pairs = [read_pair(*pair) for pair in PAIRS]
    start = time.perf_counter()
    print(f"{runs} runs a line, {arguments.runs_of_drops} for drops, {resamples} resamples")
    print(f"{'documents':>9} {'by sentence p < 5 %':>19} {'p < 5 %':>7} {'exit 1':>7} {'drop':>6}  pair")
    verdicts = []
    for index, pair in enumerate(pairs):
        random = np.random.default_rng([arguments.seed, index])
        found, found_by_sentence = [], 0
        for _ in range(runs):
            old, new = swapped(pair, random)
            found.append(checked(pair, old, new, resamples))
            found_by_sentence += by_sentence(pair, old, new, resamples)
        verdicts.append(found)
        alarms = sum(verdict.outcome is Outcome.REGRESSION for verdict in found) / runs
        differ = sum(verdict.p_value < SIGNIFICANCE for verdict in found) / runs
        drop = smallest_drop(pair, random, arguments.runs_of_drops, resamples)
        print(
            f"{pair.document.max() + 1:>9} {found_by_sentence / runs:>19.1%} {differ:>7.1%} {alarms:>7.1%} "
            f"{drop:>6}  {pair.name}  ({time.perf_counter() - start:.0f} s)",
            flush=True,
        )
    together = list(zip(*verdicts, strict=True))
    joint = sum(judge("strict_f1", found).outcome is Outcome.REGRESSION for found in together) / runs
    alone = sum(any(v.outcome is Outcome.REGRESSION for v in found) for found in together) / runs
    print(f"all {len(pairs)} in one check: exit 1 in {joint:.1%}; without Holm's correction {alone:.1%}")
    random = np.random.default_rng([arguments.seed, len(pairs)])
    tables = [worse_than_best(pairs[1], random, 2 * resamples) for _ in range(runs)]
    print(f"{SYSTEMS} equal systems, at least one called worse than the best ({pairs[1].name}):")
    for what, corrected in (
        ("uncorrected", lambda p_values: p_values),
        (f"Holm, {SYSTEMS - 1} tests", holm),
        (f"Holm, all {SYSTEMS * (SYSTEMS - 1) // 2} pairs", lambda p: holm(p, SYSTEMS * (SYSTEMS - 1) // 2)),
    ):
        denied = sum(min(corrected(p_values)) < SIGNIFICANCE for p_values in tables) / runs
        print(f"{denied:>9.1%}  {what}")


if __name__ == "__main__":
    main()
