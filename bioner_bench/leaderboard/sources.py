"""What a card says of a reported figure's source -> the address that a reader can follow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bioner_bench.harness.cards import Card

_REST = r"(?:[^\s,;()<>\"|]|\([^\s()]*\))+"
"""The rest of an address; what opens in brackets closes there, as in some DOIs."""

_PAGE = re.compile(
    rf"(?:\bhttps://|\b(?=(?:[a-z0-9-]+\.)+[a-z]{{2,}}/))({_REST})(?: at ([0-9a-f]{{7,40}})\b)?",
    re.IGNORECASE,
)
"""An address with `https://`, or a host with a path."""

_DOI = re.compile(rf"\b10\.\d{{4,9}}/{_REST}")
_ARXIV = re.compile(r"\barXiv[: ](\d{4}\.\d{4,5})\b")
_PMC = re.compile(r"\bPMC\d+\b")


def address(figure: Mapping[str, Any]) -> str | None:
    """Where a figure can be looked up: its own `url`, or the first address that its source names.

    >>> address({"source": "github.com/dmis-lab/biobert-pytorch at 20bf80a, README.md"})
    'https://github.com/dmis-lab/biobert-pytorch/tree/20bf80a'
    >>> address({"source": "Table 2 of https://pubmed.ncbi.nlm.nih.gov/123, quoted elsewhere"})
    'https://pubmed.ncbi.nlm.nih.gov/123'
    >>> address({"source": "BioBERT paper (doi:10.1093/bioinformatics/btz682), table 4"})
    'https://doi.org/10.1093/bioinformatics/btz682'
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
        return f"https://{page[1].rstrip('.:')}{commit}"
    if doi := _DOI.search(source):
        return f"https://doi.org/{doi[0].rstrip('.:')}"
    if paper := _ARXIV.search(source):
        return f"https://arxiv.org/abs/{paper[1]}"
    if article := _PMC.search(source):
        return f"https://www.ncbi.nlm.nih.gov/pmc/articles/{article[0]}/"
    return None


def shown(card: Card) -> list[Mapping[str, Any]]:
    """The figures of a card that tables show: those that are not unverified, and can be looked up."""
    return [figure for figure in card.reported if figure["certainty"] != "unverified" and address(figure)]


def not_shown(cards: Iterable[Card]) -> str | None:
    """What is said of figures that are not unverified, but cannot be looked up; None if there are none."""
    sure = {
        card.system: [each for each in card.reported if each["certainty"] != "unverified"] for card in cards
    }
    sizes = {system: sum(not address(each) for each in figures) for system, figures in sure.items()}
    if not any(sizes.values()):
        return None
    named = ", ".join(f"{system} ({size})" for system, size in sizes.items() if size)
    return (
        f"Reported figures that are not shown, since no address says where to look them up: "
        f"{sum(sizes.values())}. Give each a `url` in the card of its system: {named}."
    )
