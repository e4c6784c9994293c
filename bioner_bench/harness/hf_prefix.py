"""The lm-eval model `hf-prefix`: `hf`, which reads what the prompts of a batch begin with only once.

Zero-shot, that is most of a prompt. In float32 its answers are those of `hf`.
"""

from __future__ import annotations

from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from torch import Tensor

from bioner_bench.models.shared_prefix import CACHE, to_continue


class SharedPrefixLM(HFLM):  # type: ignore[misc]
    """lm-eval's `hf` for causal language models; it takes the same model arguments."""

    def _model_generate(self, context: Tensor, max_length: int, stop: list[str], **options: Any) -> Tensor:
        """Called by lm-eval: the prompts of a batch, filled up on the left, and what the model writes."""
        seen = options.pop("attention_mask").bool()
        rows = [ids[mask].tolist() for ids, mask in zip(context, seen, strict=True)]
        precision = self.mixed_precision_dtype
        with (
            torch.no_grad(),
            torch.autocast(self.device.type, dtype=precision, enabled=precision is not None),
        ):
            ids, mask, cache = to_continue(self.model, rows)
        return super()._model_generate(
            ids, max_length, stop, attention_mask=mask, **{CACHE: cache}, **options
        )
