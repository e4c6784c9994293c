"""What a card says of a reported figure's source -> the address that a reader can follow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bioner_bench.harness.cards import Card

_PAGE = re.compile(r"\b((?:[a-z0-9-]+\.)+(?:com|org|net|io|cn)/[^\s,;()]+)(?: at ([0-9a-f]{7,40})\b)?")
_ARXIV = re.compile(r"\barXiv[: ](\d{4}\.\d{4,5})\b")
_PMC = re.compile(r"\bPMC\d+\b")


def address(figure: Mapping[str, Any]) -> str | None:
    """Where a figure can be looked up: its own `url`, or the first address that its source names.

    >>> address({"source": "github.com/dmis-lab/biobert-pytorch at 20bf80a, README.md"})
    'https://github.com/dmis-lab/biobert-pytorch/tree/20bf80a'
    >>> address({"source": "Abstract of arXiv 2011.01504"})
    'https://arxiv.org/abs/2011.01504'
    >>> address({"source": "a page whose address was not recorded"}) is None
    True
    """
    source = figure["source"]
    if figure.get("url"):
        return str(figure["url"])
    if page := _PAGE.search(source):
        commit = f"/tree/{page[2]}" if page[2] and page[1].startswith("github.com/") else ""
        return f"https://{page[1].rstrip('.')}{commit}"
    if paper := _ARXIV.search(source):
        return f"https://arxiv.org/abs/{paper[1]}"
    if article := _PMC.search(source):
        return f"https://www.ncbi.nlm.nih.gov/pmc/articles/{article[0]}/"
    return None


def shown(card: Card) -> list[Mapping[str, Any]]:
    """The figures of a card that tables show: those that are not unverified, and can be looked up."""
    return [figure for figure in card.reported if figure["certainty"] != "unverified" and address(figure)]
