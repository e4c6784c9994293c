"""`bioner-bench check`: verdicts and exit codes."""

import json
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from command_line import call
from leaderboard_data import make_record as record_of_its_own_template

from bioner_bench.evaluation.bootstrap import Comparison
from bioner_bench.leaderboard import records, verdicts
from bioner_bench.leaderboard.regression import ACROSS, Outcome, Report, Verdict, check, check_all, judge
from bioner_bench.schema import BenchmarkError


def make_record(*args, **kwargs):
    """A record of a system that has the chat template of all others."""
    return with_setup(record_of_its_own_template(*args, **kwargs), chat_template_sha256="0" * 64)


def with_setup(record, **changes):
    return record | {"setup": record["setup"] | changes}


def test_a_record_against_itself_passes():
    verdict = check(make_record(), make_record())
    assert verdict.outcome is Outcome.PASS
    assert verdict.comparison.difference == 0
    assert verdict.comparison.p_value == 1


def test_a_clear_drop_is_a_regression_and_its_reverse_is_not():
    good, bad = make_record(skill=0.8, sentences=400), make_record(skill=0.4, sentences=400)
    down, up = check(bad, good), check(good, bad)
    assert down.outcome is Outcome.REGRESSION
    assert "significantly worse" in down.reason
    assert up.outcome is Outcome.PASS
    assert "significantly better" in up.reason
    assert down.comparison.difference == -up.comparison.difference < 0


def test_a_drop_beyond_the_allowed_points_is_a_regression_even_if_chance_explains_it():
    old, new = make_record("a", skill=0.6, sentences=40), make_record("b", skill=0.58, sentences=40)
    verdict = check(new, old)
    if verdict.comparison.difference > 0:
        old, new = new, old
        verdict = check(new, old)
    assert verdict.outcome is Outcome.PASS
    points = -100 * verdict.comparison.difference
    assert check(new, old, max_drop=points - 0.01).outcome is Outcome.REGRESSION
    assert check(new, old, max_drop=points + 0.01).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "other",
    [
        make_record(version="2.0"),
        make_record(task="bioner_bc5cdr_disease"),
        make_record() | {"prompt_hash": "0" * 16},
        make_record() | {"sentence_hashes": [f"{i:012x}" for i in range(120)]},
    ],
)
def test_other_version_task_prompt_or_gold_cannot_be_compared(other):
    verdict = check(other, make_record())
    assert verdict.outcome is Outcome.INCOMPARABLE
    assert verdict.comparison is None


def test_a_partial_run_is_compared_on_the_common_sentences():
    old, new = make_record(sentences=200), make_record(sentences=200, evaluated=50)
    verdict = check(new, old)
    assert verdict.sentences == 50
    assert verdict.outcome is Outcome.PASS
    assert verdict.old == verdict.new
    said = verdicts.headline(Report("strict_f1", (verdict, check(old, old))))
    assert said == "PASS: strict_f1 is not worse (2 comparisons, 1 on a part of its sentences)"


@pytest.mark.parametrize(
    ("documents", "whole", "reason"),
    [
        (1, False, "one document says nothing of others; run the whole task, or set --max-drop"),
        (1, True, "one document says nothing of others; name more documents, or set --max-drop"),
        (3, False, "3 documents say too little of others; run the whole task, or set --max-drop"),
    ],
)
def test_a_fall_to_nothing_on_too_few_documents_is_no_pass(documents, whole, reason):
    size = 5 * documents
    old, new = (
        make_record(name, skill=skill, valid=1.0, sentences=200, evaluated=size, clustered=True)
        for name, skill in (("good", 1.0), ("bad", 0.0))
    )
    if whole:
        old, new = (record | {"corpus_sentences": size, "partial": False} for record in (old, new))
    verdict = check(new, old)
    assert (verdict.old, verdict.new, verdict.documents) == (1, 0, documents)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCOMPARABLE, reason)
    assert check(new, old, max_drop=5).outcome is Outcome.REGRESSION
    assert check(new, old, max_drop=100).outcome is Outcome.PASS
    assert check(old, new).outcome is check(old, old).outcome is Outcome.PASS


@pytest.mark.parametrize("points", [0.1, 0.9, 1.1])
def test_a_small_fall_is_one(points):
    plain = check(*(make_record(skill=skill, sentences=200, clustered=True) for skill in (0.5, 0.6)))
    assert plain.comparison is not None

    def judged(p_value, documents):
        comparison = replace(plain.comparison, p_value=p_value)
        verdict = replace(plain, drop=points, comparison=comparison, documents=documents)
        return judge("strict_f1", [verdict]).verdicts[0]

    assert judged(0.001, 50).reason == "significantly worse"
    assert judged(0.9, 50).reason == "no worse than chance explains"
    assert judged(0.9, 3).outcome is Outcome.INCOMPARABLE
    assert judged(0.9, 4).outcome is Outcome.PASS


