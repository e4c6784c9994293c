"""Corpus and split -> checked sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bioner_bench.corpora.documents import with_context, with_documents
from bioner_bench.corpora.files import locate
from bioner_bench.corpora.formats import DAMAGED_LINE, READERS
from bioner_bench.corpora.registry import Corpus, get, names
from bioner_bench.schema import BenchmarkError, Sentence


@dataclass(frozen=True)
class Split:
    """The sentences of a split, and how often its file was not as it should be, by kind of fault."""

    sentences: tuple[Sentence, ...]
    faults: Mapping[str, int]


def load(task: str, split: str) -> Split:
    """Read a split and compare it with the sizes in the corpus's entry.

    Raises:
        BenchmarkError: the file cannot be had, is malformed, or holds something else than the entry says.
    """
    corpus = get(task)
    path = locate(corpus, split)
    sentences, faults = READERS[corpus.format](path, list(corpus.types), corpus.rename)
    if corpus.format != "jsonl":  # the other formats number their sentences
        sentences = [replace(sentence, id=f"{split}-{sentence.id}") for sentence in sentences]
    expected = corpus.files[split]
    mentions = Counter(entity.type for sentence in sentences for entity in sentence.entities)
    for what, wanted, found in [
        ("sentences", expected.sentences, len(sentences)),
        *((f"{type_} mentions", expected.mentions[type_], mentions[type_]) for type_ in corpus.types),
        ("damaged lines", expected.damaged, faults[DAMAGED_LINE]),
    ]:
        if wanted != found:
            raise BenchmarkError(
                f"{path}: {found} {what}, but the entry of {task} says {wanted}; mend the entry or the file"
            )
    return Split(tuple(with_documents(corpus, split, sentences)), dict(+faults))


def sizes_found(task: str, split: str) -> str | None:
    """What a split's local file holds, as an entry says it, or what is wrong in it; None if it is as said.

    So whoever writes an entry need not mend it figure by figure. The file's hash is not looked at.
    """
    corpus = get(task)
    expected = corpus.files[split]
    if expected.url is not None:
        return None
    try:
        path = corpus.folder / expected.path
        sentences, faults = READERS[corpus.format](path, list(corpus.types), corpus.rename)
    except BenchmarkError as error:
        return str(error)
    except OSError:
        return None
    counted = Counter(entity.type for sentence in sentences for entity in sentence.entities)
    mentions = {type_: counted[type_] for type_ in corpus.types}
    damaged = faults[DAMAGED_LINE]
    if (len(sentences), mentions, damaged) == (expected.sentences, dict(expected.mentions), expected.damaged):
        return None
    listed = ", ".join(f"{type_}: {number}" for type_, number in mentions.items())
    return f"sentences: {len(sentences)}, mentions: {{{listed}}}" + (
        f", damaged: {damaged}" if damaged or expected.damaged else ""
    )


def load_corpus(task: str, split: str = "test") -> tuple[Sentence, ...]:
    """The checked sentences of a split: text, gold entities, and the document where it is known.

    >>> sentence = load_corpus("bioner_sample", "test")[0]
    >>> sentence.surface(sentence.entities[0]) in sentence.text
    True

    Raises:
        BenchmarkError: as `load`.
    """
    return load(task, split).sentences


def load_training(corpus: Corpus) -> tuple[Sentence, ...]:
    """The sentences that a system for this corpus may learn from; empty where there are none.

    For an out-of-domain corpus they are those of its `training_corpus`, with the entities of its types.

    Raises:
        BenchmarkError: as `load`, or the training corpus has no training split itself.
    """
    if "train" in corpus.files:
        return load(corpus.task, "train").sentences
    if corpus.training_corpus is None:
        return ()
    sentences = load(corpus.training_corpus, "train").sentences
    return tuple(
        replace(
            sentence, entities=tuple(entity for entity in sentence.entities if entity.type in corpus.types)
        )
        for sentence in sentences
    )


def surface_key(surface: str, type_: str) -> tuple[str, str]:
    """What makes two mentions the same for seen and unseen: type and case-folded string."""
    return type_, surface.casefold()


def seen_mentions(training: tuple[Sentence, ...]) -> frozenset[tuple[str, str]] | None:
    """The `surface_key` of every mention in the training sentences; None if there are none to tell by."""
    if not training:
        return None
    return frozenset(
        surface_key(sentence.surface(entity), entity.type)
        for sentence in training
        for entity in sentence.entities
    )


def needs_split(task: str, split: str, where: Path | str) -> None:
    """Raise a `BenchmarkError` unless the task's corpus has this split of its own."""
    if task in names() and split in get(task).files:
        return
    able = ", ".join(name for name in names() if split in get(name).files)
    corpus = f"{task} has no {split} split" if task in names() else f"unknown corpus {task!r}"
    if task in names() and get(task).role == "out-of-domain":
        corpus = f"{task} is out of domain: it is never trained on"
    without = "; or give validation: []" if split == "validation" else ""
    raise BenchmarkError(f"{where}: {corpus}; {split} can be: {able}{without}")


def with_surroundings(task: str, split: str, context: int) -> Sequence[Sentence]:
    """The sentences of a split, each with the `context` ones before and after it in its document.

    Raises:
        BenchmarkError: as `load`, or the corpus's documents are not known and `context` is not 0.
    """
    found = load(task, split).sentences
    return with_context(task, found, context) if context else found
