"""What is said of a corpus, to the number."""

from bioner_bench.evaluation.corpus_statistics import statistics


def test_the_numbers_of_the_sample():
    assert statistics("bioner_sample") == {
        "train": {
            "sentences": 24,
            "documents": None,
            "mentions": {"Disease": 33, "Chemical": 34, "Gene": 32},
            "negative": 0.2916666666666667,
            "seen": 1.0,
            "in_training": 24,
            "longest_target": 142,
            "faults": {},
        },
        "test": {
            "sentences": 76,
            "documents": None,
            "mentions": {"Disease": 81, "Chemical": 84, "Gene": 65},
            "negative": 0.2631578947368421,
            "seen": 0.5521739130434783,
            "in_training": 0,
            "longest_target": 160,
            "faults": {},
        },
    }
