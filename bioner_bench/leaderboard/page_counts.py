"""Records of a task -> the counts that the page compares two systems by, document by document, as short text.

Documents are in the order of their gold, so that equal counts stand together; the same order for all runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from bioner_bench.evaluation.scoring import Table
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.records import Record

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Units = npt.NDArray[np.int64]


def of_task(found: Sequence[Record]) -> dict[str, Any]:
    """The counts of runs on one task and the same gold.

    Returns:
        `unit`, what is drawn; `units`, how many; `gold`, column -> packed counts; `runs`, the same by the
        place of the record. Columns are named as in `scoring`.
    """
    types = found[0]["types"]
    documents = next((record["documents"] for record in found if record["documents"]), None)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(documents or []))}
    unit = np.array([numbers[name] for name in documents]) if documents else None
    tables = {records.place(record).as_posix(): records.counts_of(record) for record in found}
    one = next(iter(tables.values()))
    gold = [f"gold/{type_}" for type_ in types]
    gold += ["seen", "unseen"] if one["seen"].any() or one["unseen"].any() else []
    own = [f"{column}/{type_}" for type_ in types for column in ("predicted", "strict")]
    own += [f"{column}_strict" for column in gold if column in ("seen", "unseen")]
    order = np.lexsort([_units(one, column, unit) for column in reversed(gold)])
    return {
        "unit": "document" if documents else "sentence",
        "units": len(order),
        "gold": {column: pack(_units(one, column, unit)[order]) for column in gold},
        "runs": {
            place.removesuffix(".json"): {column: pack(_units(table, column, unit)[order]) for column in own}
            for place, table in tables.items()
        },
    }


def pack(values: Units) -> str:
    """Whole numbers as text: a digit of base 62 each, `(75)` above, and `0{12}` for twelve in a row.

    >>> pack(np.array([0, 0, 0, 0, 0, 0, 11, 75]))
    '0{6}B(75)'
    """
    parts = []
    for value, run in groupby(values.tolist()):
        times = len(list(run))
        digit = _DIGITS[value] if value < len(_DIGITS) else f"({value})"
        parts.append(f"{digit}{{{times}}}" if times > 4 else digit * times)
    return "".join(parts)


def _units(table: Table, column: str, unit: Units | None) -> Units:
    """One number a document, or a sentence where there are no documents; `unit` is that of each sentence."""
    return table[column] if unit is None else np.bincount(unit, weights=table[column]).astype(np.int64)
