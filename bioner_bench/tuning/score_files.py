"""Scores of rows in files: JSON lines, a first one of settings; a killed run goes on where its file ends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bioner_bench.schema import BenchmarkError
from bioner_bench.writing import write_text


@dataclass(frozen=True, slots=True)
class Score:
    """IFD, and the losses of a target in nats per token with and without its prompt; None if not finite."""

    id: str
    ifd: float | None
    loss_conditional: float | None
    loss_alone: float | None
    n_target_tokens: int

    @property
    def value(self) -> float | None:
        """What rows are ranked by."""
        return self.ifd


@dataclass(frozen=True, slots=True)
class Measure:
    """What another scorer says of a row, higher being kept first; None if not finite."""

    id: str
    value: float | None


AnyScore = Score | Measure


def append(path: Path, settings: Mapping[str, Any], scores: Iterator[AnyScore]) -> None:
    """Write scores as they come, behind those that the file has and a first line of settings."""
    _mend(path)
    new = not path.is_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        if new:
            stream.write(json.dumps(settings, ensure_ascii=False) + "\n")
            stream.flush()
        for item in scores:
            stream.write(json.dumps(asdict(item)) + "\n")
            stream.flush()


def read(path: Path, settings: Mapping[str, Any]) -> dict[str, AnyScore]:
    """The scores that a file holds, by row; none if there is no file.

    Raises:
        BenchmarkError: they were made with other settings, or the file is damaged.
    """
    found, scores = load(path)
    if found is not None and found != json.loads(json.dumps(settings)):
        other = [name for name in {**found, **settings} if found.get(name) != settings.get(name)]
        raise BenchmarkError(f"{path} was made with another {', '.join(other)}; name another folder")
    return scores


def load(path: Path) -> tuple[dict[str, Any] | None, dict[str, AnyScore]]:
    """The settings and scores, by row, of a file; a last line that is cut, or being written, is passed over.

    Raises:
        BenchmarkError: the file is damaged elsewhere.
    """
    if not path.is_file():
        return None, {}
    whole = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"]
    if not whole:
        return None, {}
    try:
        settings, *lines = [dict(json.loads(line)) for line in whole]
        kind = Score if settings.get("score", "ifd") == "ifd" else Measure
        return settings, {line["id"]: kind(**line) for line in lines}
    except (ValueError, TypeError, KeyError) as error:
        raise BenchmarkError(f"{path} is damaged ({error}); remove it to score again") from error


def _mend(path: Path) -> None:
    """Drop the last line if a kill cut it, so that more can be written behind it."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if not whole:
            path.unlink()
        elif len(whole) < len(lines):
            write_text(path, "".join(whole))


def copy(source: Path, path: Path, settings: Mapping[str, Any]) -> None:
    """Bring the scores of one file into another, which keeps those that it has.

    Raises:
        BenchmarkError: the source holds none, or a file holds some of other settings.
    """
    found = read(source, settings)
    if not found:
        raise BenchmarkError(f"{source} holds no scores; give a folder that `select` wrote for this corpus")
    own = read(path, settings)
    append(path, settings, (item for id_, item in found.items() if id_ not in own))
