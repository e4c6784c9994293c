"""lm-eval's results -> what a record says of the run: model, command, time, hardware, versions.

No secrets, and no folders of the machine it ran on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bioner_bench import __version__
from bioner_bench.harness import demonstrations, run_options
from bioner_bench.harness.masking import masked
from bioner_bench.leaderboard.card_check import public_arguments
from bioner_bench.leaderboard.records import Json, Model, Run


def arguments_of(results: Mapping[str, Any]) -> Json:
    """The model arguments of a run; lm-eval keeps a string as it was given to its Python function."""
    from lm_eval.utils import simple_parse_args_string

    given = results["config"].get("model_args") or {}
    arguments = simple_parse_args_string(given) if isinstance(given, str) else dict(given)
    return {str(name): value for name, value in arguments.items()}


def model_of(results: Mapping[str, Any]) -> Model:
    """What lm-eval loaded."""
    config = results["config"]
    arguments = public_arguments(arguments_of(results))
    return {
        "source": config.get("model"),
        "arguments": {key: public(key, value) for key, value in arguments.items()},
        "parameters": config.get("model_num_parameters"),
        "dtype": str(config.get("model_dtype") or "") or None,
        "revision": config.get("model_revision"),
        "sha": config.get("model_sha") or None,
    }


def public(key: str, value: Any) -> Any:
    """A model argument without secrets and without the folders of the machine it ran on."""
    return without_folders(masked(key, value))


def without_folders(value: Any) -> Any:
    """A JSON value with the last part in place of each absolute path."""
    if isinstance(value, Mapping):
        return {name: without_folders(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value


def run_of(results: Mapping[str, Any], task: str) -> Run:
    """When a task was run, by which command, how fast, and with what."""
    config = results["config"]
    environment = results.get("pretty_env_info") or ""
    seconds = float(results.get("total_evaluation_time_seconds") or 0)
    evaluated = sum(int(size["effective"]) for size in results["n-samples"].values())

    def of_environment(label: str) -> str | None:
        found = re.search(rf"^{label}:? *(.+)$", environment, re.MULTILINE)
        return found[1].strip() if found else None

    # A single GPU stands on the line of the heading, several on lines of their own.
    gpus = [name.strip() for name in re.findall(r"\bGPU \d+: *(.+)$", environment, re.MULTILINE)]

    return {
        "date": datetime.fromtimestamp(float(results["date"]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": run_options.command(_options(results, task)),
        "seconds": round(seconds, 1),
        "sentences_per_second": round(evaluated / seconds, 3) if seconds else None,
        "hardware": {
            "cpu": of_environment("Model name"),
            "gpu": f"{len(gpus)} x {gpus[0]}" if gpus else None,
        },
        "batch_size": str(config.get("batch_size")),
        "versions": {
            "bioner_bench": results["configs"][task]["metadata"].get("bioner_bench") or __version__,
            "lm_eval": results.get("lm_eval_version"),
            "transformers": results.get("transformers_version"),
            "torch": of_environment("PyTorch version"),
            "python": (of_environment("Python version") or "").split(" ")[0] or None,
        },
    }


def _options(results: Mapping[str, Any], task: str) -> run_options.Options:
    """The options of `lm_eval run` that a run was made with, without secrets and folders."""
    config = results["config"]
    shots = results["n-shot"][task] or 0
    metadata = dict(results["configs"][task]["metadata"])
    chosen = metadata.get("demonstrations", "random") if shots else "random"  # of none it says nothing
    metadata["demonstrations"] = demonstrations.as_recorded(chosen)
    seeds = [config.get(name) for name in ("random_seed", "numpy_seed", "torch_seed", "fewshot_seed")]
    # lm-eval knows no template of a chat API, but cannot do without the option there.
    chat = results.get("chat_template_sha") or str(config.get("model")).endswith("chat-completions")
    given = {
        "model": str(config.get("model")),
        "model_args": model_of(results)["arguments"],
        "tasks": [task],
        "num_fewshot": int(shots),
        "seed": seeds if shots and seeds[-1] is not None else None,
        "apply_chat_template": True if chat else None,
        "fewshot_as_multiturn": False if results.get("fewshot_as_multiturn") is False else None,
        "metadata": {
            name: metadata[name]
            for name, usual in run_options.OF_A_TASK.items()
            if metadata.get(name, usual) != usual
        },
        "system_instruction": results.get("system_instruction") or None,
        "gen_kwargs": public("gen_kwargs", config.get("gen_kwargs") or None),
        "batch_size": config.get("batch_size") or None,
        "limit": config.get("limit") or None,
    }
    return {name: value for name, value in given.items() if value not in (None, {})}