def test_a_fall_in_one_sentence_of_no_named_document_is_no_pass():
    old, new = (
        make_record(name, skill=skill, valid=1.0, sentences=40, evaluated=size)
        for name, skill, size in (("good", 1.0, 40), ("bad", 0.0, 1))
    )
    assert check(new, old).reason == (
        "one sentence says nothing of others; run the whole task, or set --max-drop"
    )


def test_a_score_that_should_be_low_regresses_upwards():
    old, new = make_record(skill=0.9, sentences=400), make_record(skill=0.2, sentences=400)
    assert check(new, old, score="hallucination_rate").outcome is Outcome.REGRESSION
    back = check(old, new, score="hallucination_rate")
    assert back.outcome is Outcome.PASS
    assert back.drop == pytest.approx(100 * (back.new - back.old)) and back.drop < 0


@pytest.mark.parametrize(
    ("old", "what"),
    [
        (make_record(shots=5), "shots"),
        (with_setup(make_record(), system_instruction="Be brief."), "system-instruction"),
        (with_setup(make_record(), chat_template_sha256="1" * 64), "template"),
        (with_setup(make_record(), generation={"do_sample": True, "temperature": 5.0}), "generation"),
        (make_record(arguments={"pretrained": "example/alpha", "enable_thinking": True}), "template"),
    ],
)
def test_other_setups_are_compared_only_if_it_is_named_what_may_differ(old, what):
    new = make_record()
    refused = check(new, old)
    assert refused.outcome is Outcome.INCOMPARABLE
    assert refused.comparison is None
    assert f"other {what}" in refused.reason
    named = refused.reason.partition("--across ")[2].partition(" ")[0].split(",")
    assert what in named
    allowed = check(new, old, across=named)
    assert allowed.comparison is not None
    assert check(new, old, across=set(ACROSS) - {what}).outcome is Outcome.INCOMPARABLE


def test_demonstrations_count_where_there_are_some():
    few = make_record(shots=5, seed=1)
    assert check(with_setup(make_record(), fewshot_seed=7), make_record()).comparison
    for other in (make_record(shots=5, seed=2), with_setup(few, demonstrations="retrieved")):
        assert "other demonstrations" in check(other, few).reason
        assert check(other, few, across=["demonstrations"]).comparison
    # How they are chosen is a part of the prompt's hash, which is no reason then; else it is one.
    chosen = with_setup(few, demonstrations="retrieved") | {"prompt_hash": "0" * 16}
    assert check(chosen, few, across=["demonstrations"]).comparison
    assert "other prompt" in check(few | {"prompt_hash": "0" * 16}, few, across=ACROSS).reason
    kept = few["setup"]["demonstrations"]
    changed = chosen | {"setup": chosen["setup"] | {"shots": 0}}, few | {"setup": few["setup"] | {"shots": 0}}
    assert check(*changed, across=ACROSS).reason == (
        f"other prompt: {'0' * 16} against {few['prompt_hash']} (demonstrations: retrieved against {kept})"
    )
    # Where there are none, it says nothing of how they would be chosen, and excuses no other prompt.
    none = with_setup(make_record(), demonstrations="retrieved") | {"prompt_hash": "0" * 16}
    for across in ((), ACROSS):
        assert "other prompt" in check(none, make_record(), across=across).reason


@pytest.mark.parametrize("shots", [0, 5])
def test_prompt_and_context_are_the_same_whatever_may_differ(shots):
    old = make_record(shots=shots)
    chosen = with_setup(old, demonstrations="retrieved") | {"prompt_hash": "0" * 16}
    wider = check(with_setup(chosen, context=2), old, across=ACROSS)
    assert wider.reason == "other context: 2 against 0 sentences shown on each side"
    assert check(chosen | {"prompt": "json-v2"}, old, across=ACROSS).reason == (
        "other prompt: json-v2 against json-v1"
    )


def test_the_text_around_the_turns_is_the_same_too_dates_aside():
    def marked(digit, date):
        return make_record() | {"markup": {"around": ["<a>{date}"], "dates": [date], "sha256": digit * 64}}

    assert check(marked("1", "26 Nov 2026"), marked("1", "27 Nov 2026")).comparison
    assert check(marked("1", "26 Nov 2026"), make_record() | {"markup": None}).comparison
    refused = check(marked("1", "26 Nov 2026"), marked("2", "26 Nov 2026"))
    assert "other template" in refused.reason
    assert check(marked("1", ""), marked("2", ""), across=["template"]).comparison


