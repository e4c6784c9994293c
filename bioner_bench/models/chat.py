"""Prompt and target -> token ids, exactly as evaluation sends and reads them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from bioner_bench.evaluation.prompt import Message, plain_text
from bioner_bench.schema import BenchmarkError

_MARK = "@@"

PINNED_DAY = date(2024, 7, 26)
"""Today, for templates that write the date; the day that Llama 3.2's own falls back to."""


def pinned(template: str, variables: Mapping[str, Any]) -> str:
    """A chat template that writes the same every day, and knows its variables without being told.

    Calls of `strftime_now` give way to `PINNED_DAY`. A caller that gives a variable still has its way.

    >>> pinned("{{ strftime_now('%Y-%m-%d') }}", {})
    '{{ "2024-07-26" }}'

    Raises:
        BenchmarkError: a variable has a name that no template can use.
    """
    lines = ""
    for name, value in variables.items():
        if not name.isidentifier():
            raise BenchmarkError(f"template: {name!r} is no name of a variable; write letters, digits and _")
        literal = "none" if value is None else json.dumps(value, ensure_ascii=False)
        lines += f"{{%- if {name} is not defined %}}{{%- set {name} = {literal} %}}{{%- endif %}}\n"

    def of_the_day(call: re.Match[str]) -> str:
        return json.dumps(PINNED_DAY.strftime(call[2]))

    return lines + re.sub(r"strftime_now\(\s*([\"'])(.*?)\1\s*\)", of_the_day, template)


@dataclass(frozen=True)
class Chat:
    """A tokenizer and how its chat template is filled.

    Attributes:
        tokenizer: of transformers.
        options: variables of the chat template, such as `enable_thinking`.
    """

    tokenizer: Any
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def template(self) -> str | None:
        """The chat template with the day and the variables in it; a tuned checkpoint carries it."""
        if not self.tokenizer.chat_template:
            return None
        return pinned(str(self.tokenizer.get_chat_template()), self.options)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """What the model is given before it answers.

        Without a chat template it is the plain text, after the token that the tokenizer starts texts with.
        """
        if self.template is None:
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
        if self.template is not None:
            return self.prompt([{"role": turn["role"], "content": ""} for turn in messages])
        start = self.tokenizer.bos_token_id
        return [self.tokenizer.eos_token_id if start is None else start]

    def target(self, answer: str) -> list[int]:
        """What the model should write: the answer as the template writes it, to the token that ends its turn.

        A template may open an answer, as with gpt-oss its final channel, or Mistral a space.
        """
        # Read behind a prompt, since some tokenizers write what opens a text differently.
        written = self._frame.opening + answer
        before, whole = self._ids(self._frame.asked), self._ids(self._frame.asked + written)
        if whole[: len(before)] != before:
            before, whole = [], self._ids(written)
        return [*whole[len(before) :], *self._frame.closing]

    @property
    def end_of_turn(self) -> int:
        """The token that the chat template writes after an answer; without one, the end of the text."""
        return self._frame.closing[-1]

    @property
    def sha256(self) -> str:
        """Of a prompt as it is rendered: it changes with the template, its variables and its day."""
        frame = [self._frame.asked, self._frame.opening, self._frame.closing]
        return hashlib.sha256(json.dumps(frame).encode()).hexdigest()

    @cached_property
    def _frame(self) -> _Frame:
        end = int(self.tokenizer.eos_token_id)
        question: list[Message] = [{"role": "user", "content": "a"}]
        if self.template is None:  # as the demonstrations of a plain text have it
            return _Frame(plain_text(question), " ", [end])
        asked = self._rendered(question, add_generation_prompt=True)
        solved: list[Message] = [*question, {"role": "assistant", "content": _MARK}]
        before, _, after = self._rendered(solved, add_generation_prompt=False).rpartition(_MARK)
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        ids = self._ids(after)
        last = next((place for place, token in enumerate(ids) if token in special), None)
        return _Frame(
            asked,
            before.removeprefix(asked) if before.startswith(asked) else "",
            [end] if last is None else ids[: last + 1],
        )

    def _rendered(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                list(messages),
                chat_template=self.template,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
            )
        )

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


@dataclass(frozen=True)
class _Frame:
    """A short prompt, what opens an answer to it, and the tokens that close the answer."""

    asked: str
    opening: str
    closing: list[int]
