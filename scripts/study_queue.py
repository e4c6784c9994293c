"""The runs of the study, carried out one after another: trained, evaluated, added to the leaderboard.

Each step is a command of this project in a process of its own, with its output in a file of its own. A run
that fails is noted, and the next one begins; it comes last in the next queue. What was killed goes on: a
training from its last checkpoint, an evaluation behind the answers that it has kept.
"""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import study_plan
from study_plan import Run, record_of

from bioner_bench.harness.cards import read_card
from bioner_bench.harness.systems import checkpoint_folder
from bioner_bench.leaderboard import lm_eval_output, records
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.recipes import LlmRecipe, as_yaml
from bioner_bench.writing import only_writer, write_text

LEADERBOARD = study_plan.ROOT / "leaderboards"
WORK = Path("out") / "study"
"""In the current folder: scores of weak models, recipes, lm-eval's output and answers, logs, failures."""


def scores_folder(weak_model: str) -> Path:
    """Where the scores of a weak model lie, of all corpora."""
    return WORK / "scores" / Path(weak_model).name


def work(runs: Sequence[Run], threads: int, after: Callable[[], None] = lambda: None) -> list[Run]:
    """Carry out all runs that have no record; those that failed before come last. Of two queues one waits.

    Args:
        runs: in their order.
        threads: of each process.
        after: called after each run that has got its record.

    Returns:
        The runs that failed.
    """
    failed = []
    with only_writer(WORK):
        for run in sorted(runs, key=lambda run: _failure(run).is_file()):
            began = time.monotonic()
            try:
                if record_of(run, LEADERBOARD / "records") is not None:
                    continue
                say(f"begins {run.record}")
                carry_out(run, threads)
                after()
            except (BenchmarkError, OSError) as error:
                failed.append(run)
                write_text(_failure(run), f"{error}\n")
                say(f"FAILED {run.record}: {error}")
            else:
                _failure(run).unlink(missing_ok=True)
                say(f"done   {run.record}, {(time.monotonic() - began) / 60:.0f} minutes")
    return failed


def say(text: str) -> None:
    """A line in the log of the queue."""
    print(datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), text, file=sys.stderr, flush=True)


def carry_out(run: Run, threads: int = 1) -> None:
    """Train the checkpoint if it is not there, evaluate it on the task, add record and answers."""
    card = study_plan.write_card(run)
    out = WORK / "lm-eval" / run.record.with_suffix("")
    for command in [*_training(run), evaluation(run, card, out)]:
        _execute(command, threads, _log(run))
    (made,) = lm_eval_output.evaluated(out, read_card(card))
    if records.place(made.record) != run.record:
        raise BenchmarkError(f"{out}: this run makes {records.place(made.record)}, not {run.record}")
    lm_eval_output.keep(made, LEADERBOARD)


def evaluation(run: Run, card: Path, out: Path) -> list[str]:
    """The command of `bioner-bench` that evaluates a run's system.

    Args:
        run: what is evaluated.
        card: the file of its card.
        out: where lm-eval writes; the answers there outlive a kill.
    """
    command = ["run", "--system", str(card), "--tasks", run.task, "--num_fewshot", str(run.shots)]
    if run.recipe is not None:
        lora = isinstance(run.recipe, LlmRecipe) and run.recipe.method == "lora"
        command += ["--model_args", f"{'peft' if lora else 'pretrained'}={checkpoint_folder(run.recipe)}"]
    if run.card.kind == "llm":
        command += ["--model", "hf-prefix"]
    if run.shots:
        command += ["--metadata", f'{{"demonstrations": "{run.demonstrations}"}}']
    return [*command, "--log_samples", "--output_path", str(out)]


def _training(run: Run) -> list[list[str]]:
    """The commands that make a run's checkpoint: scoring, once a weak model and corpus, and training.

    None if the system needs no checkpoint, or it is there.
    """
    recipe = run.recipe
    if recipe is None or (checkpoint_folder(recipe) / "training.json").is_file():
        return []
    made: list[list[str]] = []
    scores: list[str] = []
    if isinstance(recipe, LlmRecipe) and (weak_model := recipe.select.weak_model):
        folder = scores_folder(weak_model)
        scores = ["--scores", str(folder)]
        for task in recipe.train:
            made.append(["select", "--tasks", task, "--weak-model", weak_model, "--out", str(folder)])
    path = WORK / "recipes" / f"{checkpoint_folder(recipe).name}.yaml"
    write_text(path, as_yaml(recipe))
    return [*made, ["train", str(path), *scores]]


def _execute(arguments: list[str], threads: int, path: Path) -> None:
    """Run a command of this project with its output behind what the log has."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(['bioner-bench', *arguments])}\n")
        log.flush()
        done = subprocess.run(
            [sys.executable, "-m", "bioner_bench", *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | dict.fromkeys(names, str(threads)),
        )
    if done.returncode:
        said = " ".join(path.read_text(encoding="utf-8", errors="replace").split()[-40:])
        raise BenchmarkError(
            f"`bioner-bench {arguments[0]}` ended with {done.returncode}; {path} ends: {said}"
        )


def _log(run: Run) -> Path:
    return WORK / "logs" / run.record.with_suffix(".log")


def _failure(run: Run) -> Path:
    return WORK / "failed" / run.record.with_suffix(".txt")
