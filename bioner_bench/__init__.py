"""Biomedical named entity recognition with language models, scored on spans.

A folder is a stage, and imports only the stages before it. One sentence goes through them once:

    corpora -> evaluation -> models -> tuning -> harness -> leaderboard -> cli

From Python, without torch and without a run of lm-eval:

    >>> import bioner_bench as bb
    >>> bb.score([[(0, 6, "Disease")]], [[(0, 6, "Disease")]])["strict_f1"]
    1.0
    >>> sentences = bb.load_corpus("bioner_sample", "test")
    >>> outputs = ['{"Disease": [], "Chemical": [], "Gene": []}'] * len(sentences)
    >>> bb.score_answers(sentences, outputs, ["Disease", "Chemical", "Gene"])["strict_recall"]
    0.0
    >>> bb.parse('{"diseases": ["ataxia"]}', ["Disease"]).mentions
    (Mention(text='ataxia', type='Disease', start=None, end=None),)
    >>> bb.align("Ataxia in mice.", bb.parse('{"Disease": ["ataxia"]}', ["Disease"]).mentions)[0].span
    Entity(start=0, end=6, type='Disease')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bioner_bench.corpora.loading import load_corpus
    from bioner_bench.evaluation.alignment import align
    from bioner_bench.evaluation.parsing import parse
    from bioner_bench.evaluation.scored import score, score_answers
    from bioner_bench.schema import BenchmarkError, Entity, Mention, Sentence

__version__ = "0.1.0"

__all__ = [
    "BenchmarkError",
    "Entity",
    "Mention",
    "Sentence",
    "align",
    "load_corpus",
    "parse",
    "score",
    "score_answers",
]

_MODULES = {
    "BenchmarkError": "schema",
    "Entity": "schema",
    "Mention": "schema",
    "Sentence": "schema",
    "align": "evaluation.alignment",
    "load_corpus": "corpora.loading",
    "parse": "evaluation.parsing",
    "score": "evaluation.scored",
    "score_answers": "evaluation.scored",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
