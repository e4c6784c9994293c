"""lm-eval's output folder -> result records.

Nothing of lm-eval's results is trusted: documents, gold and prompts of the samples are compared with the
task, and scores are counted again from the answers.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bioner_bench import corpora
from bioner_bench.corpora.download import sha256
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.confidence import as_json
from bioner_bench.evaluation.judging import READERS
from bioner_bench.evaluation.predictions import Judged
from bioner_bench.evaluation.summary import sureness
from bioner_bench.harness import systems
from bioner_bench.harness.cards import Card
from bioner_bench.harness.demonstrations import as_recorded, chooser
from bioner_bench.harness.masking import masked, secrets_of_environment
from bioner_bench.harness.task_folders import task_folders
from bioner_bench.leaderboard import kept_answers, records
from bioner_bench.leaderboard.card_check import check_card
from bioner_bench.leaderboard.lm_eval_samples import Answers, read_answers
from bioner_bench.leaderboard.prompt_markup import Declared, fingerprint
from bioner_bench.leaderboard.record_scores import Expected, expected, scored
from bioner_bench.leaderboard.records import (
    SCHEMA_VERSION,
    Json,
    Record,
    System,
    Training,
    read_json,
    validator,
)
from bioner_bench.leaderboard.run_facts import arguments_of, model_of, public, run_of
from bioner_bench.schema import BenchmarkError

_TIME = re.compile(r"_\d{4}-\d\d-\d\dT[\d.-]+$")
"""How lm-eval ends the names of its files."""


@dataclass(frozen=True)
class Evaluated:
    """A record, and the answers that it was made of: hash of a sentence -> what the system wrote."""

    record: Record
    outputs: dict[str, str]


def evaluated(given: Path, card: Card, rescore: bool = False) -> list[Evaluated]:
    """Make a record of each of this project's tasks that an lm-eval run evaluated.

    Args:
        given: what was given to `lm_eval --output_path`; of several runs of a task the newest counts.
        card: the system that was run.
        rescore: count the answers anew although the run was scored by another version of the task or of
            this package; the record says so.

    Raises:
        BenchmarkError: there is no result, samples are missing, they do not fit the task, or the run is of
            another system than the card's.
    """
    chosen = _chosen(given)
    models: dict[str, dict[str, Path]] = {}  # a family has one for each corpus that is trained on
    for task, path, results in chosen:
        with _refusing(path):
            model = json.dumps([results["config"].get("model"), arguments_of(results)], default=str)
        models.setdefault(repr(systems.member(card, task)), {})[model] = path
    for paths in models.values():
        if len(paths) > 1:
            both = " and ".join(str(path.parent) for path in list(paths.values())[:2])
            raise BenchmarkError(f"{given} holds runs of several models, in {both}; name the folder of one")
    made: dict[Path, tuple[Path, Evaluated]] = {}
    for task, path, results in chosen:
        with _refusing(path):
            run = _make(path, results, task, systems.member(card, task), rescore)
        place = records.place(run.record)
        if place in made:
            raise BenchmarkError(
                f"{made[place][0]} and {path} are two runs of {task} whose records would both be {place}; "
                "give each a folder of its own, and add the one that shall stay"
            )
        made[place] = path, run
    return [run for _, run in made.values()]


def keep(run: Evaluated, folder: Path) -> Path:
    """Write a record and its answers below a leaderboard's folder; return the record's path.

    Raises:
        BenchmarkError: it holds the value of a secret variable of the environment, as a server can echo it.
    """
    for name, value in secrets_of_environment().items():
        if value.strip() in json.dumps([run.record, run.outputs], ensure_ascii=False):
            raise BenchmarkError(
                f"the run of {run.record['task']} holds the value of {name}, perhaps a server's echo in an "
                "answer; nothing is published: change the key, and run it again"
            )
    kept_answers.write(run.outputs, folder / "answers" / kept_answers.place(run.record))
    return records.write(run.record, folder / "records")


def _chosen(given: Path) -> list[tuple[str, Path, Json]]:
    """Of each task and setup the newest whole run: its task, and the results with their path."""
    chosen: dict[tuple[str, int, str, str, int, int, bool], tuple[bool, str, str, Path, Json]] = {}
    for path in _results_files(given):
        results = read_json(path)
        with _refusing(path):
            for task, config in results["configs"].items():
                if "prompt_hash" not in (config.get("metadata") or {}):
                    continue
                shots = int(results["n-shot"][task] or 0)
                size = results["n-samples"][task]
                whole = size["effective"] == size["original"]
                strategy = _strategy(config["metadata"], shots)
                form = str(config["metadata"].get("format", prompt.JSON))
                key = (
                    task,
                    shots,
                    strategy,
                    form,
                    results["config"].get("fewshot_seed") or 0 if shots else 0,
                    int(config["metadata"].get("context") or 0),
                    bool(config["metadata"].get("constrained")),
                )
                # A whole run before a limited one, then the newest.
                if key not in chosen or (whole, _time(path)) >= chosen[key][:2]:
                    chosen[key] = (whole, _time(path), task, path, results)
    if not chosen:
        raise BenchmarkError(f"{given} holds no result of a task of this project")
    return [run[2:] for run in chosen.values()]


def _strategy(metadata: Mapping[str, Any], shots: int) -> str:
    """How demonstrations were chosen; where none is shown it says nothing, and is the usual one."""
    return str(metadata.get("demonstrations", "random")) if shots else "random"


def _results_files(given: Path) -> list[Path]:
    """lm-eval's files of results, oldest first.

    Given `--output_path out`, it writes `out/MODEL/results_TIME.json`; given `out/a.json`, `out/a_TIME.json`.
    """
    if given.is_dir():
        found = [path for path in given.rglob("*.json") if _TIME.search(path.stem)]
        asked = "no results_*.json"
    elif given.suffix == ".json":
        pattern = f"{given.stem}_*.json"
        found = [given] if given.is_file() else []
        found = found or [path for path in given.parent.glob(pattern) if _TIME.search(path.stem)]
        asked = f"no {pattern} beside it"
    else:
        raise BenchmarkError(f"there is no folder {given}; name what was given to lm_eval --output_path")
    if not found:
        raise BenchmarkError(f"{given} holds {asked}; run lm_eval with --output_path and --log_samples")
    return sorted(found, key=lambda path: (_time(path), path))


def _time(path: Path) -> str:
    return path.stem.rpartition("_")[2]


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Say which file is damaged, whatever lm-eval's results lack."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise BenchmarkError(f"{path}: not results of lm-eval as they were written ({reason})") from error


def _make(path: Path, results: Mapping[str, Any], task: str, card: Card, rescore: bool) -> Evaluated:
    config = results["configs"][task]
    metadata = config["metadata"]
    corpus = metadata.get("corpus", task)
    if task in corpora.built_in() and corpus != task:
        raise BenchmarkError(f"{path}: {task} was run on the corpus of {corpus}; give a variant its own name")
    shots, seed = int(results["n-shot"][task] or 0), results["config"].get("fewshot_seed")
    context, told = int(metadata.get("context") or 0), metadata.get("demonstrations", "random")
    wanted = expected(corpus, context)
    version = str(results["versions"][task])
    current = task_version(task, metadata.get("config_source"))
    if version != current and not rescore:
        raise BenchmarkError(
            f"{path}: version {version} of {task}, but the task is at version {current}; run it again"
        )
    form = prompt.check_form(metadata.get("format", prompt.JSON))
    strategy = _strategy(metadata, shots)
    hashes = [
        prompt.prompt_hash(wanted.corpus.types, as_recorded(each), form, context) for each in (told, strategy)
    ]
    if metadata["prompt_hash"] != hashes[0]:
        raise BenchmarkError(
            f"{path}: {task} was run with the prompt {metadata['prompt_hash']}, which is now {hashes[0]}"
        )
    if config.get("repeats", 1) != 1:
        raise BenchmarkError(f"{path}: {config['repeats']} answers to a sentence; one is taken: no repeats")
    samples_path = path.with_name(f"samples_{task}_{_time(path)}.jsonl")
    choose, declared = chooser(wanted.training, strategy, seed or 0), Declared.of_results(results, task)
    answers = read_answers(samples_path, wanted, shots, choose, declared, form, rescore)
    source, arguments = str(results["config"].get("model")), arguments_of(results)
    training = _training(arguments, card)
    constrained = bool(metadata.get("constrained"))
    generation = dict(answers.generation)
    schema = prompt.response_format(list(wanted.corpus.types))
    if constrained and generation.pop("response_format", None) != masked("response_format", schema):
        raise BenchmarkError(f"{path}: the answers were held to another form than the task's; run it again")
    asked = {"constrained": constrained, "format": form, "context": context}
    check_card(path, card, source, arguments, generation, training, asked)
    size = int(results["n-samples"][task]["effective"])
    if len(answers.judged) != size:
        raise BenchmarkError(
            f"{samples_path}: {len(answers.judged)} sentences, but the run evaluated {size}: a cut file"
        )
    counted = scored(wanted, answers.judged, source in records.SPAN_MODELS)
    if not rescore:
        _check_scores(path, results["results"][task], counted, source)
    order = sorted(answers.outputs)
    tagged = form == prompt.TAGS  # such an answer is the corpus's text
    written = [
        kept_answers.of_parsed(answers.judged[place].parsed) if tagged else answers.outputs[place]
        for place in order
    ]
    outputs = dict(zip(counted["sentence_hashes"], written, strict=True))
    record: Record = {
        "schema_version": SCHEMA_VERSION,
        "system": system_of(card),
        "task": task,
        "task_version": current,
        "rescored": answers.changed or version != current,
        "parser": READERS[form],
        "prompt": prompt.VERSIONS[form],
        "prompt_hash": hashes[1],
        "split": "test",
        "types": list(wanted.corpus.types),
        "setup": {
            "shots": shots,
            "fewshot_seed": seed,
            "demonstrations": as_recorded(strategy),
            "chat_template_sha256": results.get("chat_template_sha"),
            "fewshot_as_multiturn": results.get("fewshot_as_multiturn"),
            "system_instruction": results.get("system_instruction"),
            "gen_prefix": declared.gen_prefix or None,
            "generation": public("gen_kwargs", answers.generation),
        },
        "markup": {
            "around": answers.around,
            "dates": sorted(answers.dates),
            "sha256": fingerprint(answers.around),
        },
        "training": public("training", training),
        "model": model_of(results),
        "run": run_of(results, task),
        "samples_sha256": sha256(samples_path),
        "answers_sha256": kept_answers.digest(outputs),
        **counted,
    }
    if corpus != task:
        record["corpus"] = corpus
    if context:
        record["setup"]["context"] = context
    if sure := _sureness(wanted, answers, form):
        record["confidence"] = sure
    if error := next(iter(validator().iter_errors(record)), None):
        raise ValueError(f"{error.json_path}: {error.message}")
    return Evaluated(record, outputs)


def _check_scores(path: Path, recorded: Mapping[str, Any], counted: records.Scored, source: str) -> None:
    """Raise a `BenchmarkError` unless the run recorded the scores that its samples give."""
    for name, score in counted["scores"].items():
        if source in records.SPAN_MODELS and score["value"] is None:  # lm-eval has those of our own JSON
            continue
        said, value = recorded.get(f"{name},none"), score["value"] or 0.0
        if said is None or abs(value - said) > 1e-9:
            raise BenchmarkError(f"{path}: {name} is {said}, but the samples give {score['value']}")


def _sureness(task: Expected, answers: Answers, form: str) -> records.Confidence | None:
    """How sure the model was, of a run that kept the log-probabilities of its answers."""
    types = tuple(task.corpus.types)
    judged = [
        Judged(task.sentences[place], types, text, found.aligned, found.counts, form, answers.tokens[place])
        for place, text in answers.outputs.items()
        for found in (answers.judged[place],)
    ]
    sure = sureness(judged)
    return cast(records.Confidence, as_json(*sure)) if sure else None


def system_of(card: Card) -> System:
    """What a record says of a card's system."""
    return {
        "name": card.system,
        "title": card.title,
        "kind": card.kind,
        "base_model": card.base_model,
        "parameters": card.parameters,
        "train_strategy": card.train_strategy,
        "train_ratio": card.train_ratio,
        "trained_on": list(card.trained_on),
    }


