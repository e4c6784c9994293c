"""Runs on a corpus -> a picture of F1 against speed: where points, labels and axes stand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bioner_bench.plotting import spread

MOST = 24
"""Points of a picture: the best systems. More names could not be read."""

WIDTH, LEFT, RIGHT, TOP, LINE = 1040, 52, 540, 14, 17
"""Of the picture in its own units: the plot is between `LEFT` and `RIGHT`, labels stand beyond it."""


def picture(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The geometry of the picture; None if the speed of fewer than two systems is known.

    Args:
        entries: those of one corpus, as `page_rows.entries` makes them, best first.
    """
    known = [entry for entry in entries if entry["speed"] and entry["kind"] != "reference"][:MOST]
    if len(known) < 2:
        return None
    height = max(220, TOP + LINE * (len(known) + 1))
    values: list[float] = [100 * entry["scores"]["strict_f1"][0] for entry in known]
    low, high = 10 * math.floor(min(values) / 10), 10 * math.ceil((max(values) + 0.1) / 10)
    step = 10 if high - low <= 60 else 20
    first: int = math.floor(math.log10(min(entry["speed"] for entry in known)))
    last = max(first + 1, math.ceil(math.log10(max(entry["speed"] for entry in known))))

    def across(speed: float) -> float:
        share = (math.log10(speed) - first) / (last - first)
        return round(LEFT + (RIGHT - LEFT) * share, 1)

    def down(value: float) -> float:
        return round(TOP + (height - 2 * TOP) * (high - value) / (high - low), 1)

    places = spread([down(value) for value in values], LINE, TOP, height)
    points = [
        {
            "x": across(entry["speed"]),
            "y": down(value),
            "label_y": round(place, 1),
            "kind": entry["kind"],
            "title": entry["title"],
            "about": ", ".join(part for part in (entry["asked"], entry["size"]) if part),
            "said": f"{value:.1f} F1, {entry['speed']:,g} sentences a second"
            + (f" on {entry['hardware']}" if entry["hardware"] else ""),
        }
        for entry, value, place in zip(known, values, places, strict=True)
    ]
    return {
        "width": WIDTH,
        "height": height + 34,
        "left": LEFT,
        "right": RIGHT,
        "bottom": height - TOP,
        "top": TOP,
        "points": points,
        "columns": [(across(10.0**power), f"{10.0**power:,g}") for power in range(first, last + 1)],
        "lines": [(down(value), str(value)) for value in range(low, high + 1, step)],
    }
