"""Do two weak models find the same rows hard?

    python scripts/compare_scores.py selections/smollm2 selections/gemma --task bioner_ncbi

Reads the scores that `bioner-bench select` wrote into two folders, and prints as JSON the rank correlation of
the IFD of positive rows, and the share of the hardest half of one that is in the hardest half of the other.
"""

import argparse
import json
import sys
from pathlib import Path

from scipy.stats import spearmanr

from bioner_bench.rows import rows_of
from bioner_bench.schema import BenchmarkError


def read(folder, task):
    """The weak model, and the IFD of every row that has a finite one."""
    path = folder / "ifd" / f"{task}.jsonl"
    try:
        settings, *scores = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path}: no scores ({error}); name a folder that `select` wrote") from error
    return settings["weak_model"], {row["id"]: row["ifd"] for row in scores if row["ifd"] is not None}


def compare(one, other, task):
    """Both weak models, the positives that both scored, and how far they agree."""
    (name, scores), (other_name, other_scores) = read(one, task), read(other, task)
    both = scores.keys() & other_scores.keys()
    ids = [row.id for row in rows_of(task) if row.positive and row.id in both]
    if len(ids) < 2:
        raise BenchmarkError(f"{one} and {other} share {len(ids)} positive rows of {task}")
    hardest, other_hardest = (
        set(sorted(ids, key=lambda id_: (-found[id_], id_))[: len(ids) // 2])
        for found in (scores, other_scores)
    )
    ranks = spearmanr([scores[id_] for id_ in ids], [other_scores[id_] for id_ in ids])
    return {
        "task": task,
        "weak_models": [name, other_name],
        "positives": len(ids),
        "ifd_of_1_or_more": [sum(found[id_] >= 1 for id_ in ids) for found in (scores, other_scores)],
        "rank_correlation": round(float(ranks.statistic), 4),
        "hardest_half_in_common": round(len(hardest & other_hardest) / len(hardest), 4),
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