GOLD = "other gold or text in 1 sentences"
LONG = "Be brief. " * 4


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (make_record(task="bioner_bc2gm"), "other task: bioner_bc2gm against bioner_ncbi"),
        (make_record(version="2.0"), "other task version: 2.0 against 1.0"),
        (make_record(types=["Gene"]), "other types: ['Gene'] against ['Disease']"),
        (
            make_record() | {"prompt": "tags-v1"},
            "other format of answers: the prompt tags-v1 against json-v1",
        ),
        (
            make_record() | {"prompt_hash": "0" * 16},
            f"other prompt: {'0' * 16} against {make_record()['prompt_hash']}",
        ),
        (make_record() | {"sentence_hashes": ["0" * 12, *make_record()["sentence_hashes"][1:]]}, GOLD),
        (
            with_setup(make_record(), generation={"do_sample": True, "max_gen_toks": 384}),
            'other generation: do_sample true against false, until null against ["\\n"] '
            "(--across generation allows it)",
        ),
        (
            with_setup(make_record(), system_instruction=LONG[:38]),
            f'other system-instruction: "{LONG[:38]}" against null (--across system-instruction allows it)',
        ),
        (
            with_setup(make_record(), system_instruction=LONG[:39]),
            f'other system-instruction: "{LONG[:36]}... against null (--across system-instruction allows it)',
        ),
        (
            with_setup(make_record(), gen_prefix="{"),
            'other template: gen_prefix "{" against null (--across template allows it)',
        ),
        *(
            (
                make_record(arguments={"pretrained": "example/alpha", "dtype": "bfloat16", name: True}),
                f"other template: {name} true against null (--across template allows it)",
            )
            for name in ("enable_thinking", "chat_template_args", "think_end_token")
        ),
        (
            with_setup(make_record(), shots=5),
            'other shots: 5 against 0; demonstrations: ["random", 1234] against null '
            "(--across shots,demonstrations allows it)",
        ),
        (
            with_setup(make_record(), shots=5, fewshot_as_multiturn=True),
            'other shots: 5 against 0; demonstrations: ["random", 1234] against null; template: '
            "fewshot_as_multiturn true against null (--across shots,demonstrations,template allows it)",
        ),
    ],
)
def test_why_two_records_cannot_be_compared_is_said(new, reason):
    verdict = check(new, make_record())
    assert (verdict.outcome, verdict.reason) == (Outcome.INCOMPARABLE, reason)
    assert (verdict.system, verdict.task) == (new["system"]["name"], new["task"])
    assert (verdict.runs, verdict.corpus_sentences) == ((1, 1), 120)
    told = verdict.as_json()
    assert told["outcome"] == "incomparable"
    assert {told[name] for name in NUMBERS} == {None}


def test_what_a_stock_run_of_an_adapter_lacks_is_said():
    """What it left to the base model is not recorded: with no penalty named there may be one."""
    stock = make_record()
    named = {"eos_token_id": [2], "repetition_penalty": 1.0}
    ours = with_setup(stock, generation=stock["setup"]["generation"] | named)
    for name, value in named.items():
        one = with_setup(stock, generation=stock["setup"]["generation"] | {name: value})
        other = with_setup(one, generation=one["setup"]["generation"] | {name: 9})
        for new, old, told in (
            (one, stock, True),
            (stock, one, True),
            (one, ours, True),
            (one, other, False),
        ):
            assert ("name both in --gen_kwargs" in check(new, old).reason) is told
    for new, old, said in (
        (stock, ours, "eos_token_id null against [2], repetition_penalty null against 1.0"),
        (ours, stock, "eos_token_id [2] against null, repetition_penalty 1.0 against null"),
    ):
        assert check(new, old).reason == (
            f"other generation: {said} (--across generation allows it); one that is not named is the base "
            "model's: name both in --gen_kwargs, as the README of a tuned checkpoint does"
        )


NUMBERS = ("difference", "difference_low", "difference_high", "p_value", "p_value_uncorrected", "old", "new")


def test_what_differs_inside_of_a_setup_is_named_with_both_values():
    old = with_setup(make_record(), generation={"do_sample": False, "temperature": 1.0})
    assert (
        "temperature 0.5 against 1.0"
        in check(with_setup(make_record(), generation={"do_sample": False, "temperature": 0.5}), old).reason
    )
    other = check(with_setup(make_record(), chat_template_sha256="1" * 64), make_record()).reason
    assert "chat_template" in other


