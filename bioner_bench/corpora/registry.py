"""Which corpora there are: one YAML entry each, beside this module or in `$BIONER_BENCH_CORPORA`.

An entry's file name and its `task` are the name of the lm-eval task. `ENTRY_SCHEMA` says what it holds;
CONTRIBUTING.md walks through a new one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bioner_bench.schema import BenchmarkError
from bioner_bench.yaml_files import read_yaml

CORPORA_VARIABLE = "BIONER_BENCH_CORPORA"
"""Environment variable: folders with further entries, separated as in PATH."""

SPLITS = ("train", "validation", "test")

# A type called NO, unquoted, is a boolean in YAML.
_NAMED: dict[str, Any] = {"type": "object", "propertyNames": {"type": "string"}}

# Below a mirror, the cache or the entry's folder, and never out of it. These patterns are Python's alone: its
# `$` lets a line end through, and its `.` stops at one.
_INSIDE = {"type": "string", "pattern": r"^(?!(.*/)?\.\.?(/|\Z))[^/\\\x00-\x1f\x7f][^\\\x00-\x1f\x7f]*\Z"}

_FILE_SCHEMA = {
    "type": "object",
    "properties": {
        "path": _INSIDE,
        "url": {"type": "string"},
        "sha256": {"type": "string", "pattern": r"^[0-9a-f]{64}\Z"},
        "sentences": {"type": "integer", "minimum": 1},
        "mentions": _NAMED | {"additionalProperties": {"type": "integer", "minimum": 0}},
        "damaged": {"type": "integer", "minimum": 0},
    },
    "required": ["path", "sha256", "sentences", "mentions"],
    "additionalProperties": False,
}

ENTRY_SCHEMA = {
    "type": "object",
    "properties": {
        "task": {"type": "string", "pattern": r"^[a-z][a-z0-9_]*\Z"},
        "name": {"type": "string"},
        "role": {"enum": ["core", "extended", "out-of-domain", "auxiliary", "demo"]},
        "types": _NAMED | {"minProperties": 1, "additionalProperties": {"type": "string"}},
        "rename": _NAMED | {"additionalProperties": {"type": "string"}},
        "format": {"enum": ["iob2", "mark", "jsonl"]},
        "files": {
            "type": "object",
            "properties": dict.fromkeys(SPLITS, _FILE_SCHEMA),
            "required": ["test"],
            "additionalProperties": False,
        },
        "documents": _INSIDE,
        "training_corpus": {"type": "string"},
        "licence": {"type": "string"},
        "citation": {"type": "string"},
        "notes": {"type": "string"},
    },
    "required": ["task", "name", "role", "types", "format", "files", "licence", "citation"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class CorpusFile:
    """One split's file.

    `path` is its place in a mirror and in the cache; where there is no `url` the file lies beside the
    entry. `sentences`, `mentions` (by type) and `damaged` (lines left out) are what a right file holds.
    """

    path: str
    sha256: str
    sentences: int
    mentions: Mapping[str, int]
    url: str | None = None
    damaged: int = 0


@dataclass(frozen=True)
class Corpus:
    """A corpus as its entry describes it.

    `types` maps each entity type to its definition for the prompt; `rename` maps type names in the
    files to these. `documents` is a file beside the entry that names the document of each sentence, where the
    corpus files do not. `training_corpus` names the corpus whose training split stands in for an absent one:
    it gives the demonstrations, and says which mentions count as seen.
    """

    task: str
    name: str
    role: str
    types: Mapping[str, str]
    format: str
    files: Mapping[str, CorpusFile]
    licence: str
    citation: str
    folder: Path
    rename: Mapping[str, str]
    documents: str | None = None
    training_corpus: str | None = None
    notes: str = ""


def built_in() -> list[str]:
    """The tasks of this package, whatever else `$BIONER_BENCH_CORPORA` adds."""
    return list(_entries(""))


def names() -> list[str]:
    """The tasks that have an entry, built-in ones first."""
    return list(_entries(os.environ.get(CORPORA_VARIABLE, "")))


def get(task: str) -> Corpus:
    """The corpus of a task.

    Raises:
        BenchmarkError: there is no such entry, or the entry is not as `ENTRY_SCHEMA` says.
    """
    entries = _entries(os.environ.get(CORPORA_VARIABLE, ""))
    if task not in entries:
        raise BenchmarkError(f"unknown corpus {task!r}; there are: {', '.join(entries)}")
    return _read(entries[task])


@cache
def _entries(further: str) -> dict[str, Path]:
    paths = sorted(Path(__file__).parent.glob("*.yaml"))
    for folder in filter(None, further.split(os.pathsep)):
        if not Path(folder).is_dir():
            raise BenchmarkError(f"{CORPORA_VARIABLE} names {folder}, which is not a folder")
        paths += sorted(Path(folder).glob("*.yaml"))
    entries: dict[str, Path] = {}
    for path in paths:
        if path.stem in entries:
            raise BenchmarkError(
                f"two entries for {path.stem!r}: {entries[path.stem]} and {path}; rename one"
            )
        entries[path.stem] = path
    return entries


@cache
def _validator() -> Any:
    """Made once: that the schema is one is not looked at again for each entry."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(ENTRY_SCHEMA)


@cache
def _read(path: Path) -> Corpus:
    from jsonschema.exceptions import best_match

    entry = read_yaml(path, "the entry")
    if (fault := best_match(_validator().iter_errors(entry))) is not None:
        raise BenchmarkError(f"{path}: {fault.json_path}: {fault.message}")
    if entry["task"] != path.stem:
        raise BenchmarkError(
            f"{path}: task is {entry['task']!r}, but the file is named {path.stem!r}; make them equal"
        )
    files = {split: CorpusFile(**entry["files"][split]) for split in SPLITS if split in entry["files"]}
    for split, file in files.items():
        if set(file.mentions) != set(entry["types"]):
            raise BenchmarkError(
                f"{path}: files.{split}.mentions needs the types {', '.join(entry['types'])}"
            )
    unknown = set(entry.get("rename", {}).values()) - set(entry["types"])
    if unknown:
        raise BenchmarkError(
            f"{path}: rename leads to {', '.join(sorted(unknown))}, which is none of the types"
        )
    return Corpus(**{"rename": {}} | entry | {"files": files, "folder": path.parent})
