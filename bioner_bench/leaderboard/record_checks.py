"""What a record is checked against: the gold of its task, and what counts cannot be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import cast

import numpy as np
import numpy.typing as npt

from bioner_bench.evaluation.parsing import Level
from bioner_bench.evaluation.scoring import Table

MAX_COUNT = 1_000_000
"""Of one sentence, in any column."""

Column = npt.NDArray[np.int64]


@cache
def gold_hashes() -> dict[str, str]:
    """Task -> SHA-256 of the gold of its test split, for the tasks that come with this package."""
    pinned = resources.files("bioner_bench.leaderboard").joinpath("gold.json").read_text("utf-8")
    return cast(dict[str, str], json.loads(pinned))


def impossible(table: Table, types: Sequence[str], spans: bool = False) -> str | None:
    """Why no sentence can have counts like these, with its place; None if all can.

    Of predicted spans, none was read.

    A strict match whose string is written otherwise, "Ataxia" for "ataxia", is no string match, so strict
    scores may well be above string scores.
    """
    unmatched = table["predicted"] - table["relaxed"]
    known = table["seen"] + table["unseen"]
    rules: list[tuple[str, Column, Column | int]] = []
    for type_ in types:
        gold, predicted, strict, relaxed = (
            table[f"{column}/{type_}"] for column in ("gold", "predicted", "strict", "relaxed")
        )
        rules += [
            (f"strict than relaxed matches of {type_}", strict, relaxed),
            (f"relaxed matches of {type_} than gold mentions", relaxed, gold),
            (f"relaxed matches of {type_} than predicted mentions", relaxed, predicted),
        ]
    rules += [
        ("distinct gold strings than gold mentions", table["string_gold"], table["gold"]),
        ("distinct predicted strings than mentions", table["string_predicted"], table["predicted"]),
        ("string matches than gold strings", table["string"], table["string_gold"]),
        ("string matches than predicted strings", table["string"], table["string_predicted"]),
        ("seen and unseen than gold mentions", known, table["gold"]),
        ("strict matches of seen mentions than seen mentions", table["seen_strict"], table["seen"]),
        ("strict matches of unseen mentions than unseen mentions", table["unseen_strict"], table["unseen"]),
        (
            "strict matches of seen and unseen mentions than strict matches",
            table["seen_strict"] + table["unseen_strict"],
            table["strict"],
        ),
        ("mentions without a span than unmatched ones", table["hallucinated"] + table["surplus"], unmatched),
        (
            "mentions than none in an unreadable answer",
            table["predicted"] * table["failed"],
            0,
        ),
        ("cuts than one", table["cut"], 1),
        ("ambiguous answers than one", table["ambiguous"], 1),
    ]
    for what, part, whole in rules:
        wrong = np.flatnonzero(part > whole)
        if len(wrong):
            return f"sentence {wrong[0] + 1} has more {what}"
    for given, derived in (("gold", "string_gold"), ("predicted", "string_predicted")):
        wrong = np.flatnonzero((table[given] > 0) & (table[derived] == 0))
        if len(wrong):
            return f"sentence {wrong[0] + 1} has {given} mentions, but no {given} string"
    if len(wrong := np.flatnonzero((known != table["gold"]) & bool(known.any()))):
        return f"sentence {wrong[0] + 1} has gold mentions that are neither seen nor unseen"
    levels = np.sum([table[level.name.lower()] for level in Level], axis=0)
    if spans:
        read = levels + table["cut"] + table["ambiguous"]
        return f"sentence {np.argmax(read) + 1} has predicted spans that were read" if read.any() else None
    if len(wrong := np.flatnonzero(levels != 1)):
        return f"sentence {wrong[0] + 1} has no parse level from 0 to {max(Level)}"
    return None
