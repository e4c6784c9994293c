"""Prompt and target -> token ids, exactly as evaluation sends and reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bioner_bench.evaluation.prompt import Message, plain_text
from bioner_bench.schema import BenchmarkError

_MARK = "@@"


@dataclass(frozen=True)
class Chat:
    """A tokenizer and how its chat template is filled.

    Attributes:
        tokenizer: of transformers.
        options: variables of the chat template, such as `enable_thinking`.
    """

    tokenizer: Any
    options: Mapping[str, Any] = field(default_factory=dict)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """What the model is given before it answers.

        Without a chat template it is the plain text, after the token that the tokenizer starts texts with.
        """
        if not self.tokenizer.chat_template:
            ids = list(self.tokenizer(plain_text(messages))["input_ids"])
            if ids[-1] == self.tokenizer.eos_token_id:
                raise BenchmarkError(
                    "this tokenizer ends every text with its end token, so no model could go on from a "
                    "prompt; set add_eos_token to false in its tokenizer_config.json"
                )
            return ids
        text = self._rendered(messages, add_generation_prompt=True)
        # As lm-eval does: the token that starts a text is added where the template has not written it.
        start = self.tokenizer.bos_token
        if start and text.startswith(start):
            return self._ids(text)
        return list(self.tokenizer(text)["input_ids"])

    def empty_prompt(self, messages: Sequence[Message]) -> list[int]:
        """The same prompt with nothing in it: every message's content is empty.

        Without a chat template it is the token that starts a text, else the one that ends it.
        """
        if self.tokenizer.chat_template:
            return self.prompt([{"role": turn["role"], "content": ""} for turn in messages])
        start = self.tokenizer.bos_token_id
        return [self.tokenizer.eos_token_id if start is None else start]

    def target(self, answer: str) -> list[int]:
        """What the model should write: the answer and the token that ends its turn."""
        before = "" if self.tokenizer.chat_template else " "  # as the demonstrations of a plain text have it
        return [*self._ids(before + answer), self.end_of_turn]

    @cached_property
    def end_of_turn(self) -> int:
        """The token that the chat template writes after an answer; without one, the end of the text."""
        end = int(self.tokenizer.eos_token_id)
        if not self.tokenizer.chat_template:
            return end
        turns: list[Message] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": _MARK}]
        after = self._rendered(turns, add_generation_prompt=False).rpartition(_MARK)[2]
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        return next((token for token in self._ids(after) if token in special), end)

    def _rendered(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                list(messages),
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                **self.options,
            )
        )

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
