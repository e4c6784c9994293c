"""A package that is not installed -> the extra of this project that brings it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement

PROJECT = "bioner-bench"

EXTRAS = ("hf", "api", "leaderboard", "train", "dense")
"""Those for users, in the order in which they are asked for a package; others repeat what these bring."""


def install_command(module: str) -> str | None:
    """How to install what an import lacks; None if no extra has it.

    >>> install_command("aiohttp.client")
    "pip install 'bioner-bench[api]'"
    """
    wanted = module.partition(".")[0].replace("_", "-").lower()
    ours = [(extra, each) for name in EXTRAS for extra, each in _extras(PROJECT) if extra == name]
    for extra, requirement in ours:
        # An extra of ours can be one of lm-eval's.
        inner = {name for each in requirement.extras for of, name in _names(requirement.name) if of == each}
        if wanted in {requirement.name.lower(), *inner}:
            return f"pip install '{PROJECT}[{extra}]'"
    return None


def _names(package: str) -> Iterator[tuple[str, str]]:
    return ((extra, requirement.name.lower()) for extra, requirement in _extras(package))


def _extras(package: str) -> Iterator[tuple[str, Requirement]]:
    """The optional requirements of an installed package, each with its extra, as the package lists them."""
    try:
        listed = requires(package) or []
    except PackageNotFoundError:
        listed = []
    for line in listed:
        requirement = Requirement(line)
        _, marked, extra = str(requirement.marker or "").partition("extra == ")
        if marked:
            yield extra.split('"')[1], requirement
