"""Spans or answers of sentences -> every score with its interval, in one call from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bioner_bench.evaluation.alignment import align
from bioner_bench.evaluation.bootstrap import RESAMPLES, SEED
from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.prompt import JSON, check_form
from bioner_bench.evaluation.scoring import Counts, count, tabulate
from bioner_bench.evaluation.summary import summarise
from bioner_bench.schema import Entity, Mention, Sentence, check_listed

Span = tuple[int, int, str] | Mapping[str, int | str] | Entity
"""Start, end (exclusive) and type: a tuple, a mapping with these keys, or an `Entity`."""

Scores = dict[str, float | None]
"""`sentences`, `documents`, `mentions`, and `X`, `X_low`, `X_high` for every score X; None: not known."""


def score(
    gold: Sequence[Iterable[Span]],
    predicted: Sequence[Iterable[Span]],
    documents: Sequence[str] | None = None,
    *,
    texts: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Scores:
    """Score the spans of any system; what `bioner-bench score --json` prints for the same spans.

    >>> found = score([[(0, 6, "Disease")], []], [[(0, 6, "Disease")], [(3, 5, "Disease")]])
    >>> round(found["strict_f1"], 3), found["strict_recall"]
    (0.667, 1.0)

    Args:
        gold: the gold spans, a list for each sentence.
        predicted: the predicted spans, sentences in the same order. A span that is given twice is wrong once.
        documents: the document of each sentence. Intervals are drawn over documents; without them over
            sentences, which makes them too narrow where sentences share a document.
        texts: the sentences. Without them nothing is known of the string scores, which are None.
        types: the entity types; those that occur, in alphabetical order, if left out.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: the lists are of different lengths or empty, a span is none of its sentence, or its type
            is none of `types`; `types` is one string, or some documents have no name.
    """
    sides = [[[_entity(span) for span in spans] for spans in side] for side in (gold, predicted)]
    _same_length(gold=gold, predicted=predicted, documents=documents, texts=texts)
    check_listed(types)
    unnamed = [place for place, name in enumerate(documents or ()) if name is None]
    if 0 < len(unnamed) < len(gold):
        raise ValueError(f"document {unnamed[0]} is None; name the documents of all sentences, or give none")
    if types is None:
        types = sorted({entity.type for side in sides for spans in side for entity in spans})
    rows = []
    for place, (right, given) in enumerate(zip(*sides, strict=True)):
        _known_types([*right, *given], types)
        size = max((entity.end for entity in (*right, *given)), default=0)
        text = texts[place] if texts is not None else "x" * size
        if any(not 0 <= entity.start < entity.end <= len(text) for entity in given):
            raise ValueError(f"sentence {place}: a predicted span is none of its {len(text)} characters")
        sentence = Sentence(str(place), text, tuple(right))
        mentions = [Mention(sentence.surface(span), span.type, span.start, span.end) for span in given]
        rows.append(count(sentence, align(text, mentions), types))
    found = _summary(rows, sum(map(len, sides[0])), types, documents, resamples, seed)
    if texts is None:
        found |= {name: None for name in found if name.startswith("string_")}
    return found


def score_answers(
    sentences: Sequence[Sentence],
    outputs: Sequence[str],
    types: Sequence[str],
    *,
    form: str = JSON,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Scores:
    """Score what a model wrote about sentences: read, aligned and counted as in the benchmark.

    >>> sentence = Sentence("1", "Ataxia in mice.", (Entity(0, 6, "Disease"),))
    >>> score_answers([sentence], ['{"Disease": ["Ataxia", "mice"]}'], ["Disease"])["strict_precision"]
    0.5

    Args:
        sentences: text and gold, such as those of `load_corpus`; their documents are used if all have one.
        outputs: what the model wrote, in the same order.
        types: the entity types that the model was asked for.
        form: the format of the answers, `json` or `tags`.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: the lists are of different lengths or empty, the gold has another type, an output is no
            string, or `types` is one.
        BenchmarkError: there is no such format.
    """
    _same_length(sentences=sentences, outputs=outputs)
    check_form(form)
    check_listed(types)
    for place, output in enumerate(outputs):
        if not isinstance(output, str):
            raise ValueError(f"output {place} is {output!r}; give an empty string for a request that failed")
    rows = []
    for sentence, output in zip(sentences, outputs, strict=True):
        _known_types(sentence.entities, types)
        rows.append(judge(sentence, output, types, form=form).counts)
    mentions = sum(len(sentence.entities) for sentence in sentences)
    documents = [sentence.document for sentence in sentences]
    return _summary(rows, mentions, types, documents, resamples, seed)


def _summary(
    rows: Sequence[Counts],
    mentions: int,
    types: Sequence[str],
    documents: Sequence[str | None] | None,
    resamples: int,
    seed: int,
) -> Scores:
    found = summarise(tabulate(rows), types, documents, resamples, seed)
    named = set(documents or [None])
    return {
        "sentences": len(rows),
        "documents": None if None in named else len(named),
        "mentions": mentions,
        **found,
    }


def _entity(span: Span) -> Entity:
    if isinstance(span, Entity):
        return span
    try:
        start, end, type_ = (span["start"], span["end"], span["type"]) if isinstance(span, Mapping) else span
        return Entity(int(start), int(end), str(type_))
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{span!r} is no span; give (start, end, type), a list a sentence") from error


def _known_types(entities: Iterable[Entity], types: Sequence[str]) -> None:
    for entity in entities:
        if entity.type not in types:
            raise ValueError(f"type {entity.type!r} is none of {', '.join(types)}")


def _same_length(**lists: Sequence[object] | None) -> None:
    sizes = {name: len(values) for name, values in lists.items() if values is not None}
    if len(set(sizes.values())) > 1 or not all(sizes.values()):
        said = ", ".join(f"{size} {name}" for name, size in sizes.items())
        raise ValueError(f"one of each for every sentence is needed, not {said}")
