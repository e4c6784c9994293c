"""Sentences <-> IOB2 files, for tools that read and write one token a line.

A file has a line a token, token and tag with a tab between them, and an empty line after each sentence; a
`-DOCSTART-` line begins a document. A corpus whose files are such tokens keeps them; other text is cut into
the words of `tagging.words`. A span that begins or ends inside a word then takes in the whole word, and of
spans that share a word only the first can be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bioner_bench.corpora.formats import iob2_entities, numbered_lines
from bioner_bench.models.tagging import OUTSIDE, to_entities, to_tags, words
from bioner_bench.schema import BenchmarkError, Entity, Sentence

DOCUMENT = "-DOCSTART-"


@dataclass(frozen=True)
class Written:
    """The text of an IOB2 file, and what it cannot say: spans that were `widened` to words, and `lost`."""

    text: str
    widened: int
    lost: int


@dataclass(frozen=True)
class Read:
    """The entities of each sentence, and how many I- tags continued nothing, so that they opened one."""

    entities: list[list[Entity]]
    orphans: int


def write(sentences: Iterable[Sentence], tokenised: bool) -> Written:
    """Sentences as an IOB2 file; documents only where all sentences name theirs.

    `tokenised` says that the texts are tokens with one space between them.
    """
    sentences = list(sentences)
    named = all(sentence.document is not None for sentence in sentences)
    lines: list[str] = []
    widened = lost = 0
    document = None
    for sentence in sentences:
        if named and sentence.document != document:
            document = sentence.document
            lines += [f"{DOCUMENT}\t{OUTSIDE}", ""]
        spans = _joined(sentence.text.split(" ")) if tokenised else words(sentence.text)
        tags = to_tags(spans, sentence.entities)
        said = to_entities(spans, tags)
        widened += len(set(said) - set(sentence.entities))
        lost += len(sentence.entities) - len(said)
        lines += [f"{sentence.text[start:end]}\t{tag}" for (start, end), tag in zip(spans, tags, strict=True)]
        lines.append("")
    return Written("".join(f"{line}\n" for line in lines), widened, lost)


def read(path: Path, sentences: Sequence[Sentence], types: Iterable[str]) -> Read:
    """The tags of a file as entities of these sentences, which stand there in this order.

    How the text is cut into tokens is free: all tokens of a sentence together must be its text, white space
    aside. The first column is the token, the last one the tag.

    Raises:
        BenchmarkError: a line is no token and tag, a type is unknown, a sentence is another one or missing.
    """
    allowed = {OUTSIDE, *(f"{prefix}-{type_}" for type_ in types for prefix in "BI")}
    found: list[list[Entity]] = []
    orphans = 0
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in numbered_lines(path, ending=True):
        if line.strip():
            columns = line.split("\t" if "\t" in line else " ")
            if len(columns) < 2 or not columns[0].strip():
                raise BenchmarkError(f"{path}:{number}: expected a token and a tag with a tab between them")
            if columns[0] == DOCUMENT:
                continue
            if columns[-1] not in allowed:
                raise BenchmarkError(
                    f"{path}:{number}: tag {columns[-1]!r} is none of {', '.join(sorted(allowed))}"
                )
            tokens.append(columns[0])
            tags.append(columns[-1])
        elif tokens:
            if len(found) == len(sentences):
                raise BenchmarkError(
                    f"{path}:{number}: more than the {len(sentences)} sentences of the split"
                )
            spans = _placed(tokens, sentences[len(found)], f"{path}:{number}")
            # On the tokens joined by a space, then moved to where these tokens stand.
            entities, opened = iob2_entities(tokens, tags)
            orphans += opened
            joined = _joined(tokens)
            starts = {start: at for (start, _), (at, _) in zip(joined, spans, strict=True)}
            ends = {end: at for (_, end), (_, at) in zip(joined, spans, strict=True)}
            found.append([Entity(starts[each.start], ends[each.end], each.type) for each in entities])
            tokens, tags = [], []
    if len(found) < len(sentences):
        raise BenchmarkError(
            f"{path} has {len(found)} of the {len(sentences)} sentences of the split; tag all of them, in "
            "their order"
        )
    return Read(found, orphans)


def _joined(tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Start and end of tokens in the text that they make with one space between them."""
    spans = []
    start = 0
    for token in tokens:
        spans.append((start, start + len(token)))
        start += len(token) + 1
    return spans


def _placed(tokens: Sequence[str], sentence: Sentence, where: str) -> list[tuple[int, int]]:
    """Where tokens stand in a sentence's text."""
    offsets = [offset for offset, character in enumerate(sentence.text) if not character.isspace()]
    squeezed = "".join(sentence.text[offset] for offset in offsets)
    spans = []
    at = 0
    for token in tokens:
        needle = "".join(token.split())
        if not squeezed.startswith(needle, at):
            raise BenchmarkError(
                f"{where}: the sentence that ends here is not {sentence.id}, whose text goes on with "
                f"{squeezed[at : at + 20]!r} where the file has {token!r}; keep text and order of the export"
            )
        spans.append((offsets[at], offsets[at + len(needle) - 1] + 1))
        at += len(needle)
    if at < len(squeezed):
        raise BenchmarkError(f"{where}: the sentence that ends here lacks the end of {sentence.id}")
    return spans
