"""The templates of the HTML pages: what stands in them is escaped, and what is not given is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

FOLDER = resources.files("bioner_bench.leaderboard")


def template(name: str, filters: Mapping[str, Callable[..., Any]] | None = None, **given: str) -> Template:
    """The template in a file of this folder, with filters of its own and texts that macros see too."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= filters or {}
    environment.globals |= given
    return environment.from_string(FOLDER.joinpath(name).read_text("utf-8"))
