"""Recipe -> fine-tuned token classifier, by transformers' Trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2
from torch.nn import Module, ModuleList
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    EvalPrediction,
    set_seed,
)

from bioner_bench import corpora
from bioner_bench.models import crf, packaged
from bioner_bench.models.encoder import Encoder, Input, decode, longest, read
from bioner_bench.models.tagging import tag_set, to_tags
from bioner_bench.schema import BenchmarkError, Sentence
from bioner_bench.tuning import checkpoints, processes
from bioner_bench.tuning.grouped_trainer import IGNORED, GroupedTrainer
from bioner_bench.tuning.recipes import EncoderRecipe


def train(recipe: EncoderRecipe, out: Path) -> Path:
    """Fine-tune, or go on with what a killed run left in `out`; return the checkpoint folder.

    Of two runs at once in one folder the second waits, and finds what the first has made.

    Raises:
        BenchmarkError: the training corpora have different types, or `out` holds another run.
    """
    with processes.claimed(out):
        return _train(recipe, out)


def _train(recipe: EncoderRecipe, out: Path) -> Path:
    types = _types(recipe)
    with processes.together().main_process_first():  # the others find what it wrote
        if checkpoints.begin(out, recipe):
            return out
        packaged.resolve(recipe.model)
    training = corpora.loading.sentences(recipe.train, "train")
    validation = corpora.loading.sentences(recipe.validation, "validation")
    set_seed(recipe.seed)  # for the weights of the new layers
    encoder = _start(recipe, tag_set(types))
    collator = DataCollatorForTokenClassification(encoder.tokenizer)
    development = _Development(encoder, validation)
    trainer = GroupedTrainer(
        model=encoder.model,
        args=checkpoints.arguments(recipe, out, "strict_f1" if validation else None),
        train_dataset=_read(encoder, training)[2],
        eval_dataset=development.rows if validation else None,
        data_collator=collator,
        compute_metrics=development.scores,
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
    )
    return out


def _types(recipe: EncoderRecipe) -> list[str]:
    types = {task: tuple(corpora.get(task).types) for task in (*recipe.train, *recipe.validation)}
    if len(set(types.values())) > 1:
        listed = "; ".join(f"{task}: {', '.join(names)}" for task, names in types.items())
        raise BenchmarkError(
            f"recipe {recipe.name}: an encoder takes what a corpus does not annotate for no mention, so its "
            f"corpora must have the same types ({listed}); train one for each"
        )
    return list(next(iter(types.values())))


def _start(recipe: EncoderRecipe, tags: Sequence[str]) -> Encoder:
    """The model before training: weights of the base model, a new head, what is fresh and what is frozen."""
    source = packaged.resolve(recipe.model)
    options: dict[str, Any] = {"revision": recipe.revision} if recipe.revision else {}
    with packaged.loading(recipe.model):
        config = AutoConfig.from_pretrained(source, **options)
    own = config.id2label
    config.id2label = dict(enumerate(tags))
    config.label2id = {tag: number for number, tag in enumerate(tags)}
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
    if recipe.head == "crf":
        crf.put_on(model, IGNORED)
    return Encoder(model, tokenizer, longest(config, recipe.max_length or 512))


def _save(model: Any, tokenizer: Any, out: Path) -> None:
    if hasattr(model, "crf"):
        crf.save(model, out)
    else:
        model.save_pretrained(out)
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
    encoder: Encoder, sentences: Sequence[Sentence]
) -> tuple[list[list[str]], list[Input], list[Mapping[str, Any]]]:
    """The gold tags of every sentence, its windows, and what the Trainer is given for each of them."""
    spans, inputs = read([s.text for s in sentences], encoder.tokenizer, encoder.max_length)
    numbers = encoder.model.config.label2id
    gold = [to_tags(found, s.entities) for found, s in zip(spans, sentences, strict=True)]
    rows = [_row(item, [numbers[tag] for tag in gold[item.window.sentence]]) for item in inputs]
    return gold, inputs, rows


def _row(item: Input, labels: Sequence[int]) -> Mapping[str, Any]:
    """A window for the Trainer; only the first subwords of words that it owns have a label."""
    row = [IGNORED] * len(item.input_ids)
    for place, word in zip(
        item.first_subwords, range(item.window.owned_first, item.window.owned_last), strict=True
    ):
        row[place] = labels[word]
    return {"input_ids": item.input_ids, "attention_mask": [1] * len(item.input_ids), "labels": row}


class _Development:
    """The development split, and the Trainer's function that scores it as evaluation would."""

    def __init__(self, encoder: Encoder, sentences: Sequence[Sentence]) -> None:
        self.encoder = encoder
        self.gold, inputs, rows = _read(encoder, sentences)
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
