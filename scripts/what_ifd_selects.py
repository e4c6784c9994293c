"""What does IFD find hard: long sentences, many mentions, rare strings? And do two weak models agree?

    bioner-bench select --tasks bioner_ncbi --weak-model smollm2-135m --out selections/smollm2
    bioner-bench select --tasks bioner_ncbi --weak-model gemma3-270m --out selections/gemma
    python scripts/what_ifd_selects.py selections/smollm2 selections/gemma --out selections/ifd

Reads the scores of every corpus in folders that `bioner-bench select` wrote, and writes OUT.json, OUT.md and
OUT.svg: tables, and positive rows by tenths of their IFD. What OUT.json has of other corpora and weak models
stays in it; docs/STUDY.md and docs/METHOD.md show what docs/study/ifd.json has.
"""

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import mean, median

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from bioner_bench import corpora, plotting
from bioner_bench.leaderboard.tables import markdown_table
from bioner_bench.schema import BenchmarkError, Sentence
from bioner_bench.tuning import score_files
from bioner_bench.tuning.rows import Row, rows_of
from bioner_bench.tuning.score_files import Score
from bioner_bench.tuning.strategies import select
from bioner_bench.writing import write_text

PROPERTIES = {
    "mentions": "mentions a row",
    "words": "words in the sentence",
    "tokens": "tokens of the answer",
    "rare": "share of mentions seen once",
    "repeated": "share of mentions said before",
}
"""What is looked at in a positive row."""

TENTHS = 10


@dataclass(frozen=True)
class Scored:
    """A corpus as one weak model scored it; `positives` in the corpus's order."""

    task: str
    weak_model: str
    rows: Sequence[Row]
    scores: Mapping[str, Score]

    @property
    def positives(self) -> list[Row]:
        return [row for row in self.rows if row.positive]

    def ifd(self, row: Row) -> float:
        """What is not finite is as far from being helped as can be."""
        value = self.scores[row.id].ifd
        return math.inf if value is None else value


def read(folder: Path) -> list[Scored]:
    """All corpora that a weak model has scored in a folder.

    Raises:
        BenchmarkError: there is none, or not all rows have been scored.
    """
    found = []
    for path in sorted((folder / "ifd").glob("*.jsonl")):
        settings, scores = score_files.load(path)
        if settings is None:
            continue
        rows = rows_of(path.stem)
        if missing := [row.id for row in rows if row.id not in scores]:
            raise BenchmarkError(
                f"{path} has no score of {len(missing):,} of {len(rows):,} rows; let `bioner-bench select` "
                "finish it"
            )
        found.append(Scored(path.stem, Path(settings["weak_model"]).name, rows, scores))
    if not found:
        raise BenchmarkError(f"{folder} holds no scores; name a folder that `bioner-bench select` wrote")
    return found


def facts(found: Sequence[Scored]) -> dict[str, list[dict]]:
    """What each weak model selects of each corpus, and how far two of them agree, as JSON holds it."""
    found = sorted(found, key=lambda one: (one.task, one.weak_model))
    return {
        "scored": [of_one(one) for one in found],
        "pairs": [of_two(one, other) for one, other in combinations(found, 2) if one.task == other.task],
    }


def of_one(scored: Scored) -> dict:
    """One weak model on one corpus."""
    properties = properties_of(scored)
    positives = scored.positives
    values = {row.id: scored.ifd(row) for row in positives}
    order = sorted(positives, key=lambda row: (values[row.id], row.id))
    kept = select(scored.rows, scored.scores, "hybrid", 0.5, 0).kept
    plain = select(scored.rows, scored.scores, "superfilter", 0.5, 0).kept
    drawn = select(scored.rows, scored.scores, "random", 0.5, 0).kept
    halves = {
        "kept": [row for row in positives if row.id in kept],
        "left_out": [row for row in positives if row.id not in kept],
    }
    negatives = [row for row in scored.rows if not row.positive]

    def average(rows: Sequence[Row], name: str) -> float | None:
        return rounded(mean(properties[name][row.id] for row in rows)) if rows else None

    return {
        "task": scored.task,
        "weak_model": scored.weak_model,
        "positives": len(positives),
        "negatives": len(negatives),
        "positives_of_1_or_more": sum(value >= 1 for value in values.values()),
        "ifd_of_positives": spread(list(values.values())),
        "ifd_of_negatives": spread([scored.ifd(row) for row in negatives]),
        "hybrid_positives": len(halves["kept"]),
        "hybrid_positives_also_in_random": len({row.id for row in halves["kept"]} & drawn),
        "superfilter_positives": sum(row.id in plain for row in positives),
        "superfilter_negatives": sum(row.id in plain for row in negatives),
        **{half: {name: average(rows, name) for name in PROPERTIES} for half, rows in halves.items()},
        "rank_correlation": {
            name: correlation(
                [values[row.id] for row in positives], [properties[name][row.id] for row in positives]
            )
            for name in PROPERTIES
        },
        "tenths": {
            name: [
                average(list(part), name) for part in np.array_split(np.array(order, dtype=object), TENTHS)
            ]
            for name in PROPERTIES
        },
        "easiest": [row.target for row in order[:TENTHS]],
        "hardest": [row.target for row in order[: -TENTHS - 1 : -1]],
    }


def of_two(one: Scored, other: Scored) -> dict:
    """How far two weak models find the same positive rows hard."""
    positives = one.positives
    kept, other_kept = (select(each.positives, each.scores, "hybrid", 0.5, 0).kept for each in (one, other))
    return {
        "task": one.task,
        "weak_models": [one.weak_model, other.weak_model],
        "positives": len(positives),
        "rank_correlation": correlation(*[[each.ifd(row) for row in positives] for each in (one, other)]),
        "hardest_half_in_common": rounded(len(kept & other_kept) / max(1, len(kept))),
    }


