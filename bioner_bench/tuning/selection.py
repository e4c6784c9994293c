"""The command `select`: corpora and a weak model -> a folder of selected rows, their scores and a report."""

from __future__ import annotations

import json
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bioner_bench import __version__
from bioner_bench.evaluation import prompt
from bioner_bench.models import packaged
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import processes, row_scores, rows
from bioner_bench.tuning.rows import Row
from bioner_bench.tuning.score_files import AnyScore, Score
from bioner_bench.tuning.strategies import (
    EASIER,
    LOWER,
    MODEL_FREE,
    NO_SCORE,
    NOT_FINITE,
    NOT_HELPED,
    SCORES,
    UNSCORED,
    Choice,
    Selection,
    check,
    select,
)
from bioner_bench.writing import write_text

EDGES = (0.0, *(10 ** (exponent / 20) for exponent in range(-60, 1)))
"""Of the histogram's bins, even on a logarithmic scale: most scores are small, for the form of the answer
follows from the prompt. What is 1 or more is counted apart.
"""

BINS = 40
"""Of the histogram of any other score."""

MANY = 0.05
"""Share of the positive rows that cannot be selected by IFD, above which a warning is given."""

EXAMPLES = 10
"""Positive rows of the lowest, and of the highest scores that the report shows."""


def select_rows(
    tasks: Sequence[str],
    choice: Choice,
    out: Path,
    scores_from: Path | None = None,
    batch_size: int = 16,
    form: str = prompt.JSON,
    context: int = 0,
) -> list[Row]:
    """Score, select, and write rows, scores, report and picture into `out`; return the selected rows.

    A killed run goes on where its scoring was; of two at once in one folder the second waits. The processes
    of `accelerate launch` score the rows together.

    Args:
        tasks: corpora whose training splits are selected from.
        choice: how.
        out: the folder to write.
        scores_from: a folder that this function wrote with the same weak model for all these rows, to score
            nothing again.
        batch_size: rows that the weak model reads at once.
        form: the format of the answers.
        context: sentences on each side that are shown with each.

    Raises:
        BenchmarkError: a corpus has no training split, there is no weak model where one is needed, or the
            scores that were found are of another setting.
    """
    found = [row for task in tasks for row in rows.rows_of(task, "train", form, context)][: choice.limit]
    check(choice.strategy, choice.ratio)
    _check_score(choice)
    with processes.claimed(out):
        scores: dict[str, AnyScore] = {}
        scoring: dict[str, Any] = {}
        if choice.weak_model is not None or choice.score in MODEL_FREE:
            scores, scoring = row_scores.find(found, choice, out, scores_from, batch_size, form, context)
        made = select(found, scores, choice.strategy, choice.ratio, choice.seed, choice.pooled)
        kept = [row for row in found if row.id in made.kept]
        if processes.share()[0] == 0:
            rows.write(out / "rows.jsonl", kept)
            write_text(out / "scores.jsonl", _lines(found, scores, made))
            report = _report(tasks, choice, found, scores, made)
            if warning := _shortfall(report["all"]):
                print(warning, file=sys.stderr)
            hashes = rows.prompt_hashes(tasks, form, context)
            report |= {"format": form, "prompt": hashes, "scoring": scoring}
            write_text(out / "report.json", json.dumps(report, ensure_ascii=False, indent=2) + "\n")
            if scores:
                write_text(out / "distribution.svg", _picture(found, scores, made, choice.score))
            else:  # of an earlier selection
                (out / "distribution.svg").unlink(missing_ok=True)
        processes.meet()
    return kept


def _shortfall(counts: Mapping[str, Any]) -> str | None:
    """A line that says so where IFD leaves many positives out: a selection can then fall short of its ratio.

    `counts` are those of a report.
    """
    too_hard, infinite = (counts.get(f"positives_{what}") for what in ("of_1_or_more", "not_finite"))
    if too_hard is None or too_hard + infinite <= MANY * counts["positives"]:
        return None
    return (
        f"warning: of {counts['positives']:,} positive rows {too_hard:,} have an IFD of 1 or more and "
        f"{infinite:,} one that is not finite; these are never selected, and {counts['kept_positives']:,} are"
    )


