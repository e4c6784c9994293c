"""Bytes that a training step keeps for its backward pass, counted, and from them what 4B and 8B need.

    python benchmarks/memory.py

Qwen3's layers are built at a quarter of their width, one of them and two: what a layer keeps of a token is
four times the difference. Tensors are counted as autograd saves them, weights left out, under the shipped
recipes' settings and others. The rest is arithmetic: weights, adapters with their optimiser, logits of the
target tokens, and the time of a step at a share of a card's peak that is assumed.
"""

import argparse

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config

from bioner_bench import corpora
from bioner_bench.models import packaged
from bioner_bench.models.chat import Chat
from bioner_bench.models.shared_prefix import common_prefix
from bioner_bench.tuning import learners
from bioner_bench.tuning.grouped_trainer import GroupedByLength
from bioner_bench.tuning.llm_training import IGNORED, collate, encode, target_loss
from bioner_bench.tuning.rows import rows_of

CORE = ("bioner_ncbi", "bioner_bc5cdr_disease", "bioner_bc5cdr_chem", "bioner_bc2gm")
VOCABULARY = 151_936
SIZES = {  # hidden, intermediate, heads, layers, parameters without embeddings, with
    "Qwen3-4B": (2560, 9728, 32, 36, 3.6e9, 4.0e9),
    "Qwen3-8B": (4096, 12288, 32, 36, 6.95e9, 8.2e9),
}
RANK, EPOCHS = 16, 3
GIB = 2**30
PEAK = {"80 GB (H100)": 989e12, "24 GB (RTX 4090)": 165e12}
"""Operations a second in bfloat16, without sparsity, by the vendor's data sheets."""


def saved_bytes(hidden, intermediate, heads, layers, batch, *, share, dropout, checkpointing):
    """Bytes of all tensors that autograd keeps of a forward pass, weights left out."""
    torch.manual_seed(0)
    config = Qwen3Config(
        hidden_size=hidden // 4,
        intermediate_size=intermediate // 4,
        num_attention_heads=heads // 4,
        num_key_value_heads=2,
        head_dim=128,
        num_hidden_layers=layers,
        vocab_size=49_152,
        max_position_embeddings=4096,
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    adapters = LoraConfig(
        task_type="CAUSAL_LM", r=RANK, lora_dropout=dropout, target_modules=learners.linear_layers(model)
    )
    learner = get_peft_model(model, adapters).train()
    weights = {weight.untyped_storage().data_ptr() for weight in learner.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no place is used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t), torch.autocast("cpu", torch.bfloat16):
        target_loss(learner, batch, share)
    return sum(size for size, _ in kept.values())


def hybrid_rows():
    """Rows that half of the positives and all negatives of the core corpora are."""
    number = 0
    for task in CORE:
        sentences = corpora.load(task, "train").sentences
        positives = sum(bool(sentence.entities) for sentence in sentences)
        number += len(sentences) - positives + round(0.5 * positives)
    return number


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--share-of-peak", type=float, default=0.4, help="assumed, for the times")
    given = parser.parse_args()
    chat = Chat(AutoTokenizer.from_pretrained(packaged.resolve("smollm2-135m")))
    rows = [encode(row, chat, 4096) for row in rows_of(CORE[0])]
    order = list(GroupedByLength([len(row["input_ids"]) for row in rows], given.batch_size, 1))
    steps = [
        [rows[index] for index in order[i : i + given.batch_size]]
        for i in range(0, len(order), given.batch_size)
    ]
    step = sorted(steps, key=lambda rows: max(len(row["input_ids"]) for row in rows))[len(steps) // 2]
    batch = collate(step)
    width, shared = batch["input_ids"].shape[1], common_prefix([row["input_ids"] for row in step])
    targets = int((batch["labels"] != IGNORED).sum())
    full, read = len(step) * width, shared + len(step) * (width - shared)
    print(
        f"a middle step of {CORE[0]}: {len(step)} rows of up to {width} tokens, the first {shared} the same;"
    )
    print(f"  {full:,} tokens in full, {read:,} where those are read once; {targets} tokens of targets")
    settings = {
        "shared, no dropout (the shipped recipes)": {"share": True, "dropout": 0.0, "checkpointing": False},
        "in full, no dropout": {"share": False, "dropout": 0.0, "checkpointing": False},
        "in full, dropout 0.05": {"share": False, "dropout": 0.05, "checkpointing": False},
        "in full, dropout 0.05, checkpointing": {"share": False, "dropout": 0.05, "checkpointing": True},
    }
    total = hybrid_rows() * EPOCHS
    for name, (hidden, intermediate, heads, layers, body, whole) in SIZES.items():
        linear = (
            RANK * layers * (9 * hidden + 3 * intermediate + 3 * heads * 128)
        )  # about; A and B of 7 layers
        adapters = linear * 4 * 4  # float32 weights, gradients, and two moments
        logits = targets * VOCABULARY * (2 + 4 + 4 + 4)  # bfloat16, float32, log-softmax, gradient
        print(f"{name}: weights {2 * whole / GIB:.1f} GiB in bfloat16, {0.57 * whole / GIB:.1f} in 4 bits;")
        print(f"  adapters and optimiser {adapters / GIB:.2f} GiB, logits {logits / GIB:.1f} GiB")
        for setting, options in settings.items():
            one, two = (
                saved_bytes(hidden, intermediate, heads, number, batch, **options) for number in (1, 2)
            )
            activations = 4 * (two - one) * layers
            tokens = read if options["share"] else full
            passes = 4 + 2 * options["checkpointing"]  # forward, backward of activations; forward again
            print(
                f"  {setting}: activations {activations / GIB:.1f} GiB; with weights in bfloat16 "
                f"{(activations + 2 * whole + adapters + logits) / GIB:.0f} GiB, in 4 bits "
                f"{(activations + 0.57 * whole + adapters + logits) / GIB:.0f} GiB"
            )
            for card, peak in PEAK.items():
                rate = len(step) * peak * given.share_of_peak / (passes * body * tokens)
                print(f"    {card}: {rate:.0f} rows/s, {total / rate / 3600:.1f} h", flush=True)
    print(f"hours are for {total:,} rows: {EPOCHS} epochs of hybrid 50 % on {', '.join(CORE)}")


if __name__ == "__main__":
    main()
