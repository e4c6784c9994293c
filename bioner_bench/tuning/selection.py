"""The command `select`: corpora and a weak model -> a folder of selected rows, their scores and a report."""

from __future__ import annotations

import hashlib
import json
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bioner_bench import __version__, corpora
from bioner_bench.evaluation import prompt
from bioner_bench.models import packaged
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import ifd, processes, rows, score_files
from bioner_bench.tuning.rows import Row
from bioner_bench.tuning.score_files import Score
from bioner_bench.tuning.strategies import (
    EASIER,
    NOT_FINITE,
    NOT_HELPED,
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

EXAMPLES = 10
"""Easiest and hardest rows that the report shows."""


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
    if choice.weak_model is None and choice.strategy not in UNSCORED:
        raise BenchmarkError(
            f"the strategy {choice.strategy} scores rows; name a weak model, for example with "
            "--weak-model smollm2-135m"
        )
    with processes.claimed(out):
        scores: dict[str, Score] = {}
        scoring: dict[str, Any] = {}
        if choice.weak_model is not None:
            scores, scoring = _scores(found, choice, out, scores_from, batch_size, form, context)
        made = select(found, scores, choice.strategy, choice.ratio, choice.seed, choice.pooled)
        kept = [row for row in found if row.id in made.kept]
        if processes.share()[0] == 0:
            rows.write(out / "rows.jsonl", kept)
            write_text(out / "scores.jsonl", _lines(found, scores, made))
            report = _report(tasks, choice, found, scores, made)
            hashes = rows.prompt_hashes(tasks, form, context)
            report |= {"format": form, "prompt": hashes, "scoring": scoring}
            write_text(out / "report.json", json.dumps(report, ensure_ascii=False, indent=2) + "\n")
            if scores:
                write_text(out / "distribution.svg", _picture(found, scores, made))
            else:  # of an earlier selection
                (out / "distribution.svg").unlink(missing_ok=True)
        processes.meet()
    return kept


def _scores(
    found: Sequence[Row],
    choice: Choice,
    out: Path,
    scores_from: Path | None,
    batch_size: int,
    form: str,
    context: int,
) -> tuple[dict[str, Score], dict[str, Any]]:
    """The score of every row, from files where they have them, and what scoring cost.

    Each corpus has a file of its own, so that a folder of several serves a selection from one of them.
    """
    import transformers
    from tqdm import tqdm

    from bioner_bench.models import hardware
    from bioner_bench.models.chat import Chat

    assert choice.weak_model is not None
    source = packaged.resolve(choice.weak_model)
    options: dict[str, Any] = {"revision": choice.revision} if choice.revision else {}
    with packaged.loading(choice.weak_model):
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
    dtype = hardware.dtype(choice.dtype)
    chat = Chat(tokenizer, choice.template or {})
    template = tokenizer.get_chat_template() if tokenizer.chat_template else ""
    settings = {
        "weak_model": packaged.public_name(choice.weak_model),
        "revision": packaged.revision(source, choice.revision),
        "dtype": str(dtype).removeprefix("torch."),
        "template": dict(choice.template or {}),
        "chat_template_sha256": hashlib.sha256(template.encode()).hexdigest() if template else None,
        "rendered_prompt_sha256": chat.sha256,
    }
    groups: dict[str, list[Row]] = {}
    for row in found:
        groups.setdefault(row.task, []).append(row)
    files = {
        task: settings | {"prompt": prompt_hash, "corpus_sha256": corpora.get(task).files["train"].sha256}
        for task, prompt_hash in rows.prompt_hashes(groups, form, context).items()
    }
    this, number_of_processes = processes.share()
    if this == 0:
        for task, file_settings in files.items():
            if scores_from is not None:
                score_files.copy(scores_from / _file(task), out / _file(task), file_settings)
            _gather(out, task, file_settings)
    processes.meet()
    done: dict[str, Score] = {}
    for task, file_settings in files.items():
        done |= score_files.read(out / _file(task), file_settings)
    waiting = {task: [row for row in rows_ if row.id not in done] for task, rows_ in groups.items()}
    number = sum(map(len, waiting.values()))
    if number and scores_from is not None:
        raise BenchmarkError(
            f"{scores_from} has scores of {len(found) - number:,} of {len(found):,} rows; "
            "let `bioner-bench select` finish it, without --limit"
        )
    began = time.monotonic()
    if number:
        device = str(processes.together().device) if number_of_processes > 1 else hardware.device()
        model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=dtype, **options)
        model.to(device).eval()
        with tqdm(
            total=len(found), initial=len(found) - number, desc="IFD", unit="row", disable=this > 0
        ) as bar:
            for task, rows_ in waiting.items():
                file = out / (_part(task, this) if number_of_processes > 1 else _file(task))
                scored = ifd.score(rows_[this::number_of_processes], model, chat, batch_size, bar.update)
                score_files.append(file, files[task], scored)
        processes.meet()
        if this == 0:
            for task, file_settings in files.items():
                _gather(out, task, file_settings)
        processes.meet()
        for task, file_settings in files.items():
            done |= score_files.read(out / _file(task), file_settings)
    seconds = time.monotonic() - began
    cost = {
        "rows": number,
        "seconds": round(seconds, 1),
        "rows_per_second": round(number / seconds, 2) if number else None,
        "batch_size": batch_size,
        "hardware": hardware.name(),
        "processes": number_of_processes,
    }
    return {row.id: done[row.id] for row in found}, settings | cost