def _check_score(choice: Choice) -> None:
    if choice.score not in SCORES:
        raise BenchmarkError(f"unknown score {choice.score!r}; there are: {', '.join(SCORES)}")
    if choice.weak_model is not None and choice.score in MODEL_FREE:
        raise BenchmarkError(f"the score {choice.score} needs no weak model; leave {choice.weak_model} out")
    if choice.weak_model is None and choice.score not in MODEL_FREE and choice.strategy not in UNSCORED:
        raise BenchmarkError(
            f"the strategy {choice.strategy} scores rows; name a weak model, for example with "
            "--weak-model smollm2-135m"
        )
    if choice.score == "gradient" and choice.dtype != "float32":
        raise BenchmarkError(f"gradients are computed in float32, not in {choice.dtype}; leave dtype out")


def _lines(found: Sequence[Row], scores: Mapping[str, AnyScore], made: Selection) -> str:
    lines = []
    for row in found:
        if row.id in scores:
            line = asdict(scores[row.id]) | {
                "selected": row.id in made.kept,
                "reason": made.left_out.get(row.id),
            }
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    return "".join(lines)


def _report(
    tasks: Sequence[str],
    choice: Choice,
    found: Sequence[Row],
    scores: Mapping[str, AnyScore],
    made: Selection,
) -> dict[str, Any]:
    report: dict[str, Any] = {
        "bioner_bench": __version__,
        "tasks": list(tasks),
        "choice": asdict(choice) | {"weak_model": packaged.public_name(choice.weak_model or "") or None},
        "partial": choice.limit is not None,
        "corpora": {
            task: _counts([row for row in found if row.task == task], scores, made) for task in tasks
        },
        "all": _counts(found, scores, made),
    }
    if scores:
        edges = _edges(scores)
        report["histogram"] = {
            "edges": list(edges),
            "positives": _histogram([row for row in found if row.positive], scores, edges),
            "negatives": _histogram([row for row in found if not row.positive], scores, edges),
        }
        plain = select(found, scores, "superfilter", choice.ratio, choice.seed, choice.pooled)
        negatives = [row.id for row in found if not row.positive]
        report["superfilter"] = {
            "kept": len(plain.kept),
            "negatives_kept": sum(id_ in plain.kept for id_ in negatives),
            "negatives": len(negatives),
        }
        hybrid = select(found, scores, "hybrid", choice.ratio, choice.seed, choice.pooled)
        drawn = select(found, scores, "random", choice.ratio, choice.seed, choice.pooled)
        positives = {row.id for row in found if row.positive}
        report["hybrid_and_random"] = {
            "positives_each": len(hybrid.kept & positives),
            "positives_in_both": len(hybrid.kept & drawn.kept & positives),
        }
        known = sorted(
            (value, row.id, row)
            for row in found
            if row.positive and (value := scores[row.id].value) is not None
        )
        low, high = ("easiest", "hardest") if _by_ifd(scores) else ("lowest", "highest")
        report[f"{low}_positives"] = [_example(row, scores) for _, _, row in known[:EXAMPLES]]
        report[f"{high}_positives"] = [_example(row, scores) for _, _, row in reversed(known[-EXAMPLES:])]
    return report


