"""lm-eval's output folder -> result records: one JSON file a system and task, all that a leaderboard needs.

A record keeps the counts of every sentence, so that intervals and paired tests need neither text nor model.
Nothing of lm-eval's results is trusted: documents, gold and prompts of the samples are compared with the
task, and scores are counted again from the answers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from bioner_bench import __version__, corpora
from bioner_bench.corpora.loading import load_training, seen_mentions
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.bootstrap import RESAMPLES, SEED
from bioner_bench.evaluation.judging import Answer, judge
from bioner_bench.evaluation.parsing import Level
from bioner_bench.evaluation.scoring import COLUMNS, TYPE_COLUMNS, Counts, Table, scores, tabulate, total
from bioner_bench.evaluation.summary import summarise
from bioner_bench.harness import systems
from bioner_bench.harness.cards import Card
from bioner_bench.harness.demonstrations import Chooser, chooser
from bioner_bench.harness.documents import Document, to_document, to_sentence
from bioner_bench.harness.masking import masked
from bioner_bench.schema import BenchmarkError, Sentence
from bioner_bench.writing import write_text

SCHEMA_VERSION = 1

NAMING = {"pretrained", "peft", "delta", "model", "train"}
"""Arguments of lm-eval's models that say which weights, or which dictionary, were run."""

Record = dict[str, Any]
"""A record as JSON, valid by `record.schema.json`."""


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
    chosen: dict[tuple[str, int, str, int], tuple[bool, str, Path, dict[str, Any]]] = {}
    results_files = sorted(folder.rglob("results_*.json"), key=lambda path: path.name)
    if not folder.is_dir():
        raise BenchmarkError(f"there is no folder {folder}; name what was given to lm_eval --output_path")
    if not results_files:
        raise BenchmarkError(
            f"{folder} holds no results_*.json; run lm_eval with --output_path and --log_samples"
        )
    for path in results_files:
        results = _read_json(path)
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
    models = {
        json.dumps([results["config"].get("model"), results["config"].get("model_args")], default=str): path
        for _, _, path, results in chosen.values()
    }
    if len(models) > 1:
        paths = " and ".join(str(path.parent) for path in list(models.values())[:2])
        raise BenchmarkError(f"{folder} holds runs of several models, in {paths}; name the folder of one")
    made = []
    for (task, *_), (_, _, path, results) in chosen.items():
        with _refusing(path):
            record = _make(path, results, task, card, rescore)
            _check_card(path, record, card)
            made.append(record)
    return made


def _check_card(path: Path, record: Record, card: Card) -> None:
    """Raise a `BenchmarkError` if a run is of another system than the card's."""
    source, arguments = record["model"]["source"], record["model"]["arguments"]
    pairs: list[tuple[str, Any, Any]] = []
    if source in systems.OWN_MODELS:
        pairs += [("kind", systems.OWN_MODELS[source], card.kind)]
    if card.run and card.kind != "llm":  # the same weights may run in `hf`, `vllm` or on a server
        pairs += [("model", source, card.run["model"])]
    for name in NAMING & arguments.keys() & card.run.get("model_args", {}).keys():
        pairs += [(name, *(Path(str(of[name])).name for of in (arguments, card.run["model_args"])))]
    if record["training"]:
        recipe = record["training"]["recipe"]
        pairs += [("trained_on", recipe["train"], list(card.trained_on))]
        if chosen := recipe.get("select"):
            pairs += [("train_strategy", chosen["strategy"], card.train_strategy)]
            pairs += [("train_ratio", chosen["ratio"], card.train_ratio)]
    for name, ran, described in pairs:
        if described not in (None, []) and ran != described:  # what a card leaves open is not wrong
            raise BenchmarkError(
                f"{path}: the run is not of {card.system}: its {name} is {ran}, the card's is {described}; "
                "name the card of what was run, or write one"
            )


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Say which file is damaged, whatever lm-eval's results lack."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise BenchmarkError(f"{path}: not results of lm-eval as they were written ({reason})") from error


