"""Cards -> the README of their folder: every system, how to run it, and what is known of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from bioner_bench import corpora
from bioner_bench.harness.cards import KINDS, Card
from bioner_bench.harness.systems import CARDS
from bioner_bench.leaderboard import sources
from bioner_bench.leaderboard.markdown import escape
from bioner_bench.leaderboard.tables import markdown_table

_HEAD = """# Systems

One card a system, `NAME.yaml`; subfolders hold the recipes by which systems are trained. Built by
`bioner-bench leaderboard build` from the cards; do not edit.

The commands are for the project's root. Other tasks and all options of `lm_eval run` can be given, and win
over the card: `--num_fewshot 5`, `--model_args dtype=bfloat16`, `--limit 100`. For the leaderboard add
`--log_samples --output_path out`. *Measured* says whether a system has records on the leaderboard; *reported*
counts the figures of others in its card, each with a source there that can be looked up. A system
without a command is one that only others have measured.

A system may be a family, with one checkpoint a corpus: `minilm` is one card, one recipe with `each` in place
of `train`, and seven checkpoints; `run --system minilm --tasks bioner` answers each corpus with its own. A
card may also name checkpoints of others, `checkpoints: {bioner_ncbi: org/model}`. A corpus without one is
not run.
"""

_HEADINGS = {
    "llm": "Language models",
    "encoder": "Encoders",
    "dictionary": "Dictionaries",
    "reference": "Reference models",
}


def markdown(cards: Mapping[str, Card], measured: Collection[str]) -> str:
    """The whole README: a table a kind, systems that can be run first.

    Args:
        cards: system -> card.
        measured: the systems that have records.
    """
    parts = [_HEAD]
    for kind in KINDS:
        found = sorted(
            (card for card in cards.values() if card.kind == kind),
            key=lambda card: (not card.run, card.system),
        )
        if not found:
            continue
        table = pd.DataFrame(
            [
                {
                    "system": f"`{card.system}`",
                    "title": escape(card.title),
                    "base model": escape(card.base_model or ""),
                    "parameters": escape(card.parameters or ""),
                    "how to run": "<br>".join(f"`{command}`" for command in commands(card)),
                    "measured": "yes" if card.system in measured else "no",
                    "reported": str(len(sources.shown(card))),
                }
                for card in found
            ]
        )
        notes = [f"- `{card.system}`: {escape(card.notes)}" for card in found if card.notes]
        parts.append("\n".join([f"## {_HEADINGS[kind]}", "", markdown_table(table), "", *notes, ""]))
    return "\n".join(parts)


def commands(card: Card) -> list[str]:
    """What to type to train and evaluate a system, on the corpus that it was trained on if it is one."""
    if not card.run:
        return []
    known = [task for task in card.trained_on if task in corpora.built_in()]
    task = known[0] if known else "bioner" if card.recipe or card.checkpoints else "bioner_ncbi"
    train = [f"bioner-bench train {CARDS.name}/{card.recipe}"] if card.recipe else []
    if card.recipe and Path(card.recipe).stem != card.system:  # one checkpoint of a family
        train[0] += f" --task {task}"
    return [*train, f"bioner-bench run --system {card.system} --tasks {task}"]
