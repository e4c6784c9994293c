"""The files of a run of lm-eval: which belong together, and whether the samples are all there."""

from __future__ import annotations

import glob
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bioner_bench.schema import BenchmarkError


def size_beside(samples: Path) -> int | None:
    """How many sentences the results beside a file of samples say that were evaluated; None without results.

    lm-eval writes `samples_TASK_TIME.jsonl` beside `results_TIME.json`, or `NAME_TIME.json` where its
    `--output_path` was a file.

    Raises:
        BenchmarkError: no file says it, and one that may be those results is no JSON.
    """
    task, _, time = samples.stem.removeprefix("samples_").rpartition("_")
    if not (samples.name.startswith("samples_") and task):
        return None
    unread = None
    for path in sorted(samples.parent.glob(f"*_{glob.escape(time)}.json")):
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            unread = unread or BenchmarkError(
                f"cannot read {path} ({type(error).__name__}), so whether {samples.name} is whole is not "
                "known; run it again, or move the samples out of that folder"
            )
            continue
        try:
            return int(results["n-samples"][task]["effective"])
        except (ValueError, KeyError, TypeError, OverflowError):  # that file's own readers say what is wrong
            continue
    if unread:
        raise unread
    return None


def check_size(samples: Path, filters: Iterable[Any], size: int) -> None:
    """Raise a `BenchmarkError` unless each filter of lm-eval has this many samples in a file."""
    for found in Counter(map(str, filters)).values() or [0]:
        if found != size:
            raise BenchmarkError(
                f"{samples}: {found} sentences, but the run evaluated {size}: a cut file; run it again"
            )


def check_written(results: Path, samples: bool) -> None:
    """Read what a run wrote, as a full disk can cut it without a word.

    Args:
        results: the file of results.
        samples: whether the answers were to be kept beside it.

    Raises:
        BenchmarkError: a file is not there, or not whole.
    """
    try:
        sizes: Mapping[str, Any] = json.loads(results.read_text(encoding="utf-8"))["n-samples"]
        counts = {task: int(size["effective"]) for task, size in sizes.items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise _cut(results, error) from error
    time = results.stem.rpartition("_")[2]
    for task, size in counts.items() if samples else ():
        path = results.with_name(f"samples_{task}_{time}.jsonl")
        try:
            with path.open(encoding="utf-8") as stream:
                filters = [json.loads(line).get("filter") for line in stream]
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise _cut(path, error) from error
        check_size(path, filters, size)


def _cut(path: Path, error: Exception) -> BenchmarkError:
    return BenchmarkError(
        f"lm-eval has not written {path} whole ({type(error).__name__}); is the disk full? Its warnings "
        "above may say more; make room and run it again"
    )
