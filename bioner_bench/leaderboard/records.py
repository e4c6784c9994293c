"""A result record: one JSON file a system and task, all that a leaderboard needs; its form, read and written.

A record keeps the counts of every sentence, so that intervals and paired tests need neither text nor model.
Its form is `record.schema.json`; the types below are the same form for Python, and a test compares both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from math import isclose, isfinite
from pathlib import Path
from typing import Any, Final, Literal, TypedDict, cast

import numpy as np

from bioner_bench.bounded_files import read_bounded
from bioner_bench.control_characters import control_character
from bioner_bench.evaluation.parsing import Level
from bioner_bench.evaluation.scoring import COLUMNS, TYPE_COLUMNS, Counts, Table, scores, share, total
from bioner_bench.harness.cards import Kind
from bioner_bench.harness.demonstrations import in_a_file_name
from bioner_bench.leaderboard.record_checks import MAX_COUNT, gold_hashes, impossible
from bioner_bench.schema import BenchmarkError
from bioner_bench.writing import write_text

SCHEMA_VERSION: Final = 1

MAX_BYTES: Final = 64 * 2**20
"""Of a record or of lm-eval's results; 20,000 sentences with six types take some 5 MB."""

NAMING = {"pretrained", "peft", "delta", "model", "train"}
"""Arguments of lm-eval's models that say which weights, or which dictionary, were run."""

LATER = {"ambiguous"}
"""Columns of counts that a record may lack, if an earlier reader read its answers."""

READING = ("level", "cut", "ambiguous")
"""Columns of counts that say how an answer could be read; of spans none is known, and `level` is absent."""

PREDICTIONS = "predictions"
"""The name of the backend of what came as a file."""

SPAN_MODELS = {"dictionary", "encoder"}
"""Backends that predict spans. The line of JSON in which lm-eval gets them is ours, and valid always."""

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


class _Setup(TypedDict):
    shots: int
    fewshot_seed: int | None
    demonstrations: str
    chat_template_sha256: str | None
    fewshot_as_multiturn: bool | None
    system_instruction: str | None
    gen_prefix: str | None
    generation: Json


class Setup(_Setup, total=False):
    """How it was asked; `context`, the sentences shown on each side, is absent where there were none."""

    context: int


class Training(TypedDict):
    """How it was trained; of a recipe, `name`, `seed`, `model` and `epochs` are there at least."""

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
    seconds: float | None
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


class Markup(TypedDict):
    """The text around the turns of the prompts: a template's markup and a system instruction.

    `around` has it in order, a date as `{date}`; `dates` are those that stood there.
    """

    around: list[str]
    dates: list[str]
    sha256: str


class Share(TypedDict):
    """What the most confident mentions score alone: as `evaluation.confidence.Covered`."""

    share: float
    mentions: int
    least: float | None
    precision: float
    recall: float
    f1: float


class Confidence(TypedDict):
    """How sure the model was of its mentions; the first share is all of them."""

    calibration_error: float | None
    coverage: list[Share]


class _Optional(TypedDict, total=False):
    corpus: str
    confidence: Confidence


class Intervals(_Optional):
    """Scores, and how their intervals were drawn; `confidence` is there if the run kept it."""

    bootstrap: Bootstrap
    scores: dict[str, ScoreInterval]
    documents: list[str | None] | None


class Scored(Intervals):
    """What the answers to a task's sentences count."""

    sentences: int
    corpus_sentences: int
    partial: bool
    gold_sha256: str
    sentence_hashes: list[str]
    counts: dict[str, list[int] | int]


class Record(Scored):
    """One system on one task; `corpus` is that of a variant of a task, absent where the task has its name.

    `parser` is the version of what read the answers; `answers_sha256` is of the answers that are kept beside
    the record, `markup` of a run that was made before either was kept is None. A file of predictions has
    no prompt either; its model's source is `predictions`.
    """

    schema_version: Literal[1]
    system: System
    task: str
    task_version: str
    rescored: bool
    parser: str
    prompt: str | None
    prompt_hash: str | None
    split: str
    types: list[str]
    setup: Setup
    markup: Markup | None
    training: Training | None
    model: Model
    run: Run
    samples_sha256: str
    answers_sha256: str | None


