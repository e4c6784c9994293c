"""Prompts -> what a model writes after each, greedily.

What all prompts begin with is read once; prompts are sorted by length and read as many at once as their
tokens allow; and a row that is finished makes room for the next. Nothing of it changes an answer but by
the order in which numbers are added.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bioner_bench.models.attention import Step, Table, reading
from bioner_bench.models.constraint import Constraint
from bioner_bench.models.shared_prefix import PAD, can_share, common_prefix

_log = logging.getLogger(__name__)

ROWS_IN_FULL = 16
"""Rows at once where a model has to read them in full."""

PART_TOKENS = 2048
"""Tokens that are read in one pass, at most, but for a row that is longer."""

PART_PADDING = 0.1
"""Padding of a pass for each of its tokens, at most."""

Finished = Callable[[list[int]], bool]
"""The tokens that a row has written -> whether its answer ends with them."""


@dataclass(frozen=True)
class Batching:
    """How rows are read and written together.

    Attributes:
        tokens: of the rows at once, their common beginning left out.
        rows: at once, at most; 0 for no limit.
        share: read the common beginning once, not in every row.
        refill: finished rows leave, and others take their places.
        sort: begin with the longest.
    """

    tokens: int = 8192
    rows: int = 0
    share: bool = True
    refill: bool = True
    sort: bool = True


def can_decode(model: Any, tokens: int) -> bool:
    """Whether `write` can run this model on rows that become `tokens` long.

    It can share a beginning, lets its attention be replaced, and gives the same logits then: on a few
    tokens, read as `write` would, and as the model itself does. They are spread over the vocabulary: its
    first tokens are often special ones, on which half precision alone can move logits by a tenth.
    """
    if not can_share(model, tokens):
        return False
    ids = torch.arange(1, 13, device=model.device) * model.config.get_text_config().vocab_size // 14
    rows = [[*ids[:8].tolist(), *ids[8:size].tolist()] for size in (10, 12)]
    try:
        with torch.inference_mode(), reading(model):
            found = _Rows(model, rows[0][:8]).read(rows)
        with torch.inference_mode():
            wanted = torch.cat(
                [model(input_ids=ids[None, : len(row)], use_cache=False).logits[:, -1] for row in rows]
            ).float()
    except Exception as error:  # whatever a model that was not foreseen trips over
        _log.info("tried on a few tokens, it failed: %s: %s", type(error).__name__, error)
        return False
    exact = model.dtype == torch.float32 and not torch.is_autocast_enabled(model.device.type)
    tolerance = 1e-3 if exact else 0.1
    return bool((found - wanted).norm() <= tolerance * wanted.norm())


def write(
    model: Any,
    prompts: Sequence[Sequence[int]],
    room: int,
    finished: Finished,
    batching: Batching = Batching(),
    repetition_penalty: float = 1.0,
    answered: Callable[[int, list[int]], object] = lambda prompt, tokens: None,
    constraint: Constraint | None = None,
    logprobs: Sequence[list[float]] | None = None,
) -> list[list[int]]:
    """What the model writes after each prompt: the likeliest token, again and again.

    Args:
        model: a causal language model of transformers in evaluation mode, of which `can_decode` is true.
        prompts: token ids.
        room: tokens to write, at most.
        finished: asked after each token; the last one is a part of the answer.
        batching: how many rows at once, and which ways to save time are taken.
        repetition_penalty: as in transformers: the logits of tokens that a row has are divided by it, or
            multiplied where they are negative.
        answered: called with the number of a prompt and its answer as soon as that is finished.
        constraint: makes tokens impossible that no valid answer goes on with.
        logprobs: a list for each prompt, to which the log-probability of each token is added, in nats, as the
            model gives it, before a penalty or a constraint.
    """
    answers: list[list[int]] = [[] for _ in prompts]
    waiting = list(range(len(prompts)))
    if batching.sort:
        waiting.sort(key=lambda index: -len(prompts[index]))
    over: set[int] = set()
    active: list[int] = []  # the prompt of each row
    last: list[int] = []  # what each row wrote last
    with torch.inference_mode(), reading(model):
        shared = common_prefix(prompts) if batching.share else 0
        rows = _Rows(model, prompts[0][:shared] if shared else [])
        while waiting or active:
            number = _admitted(batching, rows, [len(prompts[index]) for index in waiting])
            if number:
                new, waiting = waiting[:number], waiting[number:]
                logits = rows.read([prompts[index] for index in new])
                active += new
            else:
                new = active
                logits = rows.go_on(last)
            plain = logits.log_softmax(dim=-1) if logprobs is not None else None
            if repetition_penalty != 1:
                _penalise(logits, [[*prompts[i], *answers[i]] for i in new], repetition_penalty)
            if constraint is not None:
                constraint(new, [answers[index] for index in new], logits)
            picked = logits.argmax(dim=-1).tolist()
            last = [*last, *picked] if number else picked
            if logprobs is not None and plain is not None:
                for index, row, token in zip(new, plain, picked, strict=True):
                    if index not in over:
                        logprobs[index].append(float(row[token]))
            for index, token in zip(new, picked, strict=True):
                if index not in over:
                    answers[index].append(token)
                    if len(answers[index]) >= room or finished(answers[index]):
                        over.add(index)
                        answered(index, answers[index])
            if batching.refill or over.issuperset(active):
                for row in reversed(range(len(active))):
                    if active[row] in over:
                        rows.table.leave(row)
                        active[row], last[row] = active[-1], last[-1]
                        active.pop(), last.pop()
    return answers


def greedy(
    model: Any, prompts: Sequence[Sequence[int]], room: int, end: int, rows: int = 0
) -> list[list[int]]:
    """What the model writes after each prompt: up to `room` tokens, or to `end`, which is left out.

    Args:
        model: a causal language model of transformers, in evaluation mode.
        prompts: token ids.
        room: tokens to write, at most.
        end: the token that ends an answer.
        rows: that are read at once, at most; 0 for as many as their tokens allow.
    """
    if not prompts:
        return []
    if can_decode(model, max(map(len, prompts)) + room):
        penalty = float(model.generation_config.repetition_penalty or 1)
        batching = Batching(rows=rows)
        written = write(model, prompts, room, lambda t: t[-1] == end, batching, repetition_penalty=penalty)
    else:
        written = _in_full(model, prompts, room, end, rows or ROWS_IN_FULL)
    return [answer[: answer.index(end)] if end in answer else answer for answer in written]


def _in_full(model: Any, prompts: Sequence[Sequence[int]], room: int, end: int, rows: int) -> list[list[int]]:
    """The same by transformers' own loop, which reads every prompt from its first token."""
    order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))
    answers: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), rows):
        batch = order[start : start + rows]
        width = len(prompts[batch[0]])
        ids = torch.tensor([[*[PAD] * (width - len(prompts[index])), *prompts[index]] for index in batch])
        pads = torch.tensor([[width - len(prompts[index])] for index in batch])
        with torch.no_grad():
            written = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=(torch.arange(width) >= pads).long().to(model.device),
                max_new_tokens=room,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                use_cache=True,
                eos_token_id=end,
                pad_token_id=end,
            )
        for index, answer in zip(batch, written[:, width:].tolist(), strict=True):
            answers[index] = answer
    return answers


