"""How often does `bioner-bench check` cry wolf, and how often does it miss a true drop?

    python scripts/simulate_check.py --runs 1000

A system with a strict F1 near 84 on NCBI-disease is simulated on the real gold counts of the test set, taken
from a committed record. A re-run flips a share of its mentions ("churn"): as many from right to wrong as
back, so that nothing is lost on average (equal systems), or so many more to wrong that strict F1 truly drops
by 3 points. Each pair goes through the real check. Sentences differ in how hard they are, so errors come in
clusters, as in real systems.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.regression import Outcome, check

RECORD = Path(__file__).parent.parent / "leaderboards/records/bioner-oracle/bioner_ncbi-0-shot.json"
RECALL, DROP = 0.85, 3.0


def base_system(gold, random):
    """Right mentions and false positives of each sentence; a mention that is not right has a wrong span."""
    ease = random.beta(4 * RECALL, 4 * (1 - RECALL), size=len(gold))
    right = random.binomial(gold, ease)
    return right, gold - right + random.poisson(0.03, size=len(gold))


def rerun(gold, right, false, churn, drop, random):
    """Flip mentions: `churn` of them in balance, and on top what costs `drop` points of F1."""
    wrong = gold - right
    flips = churn * gold.sum() / 2
    # F1 is 2 right / (gold + predicted), and the number of predictions stays.
    net = drop / 100 * (gold.sum() + right.sum() + false.sum()) / 2
    lost = random.binomial(right, min(1.0, (flips + net) / max(1, right.sum())))
    gained = random.binomial(wrong, min(1.0, flips / max(1, wrong.sum())))
    return right - lost + gained


def as_record(template, gold, right, false):
    counts = dict(template["counts"])
    counts |= {
        "gold/Disease": gold.tolist(),
        "predicted/Disease": (right + false).tolist(),
        "strict/Disease": right.tolist(),
        "relaxed/Disease": right.tolist(),
    }
    return template | {"counts": counts}


def f1(gold, right, false):
    return 200 * right.sum() / (gold.sum() + right.sum() + false.sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, default=RECORD)
    arguments = parser.parse_args()
    template = json.loads(arguments.record.read_text(encoding="utf-8"))
    gold = records.counts_of(template)["gold"]
    print(f"{len(gold)} sentences, {gold.sum()} mentions, {arguments.runs} runs a line")
    print(f"{'churn':>6} {'true drop':>10} {'mean drop':>10} {'exit 1':>8} {'seconds':>8}")
    for churn in (0.02, 0.05, 0.10):
        for drop in (0.0, DROP):
            random = np.random.default_rng([arguments.seed, int(1000 * churn), int(drop)])
            caught, drops, start = 0, [], time.perf_counter()
            for _ in range(arguments.runs):
                right, false = base_system(gold, random)
                again = rerun(gold, right, false, churn, drop, random)
                false_again = false + right - again  # the number of predictions stays
                drops.append(f1(gold, right, false) - f1(gold, again, false_again))
                old = as_record(template, gold, right, false)
                new = as_record(template, gold, again, false_again)
                caught += check(new, old).outcome is Outcome.REGRESSION
            print(
                f"{churn:>6.0%} {drop:>10.1f} {np.mean(drops):>10.2f} {caught / arguments.runs:>8.1%} "
                f"{time.perf_counter() - start:>8.1f}"
            )


if __name__ == "__main__":
    main()