def task_version(task: str, config_source: str | None = None) -> str:
    """The version of a task in its YAML: in a checkout, installed in lm-eval, or where it was run from.

    Raises:
        BenchmarkError: there is no such YAML.
    """
    from lm_eval.tasks._yaml_loader import load_yaml
    from yaml import YAMLError

    spec = importlib.util.find_spec("lm_eval")
    installed = Path(spec.origin).parent / "tasks" / "bioner" if spec and spec.origin else Path()
    folders = [*reversed(task_folders()), installed]
    paths = [path for folder in folders for path in folder.glob(f"*/{task}.yaml")]
    paths += [Path(config_source)] if config_source else []
    for path in filter(Path.is_file, paths):
        try:
            metadata = load_yaml(path, resolve_func=False).get("metadata") or {}
        except (OSError, ValueError, KeyError, AttributeError, YAMLError) as error:
            raise BenchmarkError(
                f"cannot read {path}: {type(error).__name__}; mend the task's YAML"
            ) from error
        if (version := metadata.get("version")) is not None:
            return str(version)
    raise BenchmarkError(
        f"no YAML of the task {task} with a version is installed; install this package again"
    )


def _training(arguments: Mapping[str, Any], card: Card) -> Training | None:
    """How the checkpoint was trained, if the run was of one that `bioner-bench train` wrote.

    Raises:
        BenchmarkError: the card has a recipe, but the checkpoint is not where the run had it. Without its
            seed, records of several seeds would take each other's place.
    """
    named = (arguments.get(name) for name in ("peft", "lora_local_path", "pretrained"))
    path = Path(next((str(name) for name in named if name), "")) / "training.json"
    if not path.is_file():
        if card.recipe:
            raise BenchmarkError(
                f"{path} is missing, so it is not known how {card.system} was trained; run this in the "
                "folder that the run was started in, or bring the checkpoint there"
            )
        return None
    summary = read_json(path)
    return cast(Training, {name: summary[name] for name in Training.__annotations__})
