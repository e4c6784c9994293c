"""One file over HTTP: bounded in bytes and in time, whole and right by its SHA-256 or not there at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bioner_bench.schema import BenchmarkError
from bioner_bench.writing import only_writer, remove_leftovers

MAX_BYTES = 256 * 2**20
"""More than any corpus file has; a server that sends on is left."""

DEADLINE = 600.0
"""Seconds for one try, however steadily a slow server sends."""

_TRIES = 2
_PAUSE = 1.0  # seconds between tries
_TIMEOUT = (5, 30)  # seconds to connect, and between two pieces


def download(url: str, path: Path, expected: str) -> Path:
    """Fetch a file to its place, with one more try; of several processes one does, the others wait for it.

    What is fetched is written under a hidden name beside the place and renamed once its SHA-256 is right;
    what a killed process left there is removed.

    Raises:
        BenchmarkError: the place cannot be written, or no try brought the right file.
    """
    import requests

    reason = ""
    try:
        with only_writer(path):
            if path.is_file() and sha256(path) == expected:  # another process was faster
                return path
            remove_leftovers(path)
            for number in range(_TRIES):
                if number:
                    time.sleep(_PAUSE)
                try:
                    _fetch(url, path, expected)
                except (requests.RequestException, _WrongFileError) as error:
                    reason = " ".join(str(error).split())
                else:
                    return path
    except OSError as error:
        reason = str(error)
    raise BenchmarkError(reason)


class _WrongFileError(Exception):
    """The server sent something else, or did not end; another try may help."""


def _fetch(url: str, path: Path, expected: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        found = hashlib.sha256()
        with os.fdopen(descriptor, "wb") as part:
            for piece in _pieces(url, path.name):
                found.update(piece)
                part.write(piece)
        if found.hexdigest() != expected:
            raise _WrongFileError(
                f"SHA-256 is {found.hexdigest()}, expected {expected}: a cut or another file"
            )
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _pieces(url: str, name: str) -> Iterator[bytes]:
    """What the server sends, as it comes, up to the bounds."""
    import requests
    from tqdm import tqdm
    from urllib3.exceptions import HTTPError

    began = time.monotonic()
    # Not packed: what a few bytes unpack to has no bound.
    with requests.get(
        url, stream=True, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"}
    ) as response:
        response.raise_for_status()
        promised = response.headers.get("Content-Length", "")
        size = int(promised) if promised.isdecimal() else None
        received = 0
        with tqdm(total=size, unit="B", unit_scale=True, desc=name, disable=None, leave=False) as bar:
            try:
                while piece := response.raw.read1(2**16):
                    received += len(piece)
                    if received > MAX_BYTES:
                        raise _WrongFileError(f"the server sends more than {MAX_BYTES:,} bytes")
                    if time.monotonic() - began > DEADLINE:
                        raise _WrongFileError(f"{received:,} bytes in {DEADLINE:.0f} seconds: too slow")
                    bar.update(len(piece))
                    yield piece
            except HTTPError as error:
                raise _WrongFileError(str(error)) from error
    if size is not None and received != size:
        raise _WrongFileError(f"{received:,} of {size:,} bytes came")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
