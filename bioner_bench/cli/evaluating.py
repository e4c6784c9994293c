"""The commands that evaluate: `run`, `score`, `check` and `demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bioner_bench.cli.options import Json, state
from bioner_bench.cli.terminal import console, print_json
from bioner_bench.schema import BenchmarkError


def run(
    context: typer.Context,
    system: Annotated[
        str | None,
        typer.Option(
            metavar="CARD",
            help="Run a system as its card says, a name in baselines/ or a YAML file; other options win.",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask all sentences anew, also those whose answers were kept.")
    ] = False,
) -> None:
    """Evaluate: everything that `lm_eval run` takes, with this project's models as well.

    With --output_path answers are kept as they come: after a kill the same command asks for the others only.

    The models: hf-prefix (hf, which reads what all prompts begin with once a run: faster without a GPU),
    encoder, dictionary, bioner-oracle, bioner-empty, bioner-garbage.
    """
    given = context.args
    if not (given or system) or set(given) & {"-h", "--help"}:
        print(context.get_help())
        print("\nOptions are those of `lm_eval run`:\n")
        if not given:
            raise typer.Exit(2)
    from bioner_bench.harness import run_options, running, systems
    from bioner_bench.harness.cards import read_card

    asked = run_options.read(given)
    if system is None:
        running.run(asked, state.verbose, fresh)
        return
    card = systems.find(system)
    for options in systems.runs(read_card(card), card.parent, asked):
        running.run(options, state.verbose, fresh, show=True)


def score(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="lm-eval's samples_*.jsonl or folders with some, or predictions, one JSON line a sentence."
        ),
    ],
    as_json: Json = False,
    resamples: Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 1234,
) -> None:
    """Score answers without a model: strict, relaxed and string F1 with intervals, and all the rest.

    A prediction has text, types, gold (a list of {"start": 0, "end": 6, "type": "Disease"}) and either output
    (what a model wrote) or predicted (a list like gold). JSON of several files is an object of their paths.
    """
    from bioner_bench.cli.results import print_summary, print_sureness
    from bioner_bench.evaluation import predictions
    from bioner_bench.evaluation.confidence import as_json as sureness_as_json
    from bioner_bench.evaluation.summary import documents_of, summarise_judged, sureness

    printed: dict[str, dict[str, Any]] = {}
    for file, judged in [(file, predictions.read(file)) for file in predictions.files(files)]:
        summary = summarise_judged(judged, resamples, seed)
        mentions = sum(len(item.sentence.entities) for item in judged)
        documents = documents_of(judged)
        if documents is None and (named := sum(item.sentence.document is not None for item in judged)):
            print(
                f"warning: {file}: {named:,} of {len(judged):,} sentences name their document; intervals are "
                "drawn over sentences, and too narrow; name all documents",
                file=sys.stderr,
            )
        sizes = {"sentences": len(judged), "documents": documents, "mentions": mentions}
        printed[str(file)] = {**sizes, **summary}
        sure = sureness(judged)
        if sure is not None:
            printed[str(file)]["confidence"] = sureness_as_json(*sure)
        if not as_json:
            of = f" of {documents:,} documents" if documents else ""
            title = f"{file.name}: {len(judged):,} sentences{of}, {mentions:,} mentions"
            print_summary(console(), title, summary, judged[0].types)
            if documents is None:
                console().print("no document is known: intervals are drawn over sentences", style="dim")
            if sure is not None:
                print_sureness(console(), *sure)
    if as_json:
        print_json(printed if len(printed) > 1 else next(iter(printed.values())))


def check(
    new: Annotated[Path, typer.Argument(help="A record, or a folder of records.")],
    against: Annotated[Path, typer.Option(help="The record, or folder of records, to hold it against.")],
    max_drop: Annotated[
        float | None, typer.Option(min=0, help="Points that strict F1 may drop even if chance explains it.")
    ] = None,
    score: Annotated[str, typer.Option(help="The score that must not drop.")] = "strict_f1",
    tasks: Annotated[
        str | None,
        typer.Option(help="Only these, or a group or tag, with commas between; each must be on both sides."),
    ] = None,
    across: Annotated[
        str | None,
        typer.Option(
            help="What may differ, with commas between: shots, demonstrations, system-instruction, template, "
            "generation."
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the verdicts to this file as JUnit XML.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a job summary.")] = False,
    as_json: Json = False,
) -> None:
    """Did a system get worse? Exit code 0: no; 1: yes; 2: the records cannot be compared.

    Worse means significantly lower by a paired bootstrap over documents (with Holm's correction for several
    tasks), or lower by more than --max-drop points. Of two folders, records of the same system, task and
    setup are compared, and training seeds by their mean.
    """
    from bioner_bench.leaderboard import regression, verdicts
    from bioner_bench.writing import write_where_asked

    def names(option: str, given: str | None) -> list[str]:
        found = [name.strip() for name in (given or "").split(",") if name.strip()]
        if given is not None and not found:  # an empty variable must not take back what is asked
            raise BenchmarkError(f"{option} {given!r} names nothing; name something, or leave it out")
        return found

    asked, may_differ = names("--tasks", tasks), names("--across", across)
    report = regression.check_all(new, against, score, max_drop, asked, may_differ)
    if junit:
        write_where_asked(junit, verdicts.as_junit(report))
    if as_json:
        print_json(report.as_json())
    else:
        print(verdicts.as_markdown(report) if markdown else verdicts.as_text(report), end="")
    raise typer.Exit(report.outcome)


def demo(
    out: Annotated[Path | None, typer.Option(help="Folder for lm-eval's output.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Sentences of each corpus, at most.")] = 100,
) -> None:
    """Evaluate SmolLM2-135M on the sample corpus and the head of NCBI-disease, and show what it answers."""
    from bioner_bench.cli.demo import demo as run_demo
    from bioner_bench.corpora.files import cache_folder

    run_demo(out or cache_folder() / "demo", console(), limit)
