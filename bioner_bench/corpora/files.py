"""Where corpus files lie: beside their entry, in a mirror, or downloaded once into the cache."""

from __future__ import annotations

import os
from pathlib import Path

from bioner_bench.corpora.download import download, sha256
from bioner_bench.corpora.registry import Corpus
from bioner_bench.schema import BenchmarkError

DATA_VARIABLE = "BIONER_BENCH_DATA"
"""Environment variable: the cache folder, instead of the platform's."""

MIRROR_VARIABLE = "BIONER_BENCH_MIRROR"
"""Environment variable: a folder or base URL that has the files under the entries' paths."""


def cache_folder() -> Path:
    """Where downloads and prepared models are kept."""
    from platformdirs import user_cache_path

    return Path(os.environ.get(DATA_VARIABLE) or user_cache_path("bioner_bench"))


def locate(corpus: Corpus, split: str) -> Path:
    """The local path of a split's file, downloaded if need be, with its SHA-256 checked.

    Raises:
        BenchmarkError: no such split, the file cannot be had, or it is another file.
    """
    if split not in corpus.files:
        raise BenchmarkError(f"{corpus.task} has no {split} split; it has: {', '.join(corpus.files)}")
    file = corpus.files[split]
    mirror = os.environ.get(MIRROR_VARIABLE, "")
    if file.url is None:
        return _checked(corpus.folder / file.path, file.sha256, "restore the file, or correct its entry")
    if mirror and "://" not in mirror:
        return _checked(Path(mirror) / file.path, file.sha256, f"see what {MIRROR_VARIABLE} names")
    if mirror and not mirror.startswith(("http://", "https://")):
        raise BenchmarkError(
            f"{MIRROR_VARIABLE} is {mirror}, neither a folder nor an http(s) URL; correct it"
        )
    url = f"{mirror.rstrip('/')}/{file.path}" if mirror else file.url
    return _download(url, file.path, file.sha256)


def _checked(path: Path, expected: str, remedy: str) -> Path:
    if not path.is_file():
        raise BenchmarkError(f"{path}: no such file; {remedy}")
    found = sha256(path)
    if found != expected:
        raise BenchmarkError(
            f"{path}: SHA-256 is {found}, expected {expected}: a cut or another file; {remedy}"
        )
    return path


def _download(url: str, name: str, expected: str) -> Path:
    folder = cache_folder() / "corpora"
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BenchmarkError(f"{path} leads out of {folder}; correct the path in the entry")
    if path.is_file() and sha256(path) == expected:
        return path
    try:
        return download(url, path, expected)
    except BenchmarkError as error:
        raise BenchmarkError(
            f"cannot fetch {url}: {error}; try again, or point {MIRROR_VARIABLE} at a copy"
        ) from error