def read(path: Path) -> Record:
    """Read a record and check it: its form, and its scores against its own counts.

    Raises:
        BenchmarkError: the file is not a whole and consistent record.
    """
    record = _read_json(path)
    error = next(iter(_validator().iter_errors(record)), None)
    if error is not None:
        raise BenchmarkError(f"{path}: {error.json_path}: {error.message[:200]}; make the record again")
    table = counts_of(record)
    if len(record["sentence_hashes"]) != record["sentences"]:
        raise BenchmarkError(
            f"{path}: {len(record['sentence_hashes'])} hashes of {record['sentences']} sentences"
        )
    if record["partial"] != (record["sentences"] < record["corpus_sentences"]):
        raise BenchmarkError(
            f"{path}: partial is {record['partial']}, but the sizes say otherwise; make it again"
        )
    if record["documents"] is not None and len(record["documents"]) != record["sentences"]:
        raise BenchmarkError(
            f"{path}: {len(record['documents'])} documents of {record['sentences']} sentences"
        )
    sums = total(table)
    named = scores(record["types"])
    if unknown := record["scores"].keys() - named.keys():
        raise BenchmarkError(f"{path}: unknown scores {', '.join(sorted(unknown))}; make the record again")
    for name, score in named.items():
        found = record["scores"].get(name, {})
        value = found.get("value")
        counted = float(score.of(sums)) if any(sums[column] for column in score.needs) else None
        if (value is None) != (counted is None) or (
            value is not None and counted is not None and not abs(value - counted) <= 1e-9
        ):
            raise BenchmarkError(
                f"{path}: {name} is {value}, but its counts give {counted}; make the record again"
            )
        if value is not None and not found["low"] - 1e-9 <= value <= found["high"] + 1e-9:
            raise BenchmarkError(
                f"{path}: {name} is {value}, which is not in its interval [{found['low']}, {found['high']}]; "
                "make the record again"
            )
    return record


def write(record: Record, folder: Path) -> Path:
    """Write a record to its place below `folder` and return the path."""
    path = folder / place(record)
    head = {key: value for key, value in record.items() if key not in ("sentence_hashes", "counts")}
    rows = ",\n".join(
        f"    {json.dumps(column)}: {json.dumps(values)}" for column, values in record["counts"].items()
    )
    text = (
        f"{json.dumps(head, ensure_ascii=False, indent=2)[:-2]},\n"
        f'  "sentence_hashes": {json.dumps(record["sentence_hashes"])},\n'
        f'  "counts": {{\n{rows}\n  }}\n}}\n'
    )
    write_text(path, text)
    return path


def identity(record: Record) -> list[Any]:
    """What two runs that a system's record may stand for must have in common: model, recipe and setup."""
    model, recipe = record["model"], record["training"] and record["training"]["recipe"]
    weights = [Path(str(model["arguments"].get(name, ""))).name for name in sorted(NAMING)]
    return [model["source"], weights, model["sha"], recipe, record["setup"]]


def place(record: Record) -> Path:
    """Where a record lies: system, task, and what else tells two runs of a system apart."""
    return Path(record["system"]["name"]) / f"{record['task']}-{variant(record)}.json"


def variant(record: Record) -> str:
    """What tells two runs of a system on a task apart: shots, how they were chosen, and seeds."""
    setup = record["setup"]
    name = f"{setup['shots']}-shot"
    if setup["shots"]:
        if setup["demonstrations"] != "random":
            name += f"-{setup['demonstrations']}"
        name += f"-seed-{setup['fewshot_seed']}"
    if record["training"]:
        name += f"-training-seed-{record['training']['recipe']['seed']}"
    return name


def counts_of(record: Record) -> Table:
    """The counts of every sentence, with all columns of `scoring`.

    Raises:
        BenchmarkError: a column is missing, or is not one whole number a sentence.
    """
    size = record["sentences"]
    where = f"{record['system']['name']}, {record['task']}"
    packed = {}
    for column in _packed_columns(record["types"]):
        values = record["counts"].get(column)
        if values is None:
            raise BenchmarkError(f"{where}: there are no counts of {column}; make the record again")
        if not isinstance(values, list):
            values = [values] * size
        if len(values) != size or set(map(type, values)) != {int}:
            raise BenchmarkError(f"{where}: {column} is not {size} whole numbers; make the record again")
        packed[column] = np.array(values, dtype=np.int64)
    table: Table = {
        column: sum(
            (packed[f"{column}/{type_}"] for type_ in record["types"]), np.zeros(size, dtype=np.int64)
        )
        for column in TYPE_COLUMNS
    }
    table |= packed
    level = table.pop("level")
    for value in Level:
        table[value.name.lower()] = (level == value).astype(np.int64)
    table["sentences"] = np.ones(size, dtype=np.int64)
    table["negative"] = (table["gold"] == 0).astype(np.int64)
    table["negative_with_prediction"] = ((table["gold"] == 0) & (table["predicted"] > 0)).astype(np.int64)
    return table


def _packed_columns(types: Sequence[str]) -> list[str]:
    derived = {*TYPE_COLUMNS, "sentences", "negative", "negative_with_prediction"}
    derived |= {level.name.lower() for level in Level}
    by_type = [f"{column}/{type_}" for type_ in types for column in TYPE_COLUMNS]
    return [*by_type, *(column for column in COLUMNS if column not in derived), "level"]


