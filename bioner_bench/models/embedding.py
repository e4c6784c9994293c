"""Texts -> vectors whose dot product says how alike the texts are; a model is known by its content.

sentence-transformers reads how a model pools, what it puts before a text and what it does with the result.
A folder without such a description pools as it sees fit: the mean of an encoder's tokens, the last token of a
causal model's. Code that a model brings along is never run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioner_bench.corpora.download import sha256
from bioner_bench.models import packaged
from bioner_bench.schema import BenchmarkError

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> their vectors, texts x dimensions, each of length 1."""

BATCH = 32


@cache
def revision(model: str, asked: str | None = None) -> str:
    """What tells two versions of an embedding model apart.

    Args:
        model: a name of `bioner-bench models prepare`, a folder, or a hub id.
        asked: a branch, tag or commit on the hub, or what this function said of a folder.

    Returns:
        `sha256:` and a hash of the weights of a packaged model, or of all files of a folder, of which any may
        matter: pooling, prompts, tokenizer; else the commit on the hub.

    Raises:
        BenchmarkError: there is no such model, or the folder's content is not what was asked for.
    """
    source = packaged.resolve(model)
    with packaged.loading(model):
        if not Path(source).is_dir():
            found = packaged.revision(source, asked)
        elif packaged.name_of_folder(source):
            found = packaged.revision(source)
        else:
            found = _of_folder(Path(source))
    if found is None:
        raise BenchmarkError(f"{model}: its commit on the hub is not known; name it: {model}@COMMIT")
    if asked is not None and Path(source).is_dir() and asked != found:
        raise BenchmarkError(f"{model} is {found} here, not {asked}; name the folder of the right one")
    return found


def _of_folder(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
    listed = [f"{path.relative_to(folder).as_posix()} {sha256(path)}\n" for path in files]
    return f"sha256:{hashlib.sha256(''.join(listed).encode()).hexdigest()}"


@cache
def load(model: str, at: str) -> Embed:
    """Load a model at the revision that `revision` named; it computes in float32.

    Raises:
        BenchmarkError: sentence-transformers is not installed, or cannot load it without running its code.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise BenchmarkError(f'{error}; run: pip install "bioner-bench[dense]"') from error
    from bioner_bench.models import hardware

    source = packaged.resolve(model)
    try:
        with packaged.loading(model):
            network: Any = SentenceTransformer(
                source,
                revision=None if Path(source).is_dir() else at,
                device=hardware.device(),
                model_kwargs={"dtype": "float32"},
                trust_remote_code=False,
            )
    except (ValueError, ImportError) as error:
        raise BenchmarkError(f"{model} cannot be loaded as an embedding model: {error}") from error

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        made = network.encode(
            list(texts),
            batch_size=BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=len(texts) > 20 * BATCH,
        )
        return np.asarray(made, dtype=np.float32)

    return embed
