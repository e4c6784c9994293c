"""Recipe -> fine-tuned token classifier, by transformers' Trainer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2
from torch import Tensor
from torch.nn import Module, ModuleList
from torch.nn.functional import cross_entropy
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    EvalPrediction,
    set_seed,
)

from bioner_bench import corpora
from bioner_bench.models import heads, packaged
from bioner_bench.models.encoder import Encoder, Input, decode, longest, read
from bioner_bench.models.heads import IGNORED
from bioner_bench.models.padding import batch
from bioner_bench.models.tagging import tag_set, to_tags
from bioner_bench.schema import BenchmarkError, Sentence
from bioner_bench.tuning import checkpoints, processes
from bioner_bench.tuning.grouped_trainer import GroupedTrainer
from bioner_bench.tuning.recipes import EncoderRecipe


def train(recipe: EncoderRecipe, out: Path) -> Path:
    """Fine-tune, or go on with what a killed run left in `out`; return the checkpoint folder.

    Of two runs at once in one folder the second waits, and finds what the first has made.

    Raises:
        BenchmarkError: the development split has types that no training corpus annotates, the checkpoint to
            begin from is none of the same base model, or `out` holds another run.
    """
    with processes.claimed(out):
        return _train(recipe, out)


def _train(recipe: EncoderRecipe, out: Path) -> Path:
    annotated = _annotated(recipe)
    with processes.together().main_process_first():  # the others find what it wrote
        if checkpoints.begin(out, recipe):
            return out
        packaged.resolve(recipe.model)
    training, types = _sentences(recipe, (*recipe.train, *recipe.auxiliary), "train")
    validation = _sentences(recipe, recipe.validation, "validation")
    set_seed(recipe.seed)  # for the weights of the new layers
    encoder = _start(recipe, tag_set(dict.fromkeys(chain(*annotated))), annotated)
    development = _Development(encoder, *validation)
    trainer = GroupedTrainer(
        model=encoder.model,
        args=checkpoints.arguments(recipe, out, "strict_f1" if recipe.validation else None),
        train_dataset=_read(encoder, training, types)[2],
        eval_dataset=development.rows if recipe.validation else None,
        data_collator=partial(batch, padding=encoder.tokenizer.pad_token_id or 0),
        compute_metrics=development.scores,
        # Heads of this project heed the number of labels themselves, the loss of a plain classifier does not.
        compute_loss_func=None if hasattr(encoder.model, "tagger") else _loss,
        callbacks=checkpoints.callbacks(recipe),
        optimizers=(_optimizer(encoder.model, recipe), None),
    )
    trainer.train(resume_from_checkpoint=checkpoints.last(out))
    checkpoints.finish(
        out,
        recipe,
        trainer,
        lambda model: _save(model, encoder.tokenizer, out),
        {"sentences": len(training), "mentions": sum(len(sentence.entities) for sentence in training)},
        {"begin_from": packaged.revision(recipe.begin_from)} if recipe.begin_from else None,
    )
    return out


def _loss(outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int) -> Tensor:
    """Called by the Trainer: a batch's share of the mean loss over all labels of an optimiser step."""
    scores = outputs.logits.float().flatten(0, 1)
    return cross_entropy(scores, labels.flatten(), ignore_index=IGNORED, reduction="sum") / num_items_in_batch


def _annotated(recipe: EncoderRecipe) -> list[tuple[str, ...]]:
    """What the training corpora annotate, each set of types once."""
    found = [tuple(corpora.get(task).types) for task in (*recipe.train, *recipe.auxiliary)]
    for task in recipe.validation:
        if heads.annotation(found, corpora.get(task).types) is None:
            raise BenchmarkError(
                f"recipe {recipe.name}: no training corpus annotates all types of the validation corpus "
                f"{task} ({', '.join(corpora.get(task).types)})"
            )
    return list(dict.fromkeys(found))