def test_numbers_of_a_verdict():
    old, new = make_record("old", skill=0.7, sentences=200), make_record("new", skill=0.4, sentences=200)
    verdict = check(new, old)
    told, test = verdict.as_json(), verdict.comparison
    assert [told[name] for name in NUMBERS] == [
        *(test.difference, test.low, test.high, test.p_value, test.p_value),
        *(record["scores"]["strict_f1"]["value"] for record in (old, new)),
    ]
    assert test.low < test.difference < test.high < 0
    assert told["drop"] == pytest.approx(100 * (told["old"] - told["new"]))
    assert (told["sentences"], told["corpus_sentences"], told["documents"]) == (200, 200, None)
    assert (told["outcome"], told["reason"]) == ("regression", "significantly worse")
    assert (told["system"], told["task"], told["setup"]) == ("new", "bioner_ncbi", "0-shot")
    assert list(told) == [
        *("system", "task", "setup", "outcome", "reason", "runs", "sentences", "corpus_sentences"),
        *("documents", "old", "new", "drop", "p_value"),
        *("difference", "difference_low", "difference_high", "p_value_uncorrected"),
    ]
    few = check(make_record("few", shots=5), make_record("none"), across=ACROSS)
    assert few.setup == "5-shot-seed-1234 against 0-shot"


def test_what_is_on_one_side_only_is_named_and_what_was_asked_for_is_missing(tmp_path):
    def folder(name, *made):
        for record in made:
            records.write(record, tmp_path / name)
        return tmp_path / name

    alpha, beta = make_record("alpha", sentences=40), make_record("beta", sentences=40)
    other = make_record("alpha", "bioner_bc2gm", sentences=40)
    few = make_record("alpha", "bioner_bc2gm", sentences=40, shots=5)
    both = folder("both", alpha, beta, other)
    report = check_all(folder("new", alpha, other, few), both)
    assert [(v.system, v.task, v.reason) for v in report.verdicts] == [
        ("alpha", "bioner_bc2gm", "the same"),
        ("alpha", "bioner_ncbi", "the same"),
    ]
    assert report.only_new == ("alpha bioner_bc2gm 5-shot-seed-1234",)
    assert report.only_old == ("beta bioner_ncbi 0-shot",)
    assert report.as_json() == {
        "outcome": "pass",
        "score": "strict_f1",
        "verdicts": [verdict.as_json() for verdict in report.verdicts],
        "only_old": ["beta bioner_ncbi 0-shot"],
        "only_new": ["alpha bioner_bc2gm 5-shot-seed-1234"],
    }
    asked = check_all(tmp_path / "new", both, tasks=["bioner_ncbi"])
    assert asked.outcome is Outcome.INCOMPARABLE
    assert [(v.system, v.task, v.setup, v.outcome.name, v.reason) for v in asked.verdicts] == [
        ("alpha", "bioner_ncbi", "0-shot", "PASS", "the same"),
        ("beta", "bioner_ncbi", "", "INCOMPARABLE", MISSING),
    ]
    assert [verdict.runs for verdict in asked.verdicts] == [(1, 1), (0, 0)]
    assert (asked.only_old, asked.only_new) == (("beta bioner_ncbi 0-shot",), ())
    # Where each side holds one system, its name may differ.
    report = check_all(folder("gamma", make_record("gamma", sentences=40)), folder("alone", alpha))
    assert [(v.system, v.corpus_sentences) for v in report.verdicts] == [("gamma", 40)]
    for paths, said in (
        ((tmp_path / "gamma", both), "have no system, task and setup in common; name two records"),
        ((both, tmp_path / "nowhere"), "no file or folder"),
    ):
        with pytest.raises(BenchmarkError, match=said):
            check_all(*paths)
    with pytest.raises(BenchmarkError, match="--across luck,shot: there is only shots, demonstrations, sys"):
        check_all(both, both, across=["shots", "shot", "luck"])
    with pytest.raises(BenchmarkError, match="unknown score 'f1'; there are: strict_f1, "):
        check_all(both, both, score="f1")


MISSING = "there is no run on both sides with the same setup"


