"""The commands on records: `leaderboard add`, `rescore`, `build` and `export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bioner_bench.cli.options import CARDS, LEADERBOARD
from bioner_bench.schema import BenchmarkError

app = typer.Typer(
    help="Result records, and the tables and pages made of them.",
    epilog="Example: bioner-bench leaderboard build",
    no_args_is_help=True,
)


@app.command(epilog="Example: bioner-bench leaderboard add out --system baselines/my-model.yaml")
def add(
    system: Annotated[
        str, typer.Option(metavar="CARD", help="The system's card, a name in baselines/ or a YAML file.")
    ],
    output: Annotated[
        Path | None,
        typer.Argument(
            help="What was given to `lm_eval --output_path`.", metavar="[LM_EVAL_OUTPUT]", show_default=False
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="In place of lm-eval's output, what another tool predicted: JSON lines or IOB2."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="With --predictions, the task that they are for.")] = None,
    folder: Annotated[Path, typer.Option(help="The leaderboard's folder.")] = LEADERBOARD,
    rescore: Annotated[
        bool,
        typer.Option("--rescore", help="Accept answers that another version scored; say so in the record."),
    ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Keep runs with --limit, unranked.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put a run with another setup, or a partial one, over a record.")
    ] = False,
) -> None:
    """Make result records of an lm-eval run with --log_samples, or of predictions; print their paths.

    Scores are counted again from the answers, which are kept beside the record; documents, gold and prompts
    must be those of the task, model and arguments those of the card. Predictions are for all sentences of the
    test split, as `corpora export` gives them, and the record says that they came as a file.
    """
    from bioner_bench.harness import systems
    from bioner_bench.harness.cards import read_card
    from bioner_bench.leaderboard import foreign_predictions, lm_eval_output, records

    card = read_card(systems.find(system))
    if predictions is not None and task is not None and output is None:
        made = [foreign_predictions.evaluated(predictions, card, task)]
    elif output is not None and predictions is None and task is None:
        made = lm_eval_output.evaluated(output, card, rescore)
    else:
        raise BenchmarkError("name lm-eval's output folder, or --predictions FILE with its --task")
    for record in (run.record for run in made):
        if record["partial"] and not partial:
            raise BenchmarkError(
                f"{record['task']} was run on {record['sentences']} of {record['corpus_sentences']} "
                "sentences and cannot be ranked; run it without --limit, or keep it unranked with --partial"
            )
        place = folder / "records" / records.place(record)
        if place.is_file() and not replace:
            old = records.read(place)
            if records.identity(old) != records.identity(record):
                raise BenchmarkError(
                    f"{place} is of another model, recipe or setup; --replace overwrites it, "
                    "a card of its own keeps both"
                )
            if record["partial"] and not old["partial"]:
                raise BenchmarkError(f"{place} is a whole run, this one is partial; --replace overwrites it")
    for run in made:
        print(lm_eval_output.keep(run, folder))


@app.command(epilog="Example: bioner-bench leaderboard rescore smollm2-135m-instruct")
def rescore(
    systems: Annotated[
        list[str] | None, typer.Argument(help="Systems; all of them if none is named.", metavar="[SYSTEM]...")
    ] = None,
    folder: Annotated[Path, typer.Option(help="The leaderboard's folder.")] = LEADERBOARD,
) -> None:
    """Make records anew from the answers that are kept beside them, without a model.

    Of a record without answers only the intervals are made anew. Exit code 1 if one must be run again.
    """
    from bioner_bench.leaderboard import records
    from bioner_bench.leaderboard.rescoring import rescore as rescore_records

    again = []
    for run in rescore_records(folder, systems):
        was, now = (record["scores"]["strict_f1"] for record in (run.before, run.after))
        shown = [
            f"{100 * (s['value'] or 0):.2f} [{100 * (s['low'] or 0):.2f}, {100 * (s['high'] or 0):.2f}]"
            for s in (was, now)
        ]
        changed = shown[0] if shown[0] == shown[1] else " -> ".join(shown)
        print(f"{records.place(run.after)}: from {run.source}, strict F1 {changed}")
        if run.run_again:
            again.append(f"run again: {records.place(run.after)}: {run.run_again}")
    print("\n".join(again), end="\n" * bool(again))
    if again:
        raise typer.Exit(1)


@app.command(epilog="Example: bioner-bench leaderboard build --check")
def build(
    folder: Annotated[
        Path, typer.Option(help="The leaderboard's folder, with records/ in it.")
    ] = LEADERBOARD,
    cards: Annotated[Path, typer.Option(help="The folder of system cards.")] = CARDS,
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if a file is stale.")
    ] = False,
) -> None:
    """Build tables, figures and the page from the records and cards: same input, same bytes.

    The list of systems, README.md in the folder of cards, is built too; with --folder alone it is not.
    """
    from bioner_bench.harness.cards import read_cards
    from bioner_bench.leaderboard import baselines, sources
    from bioner_bench.leaderboard import build as building
    from bioner_bench.leaderboard.tables import CARDS as CARDS_FROM_THERE

    for needed in (folder / "records", cards):
        if not needed.is_dir():
            raise BenchmarkError(f"{needed} is no folder; run this in the project's root, or name it")
    found = read_cards(cards)
    if unseen := sources.not_shown(found.values()):
        print(unseen, file=sys.stderr)
    kept = folder if check_only else None
    linked = (folder / CARDS_FROM_THERE).resolve() == cards.resolve()
    made = {folder: building.build(folder / "records", found, kept, linked)}
    if (folder == LEADERBOARD) == (cards == CARDS):  # a leaderboard elsewhere leaves the project's list alone
        measured = building.measured_systems(folder / "records")
        made[cards] = {"README.md": baselines.markdown(found, measured)}
    if check_only:
        stale = [place / name for place, files in made.items() for name in building.stale(files, place)]
        for path in stale:
            print(f"stale: {path}")
        raise typer.Exit(1 if stale else 0)
    for place, files in made.items():
        building.write(files, place)
        for name in files:
            print(place / name)


@app.command(epilog="Example: bioner-bench leaderboard export --hub hub --dataset my-org/bioner minilm")
def export(
    hub: Annotated[Path, typer.Option(help="Folder to write, with a folder for each system.")],
    dataset: Annotated[str, typer.Option(help="The benchmark's data set on the Hub, as org/name.")],
    systems: Annotated[
        list[str] | None, typer.Argument(help="Systems; all of them if none is named.", metavar="[SYSTEM]...")
    ] = None,
    folder: Annotated[Path, typer.Option(help="The leaderboard's folder.")] = LEADERBOARD,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where that folder can be read; without it a --folder of your own is not linked to.",
        ),
    ] = None,
) -> None:
    """Write results as the Hugging Face Hub collects them from a model's repository; print the paths.

    SYSTEM/.eval_results/bioner_bench.yaml goes into the model's repository as it is; SYSTEM/model-index.yaml
    is for the front matter of its README. Strict F1 in percent.
    """
    from bioner_bench.leaderboard.build import read_records
    from bioner_bench.leaderboard.hub_export import HOME
    from bioner_bench.leaderboard.hub_export import export as export_to

    found = read_records(folder / "records")
    known = {record["system"]["name"] for record in found}
    if unknown := sorted(set(systems or ()) - known):
        there = ", ".join(sorted(known))
        raise BenchmarkError(
            f"no records of {', '.join(unknown)} in {folder / 'records'}; there are: {there}"
        )
    chosen = [record for record in found if not systems or record["system"]["name"] in systems]
    if source is None and folder == LEADERBOARD:
        source = HOME
    for path in export_to(chosen, dataset, hub, source):
        print(path)