def _sentences(
    recipe: EncoderRecipe, tasks: Iterable[str], split: str
) -> tuple[list[Sentence], list[tuple[str, ...]]]:
    """The sentences of a split of several corpora, and of each the types that its corpus annotates."""
    sentences: list[Sentence] = []
    types: list[tuple[str, ...]] = []
    for task in tasks:
        found = corpora.loading.with_surroundings(task, split, recipe.context)
        sentences += found
        types += [tuple(corpora.get(task).types)] * len(found)
    return sentences, types


def _start(recipe: EncoderRecipe, tags: Sequence[str], annotated: Sequence[Sequence[str]] = ()) -> Encoder:
    """The model before training: weights of the base model, a new head, what is fresh and what is frozen.

    Args:
        recipe: what is trained.
        tags: of all types.
        annotated: the types of each corpus, where they differ.
    """
    source = packaged.resolve(recipe.model)
    options: dict[str, Any] = {"revision": recipe.revision} if recipe.revision else {}
    if recipe.begin_from:
        source, options = _begin(recipe), {}
    with packaged.loading(recipe.model):
        config = AutoConfig.from_pretrained(source, **options)
    own = config.id2label
    config.id2label = dict(enumerate(tags))
    config.label2id = {tag: number for number, tag in enumerate(tags)}
    before = {name: getattr(config, name, None) for name in ("head", "characters")}
    asked = {
        "head": recipe.head if recipe.head != "linear" else None,
        "characters": recipe.characters,
        "context": recipe.context or None,
        "annotated": [list(types) for types in annotated] if len(annotated) > 1 else None,
    }
    for name, value in asked.items():
        if value is not None:
            setattr(config, name, value)
        elif hasattr(config, name):
            delattr(config, name)
    tokenizer = AutoTokenizer.from_pretrained(source, add_prefix_space=True, **options)
    model, found = AutoModelForTokenClassification.from_pretrained(
        source,
        config=config,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **options,
    )
    if own != config.id2label:  # a head for as many other tags knows nothing of these
        fresh = {*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])}
        for name, module in model.named_modules():
            if not name.startswith(model.base_model_prefix) and f"{name}.weight" not in fresh:
                _reset(module, config.initializer_range)
    layers = _layers(model)
    if recipe.reinitialise_layers + recipe.freeze_layers > len(layers):
        raise BenchmarkError(
            f"recipe {recipe.name}: reinitialise_layers and freeze_layers are more than the "
            f"{len(layers)} layers of {recipe.model}"
        )
    for layer in list(layers)[len(layers) - recipe.reinitialise_layers :]:
        for module in layer.modules():
            _reset(module, config.initializer_range)
    if recipe.freeze_layers:
        kept = [_embeddings(model), *list(layers)[: recipe.freeze_layers]]
        for parameter in (parameter for module in kept for parameter in module.parameters()):
            parameter.requires_grad = False
    head = heads.new(config, masked=len(annotated) > 1)
    if head is not None:
        if own == config.id2label and before == {name: asked[name] for name in before}:
            heads.load(head, source)
        heads.put_on(model, head)
    return Encoder(model, tokenizer, longest(config, recipe.max_length or 512))


def _begin(recipe: EncoderRecipe) -> str:
    """The checkpoint folder that training begins from.

    Raises:
        BenchmarkError: it is not there, or was trained on another base model.
    """
    folder = Path(str(recipe.begin_from))
    path = folder / checkpoints.SUMMARY
    if not path.is_file():
        raise BenchmarkError(
            f"begin_from: {folder} holds no checkpoint of `bioner-bench train`; train it first"
        )
    base = json.loads(path.read_text(encoding="utf-8"))["recipe"]["model"]
    if packaged.public_name(base) != packaged.public_name(recipe.model):
        raise BenchmarkError(f"begin_from: {folder} was trained on {base}, but model is {recipe.model}")
    return str(folder)


def _save(model: Any, tokenizer: Any, out: Path) -> None:
    heads.save(model, out)
    tokenizer.save_pretrained(out)


