"""Do two weak models find the same rows hard?

    python scripts/compare_scores.py selections/smollm2 selections/gemma --task bioner_ncbi

Reads the scores that `bioner-bench select` wrote into two folders, and prints as JSON the rank correlation of
the IFD of positive rows, and the share of the hardest half of one, as `select` keeps it, that is in that of
the other.
"""

import argparse
import json
import math
import sys
from pathlib import Path

from scipy.stats import spearmanr

from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import score_files
from bioner_bench.tuning.rows import rows_of
from bioner_bench.tuning.strategies import select


def compare(one, other, task):
    """Both weak models, the positives that both scored, and how far they agree."""
    models, scores = [], []
    for folder in (one, other):
        settings, found = score_files.load(folder / "ifd" / f"{task}.jsonl")
        if settings is None:
            raise BenchmarkError(f"{folder} holds no scores of {task}; name a folder that `select` wrote")
        models.append(settings["weak_model"])
        scores.append(found)
    rows = [row for row in rows_of(task) if row.positive and all(row.id in found for found in scores)]
    if len(rows) < 2:
        raise BenchmarkError(f"{one} and {other} share {len(rows)} positive rows of {task}")
    values = [[found[row.id].ifd for row in rows] for found in scores]
    # What is not finite is as far from being helped as can be.
    ranks = spearmanr(*[[math.inf if value is None else value for value in found] for found in values])
    kept, other_kept = (select(rows, found, "hybrid", 0.5, 0).kept for found in scores)
    return {
        "task": task,
        "weak_models": models,
        "positives": len(rows),
        "ifd_of_1_or_more": [sum(value is None or value >= 1 for value in found) for found in values],
        "rank_correlation": round(float(ranks.statistic), 4),
        "hardest_half_in_common": round(len(kept & other_kept) / len(kept), 4),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--task", default="bioner_ncbi")
    given = parser.parse_args()
    print(json.dumps(compare(given.one, given.other, given.task), indent=2))


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
