"""What a token classifier may have beside its linear layer: a CRF, a BiLSTM, character vectors, masked tags.

The body and the linear layer stay those of an ordinary checkpoint. The rest is put around them: what is added
to the body's vectors goes in before the linear layer, which keeps its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers.utils.hub import cached_file

from bioner_bench.models.crf import Crf
from bioner_bench.models.tagging import OUTSIDE

FILE = "head.safetensors"
"""In the folder of a checkpoint, beside the ordinary weights."""

IGNORED = -100
"""The label of what is not learned."""

FORBIDDEN = -1e4
"""The score of a tag that a word cannot have: nothing in a sum of exponentials; half precision holds it."""

LETTERS = 16
"""Characters of a word that are looked at: of a longer one the first and the last half of them."""

_ALPHABET = 256


def letters(word: str) -> list[int]:
    """The characters of a word as `LETTERS` numbers, 0 beyond its end.

    ASCII characters have a number each; all others share 128 numbers.
    """
    if len(word) > LETTERS:
        word = word[: LETTERS // 2] + word[-LETTERS // 2 :]
    numbers = [code if code < 128 else 128 + code % 128 for code in map(ord, word)]
    return numbers + [0] * (LETTERS - len(numbers))


def allowed(tags: Iterable[str], types: Iterable[str]) -> list[bool]:
    """Which tags a sentence can have whose corpus annotates these types.

    >>> allowed(["O", "B-Gene", "I-Gene", "B-person"], ["Gene"])
    [True, True, True, False]
    """
    known = set(types)
    return [tag == OUTSIDE or tag[2:] in known for tag in tags]


def annotation(annotated: Sequence[Sequence[str]], asked: Iterable[str]) -> Sequence[str] | None:
    """Of what the training corpora annotate the least that has all the types asked for; None if none has."""
    wanted = set(asked)
    return min((types for types in annotated if wanted <= set(types)), key=len, default=None)


class CharacterCnn(nn.Module):  # type: ignore[misc]
    """The characters of words -> vectors of the body's size (Ma and Hovy 2016, arXiv 1603.01354)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_ALPHABET, 32, padding_idx=0)
        self.convolution = nn.Conv1d(32, 64, kernel_size=3, padding=1)
        self.projection = nn.Linear(64, size)

    def forward(self, characters: Tensor) -> Tensor:
        """Sentences x subwords x `LETTERS` numbers -> sentences x subwords x size."""
        embedded = self.embedding(characters.flatten(0, 1)).transpose(1, 2)
        found = self.convolution(embedded).relu().amax(dim=2)
        return self.projection(found).unflatten(0, characters.shape[:2])