def _admitted(batching: Batching, rows: _Rows, waiting: Sequence[int]) -> int:
    """How many of the rows that wait, of these lengths, are read now: enough to be worth it, or none."""
    active = len(rows.table.pads)
    if not waiting or (active and not batching.refill):
        return 0
    width = int(rows.table.ends.max()) if active else 0
    number = 0
    for length in waiting:
        width = max(width, length - rows.table.beginning)
        total = active + number + 1
        if total > 1 and (total * width > batching.tokens or total > (batching.rows or total)):
            break
        number += 1
    return number if number * 3 >= active or number == len(waiting) else 0


def _alike(lengths: Sequence[int]) -> Iterator[int]:
    """Where to cut rows into parts that are read at once, so that little of a part is padding."""
    width = tokens = start = 0
    for index, length in enumerate(lengths):
        width, tokens = max(width, length), tokens + length
        size = width * (index + 1 - start)
        if index > start and (size > PART_TOKENS or size > tokens + PART_PADDING * tokens):
            yield index
            width, tokens, start = length, length, index
    yield len(lengths)


def _penalise(logits: Tensor, seen: Sequence[Sequence[int]], penalty: float) -> None:
    """Make the tokens that a row has less likely, in place."""
    for row, tokens in zip(logits, seen, strict=True):
        places = torch.tensor(sorted(set(tokens)), device=logits.device)
        found = row[places]
        row[places] = torch.where(found < 0, found * penalty, found / penalty)


class _Rows:
    """The rows that a model is writing, and what it keeps of them."""

    def __init__(self, model: Any, beginning: Sequence[int]) -> None:
        self.model = model
        nothing = torch.zeros(0, dtype=torch.long, device=model.device)
        self.table = Table(len(beginning), nothing, nothing)
        if beginning:
            ids = torch.tensor([list(beginning)], device=model.device)
            places = torch.arange(len(beginning), device=model.device)[None]
            self._logits(ids, places, Step(self.table, len(beginning), beginning=True))

    def read(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Add rows; the logits of what comes after their prompts, rows x vocabulary."""
        found, start = [], 0
        for end in _alike([len(prompt) - self.table.beginning for prompt in prompts]):
            found.append(self._read(prompts[start:end]))
            start = end
        return torch.cat(found)

    def _read(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        shared, device = self.table.beginning, self.model.device
        width = max(len(prompt) for prompt in prompts) - shared
        pads = [width - len(prompt) + shared for prompt in prompts]
        ids = [[*[PAD] * pad, *prompt[shared:]] for pad, prompt in zip(pads, prompts, strict=True)]
        new = torch.tensor(pads, device=device)
        self.table.pads = torch.cat([self.table.pads, new])
        self.table.ends = torch.cat([self.table.ends, torch.full_like(new, width)])
        places = shared + (torch.arange(width, device=device) - new[:, None]).clamp(min=0)
        return self._logits(torch.tensor(ids, device=device), places, Step(self.table, width, len(pads)))

    def go_on(self, tokens: Sequence[int]) -> Tensor:
        """Add a token to each row; the logits of what comes after it, rows x vocabulary."""
        table = self.table
        ids = torch.tensor(tokens, device=self.model.device)[:, None]
        places = (table.beginning + table.ends - table.pads)[:, None]
        logits = self._logits(ids, places, Step(table, int(table.ends.max()) + 1))
        table.ends = table.ends + 1
        return logits

    def _logits(self, ids: Tensor, places: Tensor, step: Step) -> Tensor:
        # Named by its index the last column is copied. As a slice it has gaps between rows, and the product
        # with the output layer would be one for each row, each reading all of that layer.
        last = torch.tensor([ids.shape[1] - 1], device=ids.device)
        output = self.model(
            input_ids=ids, position_ids=places, use_cache=False, logits_to_keep=last, bioner_step=step
        )
        logits: Tensor = output.logits[:, -1].float()
        return logits
