"""What the panel of a run, a system or a reported figure says of its origin: names, values, links."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bioner_bench.evaluation import prompt
from bioner_bench.harness.cards import Card
from bioner_bench.leaderboard.baselines import commands
from bioner_bench.leaderboard.records import Record
from bioner_bench.leaderboard.tables import CARDS

Facts = list[tuple[str, list[tuple[str, str]]]]
"""Headings, and below each of them names and values."""

Links = list[tuple[str, str]]
"""Words and addresses: of the web, or relative to the leaderboard's folder."""


def of_report(row: Mapping[str, Any]) -> Facts:
    """Where a reported figure comes from."""
    found = [
        ("Source", row["source"]),
        ("How sure", row["certainty"]),
        ("Protocol", row["protocol"] or "not stated"),
        *_system(row),
    ]
    return [("Reported figure", _known(found))]


def of_record(record: Record) -> Facts:
    """What a record says of where its scores come from."""
    setup, model, run, drawn = record["setup"], record["model"], record["run"], record["bootstrap"]
    form = prompt.form_of(record["prompt"])
    measured = [
        ("Task", f"{record['task']}, version {record['task_version']}"),
        (
            "Sentences",
            f"{record['sentences']:,} of {record['corpus_sentences']:,}, {record['split']} split",
        ),
        ("Gold, SHA-256", record["gold_sha256"]),
        ("Samples, SHA-256", record["samples_sha256"]),
        ("Intervals", f"{drawn['resamples']:,} resamples over {drawn['unit']}s, seed {drawn['seed']}"),
    ]
    asked = [
        ("Prompt", f"{record['prompt']}, hash {record['prompt_hash']}" if record["prompt"] else None),
        ("Format of answers", None if form == prompt.JSON else "the sentence with tags around mentions"),
        (
            "Demonstrations",
            f"{setup['shots']}, {setup['demonstrations']}, seed {setup['fewshot_seed']}"
            if setup["shots"]
            else "none",
        ),
        ("As turns of a chat", _yes(setup["fewshot_as_multiturn"])),
        ("Chat template, SHA-256", setup["chat_template_sha256"] or "none used"),
        ("System instruction", setup["system_instruction"]),
        ("Generation", _pairs(setup["generation"])),
    ]
    size = model["parameters"]
    ran = [
        *_system(record["system"]),
        ("lm-eval model", model["source"]),
        ("Model arguments", _pairs(model["arguments"])),
        ("Revision", model["revision"]),
        ("Commit", model["sha"]),
        ("Parameters counted", f"{size:,}" if size else None),
        ("dtype", model["dtype"] or "not recorded"),
    ]
    speed = run["sentences_per_second"]
    where = [
        ("Date", run["date"].replace("T", " ").replace("Z", " UTC")),
        ("CPU", run["hardware"]["cpu"] or "not recorded"),
        ("GPU", run["hardware"]["gpu"] or "none recorded"),
        ("Batch size", run["batch_size"]),
        ("Time, all tasks of the run", None if run["seconds"] is None else f"{run['seconds']:,} s"),
        ("Sentences a second", f"{speed:,}" if speed is not None else "not recorded"),
        ("Versions", ", ".join(f"{name} {of}" for name, of in run["versions"].items() if of is not None)),
    ]
    sections = (("Measurement", measured), ("Prompt", asked), ("Model", ran), ("Run", where))
    return [(heading, _known(facts)) for heading, facts in sections]


def of_card(card: Card | None) -> Facts:
    """What a card says of its system, beside how it is run."""
    if card is None:
        return []
    ratio = None if card.train_ratio is None else f"{100 * card.train_ratio:g} %"
    found = [
        ("Base model", card.base_model),
        ("Parameters", card.parameters),
        ("Training data chosen by", card.train_strategy),
        ("Share of the training data", ratio),
        ("Trained on", ", ".join(card.trained_on)),
        ("Licence", card.licence),
        ("Notes", card.notes),
    ]
    return [("System", _known(found))]


def links(card: Card | None, linked: bool, record: str | None = None, source: str | None = None) -> Links:
    """Where to read on: the source of a figure, the model's card, paper, recipe, card and record.

    Recipe and card only if they are `linked`: if they lie in `CARDS`.
    """
    ours = card if linked else None
    found = [
        ("Source", source),
        ("Model card", card.url if card else None),
        ("Paper", card.paper if card else None),
        ("Recipe", f"{CARDS}/{ours.recipe}" if ours and ours.recipe else None),
        ("Card", f"{CARDS}/{ours.system}.yaml" if ours else None),
        ("Record", f"records/{record}" if record else None),
    ]
    return [(words, address) for words, address in found if address]


def how_to_run(card: Card | None) -> list[tuple[str, str]]:
    """Headings and commands: what trains a system, and what runs it."""
    if card is None:
        return []
    made = commands(card)
    heads = ["To train it", "To run it"][-len(made) :] if made else []
    return list(zip(heads, made, strict=True))


def how_it_was_trained(record: Record, path: str) -> list[tuple[str, str]]:
    """The command that makes the checkpoint of a run again, seed and all; a record keeps its recipe."""
    if not record.get("training"):
        return []
    return [("To train it again", f"bioner-bench train leaderboards/records/{path}")]


def hardware(record: Record) -> str:
    """What a run ran on, in a word or two."""
    on = record["run"]["hardware"]
    return on["gpu"] or on["cpu"] or ""


def _system(system: Mapping[str, Any]) -> list[tuple[str, Any]]:
    ratio = system["train_ratio"]
    return [
        ("Base model", system["base_model"]),
        ("Parameters", system["parameters"]),
        ("Training data chosen by", system["train_strategy"]),
        ("Share of the training data", f"{100 * ratio:g} %" if ratio is not None else None),
        ("Trained on", ", ".join(system["trained_on"])),
    ]


def _known(facts: Iterable[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in facts if value not in (None, "")]


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in values.items()
    )


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"
