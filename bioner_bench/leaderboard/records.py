"""A result record: one JSON file a system and task, all that a leaderboard needs; its form, read and written.

A record keeps the counts of every sentence, so that intervals and paired tests need neither text nor model.
Its form is `record.schema.json`; the types below are the same form for Python, and a test compares both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, TypedDict, cast

import numpy as np

from bioner_bench.evaluation.parsing import Level
from bioner_bench.evaluation.scoring import COLUMNS, TYPE_COLUMNS, Counts, Table, scores, total
from bioner_bench.harness.cards import Kind
from bioner_bench.schema import BenchmarkError
from bioner_bench.writing import write_text

SCHEMA_VERSION: Final = 1

NAMING = {"pretrained", "peft", "delta", "model", "train"}
"""Arguments of lm-eval's models that say which weights, or which dictionary, were run."""

Json = dict[str, Any]
"""A JSON object whose keys are not ours to fix: arguments of a model, options of a generation, a recipe."""


class System(TypedDict):
    """What was run, as its card says."""

    name: str
    title: str
    kind: Kind
    base_model: str | None
    parameters: str | None
    train_strategy: str | None
    train_ratio: float | None
    trained_on: list[str]


class Setup(TypedDict):
    """How it was asked."""

    shots: int
    fewshot_seed: int | None
    demonstrations: Literal["random", "retrieved"]
    chat_template_sha256: str | None
    fewshot_as_multiturn: bool | None
    system_instruction: str | None
    generation: Json


class Training(TypedDict):
    """How it was trained; of a recipe, at least `name` and `seed` are there."""

    recipe: Json
    data: Json
    steps: int
    seconds: float
    hardware: str
    precision: str


class Model(TypedDict):
    """What lm-eval loaded: `source` is its name of the backend."""

    source: str | None
    arguments: Json
    parameters: int | None
    dtype: str | None
    revision: str | None
    sha: str | None


class Hardware(TypedDict):
    """The machine of a run."""

    cpu: str | None
    gpu: str | None


class Run(TypedDict):
    """When, by which command, how fast and with which versions; `date` is UTC."""

    date: str
    command: str
    seconds: float
    sentences_per_second: float | None
    hardware: Hardware
    batch_size: str
    versions: dict[str, str | None]


class Bootstrap(TypedDict):
    """How the intervals were drawn."""

    resamples: int
    seed: int
    unit: Literal["sentence", "document"]


class ScoreInterval(TypedDict):
    """A score and its 95 % interval, in [0, 1]; None where nothing is known."""

    value: float | None
    low: float | None
    high: float | None


class Record(TypedDict):
    """One system on one task."""

    schema_version: Literal[1]
    system: System
    task: str
    task_version: str
    rescored: bool
    prompt: str
    prompt_hash: str
    split: str
    types: list[str]
    sentences: int
    corpus_sentences: int
    partial: bool
    gold_sha256: str
    setup: Setup
    training: Training | None
    model: Model
    run: Run
    samples_sha256: str
    bootstrap: Bootstrap
    scores: dict[str, ScoreInterval]
    documents: list[str | None] | None
    sentence_hashes: list[str]
    counts: dict[str, list[int] | int]


def read(path: Path) -> Record:
    """Read a record and check it: its form, and its scores against its own counts.

    Raises:
        BenchmarkError: the file is not a whole and consistent record.
    """
    given = read_json(path)
    error = next(iter(validator().iter_errors(given)), None)
    if error is not None:
        raise BenchmarkError(f"{path}: {error.json_path}: {error.message[:200]}; make the record again")
    record = cast(Record, given)
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
        found = record["scores"].get(name, ScoreInterval(value=None, low=None, high=None))
        value, low, high = found["value"], found["low"], found["high"]
        counted = float(score.of(sums)) if any(sums[column] for column in score.needs) else None
        if (value is None) != (counted is None) or (
            value is not None and counted is not None and not abs(value - counted) <= 1e-9
        ):
            raise BenchmarkError(
                f"{path}: {name} is {value}, but its counts give {counted}; make the record again"
            )
        if value is not None and not (low or 0.0) - 1e-9 <= value <= (high or 0.0) + 1e-9:
            raise BenchmarkError(
                f"{path}: {name} is {value}, which is not in its interval [{low}, {high}]; "
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


def pack(rows: Sequence[Counts], levels: Sequence[Level], types: Sequence[str]) -> dict[str, list[int] | int]:
    """What `counts_of` cannot derive; a column of equal numbers is one number."""
    columns = [column for column in _packed_columns(types) if column != "level"]
    packed: dict[str, list[int]] = {column: [row[column] for row in rows] for column in columns}
    packed["level"] = [int(level) for level in levels]
    return {column: values[0] if len(set(values)) == 1 else values for column, values in packed.items()}


def read_json(path: Path) -> Json:
    """Read a file that holds a JSON object.

    Raises:
        BenchmarkError: it cannot be read, or is none.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"cannot read {path}: {error}; it is cut, or no JSON") from error
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path}: not a JSON object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


@cache
def validator() -> Any:
    """The JSON Schema of a record, ready to validate."""
    import jsonschema

    schema = json.loads(
        resources.files("bioner_bench.leaderboard").joinpath("record.schema.json").read_text("utf-8")
    )
    return jsonschema.Draft202012Validator(schema)
