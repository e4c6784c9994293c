"""Runs of the study and their records -> docs/STUDY.md. Pure: every figure in it is of a record."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd

from bioner_bench import corpora
from bioner_bench.evaluation.bootstrap import SIGNIFICANCE, Comparison, compare
from bioner_bench.evaluation.scoring import scores
from bioner_bench.leaderboard import lm_eval_output, records
from bioner_bench.leaderboard.records import Record
from bioner_bench.leaderboard.tables import markdown_table, percent
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.recipes import LlmRecipe

PURPOSES = {
    "epochs": "Strategies, for the same number of epochs",
    "baselines": "Prompting, the dictionary and MiniLM",
    "three epochs": "Strategies, for three epochs, on NCBI-disease",
    "ratios": "Shares of the positives, on NCBI-disease",
    "weak models": "Another weak model, Gemma 3 270M",
    "all corpora": "One model of the four core corpora",
    "steps": "Strategies, for the same number of optimiser steps",
    "all weights": "All weights in place of LoRA, for the same number of epochs",
    "all weights, steps": "All weights in place of LoRA, for the same number of steps",
}
"""The parts of the study, in the order of the report."""

AGAINST = {"full": ("all rows", "as the paper claims"), "random": ("a random half", "so hardness matters")}
"""What `hybrid` is held against, and what it would mean if it were better."""

BUDGETS = {
    "epochs": "For the same number of epochs",
    "steps": "For as many optimiser steps as all rows take",
    "three epochs": "For three epochs",
}
"""The ways to compare strategies that keep different numbers of rows, keys of `PURPOSES`."""

HEAD = """# Does half of the positives beat all of them?

BioSelectTune (arXiv 2512.22738) claims that a language model tuned on the hardest half of the sentences
with a mention, and all without one, finds more entities than one tuned on every sentence.
[METHOD.md](METHOD.md) says what that means here; the paper's models have 4 and 8 billion parameters, the one
of this study has 135 million. Written by `python scripts/study.py --report` from the records in
`leaderboards/records/`; do not edit. Scores are of whole test sets, in percent, strict F1 with 95 % bootstrap
intervals.
"""

Found = Sequence[tuple[Any, Record]]
"""Runs of study.py, each with its record."""


def markdown(runs, folder: Path, agreement: Mapping[str, Any] | None = None) -> str:
    """The whole report: what was asked, what came out, and what was not run.

    Args:
        runs: the plan of study.py.
        folder: of records.
        agreement: what compare_scores.py says of two weak models, if both have scored.
    """
    found = [(run, record) for run in runs if (record := record_of(run, folder)) is not None]
    parts = [HEAD, answer(found), setup(found)]
    for purpose, title in PURPOSES.items():
        part = [(run, record) for run, record in found if run.purpose == purpose]
        missing = sum(run.purpose == purpose for run in runs) - len(part)
        parts.append(f"## {title}\n")
        if purpose == "weak models" and agreement:
            parts.append(agreeing(agreement))
        if not part:
            parts.append(f"Not run: none of {missing} planned runs has a record.\n")
            continue
        tasks = dict.fromkeys(run.task for run, _ in part)
        for task in tasks:
            parts.append(table(corpora.get(task).name, [pair for pair in part if pair[0].task == task]))
        if missing:
            parts.append(f"Not run: {missing} of {missing + len(part)} planned runs.\n")
    parts.append(cost(found))
    return "\n".join(parts)


def record_of(run, folder: Path) -> Record | None:
    """The record of a run, if there is one.

    Raises:
        BenchmarkError: it is of a language model that was trained by another recipe than the plan's.
    """
    if not (folder / run.record).is_file():
        return None
    record = records.read(folder / run.record)
    if isinstance(run.recipe, LlmRecipe):
        planned = json.loads(json.dumps(asdict(run.recipe)))
        # A record from before a field was there was trained with what is its default now.
        defaults = {field.name: field.default for field in fields(LlmRecipe)}
        if defaults | record["training"]["recipe"] != lm_eval_output.without_folders(planned):
            raise BenchmarkError(
                f"{folder / run.record}: trained by another recipe than the plan's; remove it"
            )
    return record


def answer(found: Found) -> str:
    """The title's question, corpus by corpus: the hardest half against all, and against a random half."""
    verdicts, body = [], []
    for against, (other_rows, if_better) in AGAINST.items():
        for purpose, budget in BUDGETS.items():
            tests = []
            for run, record in found:
                if run.purpose != purpose or run.card.train_strategy != "hybrid":
                    continue
                other = opponent(found, run, against)
                if other is None or run.task not in run.recipe.train:
                    continue
                test = compared(record, other)
                tests.append((run, test))
                body.append(
                    [
                        corpora.get(run.task).name,
                        other_rows,
                        purpose,
                        str(run.recipe.seed),
                        value(record, "strict_f1"),
                        value(other, "strict_f1"),
                        f"{100 * test.difference:+.2f} [{100 * test.low:+.2f}, {100 * test.high:+.2f}]",
                        f"{test.p_value:.3f}",
                    ]
                )
            verdicts.append(f"- {budget}, {said(tests, other_rows, if_better)}")
    if not body:
        return "## Answer\n\nNot answered yet: no two strategies have records.\n"
    lines = ["## Answer", "", *verdicts, ""]
    columns = ["corpus", "hybrid against", "the same", "seed", "hybrid", "other", "difference", "p"]
    lines.append(markdown_table(pd.DataFrame(body, columns=columns)))
    lines += [
        "",
        "Differences are in points, with intervals and p values of a paired bootstrap over test sentences. "
        "They tell how much hangs on which sentences are in the test set, not how much on the training seed: "
        "that is what several seeds are for.",
        "",
    ]
    return "\n".join(lines)


