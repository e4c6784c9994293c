"""What every command prints by: the console, JSON, and plain tables."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bioner_bench.control_characters import control_character, printable


def console() -> Console:
    """Standard output, wide enough for tables."""
    # Rich takes 80 columns where there is no terminal, too few for these tables.
    return Console(width=None if sys.stdout.isatty() else 160)


def print_json(value: Any) -> None:
    """A value as JSON on standard output."""
    print(json.dumps(value, ensure_ascii=control_character(value) is not None, indent=2))


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Rows of text on standard output; the first column is never cut."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=column == columns[0])
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    console().print(table)
