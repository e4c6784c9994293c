"""lm-eval's samples -> answers: each line compared with the task, and its answer counted again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.confidence import Tokens
from bioner_bench.evaluation.judging import Answer, judge
from bioner_bench.evaluation.predictions import tokens_of
from bioner_bench.evaluation.prompt import Message
from bioner_bench.evaluation.scoring import scores
from bioner_bench.harness.demonstrations import Chooser
from bioner_bench.harness.documents import to_sentence
from bioner_bench.harness.masking import masked
from bioner_bench.leaderboard.prompt_markup import (
    MAX_DATES,
    Declared,
    around,
    more_than_markup,
    text_of,
    without_dates,
)
from bioner_bench.leaderboard.record_scores import Expected
from bioner_bench.leaderboard.records import Json
from bioner_bench.schema import BenchmarkError


@dataclass(frozen=True)
class Answers:
    """The answers of a run.

    Attributes:
        outputs: place of a sentence -> what the system wrote.
        judged: place of a sentence -> what became of it.
        tokens: place of a sentence -> the pieces of the answer with their log-probabilities, if it has them.
        generation: how it was generated, without keys.
        around: the text around the turns of the prompt, without dates.
        dates: those that stood there.
        changed: whether the run counted otherwise.
    """

    outputs: dict[int, str]
    judged: dict[int, Answer]
    tokens: dict[int, Tokens | None]
    generation: Json
    around: list[str]
    dates: list[str]
    changed: bool


def read_answers(
    path: Path, task: Expected, shots: int, choose: Chooser, declared: Declared, form: str, rescore: bool
) -> Answers:
    """Read the samples of a run, check each, and count its answer again.

    Args:
        path: of the samples.
        task: which was run.
        shots: demonstrations in each prompt.
        choose: which they are.
        declared: what the run says that it wrote around the turns of the prompts.
        form: the format that the answers have.
        rescore: take it that the run counted otherwise.

    Raises:
        BenchmarkError: a sample is not of the task or not of one run with those before; names the line.
    """
    types = list(task.corpus.types)
    found = Answers({}, {}, {}, {}, [], [], False)
    changed = False
    for where, sample in _samples(path):
        doc_id = _check_sample(where, sample, task, form)
        shown = choose(task.sentences[doc_id], shots) if shots else []
        turns = prompt.messages(task.sentences[doc_id], task.corpus.types, shown, form, task.context > 0)
        pieces, dates = _around(where, sample, task.corpus.task, turns, shots)
        generation = masked("gen_kwargs", sample["arguments"]["gen_args_0"]["arg_1"])
        if not found.outputs:
            found = replace(found, generation=generation, around=pieces)
            if more := more_than_markup(pieces, declared, (sentence.text for sentence in task.sentences)):
                raise BenchmarkError(
                    f"{where}: the text around the turns of the prompt holds {more}; it may hold the markup "
                    "of the chat template and the system instruction of the run"
                )
        if pieces != found.around:
            raise BenchmarkError(
                f"{where}: the prompt has other text around its turns than the samples before"
            )
        if generation != found.generation:
            raise BenchmarkError(
                f"{where}: generated with {_changes(generation, found.generation)}, unlike the samples before"
            )
        found.dates.extend(date for date in dates if date not in found.dates)
        if len(found.dates) > MAX_DATES:
            raise BenchmarkError(f"{where}: the prompts have more than {MAX_DATES} dates: {found.dates}")
        if doc_id in found.outputs:
            raise BenchmarkError(f"{where}: sentence {doc_id} is there twice; give lm_eval no filter")
        output = _response(where, sample, declared.gen_prefix)
        seen = [entity["seen"] for entity in task.documents[doc_id]["entities"]]
        answer = judge(task.sentences[doc_id], output, types, seen, form)
        for name, score in scores(types).items():
            counted = [answer.counts[column] for column in score.columns]
            if sample.get(name) == counted:
                continue
            changed = True
            if not rescore and "bypass" in sample:  # lm-eval's name for it
                raise BenchmarkError(
                    f"{where}: the run computed no scores (--predict_only); --rescore counts them"
                )
            if not rescore:
                raise BenchmarkError(
                    f"{where}: the answer counts {counted} for {name}, but the run recorded "
                    f"{sample.get(name)}: the file was changed, or scored by another version (--rescore)"
                )
        found.outputs[doc_id] = output
        found.judged[doc_id] = answer
        try:
            found.tokens[doc_id] = tokens_of(sample, output)
        except (ValueError, TypeError) as error:
            raise BenchmarkError(f"{where}: {error}; take the file as the run wrote it") from error
    return replace(found, changed=changed)


def _check_sample(where: str, sample: Mapping[str, Any], task: Expected, form: str) -> int:
    """Compare document and target of a sample with the task; return the sentence's place."""
    try:
        doc_id = sample["doc_id"]
        if type(doc_id) is not int or doc_id < 0:  # Python would count from the end
            raise TypeError(f"doc_id {doc_id!r} is no place in the corpus")
        document = task.documents[doc_id]
        given, target = sample["doc"], sample["target"]
        if not isinstance(sample["arguments"]["gen_args_0"]["arg_1"], dict):
            raise TypeError("the options of the generation are no object")
        if not isinstance(sample["filtered_resps"][0], str):
            raise TypeError("the response is not a string")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BenchmarkError(f"{where}: not a sample of lm-eval ({type(error).__name__}: {error})") from error
    # Which document a sentence is of is none of the model's business, and was not known of all corpora.
    if not isinstance(given, dict) or given | {"document": None} != {**document, "document": None}:
        raise BenchmarkError(
            f"{where}: the document is not sentence {doc_id} of the corpus: other text or gold"
        )
    if target != prompt.target(document["text"], to_sentence(document).entities, document["types"], form):
        raise BenchmarkError(f"{where}: the target is not that of sentence {doc_id}")
    return doc_id


def _response(where: str, sample: Mapping[str, Any], gen_prefix: str) -> str:
    """The one response of a sample, as the model gave it, after what it was made to begin with."""
    requests, filtered = sample["arguments"], sample["filtered_resps"]
    responses = sample.get("resps")
    if len(requests) != 1 or not isinstance(responses, list) or len(responses) != 1:
        raise BenchmarkError(f"{where}: not one request and its response; a sentence is asked once")
    if not isinstance(responses[0], list) or len(responses[0]) != 1 or len(filtered) != 1:
        raise BenchmarkError(
            f"{where}: {len(responses[0])} responses; one is taken, as it is: no repeats and no vote"
        )
    if sample.get("filter") != "none" or filtered[0] != f"{gen_prefix}{responses[0][0]}":
        raise BenchmarkError(
            f"{where}: what was scored is not the response, but what the filter {sample.get('filter')!r} or "
            "another hand made of it"
        )
    return str(filtered[0])


def _around(
    where: str, sample: Mapping[str, Any], task: str, turns: Sequence[Message], shots: int
) -> tuple[list[str], list[str]]:
    """The text around the turns of a sample's prompt without its dates, and these."""
    try:
        asked = text_of(sample["arguments"]["gen_args_0"]["arg_0"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BenchmarkError(f"{where}: not a sample of lm-eval ({type(error).__name__}: {error})") from error
    found = around(asked, turns)
    if found is None:
        raise BenchmarkError(f"{where}: the prompt is not that of {task} with {shots} demonstrations")
    return without_dates(found)


def _changes(given: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    names = [name for name in given.keys() | before if given.get(name) != before.get(name)]
    return ", ".join(f"{name}={given.get(name)!r}" for name in sorted(names))[:200]


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
