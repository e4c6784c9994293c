"""System cards: one YAML file a system in `baselines/`, what it is, how to run it, what is reported of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from bioner_bench.schema import BenchmarkError
from bioner_bench.yaml_files import read_yaml

Kind = Literal["llm", "encoder", "dictionary", "reference"]
KINDS: tuple[Kind, ...] = get_args(Kind)

CERTAINTY = ("read in the source", "quoted by a third party", "unverified")
"""How sure a reported figure is; an unverified one never reaches a table."""

_ADDRESS = r'^https://[^\s<>"]+\Z'

CARD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "system": {"type": "string", "maxLength": 100, "pattern": r"^[a-z0-9][a-z0-9._-]*\Z"},
        "title": {"type": "string", "minLength": 1},
        "kind": {"enum": list(KINDS)},
        "base_model": {"type": "string"},
        "parameters": {"type": "string"},
        "train_strategy": {"type": "string"},
        "train_ratio": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "trained_on": {"type": "array", "items": {"type": "string"}},
        "licence": {"type": "string"},
        "url": {"type": "string", "pattern": _ADDRESS},
        "notes": {"type": "string"},
        "paper": {"type": "string", "pattern": _ADDRESS},
        "checkpoints": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": r"^[a-z][a-z0-9_]*\Z"},
            "additionalProperties": {"type": "string", "minLength": 1},
        },
        "recipe": {"type": "string", "pattern": r"^[\w.-]+/[\w.-]+\.yaml\Z"},
        "run": {
            "type": "object",
            "properties": {
                "model": {"type": "string"},
                "model_args": {"type": "object"},
                "apply_chat_template": {"type": "boolean"},
                "num_fewshot": {"type": "integer", "minimum": 0},
                "gen_kwargs": {"type": "object"},
                "batch_size": {"type": ["integer", "string"]},
                "metadata": {"type": "object"},
            },
            "required": ["model"],
            "additionalProperties": False,
        },
        "reported": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "task": {"type": "string"},
                    "score": {
                        "enum": ["strict_f1", "strict_precision", "strict_recall", "relaxed_f1", "string_f1"]
                    },
                    "value": {"type": "number", "minimum": 0, "maximum": 1},
                    "shots": {"type": "integer", "minimum": 0},
                    "source": {"type": "string", "minLength": 1},
                    "url": {"type": "string", "pattern": _ADDRESS},
                    "certainty": {"enum": list(CERTAINTY)},
                    "protocol": {"type": "string"},
                },
                "required": ["task", "score", "value", "source", "certainty"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["system", "title", "kind"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Card:
    """A system.

    `run` says how lm-eval runs it, `recipe` (a path below the cards' folder) how it is trained; `reported`
    are figures of others, each with its source and how sure it is, in [0, 1]. `url` leads to the model's own
    card, `paper` to the paper.

    A system may be a family, with one checkpoint a corpus: its recipe has `each` and the card no
    `trained_on`, or `checkpoints` names them, task -> folder or hub id. A corpus that is never trained on
    takes the checkpoint of the corpus of its type.
    """

    system: str
    title: str
    kind: Kind
    base_model: str | None = None
    parameters: str | None = None
    train_strategy: str | None = None
    train_ratio: float | None = None
    trained_on: tuple[str, ...] = ()
    licence: str | None = None
    url: str | None = None
    paper: str | None = None
    notes: str = ""
    recipe: str | None = None
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    reported: tuple[Mapping[str, Any], ...] = ()


def read_card(path: Path) -> Card:
    """Read and check one card.

    Raises:
        BenchmarkError: the file is missing, not YAML, or not a card.
    """
    from jsonschema.exceptions import best_match

    card = read_yaml(path, "the card")
    fault = best_match(_validator().iter_errors(card))
    if fault is not None:
        raise BenchmarkError(f"{path}: {fault.json_path}: {fault.message}")
    try:
        json.dumps(card, allow_nan=False)  # a schema's bounds let NaN pass
    except (ValueError, TypeError) as error:
        raise BenchmarkError(f"{path}: no JSON can hold it: {' '.join(str(error).split())}") from error
    for name in ("trained_on", "reported"):
        card[name] = tuple(card.get(name, ()))
    return Card(**card)


@cache
def _validator() -> Any:
    """Made once: that the schema is one is not looked at again for each card."""
    from jsonschema.validators import validator_for

    return validator_for(CARD_SCHEMA)(CARD_SCHEMA)


def read_cards(folder: Path) -> dict[str, Card]:
    """System -> card, for all cards of a folder; its subfolders hold recipes.

    Raises:
        BenchmarkError: a card is wrong, or is not named after its system.
    """
    cards: dict[str, Card] = {}
    for path in sorted(folder.glob("*.yaml")):
        card = read_card(path)
        if card.system != path.stem:
            raise BenchmarkError(f"{path}: system is {card.system!r}; name the file {card.system}.yaml")
        cards[card.system] = card
    return cards