def read(path: Path) -> Record:
    """Read a record and check it: its form, and its scores against its own counts.

    Raises:
        BenchmarkError: the file is not a whole and consistent record.
    """
    given = read_json(path)
    error = next(iter(validator().iter_errors(given)), None)
    if error is not None:
        raise BenchmarkError(f"{path}: {error.json_path}: {error.message[:200]}; make the record again")
    # The hashes are checked below; to go through the counts of every sentence would take long.
    texts = given | {"sentence_hashes": None, "counts": [*given["counts"]]}
    texts["documents"] = "".join(map(str, given["documents"] or ()))
    if control := control_character(texts):
        raise BenchmarkError(f"{path}: the control character {control} stands in a text; take it out")
    record = cast(Record, given)
    if len(record["sentence_hashes"]) != record["sentences"]:  # before a column of that length is made
        raise BenchmarkError(
            f"{path}: {len(record['sentence_hashes'])} hashes of {record['sentences']} sentences"
        )
    _check_sentences(path, record)
    table = counts_of(record)
    if reason := impossible(table, record["types"], "level" not in record["counts"]):
        raise BenchmarkError(f"{path}: {reason}, which cannot be; make the record again")
    missing = record["corpus_sentences"] - record["sentences"]
    if missing < 0 or record["partial"] != (missing > 0):
        raise BenchmarkError(
            f"{path}: partial is {record['partial']}, but the sizes say otherwise; make it again"
        )
    sums = total(table)
    named = scores(record["types"])
    not_counted = unknown_scores(record)
    if unknown := record["scores"].keys() - named.keys():
        raise BenchmarkError(f"{path}: unknown scores {', '.join(sorted(unknown))}; make the record again")
    for name, score in named.items():
        found = record["scores"].get(name, ScoreInterval(value=None, low=None, high=None))
        value, low, high = found["value"], found["low"], found["high"]
        counted = float(score.of(sums)) if any(sums[column] for column in score.needs) else None
        counted = None if name in not_counted else counted
        if (value is None) != (counted is None) or (
            value is not None and counted is not None and not abs(value - counted) <= 1e-9
        ):
            raise BenchmarkError(
                f"{path}: {name} is {value}, but its counts give {counted}; make the record again"
            )
        _check_interval(path, name, value, low, high)
    _check_confidence(path, record, sums)
    return record


def _check_sentences(path: Path, record: Record) -> None:
    """Hashes, documents and gold must be those of a corpus."""
    hashes, documents = record["sentence_hashes"], record["documents"]
    if set(map(type, hashes)) != {str} or not all(map(re.compile("[0-9a-f]{12}").fullmatch, hashes)):
        raise BenchmarkError(f"{path}: the hash of a sentence is twelve hexadecimal digits; make it again")
    if len(set(hashes)) != len(hashes):
        raise BenchmarkError(f"{path}: a sentence is there twice; make the record again")
    if documents is not None and len(documents) != record["sentences"]:
        raise BenchmarkError(f"{path}: {len(documents)} documents of {record['sentences']} sentences")
    if documents is not None and not all(isinstance(each, str) for each in documents):
        raise BenchmarkError(f"{path}: a document without a name; make the record again")
    if (documents is None) != (record["bootstrap"]["unit"] == "sentence"):
        unit = record["bootstrap"]["unit"]
        raise BenchmarkError(f"{path}: intervals by {unit}, but documents say otherwise")
    corpus = corpus_of(record)
    if corpus != record["task"] and record["task"] in gold_hashes():
        raise BenchmarkError(f"{path}: {record['task']} is not of the corpus {corpus}; make the record again")
    pinned = gold_hashes().get(corpus)
    if pinned and not record["partial"] and record["gold_sha256"] != pinned:
        raise BenchmarkError(
            f"{path}: the gold {record['gold_sha256'][:12]} is not that of {corpus}, {pinned[:12]}; "
            "run the system on the corpus of the task"
        )


def _check_interval(
    path: Path, name: str, value: float | None, low: float | None, high: float | None
) -> None:
    """A score can lie outside its percentile interval, but not far from it."""
    if value is None or low is None or high is None:
        if not value is low is high is None:
            raise BenchmarkError(f"{path}: of {name} only a part is known; make the record again")
        return
    margin = max(0.0, high - low) + 1e-9
    if not low <= high or not low - margin <= value <= high + margin:
        raise BenchmarkError(
            f"{path}: {name} is {value}, which is not in its interval [{low}, {high}], nor near; "
            "make the record again"
        )


def _check_confidence(path: Path, record: Record, sums: Mapping[str, Any]) -> None:
    """All mentions together must score what the record says of them."""
    known = record.get("confidence")
    for found in known["coverage"][:1] if known else ():
        precision, recall = (share(sums["strict"], sums[whole]) for whole in ("predicted", "gold"))
        same = isclose(found["precision"], precision) and isclose(found["recall"], recall)
        if found["share"] != 1 or found["mentions"] != sums["predicted"] or not same:
            raise BenchmarkError(f"{path}: confidence is of other mentions than the counts; make it again")


