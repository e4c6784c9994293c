"""The commands on corpora: `corpora list`, `fetch`, `stats`, `verify`, `ceiling` and `export`."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bioner_bench.cli.options import Json, Tasks
from bioner_bench.cli.terminal import print_json, print_table
from bioner_bench.schema import BenchmarkError

app = typer.Typer(
    help="List, fetch, describe and check the corpora.",
    epilog="Example: bioner-bench corpora ceiling --json",
    no_args_is_help=True,
)


@app.command("list", epilog="Example: bioner-bench corpora list --json")
def list_corpora(as_json: Json = False) -> None:
    """The corpora: task, types, role, splits and licence."""
    rows = []
    for corpus in _corpora(None):
        sizes = {split: file.sentences for split, file in corpus.files.items()}
        rows.append(
            {
                "task": corpus.task,
                "corpus": corpus.name,
                "role": corpus.role,
                "types": list(corpus.types),
                "sentences": sizes,
                "licence": corpus.licence,
            }
        )
    if as_json:
        print_json(rows)
        return
    print_table(
        "corpora",
        ["task", "corpus", "role", "types", "sentences", "licence"],
        [
            [
                row["task"],
                row["corpus"],
                row["role"],
                ", ".join(row["types"]),
                ", ".join(f"{split} {size:,}" for split, size in row["sentences"].items()),
                row["licence"],
            ]
            for row in rows
        ],
    )


@app.command(epilog="Example: bioner-bench corpora fetch bioner_ncbi")
def fetch(tasks: Tasks = None) -> None:
    """Download what is missing, check the SHA-256 of every file, and print the paths."""
    from bioner_bench.corpora.files import locate

    for corpus in _corpora(tasks):
        for split in corpus.files:
            print(locate(corpus, split))


@app.command(epilog="Example: bioner-bench corpora stats bioner_jnlpba")
def stats(tasks: Tasks = None, as_json: Json = False) -> None:
    """Sizes, mention-free share, mentions seen in training, sentences that are in the training split too."""
    from bioner_bench.evaluation.corpus_statistics import statistics

    found = {corpus.task: statistics(corpus.task) for corpus in _corpora(tasks)}
    if as_json:
        print_json(found)
        return
    print_table(
        "corpora",
        ["task", "split", "sentences", "documents", "mentions", "mention-free %", "seen %", "in training"],
        [
            [
                task,
                split,
                f"{row['sentences']:,}",
                "-" if row["documents"] is None else f"{row['documents']:,}",
                ", ".join(f"{type_} {number:,}" for type_, number in row["mentions"].items()),
                f"{100 * row['negative']:.1f}",
                "-" if split == "train" or row["seen"] is None else f"{100 * row['seen']:.1f}",
                "-" if split == "train" or row["in_training"] is None else str(row["in_training"]),
            ]
            for task, splits in found.items()
            for split, row in splits.items()
        ],
    )


@app.command(epilog="Example: bioner-bench corpora verify bioner_ncbi")
def verify(tasks: Tasks = None, as_json: Json = False) -> None:
    """Read every file and compare hash, format and sizes with the registry; exit code 1 if one differs.

    Of a file of your own, without a url, it says all sizes that are found.
    """
    from bioner_bench import corpora
    from bioner_bench.corpora.loading import sizes_found

    found: dict[str, dict[str, str]] = {}
    for corpus in _corpora(tasks):
        found[corpus.task] = {}
        for split in corpus.files:
            try:
                faults = corpora.load(corpus.task, split).faults
                note = ", ".join(f"{number} {fault}" for fault, number in faults.items())
                found[corpus.task][split] = f"ok ({note})" if note else "ok"
            except BenchmarkError as error:
                sizes = sizes_found(corpus.task, split)
                found[corpus.task][split] = f"{error}; in the file: {sizes}" if sizes else str(error)
    if as_json:
        print_json(found)
    else:
        rows = [[task, split, result] for task, splits in found.items() for split, result in splits.items()]
        print_table("corpora", ["task", "split", "result"], rows)
    if any(not result.startswith("ok") for splits in found.values() for result in splits.values()):
        raise typer.Exit(1)


@app.command(epilog="Example: bioner-bench corpora ceiling bioner_ncbi --json")
def ceiling(
    tasks: Tasks = None,
    format_: Annotated[str, typer.Option("--format", help="Of the answers: json or tags.")] = "json",
    as_json: Json = False,
) -> None:
    """The format ceiling: what the test split's own gold scores, written as an answer and read back."""
    from bioner_bench.evaluation.ceiling import ceiling as ceiling_of

    found = {corpus.task: ceiling_of(corpus.task, form=format_) for corpus in _corpora(tasks)}
    if as_json:
        print_json(found)
        return
    print_table(
        f"format ceiling, test split, {format_}",
        ["task", "strict F1", "relaxed F1", "sentences", "mentions"],
        [
            [
                task,
                f"{row['strict_f1']:.4f}",
                f"{row['relaxed_f1']:.4f}",
                str(row["sentences"]),
                str(row["mentions"]),
            ]
            for task, row in found.items()
        ],
    )


class Format(StrEnum):
    """Of `corpora export`."""

    JSONL = "jsonl"
    IOB2 = "iob2"


@app.command(epilog="Example: bioner-bench corpora export bioner_ncbi --split train --out train.jsonl")
def export(
    task: Annotated[str, typer.Argument(help="The corpus.", metavar="TASK")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    format_: Annotated[Format, typer.Option("--format", help="Of the file.")] = Format.JSONL,
    out: Annotated[Path | None, typer.Option(help="The file; standard output if none is named.")] = None,
) -> None:
    """Text, gold, ids and documents of a split, for tools outside of this project.

    jsonl: a JSON object a sentence; with the field predicted or output added it is what `score` and
    `leaderboard add --predictions` take. iob2: a token and its tag a line, for tools that read tokens.
    """
    from bioner_bench import corpora
    from bioner_bench.evaluation.predictions import to_row
    from bioner_bench.writing import write_where_asked

    corpus = corpora.get(task)
    if split not in corpus.files:
        raise BenchmarkError(f"{task} has no split {split!r}; it has {', '.join(corpus.files)}")
    sentences = corpora.load(task, split).sentences
    if format_ is Format.JSONL:
        rows = (
            json.dumps(to_row(sentence, list(corpus.types)), ensure_ascii=False) for sentence in sentences
        )
        text = "".join(f"{row}\n" for row in rows)
    else:
        from bioner_bench.models import iob2_files

        written = iob2_files.write(sentences, tokenised=corpus.format == "iob2")
        text = written.text
        if written.widened or written.lost:
            mentions = sum(len(sentence.entities) for sentence in sentences)
            print(
                f"Of {mentions:,} mentions {written.widened:,} are widened to whole words, and "
                f"{written.lost:,} left out, which share a word with another; --format jsonl keeps them all.",
                file=sys.stderr,
            )
    if out is None:
        print(text, end="")
        return
    write_where_asked(out, text)
    print(out)


def _corpora(tasks: list[str] | None) -> list[Any]:
    from bioner_bench import corpora

    return [corpora.get(task) for task in tasks or corpora.names()]
