"""The lm-eval model `hf-prefix`: the answers of `hf`, in less time where there is no server for them.

It reads what all prompts of a task begin with once a run, reads prompts by length and as many at once as
their tokens allow, gives the place of a finished answer to the next prompt, and adds adapters to the
weights. In float32 its answers are those of `hf`. A model that cannot be run so reads as `hf` does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from json import JSONDecoder
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text
from tqdm import tqdm

from bioner_bench.evaluation.confidence import ScoredText
from bioner_bench.models.constraint import Constraint
from bioner_bench.models.decoding import Batching, can_decode, write
from bioner_bench.schema import BenchmarkError

LOG = logging.getLogger(__name__)

GREEDY = {
    "do_sample": False,
    "temperature": 0.0,
    "top_p": None,
    "top_k": None,
    "min_p": None,
    "num_beams": 1,
}
"""Options of a generation that writes the likeliest token; None: of any value, since it is not looked at."""

HARMLESS = {
    *("bos_token_id", "eos_token_id", "pad_token_id", "do_sample", "temperature", "top_p", "top_k", "min_p"),
    *("max_length", "max_new_tokens", "use_cache", "cache_implementation", "repetition_penalty"),
    *("output_attentions", "output_hidden_states", "transformers_version", "_from_model_config"),
}
"""What a generation_config.json may set: it changes no greedy answer, or is heeded."""


class SharedPrefixLM(HFLM):  # type: ignore[misc]
    """lm-eval's `hf` for causal language models; it takes the same model arguments, and some of its own.

    Model arguments:
        share_prefix: read what all prompts of a task begin with once (default True).
        refill: give the places of finished answers to other prompts (default True).
        sort: begin with the longest prompts (default True).
        batch_tokens: tokens of the rows at once, their common beginning left out (default 8192).
        merge_adapter: add the adapter to the weights; by default in float32, where it changes no answer.
        confidence: give the log-probability of each token with an answer (default False); for `score`.
        stop_at_json: end an answer where its JSON object closes (default False). Not for thinking models.

    lm-eval's `batch_size` sets the most rows at once; its default of 1, and `auto`, set none.
    """

    def __init__(
        self,
        *args: Any,
        share_prefix: bool = True,
        refill: bool = True,
        sort: bool = True,
        batch_tokens: int = 8192,
        merge_adapter: bool | None = None,
        stop_at_json: bool = False,
        confidence: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if stop_at_json and (self.enable_thinking or self.think_end_token is not None):
            raise BenchmarkError(
                "a model that thinks may write JSON before its answer; leave stop_at_json out"
            )
        rows = int(self.batch_size) if str(self.batch_size).isdigit() else 0
        self._batching = Batching(int(batch_tokens), rows if rows > 1 else 0, share_prefix, refill, sort)
        self._stop_at_json = bool(stop_at_json)
        self._confidence = bool(confidence)
        if merge_adapter is None:
            merge_adapter = self.model.dtype == torch.float32
        if merge_adapter and hasattr(self.model, "merge_and_unload"):
            self._model = self.model.merge_and_unload()

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Called by lm-eval."""
        groups: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            groups.setdefault(f"{request.task_name} {request.args[1]}", []).append(index)
        answers = [""] * len(requests)
        for group in groups.values():
            asked = [requests[index] for index in group]
            texts = self._answers(asked, disable_tqdm)
            if texts is None and self._confidence:
                raise BenchmarkError("confidence=True needs greedy answers of a model that hf-prefix can run")
            if texts is None:
                texts = super().generate_until(asked, disable_tqdm=disable_tqdm)
            for index, text in zip(group, texts, strict=True):
                answers[index] = text
        return answers

    def _answers(self, requests: Sequence[Instance], disable_tqdm: bool) -> list[str] | None:
        """The answers to requests with the same options; None if `hf` has to give them."""
        given = requests[0].args[1]
        options = dict(normalize_gen_kwargs(given, self.max_gen_toks))
        until = handle_stop_sequences(
            options.pop("until", None), self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        )
        room = options.pop("max_gen_toks")
        if room >= self.max_length:
            raise BenchmarkError(
                f"answers of {room} tokens leave no room for a prompt: {self.pretrained} takes "
                f"{self.max_length} tokens in all; give less, --gen_kwargs max_gen_toks=..."
            )
        penalty = options.pop("repetition_penalty", None)
        wanted = options.pop("response_format", None)
        settings = self.model.generation_config
        ends = options.pop("eos_token_id", None)
        ends = settings.eos_token_id if ends is None else ends
        unusual = [
            key for key, value in options.items() if GREEDY.get(key, value) != value or key not in GREEDY
        ]
        unusual += sorted(settings.to_diff_dict().keys() - HARMLESS)
        ends = [end for end in (ends if isinstance(ends, list) else [ends]) if end is not None]
        constraint = (
            Constraint(self.tokenizer, wanted["json_schema"]["schema"], ends) if wanted is not None else None
        )
        if unusual and constraint is not None:
            raise BenchmarkError(f"constrained answers do not go with {', '.join(unusual)}; leave one out")
        if unusual:
            LOG.warning("hf-prefix answers as hf does: it knows nothing of %s", ", ".join(unusual))
            return None
        prompts = [self._encoded(request.args[0], self.max_length - room) for request in requests]
        with torch.autocast(
            self.device.type, self.mixed_precision_dtype, enabled=self.mixed_precision_dtype is not None
        ):
            if not can_decode(self.model, max(map(len, prompts)) + room):
                if constraint is not None:
                    raise BenchmarkError(f"{self.pretrained} cannot be constrained here, only on a server")
                LOG.warning(
                    "hf-prefix reads prompts in full, as hf does: %s cannot share them", self.pretrained
                )
                return None
            finished = _Finished(self.tokenizer, until, ends, self._stop_at_json)
            texts = [""] * len(requests)
            logprobs: list[list[float]] = [[] for _ in requests]
            with tqdm(total=len(requests), disable=disable_tqdm or self.rank != 0, desc="Answers") as bar:

                def keep(index: int, tokens: list[int]) -> None:
                    texts[index] = self._text(tokens, until)
                    if self._confidence:
                        texts[index] = self._scored(texts[index], tokens, logprobs[index])
                    self.cache_hook.add_partial("generate_until", requests[index].args, texts[index])
                    bar.update()

                write(
                    self.model,
                    prompts,
                    room,
                    finished,
                    self._batching,
                    float(penalty or settings.repetition_penalty or 1),
                    keep,
                    constraint,
                    logprobs if self._confidence else None,
                )
        return texts

    def _encoded(self, context: str, longest: int) -> list[int]:
        ids, _ = self.tok_batch_encode([context], left_truncate_len=longest, truncation=self.truncation)
        encoded: list[int] = ids[0].tolist()
        return encoded

    def _text(self, tokens: list[int], until: list[str]) -> str:
        """What lm-eval makes of an answer's tokens."""
        thought = self.think_end_token
        if isinstance(thought, int) and thought in tokens:
            tokens = tokens[len(tokens) - tokens[::-1].index(thought) :]
            text = self.tok_decode(tokens).lstrip()
        else:
            text = self.tok_decode(tokens)
        marks = thought if isinstance(thought, str) else None
        return str(postprocess_generated_text(text, stop=until, think_end_token=marks))

    def _scored(self, text: str, tokens: list[int], logprobs: Sequence[float]) -> ScoredText:
        """An answer with the log-probabilities of its tokens; without thinking, as `text` is."""
        decoded = [self.tok_decode(tokens[: place + 1]) for place in range(len(tokens))]
        whole = decoded[-1]
        # Half a character shows as another one, until the next token completes it.
        ends = [len(part.rstrip("\N{REPLACEMENT CHARACTER}")) for part in decoded[:-1]] + [len(whole)]
        start = whole.rfind(text)
        if start < 0:  # no part of it: lm-eval has changed it
            return ScoredText(text, [(text, round(sum(logprobs) / len(logprobs), 4))])
        pieces, before = [], start
        for end, logprob in zip(ends, logprobs, strict=True):
            if before < (until := min(end, start + len(text))):
                pieces.append((whole[before:until], round(logprob, 4)))
                before = until
        return ScoredText(text, pieces)


class _Finished:
    """Whether an answer ends here: with a token that ends texts, a stop string, or its JSON."""

    def __init__(self, tokenizer: Any, until: Sequence[str], ends: Sequence[int], json: bool) -> None:
        self.tokenizer = tokenizer
        self.until = [text for text in until if text]
        self.ends = set(ends)
        self.json: bool = json
        # As lm-eval does: a string may be written in more tokens than it is read in.
        sizes = [len(tokenizer.encode(text, add_special_tokens=False)) + 2 for text in self.until]
        self.size = max(sizes, default=0)

    def __call__(self, tokens: list[int]) -> bool:
        """Asked after each token."""
        if tokens[-1] in self.ends:
            return True
        if self.size:
            tail = str(self.tokenizer.decode(tokens[-self.size :]))
            if any(text in tail for text in self.until):
                return True
        return self.json and closed(self.tokenizer, tokens)


def closed(tokenizer: Any, tokens: Sequence[int]) -> bool:
    """Whether the first JSON object of an answer is complete."""
    if "}" not in str(tokenizer.decode(tokens[-1:])):
        return False
    text = str(tokenizer.decode(tokens))
    try:
        JSONDecoder().raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        return False
    return True
