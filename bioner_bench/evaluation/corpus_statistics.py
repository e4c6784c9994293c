"""Descriptive statistics of a corpus, for reviewers and prompts."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bioner_bench.corpora.loading import load, load_training, seen_mentions, surface_key
from bioner_bench.corpora.registry import get
from bioner_bench.evaluation import prompt


def statistics(task: str) -> dict[str, dict[str, Any]]:
    """Split -> its statistics.

    Per split: `sentences`, `documents` (None if not marked), `mentions` by type, `negative` (share of
    sentences without a mention), `seen` (share of mentions whose string the training split has),
    `in_training` (sentences that are in the training split too; both None if there are no training data),
    `longest_target` (characters) and `faults` of the file.
    """
    corpus = get(task)
    training = load_training(corpus)
    seen = seen_mentions(training)
    texts = {sentence.text for sentence in training}
    result = {}
    for split in corpus.files:
        loaded = load(task, split)
        sentences = loaded.sentences
        mentions = [(sentence.surface(e), e.type) for sentence in sentences for e in sentence.entities]
        by_type = Counter(type_ for _, type_ in mentions)
        documents = {sentence.document for sentence in sentences}
        known = (
            [surface_key(surface, type_) in seen for surface, type_ in mentions] if seen is not None else None
        )
        result[split] = {
            "sentences": len(sentences),
            "documents": None if None in documents else len(documents),
            "mentions": {type_: by_type[type_] for type_ in corpus.types},
            "negative": sum(not sentence.entities for sentence in sentences) / len(sentences),
            "seen": None if known is None else sum(known) / max(1, len(mentions)),
            "in_training": sum(sentence.text in texts for sentence in sentences) if training else None,
            "longest_target": max(len(prompt.target(s.text, s.entities, corpus.types)) for s in sentences),
            "faults": dict(loaded.faults),
        }
    return result
