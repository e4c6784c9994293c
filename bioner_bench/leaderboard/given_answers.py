"""A record, lm-eval's output or a file of predictions -> the answers in it, each judged against its gold.

Text and gold of a record's answers come from the local corpus, those of the others from the files themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bioner_bench.evaluation import predictions
from bioner_bench.evaluation.predictions import Judged
from bioner_bench.leaderboard import kept_answers, records
from bioner_bench.leaderboard.record_scores import expected
from bioner_bench.schema import BenchmarkError


@dataclass(frozen=True)
class Answers:
    """Who answered, to call it by, and what."""

    name: str
    judged: list[Judged]


def read(given: Path, task: str | None = None) -> Answers:
    """The answers of one system to one task.

    Args:
        given: a record or a folder with some, its kept answers, samples of lm-eval or a folder with some, or
            a file of predictions.
        task: which is meant, where a folder holds several.

    Raises:
        BenchmarkError: there is nothing, there is more than one, or a record's answers are not kept.
    """
    path = _chosen(given, task)
    if path.suffix == ".json":
        return _of_record(path)
    return Answers(str(given), predictions.read(path))


def _chosen(given: Path, task: str | None) -> Path:
    if not given.exists():
        raise BenchmarkError(f"there is no file or folder {given}; name a record, or lm-eval's output folder")
    if given.is_file():
        return _record_beside(given) if given.name.endswith(".jsonl.gz") else given
    found = predictions.samples_in(given) or sorted(given.rglob("*-shot*.json"))
    of_task = [path for path in found if task is None or _is_of(path, task)]
    if not of_task:
        what = f" of {task}" if task else ""
        raise BenchmarkError(f"{given} holds no record and no samples_*.jsonl{what}; name the right folder")
    if len(of_task) > 1:
        names = ", ".join(map(str, of_task[:6]))
        several, else_ = ("several", ", or its --task") if task is None else (f"several of {task}", "")
        raise BenchmarkError(f"{given} holds {several}: {names}; name one{else_}")
    return of_task[0]


def _is_of(path: Path, task: str) -> bool:
    """Both kinds of files have the task in their names, and no task's name is another's with what follows."""
    return path.name.startswith((f"{task}-", f"samples_{task}_2"))


def _record_beside(answers: Path) -> Path:
    name = answers.name.removesuffix(".jsonl.gz")
    return _board(answers) / "records" / answers.absolute().parent.name / f"{name}.json"


def _board(path: Path) -> Path:
    """The leaderboard's folder, two above that of a system's records or answers."""
    return path.absolute().parent.parent.parent


def _of_record(path: Path) -> Answers:
    record = records.read(path)
    kept = _board(path) / "answers" / kept_answers.place(record)
    if not kept.is_file():
        raise BenchmarkError(
            f"the answers of {path} are not kept in {kept}; name lm-eval's output folder, or run the system "
            "again with --log_samples and add it"
        )
    task = expected(records.corpus_of(record))
    judged = []
    for place, output in kept_answers.placed(record, kept, task):
        sentence = task.sentences[place]
        answer = kept_answers.judged(record, sentence, output)
        judged.append(Judged(sentence, tuple(task.corpus.types), output, answer.aligned, answer.counts))
    return Answers(f"{record['system']['name']}, {record['task']}, {records.variant(record)}", judged)
