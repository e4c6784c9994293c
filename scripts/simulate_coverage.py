"""How often does a 95 % interval hold the true score?

    python scripts/simulate_coverage.py --runs 2000

The documents of a test set, with what a real system got right in each, stand for all documents there are: the
score on all of them is the true one. Again and again a test set of 33, 50, 100 or 500 documents is drawn
from them, and its interval is asked whether it holds the truth. Beside the intervals of this package stand
plain percentiles, without the expansion for few documents, and intervals that draw sentences.

With training seeds, made-up ones: each keeps another share of the real system's right mentions, such that the
F1 of seeds has a standard deviation of 1 or 3 points.

The corpora are needed for their documents (BIONER_BENCH_MIRROR, or a download).
"""

import argparse
import time
from pathlib import Path

import numpy as np

from bioner_bench import corpora
from bioner_bench.evaluation.bootstrap import interval, interval_of_runs, resampled_sums
from bioner_bench.evaluation.scoring import scores
from bioner_bench.leaderboard import records

RECORDS = Path(__file__).parent.parent / "leaderboards/records"
STRICT_F1 = scores(["any"])["strict_f1"]
COLUMNS = STRICT_F1.columns

SYSTEMS = [
    ("bioner_ncbi", "minilm", (33, 50, 100, 500)),
    ("bioner_ncbi", "smollm2-135m-ncbi-full", (33, 50, 100, 500)),
    ("bioner_bc5cdr_chem", "minilm", (33, 50, 100, 500)),
    ("bioner_bc5cdr_chem", "dictionary", (33, 50, 100, 500)),
    ("bioner_nlmchem", "minilm", (33, 50, 100)),
    ("bioner_nlmgene", "minilm", (33, 50, 100)),
    ("bioner_linnaeus", "dictionary", (33, 50)),
]
"""Task, system, and how many documents are drawn."""

SEEDS = [(2, 1.0), (3, 1.0), (5, 1.0), (2, 3.0), (3, 3.0), (5, 3.0)]
"""Training seeds, and the standard deviation of their F1 in points."""


def record_path(task, system):
    return sorted((RECORDS / system).glob(f"{task}-0-shot*.json"))[0]


def read(task, system):
    """The counts of each sentence, shape (sentences, columns), in a list with an item a document."""
    table = records.counts_of(records.read(record_path(task, system)))
    counts = np.column_stack([table[column] for column in COLUMNS])
    names = [sentence.document for sentence in corpora.load(task, "test").sentences]
    _, document = np.unique(names, return_inverse=True)
    return [counts[document == number] for number in range(document.max() + 1)]


def as_table(counts):
    return dict(zip(COLUMNS, counts.T, strict=True))


def coverage(documents, size, runs, runs_by_sentence, resamples, random):
    """Shares of intervals that hold the truth: ours, plain percentiles, by sentence; and our width."""
    summed = np.array([counts.sum(axis=0) for counts in documents])
    truth = float(STRICT_F1.formula(*summed.sum(axis=0)))
    held, held_by_sentence, widths = np.zeros(2), 0, []
    for run in range(runs):
        chosen = random.integers(len(documents), size=size)
        counts, names = summed[chosen], list(range(size))  # a row a document
        resampled = STRICT_F1.formula(*resampled_sums(counts, names, resamples, run).T)
        found = [
            interval(STRICT_F1, as_table(counts), names, resamples, run),
            np.quantile(resampled, [0.025, 0.975]),
        ]
        held += [low <= truth <= high for low, high in found]
        widths.append(found[0][1] - found[0][0])
        if run < runs_by_sentence:
            sentences = np.vstack([documents[number] for number in chosen])
            low, high = interval(STRICT_F1, as_table(sentences), None, resamples, run)
            held_by_sentence += low <= truth <= high
    return (*held / runs, held_by_sentence / runs_by_sentence, 100 * np.mean(widths))


def coverage_with_seeds(documents, size, seeds, points, runs, resamples, random):
    """Shares of intervals that hold the mean over all seeds: of all runs together, and of one run alone."""
    kept, names = 0.9, list(range(size))
    summed = np.array([counts.sum(axis=0) for counts in documents])
    truth = kept * float(STRICT_F1.formula(*summed.sum(axis=0)))
    spread = points / 100 / (truth / kept)
    held = np.zeros(2)
    for run in range(runs):
        counts = summed[random.integers(len(documents), size=size)]
        tables = []
        for share in np.clip(random.normal(kept, spread, seeds), 0, 1):
            tables.append(as_table(counts) | {"strict": random.binomial(counts[:, 0], share)})
        found = [
            interval_of_runs(STRICT_F1, chosen, names, resamples, run) for chosen in (tables, tables[:1])
        ]
        held += [low <= truth <= high for low, high in found]
    return held / runs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--runs-by-sentence", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    print(f"{arguments.runs} runs a line, {arguments.resamples} resamples; strict F1")
    print(f"{'documents':>9} {'holds':>6} {'plain':>6} {'by sentence':>11} {'width':>6}")
    for index, (task, system, sizes) in enumerate(SYSTEMS):
        documents = read(task, system)
        for size in sizes:
            random = np.random.default_rng([arguments.seed, index, size])
            ours, plain, by_sentence, width = coverage(
                documents,
                size,
                arguments.runs,
                min(arguments.runs, arguments.runs_by_sentence),
                arguments.resamples,
                random,
            )
            print(
                f"{size:>9} {ours:>6.1%} {plain:>6.1%} {by_sentence:>11.1%} {width:>6.1f}  {task}, {system}"
                f"  ({time.perf_counter() - start:.0f} s)",
                flush=True,
            )
    print(f"{'seeds':>9} {'points':>6} {'holds':>6} {'one seed':>8}  of 100 documents of NCBI-disease")
    documents = read("bioner_ncbi", "minilm")
    for seeds, points in SEEDS:
        random = np.random.default_rng([arguments.seed, seeds, int(points)])
        together, alone = coverage_with_seeds(
            documents, 100, seeds, points, arguments.runs, arguments.resamples, random
        )
        print(f"{seeds:>9} {points:>6} {together:>6.1%} {alone:>8.1%}", flush=True)


if __name__ == "__main__":
    main()
