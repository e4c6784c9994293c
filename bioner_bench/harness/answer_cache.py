"""lm-eval's `--use_cache` without pickle: answers in its SQLite file are JSON, which runs no code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bioner_bench.schema import BenchmarkError


@contextmanager
def cache_of_json() -> Iterator[None]:
    """Inside, lm-eval's cache of answers writes and reads JSON; a file with anything else is refused."""
    import sqlitedict

    plain = sqlitedict.SqliteDict

    class JsonDict(plain):  # type: ignore[misc, valid-type]
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options, encode=json.dumps, decode=_decoded)

    sqlitedict.SqliteDict = JsonDict
    try:
        yield
    finally:
        sqlitedict.SqliteDict = plain


def _decoded(given: Any) -> Any:
    try:
        found = json.loads(given)
    except (ValueError, TypeError) as error:
        raise BenchmarkError(
            "the file of --use_cache was not written by this version of bioner-bench; name another file"
        ) from error
    return tuple(found) if isinstance(found, list) else found  # of likelihoods
