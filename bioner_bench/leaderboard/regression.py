"""Records of a new and of an old system -> the answer whether it got worse.

A regression is a score that is significantly lower by a paired bootstrap over the documents of the common
sentences, or lower by more than the allowed drop. Several tasks give one verdict, with Holm's correction:
equal systems are called worse in at most 5 % of checks, however many tasks there are. A drop on too few
documents to tell it from chance is no pass, unless an allowed drop decides. Records of another task
version, prompt, setup or gold are not compared.

Records that differ in their training seed only are runs of one system, and compared by their mean.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.bootstrap import (
    RESAMPLES,
    SEED,
    SIGNIFICANCE,
    Comparison,
    holm,
)
from bioner_bench.evaluation.scoring import scores
from bioner_bench.leaderboard.pairing import Runs, on_common_sentences, paired, read_all, setup_of
from bioner_bench.leaderboard.records import Record
from bioner_bench.leaderboard.tasks import GROUPS, TAGS, members
from bioner_bench.schema import BenchmarkError

ACROSS = ("shots", "demonstrations", "system-instruction", "template", "generation")
"""What of a setup must be the same on both sides, unless it is named as what may differ."""

TEMPLATE_ARGUMENTS = ("enable_thinking", "chat_template_args", "think_end_token")
"""Arguments of lm-eval's models that change what a chat template writes, or what of an answer is thinking."""


class Outcome(IntEnum):
    """The exit codes of `bioner-bench check`."""

    PASS = 0
    REGRESSION = 1
    INCOMPARABLE = 2


FEW = 4
"""With fewer documents not even a fall from 100 to 0 is always significant, so that nothing is known."""


@dataclass(frozen=True)
class Verdict:
    """The answer for one task and setup; scores are in [0, 1], and None if not comparable.

    `runs` are the numbers of new and old runs (training seeds), `old` and `new` means over them, on the
    common sentences; `drop` is what was lost, in points (hundredths). `p_value` is corrected for all
    comparisons of the check, that of `comparison` is not.
    """

    system: str
    task: str
    setup: str
    outcome: Outcome
    reason: str
    runs: tuple[int, int] = (0, 0)
    sentences: int = 0
    corpus_sentences: int = 0
    documents: int | None = None
    old: float | None = None
    new: float | None = None
    drop: float | None = None
    comparison: Comparison | None = None
    p_value: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        test = self.comparison
        known = {name: value for name, value in asdict(self).items() if name != "comparison"}
        return known | {
            "outcome": self.outcome.name.lower(),
            "difference": test.difference if test else None,
            "difference_low": test.low if test else None,
            "difference_high": test.high if test else None,
            "p_value_uncorrected": test.p_value if test else None,
        }


@dataclass(frozen=True)
class Report:
    """All verdicts of a check, and what stands on one side only, as "system, task, setup"."""

    score: str
    verdicts: tuple[Verdict, ...]
    only_old: tuple[str, ...] = ()
    only_new: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """A regression anywhere is one; else what cannot be compared counts."""
        for outcome in (Outcome.REGRESSION, Outcome.INCOMPARABLE):
            if any(verdict.outcome is outcome for verdict in self.verdicts):
                return outcome
        return Outcome.PASS

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "outcome": self.outcome.name.lower(),
            "score": self.score,
            "verdicts": [verdict.as_json() for verdict in self.verdicts],
            "only_old": list(self.only_old),
            "only_new": list(self.only_new),
        }


def check_all(
    new: Path,
    old: Path,
    score: str = "strict_f1",
    max_drop: float | None = None,
    tasks: Collection[str] | None = None,
    across: Collection[str] = (),
) -> Report:
    """Compare two records, or two folders of records.

    In folders, records of the same system, task and setup belong together; where each folder holds one
    system, its name may differ. What only one side has is not compared, and the report says so.

    Args:
        new: a record of the system under test, or a folder of them.
        old: what it is held against.
        score: the score that must not drop.
        max_drop: a drop of more than this many points (hundredths) is a regression even if chance could
            explain it.
        tasks: only these, or those of a group; one that is not on both sides, for each system of `old`, is
            incomparable.
        across: what of `ACROSS` may differ.

    Raises:
        BenchmarkError: a file is no record, a folder holds none, nothing can be set side by side, or a name
            is unknown.
    """
    if unknown := set(across) - set(ACROSS):
        raise BenchmarkError(
            f"--across {','.join(sorted(unknown))}: there is only {', '.join(ACROSS)} that may differ"
        )
    news, olds = read_all(new), read_all(old)
    known = dict.fromkeys(name for record in (*olds, *news) for name in scores(record["types"]))
    if score not in known:
        raise BenchmarkError(f"unknown score {score!r}; there are: {', '.join(known)}")
    tasks = dict.fromkeys(
        one for task in tasks or () for one in (members(task) if task in (*GROUPS, *TAGS) else [task])
    )
    if new.is_file() and old.is_file() and not tasks:
        return judge(score, [_compare(news, olds, score, across)], max_drop)
    one_each = all(len({record["system"]["name"] for record in side}) == 1 for side in (news, olds))
    old_groups, new_groups = (_groups(side, tasks, one_each, across) for side in (olds, news))
    pairs, only_old, only_new = paired(old_groups, new_groups, lambda record: _setup(record, across))
    compared = [_compare(right, left, score, across) for left, right in pairs]
    there = {(left[0]["system"]["name"], left[0]["task"]) for left, _ in pairs}
    for system in dict.fromkeys(record["system"]["name"] for record in olds):
        for task in tasks:
            if (system, task) not in there:
                reason = "there is no run on both sides with the same setup"
                if all(record["task"] != task for record in (*olds, *news)):
                    reason = "no record of either side is of this task"
                compared.append(Verdict(system, task, "", Outcome.INCOMPARABLE, reason))
    if not compared:
        raise BenchmarkError(
            f"{new} and {old} have no system, task and setup in common; name two records to see how "
            "they differ"
        )
    report = judge(score, compared, max_drop)
    olds_compared, news_compared = [left for left, _ in pairs], [right for _, right in pairs]
    return replace(
        report,
        only_old=tuple(_label(runs, olds_compared) for runs in only_old),
        only_new=tuple(_label(runs, news_compared) for runs in only_new),
    )


