"""What each choice for LoRA training on a processor brings: forward and backward of the same rows.

    python -m benchmarks.training_parts --steps 3 --rounds 3
    python -m benchmarks.training_parts --only fused cast     # these beside how `train` does it

In each round every variant reads the same rows, in turn. Printed are rows a CPU second of the best round, the
ratio to how `train` does it, and by how much the summed loss differs.
"""

import argparse
import time

import torch
from tabulate import tabulate
from transformers import AutoTokenizer, set_seed

from bioner_bench.models import packaged
from bioner_bench.models.chat import Chat
from bioner_bench.tuning import learners
from bioner_bench.tuning.llm_training import collate, encode, target_loss
from bioner_bench.tuning.recipes import LlmRecipe
from bioner_bench.tuning.rows import rows_of

VARIANTS = {
    "as `train` does it": {},
    "frozen matrices cast to bfloat16 once": {"cast": True},
    "fused attention": {"attention": "sdpa"},
    "8 rows at once": {"batch": 8},
    "32 rows at once": {"batch": 32},
    "each row in full": {"share": False},
    "in float32": {"autocast": False},
}


def learner(given, chat, variant):
    recipe = LlmRecipe(
        name="parts",
        model=given.model,
        train=(given.task,),
        seed=1,
        epochs=1,
        learning_rate=1e-3,
        attn_implementation=variant.get("attention"),
    )
    set_seed(1)
    model = learners.load(recipe, chat).train()
    if variant.get("cast"):
        for module in model.modules():
            if isinstance(module, torch.nn.Linear) and not module.weight.requires_grad:
                module.weight.data = module.weight.data.bfloat16()
    return model


def reading(model, rows, variant):
    """Rows a CPU second, and the mean loss of a target token."""
    size, losses, tokens = variant.get("batch", 16), 0.0, 0
    began = time.process_time()
    for start in range(0, len(rows), size):
        with torch.autocast("cpu", torch.bfloat16, enabled=variant.get("autocast", True)):
            loss, count = target_loss(model, collate(rows[start : start + size]), variant.get("share", True))
        (loss / count).backward()
        model.zero_grad()
        losses, tokens = losses + loss.item(), tokens + count
    return len(rows) / (time.process_time() - began), losses / tokens


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="bioner_ncbi")
    parser.add_argument("--steps", type=int, default=3, help="of 32 rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[""], help="variants whose names have one of these")
    given = parser.parse_args()
    chat = Chat(AutoTokenizer.from_pretrained(packaged.resolve(given.model)))
    rows = [encode(row, chat, 8192) for row in rows_of(given.task)[: 32 * given.steps]]
    rows.sort(key=lambda row: len(row["input_ids"]))
    first = next(iter(VARIANTS))
    chosen = {
        name: variant
        for name, variant in VARIANTS.items()
        if name == first or any(part in name for part in given.only)
    }
    models = {name: learner(given, chat, variant) for name, variant in chosen.items()}
    best, loss = dict.fromkeys(chosen, 0.0), {}
    for _ in range(given.rounds):
        for name, variant in chosen.items():
            rate, loss[name] = reading(models[name], rows, variant)
            best[name] = max(best[name], rate)
    table = [
        [name, f"{best[name]:.2f}", f"{best[name] / best[first]:.2f}", f"{loss[name] - loss[first]:+.4f}"]
        for name in chosen
    ]
    print(tabulate(table, ["", "rows/CPU s", "ratio", "loss"], "pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