def properties_of(scored: Scored) -> dict[str, dict[str, float]]:
    """Name of a property -> its value for each positive row."""
    sentences = corpora.load(scored.task, "train").sentences
    by_row = dict(zip([row.id for row in scored.rows], sentences, strict=True))
    seen = Counter(string for sentence in sentences for string in strings(sentence))
    found: dict[str, dict[str, float]] = {name: {} for name in PROPERTIES}
    for row in scored.positives:
        sentence = by_row[row.id]
        said = strings(sentence)
        found["mentions"][row.id] = len(said)
        found["words"][row.id] = len(sentence.text.split())
        found["tokens"][row.id] = scored.scores[row.id].n_target_tokens
        found["rare"][row.id] = mean(seen[string] == 1 for string in said)
        found["repeated"][row.id] = 1 - len(set(said)) / len(said)
    return found


def strings(sentence: Sentence) -> list[tuple[str, str]]:
    """The mentions of a sentence, their case folded, with their types."""
    return [
        (sentence.text[entity.start : entity.end].casefold(), entity.type) for entity in sentence.entities
    ]


def spread(values: Sequence[float]) -> list[float | None]:
    """The lowest, the median and the highest."""
    return [rounded(f(values)) for f in (min, median, max)] if values else [None] * 3


def correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None where one side does not vary."""
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return rounded(float(spearmanr(one, other).statistic))


def rounded(value: float) -> float | None:
    """For files that are the same on every machine."""
    return round(float(value), 4) if math.isfinite(value) else None


def merged(old: Mapping[str, list[dict]], new: Mapping[str, list[dict]]) -> dict[str, list[dict]]:
    """All facts, the new ones in place of old ones of the same corpus and weak models; in a fixed order."""

    def key(fact: Mapping) -> tuple:
        models = fact.get("weak_models") or [fact["weak_model"]]
        return (fact["task"], *sorted(models))

    made = {}
    for part in ("scored", "pairs"):
        facts_ = {key(fact): fact for fact in [*old.get(part, []), *new[part]]}
        made[part] = [facts_[each] for each in sorted(facts_)]
    return made


def markdown(found: Mapping[str, list[dict]]) -> str:
    """The tables: what is selected, and how far weak models agree."""
    body = []
    for fact in found["scored"]:
        for name, label in PROPERTIES.items():
            kept, left_out, rank = fact["kept"][name], fact["left_out"][name], fact["rank_correlation"][name]
            body.append(
                [
                    corpora.get(fact["task"]).name,
                    fact["weak_model"],
                    label,
                    *("" if number is None else f"{number:.2f}" for number in (kept, left_out, rank)),
                ]
            )
    columns = ["corpus", "weak model", "", "hardest half", "other half", "rank correlation with IFD"]
    lines = [markdown_table(pd.DataFrame(body, columns=columns)), ""]
    if found["pairs"]:
        pairs = [
            [
                corpora.get(fact["task"]).name,
                " and ".join(fact["weak_models"]),
                "" if fact["rank_correlation"] is None else f"{fact['rank_correlation']:.2f}",
                f"{100 * fact['hardest_half_in_common']:.0f} %",
            ]
            for fact in found["pairs"]
        ]
        columns = ["corpus", "weak models", "rank correlation", "of the hardest half in common"]
        lines += [
            markdown_table(pd.DataFrame(pairs, columns=columns)),
            "",
            "By chance 50 % are in common.",
            "",
        ]
    return "\n".join(lines)


def picture(found: Mapping[str, list[dict]]) -> str:
    """SVG: a panel a property, a line a corpus and weak model, from the easiest tenth to the hardest."""
    colours = [plotting.BLUE, plotting.ORANGE, plotting.GREEN, plotting.VIOLET, plotting.GREY, plotting.INK]
    with plotting.style():
        figure, axes = plotting.panels([2.4] * len(PROPERTIES), 3, 9)
        for (name, label), panel in zip(PROPERTIES.items(), axes, strict=True):
            for place, fact in enumerate(found["scored"]):
                values = [math.nan if value is None else value for value in fact["tenths"][name]]
                panel.plot(
                    range(1, TENTHS + 1),
                    values,
                    color=colours[place % len(colours)],
                    linestyle=("-", "--", ":")[place // len(colours) % 3],
                    label=f"{corpora.get(fact['task']).name}, {fact['weak_model']}",
                )
            panel.set_title(label)
            panel.set_ylim(bottom=0)
            panel.set_xticks([1, TENTHS], ["easiest tenth", "hardest"])
        axes[-1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1.1, 1))
        return plotting.svg(figure)


def write(folders: Sequence[Path], out: Path) -> dict[str, list[dict]]:
    """Write OUT.json, OUT.md and OUT.svg; return the facts."""
    kept = out.with_suffix(".json")
    old = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    made = merged(old, facts([scored for folder in folders for scored in read(folder)]))
    write_text(kept, json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    write_text(out.with_suffix(".md"), markdown(made))
    write_text(out.with_suffix(".svg"), picture(made))
    return made


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scores", type=Path, nargs="+", help="folders that `bioner-bench select` wrote")
    parser.add_argument("--out", type=Path, required=True, help="name of the files, without its ending")
    given = parser.parse_args()
    print(markdown(write(given.scores, given.out)))


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