def _counts(group: Sequence[Row], scores: Mapping[str, AnyScore], made: Selection) -> dict[str, Any]:
    positives = [row for row in group if row.positive]
    kept = [row for row in group if row.id in made.kept]
    values = _values(positives, scores)
    reasons = [made.left_out.get(row.id) for row in group]
    easier = _values([row for row in group if made.left_out.get(row.id) in (EASIER, LOWER)], scores)
    counts: dict[str, Any] = {
        "rows": len(group),
        "positives": len(positives),
        "negatives": len(group) - len(positives),
        "kept": len(kept),
        "kept_positives": sum(row.positive for row in kept),
        "kept_negatives": sum(not row.positive for row in kept),
        "left_out": {reason: reasons.count(reason) for reason in dict.fromkeys(filter(None, reasons))},
    }
    if scores:
        counts["positives_not_finite"] = sum(scores[row.id].value is None for row in positives)
        if _by_ifd(scores):
            counts["positives_of_1_or_more"] = sum(value >= 1 for value in values)
        counts |= {
            # The hardest of what was left out as too easy; strategies that do not rank have none.
            "threshold": easier[-1] if easier else None,
            "median_of_positives": values[len(values) // 2] if values else None,
        }
    return counts


def _by_ifd(scores: Mapping[str, AnyScore]) -> bool:
    return any(isinstance(score, Score) for score in scores.values())


def _values(group: Sequence[Row], scores: Mapping[str, AnyScore]) -> list[float]:
    """The scores of rows that have a finite one, from the lowest."""
    found = (scores[row.id].value for row in group if row.id in scores)
    return sorted(value for value in found if value is not None)


def _edges(scores: Mapping[str, AnyScore]) -> tuple[float, ...]:
    """Of the histogram's bins: `EDGES` for IFD, even ones from the lowest to the highest of other scores."""
    if _by_ifd(scores):
        return EDGES
    values = [score.value for score in scores.values() if score.value is not None] or [0.0]
    low, high = min(values), max(values)
    width = (high - low) / BINS or 1 / BINS
    return tuple(low + width * place for place in range(BINS + 1))


def _histogram(
    group: Sequence[Row], scores: Mapping[str, AnyScore], edges: Sequence[float]
) -> dict[str, Any]:
    """Rows by their score between the edges, and apart those outside."""
    values = _values(group, scores)
    bins = [0] * (len(edges) - 1)
    unknown = len(group) - len(values)
    if not _by_ifd(scores):
        for value in values:
            bins[min(bisect_right(edges, value), len(bins)) - 1] += 1
        return {"bins": bins, NO_SCORE: unknown}
    for value in values:
        if value < 1:
            bins[bisect_right(edges, value) - 1] += 1
    return {"bins": bins, NOT_HELPED: len(values) - sum(bins), NOT_FINITE: unknown}


def _example(row: Row, scores: Mapping[str, AnyScore]) -> dict[str, Any]:
    name = "ifd" if _by_ifd(scores) else "value"
    return {"id": row.id, name: scores[row.id].value, "target": row.target}


def _picture(found: Sequence[Row], scores: Mapping[str, AnyScore], made: Selection, name: str) -> str:
    """Histograms of the scores of positive and negative rows, and of the positive ones that are kept."""
    from bioner_bench import plotting

    groups = {
        "negative": [row for row in found if not row.positive],
        "positive": [row for row in found if row.positive],
        "positive, kept": [row for row in found if row.positive and row.id in made.kept],
    }
    by_ifd, edges = _by_ifd(scores), _edges(scores)
    edges = edges[1:] if by_ifd else edges
    colours = (plotting.GREY, plotting.BLUE, plotting.ORANGE)
    with plotting.style():
        figure, axes = plotting.figure(7, 3.6)
        for (label, group), colour in zip(groups.items(), colours, strict=True):
            values = [min(max(value, edges[0]), edges[-1]) for value in _values(group, scores)]
            axes.hist(values, bins=edges, label=label, color=colour, alpha=0.7)
        axes.set_xlabel(name)
        if by_ifd:
            axes.set_xscale("log")
            ticks = [0.001, 0.01, 0.1, 1]
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.set_xlabel("IFD (what lies outside is at the edges)")
        axes.set_ylabel("rows")
        axes.legend(frameon=False)
        return plotting.svg(figure)
