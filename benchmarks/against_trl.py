"""LoRA training of SmolLM2 beside TRL's SFTTrainer: the same rows in the same steps, from the same adapters.

    pip install trl
    python -m benchmarks training --steps 6
    python -m benchmarks.against_trl --steps 6       # the same, with memory and losses line by line

Each trainer runs in a process of its own. Printed are rows a second without loading, by the clock and of the
processor's time (on a busy machine the steadier of the two), the peak of the process's memory, and the loss
of every step. TRL runs with its defaults (among them gradient checkpointing, 8 rows a step), and once without
checkpointing; learning rate, schedule and precision are the same.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import torch
from transformers import AutoTokenizer, TrainerCallback, set_seed

from benchmarks import measuring
from bioner_bench.models import hardware, packaged
from bioner_bench.models.chat import Chat
from bioner_bench.tuning import checkpoints, learners, llm_training
from bioner_bench.tuning.grouped_trainer import GroupedByLength
from bioner_bench.tuning.llm_training import IGNORED, encode
from bioner_bench.tuning.recipes import LlmRecipe
from bioner_bench.tuning.rows import rows_of
from bioner_bench.tuning.strategies import Choice

BATCH = 8


class Clock(TrainerCallback):
    """Seconds of the training loop, by the clock and of the processor, and its losses."""

    def __init__(self):
        self.losses = []

    def on_train_begin(self, *_, **__):
        self.began, self.worked = time.perf_counter(), time.process_time()

    def on_step_end(self, *_, **__):
        self.seconds, self.cpu = time.perf_counter() - self.began, time.process_time() - self.worked

    def on_log(self, args, state, control, logs=None, **_):
        if "loss" in (logs or {}):
            self.losses.append(logs["loss"])


def recipe(given):
    return LlmRecipe(
        name="against-trl",
        model=given.model,
        train=(given.task,),
        select=Choice(strategy="full", limit=given.steps * BATCH),
        seed=given.seed,
        epochs=1,
        steps=given.steps,
        batch_size=BATCH,
        learning_rate=2e-4,
        schedule="constant",
        warmup=0.0,
        precision=given.precision,
    )


def ours(given, clock, folder):
    made = checkpoints.callbacks
    checkpoints.callbacks = lambda recipe: [*made(recipe), clock]
    llm_training.train(recipe(given), folder / "out")


def trl(given, clock, folder, **changes):
    from datasets import Dataset
    from torch.utils.data import SequentialSampler
    from trl import SFTConfig, SFTTrainer

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, train_dataset=None):
            return SequentialSampler(train_dataset or self.train_dataset)

    tokenizer = AutoTokenizer.from_pretrained(packaged.resolve(given.model))
    chat = Chat(tokenizer)
    rows = [encode(row, chat, 8192) for row in rows_of(given.task)[: given.steps * BATCH]]
    order = GroupedByLength([len(row["input_ids"]) for row in rows], BATCH, given.seed)
    data = [
        {
            "input_ids": rows[index]["input_ids"],
            "completion_mask": [int(label != IGNORED) for label in rows[index]["labels"]],
        }
        for index in order
    ]
    set_seed(given.seed)
    model = learners.load(recipe(given), chat)
    bf16 = hardware.dtype(given.precision) is torch.bfloat16
    settings = SFTConfig(
        output_dir=str(folder),
        max_steps=given.steps,
        learning_rate=2e-4,
        lr_scheduler_type="constant",
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        seed=given.seed,
        completion_only_loss=True,
        **changes,
    )
    InOrder(
        model=model,
        args=settings,
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
        callbacks=[clock],
    ).train()


RUNS = {
    "bioner_bench": ours,
    "TRL, defaults": trl,
    "TRL, no checkpointing": lambda *given: trl(*given, gradient_checkpointing=False),
}


def training(given):
    """LoRA by `train`, beside SFTTrainer with its defaults and without gradient checkpointing."""
    rows = given.steps * BATCH
    best, found = {}, {}
    for name in RUNS:
        found[name] = _in_a_process(name, ["--task", given.task, "--steps", str(given.steps)])
        best[name] = {"wall_s": found[name]["seconds"], "cpu_s": found[name]["cpu"]}
    return measuring.report(
        "training",
        f"{given.steps} steps of {BATCH} rows of {given.task}, smollm2-135m, LoRA, one run of each",
        "bioner_bench",
        best,
        rows_per_second={name: rows / taken["wall_s"] for name, taken in best.items()},
        peak_gib={name: run["peak"] for name, run in found.items()},
        losses={name: run["losses"] for name, run in found.items()},
    )


def _in_a_process(name, arguments):
    command = [sys.executable, "-m", "benchmarks.against_trl", *arguments, "--run", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="bioner_ncbi")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--run", choices=list(RUNS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        clock = Clock()
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
            RUNS[given.run](given, clock, Path(folder))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        if torch.cuda.is_available():
            peak = torch.cuda.max_memory_allocated() / 2**30
        print(json.dumps({"seconds": clock.seconds, "cpu": clock.cpu, "losses": clock.losses, "peak": peak}))
        return
    dtype = str(hardware.dtype(given.precision)).removeprefix("torch.")
    print(f"{given.model} on {given.task}, {given.steps} steps of {BATCH} rows, {dtype}, {hardware.name()}")
    for name in RUNS:
        found = _in_a_process(name, sys.argv[1:])
        losses = " ".join(f"{loss:.4f}" for loss in found["losses"])
        rate = given.steps * BATCH / found["seconds"]
        busy = f"{given.steps * BATCH / found['cpu']:.2f} a second of the processor"
        print(f"{name}: {rate:.2f} rows/s, {busy}, peak {found['peak']:.2f} GiB, losses {losses}", flush=True)


if __name__ == "__main__":
    main()
