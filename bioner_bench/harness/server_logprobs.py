"""Log-probabilities that a server gives with its answers -> answers that know how sure each token is.

Servers with an OpenAI-compatible API give them where `--gen_kwargs logprobs=true` asks for it. A chat has
`logprobs.content`, a list of tokens with `token`, `logprob` and their `bytes`; a completion has the lists
`logprobs.tokens` and `logprobs.token_logprobs`.
"""

from __future__ import annotations

import math
from codecs import getincrementaldecoder
from collections.abc import Mapping, Sequence
from typing import Any

from bioner_bench.evaluation.confidence import ScoredText


def with_logprobs(texts: Sequence[Any], outputs: Any) -> list[Any]:
    """The answers of replies, each with its tokens if the server gave those of that text.

    Args:
        texts: what lm-eval read of the replies, one a choice.
        outputs: the replies, one or a list.
    """
    replies = outputs if isinstance(outputs, list) else [outputs]
    try:
        choices = [
            choice for reply in replies for choice in sorted(reply["choices"], key=lambda each: each["index"])
        ]
        pairs = list(zip(texts, choices, strict=True))
    except (KeyError, TypeError, ValueError):  # lm-eval has said that it could not read one of them
        return list(texts)
    return [_scored(text, choice.get("logprobs")) for text, choice in pairs]


def _scored(text: Any, logprobs: Any) -> Any:
    """An answer with its tokens; without what the server or lm-eval took off it, such as thoughts."""
    tokens = _tokens(logprobs)
    start = b"".join(piece for piece, _ in tokens).rfind(text.encode()) if tokens and text else -1
    if start < 0:
        return text
    pieces: list[tuple[str, float]] = []
    size, at = len(text.encode()), 0
    decoder = getincrementaldecoder("utf-8")("ignore")  # half a character counts where it is completed
    for piece, logprob in tokens:
        own = piece[max(0, start - at) : max(0, start + size - at)]
        at += len(piece)
        if shown := decoder.decode(own):
            pieces.append((shown, round(logprob, 4)))
    return ScoredText(text, pieces)


def _tokens(logprobs: Any) -> list[tuple[bytes, float]]:
    """The tokens of a choice; none if there are none in a form that is known."""
    try:
        if "content" in logprobs:
            given = [(_bytes(token), token["logprob"]) for token in logprobs["content"]]
        else:
            pairs = zip(logprobs["tokens"], logprobs["token_logprobs"], strict=True)
            given = [(token.encode(), logprob) for token, logprob in pairs]
        found = [(piece, float(logprob)) for piece, logprob in given]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
    if not all(math.isfinite(logprob) for _, logprob in found):
        return []
    return [(piece, min(0.0, logprob)) for piece, logprob in found]  # rounding can lead above 0


def _bytes(token: Mapping[str, Any]) -> bytes:
    """A part of a character is a token too, and its text is none."""
    return bytes(token["bytes"]) if token.get("bytes") else str(token["token"]).encode()
