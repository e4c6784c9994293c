"""Sentences -> entities by a token classifier: the first subword of each word is tagged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import AutoModelForTokenClassification, AutoTokenizer

from bioner_bench.models import crf, hardware
from bioner_bench.models.tagging import Transitions, Window, best_tags, tag_set, to_entities, windows, words
from bioner_bench.schema import BenchmarkError, Entity

OVERLAP = 64
"""Subwords that neighbouring windows of a long sentence share."""


@dataclass(frozen=True, slots=True)
class Input:
    """What a model reads at once; `first_subwords` are the places in `input_ids` of the owned words."""

    window: Window
    input_ids: list[int]
    first_subwords: list[int]


@dataclass(frozen=True, slots=True)
class Encoder:
    """A token classifier with its tokenizer; `max_length` is in subwords, special ones included."""

    model: Any
    tokenizer: Any
    max_length: int

    @property
    def tags(self) -> list[str]:
        """The tags in the order of the model's labels."""
        return [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]

    @property
    def transitions(self) -> Transitions | None:
        """The weights of the model's CRF as they are now; None if it has none."""
        own = getattr(self.model, "crf", None)
        return own.transitions() if own is not None else None


def load(
    source: str | Path, max_length: int | None = None, device: str | None = None, **options: Any
) -> Encoder:
    """Load a token classifier whose labels are IOB2 tags.

    Args:
        source: a folder or a hub id.
        max_length: subwords of a window, 512 by default; never more than the model has positions for.
        device: of torch; by default, and in place of a GPU that is not there, what the machine has.
        options: further arguments of `from_pretrained`, such as `revision` and `dtype`.

    Raises:
        BenchmarkError: the labels are no IOB2 tags.
    """
    tokenizer = AutoTokenizer.from_pretrained(source, add_prefix_space=True, **options)
    model = AutoModelForTokenClassification.from_pretrained(source, **options)
    if device is None or (device.startswith("cuda") and not torch.cuda.is_available()):
        device = hardware.device()
    if getattr(model.config, "head", None) == "crf":
        model.crf = crf.of_checkpoint(source, model.config.num_labels, options.get("revision"))
    model.to(device).eval()
    encoder = Encoder(model, tokenizer, longest(model.config, max_length or 512))
    tags = encoder.tags
    types = {tag[2:] for tag in tags if tag != "O"}
    if (
        set(tags) - set(tag_set(types))
        or {"O", *(f"B-{type_}" for type_ in types)} - set(tags)
        or "" in types
    ):
        raise BenchmarkError(
            f"{source}: its labels are {', '.join(tags[:6])}, but IOB2 tags are needed (O, B-Disease, "
            "I-Disease); set id2label in its config.json"
        )
    return encoder


def longest(config: Any, limit: int) -> int:
    """Subwords that a model of this configuration can read at once, at most `limit`."""
    positions = getattr(config, "max_position_embeddings", None) or limit
    # RoBERTa counts positions from after its padding token.
    return int(min(limit, positions - (positions % 64 if positions % 64 <= 2 else 0)))


def read(
    texts: Sequence[str], tokenizer: Any, max_length: int, overlap: int = OVERLAP
) -> tuple[list[list[tuple[int, int]]], list[Input]]:
    """The words of every text (start, end), and all texts cut into what a model can read at once."""
    spans = [words(text) for text in texts]
    whole, bare = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    at = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    before, after = whole[:at], whole[at + len(bare) :]
    size = max_length - len(before) - len(after)
    if size < 1:
        raise BenchmarkError(f"max_length {max_length} leaves no room for a word; give a larger one")
    inputs = []
    for index, (text, text_spans) in enumerate(zip(texts, spans, strict=True)):
        subwords = _subwords(tokenizer, [text[start:end] for start, end in text_spans])
        lengths = [len(pieces) for pieces in subwords]
        for window in windows(index, lengths, size, min(overlap, size // 2)):
            ids = list(before)
            firsts = []
            for word in range(window.first, window.last):
                if window.owned_first <= word < window.owned_last:
                    firsts.append(len(ids))
                ids += subwords[word][:size]
            inputs.append(Input(window, ids + after, firsts))
    return spans, inputs


def _subwords(tokenizer: Any, text_words: list[str]) -> list[list[int]]:
    """The subwords of each word; a word that the tokenizer drops is unknown to it, but still there."""
    subwords: list[list[int]] = [[] for _ in text_words]
    if text_words:
        encoded = tokenizer(text_words, is_split_into_words=True, add_special_tokens=False, truncation=False)
        for id_, word in zip(encoded["input_ids"], encoded.word_ids(), strict=True):
            subwords[word].append(id_)
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
    return [pieces or [unknown] for pieces in subwords]


def predict(
    encoder: Encoder, texts: Sequence[str], batch_size: int = 32, progress: bool = False
) -> list[list[Entity]]:
    """The entities of every text.

    Args:
        encoder: the model.
        texts: sentences of any length.
        batch_size: windows that are read at once.
        progress: show a progress bar.
    """
    spans, inputs = read(texts, encoder.tokenizer, encoder.max_length)
    scores: list[NDArray[np.float32] | None] = [None] * len(inputs)
    with tqdm(total=len(inputs), desc="tagging", unit="window", disable=not progress) as bar:
        for batch in _batches(inputs, batch_size):
            with torch.inference_mode():
                found = _scores(encoder, [inputs[i] for i in batch])
            for index, rows in zip(batch, found, strict=True):
                scores[index] = rows
            bar.update(len(batch))
    found_tags = decode(inputs, scores, len(texts), encoder.tags, encoder.transitions)
    return [to_entities(text_spans, tags) for text_spans, tags in zip(spans, found_tags, strict=True)]


def decode(
    inputs: Sequence[Input],
    scores: Sequence[NDArray[np.float32] | None],
    sentences: int,
    tags: Sequence[str],
    transitions: Transitions | None = None,
) -> list[list[str]]:
    """Scores of the owned words of every window, in any order -> the tags of every sentence."""
    parts: list[list[NDArray[np.float32]]] = [[] for _ in range(sentences)]
    pairs = zip(inputs, scores, strict=True)
    for item, found in sorted(pairs, key=lambda pair: (pair[0].window.sentence, pair[0].window.first)):
        if found is not None:
            parts[item.window.sentence].append(found)
    return [best_tags(np.concatenate(rows), tags, transitions) if rows else [] for rows in parts]


def _batches(inputs: Sequence[Input], batch_size: int) -> Iterator[list[int]]:
    order = sorted(range(len(inputs)), key=lambda index: len(inputs[index].input_ids))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def _scores(encoder: Encoder, inputs: Sequence[Input]) -> list[NDArray[np.float32]]:
    width = max(len(item.input_ids) for item in inputs)
    ids = torch.full((len(inputs), width), encoder.tokenizer.pad_token_id or 0)
    mask = torch.zeros((len(inputs), width), dtype=torch.long)
    for row, item in enumerate(inputs):
        ids[row, : len(item.input_ids)] = torch.tensor(item.input_ids)
        mask[row, : len(item.input_ids)] = 1
    device = encoder.model.device
    output = encoder.model(input_ids=ids.to(device), attention_mask=mask.to(device))
    logits = output.logits.float().cpu().numpy()
    return [logits[row, item.first_subwords] for row, item in enumerate(inputs)]
