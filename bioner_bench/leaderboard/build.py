"""A folder of records, and cards -> all files of the leaderboard. Pure: same input, same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bioner_bench.evaluation.scoring import scores
from bioner_bench.harness.cards import Card
from bioner_bench.leaderboard import figures, page, records, rows, tables
from bioner_bench.leaderboard.records import Record
from bioner_bench.schema import BenchmarkError
from bioner_bench.writing import write_text


def read_records(folder: Path) -> list[Record]:
    """All records below a folder, in the order of their paths.

    Raises:
        BenchmarkError: one is no valid record, or does not lie where it belongs.
    """
    found = []
    for path in sorted(folder.rglob("*.json")):
        record = records.read(path)
        if path.relative_to(folder) != records.place(record):
            raise BenchmarkError(
                f"{path}: this record belongs to {folder / records.place(record)}; move it there"
            )
        found.append(record)
    return found


def measured_systems(folder: Path) -> set[str]:
    """The systems that have a record below a folder of records."""
    return {path.parent.name for path in folder.glob("*/*.json")}


def build(
    records_folder: Path, cards: Mapping[str, Card], kept: Path | None = None, linked: bool = True
) -> dict[str, str]:
    """All files of the leaderboard: path below its folder -> content.

    There are links to the cards if they are `linked`: if they lie in `tables.CARDS`, seen from there.

    Figures are not drawn again where the leaderboard in `kept` has them already, by their own stamp. A stamp
    shows what was changed by accident; who can compute it can forge it, so what is written is always drawn.
    """
    found = read_records(records_folder)
    table = rows.table(found, cards)
    old = {path.name: _read(path) or "" for path in kept.glob("figures/*.svg")} if kept else {}
    drawn = figures.draw(table, old)
    return {
        "README.md": tables.markdown(table, list(drawn), linked),
        "REPORTED.md": tables.reported(table, linked),
        "leaderboard.csv": _csv(table),
        "leaderboard.json": _json(table),
        "index.html": page.html(table, found, cards, linked),
        **{f"figures/{name}": svg for name, svg in drawn.items()},
    }


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write what `build` made, and remove figures that it did not make."""
    for name, content in files.items():
        write_text(folder / name, content)
    for path in (folder / "figures").glob("*.svg"):
        if f"figures/{path.name}" not in files:
            path.unlink()


def stale(files: Mapping[str, str], folder: Path) -> list[str]:
    """The names of files in `folder` that are not as `build` makes them."""
    wrong = [name for name, content in files.items() if _read(folder / name) != content]
    extra = {f"figures/{path.name}" for path in (folder / "figures").glob("*.svg")} - set(files)
    return sorted([*wrong, *extra])


def _read(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8", "replace") if path.is_file() else None


_ALWAYS = {f"{name}{end}" for name in scores(["one type"]) for end in ("", "_low", "_high")}
"""Scores that every measured row has, null where nothing is known."""


def _json(table: pd.DataFrame) -> str:
    """A list of rows; a measured one without the fields of a reported one, and the other way round."""
    made: list[dict[str, Any]] = []
    for row in table.to_dict("records"):
        measured = row["measured"]
        absent = ("source", "link", "certainty", "protocol") if measured else ("gold_sha256", "record")
        made.append(
            {
                name: None if pd.isna(value) is True else value
                for name, value in row.items()
                if (name not in absent)
                if name in rows.FACTS or pd.notna(value) or (measured and name in _ALWAYS)
            }
        )
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def _csv(table: pd.DataFrame) -> str:
    joined = table.assign(trained_on=table["trained_on"].map(" ".join)).map(_cell)
    return str(joined.to_csv(index=False, lineterminator="\n"))


def _cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula: such text gets an apostrophe; numbers stay numbers."""
    formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    return f"'{value}" if formula else value
