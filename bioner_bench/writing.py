"""Files that are whole or not there, written under a temporary name, then renamed; one writer a folder."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONG_AGO = 3600.0
"""Seconds after which nobody is still writing what is written in one go."""


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 with LF line ends; a kill at any moment leaves the old file or the new one."""
    write_bytes(path, content.encode())


def write_where_asked(path: Path, content: str) -> None:
    """`write_text` to a place that the user names: a link is followed, a device or a pipe is written into.

    Other files are not written like this: a link in a folder that came from elsewhere may lead anywhere.
    """
    if path.exists() and not path.is_file():
        path.write_text(content, encoding="utf-8", newline="\n")
    else:
        write_text(Path(os.path.realpath(path)), content)  # `resolve` has no answer for a link to itself


def write_bytes(path: Path, content: bytes) -> None:
    """`write_text` of what is no text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path, older=_LONG_AGO)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_leftovers(path: Path, older: float = 0.0) -> None:
    """Remove what killed processes left under temporary names of a file or folder that they wrote.

    Args:
        path: what they were to write; the names are those that this package gives, `.NAME-????????`.
        older: seconds; what is younger may be another process's, which writes it now.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}-????????"):
        try:
            if older and time.time() - left.stat().st_mtime < older:
                continue
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        except OSError:  # another process was faster, or it is not ours to remove
            continue


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from writing a folder; waits, and says so, while one of them does.

    A process that is killed lets go of it. The lock is a hidden file beside the folder.
    """
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(f"waiting for another process that writes {folder}", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