@pytest.mark.parametrize(
    ("p_value", "difference", "max_drop", "outcome", "reason"),
    [
        (0.01, -0.02, None, "REGRESSION", "significantly worse"),
        (0.01, 0.02, None, "PASS", "significantly better"),
        (0.05, -0.02, None, "PASS", "no worse than chance explains"),
        (0.05, 0.02, None, "PASS", "no worse than chance explains"),
        (0.5, -0.02, 1.5, "REGRESSION", "worse by 2.00 points, more than 1.5"),
        (0.5, -0.02, 2.0, "PASS", "no worse than chance explains"),
        (0.01, 0.02, 0.0, "PASS", "significantly better"),
        (0.01, 0.0, None, "PASS", "the same"),
        (1.0, 0.0, 0.0, "PASS", "the same"),
    ],
)
def test_what_a_comparison_means(p_value, difference, max_drop, outcome, reason):
    report = judge("strict_f1", [verdict_of(p_value, difference)], max_drop)
    (verdict,) = report.verdicts
    assert (verdict.outcome.name, verdict.reason, verdict.p_value) == (outcome, reason, p_value)
    assert report.outcome is verdict.outcome


def verdict_of(p_value, difference=-0.02, task="bioner_ncbi"):
    test = Comparison(difference, difference - 0.01, difference + 0.01, p_value, 0.03)
    return Verdict("alpha", task, "0-shot", Outcome.INCOMPARABLE, "", comparison=test, drop=-100 * difference)


def test_several_tasks_are_one_statement():
    """Holm: of nine tests one at p = 0.02 says nothing, while 0.001 does, and another then needs less."""
    alone = judge("strict_f1", [verdict_of(0.02)])
    assert alone.outcome is Outcome.REGRESSION
    many = judge("strict_f1", [verdict_of(0.02), *[verdict_of(0.5)] * 8])
    assert many.outcome is Outcome.PASS
    assert many.verdicts[0].p_value == pytest.approx(0.18)
    strong = judge("strict_f1", [verdict_of(0.02), verdict_of(0.001)])
    assert [verdict.outcome for verdict in strong.verdicts] == [Outcome.REGRESSION] * 2
    # What cannot be compared is no test.
    other = replace(verdict_of(0.02), comparison=None, reason="other gold")
    found = judge("strict_f1", [verdict_of(0.02), other])
    assert [verdict.outcome for verdict in found.verdicts] == [Outcome.REGRESSION, Outcome.INCOMPARABLE]


def test_documents_make_a_test_more_careful():
    old = make_record("a", skill=0.62, sentences=200, clustered=True)
    new = make_record("b", skill=0.55, sentences=200, clustered=True)
    by_document = check(new, old)
    assert by_document.documents == 40
    by_sentence = check(new | {"documents": None}, old | {"documents": None})
    assert by_sentence.documents is None
    # A record that was made before its corpus had documents takes those of the other.
    assert check(new, old | {"documents": None}).comparison == by_document.comparison
    assert by_document.comparison != by_sentence.comparison


def trained(seed, skill):
    training = {
        "recipe": {"name": "r", "seed": seed, "model": "m", "epochs": 1},
        "data": {},
        "steps": 1,
        "seconds": 1.0,
        "hardware": "CPU",
        "precision": "float32",
    }
    return make_record(f"seed-{seed}", skill=skill, sentences=300, training=training) | {
        "system": make_record("tuned")["system"]
    }


@pytest.mark.slow
def test_training_seeds_of_a_system_are_compared_by_their_mean(tmp_path):
    for seed in (1, 2, 3):
        records.write(trained(seed, 0.6), tmp_path / "old")
        records.write(trained(seed + 3, 0.6), tmp_path / "new")
    (verdict,) = json.loads(call("check", tmp_path / "new", "--against", tmp_path / "old", "--json").stdout)[
        "verdicts"
    ]
    assert verdict["runs"] == [3, 3]
    scores = [trained(seed, 0.6)["scores"]["strict_f1"]["value"] for seed in range(1, 7)]
    assert verdict["old"] == pytest.approx(sum(scores[:3]) / 3)
    assert verdict["new"] == pytest.approx(sum(scores[3:]) / 3)
    assert verdict["difference"] == pytest.approx(verdict["new"] - verdict["old"])
    text = call("check", tmp_path / "new", "--against", tmp_path / "old").stdout
    assert "mean of 3 new and 3 old training seeds" in " ".join(text.split())