def check(
    new: Record,
    old: Record,
    score: str = "strict_f1",
    max_drop: float | None = None,
    across: Collection[str] = (),
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Verdict:
    """`check_all` of two records."""
    return judge(score, [_compare([new], [old], score, across, resamples, seed)], max_drop).verdicts[0]


def judge(score: str, compared: Sequence[Verdict], max_drop: float | None = None) -> Report:
    """Decide what is a regression, for all comparisons together."""
    corrected = iter(holm([verdict.comparison.p_value for verdict in compared if verdict.comparison]))
    return Report(
        score,
        tuple(
            _judged(verdict, next(corrected), max_drop) if verdict.comparison else verdict
            for verdict in compared
        ),
    )


def _too_few(verdict: Verdict) -> str | None:
    """Why no drop could be told from chance; None if there are enough documents, or sentences."""
    what = "sentence" if verdict.documents is None else "document"
    units = verdict.documents or verdict.sentences
    if not 0 < units < FEW:
        return None
    few = f"one {what} says nothing" if units == 1 else f"{units} {what}s say too little"
    partial = verdict.sentences < verdict.corpus_sentences
    return f"{few} of others; {'run the whole task' if partial else 'name more documents'}, or set --max-drop"


def _judged(verdict: Verdict, p_value: float, max_drop: float | None) -> Verdict:
    drop = verdict.drop or 0.0
    outcome, reason = Outcome.PASS, "no worse than chance explains"
    if p_value < SIGNIFICANCE and drop > 0:
        outcome, reason = Outcome.REGRESSION, "significantly worse"
    elif max_drop is not None and drop > max_drop:
        outcome, reason = Outcome.REGRESSION, f"worse by {drop:.2f} points, more than {max_drop:g}"
    elif p_value < SIGNIFICANCE and drop < 0:
        reason = "significantly better"
    elif drop == 0:
        reason = "the same"
    elif drop > 0 and max_drop is None and (few := _too_few(verdict)):
        outcome, reason = Outcome.INCOMPARABLE, few
    return replace(verdict, outcome=outcome, reason=reason, p_value=p_value)


def _groups(
    side: Sequence[Record], tasks: Collection[str], one_each: bool, across: Collection[str]
) -> dict[tuple[str, str], list[Runs]]:
    """(system, task) -> its runs by setup; the system has no name where each side holds one."""
    found: dict[tuple[str, str], dict[str, Runs]] = {}
    for record in side:
        if not tasks or record["task"] in tasks:
            place = ("" if one_each else record["system"]["name"], record["task"])
            setup = json.dumps(_setup(record, across), sort_keys=True)
            found.setdefault(place, {}).setdefault(setup, []).append(record)
    return {place: list(groups.values()) for place, groups in found.items()}


def _setup(record: Record, across: Collection[str] = ()) -> dict[str, Any]:
    """What `ACROSS` names, of a record, without what may differ."""
    setup, arguments = record["setup"], record["model"]["arguments"]
    shots = setup["shots"]
    template = {name: arguments[name] for name in TEMPLATE_ARGUMENTS if name in arguments}
    template |= {"chat_template": setup["chat_template_sha256"], "gen_prefix": setup["gen_prefix"]}
    template["fewshot_as_multiturn"] = setup["fewshot_as_multiturn"] if shots else None
    whole = {
        "shots": shots,
        "demonstrations": [setup["demonstrations"], setup["fewshot_seed"]] if shots else None,
        "system-instruction": setup["system_instruction"],
        "template": template,
        "generation": setup["generation"],
    }
    return {name: value for name, value in whole.items() if name not in across}


def _label(runs: Runs, compared: Sequence[Runs]) -> str:
    """The runs by their names; where others of the same names were compared, also what tells them apart."""
    first = runs[0]
    label = f"{first['system']['name']} {first['task']} {setup_of(first)}"
    for others in compared:
        if f"{others[0]['system']['name']} {others[0]['task']} {setup_of(others[0])}" == label:
            ours, theirs = _setup(first), _setup(others[0])
            other = "; ".join(
                f"{name}: {_shown(ours[name], theirs[name])}" for name in ours if ours[name] != theirs[name]
            )
            return f"{label} (unlike those compared in {other})"
    return label


def _difference(new: Record, old: Record, across: Collection[str]) -> str | None:
    """Why two records cannot be compared; None if they can."""
    same: list[tuple[str, Any, Any]] = [
        ("task", new["task"], old["task"]),
        ("task version", new["task_version"], old["task_version"]),
        ("types", new["types"], old["types"]),
    ]
    for what, ours, theirs in same:
        if ours != theirs:
            return f"other {what}: {ours} against {theirs}"
    if prompt.form_of(new["prompt"]) != prompt.form_of(old["prompt"]):
        return f"other format of answers: the prompt {new['prompt']} against {old['prompt']}"
    if new["prompt"] != old["prompt"]:
        return f"other prompt: {new['prompt']} against {old['prompt']}"
    ours, theirs = (record["setup"].get("context", 0) for record in (new, old))
    if ours != theirs:
        return f"other context: {ours} against {theirs} sentences shown on each side"
    ours, theirs = _setup(new), _setup(old)
    if differ := [name for name in ACROSS if ours[name] != theirs[name] and name not in across]:
        told = "; ".join(f"{name}: {_shown(ours[name], theirs[name])}" for name in differ)
        return f"other {told} (--across {','.join(differ)} allows it){_left_to_the_model(ours, theirs)}"
    # Demonstrations and a system instruction have markup of their own; dates do not count.
    marked = new["markup"] and old["markup"] and new["markup"]["sha256"] != old["markup"]["sha256"]
    alike = all(ours[name] == theirs[name] for name in ("shots", "system-instruction"))
    if marked and alike and "template" not in across:
        return "other template: other text around the turns of the prompt (--across template allows it)"
    if new["prompt_hash"] != old["prompt_hash"]:
        # How demonstrations are chosen is a part of the hash, though nothing is where there are none.
        chosen = [record["setup"]["demonstrations"] for record in (new, old)]
        shown = any(record["setup"]["shots"] for record in (new, old))
        if not (shown and chosen[0] != chosen[1] and "demonstrations" in across):
            differ_too = f" (demonstrations: {chosen[0]} against {chosen[1]})" * (chosen[0] != chosen[1])
            return f"other prompt: {new['prompt_hash']} against {old['prompt_hash']}{differ_too}"
    return None


def _left_to_the_model(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """What to do where one side left to the model's own configuration how its answers end, or a penalty.

    What that was is not recorded: an adapter has what its base has, and some ask for a penalty. So a run that
    names the usual value need not be like one that names none.
    """
    named = [{"eos_token_id", "repetition_penalty"} & side["generation"].keys() for side in (ours, theirs)]
    if named[0] == named[1]:
        return ""
    return (
        "; one that is not named is the base model's: name both in --gen_kwargs, as the README of a tuned "
        "checkpoint does"
    )


def _shown(ours: Any, theirs: Any) -> str:
    """Two values, or what differs of two objects."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        names = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        return ", ".join(f"{name} {_shown(ours.get(name), theirs.get(name))}" for name in names)
    short = [text if len(text) <= 40 else f"{text[:37]}..." for text in map(json.dumps, (ours, theirs))]
    return " against ".join(short)


def _compare(
    news: Runs,
    olds: Runs,
    score: str,
    across: Collection[str],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Verdict:
    """The comparison of two groups, or why there is none; `judge` decides what it means."""
    new, old = news[0], olds[0]
    named = scores(new["types"])
    verdict = Verdict(
        new["system"]["name"],
        new["task"],
        " against ".join(dict.fromkeys([setup_of(news[0]), setup_of(olds[0])])),
        Outcome.INCOMPARABLE,
        "",
        (len(news), len(olds)),
        corpus_sentences=new["corpus_sentences"],
    )
    for run in (*news, *olds):
        if reason := _difference(run, old, across):
            return replace(verdict, reason=reason)
    if score not in named:
        return replace(verdict, reason=f"it has no {score}; --tasks names those to be compared")
    common = on_common_sentences(news, olds)
    if reason := common.refusal(named[score]):
        return replace(verdict, reason=reason)
    mean_new, mean_old, test = common.compared(named[score], resamples, seed)
    return replace(
        verdict,
        sentences=common.sentences,
        documents=common.number_of_documents,
        new=mean_new,
        old=mean_old,
        drop=100 * test.difference * (-1 if named[score].higher_is_better else 1),
        comparison=test,
    )
