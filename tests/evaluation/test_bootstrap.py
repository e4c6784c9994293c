import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_rel

from bioner_bench.evaluation import bootstrap
from bioner_bench.evaluation.bootstrap import (
    SMALLEST,
    compare,
    compare_runs,
    holm,
    interval,
    interval_of_runs,
    intervals,
    resampled_sums,
    standard_error,
)
from bioner_bench.evaluation.scoring import scores, tabulate

STRICT_F1 = scores(["Disease"])["strict_f1"]
MACRO_F1 = scores(["Chemical", "Disease"])["strict_f1_macro"]


def simulated(sentences, seed, recall=0.8, noise=0.3, documents=None):
    """Columns of a system that finds each gold entity by chance and adds some; skill varies by document."""
    random = np.random.default_rng(seed)
    gold = random.poisson(1.3, sentences)
    chance = np.full(sentences, recall)
    if documents is not None:
        chance = np.clip(random.normal(recall, 0.2, max(documents) + 1), 0.02, 0.98)[documents]
    strict = random.binomial(gold, chance)
    predicted = strict + random.poisson(noise, sentences)
    return {"strict": strict, "predicted": predicted, "gold": gold}


def matrix(table):
    return np.column_stack([table[column] for column in STRICT_F1.columns]).astype(float)


def f1_of(table):
    strict, predicted, gold = matrix(table).sum(axis=0)
    return 2 * strict / (predicted + gold)


def naive_sums(counts, documents, resamples, seed):
    """Draw the indices of sentences, or of documents, and add up what they stand for."""
    random = np.random.default_rng(seed)
    if documents is None:
        units = [counts[index] for index in range(len(counts))]
    else:
        units = [
            sum(counts[index] for index in range(len(counts)) if documents[index] == document)
            for document in sorted(set(documents))
        ]
    units = np.array(units)
    return units[random.integers(len(units), size=(resamples, len(units)))].sum(axis=1)


def test_two_outcomes_are_drawn_binomially():
    resamples = 40_000
    sums = resampled_sums(np.array([[1.0]] + [[0.0]] * 3), resamples=resamples)
    for value in range(5):
        expected = math.comb(4, value) * 0.25**value * 0.75 ** (4 - value)
        error = 4.5 * math.sqrt(expected * (1 - expected) / resamples)
        assert np.mean(sums == value) == pytest.approx(expected, abs=error)


@pytest.mark.parametrize("by_document", [False, True])
def test_sums_have_the_distribution_of_naive_resampling(by_document):
    # Documents of different lengths, in no order.
    documents = [index % 7 * (index % 5) for index in range(120)] if by_document else None
    counts = matrix(simulated(120, seed=0))
    resamples = 20_000
    fast = resampled_sums(counts, documents, resamples, seed=1)
    naive = naive_sums(counts, documents, resamples, seed=2)
    spread = naive.std(axis=0)
    assert np.abs(fast.mean(axis=0) - naive.mean(axis=0)).max() < 6 * spread.max() / math.sqrt(resamples)
    assert fast.std(axis=0) == pytest.approx(spread, rel=0.04)
    assert np.corrcoef(fast.T) == pytest.approx(np.corrcoef(naive.T), abs=0.03)
    quantiles = [0.01, 0.025, 0.1, 0.5, 0.9, 0.975, 0.99]
    ours, theirs = (np.quantile(STRICT_F1.formula(*sums.T), quantiles) for sums in (fast, naive))
    assert ours == pytest.approx(theirs, abs=0.006)


@pytest.mark.parametrize("documents", [None, ["a", "b", "a", "c", "c", "c"]])
def test_moments_are_those_of_drawing_with_replacement(documents):
    counts = np.array([[0, 1], [2, 2], [1, 3], [0, 0], [5, 5], [1, 1]], dtype=float)
    units = counts if documents is None else np.array([[1, 4], [2, 2], [6, 6]])
    sums = resampled_sums(counts, documents, resamples=50_000)
    size = len(units)
    covariance = size * np.cov(units.T, ddof=0)
    assert sums.mean(axis=0) == pytest.approx(counts.sum(axis=0), abs=0.1)
    assert np.cov(sums.T) == pytest.approx(covariance, rel=0.03)


