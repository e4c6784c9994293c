"""How all figures look, and how they become SVG: the same bytes for the same data."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioner_bench.schema import BenchmarkError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#2f6db3", "#c2571a", "#5a7d2a", "#8a8a8a"
VIOLET, INK, SOFT, GRID = "#7b4fa3", "#1a1f24", "#6b747c", "#dddddd"

_DARK = {
    BLUE: "#83b7f0",
    ORANGE: "#f0a268",
    GREEN: "#a9cd73",
    VIOLET: "#cba6e4",
    INK: "#e3e6e8",
    SOFT: "#a6b0b8",
    GRID: "#3a4248",
}
"""Colour -> what takes its place where the reader's screen is dark."""

_MISSING = 'matplotlib is missing; run: pip install "bioner-bench[leaderboard]"'

_STYLE: dict[Any, Any] = {
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "savefig.transparent": True,
    "svg.hashsalt": "bioner_bench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}


@contextmanager
def style() -> Iterator[None]:
    """Figures that are made inside look alike.

    Raises:
        BenchmarkError: matplotlib is missing.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise BenchmarkError(_MISSING) from error
    mpl.use("agg")
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever a matplotlibrc, or other code in this process, has set
        mpl.rcParams.update(_STYLE)
        yield


def figure(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of this size in inches, and its axes."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height))


def panels(heights: Sequence[float], columns: int, width: float) -> tuple[Figure, list[Any]]:
    """A figure with a panel for each of these heights, in inches, and their axes; row by row."""
    import matplotlib.pyplot as plt

    rows = [max(heights[start : start + columns]) for start in range(0, len(heights), columns)]
    drawn = plt.figure(figsize=(width, sum(rows)), layout="constrained")
    if not rows:
        return drawn, []
    grid = drawn.add_gridspec(len(rows), columns, height_ratios=rows)
    axes = [drawn.add_subplot(grid[place // columns, place % columns]) for place in range(len(heights))]
    return drawn, axes


def svg(drawn: Figure) -> str:
    """The figure as SVG, with colours of its own where the reader's screen is dark; it is closed."""
    import matplotlib.pyplot as plt

    stream = io.StringIO()
    drawn.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(drawn)
    text = "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"
    rules = "".join(
        f'[style*="{part}: {light}"]{{{part}:{dark} !important}}'
        for light, dark in _DARK.items()
        for part in ("fill", "stroke")
    )
    # Letters of a colour that is no style are black, which matplotlib does not write.
    rules += f"text:not([style*=fill]){{fill:{_DARK[INK]}}}"
    sheet = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    return text.replace("<defs>", f"{sheet}\n <defs>", 1)


def source(data: Any, *modules: str) -> str:
    """A hash of what figures are drawn from: their data, the files of the modules, and matplotlib's version.

    Raises:
        BenchmarkError: matplotlib is missing.
    """
    try:
        version = metadata.version("matplotlib")
    except metadata.PackageNotFoundError as error:
        raise BenchmarkError(_MISSING) from error
    code = [Path(module).read_text("utf-8") for module in (__file__, *modules)]
    return hashlib.sha256(json.dumps([data, code, version]).encode()).hexdigest()


def stamped(drawn: str, source: str) -> str:
    """The figure with a last line by which `is_drawn_from` knows it and its source again."""
    return f"{drawn}<!-- {hashlib.sha256((source + drawn).encode()).hexdigest()} -->\n"


def is_drawn_from(figure: str, source: str) -> bool:
    """Whether nothing has changed since `stamped`: neither the figure nor what it is drawn from."""
    return figure == stamped(figure[: figure.rfind("<!-- ")], source)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels as near to these as can be, at least `gap` apart, between `low` and `high`.

    >>> spread([10, 11, 50], 8, 0, 100)
    [6.5, 14.5, 50.0]
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    # Blocks of labels that touch, each about the mean of where its labels want to be.
    blocks: list[tuple[float, list[int]]] = []
    for index in order:
        block = [index]
        middle = float(places[index])
        while blocks and blocks[-1][0] + gap * len(blocks[-1][1]) / 2 > middle - gap * len(block) / 2:
            block = blocks.pop()[1] + block
            middle = sum(places[each] for each in block) / len(block)
        half = gap * len(block) / 2
        blocks.append((min(max(middle, low + half), max(high - half, low + half)), block))
    found = [0.0] * len(places)
    for middle, block in blocks:
        for place, index in enumerate(block):
            found[index] = middle + gap * (place - (len(block) - 1) / 2)
    return found
