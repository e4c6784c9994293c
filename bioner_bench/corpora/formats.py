"""Corpus file formats: file -> sentences. A new format is one more reader here.

Every reader takes (path, types, rename) and returns (sentences, faults), where faults counts what was
read although it is not as it should be. Anything else is a `BenchmarkError` naming file and line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bioner_bench.schema import BenchmarkError, Entity, Sentence

Reader = Callable[[Path, Sequence[str], Mapping[str, str]], tuple[list[Sentence], Counter[str]]]

ORPHAN_INSIDE = "I- without B-"
"""Fault of IOB2 files: an I- tag that continues nothing; it opens an entity."""

DAMAGED_LINE = "damaged"
"""Fault of <mark> files: a line whose marks do not open and close in turn around text; it is left out."""


def read_iob2(
    path: Path, types: Sequence[str], rename: Mapping[str, str]
) -> tuple[list[Sentence], Counter[str]]:
    """Token and tag, separated by a tab, one token a line, a blank line after each sentence.

    The text is the tokens joined by one space. A `-DOCSTART-` line before a sentence begins a document and
    is no part of it.
    """
    sentences: list[Sentence] = []
    faults: Counter[str] = Counter()
    documents = 0
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in numbered_lines(path, ending=True):
        if line.strip():
            columns = line.split("\t")
            if len(columns) != 2 or not columns[0].strip():
                found = "an empty token" if len(columns) == 2 else f"{len(columns)} tab-separated column(s)"
                raise BenchmarkError(f"{path}:{number}: {found}, expected a token and a tag")
            if columns[0] == "-DOCSTART-":
                if tokens:
                    raise BenchmarkError(
                        f"{path}:{number}: -DOCSTART- inside a sentence; end it by a blank line"
                    )
                documents += 1
                continue
            tokens.append(columns[0])
            tags.append(_iob2_tag(columns[1], types, rename, f"{path}:{number}"))
        elif tokens:
            name = f"document-{documents}" if documents else None
            entities, orphans = iob2_entities(tokens, tags)
            faults[ORPHAN_INSIDE] += orphans
            sentences.append(Sentence(f"{len(sentences)}", " ".join(tokens), entities, name))
            tokens, tags = [], []
    return sentences, faults


def iob2_entities(tokens: Sequence[str], tags: Sequence[str]) -> tuple[tuple[Entity, ...], int]:
    """Tags -> entities on the tokens joined by one space, and the number of I- that opened one.

    >>> iob2_entities(["A", "-", "T", "is"], ["B-Disease", "I-Disease", "I-Disease", "O"])
    ((Entity(start=0, end=5, type='Disease'),), 0)
    """
    entities: list[Entity] = []
    orphans = 0
    offset = 0
    open_type = None
    for token, tag in zip(tokens, tags, strict=True):
        end = offset + len(token)
        prefix, _, type_ = tag.partition("-")
        if prefix == "I" and type_ == open_type:
            entities[-1] = Entity(entities[-1].start, end, type_)
        elif prefix != "O":
            orphans += prefix == "I"
            entities.append(Entity(offset, end, type_))
        open_type = type_ or None
        offset = end + 1
    return tuple(entities), orphans


def read_mark(
    path: Path, types: Sequence[str], rename: Mapping[str, str]
) -> tuple[list[Sentence], Counter[str]]:
    """One sentence a line, mentions of the corpus's single type inside `<mark>` and `</mark>`.

    Nothing else is markup: `<` and `&lt;` are text.
    """
    if len(types) != 1:
        raise BenchmarkError(f"{path}: <mark> files name no types, so their corpus has one, not {len(types)}")
    sentences: list[Sentence] = []
    faults: Counter[str] = Counter()
    for number, line in numbered_lines(path):
        pieces = re.split("(</?mark>)", line)
        if pieces[1::2] != ["<mark>", "</mark>"] * (len(pieces) // 4) or "" in pieces[2::4]:
            faults[DAMAGED_LINE] += 1
            continue
        text = ""
        entities = []
        for index, piece in enumerate(pieces[::2]):
            if index % 2:
                entities.append(Entity(len(text), len(text) + len(piece), types[0]))
            text += piece
        _needs_text(text, f"{path}:{number}")
        sentences.append(Sentence(f"{len(sentences)}", text, tuple(entities)))
    return sentences, faults


def read_jsonl(
    path: Path, types: Sequence[str], rename: Mapping[str, str]
) -> tuple[list[Sentence], Counter[str]]:
    """One JSON object a line: `text`, `entities` of `start`, `end`, `type` and optionally `text`, and
    optionally `id` and `document`, strings; ids are unique.
    """
    sentences: list[Sentence] = []
    names: dict[str, int] = {}
    for number, line in numbered_lines(path):
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
            if not (
                isinstance(row, dict)
                and isinstance(row.get("text"), str)
                and isinstance(row.get("entities"), list)
            ):
                raise ValueError('a line is an object with "text", a string, and "entities", a list')
            _needs_text(row["text"], where)
            row["text"].encode()  # refuses lone surrogates, which data sets cannot hold
            entities = []
            for given in row["entities"]:
                if not (
                    isinstance(given, dict)
                    and type(given.get("start")) is type(given.get("end")) is int
                    and isinstance(given.get("type"), str)
                ):
                    raise ValueError(
                        'an entity is an object with "start" and "end", whole numbers, and "type", a string'
                    )
                entity = Entity(given["start"], given["end"], rename.get(given["type"], given["type"]))
                if entity.type not in types:
                    raise BenchmarkError(f"{where}: type {entity.type!r} is none of {', '.join(types)}")
                surface = row["text"][entity.start : entity.end]
                if given.get("text", surface) != surface:
                    raise BenchmarkError(
                        f"{where}: the text at {entity.start}-{entity.end} is {surface!r}, "
                        f"but the entity says {given['text']!r}"
                    )
                entities.append(entity)
            name, document = str(row.get("id", len(sentences))), row.get("document")
            if name in names:
                raise BenchmarkError(f"{where}: the id {name!r} is that of line {names[name]} too")
            if not isinstance(document, str | None):
                raise ValueError(f"document is a string, not {json.dumps(document)}")
            names[name] = number
            sentences.append(Sentence(name, row["text"], tuple(sorted(entities)), document))
        except json.JSONDecodeError as error:
            raise BenchmarkError(f"{where}: not JSON: {error.msg} at character {error.colno}") from error
        except UnicodeEncodeError as error:
            raise BenchmarkError(f"{where}: the text has half of a surrogate pair; mend it") from error
        except RecursionError as error:
            raise BenchmarkError(f"{where}: lists in lists too deep to be read") from error
        except ValueError as error:
            raise BenchmarkError(f"{where}: {error}") from error
    return sentences, Counter()


READERS: dict[str, Reader] = {"iob2": read_iob2, "mark": read_mark, "jsonl": read_jsonl}


def _needs_text(text: str, where: str) -> None:
    """Refuse a sentence without a word: it would be no sentence in files of tokens."""
    if not text.strip():
        raise BenchmarkError(f"{where}: a sentence without text; leave the line out")


def _iob2_tag(tag: str, types: Sequence[str], rename: Mapping[str, str], where: str) -> str:
    prefix, dash, type_ = tag.partition("-")
    if tag == "O":
        return tag
    type_ = rename.get(type_, type_)
    if prefix not in ("B", "I") or type_ not in types:
        allowed = ", ".join(f"B-{name}, I-{name}" for name in types)
        raise BenchmarkError(f"{where}: tag {tag!r} is none of O, {allowed}")
    return f"{prefix}{dash}{type_}"


def numbered_lines(path: Path, ending: bool = False) -> Iterator[tuple[int, str]]:
    """Numbered lines without their line ends; with `ending`, one more empty line closes the file.

    Only LF and CRLF end a line: some corpora hold other Unicode line separators inside sentences.
    """
    raw = path.read_bytes()
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = raw.count(b"\n", 0, error.start) + 1
        raise BenchmarkError(f"{path}:{where}: not UTF-8; convert the file") from error
    lines = content.split("\n")
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, 1):
        yield number, line.removesuffix("\r")
    if ending:
        yield len(lines) + 1, ""