class Head(nn.Module):  # type: ignore[misc]
    """The parts of a head that an ordinary token classifier lacks; each may be missing."""

    def __init__(self, size: int, tags: int, head: str, characters: str | None) -> None:
        super().__init__()
        self.characters = CharacterCnn(size) if characters == "cnn" else None
        self.lstm = (
            nn.LSTM(size, size // 2, batch_first=True, bidirectional=True) if head == "bilstm-crf" else None
        )
        self.crf = Crf(tags) if head in ("crf", "bilstm-crf") else None

    def forward(self, vectors: Tensor, mask: Tensor, characters: Tensor | None) -> Tensor:
        """The vectors of subwords -> those that the linear layer gets, of the same shape.

        Args:
            vectors: sentences x subwords x size, from the body.
            mask: sentences x subwords, 0 beyond a sentence's end.
            characters: sentences x subwords x `LETTERS`, of the word that a subword is of.
        """
        with torch.autocast(vectors.device.type, enabled=False):  # LSTMs have no half precision everywhere
            made = vectors.float()
            if self.characters is not None:
                made = made + self.characters(characters)
            if self.lstm is not None:
                sizes = mask.sum(dim=1).cpu()
                packed = pack_padded_sequence(made, sizes, batch_first=True, enforce_sorted=False)
                made, _ = pad_packed_sequence(self.lstm(packed)[0], True, total_length=vectors.shape[1])
        return made.to(vectors.dtype)

    def loss(self, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The summed negative log-likelihood of the labels in nats, and their number.

        Args:
            scores: sentences x subwords x tags.
            labels: sentences x subwords, `IGNORED` where there is none.
        """
        held = [row != IGNORED for row in labels]
        sizes = torch.tensor([int(mask.sum()) for mask in held], device=labels.device)
        with torch.autocast(labels.device.type, enabled=False):  # sums of logarithms need float32
            if self.crf is None:
                summed = cross_entropy(scores.float().flatten(0, 1), labels.flatten(), reduction="sum")
                return summed, sizes.sum()
            of_words = _filled([row[mask].float() for row, mask in zip(scores, held, strict=True)])
            tags = _filled([row[mask] for row, mask in zip(labels, held, strict=True)])
            some = sizes > 0
            return self.crf.loss(of_words[some], tags[some], sizes[some]), sizes.sum()


def put_on(model: Any, head: Head) -> None:
    """Give a token classifier of transformers a head as its submodule `tagger`.

    Its `forward` takes two more arguments: `characters`, as `Head.forward`, and `allowed`, sentences x tags:
    the scores of other tags become `FORBIDDEN`, in the loss and in what comes back.
    """
    model.tagger = head.to(model.device)
    plain: Callable[..., Any] = model.forward
    now: dict[str, Any] = {}  # of the call at hand

    if head.characters is not None or head.lstm is not None:

        def join(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
            return (model.tagger(inputs[0], now["mask"], now["characters"]),)

        model.classifier.register_forward_pre_hook(join)

    @wraps(plain)
    def forward(
        *args: Any,
        labels: Tensor | None = None,
        allowed: Tensor | None = None,
        characters: Tensor | None = None,
        num_items_in_batch: Any = None,
        **given: Any,
    ) -> Any:
        now.update(mask=given.get("attention_mask"), characters=characters)
        output = plain(*args, **given)
        if allowed is not None:
            output.logits = output.logits.masked_fill(~allowed[:, None], FORBIDDEN)
        if labels is not None:
            loss, number = model.tagger.loss(output.logits, labels)
            output.loss = loss / (number if num_items_in_batch is None else num_items_in_batch)
        return output

    model.forward = forward


def _filled(rows: list[Tensor]) -> Tensor:
    """Rows of different length as one tensor, with zeros on the right."""
    size = max(1, *(len(row) for row in rows))
    return torch.stack([pad(row, (0, 0) * (row.ndim - 1) + (0, size - len(row))) for row in rows])


def save(model: Any, folder: Path) -> None:
    """Write a model: an ordinary checkpoint, and the weights of its head beside it, if it has some."""
    head = model.tagger.state_dict() if hasattr(model, "tagger") else {}
    own = {name: value for name, value in model.state_dict().items() if not name.startswith("tagger.")}
    model.save_pretrained(folder, state_dict=own)
    if head:
        save_file({name: value.contiguous() for name, value in head.items()}, folder / FILE)


def new(config: Any, masked: bool = False) -> Head | None:
    """A head with fresh weights, as a model's configuration names it.

    None if it is the linear layer alone, unless it is to learn with `masked` tags.
    """
    kind, characters = getattr(config, "head", "linear"), getattr(config, "characters", None)
    if kind == "linear" and characters is None and not masked:
        return None
    return Head(config.hidden_size, len(config.id2label), kind, characters)


def of_checkpoint(source: str | Path, config: Any, revision: str | None = None) -> Head | None:
    """The head of a checkpoint that `save` wrote, a folder or a hub id."""
    head = new(config)
    if head is not None:
        load(head, source, revision)
    return head


def load(head: Head, source: str | Path, revision: str | None = None) -> None:
    """Give a head the weights of a checkpoint; nothing to do where it has none of its own."""
    if head.state_dict():
        head.load_state_dict(load_file(str(cached_file(str(source), FILE, revision=revision))))
