"""How many abbreviations does a system find, beside all other mentions?

    python scripts/abbreviations.py leaderboards/records/minilm-context --task bioner_bc5cdr_disease

Takes what `bioner-bench errors` takes: a record whose answers are kept, lm-eval's output folder, or a file of
predictions. An abbreviation is a gold mention of two to six capitals. Found is found strictly.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from bioner_bench.evaluation.predictions import Judged
from bioner_bench.leaderboard import given_answers
from bioner_bench.schema import BenchmarkError

ABBREVIATION = re.compile("[A-Z]{2,6}")


def recall(judged: Sequence[Judged]) -> dict[str, tuple[int, int]]:
    """Abbreviations and other mentions: how many were found, of how many."""
    found = {"abbreviations": [0, 0], "others": [0, 0]}
    for one in judged:
        spans = {aligned.span for aligned in one.aligned}
        for entity in one.sentence.entities:
            short = ABBREVIATION.fullmatch(one.sentence.surface(entity))
            counts = found["abbreviations" if short else "others"]
            counts[0] += entity in spans
            counts[1] += 1
    return {kind: (hits, number) for kind, (hits, number) in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("given", type=Path)
    parser.add_argument("--task")
    given = parser.parse_args()
    try:
        answers = given_answers.read(given.given, given.task)
    except BenchmarkError as error:
        sys.exit(str(error))
    print(answers.name)
    for kind, (hits, number) in recall(answers.judged).items():
        share = f"{100 * hits / number:.1f} %" if number else "-"
        print(f"{kind}: {hits:,} of {number:,} found, {share}")


if __name__ == "__main__":
    main()
