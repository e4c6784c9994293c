"""A run and a card -> whether the run is of the system that the card describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bioner_bench.harness import systems
from bioner_bench.harness.cards import Card
from bioner_bench.leaderboard.records import NAMING, Record
from bioner_bench.schema import BenchmarkError


def check_card(path: Path, record: Record, card: Card) -> None:
    """Raise a `BenchmarkError` if a run is of another system than the card's."""
    source, arguments = record["model"]["source"], record["model"]["arguments"]
    pairs: list[tuple[str, Any, Any]] = []
    if source in systems.OWN_MODELS:
        pairs += [("kind", systems.OWN_MODELS[source], card.kind)]
    if card.run and card.kind != "llm":  # the same weights may run in `hf`, `vllm` or on a server
        pairs += [("model", source, card.run["model"])]
    for name in NAMING & arguments.keys() & card.run.get("model_args", {}).keys():
        pairs += [(name, *(Path(str(of[name])).name for of in (arguments, card.run["model_args"])))]
    if card.checkpoints:
        checkpoint = card.checkpoints.get(systems.trained_for(record["task"]), "none")
        pairs += [("pretrained", Path(str(arguments.get("pretrained"))).name, Path(checkpoint).name)]
    if record["training"]:
        recipe = record["training"]["recipe"]
        own = (
            [systems.trained_for(record["task"])] if card.recipe else []
        )  # what a family's checkpoint learns
        pairs += [("trained_on", recipe["train"], list(card.trained_on) or own)]
        if chosen := recipe.get("select"):
            pairs += [("train_strategy", chosen["strategy"], card.train_strategy)]
            pairs += [("train_ratio", chosen["ratio"], card.train_ratio)]
    for name, ran, described in pairs:
        if described not in (None, []) and ran != described:  # what a card leaves open is not wrong
            raise BenchmarkError(
                f"{path}: the run is not of {card.system}: its {name} is {ran}, the card's is {described}; "
                "name the card of what was run, or write one"
            )
