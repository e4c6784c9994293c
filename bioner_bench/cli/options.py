"""What several commands take: shared options, the project's own folders, and values given as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bioner_bench.schema import BenchmarkError

Tasks = Annotated[
    list[str] | None, typer.Argument(help="Tasks; all of them if none is named.", metavar="[TASK]...")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

LEADERBOARD = Path("leaderboards")
CARDS = Path("baselines")
"""The project's own, in the current folder."""


@dataclass
class State:
    """What the options before the command said."""

    verbose: bool = False


state = State()


def json_object(name: str, value: str | None) -> dict[str, Any] | None:
    """The value of an option that takes a JSON object.

    Raises:
        BenchmarkError: it is none.
    """
    if value is None:
        return None
    try:
        found = json.loads(value)
    except ValueError as error:
        raise BenchmarkError(f"{name} {value!r} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise BenchmarkError(f"{name} takes a JSON object, such as '{{\"enable_thinking\": false}}'")
    return found
