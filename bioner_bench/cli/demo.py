"""The main job at a glance: a small real model, the stock `lm_eval`, scores and examples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from bioner_bench.cli import results
from bioner_bench.corpora import files, registry
from bioner_bench.evaluation import predictions
from bioner_bench.evaluation.summary import summarise_judged
from bioner_bench.models import packaged
from bioner_bench.schema import BenchmarkError

REAL_TASK = "bioner_ncbi"
SHOTS = 2

MAX_TOKENS = 96
"""Covers the longest gold answers of both corpora (59 tokens); a small model that rambles is cut sooner."""

_NEXT = """
Next, see where it errs, and evaluate a model of yours:
  bioner-bench errors {samples}
  bioner-bench run --model hf --model_args pretrained=MODEL --tasks bioner_ncbi \\
    --apply_chat_template --log_samples --output_path out"""


def demo(out: Path, console: Console, limit: int = 100, examples: int = 3) -> None:
    """Evaluate SmolLM2-135M few-shot on the sample and, where it can be had, the head of a real corpus.

    Args:
        out: folder for lm-eval's output.
        console: where tables go.
        limit: sentences of each corpus, at most.
        examples: sentences to show side by side.
    """
    checkpoint = packaged.prepare("smollm2-135m")
    tasks = ["bioner_sample"]
    try:
        for split in registry.get(REAL_TASK).files:
            files.locate(registry.get(REAL_TASK), split)
        tasks.append(REAL_TASK)
    except BenchmarkError as error:
        console.print(f"{REAL_TASK} is left out: {error}", style="yellow", markup=False)
    summaries = {}
    shown = []
    for task in tasks:
        samples = _evaluate(task, checkpoint, out, limit, console)
        judged = predictions.read(samples)
        summaries[f"{task} ({SHOTS}-shot)"] = (len(judged), summarise_judged(judged))
        shown = [item for item in judged if item.sentence.entities and item.aligned][:examples]
    results.print_examples(console, shown)
    results.print_comparison(console, summaries)
    console.print(f"lm-eval's output is in {out}", markup=False)
    console.print(_NEXT.format(samples=samples), markup=False, highlight=False, soft_wrap=True)


def _evaluate(task: str, checkpoint: Path, out: Path, limit: int, console: Console) -> Path:
    """Run the stock `lm_eval` on one task and return its samples file."""
    arguments = [
        *("--model", "hf", "--model_args", f"pretrained={checkpoint}"),
        *("--tasks", task, "--num_fewshot", str(SHOTS), "--apply_chat_template"),
        *("--limit", str(limit), "--batch_size", "16", "--log_samples", "--output_path", str(out / task)),
        *("--gen_kwargs", f"max_gen_toks={MAX_TOKENS}"),
    ]
    console.print(" ".join(["$ lm_eval", *arguments]), style="dim", markup=False, soft_wrap=True)
    before = set(out.glob(f"{task}/**/samples_*.jsonl"))
    command = [sys.executable, "-m", "lm_eval", *arguments]
    quiet = os.environ | {"LMEVAL_LOG_LEVEL": "ERROR"}  # its progress is enough
    finished = subprocess.run(command, stdout=subprocess.DEVNULL, env=quiet, check=False)
    written = set(out.glob(f"{task}/**/samples_*.jsonl")) - before
    if finished.returncode or not written:
        raise BenchmarkError(f"lm_eval ended with code {finished.returncode} on {task}; its message is above")
    return written.pop()
