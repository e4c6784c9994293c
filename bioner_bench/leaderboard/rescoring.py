"""Records and the answers that are kept beside them -> the same records, scored by the present version.

Without kept answers a record's counts stay, and only its intervals and documents are made anew. It says which
version read its answers. One that is valid JSON reads the same in every version, so such a record stands if
nearly all of its answers were; else it must be run again. So does one of tagged answers, of which the
mentions that were read are kept, not what was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.judging import READERS
from bioner_bench.leaderboard import kept_answers, records
from bioner_bench.leaderboard.record_scores import Expected, expected, intervals, places, scored
from bioner_bench.leaderboard.records import Record, ScoreInterval
from bioner_bench.schema import BenchmarkError

MAX_OTHER = 0.01
"""Share of answers other than valid JSON that a record without kept answers may have."""


@dataclass(frozen=True)
class Rescored:
    """A record before and after.

    Attributes:
        source: what it was made of.
        run_again: why the system must be run again for it; None if it stands.
    """

    before: Record
    after: Record
    source: Literal["answers", "counts"]
    run_again: str | None = None


def rescore(folder: Path, systems: list[str] | None = None) -> list[Rescored]:
    """Make records anew; then, if all could be made, write them.

    Args:
        folder: the leaderboard's, with `records/` and `answers/`.
        systems: whose records; all if none is named.

    Raises:
        BenchmarkError: a system has no records, a record is of a sentence that the corpus does not have, or
            the answers are not those of the record.
    """
    done = []
    for path in _paths(folder, systems):
        record = records.read(path)
        kept = folder / "answers" / kept_answers.place(record)
        if kept.is_file():
            made = Rescored(record, from_answers(record, kept), "answers", _stale_reading(record))
        else:
            made = Rescored(record, from_counts(record), "counts", _stale(record))
        done.append(made)
    for made in done:
        records.write(made.after, folder / "records")
    return done


def from_answers(record: Record, path: Path) -> Record:
    """The record with its kept answers read and counted anew."""
    task = _task(record)
    types = task.corpus.types
    form, setup = prompt.form_of(record["prompt"]), record["setup"]
    now = prompt.prompt_hash(types, setup["demonstrations"], form, setup.get("context", 0))
    if record["prompt_hash"] not in (now, None):
        raise BenchmarkError(
            f"{path}: answers to the prompt {record['prompt_hash']}, which is now {now}; run the system again"
        )
    judged = {}
    for place, output in kept_answers.placed(record, path, task):
        seen = [entity["seen"] for entity in task.documents[place]["entities"]]
        judged[place] = kept_answers.judged(record, task.sentences[place], output, seen)
    spans = records.predicts_spans(record)
    counted = scored(task, judged, spans)
    before, after = (
        _without_reading(each) if spans else each for each in (record["counts"], counted["counts"])
    )
    changed = after != before
    parser = READERS[form] if form == prompt.JSON else record["parser"]
    made: Record = {**record, **counted, "parser": parser, "rescored": record["rescored"] or changed}
    if changed:  # of other mentions, and the log-probabilities are not kept
        made.pop("confidence", None)
    return made


def from_counts(record: Record) -> Record:
    """The record with documents and intervals made anew."""
    task = _task(record)
    documents = [task.sentences[place].document for place in places(record, task)]
    if records.predicts_spans(record):
        unread = _without_reading(record["counts"]) | dict.fromkeys(records.READING[1:], 0)
        record = {**record, "counts": unread}
    made = intervals(records.counts_of(record), record["types"], documents)
    nothing = ScoreInterval(value=None, low=None, high=None)
    made["scores"] |= dict.fromkeys(records.unknown_scores(record), nothing)
    return {**record, **made}


def _without_reading(counts: Mapping[str, Any]) -> dict[str, Any]:
    return {column: values for column, values in counts.items() if column not in records.READING}


def _paths(folder: Path, systems: list[str] | None) -> list[Path]:
    paths = sorted((folder / "records").glob("*/*.json"))
    there = {path.parent.name for path in paths}
    if missing := sorted(set(systems or []) - there):
        raise BenchmarkError(f"{folder / 'records'} has no records of {', '.join(missing)}")
    if not paths:
        raise BenchmarkError(f"{folder / 'records'} has no records; name the right --folder")
    return [path for path in paths if not systems or path.parent.name in systems]


def _task(record: Record) -> Expected:
    try:
        return expected(records.corpus_of(record))
    except BenchmarkError as error:
        raise BenchmarkError(f"{records.place(record).as_posix()}: {error}") from error


def _stale_reading(record: Record) -> str | None:
    """Why what is kept of tagged answers does not do; None if it does, or the answers are kept as written."""
    return None if prompt.form_of(record["prompt"]) == prompt.JSON else _stale(record)


def _stale(record: Record) -> str | None:
    if records.predicts_spans(record):  # which any reader takes as they are
        return None
    form = prompt.form_of(record["prompt"])
    reader = READERS[form]
    valid = record["scores"]["json_valid"]["value"] or 0.0
    if record["parser"] == reader or 1 - valid <= MAX_OTHER:
        return None
    asked = "JSON" if form == prompt.JSON else "tagged text"
    return (
        f"{1 - valid:.1%} of its answers were other than valid {asked}, were read by version "
        f"{record['parser']} (now {reader}), and are not kept"
    )
