"""Files of answers -> judged sentences, without a model.

Two formats, JSON lines both: lm-eval's `samples_<task>_<time>.jsonl` (of `--log_samples`), and any
system's predictions with, a line a sentence, `text`, `types`, `gold` (a list of `start`, `end`, `type`) and
either `output` (raw model text) or `predicted` (a list of `start`, `end`, `type`); `id`, `document` and the
`format` of the output (`json`, which is meant without it, or `tags`) are optional. So is `answer_logprob`, in
both kinds of files: the pieces of the output with their log-probabilities.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.alignment import Aligned, align
from bioner_bench.evaluation.confidence import TOKENS, Tokens
from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.run_files import check_size, size_beside
from bioner_bench.evaluation.scoring import Counts, count
from bioner_bench.schema import BenchmarkError, Entity, Mention, Sentence

_SPAN = ("start", "end", "type")

_SPANS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "start": {"type": "integer"},
            "end": {"type": "integer"},
            "type": {"type": "string"},
        },
        "required": list(_SPAN),
    },
}

_PREDICTION = Draft202012Validator(
    {
        "properties": {
            "id": {"type": ["string", "integer"]},
            "document": {"type": ["string", "null"]},
            "text": {"type": "string"},
            "types": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            "gold": _SPANS,
            "output": {"type": "string"},
            "format": {"enum": list(prompt.VERSIONS)},
            "predicted": _SPANS,
        },
        "required": ["text", "types", "gold"],
    }
)

_SAMPLE = Draft202012Validator(
    {
        "properties": {
            "doc": {
                "properties": {
                    "id": {"type": "string"},
                    "document": {"type": ["string", "null"]},
                    "text": {"type": "string"},
                    "types": {"type": "array", "items": {"type": "string"}},
                    "entities": _SPANS | {"items": _SPANS["items"] | {"required": [*_SPAN, "seen"]}},
                },
                "required": ["id", "document", "text", "types", "entities"],
            },
            "filtered_resps": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        },
        "required": ["doc", "filtered_resps"],
    }
)
"""Says what is wrong with a sample that could not be judged; those that can be are not held against it."""


LEAST = -1e100
"""The lowest log-probability; of lower ones no sum is finite. What servers give for none at all is above."""

ROUNDED = 1e-6
"""How far above 0 a server may round a log-probability; it is 0 then."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence, what was answered (None if spans were predicted), and what that counts.

    `form` is the format of the answer, `tokens` its pieces with their log-probabilities, if they are known.
    """

    sentence: Sentence
    types: tuple[str, ...]
    output: str | None
    aligned: list[Aligned]
    counts: Counts
    form: str = prompt.JSON
    tokens: Tokens | None = None


def files(given: Sequence[Path]) -> list[Path]:
    """The files that are meant, with the samples of lm-eval in place of a folder.

    Raises:
        BenchmarkError: a folder holds none.
    """
    found = []
    for path in given:
        samples = samples_in(path) if path.is_dir() else [path]
        if not samples:
            raise BenchmarkError(
                f"{path} holds no samples_*.jsonl of this project's tasks; run lm_eval with --log_samples"
            )
        found += samples
    return found


def samples_in(folder: Path) -> list[Path]:
    """lm-eval's samples below a folder; those of other tasks than this project's are named and left out."""
    everything = sorted(folder.rglob("samples_*.jsonl"))
    foreign = {path for path in everything if _of_another_task(path)}
    for path in sorted(foreign):
        print(f"Left out: {path}, samples of another task than this project's.", file=sys.stderr)
    return [path for path in everything if path not in foreign]


def _of_another_task(path: Path) -> bool:
    """Whether the first sample says so; what cannot be read is for `read` to tell of."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            return _foreign(json.loads(next(filter(str.strip, stream))))
    except (OSError, ValueError, RecursionError, StopIteration):
        return False


def _foreign(row: Any) -> bool:
    """Whether a line is a sample of lm-eval, but of a task that is not of this project."""
    doc = row.get("doc") if isinstance(row, dict) else None
    return doc is not None and not (isinstance(doc, dict) and {"types", "entities"} & doc.keys())


def read(path: Path) -> list[Judged]:
    """Judge every line of a file.

    Raises:
        BenchmarkError: the file cannot be read, a line is not of either format, or of a sentence that was
            there before; names file and line. Or it has fewer samples than the results beside it say, or
            those of several filters.
    """
    judged: list[Judged] = []
    filters: list[Any] = []
    places: dict[tuple[str, str], int] = {}
    try:
        # Line by line: a line of lm-eval holds the whole prompt, several times what is kept of it.
        with path.open(encoding="utf-8-sig", newline="\n") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    one, name = _judge_line(line, f"{path}:{number}", f"line-{number}", filters)
                    judged.append(one)
                    # Each filter has a sample of every sentence; of a line without an id nothing is known.
                    if name and (first := places.setdefault((str(filters[-1]), name), number)) != number:
                        raise BenchmarkError(
                            f"{path}:{number}: sentence {name} is there twice, first in line {first}; each "
                            "counts once: take the file as the run wrote it, or give each sentence its own id"
                        )
                    if judged[-1].types != judged[0].types:
                        raise BenchmarkError(
                            f"{path}:{number}: other types than the lines before; score one task at a time"
                        )
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"cannot read {path}: {error}") from error
    if not judged:
        raise BenchmarkError(f"{path} has no lines; run lm_eval with --log_samples and --output_path")
    if (size := size_beside(path)) is not None:
        check_size(path, filters, size)
    if len(names := sorted(set(map(str, filters)))) > 1:
        raise BenchmarkError(
            f"{path}: samples of several filters, {' and '.join(names)}, so a sentence would count more than "
            "once; give lm_eval no filter, or keep the lines of one"
        )
    return judged


