"""What is said of a corpus, to the number."""

from toy_corpus import write_toy_corpus

from bioner_bench.cli.corpora import stats
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


def test_a_split_may_have_a_single_mention(tmp_path, monkeypatch):
    for name, value in write_toy_corpus(tmp_path, ["Gene"]).items():
        monkeypatch.setenv(name, value)
    found = statistics("toy")
    assert (found["train"]["seen"], found["test"]["seen"]) == (1.0, 0.0)


def test_without_training_data_nothing_is_known_of_what_was_seen(tmp_path, monkeypatch, capsys):
    for name, value in write_toy_corpus(tmp_path, ["Gene"], ("test",)).items():
        monkeypatch.setenv(name, value)
    found = statistics("toy")["test"]
    assert (found["mentions"], found["seen"], found["in_training"]) == ({"Gene": 1}, None, None)
    stats(["toy"])
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "toy" in line)
    assert [cell.strip() for cell in row.split("│")][-3:-1] == ["-", "-"]