def test_documents_are_drawn_whole():
    counts = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert np.ptp(np.diff(resampled_sums(counts, ["a", "a", "b", "b"]), axis=1)) == 0
    assert np.ptp(np.diff(resampled_sums(counts), axis=1)) > 0


def test_one_document_says_nothing_of_others():
    table = simulated(50, seed=0)
    assert interval(STRICT_F1, table, ["only"] * 50) == (0, 1)
    assert interval(STRICT_F1, {name: column[:1] for name, column in table.items()}) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_interval_covers_the_true_score_about_as_often_as_it_says(clustered):
    documents = [index // 10 for index in range(400)] if clustered else None
    everyone = [index // 10 for index in range(200_000)] if clustered else None
    truth = f1_of(simulated(200_000, seed=10_000, documents=everyone))
    covered, covered_by_sentences = 0, 0
    rounds = 200
    for seed in range(rounds):
        table = simulated(400, seed, documents=documents)
        low, high = interval(STRICT_F1, table, documents, resamples=400, seed=seed)
        covered += low <= truth <= high
        low, high = interval(STRICT_F1, table, resamples=400, seed=seed)
        covered_by_sentences += low <= truth <= high
    assert 0.90 * rounds <= covered <= 0.99 * rounds
    if clustered:
        # The reason for drawing documents: sentences of one document are not independent.
        assert covered_by_sentences < covered


def test_interval_surrounds_the_score_and_narrows_with_the_corpus():
    widths = []
    for sentences in (100, 1600):
        table = simulated(sentences, seed=0)
        low, high = interval(STRICT_F1, table)
        assert 0 <= low < f1_of(table) < high <= 1
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.25)


def test_standard_error_fits_the_interval():
    table = simulated(800, seed=0)
    low, high = interval(STRICT_F1, table)
    assert standard_error(STRICT_F1, table) == pytest.approx((high - low) / (2 * 1.96), rel=0.05)
    # Of few draws it shows that their variance is a sample's.
    assert standard_error(STRICT_F1, table, resamples=100) == pytest.approx(0.009735814293219461, rel=1e-9)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"strict": 1, "predicted": 1, "gold": 1}, (1.0, 1.0)),
        ({"strict": 0, "predicted": 1, "gold": 1}, (0.0, 0.0)),
        ({"strict": 0, "predicted": 0, "gold": 0}, (0.0, 0.0)),
    ],
)
def test_sentences_that_are_all_alike_give_a_point(row, expected):
    assert interval(STRICT_F1, tabulate([row] * 30)) == expected
    assert standard_error(STRICT_F1, tabulate([row] * 30)) == 0


def test_scores_on_many_columns_work_too():
    systems = {"Chemical": simulated(300, 0), "Disease": simulated(300, 1, recall=0.5)}
    table = {
        f"{column}/{type_}": values for type_, system in systems.items() for column, values in system.items()
    }
    low, high = interval(MACRO_F1, table, resamples=2000)
    assert low < sum(map(f1_of, systems.values())) / 2 < high


def test_same_seed_gives_the_same_bytes_whatever_the_order_of_sentences(monkeypatch):
    table = simulated(300, seed=0)
    counts = matrix(table)
    documents = [index % 40 for index in range(300)]
    first = resampled_sums(counts, resamples=500).tobytes()
    clustered = resampled_sums(counts, documents, resamples=500).tobytes()
    assert resampled_sums(counts, resamples=500).tobytes() == first
    assert resampled_sums(counts[::-1], resamples=500).tobytes() == first
    assert resampled_sums(counts[::-1], documents[::-1], resamples=500).tobytes() == clustered
    assert resampled_sums(counts, resamples=500, seed=1).tobytes() != first
    # The names of documents do not matter, nor how many numbers are drawn at once.
    named = [f"document-{document:03}" for document in documents]
    assert resampled_sums(counts, named, resamples=500).tobytes() == clustered
    # Nor whether a draw is kept for the next comparison.
    assert resampled_sums(counts, documents, resamples=500).tobytes() == clustered
    monkeypatch.setattr(bootstrap, "_KEPT", 0)
    monkeypatch.setattr(bootstrap, "_CHUNK", 1000)
    assert resampled_sums(counts, resamples=500).tobytes() == first
    assert resampled_sums(counts, documents, resamples=500).tobytes() == clustered


