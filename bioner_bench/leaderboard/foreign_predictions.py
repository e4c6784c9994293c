"""A file of another tool's predictions -> a result record, marked as what it is.

The file has every sentence of a task's test split, as `bioner-bench corpora export` gives them: JSON lines
with `predicted` or `output` added, or IOB2 tags. Text and gold must be the corpus's own. How the predictions
came about cannot be checked, so the record's model is `predictions`, without arguments, and it has no prompt.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import shlex
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bioner_bench import __version__
from bioner_bench.evaluation import predictions
from bioner_bench.evaluation.judging import READERS, judge
from bioner_bench.evaluation.prompt import JSON
from bioner_bench.harness.cards import Card
from bioner_bench.harness.lm_models import located_answer
from bioner_bench.leaderboard import kept_answers
from bioner_bench.leaderboard.lm_eval_output import Evaluated, system_of, task_version
from bioner_bench.leaderboard.record_scores import Expected, expected, scored, sentence_hash
from bioner_bench.leaderboard.records import PREDICTIONS, SCHEMA_VERSION, Record, validator
from bioner_bench.models import iob2_files
from bioner_bench.schema import BenchmarkError, Entity, Sentence


def evaluated(path: Path, card: Card, task: str) -> Evaluated:
    """Make a record of a file of predictions.

    Args:
        path: JSON lines, or IOB2 tags.
        card: the system that made them.
        task: what they are predictions for.

    Raises:
        BenchmarkError: the file is of neither form, a sentence is missing, there twice, or not the task's; or
            the card says how to run the system, so that it is to be run.
    """
    if card.run or card.recipe or card.checkpoints:
        raise BenchmarkError(
            f"the card of {card.system} says how lm-eval runs it; run it: predictions do not show what made "
            "them"
        )
    wanted = expected(task)
    types = list(wanted.corpus.types)
    content = _content(path)
    is_json = _stripped(content)[:1] == b"{"
    outputs, spans = _of_json(path, wanted) if is_json else (_of_tags(path, wanted), True)
    judged = {}
    for place, sentence in enumerate(wanted.sentences):
        seen = [entity["seen"] for entity in wanted.documents[place]["entities"]]
        judged[place] = judge(sentence, outputs[place], types, seen)
    counted = scored(wanted, judged, spans)
    kept = dict(zip(counted["sentence_hashes"], outputs, strict=True))
    command = ["bioner-bench", "leaderboard", "add", "--predictions", path.name]
    made = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    record: Record = {
        "schema_version": SCHEMA_VERSION,
        "system": system_of(card),
        "task": task,
        "task_version": task_version(task),
        "rescored": False,
        "parser": READERS[JSON],
        "prompt": None,
        "prompt_hash": None,
        "split": "test",
        "types": types,
        "setup": {
            "shots": 0,
            "fewshot_seed": None,
            "demonstrations": "random",
            "chat_template_sha256": None,
            "fewshot_as_multiturn": None,
            "system_instruction": None,
            "gen_prefix": None,
            "generation": {},
        },
        "markup": None,
        "training": None,
        "model": {
            "source": PREDICTIONS,
            "arguments": {},
            "parameters": None,
            "dtype": None,
            "revision": None,
            "sha": None,
        },
        "run": {
            "date": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "command": shlex.join([*command, "--system", card.system, "--task", task]),
            "seconds": None,
            "sentences_per_second": None,
            "hardware": {"cpu": None, "gpu": None},
            "batch_size": "",
            "versions": {"bioner_bench": __version__},
        },
        "samples_sha256": hashlib.sha256(content).hexdigest(),
        "answers_sha256": kept_answers.digest(kept),
        **counted,
    }
    if error := next(iter(validator().iter_errors(record)), None):
        raise BenchmarkError(f"{path} makes no record: {error.json_path}: {error.message}")
    return Evaluated(record, kept)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BenchmarkError(f"cannot read {path}: {error}") from error


def _stripped(content: bytes) -> bytes:
    """Without the mark that some editors put before UTF-8, and white space."""
    return content.removeprefix(codecs.BOM_UTF8).lstrip()


def _of_tags(path: Path, task: Expected) -> list[str]:
    types = list(task.corpus.types)
    found = iob2_files.read(path, task.sentences, types)
    if found.orphans:
        print(f"{path}: {found.orphans:,} I- tags without a B-; each opens a mention.", file=sys.stderr)
    return [
        located_answer(sentence.text, entities, types)
        for sentence, entities in zip(task.sentences, found.entities, strict=True)
    ]


def _of_json(path: Path, task: Expected) -> tuple[list[str], bool]:
    """The answer to each sentence of the task, and whether they are spans, as lines of JSON that say them."""
    first = _stripped(_content(path)).partition(b"\n")[0]
    of_lm_eval = False
    with suppress(ValueError, RecursionError):  # for `predictions.read` to tell of, with its line
        of_lm_eval = b'"doc"' in first and "doc" in json.loads(first)
    if of_lm_eval:
        raise BenchmarkError(
            f"{path} is of lm-eval, which knows more of the run than a record of predictions: "
            "name its output folder without --predictions"
        )
    types = list(task.corpus.types)
    places = {sentence_hash(sentence): place for place, sentence in enumerate(task.sentences)}
    outputs: dict[int, str] = {}
    given_spans = set()
    for item in predictions.read(path):
        if set(item.types) != set(types):
            raise BenchmarkError(
                f"{path}: types {', '.join(item.types)}, but {task.corpus.task} has {', '.join(types)}"
            )
        if item.form != JSON:
            raise BenchmarkError(
                f"{path}: answers in {item.form}; give the spans that they mean, in `predicted`"
            )
        given = item.sentence
        place = places.get(sentence_hash(Sentence(given.id, given.text, tuple(sorted(given.entities)))))
        if place is None:
            raise BenchmarkError(f"{path}: {_strange(given, task)}; {_ADVICE}")
        if place in outputs:
            raise BenchmarkError(f"{path}: the sentence {given.id} is there twice")
        spans = [
            Entity(mention.start, mention.end, mention.type)
            for mention in (each.mention for each in item.aligned)
            if mention.start is not None and mention.end is not None
        ]
        outputs[place] = item.output if item.output is not None else located_answer(given.text, spans, types)
        given_spans.add(item.output is None)
        if len(given_spans) > 1:
            raise BenchmarkError(
                f"{path}: some lines have `output`, others `predicted`; give one of both in all"
            )
    if missing := [each.id for place, each in enumerate(task.sentences) if place not in outputs]:
        raise BenchmarkError(
            f"{path} lacks {len(missing):,} of the {len(task.sentences):,} sentences of {task.corpus.task}, "
            f"{missing[0]} first; {_ADVICE}"
        )
    return [outputs[place] for place in range(len(task.sentences))], True in given_spans


_ADVICE = "predict on what `bioner-bench corpora export` gives, and add to its lines only"


def _strange(given: Sentence, task: Expected) -> str:
    """Why a sentence is none of the task's."""
    own = next((sentence for sentence in task.sentences if sentence.id == given.id), None)
    if own is None:
        return f"there is no sentence {given.id!r} in the test split of {task.corpus.task}"
    what = "gold" if own.text == given.text else "text"
    return f"the sentence {given.id} has another {what} than in {task.corpus.task}"
