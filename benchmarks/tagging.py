"""Tagging with an encoder beside transformers' pipeline, on the sentences of a task."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from benchmarks import measuring
from bioner_bench import corpora
from bioner_bench.models import encoder, packaged
from bioner_bench.models.tagging import tag_set


def tagging(given):
    """`encoder` beside `pipeline("token-classification")` at several batch sizes, both in float32."""
    everything = corpora.load(given.task, "test").sentences
    texts = [s.text for s in everything[:: max(1, len(everything) // given.sentences)][: given.sentences]]
    with TemporaryDirectory() as folder:
        source = given.encoder or _untrained(Path(folder), given.task)
        loaded = encoder.load(source, dtype=torch.float32)
        peer = pipeline(
            "token-classification",
            model=loaded.model,
            tokenizer=loaded.tokenizer,
            device=loaded.model.device,
            aggregation_strategy="first",
        )
    sides = {"encoder": lambda: encoder.predict(loaded, texts)}
    for size in (1, 8, 32):
        sides[f"pipeline, batch {size}"] = lambda size=size: peer(texts, batch_size=size)
    best, results = measuring.in_turns(sides, given.rounds)
    theirs = results["pipeline, batch 1"]
    spans = [{(part["start"], part["end"], part["entity_group"]) for part in parts} for parts in theirs]
    ours = [{(e.start, e.end, e.type) for e in entities} for entities in results["encoder"]]
    model = given.encoder or "MiniLM-L6 with a head that has learned nothing"
    return measuring.report(
        "encoder",
        f"{len(texts)} sentences of {given.task}, {model}",
        "encoder",
        best,
        sentences_with_other_entities=sum(one != two for one, two in zip(ours, spans, strict=True)),
    )


def _untrained(folder, task):
    tags = tag_set(list(corpora.get(task).types))
    torch.manual_seed(0)
    source = packaged.resolve("minilm-l6-v2")
    names = dict(enumerate(tags))
    AutoModelForTokenClassification.from_pretrained(source, id2label=names).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return folder
