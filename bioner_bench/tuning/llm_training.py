"""Recipe -> fine-tuned causal language model, by transformers' Trainer and peft."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, set_seed

from bioner_bench import corpora
from bioner_bench.corpora.loading import with_surroundings
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.scoring import scores, tabulate, total
from bioner_bench.models import packaged
from bioner_bench.models.chat import Chat
from bioner_bench.models.decoding import greedy
from bioner_bench.models.heads import IGNORED
from bioner_bench.models.padding import batch as padded
from bioner_bench.models.shared_prefix import is_spread, shared_tokens, target_logits
from bioner_bench.schema import BenchmarkError, Sentence
from bioner_bench.tuning import checkpoints, learners, processes, rows, spreading
from bioner_bench.tuning.grouped_trainer import GroupedTrainer
from bioner_bench.tuning.recipes import LlmRecipe
from bioner_bench.tuning.selection import select_rows

COUNTED = ("strict", "predicted", "gold")
"""What strict F1 needs of a sentence."""


def train(recipe: LlmRecipe, out: Path, scores_from: Path | None = None) -> Path:
    """Select rows, fine-tune, or go on with what a killed run left in `out`; return the checkpoint folder.

    Of two runs at once in one folder the second waits, and finds what the first has made.

    Args:
        recipe: what to train, on what, and how.
        out: the checkpoint folder.
        scores_from: a folder of `bioner-bench select` with the scores of the recipe's weak model.

    Raises:
        BenchmarkError: a row is longer than the model can read, or `out` holds another run.
    """
    with processes.claimed(out):
        return _train(recipe, out, scores_from)


def _train(recipe: LlmRecipe, out: Path, scores_from: Path | None) -> Path:
    if recipe.fsdp and processes.share()[1] == 1:
        raise BenchmarkError(
            "fsdp spreads weights over several processes, and there is one; start them by "
            "`accelerate launch --num_processes N -m bioner_bench train`"
        )
    with processes.together().main_process_first():  # the others find what it wrote
        if checkpoints.begin(out, recipe):
            return out
        base, begin, revision = learners.origin(recipe)
        source = packaged.resolve(base)
    asked = (recipe.format, recipe.context)
    chosen = select_rows(recipe.train, recipe.select, out / "selection", scores_from, 16, *asked)
    beside = [row for task in recipe.auxiliary for row in rows.rows_of(task, "train", *asked)]
    options: dict[str, Any] = {"revision": revision} if revision else {}
    with packaged.loading(base):
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
    chat = Chat(tokenizer, recipe.template)
    set_seed(recipe.seed)
    model = learners.load(recipe, chat)
    learned = [encode(row, chat, recipe.max_length or positions(model.config)) for row in [*chosen, *beside]]
    trainer = _Trainer(
        model=_with_loss(model),
        args=checkpoints.arguments(recipe, out, "strict_f1" if recipe.validation else None),
        train_dataset=learned,
        eval_dataset=learned[:1] if recipe.validation else None,  # `evaluate` reads the sentences itself
        data_collator=collate,
        callbacks=checkpoints.callbacks(recipe),
    )
    spreading.settle(trainer, recipe)
    pool = _development(recipe)
    drawn = draw(recipe, pool)
    trainer.development = drawn
    trainer.chat = chat
    trainer.asked = asked
    trainer.rows_at_once = recipe.evaluation_batch_size or 0
    # With dropout, and on the way back with checkpointing, each row needs a reading of its own.
    dropout = any(module.p for module in model.modules() if isinstance(module, torch.nn.Dropout))
    trainer.share = not (dropout or recipe.gradient_checkpointing)
    trainer.model_accepts_loss_kwargs = True  # the number of target tokens in a step is given to compute_loss
    trainer.train(resume_from_checkpoint=checkpoints.last(out))
    checkpoints.finish(
        out,
        recipe,
        trainer,
        lambda model: learners.save(model, chat, recipe, out),
        {
            "rows": len(chosen),
            "positives": sum(row.positive for row in chosen),
            "negatives": sum(not row.positive for row in chosen),
            "target_tokens": sum(label != IGNORED for row in learned for label in row["labels"]),
            "tokens": sum(len(row["input_ids"]) for row in learned),
        }
        | ({"auxiliary_rows": len(beside)} if beside else {}),
        {
            "chat_template": chat.template is not None,
            "rendered_prompt_sha256": chat.sha256,
            "ends_of_turn": model.generation_config.eos_token_id,
            "begin_from": packaged.revision(str(begin)) if begin else None,
            "development_sentences": {"drawn": len(drawn), "of": len(pool)},
        },
    )
    return out


def encode(row: rows.Row, chat: Chat, max_length: int) -> Mapping[str, Any]:
    """What the Trainer is given for a row: its tokens, and labels on the target's alone.

    Raises:
        BenchmarkError: the row is longer than `max_length` tokens.
    """
    asked, target = chat.prompt(row.messages), chat.target(row.target)
    if len(asked) + len(target) > max_length:
        raise BenchmarkError(
            f"row {row.id} has {len(asked) + len(target)} tokens, more than max_length {max_length}; "
            "raise it or leave the row out, for no target is cut"
        )
    return {
        "input_ids": [*asked, *target],
        "attention_mask": [1] * (len(asked) + len(target)),
        "labels": [IGNORED] * len(asked) + target,
    }


def collate(batch: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Rows -> tensors of one width, filled up on the right."""
    return padded(batch, 0)