def test_a_training_seed_of_another_setup_is_named_with_what_differs(tmp_path):
    for seed in (1, 2, 3):
        records.write(trained(seed, 0.6), tmp_path / "old")
        record = trained(seed, 0.6)
        other = {"generation": record["setup"]["generation"] | {"until": ["x"]}} if seed == 3 else {}
        records.write(with_setup(record, **other), tmp_path / "new")
    report = check_all(tmp_path / "new", tmp_path / "old")
    assert [verdict.runs for verdict in report.verdicts] == [(2, 3)]
    assert report.only_new == (
        'tuned bioner_ncbi 0-shot (unlike those compared in generation: until ["x"] against ["\\n"])',
    )
    report = check_all(tmp_path / "new", tmp_path / "old", across=["generation"])
    assert [verdict.runs for verdict in report.verdicts] == [(3, 3)]
    assert report.only_new == ()
    for seed in (1, 2):
        (tmp_path / "old" / records.place(trained(seed, 0.6))).unlink()
        (tmp_path / "new" / records.place(trained(seed, 0.6))).unlink()
    records.write(trained(4, 0.6), tmp_path / "new")
    assert check_all(tmp_path / "new", tmp_path / "old").only_new[0].endswith('until ["x"] against ["\\n"])')


def test_two_records_of_one_run_are_no_training_seeds(tmp_path):
    """Their mean would hide that the second night's run is far worse than the first."""
    records.write(make_record("a", skill=0.8, sentences=40), tmp_path / "old")
    records.write(make_record("a", skill=0.8, sentences=40), tmp_path / "new" / "1")
    records.write(make_record("a", skill=0.1, sentences=40), tmp_path / "new" / "2")
    place = "a/bioner_ncbi-0-shot.json"
    for folders in (("new", "old"), ("old", "new")):
        with pytest.raises(BenchmarkError, match=f"new/1/{place} and .*new/2/{place} are of one system, "):
            check_all(*(tmp_path / name for name in folders))
    tuned = trained(1, 0.6)
    for record in (tuned, tuned | {"training": None}):
        records.write(record, tmp_path / "mixed")
    with pytest.raises(BenchmarkError, match="but not of two training seeds; name the folder of one"):
        check_all(tmp_path / "mixed", tmp_path / "old")
    assert check_all(tmp_path / "new" / "2", tmp_path / "old").outcome is Outcome.REGRESSION


@pytest.mark.slow
def test_exit_codes_and_json(tmp_path):
    good = records.write(make_record(skill=0.8, sentences=300), tmp_path / "good")
    bad = records.write(make_record(skill=0.3, sentences=300), tmp_path / "bad")
    other = records.write(make_record(version="2.0", sentences=300), tmp_path / "other")
    same = call("check", good, "--against", good).stdout
    assert same.splitlines()[-1] == "PASS: strict_f1 is not worse (1 comparison)"
    worse = call("check", bad, "--against", good, code=1).stdout
    assert worse.splitlines()[-1] == "REGRESSION: strict_f1 is worse in 1 of 1 comparison: bioner_ncbi"
    assert "other task version: 1.0 against 2.0" in call("check", good, "--against", other, code=2).stdout
    report = json.loads(
        call("check", tmp_path / "bad", "--against", tmp_path / "good", "--json", code=1).stdout
    )
    (verdict,) = report["verdicts"]
    assert report["outcome"] == verdict["outcome"] == "regression"
    assert verdict["difference"] < verdict["difference_high"] < 0
    assert verdict["p_value"] < 0.05


def test_of_many_runs_that_one_side_lacks_three_are_named():
    names = tuple(f"a bioner_{number}" for number in range(5))
    for size, told in ((3, f"{', '.join(names[:3])}."), (5, f"{', '.join(names[:3])}, and 2 more (--json")):
        report = Report("strict_f1", (check(make_record(), make_record()),), only_old=names[:size])
        for text in (verdicts.as_text(report), verdicts.as_markdown(report).replace("\\", "")):
            assert f"only among the old records: {told}" in " ".join(text.split())
        assert report.as_json()["only_old"] == list(names[:size])


@pytest.mark.slow
def test_a_check_needs_no_pandas(tmp_path):
    path = records.write(make_record(), tmp_path)
    code = "import sys; sys.modules['pandas'] = None; from bioner_bench.cli.main import main; main()"
    for more in ([], ["--markdown"], ["--tasks", "bioner_ncbi", "--json"], ["--junit", tmp_path / "it.xml"]):
        subprocess.run([sys.executable, "-c", code, "check", path, "--against", path, *more], check=True)


