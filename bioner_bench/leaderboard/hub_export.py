"""Records -> files in the forms that the Hugging Face Hub collects from a model's repository.

`.eval_results/bioner_bench.yaml` is what the Hub shows on a model's page and on a benchmark's leaderboard;
`model-index.yaml` is the older form, the part of a model card's front matter. Both are made by
`huggingface_hub`, so they are as it reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.records import Record
from bioner_bench.leaderboard.tasks import corpus_name
from bioner_bench.schema import BenchmarkError
from bioner_bench.writing import write_text

HOME = "https://github.com/bioner-bench/bioner_bench/blob/main/leaderboards"
"""Where this project's own leaderboard can be read."""


def export(found: Sequence[Record], dataset: str, folder: Path, source: str | None) -> list[Path]:
    """Write the whole runs of each system to a folder of its own and return the paths.

    Args:
        found: the records; partial ones are left out.
        dataset: the id of the benchmark's data set on the Hub, as `org/name`.
        folder: SYSTEM/.eval_results/bioner_bench.yaml and SYSTEM/model-index.yaml are written in it.
        source: the address of the leaderboard's folder, with records/ below it; no links without one.

    Raises:
        BenchmarkError: there is no whole run, `dataset` is no id, or `source` no address.
    """
    if source is not None and not source.startswith(("https://", "http://")):
        raise BenchmarkError(f"--source {source!r} is no address; it begins with https://")
    if dataset.count("/") != 1 or not all(dataset.split("/")):
        raise BenchmarkError(f"--dataset {dataset!r} is no id of a data set on the Hub, such as org/name")
    systems: dict[str, list[Record]] = {}
    for record in found:
        if not record["partial"]:
            systems.setdefault(record["system"]["name"], []).append(record)
    if not systems:
        raise BenchmarkError("there is no record of a whole run; make one with bioner-bench leaderboard add")
    written = []
    for name, of_system in systems.items():
        results = folder / name / ".eval_results" / "bioner_bench.yaml"
        index = folder / name / "model-index.yaml"
        write_text(results, _eval_results(of_system, dataset, source))
        write_text(index, _model_index(of_system, source))
        written += [results, index]
    return written


def _eval_results(found: Sequence[Record], dataset: str, source: str | None) -> str:
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = [
        EvalResultEntry(
            dataset_id=dataset,
            task_id=record["task"],
            value=_percent(record),
            date=record["run"]["date"],
            source_url=source and f"{source.rstrip('/')}/records/{records.place(record).as_posix()}",
            source_name=source and "bioner_bench",
            notes=_notes(record),
        )
        for record in found
    ]
    return yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)


def _model_index(found: Sequence[Record], source: str | None) -> str:
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    system = found[0]["system"]
    results = [
        EvalResult(
            task_type="token-classification" if system["kind"] == "encoder" else "text-generation",
            dataset_type=record["task"],
            dataset_name=corpus_name(record["task"]),
            dataset_split=record["split"],
            metric_type="f1",
            metric_name=f"strict entity F1, {_notes(record)}",
            metric_value=_percent(record),
            source_name=source and "bioner_bench",
            source_url=source,
        )
        for record in found
    ]
    index = eval_results_to_model_index(system["title"], results)
    return yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True)


def _percent(record: Record) -> float:
    return round(100 * float(record["scores"]["strict_f1"]["value"] or 0.0), 2)


def _notes(record: Record) -> str:
    """What tells two runs of a system apart, and the interval."""
    score = record["scores"]["strict_f1"]
    low, high = (round(100 * float(score[end] or 0.0), 2) for end in ("low", "high"))
    variant = records.variant(record).replace("-", " ")
    return f"{variant}, 95 % interval {low:.2f} to {high:.2f}, version {record['task_version']} of the task"
