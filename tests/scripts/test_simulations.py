"""The simulations of the gate and of the intervals do what they say."""

import numpy as np
import pytest
import simulate_check
import simulate_coverage
from leaderboard_data import make_record

from bioner_bench.evaluation.bootstrap import compare
from bioner_bench.evaluation.scoring import scores
from bioner_bench.leaderboard import records

STRICT_F1 = scores(["Disease"])["strict_f1"]


@pytest.fixture
def pair():
    found = [make_record(name, skill=skill, sentences=400) for name, skill in (("a", 0.8), ("b", 0.5))]
    counts = [
        np.column_stack([records.counts_of(record)[column] for column in simulate_check.COLUMNS])
        for record in found
    ]
    return simulate_check.Pair("a, b", found[0], *counts, np.arange(400) // 8)


def test_what_is_simulated_is_in_the_committed_records():
    for task, *systems in simulate_check.PAIRS:
        assert all(simulate_check.record_path(task, system).is_file() for system in systems)
    for task, system, _ in simulate_coverage.SYSTEMS:
        assert simulate_coverage.record_path(task, system).is_file()


def f1(counts):
    return 100 * float(STRICT_F1.formula(*counts.sum(axis=0)))


def test_a_coin_a_document_makes_two_systems_equally_good(pair):
    random = np.random.default_rng(0)
    differences = []
    for _ in range(300):
        old, new = simulate_check.swapped(pair, random)
        for number in range(50):
            of_document = pair.document == number
            sides = [new[of_document], old[of_document]]
            assert any(
                np.array_equal(sides, kept)
                for kept in (
                    [pair.a[of_document], pair.b[of_document]],
                    [pair.b[of_document], pair.a[of_document]],
                )
            )
        differences.append(f1(new) - f1(old))
    assert abs(np.mean(differences)) < 4 * np.std(differences) / np.sqrt(300)
    assert np.std(differences) > 1  # and yet they differ


def test_the_drop_is_as_large_as_it_says(pair):
    random = np.random.default_rng(0)
    lost = [f1(pair.a) - f1(simulate_check.worse(pair.a, 3.0, random)) for _ in range(200)]
    assert np.mean(lost) == pytest.approx(3.0, abs=0.2)


def test_a_row_a_document_is_the_same_comparison(pair):
    tables = [dict(zip(simulate_check.COLUMNS, counts.T, strict=True)) for counts in (pair.b, pair.a)]
    expected = compare(STRICT_F1, *tables, pair.document.tolist(), resamples=500)
    assert simulate_check.checked(pair, pair.a, pair.b, 500).comparison == expected


def test_coverage_of_independent_documents_is_about_what_it_should_be():
    random = np.random.default_rng(0)
    gold = random.poisson(20, 2000) + 1
    strict = random.binomial(gold, 0.8)
    documents = [np.array([[right, all_, all_]]) for right, all_ in zip(strict, gold, strict=True)]
    ours, plain, _, width = simulate_coverage.coverage(documents, 33, 400, 1, 400, random)
    assert 0.91 <= ours <= 0.99
    assert plain <= ours
    assert 0 < width < 20


def test_seeds_that_differ_are_covered_only_if_there_are_several():
    random = np.random.default_rng(0)
    documents = [np.array([[16, 20, 20]])] * 50
    together, alone = simulate_coverage.coverage_with_seeds(documents, 100, 5, 3.0, 200, 200, random)
    assert together > 0.88
    assert alone < 0.5