def write(record: Record, folder: Path) -> Path:
    """Write a record to its place below `folder` and return the path."""
    path = folder / place(record)
    fields: Sequence[str] = validator().schema["required"]  # in the order of the schema
    values = cast(Json, record)
    long = ("documents", "sentence_hashes", "counts")
    head = {key: values[key] for key in fields if key not in long}
    head |= {key: values[key] for key in ("corpus", "confidence") if key in values}
    rows = ",\n".join(
        f"    {json.dumps(column)}: {json.dumps(values)}" for column, values in record["counts"].items()
    )
    text = (
        f"{json.dumps(head, ensure_ascii=False, indent=2)[:-2]},\n"
        f'  "documents": {json.dumps(record["documents"], ensure_ascii=False)},\n'
        f'  "sentence_hashes": {json.dumps(record["sentence_hashes"])},\n'
        f'  "counts": {{\n{rows}\n  }}\n}}\n'
    )
    write_text(path, text)
    return path


def identity(record: Record) -> list[Any]:
    """What two runs that a system's record may stand for must have in common: model, recipe and setup."""
    model, recipe = record["model"], record["training"] and record["training"]["recipe"]
    weights = [model["arguments"].get(name) for name in sorted(NAMING)]
    return [model["source"], weights, model["sha"], recipe, record["setup"]]


def predicts_spans(record: Record) -> bool:
    """Whether the system predicted spans, so that nothing is known of how its answers could be read."""
    return record["model"]["source"] in SPAN_MODELS or "level" not in record["counts"]


def corpus_of(record: Record) -> str:
    """The corpus of a record's task."""
    return record.get("corpus", record["task"])


def place(record: Record) -> Path:
    """Where a record lies: system, task, and what else tells two runs of a system apart."""
    return Path(record["system"]["name"]) / f"{record['task']}-{variant(record)}.json"


def variant(record: Record) -> str:
    """What tells two runs of a system on a task apart: shots, how they were chosen, and seeds."""
    setup = record["setup"]
    name = f"{setup['shots']}-shot"
    if setup["shots"]:
        chosen = "" if setup["demonstrations"] == "random" else f"-{in_a_file_name(setup['demonstrations'])}"
        name += f"{chosen}-seed-{setup['fewshot_seed']}"
    if record["training"]:
        name += f"-training-seed-{record['training']['recipe']['seed']}"
    return name


def unknown_scores(record: Record) -> set[str]:
    """The scores of which nothing was counted when the answers were read."""
    lacking = LATER - record["counts"].keys()
    return {name for name, score in scores(record["types"]).items() if lacking & set(score.columns)}


def counts_of(record: Record) -> Table:
    """The counts of every sentence, with all columns of `scoring`; 0 for what was not counted.

    Raises:
        BenchmarkError: a column is missing, or is not one whole number a sentence.
    """
    size = record["sentences"]
    where = f"{record['system']['name']}, {record['task']}"
    spans = record["model"]["source"] in {PREDICTIONS, *SPAN_MODELS} and "level" not in record["counts"]
    packed = {}
    for column in _packed_columns(record["types"]):
        if spans and column == "level":
            continue
        values = record["counts"].get(column, 0 if column in LATER else None)
        if values is None:
            raise BenchmarkError(f"{where}: there are no counts of {column}; make the record again")
        given = values if isinstance(values, list) else [values]
        if len(given) != (size if given is values else 1) or set(map(type, given)) != {int}:
            raise BenchmarkError(f"{where}: {column} is not {size} whole numbers; make the record again")
        numbers = np.array(given)
        if not 0 <= numbers.min() <= numbers.max() <= MAX_COUNT:
            raise BenchmarkError(f"{where}: {column} is not from 0 to {MAX_COUNT:,}; make the record again")
        packed[column] = np.broadcast_to(numbers.astype(np.int64), size).copy()
    table: Table = {
        column: sum(
            (packed[f"{column}/{type_}"] for type_ in record["types"]), np.zeros(size, dtype=np.int64)
        )
        for column in TYPE_COLUMNS
    }
    table |= packed
    level = table.pop("level", np.full(size, -1))
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


def pack(
    rows: Sequence[Counts], levels: Sequence[Level] | None, types: Sequence[str]
) -> dict[str, list[int] | int]:
    """What `counts_of` cannot derive; a column of equal numbers is one number. Spans have no levels."""
    columns = [column for column in _packed_columns(types) if column != "level"]
    packed: dict[str, list[int]] = {column: [row[column] for row in rows] for column in columns}
    if levels is not None:
        packed["level"] = [int(level) for level in levels]
    return {column: values[0] if len(set(values)) == 1 else values for column, values in packed.items()}


def read_json(path: Path) -> Json:
    """Read a file that holds a JSON object.

    Raises:
        BenchmarkError: it cannot be read, is none, or has more than `MAX_BYTES`.
    """
    try:
        text = read_bounded(path, MAX_BYTES)
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"cannot read {path}: {error}; it is cut, or no JSON") from error
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path}: not a JSON object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


@cache
def validator() -> Any:
    """The JSON Schema of a record, ready to validate."""
    import jsonschema

    schema = json.loads(
        resources.files("bioner_bench.leaderboard").joinpath("record.schema.json").read_text("utf-8")
    )
    return jsonschema.Draft202012Validator(schema)
