"""The answers behind a record, kept beside it: so a better parser can score it again without a model.

A file is JSON lines, gzipped: the hash of a sentence and what the system wrote. No text of a corpus is in it,
other than what a system copied. The same answers give the same bytes.

A tagged answer repeats the sentence, so what is kept of it is the mentions that were read, and how: type and
span, or type and string of those that have no span.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.judging import Answer, judge, judge_parsed
from bioner_bench.evaluation.parsing import Level, Parsed
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.record_scores import Expected, places
from bioner_bench.leaderboard.records import Record
from bioner_bench.schema import BenchmarkError, Mention, Sentence
from bioner_bench.writing import write_bytes

MAX_BYTES = 1 << 29
"""Of a file's text, 512 MB: no more is unpacked."""


def place(record: Record) -> Path:
    """Where the answers of a record lie, below the leaderboard's folder of answers."""
    return records.place(record).with_suffix(".jsonl.gz")


def write(outputs: Mapping[str, str], path: Path) -> None:
    """Write answers, given as hash of a sentence -> output, in this order."""
    packed = io.BytesIO()
    # Neither a name nor a time, which would differ from run to run.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as stream:
        stream.write(_text(outputs))
    write_bytes(path, packed.getvalue())


def of_parsed(parsed: Parsed) -> str:
    """What is kept of a tagged answer.

    >>> of_parsed(Parsed((Mention("ataxia", "Disease", 3, 9),), Level.VALID))
    '{"mentions": [["Disease", 3, 9]], "level": "valid", "cut": false, "ambiguous": false}'
    """
    said = {
        "mentions": [
            [each.type, each.text] if each.start is None else [each.type, each.start, each.end]
            for each in parsed.mentions
        ],
        "level": parsed.level.name.lower(),
        "cut": parsed.cut,
        "ambiguous": parsed.ambiguous,
    }
    return json.dumps(said, ensure_ascii=False)


def judged(
    record: Record, sentence: Sentence, kept: str, seen: Sequence[bool | None] | None = None
) -> Answer:
    """Score a kept answer of a record on its sentence.

    Raises:
        BenchmarkError: it is of a tagged answer, but not what `of_parsed` gives.
    """
    types = record["types"]
    if prompt.form_of(record["prompt"]) == prompt.JSON:
        return judge(sentence, kept, types, seen)
    try:
        said = json.loads(kept)
        mentions = tuple(_mention(sentence.text, *each) for each in said["mentions"])
        if any(type(each.text) is not str or each.type not in types for each in mentions):
            raise ValueError("a mention without a string, or of another type")
        parsed = Parsed(mentions, Level[said["level"].upper()], bool(said["cut"]), bool(said["ambiguous"]))
        return judge_parsed(sentence, parsed, types, seen)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BenchmarkError(
            f"{records.place(record)}: what is kept of a tagged answer is not as it was written: {error}"
        ) from error


def _mention(text: str, type_: str, *where: Any) -> Mention:
    """A mention by its span, or by its string."""
    if len(where) == 1:
        return Mention(where[0], type_)
    start, end = where
    return Mention(text[start:end], type_, start, end)


def digest(outputs: Mapping[str, str]) -> str:
    """SHA-256 of answers, whatever packs them."""
    return hashlib.sha256(_text(outputs)).hexdigest()


def read(path: Path) -> dict[str, str]:
    """Read what `write` wrote.

    Raises:
        BenchmarkError: the file is cut, too large, or holds something else.
    """
    try:
        with gzip.open(path) as stream:
            text = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BenchmarkError(f"cannot read the answers {path}: {error}") from error
    if len(text) > MAX_BYTES:
        raise BenchmarkError(f"{path}: more than {MAX_BYTES >> 20} MB of answers")
    outputs: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            row = json.loads(line)
            sentence, output = row["sentence"], row["output"]
            if not isinstance(sentence, str) or not isinstance(output, str) or sentence in outputs:
                raise ValueError("a sentence twice, or no strings")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BenchmarkError(f"{path}:{number}: not an answer: {error}") from error
        outputs[sentence] = output
    return outputs


def placed(record: Record, path: Path, task: Expected) -> Iterator[tuple[int, str]]:
    """The place in the corpus of each sentence of a record, and the answer kept in a file.

    Raises:
        BenchmarkError: these are other answers, or the corpus has no such sentence, or with other gold.
    """
    outputs = read(path)
    if digest(outputs) != record["answers_sha256"] or list(outputs) != record["sentence_hashes"]:
        raise BenchmarkError(f"{path}: these are not the answers of the record; add its run again")
    return zip(places(record, task), outputs.values(), strict=True)


def _text(outputs: Mapping[str, str]) -> bytes:
    # ASCII, so that a line is a line whatever a system wrote, half of a surrogate pair included.
    rows = (json.dumps({"sentence": sentence, "output": output}) for sentence, output in outputs.items())
    return "".join(f"{row}\n" for row in rows).encode()
