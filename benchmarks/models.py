"""How fast a token classifier tags and a weak model scores.

    python benchmarks/models.py encoder checkpoints/minilm-ncbi-seed-1 --task bioner_ncbi
    python benchmarks/models.py ifd smollm2-135m --task bioner_ncbi --rows 64
    python benchmarks/models.py answers smollm2-135m --rows 64 --adapter checkpoints/my-adapter

`encoder` times the reading of a test set in float32 and bfloat16. `ifd` times batches against a plain loop of
one row at a time in the same run, and prints the ratio and the largest difference of a score. `answers` times
the zero-shot answers of lm-eval's model `hf-prefix` against those of `hf`, and counts those that differ.
"""

import argparse
import resource
import time

import torch
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model
from transformers import AutoModelForCausalLM, AutoTokenizer

import bioner_bench.harness.lm_models  # noqa: F401  # registers `hf-prefix`
from bioner_bench import corpora
from bioner_bench.evaluation import prompt
from bioner_bench.models import encoder, hardware, packaged
from bioner_bench.models.chat import Chat
from bioner_bench.tuning import ifd
from bioner_bench.tuning.rows import rows_of


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
    folder = packaged.resolve(source)
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


def time_answers(source, adapter, task, number, batch_size, dtype):
    arguments = {"pretrained": packaged.resolve(source), "dtype": dtype, "batch_size": batch_size}
    arguments |= {"device": hardware.device()} | ({"peft": adapter} if adapter else {})
    types = corpora.get(task).types
    texts = [sentence.text for sentence in corpora.load(task, "test").sentences[:number]]
    options = {"until": [], "do_sample": False, "max_gen_toks": 64}
    answers, seconds = {}, {}
    for name in ("hf", "hf-prefix"):
        model = get_model(name)(**arguments)
        chats = [model.apply_chat_template(prompt.messages(text, types)) for text in texts]
        requests = [Instance("generate_until", {}, (chat, options), 0) for chat in chats]
        model.generate_until(requests[:batch_size], disable_tqdm=True)
        began = time.perf_counter()
        answers[name] = model.generate_until(requests, disable_tqdm=True)
        seconds[name] = time.perf_counter() - began
    differing = sum(one != other for one, other in zip(*answers.values(), strict=True))
    rates = ", ".join(f"{name} {number / taken:.2f} sentences/s" for name, taken in seconds.items())
    print(
        f"{number} answers in {dtype}, batches of {batch_size}: {rates}, ratio "
        f"{seconds['hf'] / seconds['hf-prefix']:.2f}; {differing} answers differ"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["encoder", "ifd", "answers"])
    parser.add_argument("model")
    parser.add_argument("--task", default="bioner_ncbi")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--adapter", help="of the model whose answers are timed")
    given = parser.parse_args()
    print(f"{hardware.name()}, torch {torch.__version__}")
    if given.what == "encoder":
        time_encoder(given.model, given.task)
    elif given.what == "answers":
        time_answers(given.model, given.adapter, given.task, given.rows, given.batch_size, given.dtype)
    else:
        time_ifd(given.model, given.task, given.rows, given.batch_size, given.dtype)


if __name__ == "__main__":
    main()
