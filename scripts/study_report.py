"""Runs of the study and their records -> the text of docs/STUDY.md. Pure: its figures are of records."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
import what_ifd_selects
from prose import bullet, paragraph
from study_claims import CLAIMS, ENOUGH, TASK, Claim, Pair, Result, results, side, verdict
from study_hours import hours, rates
from study_plan import CORE, EXTENDED, PARTS, TASKS, UNSEEN, Run, record_of

from bioner_bench import corpora
from bioner_bench.evaluation.bootstrap import SIGNIFICANCE
from bioner_bench.leaderboard.build import read_records
from bioner_bench.leaderboard.records import Record
from bioner_bench.leaderboard.tables import markdown_table, percent

HEAD = """# Does half of the positives beat all of them?

BioSelectTune (arXiv 2512.22738) claims that a language model tuned on the hardest half of the sentences
with a mention, and all without one, finds more entities than one tuned on every sentence. How hard a
sentence is, a weak model says (IFD; [METHOD.md](METHOD.md)). The paper's models have 4 and 8 billion
parameters, the one of this study has 135 million.

Written by `python scripts/study.py --report` from the records in `leaderboards/records/`; do not edit. Scores
are strict F1 on whole test sets, in percent.
"""

STATISTICS = (
    "A score is the mean over training seeds, with a 95 % interval that speaks of other documents and other "
    "seeds; of one seed, of that checkpoint and other documents alone. A difference is tested by a bootstrap "
    "that draws seeds and documents both. *p* is after Holm's correction over all {family} comparisons of "
    "this page, those that are not run yet included. *Within a point* means that two one-sided tests show, "
    "at 5 %, that both differ by less than one point. Where neither test finds anything, the runs do not "
    "tell. *Equal steps* are as many optimiser steps as one epoch of all rows takes; *three epochs* are "
    "three passes over the rows that are kept. The last checkpoint counts, so development sentences choose "
    "nothing. ° marks fewer than {enough} seeds on a side."
)

AGAINST = (
    "One model of 135 million parameters, tuned with LoRA on one corpus, and scored by itself. Larger models "
    "may need fewer rows, and their weak models may judge better.",
    "The paper's prompt, hyper-parameters and weak model are not published. Those here are our choice. They "
    "were not searched for, and are the same for all strategies.",
    "At equal steps a model sees each row of a half more often; in three epochs it takes fewer steps than "
    "with all rows. Neither is the one fair comparison, so both are shown.",
    "Three seeds tell little of how far seeds differ. So intervals are wide, and a difference of a point or "
    "two is missed.",
)

Found = Sequence[tuple[Run, Record]]


def markdown(runs: Sequence[Run], folder: Path, pictures: Mapping[str, str], selected: Path) -> str:
    """The whole report.

    Args:
        runs: the plan.
        folder: of records.
        pictures: `f1` and `ifd` -> the address of a picture in the report.
        selected: what `what_ifd_selects.py` wrote.
    """
    found = [(run, record) for run in runs if (record := record_of(run, folder)) is not None]
    done = {run.record for run, _ in found}
    missing = [run for run in runs if run.record not in done]
    of_systems = by_system(found)
    tested = results(of_systems)
    known = rates(read_records(folder), gpu=False)
    parts = [HEAD, "## Answer\n", answer(tested, missing, known)]
    if any(record["training"] for _, record in found):
        parts.append(f"![Strict F1 by rows learned, and by optimiser steps]({pictures['f1']})\n")
    family = sum(len(claim.pairs) for claim in CLAIMS)
    parts += ["## Claims\n", paragraph(STATISTICS.format(family=family, enough=ENOUGH))]
    parts += [claimed(claim, tested, of_systems) for claim in CLAIMS]
    parts += ["## What IFD selects\n", ifd(selected, pictures["ifd"])]
    parts += ["## What speaks against it\n", doubts(found, tested)]
    parts += ["## Systems on NCBI-disease\n", systems(found), "## Systems on all corpora\n", groups(found)]
    parts += ["## What was not run\n", not_run(missing, known), "## Setup\n", setup(found)]
    parts += ["## Hours and hardware\n", cost(found)]
    return "\n".join(parts)


def by_system(found: Found, task: str = TASK) -> dict[str, list[Record]]:
    """System -> its records on a task, one a seed; those of the models that were asked without examples."""
    made: dict[str, list[Record]] = {}
    for run, record in found:
        if run.task == task and not run.shots:
            made.setdefault(run.card.system, []).append(record)
    return made


def answer(tested: Mapping[Pair, Result], missing: Sequence[Run], known: Sequence[Any]) -> str:
    """The question, its controls, and how sure both answers are: three sentences."""
    first, *controls = CLAIMS[:4]
    mine = [tested[pair] for pair in first.pairs if pair in tested]
    if not mine:
        said = "**Not answered yet**: the hardest half and all rows have no records."
    else:
        said = f"**{lead(mine)}**: " + "; ".join(phrase(first, result) for result in mine) + "."
    others = []
    for claim in controls:
        result = next((tested[pair] for pair in claim.pairs if pair in tested), None)
        others.append(
            phrase(claim, result) if result else f"{claim.one} is not yet compared with {claim.other}"
        )
    family = [pair for claim in CLAIMS for pair in claim.pairs]
    sure = sum(result.enough for result in tested.values())
    named = {name for pair in family for name in (pair.one, pair.other)}
    wanted = [run for run in missing if run.card.system in named]
    left = sum(hour for hour in hours(wanted, known) if hour)
    rest = f"; the {len(wanted)} runs that are missing take some {left:.0f} hours on one thread"
    return paragraph(
        f"{said} Which rows, and not how many, is the other question: {'; '.join(others)}. "
        f"This page makes {len(family)} comparisons, {sure} of them with {ENOUGH} training seeds on each "
        f"side so far{rest if wanted else ''}."
    )


def lead(found: Sequence[Result]) -> str:
    """Yes or no, in a few words."""
    if any(result.worse for result in found) and not any(result.better for result in found):
        return "No, it is worse"
    if any(result.better for result in found) and not any(result.worse for result in found):
        return "Yes" if all(result.better for result in found) else "Yes, in part"
    if any(result.better for result in found):
        return "It depends on how long it learns"
    if all(result.equivalent for result in found):
        return "No, it is as good"
    return "It is not shown to"


def phrase(claim: Claim, result: Result) -> str:
    """A comparison in words, from how long both learned on."""
    mark = "" if result.enough else ", too few seeds"
    return (
        f"{result.pair.budget} {claim.one} {verdict(result)} {claim.other} "
        f"({percent(result.one.value)} and {percent(result.other.value)}, p = {result.p_value:.3f}{mark})"
    )


def claimed(claim: Claim, tested: Mapping[Pair, Result], of_systems: Mapping[str, list[Record]]) -> str:
    """A claim with its table."""
    body = []
    for pair in claim.pairs:
        result = tested.get(pair)
        if result is None:
            found = [of_systems.get(system) for system in (pair.one, pair.other)]
            sides = [shown(side(records)) if records else "not run" for records in found]
            body.append([pair.budget, *sides, "", "", "", "not measured"])
            continue
        test = result.test
        body.append(
            [
                pair.budget,
                shown(result.one),
                shown(result.other),
                f"{100 * test.difference:+.2f} [{100 * test.low:+.2f}, {100 * test.high:+.2f}]",
                f"{result.p_value:.3f}",
                "yes" if result.equivalent else "not shown",
                f"{verdict(result)}{'' if result.enough else ' °'}",
            ]
        )
    columns = [
        *("learned", claim.one, claim.other, "difference, points", "p", "within a point", "so the first")
    ]
    table = markdown_table(pd.DataFrame(body, columns=columns))
    return f"### {claim.title}\n\n{paragraph(claim.about)}\n{table}\n"


def shown(of: Any) -> str:
    """A side of a comparison: mean, interval and seeds."""
    seeds = f"{len(of.seeds)} seed{'s' * (len(of.seeds) != 1)}"
    return f"{percent(of.value)} [{percent(of.low)}, {percent(of.high)}], {seeds}"


def ifd(selected: Path, picture: str) -> str:
    """What the scores of weak models choose, if any were looked at."""
    if not selected.is_file():
        return paragraph(
            "What SmolLM2-135M as weak model selects of NCBI-disease is told in "
            "[METHOD.md](METHOD.md#what-it-does-to-ncbi-disease). Other corpora and weak models are not "
            "measured. `python scripts/what_ifd_selects.py SCORES... --out docs/study/ifd` makes the table "
            "and the picture of folders that `bioner-bench select` wrote; the queue does so with its own."
        )
    facts = json.loads(selected.read_text(encoding="utf-8"))
    return f"{what_ifd_selects.markdown(facts)}\n![What IFD selects]({picture})\n"


def doubts(found: Found, tested: Mapping[Pair, Result]) -> str:
    """What weakens the answers, as far as records tell."""
    said = list(AGAINST)
    few = [result for result in tested.values() if not result.enough]
    if few:
        said.append(
            f"Fewer than {ENOUGH} seeds on a side stand behind {len(few)} of {len(tested)} comparisons "
            "above; these speak of checkpoints, not of strategies."
        )
    alone = [
        result
        for result in tested.values()
        if result.test.p_value < SIGNIFICANCE and not (result.better or result.worse)
    ]
    if alone:
        said.append(
            f"Taken alone {len(alone)} of them would be significant, and after the correction are not: their "
            "intervals, which are not corrected, leave out 0."
        )
    untuned = by_system(found).get("smollm2-135m-instruct")
    if untuned:
        said.append(
            "Before it is tuned the weak model answers next to nothing right (strict F1 "
            f"{value(untuned, 'strict_f1')}). What it finds hard need not be hard for a model that can do "
            "the task."
        )
    return "".join(map(bullet, said))


def systems(found: Found) -> str:
    """All systems on the corpus of the question; seeds of a system share a row."""
    grouped: dict[tuple[str, int], list[Record]] = {}
    for run, record in found:
        if run.task == TASK:
            grouped.setdefault((run.card.title, run.shots), []).append(record)
    order = sorted(grouped.items(), key=lambda item: -mean_of(item[1], "strict_f1"))
    scores = ("relaxed_f1", "strict_precision", "strict_recall", "strict_recall_unseen", "json_valid")
    body = [
        [
            title + (f", {shots} shots" if shots else ""),
            str(len(group)) if group[0]["training"] else "",
            learned(group, "rows", "sentences"),
            learned(group, "positives"),
            f"{group[0]['training']['steps']:,}" if group[0]["training"] else "",
            shown_alone(group),
            *(value(group, name) for name in (*scores, "false_positive_rate")),
        ]
        for (title, shots), group in order
    ]
    columns = [
        *("system", "seeds", "rows", "positives", "steps", "strict F1", "relaxed F1", "precision", "recall"),
        *("recall, unseen", "valid JSON", "false positives"),
    ]
    return markdown_table(pd.DataFrame(body, columns=columns)) + "\n"


def groups(found: Found) -> str:
    """Mean strict F1 of systems that ran on more than the corpus of the question, and over groups."""
    grouped: dict[tuple[str, int], dict[str, list[Record]]] = {}
    for run, record in found:
        of_system = grouped.setdefault((run.card.title, run.shots), {})
        of_system.setdefault(run.task, []).append(record)
    columns = ["system"]
    for title, tasks in (("core", CORE.values()), ("out of domain", UNSEEN.values()), ("", EXTENDED)):
        columns += [corpora.get(task).name for task in tasks]
        columns += [f"mean, {title}"] if title else []
    body = []
    for (title, shots), by_task in grouped.items():
        if len(by_task) < 2:
            continue
        row = [title + (f", {shots} shots" if shots else "")]
        for named, tasks in ((True, CORE.values()), (True, UNSEEN.values()), (False, EXTENDED)):
            row += [value(by_task.get(task, []), "strict_f1") for task in tasks]
            if named:
                whole = all(task in by_task for task in tasks)
                row.append(
                    percent(mean(mean_of(by_task[task], "strict_f1") for task in tasks)) if whole else ""
                )
        body.append(row)
    if not body:
        return f"Not run: no system has records of more than one of {len(TASKS)} corpora.\n"
    return markdown_table(pd.DataFrame(body, columns=columns)) + "\n"


def not_run(missing: Sequence[Run], known: Sequence[Any]) -> str:
    """The runs that have no record, by part, and the hours that they need."""
    if not missing:
        return "Nothing: every run of the plan has a record.\n"
    left = dict(zip([run.record for run in missing], hours(missing, known), strict=True))
    body = []
    for part, title in PARTS.items():
        mine = [left[run.record] for run in missing if run.part == part]
        if mine:
            unknown = mine.count(None)
            hours_ = f"{sum(hour for hour in mine if hour):.0f}"
            more = f", and {unknown} runs like none before" if unknown else ""
            body.append([title, str(len(mine)), f"{hours_}{more}"])
    table = markdown_table(pd.DataFrame(body, columns=["part", "runs", "hours on one thread"]))
    return f"{table}\n\n" + paragraph(
        "Hours are those of earlier runs on a processor; of a model that was never run, those of another one "
        "by the number of parameters. `python scripts/study.py` runs what is missing, in the order that "
        "`--dry-run` shows, and goes on where it was killed. The last three parts, and most of the runs of "
        "one model of the four core corpora, are for a machine with a GPU."
    )


def setup(found: Found) -> str:
    """The recipe that all tuned models of the question share."""
    recipes = [r["training"]["recipe"] for run, r in found if run.part == "one epoch" and r["training"]]
    if not recipes:
        return "No model has been tuned yet.\n"
    recipe = recipes[0]
    lora = recipe["lora"]
    return paragraph(
        f"SmolLM2-135M-Instruct, batches of {recipe['batch_size']}, LoRA (rank {lora['r']}, alpha "
        f"{lora['alpha']}, {lora['targets']}), learning rate {recipe['learning_rate']:g}, "
        f"{recipe['schedule']}, warm-up {recipe['warmup']:g}. `hybrid` keeps the hardest half of the "
        "positives and every negative; the controls keep as many positives, and every negative. Answers are "
        "greedy, zero-shot, in float32. `bioner-bench train RECORD` makes a checkpoint again, where RECORD "
        "is the file of any of its records."
    )


def cost(found: Found) -> str:
    """Hours by part, and on what."""
    body = []
    for part, title in PARTS.items():
        mine = [(run, record) for run, record in found if run.part == part]
        if not mine:
            continue
        # A model that is evaluated on several corpora was trained once.
        models = {
            (run.card.system, json.dumps(record["training"]["recipe"])): record["training"]
            for run, record in mine
            if record["training"]
        }
        speeds = [(record["sentences"], record["run"]["sentences_per_second"]) for _, record in mine]
        evaluated = sum(size / speed for size, speed in speeds if speed)
        machines = {
            record["run"]["hardware"]["gpu"] or record["run"]["hardware"]["cpu"] for _, record in mine
        }
        trained_on = {training["hardware"] for training in models.values()}
        body.append(
            [
                title,
                str(len(mine)),
                f"{sum(training['seconds'] for training in models.values()) / 3600:.1f}",
                ", ".join(sorted(trained_on)),
                f"{evaluated / 3600:.1f}",
                ", ".join(sorted(filter(None, machines))),
            ]
        )
    columns = ["part", "runs", "training, hours", "on", "evaluation, hours", "on a machine with"]
    return markdown_table(pd.DataFrame(body, columns=columns)) + "\n"


def learned(group: Sequence[Record], *names: str) -> str:
    """A number of the data that a system was trained on, by the first of these names that it has."""
    data = group[0]["training"]["data"] if group[0]["training"] else {}
    count = next((data[name] for name in names if data.get(name) is not None), None)
    return "" if count is None else f"{count:,}"


def shown_alone(group: Sequence[Record]) -> str:
    """The mean strict F1 of a system's seeds, with its interval."""
    of = side(group)
    return f"{percent(of.value)} [{percent(of.low)}, {percent(of.high)}]"


def mean_of(group: Iterable[Record], name: str) -> float:
    """The mean of a score over seeds, 0 where it is not known."""
    return mean(record["scores"][name]["value"] or 0.0 for record in group)


def value(group: Sequence[Record], name: str) -> str:
    """The mean of a score over seeds in percent; blank where a record does not know it."""
    values = [record["scores"][name]["value"] for record in group]
    return percent(mean(values)) if values and None not in values else ""