def _pack(rows: Sequence[Counts], levels: Sequence[Level], types: Sequence[str]) -> dict[str, Any]:
    """What `counts_of` cannot derive; a column of equal numbers is one number."""
    columns = [column for column in _packed_columns(types) if column != "level"]
    packed: dict[str, list[int]] = {column: [row[column] for row in rows] for column in columns}
    packed["level"] = [int(level) for level in levels]
    return {column: values[0] if len(set(values)) == 1 else values for column, values in packed.items()}


@dataclass(frozen=True)
class _Task:
    """What the samples of a task must be: its documents, and sentences to draw demonstrations from."""

    corpus: corpora.Corpus
    documents: tuple[Document, ...]
    sentences: tuple[Sentence, ...]
    training: tuple[Sentence, ...]


@cache
def _task(name: str) -> _Task:
    corpus = corpora.get(name)
    training = load_training(corpus)
    seen = seen_mentions(training)
    sentences = corpora.load(name, "test").sentences
    documents = tuple(to_document(sentence, list(corpus.types), seen) for sentence in sentences)
    return _Task(corpus, documents, sentences, training)


def _make(path: Path, results: Mapping[str, Any], task: str, card: Card, rescore: bool) -> Record:
    config = results["configs"][task]
    metadata = config["metadata"]
    expected = _task(metadata.get("corpus", task))
    types = list(expected.corpus.types)
    version = str(results["versions"][task])
    current = task_version(task, metadata.get("config_source"))
    if version != current and not rescore:
        raise BenchmarkError(
            f"{path}: version {version} of {task}, but the task is at version {current}; run it again"
        )
    strategy = metadata.get("demonstrations", "random")
    now = prompt.prompt_hash(expected.corpus.types, strategy)
    if metadata["prompt_hash"] != now:
        raise BenchmarkError(
            f"{path}: {task} was run with the prompt {metadata['prompt_hash']}, which is now {now}"
        )

    shots = int(results["n-shot"][task] or 0)
    seed = results["config"].get("fewshot_seed")
    samples_path = path.with_name(f"samples_{task}_{path.stem.removeprefix('results_')}.jsonl")
    choose = chooser(expected.training, strategy, seed or 0)
    answers, generation, changed = _answers(samples_path, expected, shots, choose, rescore)
    order = sorted(answers)
    evaluated = int(results["n-samples"][task]["effective"])
    if len(order) != evaluated:
        raise BenchmarkError(
            f"{samples_path}: {len(order)} sentences, but the run evaluated {evaluated}: a cut file"
        )
    rows = [answers[doc_id].counts for doc_id in order]
    table = tabulate(rows)
    documents = [expected.sentences[doc_id].document for doc_id in order]
    summary = summarise(table, types, documents)
    named = scores(types)
    for name in named:
        recorded = results["results"][task].get(f"{name},none")
        if not rescore and (recorded is None or abs((summary[name] or 0.0) - recorded) > 1e-9):
            raise BenchmarkError(f"{path}: {name} is {recorded}, but the samples give {summary[name]}")
    hashes = [_sentence_hash(expected.sentences[doc_id]) for doc_id in order]
    clustered = all(document is not None for document in documents)
    record = {
        "schema_version": SCHEMA_VERSION,
        "system": {
            "name": card.system,
            "title": card.title,
            "kind": card.kind,
            "base_model": card.base_model,
            "parameters": card.parameters,
            "train_strategy": card.train_strategy,
            "train_ratio": card.train_ratio,
            "trained_on": list(card.trained_on),
        },
        "task": task,
        "task_version": current,
        "rescored": changed or version != current,
        "prompt": metadata.get("prompt", prompt.VERSION),
        "prompt_hash": metadata["prompt_hash"],
        "split": "test",
        "types": types,
        "sentences": len(order),
        "corpus_sentences": len(expected.sentences),
        "partial": len(order) < len(expected.sentences),
        "gold_sha256": _sha256("".join(_sentence_digest(expected.sentences[doc_id]) for doc_id in order)),
        "setup": {
            "shots": shots,
            "fewshot_seed": seed,
            "demonstrations": strategy,
            "chat_template_sha256": results.get("chat_template_sha"),
            "fewshot_as_multiturn": results.get("fewshot_as_multiturn"),
            "system_instruction": results.get("system_instruction"),
            "generation": _public("gen_kwargs", generation),
        },
        "training": _training(results["config"].get("model_args") or {}, card),
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
        "counts": _pack(rows, [answers[doc_id].parsed.level for doc_id in order], types),
    }
    _validator().validate(record)
    return record


