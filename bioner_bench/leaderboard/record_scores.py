"""A task's gold and the answers to it -> what a record says of them: counts, scores, intervals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from bioner_bench import corpora
from bioner_bench.corpora.documents import with_context
from bioner_bench.corpora.loading import load_training, seen_mentions
from bioner_bench.evaluation.bootstrap import RESAMPLES, SEED
from bioner_bench.evaluation.judging import Answer
from bioner_bench.evaluation.parsing import Level
from bioner_bench.evaluation.scoring import Table, scores, tabulate
from bioner_bench.evaluation.summary import summarise
from bioner_bench.harness.documents import Document, to_document
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.records import READING, Intervals, Record, Scored, ScoreInterval, pack
from bioner_bench.schema import BenchmarkError, Sentence

_READING = (*(level.name.lower() for level in Level), *READING[1:])
"""Columns of a sentence's counts that say how its answer could be read."""


@dataclass(frozen=True)
class Expected:
    """What the samples of a task must be: its documents, and sentences to draw demonstrations from.

    Sentences have as many others around them as the prompts show, `context` on each side.
    """

    corpus: corpora.Corpus
    documents: tuple[Document, ...]
    sentences: tuple[Sentence, ...]
    training: tuple[Sentence, ...]
    context: int


@cache
def expected(name: str, context: int = 0) -> Expected:
    """The documents of a task's test split, and what demonstrations are drawn from."""
    corpus = corpora.get(name)
    training = load_training(corpus)
    seen = seen_mentions(training)
    sentences = corpora.load(name, "test").sentences
    documents = tuple(to_document(sentence, list(corpus.types), seen) for sentence in sentences)
    if context:
        sentences, training = (tuple(with_context(name, s, context)) for s in (sentences, training))
    return Expected(corpus, documents, sentences, training, context)


def scored(task: Expected, judged: Mapping[int, Answer], spans: bool = False) -> Scored:
    """Count and score the answers of a run.

    Args:
        task: which was run.
        judged: place of a sentence -> what became of its answer.
        spans: whether the answers are predicted spans, of which nothing is known but what they are.
    """
    order = sorted(judged)
    sentences = [task.sentences[place] for place in order]
    unread = dict.fromkeys(_READING, 0) if spans else {}
    rows = [judged[place].counts | unread for place in order]
    levels = None if spans else [judged[place].parsed.level for place in order]
    types = list(task.corpus.types)
    return {
        "sentences": len(order),
        "corpus_sentences": len(task.sentences),
        "partial": len(order) < len(task.sentences),
        "gold_sha256": gold_sha256(sentences),
        "sentence_hashes": [sentence_hash(sentence) for sentence in sentences],
        "counts": pack(rows, levels, types),
        **intervals(tabulate(rows), types, [sentence.document for sentence in sentences]),
    }


def intervals(table: Table, types: Sequence[str], documents: Sequence[str | None]) -> Intervals:
    """The scores of counted answers, with intervals over documents if all sentences name theirs."""
    clustered = all(document is not None for document in documents)
    summary = summarise(table, types, documents if clustered else None)
    return {
        "bootstrap": {
            "resamples": RESAMPLES,
            "seed": SEED,
            "unit": "document" if clustered else "sentence",
        },
        "documents": list(documents) if clustered else None,
        "scores": {
            name: ScoreInterval(value=summary[name], low=summary[f"{name}_low"], high=summary[f"{name}_high"])
            for name in scores(types)
        },
    }


def gold_sha256(sentences: Sequence[Sentence]) -> str:
    """SHA-256 of sentences with their gold, in this order."""
    return _sha256("".join(map(_digest, sentences)))


def sentence_hash(sentence: Sentence) -> str:
    """Twelve digits that tell whether two records hold the same sentence with the same gold."""
    return _digest(sentence)[:12]


def places(record: Record, task: Expected) -> list[int]:
    """Where a record's sentences stand in the corpus.

    Raises:
        BenchmarkError: one is not there, or has other gold.
    """
    known = {sentence_hash(sentence): place for place, sentence in enumerate(task.sentences)}
    try:
        return [known[each] for each in record["sentence_hashes"]]
    except KeyError as error:
        raise BenchmarkError(
            f"{records.place(record)}: {task.corpus.task} has no sentence {error}, or its gold has changed; "
            "run the system again"
        ) from error


def _digest(sentence: Sentence) -> str:
    gold = [[entity.start, entity.end, entity.type] for entity in sentence.entities]
    return _sha256(json.dumps([sentence.id, sentence.text, gold], ensure_ascii=False))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
