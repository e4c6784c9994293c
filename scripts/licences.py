"""docs/LICENCES.md: the licence of everything that a plain installation brings, and of the extras.

    python scripts/licences.py

Reads the metadata of the installed packages; the same environment gives the same bytes.
"""

import re
from importlib.metadata import PackageNotFoundError, distribution, metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bioner_bench.writing import write_text

EXTRAS = ("hf", "api", "demo", "leaderboard", "train", "constrained", "dense")  # not those for docs and tests
OUT = Path(__file__).parent.parent / "docs" / "LICENCES.md"

HEAD = """\
# Licences of the dependencies

`pip install bioner-bench` brings {plain} packages; with all extras but those for docs and tests
there are {all}. Version and licence are as each package states them, on Linux with Python 3.11 and
PyTorch's CPU build. `make licences` writes this page. No code of theirs is in this repository.
`bioner-bench corpora list` has the licences of the corpora.

| package | version | licence | needed |
| --- | --- | --- | --- |"""


def needed(name, extras=()):
    """Canonical names of what `name[extras]` brings here, itself included."""
    found, waiting = set(), [(name, frozenset(extras))]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in found:
            continue
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # of an extra that is not installed
        found.add((name, extras))
        for requirement in map(Requirement, lines):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in found}


def licence(name):
    """The SPDX expression, else the classifiers, else the first line of the field."""
    facts = metadata(name)
    if facts["License-Expression"]:
        return facts["License-Expression"]
    classifiers = [
        line.split(" :: ")[-1]
        for line in facts.get_all("Classifier") or []
        if line.startswith("License :: ") and line != "License :: OSI Approved"
    ]
    lines = (facts["License"] or "").strip().splitlines()
    return ", ".join(classifiers) or (lines[0] if lines else "not stated")


def page():
    plain = needed("bioner-bench")
    everything = needed("bioner-bench", EXTRAS)
    rows = [
        f"| {name} | {distribution(name).version} | {re.sub(r'[|<>]', ' ', licence(name))} "
        f"| {'always' if name in plain else 'extras'} |"
        for name in sorted(everything - {"bioner-bench"})
    ]
    head = HEAD.format(plain=len(plain) - 1, all=len(rows))
    return "\n".join([head, *rows, ""])


if __name__ == "__main__":
    write_text(OUT, page())