def positions(config: Any) -> int:
    """Tokens that a model of this configuration has positions for."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", None) or 2048)


def _development(recipe: LlmRecipe) -> list[tuple[str, Sentence]]:
    """The sentences of the development splits, with their tasks."""
    return [
        (task, sentence)
        for task in recipe.validation
        for sentence in with_surroundings(task, "validation", recipe.context)
    ]


def draw(recipe: LlmRecipe, pool: Sequence[tuple[str, Sentence]]) -> list[tuple[str, Sentence]]:
    """Those that choose the checkpoint: as many as the recipe says, or all where there are fewer."""
    number = min(recipe.validation_sentences or len(pool), len(pool))
    return Random(recipe.seed).sample(pool, number)


class _Trainer(GroupedTrainer):
    """Reads what the rows of a batch share only once, and scores the development split by generation."""

    development: Sequence[tuple[str, Sentence]]
    chat: Chat
    share: bool
    rows_at_once: int
    asked: tuple[str, int]  # the format of the answers, and the context that is shown

    def compute_loss(
        self,
        model: Any,
        inputs: Mapping[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Called by the Trainer: the mean loss over the target tokens of an optimiser step."""
        share = self.share
        if share and self.is_fsdp_enabled:  # a process that read twice would wait for one that reads once
            share = spreading.all_agree(shared_tokens(model, *_rows_and_starts(inputs)) > 0)
        loss, count = model(batch=inputs, share=share)
        if num_items_in_batch is None:
            return loss / count
        # Processes average their gradients, but the number is of all their tokens.
        return loss * self.args.world_size / num_items_in_batch

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Called by the Trainer: strict F1 of greedy answers on the development sentences."""
        model = self.accelerator.unwrap_model(self.model)
        spread = is_spread(model)  # then all processes read the same, in step
        first, step = (0, 1) if spread else (self.args.process_index, self.args.world_size)
        with self.accelerator.autocast():  # as in training, for the parts of the model that are not wrapped
            mine = self.development[first::step]
            counted = answer_and_count(model, self.chat, mine, self.rows_at_once, *self.asked)
        everything = counted if spread else gather_object(counted)
        sums = total(tabulate(everything))
        metrics = {f"{metric_key_prefix}_strict_f1": float(scores([])["strict_f1"].of(sums))}
        self.log(metrics)
        control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.control: Any = control
        return metrics


@dataclass(frozen=True)
class _Plain:
    """A model by the `forward` it had before others wrapped it, which must not be entered twice at once."""

    model: Any
    forward: Callable[..., Any]

    def __call__(self, **options: Any) -> Any:
        return self.forward(**options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def _with_loss(model: Any) -> Any:
    """Give a model's `forward` a second form, `target_loss`.

    Several processes learn together by a wrapper that must see one forward pass a batch; reading what rows
    share, and then the rest, are two.
    """
    plain = _Plain(model, model.forward)

    def forward(*args: Any, batch: Any = None, share: bool = True, **options: Any) -> Any:
        return plain.forward(*args, **options) if batch is None else target_loss(plain, batch, share)

    model.forward = forward
    return model


def target_loss(model: Any, inputs: Mapping[str, Tensor], share: bool = True) -> tuple[Tensor, int]:
    """The summed negative log-likelihood of a batch's labels in nats, and their number.

    Args:
        model: a causal language model.
        inputs: `input_ids`, `attention_mask` and `labels`, filled up on the right.
        share: read what all rows begin with only once.
    """
    labels = inputs["labels"]
    wanted = labels[labels != IGNORED]
    logits = target_logits(model, *_rows_and_starts(inputs), share)
    return cross_entropy(logits.float(), wanted, reduction="sum"), wanted.numel()


def _rows_and_starts(inputs: Mapping[str, Tensor]) -> tuple[list[list[int]], list[int]]:
    """The rows of a batch as they were before filling up, and the place of the token before each target."""
    sizes = inputs["attention_mask"].sum(dim=1).tolist()
    rows = [row[:size] for row, size in zip(inputs["input_ids"].tolist(), sizes, strict=True)]
    return rows, ((inputs["labels"] != IGNORED).int().argmax(dim=1) - 1).tolist()


def answer_and_count(
    model: Any,
    chat: Chat,
    asked: Sequence[tuple[str, Sentence]],
    rows_at_once: int = 0,
    form: str = prompt.JSON,
    context: int = 0,
) -> list[dict[str, int]]:
    """Greedy zero-shot answers to sentences of tasks -> what `COUNTED` names of each."""
    if not asked:  # more processes than sentences
        return []
    prompts = [chat.prompt(rows.asked(s, corpora.get(task).types, form, context)) for task, s in asked]
    targets = [prompt.target(s.text, s.entities, corpora.get(task).types, form) for task, s in asked]
    room = 16 + max(len(chat.target(target)) for target in targets)
    training = model.training
    model.eval()
    written = greedy(model, prompts, room, chat.end_of_turn, rows_at_once)
    model.train(training)
    answers = chat.tokenizer.batch_decode(written, skip_special_tokens=True)
    if not chat.tokenizer.chat_template:  # there the blank line after it ends an answer
        answers = [answer.split(prompt.TURN_SEPARATOR)[0] for answer in answers]
    counts = []
    for (task, sentence), answer in zip(asked, answers, strict=True):
        counted = judge(sentence, answer, list(corpora.get(task).types), form=form).counts
        counts.append({column: counted[column] for column in COUNTED})
    return counts