def _file(task: str) -> str:
    return f"ifd/{task}.jsonl"


def _part(task: str, process: int) -> str:
    return f"ifd/{task}.part-{process}.jsonl"


def _gather(out: Path, task: str, settings: Mapping[str, Any]) -> None:
    """Bring what several processes scored, of this run or a killed one, into one file."""
    for part in sorted(out.glob(_part(task, 0).replace("part-0", "part-*"))):
        if score_files.read(part, settings):
            score_files.copy(part, out / _file(task), settings)
        part.unlink()


def _lines(found: Sequence[Row], scores: Mapping[str, Score], made: Selection) -> str:
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
    scores: Mapping[str, Score],
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
        report["histogram"] = {
            "edges": list(EDGES),
            "positives": _histogram([row for row in found if row.positive], scores),
            "negatives": _histogram([row for row in found if not row.positive], scores),
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
            (row for row in found if row.positive and scores[row.id].ifd is not None),
            key=lambda row: (scores[row.id].ifd or 0.0, row.id),
        )
        report["easiest_positives"] = [_example(row, scores) for row in known[:EXAMPLES]]
        report["hardest_positives"] = [_example(row, scores) for row in reversed(known[-EXAMPLES:])]
    return report


def _counts(group: Sequence[Row], scores: Mapping[str, Score], made: Selection) -> dict[str, Any]:
    positives = [row for row in group if row.positive]
    kept = [row for row in group if row.id in made.kept]
    values = sorted(ifd for row in positives if row.id in scores and (ifd := scores[row.id].ifd) is not None)
    reasons = [made.left_out.get(row.id) for row in group]
    easier = [scores[row.id].ifd or 0.0 for row in group if made.left_out.get(row.id) == EASIER]
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
        counts |= {
            "positives_not_finite": sum(scores[row.id].ifd is None for row in positives),
            "positives_of_1_or_more": sum(value >= 1 for value in values),
            # The hardest of what was left out as too easy; strategies that do not rank have none.
            "threshold": max(easier, default=None),
            "median_of_positives": values[len(values) // 2] if values else None,
        }
    return counts


def _histogram(group: Sequence[Row], scores: Mapping[str, Score]) -> dict[str, Any]:
    """Rows by IFD between `EDGES`, and apart those outside."""
    bins = [0] * (len(EDGES) - 1)
    above = unknown = 0
    for row in group:
        value = scores[row.id].ifd
        if value is None:
            unknown += 1
        elif value >= 1:
            above += 1
        else:
            bins[bisect_right(EDGES, value) - 1] += 1
    return {"bins": bins, NOT_HELPED: above, NOT_FINITE: unknown}


def _example(row: Row, scores: Mapping[str, Score]) -> dict[str, Any]:
    return {"id": row.id, "ifd": scores[row.id].ifd, "target": row.target}


def _picture(found: Sequence[Row], scores: Mapping[str, Score], made: Selection) -> str:
    """Histograms of the IFD of positive and negative rows, and of the positive ones that are kept."""
    from bioner_bench import plotting

    groups = {
        "negative": [row for row in found if not row.positive],
        "positive": [row for row in found if row.positive],
        "positive, kept": [row for row in found if row.positive and row.id in made.kept],
    }
    colours = (plotting.GREY, plotting.BLUE, plotting.ORANGE)
    with plotting.style():
        figure, axes = plotting.figure(7, 3.6)
        for (label, group), colour in zip(groups.items(), colours, strict=True):
            known = [ifd for row in group if (ifd := scores[row.id].ifd) is not None]
            values = [min(max(ifd, EDGES[1]), EDGES[-1]) for ifd in known]
            axes.hist(values, bins=EDGES[1:], label=label, color=colour, alpha=0.7)
        axes.set_xscale("log")
        axes.set_xticks([0.001, 0.01, 0.1, 1], ["0.001", "0.01", "0.1", "1"])
        axes.set_xlabel("IFD (what lies outside is at the edges)")
        axes.set_ylabel("rows")
        axes.legend(frameon=False)
        return plotting.svg(figure)
