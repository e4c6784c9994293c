"""The figures of docs/METHOD.md: text between marks, made of records and of what weak models' scores select.

A part whose source is not there stays as it is; its text names the command that prints its figures.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

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
    data = found["full"]["training"]["data"]
    kept = found["hybrid"]["training"]["data"]
    return (
        f"- Of {data['rows']:,} training rows {data['positives']:,} are positives and {data['negatives']:,} "
        f"negatives; the hybrid keeps {kept['positives']:,} of the positives at 50 %, and all negatives.\n"
        "- The negatives are worth keeping: a model that learned the same positives without them finds a mention "
        f"in {_score(found['positives'], 'false_positive_rate')} % of the sentences that have none, and scores "
        f"{_score(found['positives'], 'strict_f1')} strict F1 in place of "
        f"{_score(found['hybrid'], 'strict_f1')} (one epoch, training seed 1; [STUDY.md](STUDY.md)).\n"
        f"- As it comes the weak model scores {_score(found['untuned'], 'strict_f1')} strict F1 zero-shot, so it "
        "hardly knows which answers are right.\n"
    )


def of_scores(fact: Mapping) -> str:
    """What the scores of SmolLM2 say."""
    low, middle, high = fact["ifd_of_positives"]
    low_of_negatives, _, high_of_negatives = fact["ifd_of_negatives"]
    keep, rest = fact["kept"], fact["left_out"]
    hardest, easiest = (
        ", ".join(f"`{target}`" for target in fact[name][:EXAMPLES]) for name in ("hardest", "easiest")
    )
    return (
        f"- IFD lies between {low:.3f} and {high:.3f} for positives, their median is {middle:.3f}, and between "
        f"{low_of_negatives:.3f} and {high_of_negatives:.3f} for negatives: the prompt gives the form of the answer, "
        f"which without it is a surprise. {fact['positives_of_1_or_more']} positives have 1 or more.\n"
        f"- Plain superfiltering at 50 % keeps {_of(fact['superfilter_negatives'], fact['negatives'])} of the "
        f"negatives and {_of(fact['superfilter_positives'], fact['positives'])} of the positives. That is the "
        "paper's reason for the hybrid.\n"
        f"- Of the {fact['hybrid_positives']:,} positives that the hybrid keeps, "
        f"{fact['hybrid_positives_also_in_random']:,} are in a random half too.\n"
        f"- The hardest half has {keep['mentions']:.1f} mentions a row, the other {rest['mentions']:.1f} (rank "
        f"correlation of IFD and the number of mentions: {fact['rank_correlation']['mentions']:.2f}); of its mentions "
        f"{100 * keep['repeated']:.0f} % repeat one of the same sentence, in the other half "
        f"{100 * rest['repeated']:.0f} %. The hardest are {hardest}, the easiest {easiest}.\n"
    )


def _of(number: int, whole: int) -> str:
    return f"{number:,} ({100 * number / max(1, whole):.0f} %)"


def _score(record: Record, name: str) -> str:
    return percent(record["scores"][name]["value"])


def _between(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
    made, number = re.subn(pattern, lambda _: f"{begin}{content}{end}", text, flags=re.DOTALL)
    assert number == 1, f"METHOD.md has {number} parts {name}"
    return made