@pytest.mark.parametrize(
    ("documents", "published", "difference", "over_seeds"),
    [
        (
            None,
            (0.6804883853755922, 0.8021978021978022),
            (0.2130729967352146, 0.5212758399599126, 0.5029323363320918),
            0.517193903139,
        ),
        (
            [at // 7 for at in range(60)],
            (0.7151515151515152, 0.772776841588674),
            (0.3107061282589124, 0.440267671340802, 0.4225145353752877),
            0.521746141858,
        ),
    ],
)
def test_what_was_published_can_be_computed_again(documents, published, difference, over_seeds):
    """Another order of draws is as good, but moves every interval of a leaderboard a little."""
    at = np.arange(60)
    a = {"strict": at % 3, "predicted": at % 3 + at % 2, "gold": at % 3 + (at % 5 == 0)}
    b = {"strict": at % 2, "predicted": at % 2 + at % 3, "gold": at % 3 + (at % 5 == 0)}
    draws = {"documents": documents, "resamples": 500, "seed": 3}
    assert interval(STRICT_F1, a, **draws) == pytest.approx(published, rel=1e-12)
    found = compare(STRICT_F1, a, b, **draws)
    assert (found.low, found.high, found.margin) == pytest.approx(difference, rel=1e-12)
    assert compare_runs(STRICT_F1, [a, a], [b, a], **draws).p_value == pytest.approx(over_seeds, rel=1e-9)


def test_a_run_of_sums_begins_like_a_longer_one():
    counts = matrix(simulated(100, seed=0))
    assert (resampled_sums(counts, resamples=50) == resampled_sums(counts, resamples=80)[:50]).all()


@pytest.mark.parametrize("documents", [None, [index // 8 for index in range(400)]])
def test_identical_systems_do_not_differ(documents):
    table = simulated(400, seed=0)
    result = compare(STRICT_F1, table, dict(table), documents)
    assert (result.difference, result.low, result.high, result.p_value) == (0, 0, 0, 1)


def test_different_answers_with_the_same_score_do_not_differ():
    a, b = {"strict": 1, "predicted": 1, "gold": 1}, {"strict": 0, "predicted": 1, "gold": 1}
    result = compare(STRICT_F1, tabulate([a, b] * 100), tabulate([b, a] * 100))
    assert (result.difference, result.p_value) == (0, 1)
    assert result.low < 0 < result.high


def test_clear_difference_has_a_small_p_value_and_an_interval_without_zero():
    better, worse = simulated(800, 0, recall=0.9), simulated(800, 0, recall=0.6)
    result = compare(STRICT_F1, better, worse)
    assert result.difference == pytest.approx(f1_of(better) - f1_of(worse))
    assert 0 < result.low < result.difference < result.high
    assert result.p_value < 0.001


def test_p_value_is_never_zero():
    good, bad = {"strict": 1, "predicted": 1, "gold": 1}, {"strict": 0, "predicted": 1, "gold": 1}
    result = compare(STRICT_F1, tabulate([good] * 50), tabulate([bad] * 50), resamples=999)
    assert 1 / 1000 <= result.p_value < 1 / 400  # larger than the share of resamples, as 50 is not many
    almost = compare(STRICT_F1, tabulate([good] * 499 + [bad]), tabulate([bad] * 500), resamples=999)
    assert almost.p_value == SMALLEST


@pytest.mark.parametrize(("documents", "behind"), [(60, 0.4), (60, 0.5), (60, 0.6), (60, 0.8), (5, 6)])
def test_a_difference_that_no_draw_reaches_has_the_p_value_of_a_paired_t_test(documents, behind):
    """So a correction for many tests does not make it one of chance."""
    random = np.random.default_rng(0)
    a = random.normal(1, 1, documents)
    b = a - random.normal(behind, 1, documents)
    score = scores(["Disease"])["strict_recall"]
    tables = [{"strict": values, "gold": np.full(documents, 9.0)} for values in (a, b)]
    exact = ttest_rel(a, b).pvalue
    assert exact < 0.001
    found = compare(score, *tables, list(range(documents))).p_value
    assert math.log(found) == pytest.approx(math.log(exact), rel=0.02)


def test_documents_that_all_say_the_same_are_as_many_as_they_are():
    """Draws of two documents with one difference have no spread, which is no proof of a difference."""
    good, bad = {"strict": 1, "predicted": 1, "gold": 1}, {"strict": 0, "predicted": 1, "gold": 1}
    assert compare(STRICT_F1, tabulate([good] * 2), tabulate([bad] * 2), ["a", "b"]).p_value > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("documents", [None, [index // 8 for index in range(400)]])
def test_swapping_the_systems_turns_the_comparison_round(documents):
    for recall in (0.80, 0.77, 0.72):
        a, b = simulated(400, 0), simulated(400, 1, recall=recall)
        one, other = compare(STRICT_F1, a, b, documents), compare(STRICT_F1, b, a, documents)
        assert one.difference == -other.difference
        # Other draws, so equal up to chance.
        assert one.low == pytest.approx(-other.high, abs=0.003)
        assert one.high == pytest.approx(-other.low, abs=0.003)
        assert one.p_value == pytest.approx(other.p_value, abs=0.03)


@pytest.mark.slow
def test_p_values_of_equally_good_systems_are_about_uniform():
    """Under no difference a p value below 0.05 or 0.25 comes about as often as that."""
    p_values = np.array(
        [
            compare(STRICT_F1, simulated(300, 2 * seed), simulated(300, 2 * seed + 1), resamples=300).p_value
            for seed in range(300)
        ]
    )
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(p_values < 0.25) == pytest.approx(0.25, abs=0.08)


def test_pairing_sees_small_but_steady_differences():
    a = simulated(600, 0)
    b = a | {"predicted": a["predicted"] + (np.arange(600) % 15 == 0)}
    result = compare(STRICT_F1, a, b)
    low, high = interval(STRICT_F1, a)
    assert low < f1_of(b) < high  # the intervals alone would not tell
    assert result.low > 0
    assert result.p_value < 0.001


def test_other_numbers_of_sentences_cannot_be_compared():
    with pytest.raises(ValueError, match="3 sentences against 2"):
        compare(STRICT_F1, simulated(3, 0), simulated(2, 0))


def test_documents_must_be_given_for_every_sentence():
    table = simulated(10, 0)
    for documents in (["a"] * 9, ["a"] * 11):
        with pytest.raises(ValueError):
            interval(STRICT_F1, table, documents)


def test_a_document_without_a_name_means_that_sentences_are_drawn():
    table = simulated(60, 0)
    assert interval(STRICT_F1, table, [None, *["a"] * 59]) == interval(STRICT_F1, table)


def test_one_document_cannot_tell_anything_from_chance():
    better, worse = simulated(50, 0, recall=0.9), simulated(50, 0, recall=0.1)
    found = compare(STRICT_F1, better, worse, ["only"] * 50)
    assert (found.p_value, found.low, found.high) == (1, -1, 1)
    assert not compare(STRICT_F1, better, better, ["only"] * 50).equivalent(0.5)


def test_how_often_is_drawn_is_part_of_what_is_published():
    assert (bootstrap.RESAMPLES, bootstrap.SEED) == (10_000, 1234)


@pytest.mark.parametrize("reach", [9, 10])
def test_p_is_counted_where_ten_draws_reach_the_difference(reach):
    values = np.full(1000, 0.2)
    values[:reach] = 0.5
    found = bootstrap._Statistic(0.2, values, units=1000, freedom=999).p_value()
    counted = (reach + 1) / 1001
    assert (found == pytest.approx(counted, rel=0.05)) is (reach == 10)


def test_two_documents_can_tell_a_little():
    better, worse = simulated(60, 0, recall=0.9), simulated(60, 0, recall=0.1)
    found = compare(STRICT_F1, better, worse, ["a", "b"] * 30)
    assert found.p_value < 1 and (found.low, found.high) != (-1, 1)
    assert found.p_value == round(found.p_value, 12)
    same = compare(STRICT_F1, better, better, ["a", "b"] * 30)
    assert (same.p_value, same.low, same.high) == (1, 0, 0)


def test_runs_that_are_all_equal_differ_by_chance_alone():
    """Three seeds with a score of nothing: p is a number, so that the correction for many tests sorts it."""
    table = simulated(40, 0)
    nothing = table | {"strict": np.zeros_like(table["strict"])}
    found = compare_runs(STRICT_F1, [nothing] * 3, [nothing])
    assert (found.p_value, found.difference) == (1, 0)
    assert holm([found.p_value, 0.001]) == [1.0, 0.002]


def test_a_difference_of_scores_stays_between_minus_one_and_one():
    seeds = [simulated(40, 0, recall=recall) for recall in (0.1, 0.9)]
    found = compare_runs(STRICT_F1, seeds, [simulated(40, 1)])
    assert (found.low, found.high) == (-1, 1)


def test_one_draw_serves_all_scores():
    named = scores(["Disease"])
    table = simulated(200, 0)
    chosen = [named["strict_f1"], named["strict_recall"]]
    documents = [index // 10 for index in range(200)]
    found = intervals(chosen, table, documents)
    assert list(found) == ["strict_f1", "strict_recall"]
    for score in chosen:  # with other columns the documents stand in another order
        assert found[score.name] == pytest.approx(interval(score, table, documents), abs=0.01)


@pytest.mark.parametrize("documents", [5, 20, 1000])
def test_few_documents_give_wider_intervals_as_of_students_distribution(documents):
    """A mean of normal numbers, whose right interval is known."""
    random = np.random.default_rng(0)
    table = {"strict": random.normal(100, 10, documents).round(3), "gold": np.full(documents, 200.0)}
    score = scores(["Disease"])["strict_recall"]
    low, high = interval(score, table, list(range(documents)))
    half = student.ppf(0.975, documents - 1) * table["strict"].std(ddof=1) / math.sqrt(documents) / 200
    if documents == 5:  # no resample lies further out than the largest number, drawn five times
        assert table["strict"].min() / 200 <= low < high <= table["strict"].max() / 200
    else:
        assert (high - low) / 2 == pytest.approx(half, rel=0.08)


def test_p_values_and_intervals_agree():
    """p is below 0.05 about where 0 leaves the 95 % interval."""
    documents = [index // 10 for index in range(300)]
    for seed in range(40):
        a, b = simulated(300, 2 * seed), simulated(300, 2 * seed + 1, recall=0.74)
        result = compare(STRICT_F1, a, b, documents, resamples=2000)
        if abs(result.p_value - 0.05) > 0.03:
            assert (result.p_value < 0.05) == (not result.low <= 0 <= result.high)


def test_holm_by_hand():
    assert holm([]) == []
    assert holm([0.2]) == [0.2]
    assert holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.01, 0.004], tests=6) == pytest.approx([0.05, 0.024])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_no_correction_and_bonferronis(p_values):
    adjusted = holm(p_values)
    for p, corrected in zip(p_values, adjusted, strict=True):
        assert p <= corrected <= min(1, len(p_values) * p) or corrected == p
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)
    # It rejects what its definition does: the smallest ones, until one is not small enough.
    rejected = 0
    while rejected < len(order) and p_values[order[rejected]] * (len(order) - rejected) < 0.05:
        rejected += 1
    assert {i for i in order if adjusted[i] < 0.05} == set(order[:rejected])


def test_equivalence_needs_more_than_no_difference():
    a, b = simulated(100, 0), simulated(100, 1)
    few = compare(STRICT_F1, a, b)
    assert few.p_value > 0.05
    assert not few.equivalent(0.02)
    many = compare(STRICT_F1, simulated(40_000, 0), simulated(40_000, 1), resamples=1000)
    assert many.equivalent(0.02)
    assert max(abs(many.low), abs(many.high)) > many.margin  # 90 %, not 95 %


def test_one_run_a_side_is_a_plain_comparison():
    documents = [index // 10 for index in range(300)]
    a, b = simulated(300, 0), simulated(300, 1, recall=0.75)
    assert compare_runs(STRICT_F1, [a], [b], documents) == compare(STRICT_F1, a, b, documents)
    assert interval_of_runs(STRICT_F1, [a], documents) == interval(STRICT_F1, a, documents)


@pytest.mark.slow
def test_runs_of_a_system_are_compared_by_their_mean_and_seeds_widen_the_interval():
    a = [simulated(600, seed, recall=recall) for seed, recall in enumerate((0.80, 0.84, 0.76))]
    b = [simulated(600, 3 + seed, recall=0.70) for seed in range(3)]
    result = compare_runs(STRICT_F1, a, b)
    assert result.difference == pytest.approx(np.mean([f1_of(run) for run in a]) - np.mean([*map(f1_of, b)]))
    assert result.low < result.difference < result.high
    # Equal runs add nothing to what one says; unequal ones widen the interval.
    low, high = interval_of_runs(STRICT_F1, [a[0]] * 3)
    assert (low, high) == pytest.approx(interval(STRICT_F1, a[0]), abs=0.002)
    low_of_unequal, high_of_unequal = interval_of_runs(STRICT_F1, a)
    assert high_of_unequal - low_of_unequal > 1.5 * (high - low)


def test_the_interval_of_two_seeds_is_students_on_one_degree_of_freedom():
    """Documents that are all alike leave nothing but the seeds to chance."""
    score = scores(["Disease"])["strict_recall"]
    runs = [{"strict": np.full(50, hits), "gold": np.full(50, 1000)} for hits in (700, 702)]
    low, high = interval_of_runs(score, runs)
    half = float(student(1).ppf(0.975)) * np.std([0.700, 0.702], ddof=1) / math.sqrt(2)
    assert (low, high) == pytest.approx((0.701 - half, 0.701 + half), abs=0.02 * half)


@pytest.mark.slow
def test_luck_of_seeds_is_not_taken_for_a_difference():
    """Two recipes that are equally good, with seeds that differ much on the same documents."""
    random = np.random.default_rng(0)
    by_seeds, by_documents = 0, 0
    rounds = 150
    for _ in range(rounds):
        gold = random.poisson(12, 100)
        runs = []
        for _ in range(6):
            recall = float(np.clip(random.normal(0.8, 0.04), 0, 1))
            runs.append({"strict": random.binomial(gold, recall), "predicted": gold, "gold": gold})
        by_seeds += compare_runs(STRICT_F1, runs[:3], runs[3:], resamples=400).p_value < 0.05
        by_documents += compare(STRICT_F1, runs[0], runs[3], resamples=400).p_value < 0.05
    assert by_seeds <= 0.11 * rounds
    assert by_documents > 0.3 * rounds  # one seed each: the checkpoints do differ, the recipes do not


def test_runs_of_other_sentences_are_no_runs_of_one_system():
    with pytest.raises(ValueError, match="3 sentences against 2"):
        interval_of_runs(STRICT_F1, [simulated(3, 0), simulated(2, 0)])
    with pytest.raises(ValueError, match="no run"):
        compare_runs(STRICT_F1, [], [simulated(3, 0)])