@pytest.mark.slow
def test_folders_are_compared_system_by_system(tmp_path):
    tasks = ("bioner_ncbi", "bioner_bc2gm")
    for task in tasks:
        records.write(make_record("good", task, skill=0.8, sentences=300), tmp_path / "old")
        records.write(make_record("poor", task, skill=0.2, sentences=300), tmp_path / "old")
        records.write(make_record("good", task, skill=0.8, sentences=300), tmp_path / "new" / "records")
    same = json.loads(call("check", tmp_path / "old", "--against", tmp_path / "old", "--json").stdout)
    assert [verdict["reason"] for verdict in same["verdicts"]] == ["the same"] * 4
    # What only one side has is said in a line, and is no failure, unless it was asked for.
    done = call("check", tmp_path / "new", "--against", tmp_path / "old")
    assert (
        "Not compared, only among the old records: poor bioner_bc2gm 0-shot, poor bioner_ncbi 0-shot."
        in " ".join(done.stdout.split())
    )
    lost = call("check", tmp_path / "new", "--against", tmp_path / "old", "--tasks", "bioner_ncbi", code=2)
    assert lost.stdout.splitlines()[-1].endswith("1 of 2 comparisons cannot be made: poor bioner_ncbi")
    # Of one system each, the name may differ: a new checkpoint against the accepted one.
    one = tmp_path / "one"
    records.write(make_record("candidate", "bioner_ncbi", skill=0.3, sentences=300), one)
    assert "REGRESSION" in call("check", one, "--against", tmp_path / "new", code=1).stdout


def test_a_score_that_only_some_tasks_have(tmp_path):
    """A gate does not pass over the others, and says how to leave them out."""
    for task in ("bioner_ncbi", "bioner_bc5cdr"):
        records.write(make_record("a", task, sentences=40), tmp_path)
    found = check_all(tmp_path, tmp_path, score="strict_f1_Chemical")
    assert [(v.task, v.outcome.name, v.reason) for v in found.verdicts] == [
        ("bioner_bc5cdr", "PASS", "the same"),
        ("bioner_ncbi", "INCOMPARABLE", "it has no strict_f1_Chemical; --tasks names those to be compared"),
    ]
    chosen = check_all(tmp_path, tmp_path, score="strict_f1_Chemical", tasks=["bioner_bc5cdr"])
    assert chosen.outcome is Outcome.PASS
    with pytest.raises(BenchmarkError, match=r"unknown score .strict_f1_DNA.; there are: .*strict_f1_Chem"):
        check_all(tmp_path, tmp_path, score="strict_f1_DNA")


def test_tasks_may_be_a_group_and_a_task_that_nobody_has_is_told(tmp_path):
    for task in ("bioner_ncbi", "bioner_bc2gm", "bioner_jnlpba"):
        records.write(make_record("a", task, sentences=40), tmp_path)
    found = check_all(tmp_path, tmp_path, tasks=["bioner_core", "bioner_ncbj"])
    assert {v.task: v.reason for v in found.verdicts} == {
        "bioner_ncbi": "the same",
        "bioner_bc2gm": "the same",
        **dict.fromkeys(("bioner_bc5cdr_chem", "bioner_bc5cdr_disease", "bioner_ncbj"), NOBODY),
    }
    nobody = next(v for v in found.verdicts if v.task == "bioner_ncbj")
    assert (nobody.runs, nobody.sentences, nobody.corpus_sentences) == ((0, 0), 0, 0)
    diseases = check_all(tmp_path, tmp_path, tasks=["bioner_disease"])
    assert [v.task for v in diseases.verdicts] == ["bioner_ncbi", "bioner_bc5cdr_disease"]


NOBODY = "no record of either side is of this task"


@pytest.mark.slow
def test_a_task_that_is_asked_for_must_be_there(tmp_path):
    for task in ("bioner_ncbi", "bioner_bc2gm"):
        records.write(make_record("a", task), tmp_path / "old")
    records.write(make_record("b", "bioner_ncbi"), tmp_path / "new")
    paths = (tmp_path / "new", "--against", tmp_path / "old")
    assert json.loads(call("check", *paths, "--json").stdout)["only_old"] == ["a bioner_bc2gm 0-shot"]
    chosen = json.loads(call("check", *paths, "--tasks", "bioner_ncbi", "--json").stdout)
    assert [verdict["task"] for verdict in chosen["verdicts"]] == ["bioner_ncbi"]
    assert chosen["only_old"] == []
    missing = call("check", *paths, "--tasks", "bioner_ncbi, bioner_bc2gm", "--json", code=2)
    assert [v["outcome"] for v in json.loads(missing.stdout)["verdicts"]] == ["pass", "incomparable"]
    call("check", *paths, "--tasks", "bioner_nowhere", code=2)


