"""What lm-eval writes at the end of a run: without secrets, and looked at afterwards."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bioner_bench.evaluation.run_files import check_written
from bioner_bench.harness.answer_store import AnswerStore
from bioner_bench.harness.masking import masked
from bioner_bench.schema import BenchmarkError


@contextmanager
def checked_saving(stores: Sequence[AnswerStore] = (), name_store: bool = True) -> Iterator[None]:
    """Inside, lm-eval saves its results without keys and tokens; at the end, what it wrote is read again.

    The time of the run has that of earlier ones added whose answers were taken from a store, so that a run
    that went on says as much as one that was never disturbed.

    lm-eval only warns where it cannot write, and leaves half a file on a full disk.

    Args:
        stores: of answers, once they are opened.
        name_store: leave the user's `--use_cache` among the options of the run.

    Raises:
        BenchmarkError: a file is not there, or not whole.
    """
    from unittest.mock import patch

    from lm_eval.loggers import EvaluationTracker

    plain = EvaluationTracker.save_results_aggregated
    saved: list[tuple[Any, bool]] = []

    def save(tracker: Any, results: dict[str, Any], samples: dict[str, Any] | None = None) -> None:
        results["config"] = masked("config", results["config"])
        if not name_store:
            results["config"]["use_cache"] = None
        for store in stores[:1]:
            tracker.general_config_tracker.start_time -= store.earlier_seconds()
        for config in results["configs"].values():  # where arguments and options stand once more
            config |= {key: masked(key, config.get(key)) for key in ("metadata", "generation_kwargs")}
        for sample in itertools.chain.from_iterable((samples or {}).values()):
            sample["arguments"] = [  # prompt and options; a prompt stays as it is
                [masked("gen_kwargs", part) if isinstance(part, Mapping) else part for part in request]
                for request in sample["arguments"]
            ]
        plain(tracker, results, samples)
        saved.append((tracker, samples is not None))

    with patch.object(EvaluationTracker, "save_results_aggregated", save):
        yield
    for tracker, samples in saved:  # one, in the process that has the results
        if tracker.output_path:
            _check(tracker, samples)


def _check(tracker: Any, samples: bool) -> None:
    out = Path(tracker.output_path)
    time = getattr(tracker, "date_id", None)
    if out.suffix == ".json":
        path = out.with_name(f"{out.stem}_{time}.json")
    else:
        path = out / str(tracker.general_config_tracker.model_name_sanitized) / f"results_{time}.json"
    if time is None or not path.is_file():
        raise BenchmarkError(f"lm-eval has not written its results to {out}; its warnings above say why")
    check_written(path, samples)
    if not samples:
        print(
            "The answers are not kept; with --log_samples they can be scored and recorded.", file=sys.stderr
        )
