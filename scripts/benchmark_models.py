"""How fast a token classifier tags and a weak model scores.

    python scripts/benchmark_models.py encoder checkpoints/minilm-ncbi-seed-1 --task bioner_ncbi
    python scripts/benchmark_models.py ifd smollm2-135m --task bioner_ncbi --rows 64

`encoder` times the reading of a test set in float32 and bfloat16. `ifd` times batches against a plain loop of
one row at a time in the same run, and prints the ratio and the largest difference of a score.
"""

import argparse
import resource
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bioner_bench import corpora, encoder, hardware, ifd, models
from bioner_bench.chat import Chat
from bioner_bench.rows import rows_of


def time_encoder(source, task):
    texts = [sentence.text for sentence in corpora.load(task, "test").sentences]
    for dtype in (torch.float32, torch.bfloat16):
        loaded = encoder.load(source, dtype=dtype)
        encoder.predict(loaded, texts[:64])
        began = time.perf_counter()
        encoder.predict(loaded, texts)
        rate = len(texts) / (time.perf_counter() - began)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{dtype}: {rate:.0f} sentences/s, peak memory so far {peak:.0f} MiB")


def time_ifd(source, task, number, batch_size, dtype):
    folder = models.resolve(source)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=hardware.dtype(dtype)).to(hardware.device())
    model.eval()
    chat = Chat(AutoTokenizer.from_pretrained(folder))
    rows = rows_of(task)[:number]
    began = time.perf_counter()
    batched = {score.id: score.ifd for score in ifd.score(rows, model, chat, batch_size)}
    together = time.perf_counter() - began
    began = time.perf_counter()
    single = {score.id: score.ifd for score in ifd.score(rows, model, chat, 1)}
    alone = time.perf_counter() - began
    difference = max(abs(batched[row.id] - single[row.id]) for row in rows)
    print(
        f"{number} rows in {dtype}: batches of {batch_size} {number / together:.2f} rows/s, one at a time "
        f"{number / alone:.2f} rows/s, ratio {alone / together:.2f}; largest difference {difference:.1e}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["encoder", "ifd"])
    parser.add_argument("model")
    parser.add_argument("--task", default="bioner_ncbi")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--dtype", default="float32")
    given = parser.parse_args()
    print(f"{hardware.name()}, torch {torch.__version__}")
    if given.what == "encoder":
        time_encoder(given.model, given.task)
    else:
        time_ifd(given.model, given.task, given.rows, given.batch_size, given.dtype)


if __name__ == "__main__":
    main()