def opponent(found: Found, run, strategy: str) -> Record | None:
    """The record of the other strategy that `run` is held against: same corpus, seed and budget."""
    # An epoch over every row is the measure of steps as well.
    measure = (run.purpose, strategy) == ("steps", "full")
    purposes = {run.purpose, "epochs"} if measure else {run.purpose}
    for other, record in found:
        if (
            other.purpose in purposes
            and (other.task, other.card.train_strategy) == (run.task, strategy)
            and (other.recipe.seed, other.recipe.train) == (run.recipe.seed, run.recipe.train)
        ):
            return record
    return None


def compared(record: Record, other: Record) -> Comparison:
    """Paired bootstrap of the strict F1 of two records of the same test set."""
    assert record["gold_sha256"] == other["gold_sha256"]
    tables = records.counts_of(record), records.counts_of(other)
    return compare(scores(record["types"])["strict_f1"], *tables, record["documents"])


def said(tests: Sequence[tuple[Any, Comparison]], other: str, if_better: str) -> str:
    """What the comparisons of runs with other ones amount to, in a sentence."""
    if not tests:
        return f"whether the hardest half of the positives beats {other} is not measured."
    better = sum(test.p_value < SIGNIFICANCE and test.difference > 0 for _, test in tests)
    worse = sum(test.p_value < SIGNIFICANCE and test.difference < 0 for _, test in tests)
    # With many tests some are significant by chance, so only what all of them say is claimed.
    if better == len(tests):
        verdict = f"beats {other}, {if_better}"
    elif worse == len(tests):
        verdict = f"does not beat {other}, it is worse"
    elif not better:
        verdict = f"is not shown to beat {other}"
    else:
        verdict = f"beats {other} in some comparisons only"
    differences = [100 * test.difference for _, test in tests]
    span = f"{mean(differences):+.2f} points"
    if len(tests) > 1:
        span += f" on average, {min(differences):+.2f} to {max(differences):+.2f}"
    names = ", ".join(dict.fromkeys(corpora.get(run.task).name for run, _ in tests))
    seeds = sorted({run.recipe.seed for run, _ in tests})
    return (
        f"**the hardest half of the positives {verdict}** ({span}; significantly better in {better} "
        f"and significantly worse in {worse} of {len(tests)} comparison{'s' if len(tests) > 1 else ''}; "
        f"{names}, training seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))})."
    )


def setup(found: Found) -> str:
    """The recipe that all tuned models share."""
    recipes = [record["training"]["recipe"] for run, record in found if run.purpose == "epochs"]
    if not recipes:
        return ""
    recipe = recipes[0]
    lora = recipe["lora"]
    epochs = "one epoch" if recipe["epochs"] == 1 else f"{recipe['epochs']:g} epochs"
    return (
        "## Setup\n\n"
        f"SmolLM2-135M-Instruct, tuned for {epochs} in batches of "
        f"{recipe['batch_size']} with LoRA (rank {lora['r']}, alpha {lora['alpha']}, {lora['targets']}), "
        f"learning rate {recipe['learning_rate']:g}, {recipe['schedule']}, warm-up {recipe['warmup']:g}; no "
        "checkpoint is chosen, the last one counts (of three epochs the best on development sentences). "
        "`hybrid` keeps the hardest half of the positives and "
        "every negative, `random` as many positives by chance and every negative, `superfilter` the hardest "
        "half of all rows, `positives` is `hybrid` without negatives, `full` keeps every row. Answers are "
        "greedy, zero-shot, in float32. Where all weights are tuned the learning rate is a tenth. A score of "
        "several seeds is their mean, with the lowest and the highest.\n"
    )


