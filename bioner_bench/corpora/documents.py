"""Which document each sentence comes from, where a corpus's own files do not say so.

An entry's `documents` names a file beside it: a line for each document, with split, name and number of
sentences, in the order of the corpus file. A document in several pieces stands in several lines and is one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from bioner_bench.corpora.formats import numbered_lines
from bioner_bench.corpora.registry import Corpus
from bioner_bench.schema import BenchmarkError, Sentence


def with_documents(corpus: Corpus, split: str, sentences: Sequence[Sentence]) -> list[Sentence]:
    """The sentences of a split with the names of their documents.

    Raises:
        BenchmarkError: the file is malformed, does not have as many sentences as the split, or the corpus
            file names documents itself.
    """
    if corpus.documents is None:
        return list(sentences)
    path = corpus.folder / corpus.documents
    if not path.is_file():
        raise BenchmarkError(f"{path}: no such file, but the entry of {corpus.task} names it as documents")
    if any(sentence.document is not None for sentence in sentences):
        raise BenchmarkError(
            f"{path}: the {split} file of {corpus.task} names its documents itself; "
            "take `documents` out of the entry"
        )
    names: list[str] = []
    for number, line in numbered_lines(path):
        columns = line.split("\t")
        if len(columns) != 3 or not columns[1] or not columns[2].isdecimal() or int(columns[2]) == 0:
            raise BenchmarkError(
                f"{path}:{number}: expected split, document and number of sentences, with tabs between them"
            )
        if columns[0] not in corpus.files:
            raise BenchmarkError(f"{path}:{number}: {corpus.task} has no split {columns[0]!r}")
        if columns[0] == split:
            names += [columns[1]] * int(columns[2])
    if len(names) != len(sentences):
        raise BenchmarkError(
            f"{path}: documents of {len(names)} sentences, but the {split} split of {corpus.task} has "
            f"{len(sentences)}; mend the file"
        )
    return [replace(sentence, document=name) for sentence, name in zip(sentences, names, strict=True)]


def with_context(task: str, sentences: Sequence[Sentence], size: int) -> list[Sentence]:
    """The sentences with the `size` ones before and after each in its document, as far as there are some.

    Args:
        task: whose they are, for the error.
        sentences: a whole split; the order in it is that in the documents.
        size: at least 1.

    Raises:
        BenchmarkError: it is not known which documents they are from.
    """
    documents: dict[str, list[int]] = defaultdict(list)
    for place, sentence in enumerate(sentences):
        if sentence.document is None:
            raise BenchmarkError(
                f"{task}: its sentences name no documents, so there is no context; leave context out"
            )
        documents[sentence.document].append(place)
    made = list(sentences)
    for places in documents.values():
        texts = [sentences[place].text for place in places]
        for index, place in enumerate(places):
            made[place] = replace(
                sentences[place],
                before=" ".join(texts[max(0, index - size) : index]),
                after=" ".join(texts[index + 1 : index + 1 + size]),
            )
    return made