def _reset(module: Module, deviation: float) -> None:
    """Fresh weights as BERT starts with them: normal with this standard deviation, no bias."""
    if isinstance(module, torch.nn.LayerNorm):
        module.reset_parameters()
    elif isinstance(module, torch.nn.Linear):
        torch.nn.init.normal_(module.weight, std=deviation)
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)


def _layers(model: Any) -> ModuleList:
    """The model's layers, lowest first: the longest list of modules in its body."""
    lists = [module for module in model.base_model.modules() if isinstance(module, ModuleList)]
    if not lists:
        raise BenchmarkError(f"{type(model).__name__} has no list of layers; it cannot be trained here")
    return max(lists, key=len)


def _embeddings(model: Any) -> Module:
    embeddings = getattr(model.base_model, "embeddings", None)
    return embeddings if isinstance(embeddings, Module) else model.get_input_embeddings()


def _optimizer(model: Any, recipe: EncoderRecipe) -> torch.optim.Optimizer:
    """AdamW without decay on biases and normalisations, with a rate of its own for each layer if asked."""
    layers = _layers(model)
    depth = {id(p): len(layers) - i for i, layer in enumerate(layers) for p in layer.parameters()}
    depth |= {id(p): len(layers) + 1 for p in _embeddings(model).parameters()}
    groups: dict[tuple[int, bool], list[Any]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            below = depth.get(id(parameter), 0) if recipe.layer_decay else 0
            groups.setdefault((below, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": recipe.learning_rate * (recipe.layer_decay or 1.0) ** below,
                "weight_decay": recipe.weight_decay if decays else 0.0,
            }
            for (below, decays), parameters in groups.items()
        ]
    )


def _read(
    encoder: Encoder, sentences: Sequence[Sentence], types: Sequence[tuple[str, ...]]
) -> tuple[list[list[str]], list[Input], list[Mapping[str, Any]]]:
    """The gold tags of every sentence, its windows, and what the Trainer is given for each of them."""
    spans, inputs = read(sentences, encoder.tokenizer, encoder.max_length)
    numbers = encoder.model.config.label2id
    gold = [to_tags(found, s.entities) for found, s in zip(spans, sentences, strict=True)]
    allowed = {each: encoder.allowed(each) for each in dict.fromkeys(types)}
    rows: list[Mapping[str, Any]] = []
    for item in inputs:
        place = item.window.sentence
        row = encoder.row(item) | {"labels": _labels(item, [numbers[tag] for tag in gold[place]])}
        if (possible := allowed[types[place]]) is not None:
            row["allowed"] = possible
        rows.append(row)
    return gold, inputs, rows


def _labels(item: Input, labels: Sequence[int]) -> list[int]:
    """Labels of a window's subwords: only the first ones of words that it owns have one."""
    row = [IGNORED] * len(item.input_ids)
    for place, word in zip(
        item.first_subwords, range(item.window.owned_first, item.window.owned_last), strict=True
    ):
        row[place] = labels[word]
    return row


class _Development:
    """The development split, and the Trainer's function that scores it as evaluation would."""

    def __init__(
        self, encoder: Encoder, sentences: Sequence[Sentence], types: Sequence[tuple[str, ...]]
    ) -> None:
        self.encoder = encoder
        self.gold, inputs, rows = _read(encoder, sentences, types)
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]["input_ids"]))
        self.inputs = [inputs[index] for index in order]
        self.rows = [rows[index] for index in order]

    def scores(self, evaluated: EvalPrediction) -> dict[str, float]:
        """Strict F1 of seqeval on the best valid tags."""
        logits = [
            row[item.first_subwords] for item, row in zip(self.inputs, evaluated.predictions, strict=True)
        ]
        encoder = self.encoder
        found = decode(self.inputs, logits, len(self.gold), encoder.tags, encoder.transitions)
        return {"strict_f1": float(f1_score(self.gold, found, mode="strict", scheme=IOB2, zero_division=0))}