def _answers(
    path: Path, task: _Task, shots: int, choose: Chooser, rescore: bool
) -> tuple[dict[int, Answer], dict[str, Any], bool]:
    """Read the samples of a run, check each, and count its answer again.

    Returns:
        place of a sentence -> its answer; how the answers were generated; whether the run counted otherwise.
    """
    answers: dict[int, Answer] = {}
    types = list(task.corpus.types)
    generation: dict[str, Any] = {}
    around: list[str] | None = None
    changed = False
    for where, sample in _samples(path):
        doc_id, markup = _check_sample(where, sample, task, shots, choose)
        if markup != (around := around or markup):
            raise BenchmarkError(
                f"{where}: the prompt has other text around its turns than the samples before"
            )
        if doc_id in answers:
            raise BenchmarkError(f"{where}: sentence {doc_id} is there twice; give lm_eval no filter")
        document = task.documents[doc_id]
        seen = [entity["seen"] for entity in document["entities"]]
        answer = judge(task.sentences[doc_id], sample["filtered_resps"][0], types, seen)
        for name, score in scores(types).items():
            counted = [answer.counts[column] for column in score.columns]
            if sample.get(name) == counted:
                continue
            changed = True
            if not rescore:
                raise BenchmarkError(
                    f"{where}: the answer counts {counted} for {name}, but the run recorded "
                    f"{sample.get(name)}: the file was changed, or scored by another version (--rescore)"
                )
        generation = sample["arguments"]["gen_args_0"]["arg_1"]
        answers[doc_id] = answer
    return answers, generation, changed


def _check_sample(
    where: str, sample: Mapping[str, Any], task: _Task, shots: int, choose: Chooser
) -> tuple[int, list[str]]:
    """Compare document, target and prompt of a sample with the task.

    Returns:
        the sentence's place, and the text around the turns of the prompt: a system instruction and the
        markup of a template, the same for all sentences.
    """
    try:
        doc_id = sample["doc_id"]
        if type(doc_id) is not int or doc_id < 0:  # Python would count from the end
            raise TypeError(f"doc_id {doc_id!r} is no place in the corpus")
        document = task.documents[doc_id]
        asked = _asked(sample["arguments"]["gen_args_0"]["arg_0"])
        given, target = sample["doc"], sample["target"]
        if not isinstance(sample["filtered_resps"][0], str):
            raise TypeError("the response is not a string")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BenchmarkError(f"{where}: not a sample of lm-eval ({type(error).__name__}: {error})") from error
    if given != document:
        raise BenchmarkError(
            f"{where}: the document is not sentence {doc_id} of the corpus: other text or gold"
        )
    if target != prompt.target(document["text"], to_sentence(document).entities, document["types"]):
        raise BenchmarkError(f"{where}: the target is not that of sentence {doc_id}")
    sentence = task.sentences[doc_id]
    shown = choose(sentence, shots) if shots else []
    around = []
    rest = asked
    for turn in prompt.messages(sentence.text, task.corpus.types, shown):
        before, found, rest = rest.partition(turn["content"])
        if not found:
            raise BenchmarkError(
                f"{where}: the prompt is not that of {task.corpus.task} with {shots} demonstrations"
            )
        around.append(before)
    return doc_id, [*around, rest]


def _asked(prompt_text: Any) -> str:
    """The text of a prompt; chat APIs are sent a list of messages, which lm-eval writes as JSON in a list."""
    if isinstance(prompt_text, str):
        return prompt_text
    (turns,) = prompt_text
    return "\n".join(turn["content"] for turn in json.loads(turns))


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


def _model(results: Mapping[str, Any]) -> dict[str, Any]:
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


def _training(arguments: Mapping[str, Any], card: Card) -> dict[str, Any] | None:
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
    summary = _read_json(path)
    facts = {name: summary[name] for name in ("recipe", "data", "steps", "seconds", "hardware", "precision")}
    return {name: _public(name, value) for name, value in facts.items()}


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


def _run(results: Mapping[str, Any], task: str) -> dict[str, Any]:
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


def _samples(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                where = f"{path}:{number}"
                try:
                    yield where, json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise BenchmarkError(f"{where}: not JSON, a cut or changed file: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(
            f"cannot read the samples {path}: {error}; run lm_eval with --log_samples"
        ) from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"cannot read {path}: {error}; it is cut, or no JSON") from error
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path}: not a JSON object")
    return value


@cache
def _validator() -> Any:
    import jsonschema

    schema = json.loads(
        resources.files("bioner_bench.leaderboard").joinpath("record.schema.json").read_text("utf-8")
    )
    return jsonschema.Draft202012Validator(schema)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sentence_digest(sentence: Sentence) -> str:
    gold = [[entity.start, entity.end, entity.type] for entity in sentence.entities]
    return _sha256(json.dumps([sentence.id, sentence.text, gold], ensure_ascii=False))


def _sentence_hash(sentence: Sentence) -> str:
    """Twelve digits that tell whether two records hold the same sentence with the same gold."""
    return _sentence_digest(sentence)[:12]