def table(title: str, part: Found) -> str:
    """The systems of one part of the study on one task; seeds of a system share a row."""
    groups: dict[tuple[str, int], list[Record]] = {}
    for run, record in part:
        groups.setdefault((run.card.title, run.shots), []).append(record)
    lines = [f"### {title}", ""]
    columns = [
        *("system", "shots", "seeds", "rows learned", "positives", "steps", "strict F1"),
        *("relaxed F1", "precision", "recall", "recall, unseen", "valid JSON", "false positives"),
    ]
    body = pd.DataFrame(
        [
            [
                name,
                str(shots),
                ", ".join(str(r["training"]["recipe"]["seed"]) for r in group if r["training"]),
                learned(group, lambda data: data.get("rows", data.get("sentences"))),
                learned(group, lambda data: data.get("positives")),
                "" if not group[0]["training"] else f"{group[0]['training']['steps']:,}",
                strict(group),
                *(
                    averaged(group, score)
                    for score in (
                        *("relaxed_f1", "strict_precision", "strict_recall", "strict_recall_unseen"),
                        *("json_valid", "false_positive_rate"),
                    )
                ),
            ]
            for (name, shots), group in groups.items()
        ],
        columns=columns,
    )
    lines.append(markdown_table(body))
    return "\n".join([*lines, ""])


def agreeing(found: Mapping[str, Any]) -> str:
    """How far two weak models find the same rows hard."""
    one, other = found["weak_models"]
    above, other_above = found["ifd_of_1_or_more"]
    corpus, common = corpora.get(found["task"]).name, 100 * found["hardest_half_in_common"]
    return (
        f"On {found['positives']:,} positives of {corpus}, the IFD of {one} and that of {other} have a rank "
        f"correlation of {found['rank_correlation']:.3f}, and {common:.1f} % of the hardest half of one are "
        f"in that of the other (by chance: 50 %). IFD is 1 or more for {above} positives by {one}, "
        f"for {other_above} by {other}.\n"
    )


def learned(group: Sequence[Record], number: Callable[[dict], int | None]) -> str:
    """A number of the data that a system was trained on."""
    count = number(group[0]["training"]["data"]) if group[0]["training"] else None
    return "" if count is None else f"{count:,}"


def strict(group: Sequence[Record]) -> str:
    """One seed with its interval, of several the mean and the range."""
    if len(group) == 1:
        score = group[0]["scores"]["strict_f1"]
        return f"{percent(score['value'])} [{percent(score['low'])}, {percent(score['high'])}]"
    values = [record["scores"]["strict_f1"]["value"] for record in group]
    return f"{percent(mean(values))} ({percent(min(values))} to {percent(max(values))})"


def averaged(group: Iterable[Record], name: str) -> str:
    """The mean of a score over seeds."""
    values = [record["scores"][name]["value"] for record in group]
    return percent(mean(values)) if None not in values else ""


def value(record: Record, name: str) -> str:
    """A score of a record in percent."""
    return percent(record["scores"][name]["value"])


def cost(found: Found) -> str:
    """What each run took, and on what."""
    lines = ["## Cost", ""]
    # A model that is evaluated on several corpora was trained once.
    models = [(run.card.system, run.recipe.seed if run.recipe else None) for run, _ in found]
    first = [model not in models[:index] for index, model in enumerate(models)]
    columns = ["system", "task", "seed", "training, s", "on", "evaluation, s", "on"]
    body = pd.DataFrame(
        [
            [
                f"`{run.card.system}`{f', {run.shots} shots' if run.shots else ''}",
                f"`{run.task}`",
                str(run.recipe.seed) if run.recipe else "",
                f"{record['training']['seconds']:,.0f}" if record["training"] and new else "",
                record["training"]["hardware"] if record["training"] and new else "",
                f"{record['sentences'] / record['run']['sentences_per_second']:,.0f}",
                record["run"]["hardware"]["gpu"] or record["run"]["hardware"]["cpu"] or "",
            ]
            for (run, record), new in zip(found, first, strict=True)
        ],
        columns=columns,
    )
    lines.append(markdown_table(body))
    lines += ["", "An evaluation of several tasks in one run is divided among them by their sentences."]
    return "\n".join([*lines, ""])
