"""Files that somebody else wrote, read within bounds."""

from __future__ import annotations

from pathlib import Path

from bioner_bench.schema import BenchmarkError


def read_bounded(path: Path, most: int) -> str:
    """The UTF-8 text of a regular file. A pipe would be waited for, and a device can be without end.

    Args:
        path: of the file; a link is followed.
        most: bytes that it may have.

    Raises:
        BenchmarkError: it is no regular file, or has more bytes.
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise BenchmarkError(f"{path} is no regular file; name the right file")
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise BenchmarkError(f"{path} has more than {most:,} bytes; name the right file")
    return content.decode()
