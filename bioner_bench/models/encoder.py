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

from bioner_bench.models import hardware, heads
from bioner_bench.models.padding import batch as padded
from bioner_bench.models.tagging import Transitions, Window, best_tags, tag_set, to_entities, windows, words
from bioner_bench.schema import BenchmarkError, Entity, Sentence

OVERLAP = 64
"""Subwords that neighbouring windows of a long sentence share."""


@dataclass(frozen=True, slots=True)
class Input:
    """What a model reads at once.

    Attributes:
        window: the words of the sentence that it holds.
        input_ids: their subwords, between special ones and perhaps subwords of the sentence's context.
        of_words: the word that each of them is of; empty for a special one.
        first_subwords: the places of the first subwords of the owned words.
    """

    window: Window
    input_ids: list[int]
    of_words: list[str]
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
        own = getattr(self.model, "tagger", None)
        return own.crf.transitions() if own is not None and own.crf is not None else None

    @property
    def context(self) -> int:
        """How many sentences before and after each one the model was trained to read with it."""
        return getattr(self.model.config, "context", 0)

    def row(self, item: Input) -> dict[str, Any]:
        """A window as the model takes it, before it is put into a batch."""
        row: dict[str, Any] = {"input_ids": item.input_ids, "attention_mask": [1] * len(item.input_ids)}
        if getattr(self.model.config, "characters", None):
            row["characters"] = [heads.letters(word) for word in item.of_words]
        return row

    def allowed(self, types: Sequence[str]) -> list[bool] | None:
        """Which tags a sentence can have that is asked for these types; None if all.

        A model of several corpora tells a type from what the corpus in question annotates beside it, not from
        the types of others: a word may well be of both.
        """
        of_corpora = getattr(self.model.config, "annotated", None)
        known = heads.annotation(of_corpora, types) if of_corpora else None
        return heads.allowed(self.tags, known) if known else None


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
    head = heads.of_checkpoint(source, model.config, options.get("revision"))
    if head is not None:
        heads.put_on(model, head)
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
    sentences: Sequence[Sentence | str], tokenizer: Any, max_length: int, overlap: int = OVERLAP
) -> tuple[list[list[tuple[int, int]]], list[Input]]:
    """The words of every sentence (start, end), and all cut into what a model can read at once.

    Where a sentence leaves room in its window, as much of its context as fits goes around it.
    """
    given = [Sentence("", item, ()) if isinstance(item, str) else item for item in sentences]
    spans = [words(sentence.text) for sentence in given]
    whole, bare = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    at = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    before, after = whole[:at], whole[at + len(bare) :]
    size = max_length - len(before) - len(after)
    if size < 1:
        raise BenchmarkError(f"max_length {max_length} leaves no room for a word; give a larger one")
    inputs = []
    for index, (sentence, text_spans) in enumerate(zip(given, spans, strict=True)):
        text_words = [sentence.text[start:end] for start, end in text_spans]
        subwords = _subwords(tokenizer, text_words)
        lengths = [len(pieces) for pieces in subwords]
        cut = windows(index, lengths, size, min(overlap, size // 2))
        room = size - sum(lengths) if len(cut) == 1 else 0
        left, right = _context(sentence, tokenizer, room)
        for window in cut:
            pieces = [("", id_) for id_ in before] + left
            firsts = []
            for word in range(window.first, window.last):
                if window.owned_first <= word < window.owned_last:
                    firsts.append(len(pieces))
                pieces += [(text_words[word], id_) for id_ in subwords[word][:size]]
            pieces += right + [("", id_) for id_ in after]
            of_words, ids = map(list, zip(*pieces, strict=True))
            inputs.append(Input(window, ids, of_words, firsts))
    return spans, inputs


def _context(
    sentence: Sentence, tokenizer: Any, room: int
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """The subwords nearest to a sentence on both sides with their words, at most `room` of them.

    Each side has half of the room, and what the other one leaves.
    """
    sides = []
    for text in (sentence.before, sentence.after):
        text_words = [text[start:end] for start, end in words(text)] if room > 0 else []
        subwords = _subwords(tokenizer, text_words)
        sides.append(
            [(word, id_) for word, pieces in zip(text_words, subwords, strict=True) for id_ in pieces]
        )
    left, right = sides
    kept = min(len(left), max(room // 2, room - len(right)))
    return left[len(left) - kept :], right[: max(0, room - kept)]


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
    encoder: Encoder,
    sentences: Sequence[Sentence | str],
    batch_size: int = 32,
    progress: bool = False,
    types: Sequence[str] = (),
) -> list[list[Entity]]:
    """The entities of every sentence.

    Args:
        encoder: the model.
        sentences: of any length; texts, or with their context (their own entities are not looked at).
        batch_size: windows that are read at once.
        progress: show a progress bar.
        types: what is asked for; a model of several corpora then answers as for one that has these types.
    """
    allowed = encoder.allowed(types) if types else None
    spans, inputs = read(sentences, encoder.tokenizer, encoder.max_length)
    scores: list[NDArray[np.float32] | None] = [None] * len(inputs)
    with tqdm(total=len(inputs), desc="tagging", unit="window", disable=not progress) as bar:
        for batch in _batches(inputs, batch_size):
            with torch.inference_mode():
                found = _scores(encoder, [inputs[i] for i in batch], allowed)
            for index, rows in zip(batch, found, strict=True):
                scores[index] = rows
            bar.update(len(batch))
    found_tags = decode(inputs, scores, len(sentences), encoder.tags, encoder.transitions)
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


def _scores(
    encoder: Encoder, inputs: Sequence[Input], allowed: list[bool] | None
) -> list[NDArray[np.float32]]:
    rows = padded([encoder.row(item) for item in inputs], encoder.tokenizer.pad_token_id or 0)
    output = encoder.model(**{name: values.to(encoder.model.device) for name, values in rows.items()})
    logits = output.logits.float().cpu().numpy()
    if allowed is not None:
        logits[..., ~np.array(allowed)] = heads.FORBIDDEN
    return [logits[row, item.first_subwords] for row, item in enumerate(inputs)]
