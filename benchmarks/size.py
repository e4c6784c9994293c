"""How fast models of the paper's size are evaluated, scored by and tuned; random weights, no download.

    python benchmarks/size.py qwen3-8b qwen3-0.6b --peak 989          # a GPU of 80 GB, its TFLOPS in bfloat16
    python benchmarks/size.py tiny --rows 8                           # to try the script on a processor

For each architecture: sentences a second through lm-eval (`hf`, the prompts of bioner_ncbi; answers of full
length, since random weights never end one), rows a second in IFD scoring, tokens a second in LoRA training
(forward, backward and step), and the peak of the GPU's memory in each.
"""

import argparse
import time

import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config

from bioner_bench.models import hardware, packaged
from bioner_bench.models.chat import Chat
from bioner_bench.models.shared_prefix import common_prefix
from bioner_bench.tuning import ifd, learners
from bioner_bench.tuning.grouped_trainer import GroupedByLength
from bioner_bench.tuning.llm_training import collate, encode, target_loss
from bioner_bench.tuning.rows import rows_of

COMMON = {"head_dim": 128, "num_key_value_heads": 8, "vocab_size": 151936, "max_position_embeddings": 40960}
ARCHITECTURES = {  # as in the models' config.json on the hub
    "qwen3-0.6b": COMMON
    | {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16}
    | {"tie_word_embeddings": True},
    "qwen3-4b": COMMON
    | {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32}
    | {"tie_word_embeddings": True},
    "qwen3-8b": COMMON
    | {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36, "num_attention_heads": 32},
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    | {"head_dim": 16, "num_key_value_heads": 2, "vocab_size": 49152},
}


def build(name, seed):
    torch.manual_seed(seed)
    with torch.device(hardware.device()):
        model = AutoModelForCausalLM.from_config(Qwen3Config(**ARCHITECTURES[name]), dtype=torch.bfloat16)
    return model.eval()


def timed(what, unit, number, work):
    """Run `work` and print how many of a unit it did a second, with the peak of the GPU's memory."""
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    work()
    if on_gpu:
        torch.cuda.synchronize()
    rate = number / (time.perf_counter() - began)
    peak = f", peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if on_gpu else ""
    print(f"  {what}: {rate:.1f} {unit}/s{peak}", flush=True)
    return rate


def evaluation(model, tokenizer, number, batch_size):
    harness = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)

    def work():
        lm_eval.simple_evaluate(
            harness, tasks=["bioner_ncbi"], limit=number, apply_chat_template=True, bootstrap_iters=0
        )

    timed(f"evaluation, batches of {batch_size}", "sentences", number, work)


def scoring(model, chat, rows, batch_size):
    def work():
        list(ifd.score(rows, model, chat, batch_size))

    timed(f"IFD, batches of {batch_size}", "rows", len(rows), work)


def tuning(model, chat, rows, batch_size, peak):
    adapters = LoraConfig(
        task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules=learners.linear_layers(model)
    )
    learner = get_peft_model(model, adapters)
    learner.train()
    optimizer = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], lr=1e-4)
    learned = [encode(row, chat, 4096) for row in rows]
    order = list(GroupedByLength([len(row["input_ids"]) for row in learned], batch_size, 1))
    batches = [
        [learned[index] for index in order[i : i + batch_size]] for i in range(0, len(order), batch_size)
    ]
    device = hardware.device()

    def work():
        for rows_ in batches:
            batch = collate(rows_)
            with torch.autocast(device, torch.bfloat16):
                loss, count = target_loss(learner, {name: value.to(device) for name, value in batch.items()})
            (loss / count).backward()
            optimizer.step()
            optimizer.zero_grad()

    read = 0
    for rows_ in batches:
        tokens = [row["input_ids"] for row in rows_]
        shared = common_prefix(tokens)
        read += shared + len(tokens) * (max(map(len, tokens)) - shared)
    rate = timed(f"LoRA training, batches of {batch_size}", "rows", len(rows), work)
    a_second = rate * read / len(rows)
    # Forward, and backward for the activations: weights that do not learn need no gradients.
    operations = 4 * (model.num_parameters() - model.get_input_embeddings().weight.numel()) * a_second
    share = f", {operations / (peak * 1e12):.0%} of the peak" if peak else ""
    print(f"    {a_second:,.0f} tokens read a second, {operations / 1e12:.2f} TFLOPS{share}", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("architecture", nargs="+", choices=list(ARCHITECTURES))
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peak", type=float, help="TFLOPS of the hardware in bfloat16, without sparsity")
    given = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(packaged.resolve("smollm2-135m"))
    chat = Chat(tokenizer)
    rows = rows_of("bioner_ncbi")[: given.rows]
    print(f"{hardware.name()}, torch {torch.__version__}, bfloat16, {len(rows)} rows")
    for name in given.architecture:
        model = build(name, given.seed)
        print(f"{name}: {model.num_parameters():,} parameters")
        evaluation(model, tokenizer, len(rows), given.batch_size)
        scoring(model, chat, rows, given.batch_size)
        tuning(model, chat, rows, given.batch_size, given.peak)
        del model
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
