"""Answers held to a JSON Schema while they are written, by llguidance: other tokens become impossible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bioner_bench.schema import BenchmarkError

FORM: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""White space as in the answers that the prompt asks for, and nowhere else."""


class Constraint:
    """A schema, and where each answer stands in it; asked before each token.

    Args:
        tokenizer: of transformers, a fast one.
        schema: of a valid answer.
        ends: tokens that may follow a whole answer.

    Raises:
        BenchmarkError: llguidance is missing, or cannot read the schema or the tokenizer.
    """

    def __init__(self, tokenizer: Any, schema: Mapping[str, Any], ends: Sequence[int]) -> None:
        try:
            import llguidance
            import llguidance.hf
            import llguidance.numpy
        except ImportError as error:
            raise BenchmarkError(
                'llguidance is missing; run: pip install "bioner-bench[constrained]"'
            ) from error
        self._matcher, self._masks = llguidance.LLMatcher, llguidance.numpy
        self._from_tokenizer = llguidance.hf.from_tokenizer
        self._tokenizer, self._ends = tokenizer, list(ends)
        self._grammar = self._matcher.grammar_from_json_schema(dict(schema), defaults=FORM)
        if fault := self._matcher.validate_grammar(self._grammar):
            raise BenchmarkError(f"the schema of the answers cannot be kept: {fault}")
        self._vocabulary: Any = None
        self._states: dict[int, Any] = {}

    def __call__(self, prompts: Sequence[int], written: Sequence[Sequence[int]], logits: Tensor) -> None:
        """Make impossible, in place, what no valid answer goes on with.

        Args:
            prompts: the number of the prompt of each row.
            written: the tokens of each row so far; one more than when the row was last asked of.
            logits: rows x vocabulary.
        """
        size = logits.shape[-1]
        if self._vocabulary is None:
            self._vocabulary = self._from_tokenizer(self._tokenizer, n_vocab=size, eos_token=self._ends)
        over = []
        mask = self._masks.allocate_token_bitmask(len(prompts), size)
        for place, (number, tokens) in enumerate(zip(prompts, written, strict=True)):
            state = self._states.get(number)
            if state is None:
                state = self._states[number] = self._matcher(self._vocabulary, self._grammar)
            if tokens:
                state.consume_token(tokens[-1])
            if state.is_stopped():  # nothing can follow
                over.append(place)
            else:
                self._masks.fill_next_token_bitmask(state, mask, place)
        # llguidance.torch does this too, but compiles a kernel for it: that takes 15 s, and a C++ compiler.
        impossible = np.unpackbits(mask.view(np.uint8), axis=1, count=size, bitorder="little") == 0
        logits.masked_fill_(torch.from_numpy(impossible).to(logits.device), float("-inf"))
        for place in over:
            ends = logits[place, self._ends].clone()
            logits[place] = float("-inf")
            logits[place, self._ends] = ends
