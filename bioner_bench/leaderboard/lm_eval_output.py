"""lm-eval's output folder -> result records.

Nothing of lm-eval's results is trusted: documents, gold and prompts of the samples are compared with the
task, and scores are counted again from the answers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from bioner_bench import __version__
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.bootstrap import RESAMPLES, SEED
from bioner_bench.evaluation.scoring import scores, tabulate
from bioner_bench.evaluation.summary import summarise
from bioner_bench.harness import systems
from bioner_bench.harness.cards import Card
from bioner_bench.harness.demonstrations import chooser
from bioner_bench.harness.masking import masked
from bioner_bench.leaderboard.card_check import check_card
from bioner_bench.leaderboard.lm_eval_samples import expected, read_answers
from bioner_bench.leaderboard.records import (
    SCHEMA_VERSION,
    Json,
    Model,
    Record,
    Run,
    Training,
    pack,
    read_json,
    validator,
)
from bioner_bench.schema import BenchmarkError, Sentence


def from_lm_eval(folder: Path, card: Card, rescore: bool = False) -> list[Record]:
    """Make a record of each of this project's tasks that an lm-eval run evaluated.

    Args:
        folder: what was given to `lm_eval --output_path`; of several runs of a task the newest counts.
        card: the system that was run.
        rescore: count the answers anew although the run was scored by another version of the task or of
            this package; the record says so.

    Raises:
        BenchmarkError: there is no result, samples are missing, or they do not fit the task.
    """
    chosen: dict[tuple[str, int, str, int], tuple[bool, str, Path, Json]] = {}
    results_files = sorted(folder.rglob("results_*.json"), key=lambda path: path.name)
    if not folder.is_dir():
        raise BenchmarkError(f"there is no folder {folder}; name what was given to lm_eval --output_path")
    if not results_files:
        raise BenchmarkError(
            f"{folder} holds no results_*.json; run lm_eval with --output_path and --log_samples"
        )
    for path in results_files:
        results = read_json(path)
        with _refusing(path):
            for task, config in results["configs"].items():
                if "prompt_hash" not in (config.get("metadata") or {}):
                    continue
                shots = int(results["n-shot"][task] or 0)
                size = results["n-samples"][task]
                whole = size["effective"] == size["original"]
                strategy = str(config["metadata"].get("demonstrations", "random"))
                key = (task, shots, strategy, results["config"].get("fewshot_seed") or 0 if shots else 0)
                # A whole run before a limited one, then the newest.
                if key not in chosen or (whole, path.name) >= chosen[key][:2]:
                    chosen[key] = (whole, path.name, path, results)
    if not chosen:
        raise BenchmarkError(f"{folder} holds no result of a task of this project")
    # A family has a model for each corpus that is trained on.
    of_family = card.checkpoints or (card.recipe and not card.trained_on)
    models = {
        json.dumps([results["config"].get("model"), results["config"].get("model_args")], default=str): path
        for _, _, path, results in ([] if of_family else chosen.values())
    }
    if len(models) > 1:
        paths = " and ".join(str(path.parent) for path in list(models.values())[:2])
        raise BenchmarkError(f"{folder} holds runs of several models, in {paths}; name the folder of one")
    made = []
    for (task, *_), (_, _, path, results) in chosen.items():
        with _refusing(path):
            record = _make(path, results, task, card, rescore)
            check_card(path, record, card)
            made.append(record)
    return made


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Say which file is damaged, whatever lm-eval's results lack."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise BenchmarkError(f"{path}: not results of lm-eval as they were written ({reason})") from error


def _make(path: Path, results: Mapping[str, Any], task: str, card: Card, rescore: bool) -> Record:
    config = results["configs"][task]
    metadata = config["metadata"]
    wanted = expected(metadata.get("corpus", task))
    types = list(wanted.corpus.types)
    version = str(results["versions"][task])
    current = task_version(task, metadata.get("config_source"))
    if version != current and not rescore:
        raise BenchmarkError(
            f"{path}: version {version} of {task}, but the task is at version {current}; run it again"
        )
    strategy = metadata.get("demonstrations", "random")
    now = prompt.prompt_hash(wanted.corpus.types, strategy)
    if metadata["prompt_hash"] != now:
        raise BenchmarkError(
            f"{path}: {task} was run with the prompt {metadata['prompt_hash']}, which is now {now}"
        )

    shots = int(results["n-shot"][task] or 0)
    seed = results["config"].get("fewshot_seed")
    samples_path = path.with_name(f"samples_{task}_{path.stem.removeprefix('results_')}.jsonl")
    choose = chooser(wanted.training, strategy, seed or 0)
    answers, generation, changed = read_answers(samples_path, wanted, shots, choose, rescore)
    order = sorted(answers)
    evaluated = int(results["n-samples"][task]["effective"])
    if len(order) != evaluated:
        raise BenchmarkError(
            f"{samples_path}: {len(order)} sentences, but the run evaluated {evaluated}: a cut file"
        )
    rows = [answers[doc_id].counts for doc_id in order]
    table = tabulate(rows)
    documents = [wanted.sentences[doc_id].document for doc_id in order]
    summary = summarise(table, types, documents)
    named = scores(types)
    for name in named:
        recorded = results["results"][task].get(f"{name},none")
        if not rescore and (recorded is None or abs((summary[name] or 0.0) - recorded) > 1e-9):
            raise BenchmarkError(f"{path}: {name} is {recorded}, but the samples give {summary[name]}")
    hashes = [_sentence_hash(wanted.sentences[doc_id]) for doc_id in order]
    clustered = all(document is not None for document in documents)
    training = _training(results["config"].get("model_args") or {}, card)
    record: Record = {
        "schema_version": SCHEMA_VERSION,
        "system": {
            "name": card.system,
            "title": card.title,
            "kind": card.kind,
            "base_model": card.base_model,
            "parameters": card.parameters,
            "train_strategy": card.train_strategy,
            "train_ratio": card.train_ratio,
            "trained_on": list(training["recipe"]["train"] if training else card.trained_on),
        },
        "task": task,
        "task_version": current,
        "rescored": changed or version != current,
        "prompt": metadata.get("prompt", prompt.VERSION),
        "prompt_hash": metadata["prompt_hash"],
        "split": "test",
        "types": types,
        "sentences": len(order),
        "corpus_sentences": len(wanted.sentences),
        "partial": len(order) < len(wanted.sentences),
        "gold_sha256": _sha256("".join(_sentence_digest(wanted.sentences[doc_id]) for doc_id in order)),
        "setup": {
            "shots": shots,
            "fewshot_seed": seed,
            "demonstrations": strategy,
            "chat_template_sha256": results.get("chat_template_sha"),
            "fewshot_as_multiturn": results.get("fewshot_as_multiturn"),
            "system_instruction": results.get("system_instruction"),
            "generation": _public("gen_kwargs", generation),
        },
        "training": training,
        "model": _model(results),
        "run": _run(results, task),
        "samples_sha256": hashlib.sha256(samples_path.read_bytes()).hexdigest(),
        "bootstrap": {
            "resamples": RESAMPLES,
            "seed": SEED,
            "unit": "document" if clustered else "sentence",
        },
        "scores": {
            name: {"value": summary[name], "low": summary[f"{name}_low"], "high": summary[f"{name}_high"]}
            for name in named
        },
        "documents": documents if clustered else None,
        "sentence_hashes": hashes,
        "counts": pack(rows, [answers[doc_id].parsed.level for doc_id in order], types),
    }
    validator().validate(record)
    return record


def task_version(task: str, config_source: str | None = None) -> str:
    """The version of a task in its YAML, as lm-eval has it installed or where it was run from.

    Raises:
        BenchmarkError: there is no such YAML.
    """
    spec = importlib.util.find_spec("lm_eval")
    installed = Path(spec.origin).parent / "tasks" / "bioner" if spec and spec.origin else Path()
    paths = [*installed.glob(f"*/{task}.yaml"), *([Path(config_source)] if config_source else [])]
    for path in paths:
        if path.is_file():
            found = re.search(r"^  version: *[\"']?([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
            if found:
                return found[1]
    raise BenchmarkError(
        f"no YAML of the task {task} with a version is installed; install this package again"
    )


def _model(results: Mapping[str, Any]) -> Model:
    config = results["config"]
    arguments = config.get("model_args") or {}
    return {
        "source": config.get("model"),
        "arguments": {key: _public(key, value) for key, value in arguments.items()},
        "parameters": config.get("model_num_parameters"),
        "dtype": str(config.get("model_dtype") or "") or None,
        "revision": config.get("model_revision"),
        "sha": config.get("model_sha") or None,
    }


def _training(arguments: Mapping[str, Any], card: Card) -> Training | None:
    """How the checkpoint was trained, if the run was of one that `bioner-bench train` wrote.

    Raises:
        BenchmarkError: the card has a recipe, but the checkpoint is not where the run had it. Without its
            seed, records of several seeds would take each other's place.
    """
    path = Path(str(arguments.get("peft") or arguments.get("pretrained") or "")) / "training.json"
    if not path.is_file():
        if card.recipe:
            raise BenchmarkError(
                f"{path} is missing, so it is not known how {card.system} was trained; run this in the "
                "folder that the run was started in, or bring the checkpoint there"
            )
        return None
    summary = read_json(path)
    facts = {name: summary[name] for name in ("recipe", "data", "steps", "seconds", "hardware", "precision")}
    return cast(Training, {name: _public(name, value) for name, value in facts.items()})


def _public(key: str, value: Any) -> Any:
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


def _run(results: Mapping[str, Any], task: str) -> Run:
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
        "command": systems.command(_options(results, task)),
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


def _options(results: Mapping[str, Any], task: str) -> systems.Options:
    """The options of `lm_eval run` that a run was made with, without secrets and folders."""
    config = results["config"]
    shots = results["n-shot"][task] or 0
    strategy = results["configs"][task]["metadata"].get("demonstrations", "random")
    seeds = [config.get(name) for name in ("random_seed", "numpy_seed", "torch_seed", "fewshot_seed")]
    # lm-eval knows no template of a chat API, but cannot do without the option there.
    chat = results.get("chat_template_sha") or str(config.get("model")).endswith("chat-completions")
    given = {
        "model": str(config.get("model")),
        "model_args": _model(results)["arguments"],
        "tasks": [task],
        "num_fewshot": int(shots),
        "seed": seeds if shots and seeds[-1] is not None else None,
        "apply_chat_template": True if chat else None,
        "fewshot_as_multiturn": False if results.get("fewshot_as_multiturn") is False else None,
        "metadata": {"demonstrations": strategy} if strategy != "random" else None,
        "system_instruction": results.get("system_instruction") or None,
        "gen_kwargs": _public("gen_kwargs", config.get("gen_kwargs") or None),
        "batch_size": config.get("batch_size") or None,
        "limit": config.get("limit") or None,
    }
    return {name: value for name, value in given.items() if value not in (None, {})}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sentence_digest(sentence: Sentence) -> str:
    gold = [[entity.start, entity.end, entity.type] for entity in sentence.entities]
    return _sha256(json.dumps([sentence.id, sentence.text, gold], ensure_ascii=False))


def _sentence_hash(sentence: Sentence) -> str:
    """Twelve digits that tell whether two records hold the same sentence with the same gold."""
    return _sentence_digest(sentence)[:12]