def test_a_folder_with_one_other_setup_says_what_differs(tmp_path):
    records.write(make_record(shots=5), tmp_path / "new")
    records.write(make_record(), tmp_path / "old")
    paths = (tmp_path / "new", "--against", tmp_path / "old")
    refused = call("check", *paths, code=2).stdout
    assert "other shots: 5 against 0" in " ".join(refused.split())
    assert "PASS" in call("check", *paths, "--across", "shots,demonstrations,template").stdout


def a_report():
    ours = [make_record("a", task, skill=0.6) for task in ("bioner_ncbi", "bioner_bc2gm")]
    found = [check(record, record) for record in ours]
    bad = replace(
        found[0], task="bioner_bc5cdr_disease", outcome=Outcome.REGRESSION, reason="significantly worse"
    )
    none = Verdict("a", "bioner_jnlpba", "0-shot", Outcome.INCOMPARABLE, "other types: [']]>|'] & <i>")
    return Report("strict_f1", (*found, bad, none), ("a bioner_linnaeus 0-shot",), ())


def test_text_fits_80_columns_and_ends_with_the_verdict():
    lines = verdicts.as_text(a_report()).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "REGRESSION: strict_f1 is worse in 1 of 4 comparisons: bioner_bc5cdr_disease"
    assert not any("…" in line for line in lines)


def test_markdown_is_a_table_whatever_names_hold():
    table = [line for line in verdicts.as_markdown(a_report()).splitlines() if line.startswith("|")]
    assert len(table) == 2 + 4
    assert {line.count("|") for line in table} == {table[0].count("|")}
    assert "<i>" not in "".join(table)


def test_junit_has_a_case_for_each_verdict(tmp_path):
    suite = ElementTree.fromstring(verdicts.as_junit(a_report()))
    counted = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "5", "failures": "1", "errors": "1", "skipped": "1"}
    assert [case.get("name") for case in suite] == [
        "bioner_ncbi 0-shot",
        "bioner_bc2gm 0-shot",
        "bioner_bc5cdr_disease 0-shot",
        "bioner_jnlpba 0-shot",
        "bioner_linnaeus 0-shot",
    ]
    assert len(suite.findall("testcase/failure")) == 1
    good = records.write(make_record(), tmp_path / "good")
    done = call("check", good, "--against", good, "--junit", tmp_path / "out" / "junit.xml", "--markdown")
    assert done.stdout.startswith("**PASS")
    assert ElementTree.parse(tmp_path / "out" / "junit.xml").getroot().get("tests") == "1"


def test_help_names_what_may_differ():
    told = " ".join(call("check", "--help").stdout.replace("│", " ").split())
    assert ", ".join(ACROSS) in told


def test_a_score_that_is_not_known_cannot_be_compared():
    record = make_record()
    spans = record | {"counts": record["counts"] | {"seen": 0, "unseen": 0}}
    assert check(spans, record, score="strict_recall_seen").outcome is Outcome.INCOMPARABLE


def test_where_all_gold_is_other_it_is_not_the_score_that_is_unknown():
    other = make_record() | {"sentence_hashes": [f"{number:012x}" for number in range(120)]}
    assert check(other, make_record()).reason == "other gold or text in 120 sentences"


def test_an_unforeseen_error_never_looks_like_a_regression(tmp_path, monkeypatch, capsys):
    from bioner_bench.cli import main as cli

    def broken(*_, **__):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("bioner_bench.leaderboard.regression.check_all", broken)
    monkeypatch.setattr("sys.argv", ["bioner-bench", "check", "a", "--against", "b"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "error: RuntimeError: unforeseen" in capsys.readouterr().err


@pytest.mark.slow
def test_wrong_use_is_one_line(tmp_path):
    good = records.write(make_record(), tmp_path / "good")
    few = records.write(make_record(shots=5), tmp_path / "few")
    (tmp_path / "empty").mkdir()
    assert "holds no record" in call("check", good, "--against", tmp_path / "empty", code=2).stderr
    assert "no file or folder" in call("check", good, "--against", tmp_path / "absent.json", code=2).stderr
    done = call("check", good.parent, "--against", few.parent, "--json", code=2)
    assert "other shots" in done.stdout
    elsewhere = records.write(make_record("b", "bioner_bc2gm"), tmp_path / "elsewhere")
    done = call("check", good.parent, "--against", elsewhere.parent.parent, code=2)
    assert "in common" in done.stderr
    done = call("check", good, "--against", good, "--across", "shots,nothing", code=2)
    assert "--across nothing: there is only shots" in done.stderr
    assert "unknown score" in call("check", good, "--against", good, "--score", "nope", code=2).stderr
