"""lm-eval's samples -> answers: each line compared with the task, and its answer counted again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bioner_bench import corpora
from bioner_bench.corpora.loading import load_training, seen_mentions
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.judging import Answer, judge
from bioner_bench.evaluation.scoring import scores
from bioner_bench.harness.demonstrations import Chooser
from bioner_bench.harness.documents import Document, to_document, to_sentence
from bioner_bench.leaderboard.records import Json
from bioner_bench.schema import BenchmarkError, Sentence


@dataclass(frozen=True)
class Expected:
    """What the samples of a task must be: its documents, and sentences to draw demonstrations from."""

    corpus: corpora.Corpus
    documents: tuple[Document, ...]
    sentences: tuple[Sentence, ...]
    training: tuple[Sentence, ...]


@cache
def expected(name: str) -> Expected:
    """The documents of a task's test split, and what demonstrations are drawn from."""
    corpus = corpora.get(name)
    training = load_training(corpus)
    seen = seen_mentions(training)
    sentences = corpora.load(name, "test").sentences
    documents = tuple(to_document(sentence, list(corpus.types), seen) for sentence in sentences)
    return Expected(corpus, documents, sentences, training)


def read_answers(
    path: Path, task: Expected, shots: int, choose: Chooser, rescore: bool
) -> tuple[dict[int, Answer], Json, bool]:
    """Read the samples of a run, check each, and count its answer again.

    Returns:
        place of a sentence -> its answer; how the answers were generated; whether the run counted otherwise.
    """
    answers: dict[int, Answer] = {}
    types = list(task.corpus.types)
    generation: Json = {}
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
    where: str, sample: Mapping[str, Any], task: Expected, shots: int, choose: Chooser
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
