"""Three models without weights, run through lm-eval like any other.

The oracle answers with the gold target, the empty model finds nothing, the garbage model writes seeded
noise. Between them they hold the whole chain on every task: what the best, the silent and a broken model
must score is known.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import lm_eval.models  # noqa: F401  # first, else lm-eval takes ours for the whole list of models
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

from bioner_bench import prompt
from bioner_bench.documents import to_sentence


class _Reference(LM):  # type: ignore[misc]
    """Answers from lm-eval's doc alone; the prompt is not looked at."""

    def __init__(
        self, seed: int = 0, batch_size: Any = None, max_batch_size: Any = None, device: Any = None
    ) -> None:
        super().__init__()
        self._seed = int(seed)

    def answer(self, doc: dict[str, Any]) -> str:
        """The model's output for a document."""
        raise NotImplementedError

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Called by lm-eval."""
        return [self.answer(request.doc) for request in requests]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not offered: the tasks of this benchmark generate."""
        raise NotImplementedError("reference models answer generation tasks only")

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Not offered: the tasks of this benchmark generate."""
        raise NotImplementedError("reference models answer generation tasks only")

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Role and content of every turn, so that prompts can be read in the samples."""
        return "".join(f"<{turn['role']}>\n{turn['content']}\n" for turn in chat_history)

    @property
    def tokenizer_name(self) -> str:
        """Part of lm-eval's cache key."""
        return type(self).__name__

    def chat_template(self, chat_template: bool | str = False) -> str:
        """Called by lm-eval for the record of a run."""
        return ""


@register_model("bioner-oracle")
class Oracle(_Reference):
    """The gold target: its score is the format ceiling."""

    def answer(self, doc: dict[str, Any]) -> str:
        """The target JSON."""
        return prompt.target(doc["text"], to_sentence(doc).entities, doc["types"])


@register_model("bioner-empty")
class Empty(_Reference):
    """An empty list for every type."""

    def answer(self, doc: dict[str, Any]) -> str:
        """JSON without mentions."""
        return prompt.target(doc["text"], [], doc["types"])


@register_model("bioner-garbage")
class Garbage(_Reference):
    """Noise: cut, broken or made-up JSON, words of the sentence, random characters.

    Model argument `seed` (default 0). An answer depends on the seed and the document alone.
    """

    def answer(self, doc: dict[str, Any]) -> str:
        """One of six kinds of noise."""
        random = Random(f"{self._seed}:{doc['id']}:{doc['text']}")
        words = random.choices(doc["text"].split() or [""], k=random.randint(1, 4))
        guess = json.dumps({random.choice(doc["types"]): words}, ensure_ascii=False)
        kinds = [
            guess,
            f"```json\n{guess}\n```",
            guess[: random.randrange(len(guess))],
            f"<think>{guess}",
            " ".join(words),
            "".join(chr(random.randrange(32, 0x500)) for _ in range(random.randrange(200))),
        ]
        return random.choice(kinds)
