"""The figures of docs/METHOD.md: text between marks, made of records and of what weak models' scores select.

A part whose source is not there stays as it is; its text names the command that prints its figures.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from prose import bullet

from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.records import Record
from bioner_bench.leaderboard.tables import percent

SEED_1 = "bioner_ncbi-0-shot-training-seed-1.json"
USED = {
    "hybrid": f"smollm2-135m-ncbi-hybrid-50/{SEED_1}",
    "positives": f"smollm2-135m-ncbi-positives-50/{SEED_1}",
    "full": f"smollm2-135m-ncbi-full/{SEED_1}",
    "untuned": "smollm2-135m-instruct/bioner_ncbi-0-shot.json",
}
"""The records that the text speaks of."""

EXAMPLES = 3


def filled(text: str, folder: Path, selected: Path) -> str:
    """The page with every part made anew whose source is there.

    Args:
        text: the page.
        folder: of records.
        selected: the JSON that what_ifd_selects.py wrote.
    """
    found = {name: records.read(folder / path) for name, path in USED.items() if (folder / path).is_file()}
    if len(found) == len(USED):
        text = _between(text, "records", of_records(found))
    facts = json.loads(selected.read_text(encoding="utf-8"))["scored"] if selected.is_file() else []
    for fact in facts:
        if (fact["task"], fact["weak_model"]) == ("bioner_ncbi", "smollm2-135m"):
            text = _between(text, "ifd", of_scores(fact))
    return text


def of_records(found: Mapping[str, Record]) -> str:
    """What tuning and prompting say."""
    data, kept = (found[name]["training"]["data"] for name in ("full", "hybrid"))
    score = {name: percent(record["scores"]["strict_f1"]["value"]) for name, record in found.items()}
    invented = percent(found["positives"]["scores"]["false_positive_rate"]["value"])
    said = (
        f"Of {data['rows']:,} training rows {data['positives']:,} are positives and {data['negatives']:,} "
        f"negatives; at 50 % the hybrid keeps {kept['positives']:,} of the positives, and all negatives.",
        "The negatives are worth keeping: a model that learned the same positives without them finds a "
        f"mention in {invented} % of the sentences that have none, and scores {score['positives']} strict F1 "
        f"in place of {score['hybrid']} (one epoch, training seed 1; [STUDY.md](STUDY.md)).",
        f"As it comes the weak model scores {score['untuned']} strict F1 zero-shot: it hardly knows which "
        "answers are right.",
    )
    return "".join(map(bullet, said))


def of_scores(fact: Mapping) -> str:
    """What the scores of SmolLM2 say."""
    low, middle, high = fact["ifd_of_positives"]
    low_of_negatives, _, high_of_negatives = fact["ifd_of_negatives"]
    keep, rest, rank = fact["kept"], fact["left_out"], fact["rank_correlation"]
    hardest, easiest = (
        ", ".join(f"`{target}`" for target in fact[name][:EXAMPLES]) for name in ("hardest", "easiest")
    )
    said = (
        f"IFD lies between {low:.3f} and {high:.3f} for positives, their median is {middle:.3f}, and "
        f"between {low_of_negatives:.3f} and {high_of_negatives:.3f} for negatives: the prompt gives the "
        "form of the answer, which without it is a surprise. Of the positives "
        f"{fact['positives_of_1_or_more']} have 1 or more.",
        "Plain superfiltering at 50 % keeps "
        f"{_of(fact['superfilter_negatives'], fact['negatives'])} of the negatives and "
        f"{_of(fact['superfilter_positives'], fact['positives'])} of the positives. That is the paper's "
        "reason for the hybrid.",
        f"Of the {fact['hybrid_positives']:,} positives that the hybrid keeps, "
        f"{fact['hybrid_positives_also_in_random']:,} are in a random half too.",
        f"The hardest half has {keep['mentions']:.1f} mentions a row, the other {rest['mentions']:.1f} (rank "
        f"correlation of IFD and the number of mentions: {rank['mentions']:.2f}); in an average row of it "
        f"{100 * keep['repeated']:.0f} % of the mentions repeat another one, in the other half "
        f"{100 * rest['repeated']:.0f} %. The hardest are {hardest}, the easiest {easiest}.",
    )
    return "".join(map(bullet, said))


def _of(number: int, whole: int) -> str:
    return f"{number:,} ({100 * number / max(1, whole):.0f} %)"


def _between(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
    made, number = re.subn(pattern, lambda _: f"{begin}{content}{end}", text, flags=re.DOTALL)
    assert number == 1, f"METHOD.md has {number} parts {name}"
    return made