def _judge_line(line: str, place: str, name: str, filters: list[Any]) -> tuple[Judged, str | None]:
    """A line judged, and which sentence of the file it says that it is of, if it does."""
    row = None
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError("a line is a JSON object: {...}")
        filters.append(row.get("filter"))
        if "doc" in row:
            return _judge_sample(row), str(row.get("doc_id", row["doc"]["id"]))
        return _judge_prediction(row, name), str(row["id"]) if "id" in row else None
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        if _foreign(row):
            raise BenchmarkError(f"{place}: samples of another task than this project's") from error
        of_lm_eval = isinstance(row, dict) and "doc" in row
        fault = next(_SAMPLE.iter_errors(row), None) if of_lm_eval else None
        if fault is not None:
            reason = f"{fault.json_path}: {fault.message}"
        else:
            reason = str(error) if isinstance(error, ValueError) else "it is not of that form"
        form = "a sample of lm-eval" if of_lm_eval else "a prediction"
        raise BenchmarkError(f"{place}: not {form}: {reason}") from error


def to_row(sentence: Sentence, types: Sequence[str]) -> dict[str, Any]:
    """A sentence as a line of predictions; it lacks `output` or `predicted`, which the system adds."""
    gold = [{"start": each.start, "end": each.end, "type": each.type} for each in sentence.entities]
    return {
        "id": sentence.id,
        "document": sentence.document,
        "text": sentence.text,
        "types": list(types),
        "gold": gold,
    }


def _judge_sample(row: Mapping[str, Any]) -> Judged:
    doc = row["doc"]
    if not isinstance(doc["id"], str) or not isinstance(doc["document"], str | None):
        raise TypeError("the name of the sentence or document is not a string")
    types = tuple(doc["types"])
    gold = _spans(doc["text"], doc["entities"], types)
    sentence = Sentence(doc["id"], doc["text"], tuple(gold), doc["document"])
    output = row["filtered_resps"][0]
    if not isinstance(output, str):
        raise TypeError("the response is not a string")
    # Each format has another target, of every sentence.
    tags = row.get("target") == prompt.target(doc["text"], gold, types, prompt.TAGS)
    seen = [entity["seen"] for entity in doc["entities"]]
    form = prompt.TAGS if tags else prompt.JSON
    answer = judge(sentence, output, types, seen, form)
    return Judged(sentence, types, output, answer.aligned, answer.counts, form, tokens_of(row, output))


def tokens_of(row: Mapping[str, Any], output: str) -> Tokens | None:
    """The pieces of an answer in a sample of lm-eval, with their log-probabilities; None if it has none.

    Raises:
        ValueError: they are not those of the answer, or no log-probabilities.
    """
    if TOKENS not in row:
        return None
    try:
        tokens = [(str(piece), float(logprob)) for piece, logprob in row[TOKENS]]
    except OverflowError as error:
        raise ValueError(f"{TOKENS} has a number that is too large") from error
    if wrong := next((logprob for _, logprob in tokens if not LEAST <= logprob <= ROUNDED), None):
        raise ValueError(f"{wrong} in {TOKENS} is no log-probability: finite, and at most 0")
    tokens = [(piece, min(0.0, logprob)) for piece, logprob in tokens]
    if "".join(piece for piece, _ in tokens) != output:
        raise ValueError(f"the tokens of {TOKENS} are not those of the answer")
    return tokens


def _judge_prediction(row: Mapping[str, Any], name: str) -> Judged:
    if error := next(_PREDICTION.iter_errors(row), None):
        raise ValueError(f"{error.json_path}: {error.message}")
    if ("output" in row) == ("predicted" in row):
        raise ValueError("one of output and predicted is needed, and not both")
    text, types = row["text"], tuple(row["types"])
    gold = _spans(text, row["gold"], types)
    sentence = Sentence(str(row.get("id", name)), text, tuple(gold), row.get("document"))
    if "output" in row:
        form = row.get("format", prompt.JSON)
        answer = judge(sentence, row["output"], types, form=form)
        tokens = tokens_of(row, row["output"])
        return Judged(sentence, types, row["output"], answer.aligned, answer.counts, form, tokens)
    predicted = _spans(text, row["predicted"], types)
    aligned = align(text, [Mention(text[e.start : e.end], e.type, e.start, e.end) for e in predicted])
    return Judged(sentence, types, None, aligned, count(sentence, aligned, types))


def _spans(text: str, given: Sequence[Mapping[str, Any]], types: Sequence[str]) -> list[Entity]:
    spans = []
    for item in given:
        entity = Entity(item["start"], item["end"], item["type"])
        if entity.type not in types:
            raise ValueError(f"type {entity.type!r} is none of {', '.join(types)}")
        if not 0 <= entity.start < entity.end <= len(text):
            raise ValueError(
                f"{entity.start}-{entity.end} is not a span of the text's {len(text)} characters"
            )
        spans.append(entity)
    return spans
