"""The command line, `bioner-bench`. Standard output is data; messages and progress go to standard error.

Exit codes: 0 done, 1 a check failed, 2 wrong use or input that cannot be used. Everything heavy is
imported inside the commands, so that help answers at once.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from contextlib import suppress
from typing import Annotated

import typer

from bioner_bench import __version__
from bioner_bench.cli import analysing, corpora, evaluating, leaderboard, tuning
from bioner_bench.cli.extras import install_command
from bioner_bench.cli.options import state
from bioner_bench.control_characters import printable
from bioner_bench.harness.masking import mask_output
from bioner_bench.schema import BenchmarkError

app = typer.Typer(
    name="bioner-bench",
    help="Benchmark biomedical named entity recognition with language models.",
    epilog="Start with: bioner-bench demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(corpora.app, name="corpora")
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(tuning.models_app, name="models")

# lm-eval's own parser reads the options of `run`, and prints the rest of its help.
_OPEN = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app.command(epilog="Example: bioner-bench demo --limit 20")(evaluating.demo)
app.command(
    context_settings=_OPEN, epilog="Example: bioner-bench run --model bioner-oracle --tasks bioner_sample"
)(evaluating.run)
app.command(epilog="Example: bioner-bench score out/model/samples_bioner_ncbi_2026-11-22T10-00-00.jsonl")(
    evaluating.score
)
app.command(epilog="Example: bioner-bench check new/records --against leaderboards/records/my-model")(
    evaluating.check
)
app.command(epilog="Example: bioner-bench compare records/minilm records/dictionary")(analysing.compare)
app.command(epilog="Example: bioner-bench errors out --task bioner_ncbi --html errors.html")(analysing.errors)
app.command(
    epilog="Example: bioner-bench select --tasks bioner_ncbi --weak-model smollm2-135m --out selections/ncbi"
)(tuning.select)
app.command(epilog="Example: bioner-bench train baselines/encoders/minilm.yaml --task bioner_ncbi")(
    tuning.train
)


def main() -> None:
    """Run the command line; an error is one line on standard error and exit code 2."""
    try:
        mask_output()
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as stop:  # who reads, such as `head`, has read enough
        # typer makes exit code 1 of a broken pipe that a command meets; here 1 means that a check failed.
        if not isinstance(stop if isinstance(stop, OSError) else stop.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # exit code 1 means that a check failed, so nothing else may end with it
        if state.verbose:
            traceback.print_exc()
        _end_progress()
        print(_said(error), file=sys.stderr)
        code = 2
    sys.exit(code)


def _end_progress() -> None:
    """Close the bars that an error left open, so that what is said next has a line of its own."""
    bars = getattr(getattr(sys.modules.get("tqdm"), "tqdm", None), "_instances", ())
    for bar in list(bars):
        with suppress(OSError, ValueError):  # standard error may be the full disk; the error is told next
            bar.close()


_OF_THE_SYSTEM = re.compile(r"\(os error \d+\)|PytorchStreamWriter|inline_container")
"""What a full disk is called by safetensors, tokenizers and torch, whose errors are no OSError."""


def _said(error: Exception) -> str:
    """What the user is told of an error; help, where a command without arguments only shows that."""
    if isinstance(error, BenchmarkError | OSError):
        reason = str(error)
    elif _OF_THE_SYSTEM.search(str(error)):
        reason = f"cannot write or read: {error}"
    elif hasattr(error, "format_message"):  # wrong use of the command line
        if type(error).__name__ == "NoArgsIsHelpError":
            return str(error.format_message())
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "bioner-bench"
        reason = f"{error.format_message().rstrip('.')}; see: {where} --help"
    elif isinstance(error, ImportError) and (how := install_command(error.name or "")):
        reason = f"{error}; run: {how}"
    elif isinstance(error, ImportError) and not error.name:  # lm-eval names the extra itself
        reason = str(error)
    else:
        reason = f"{type(error).__name__}: {error} (a bug? `bioner-bench -v ...` shows the trace)"
    return f"error: {printable(' '.join(reason.split()))}"


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
    state.verbose = verbose
