"""IFD on real rows and a real model: is it its definition, and what would other definitions give?

    python scripts/verify_ifd.py smollm2-135m --task bioner_ncbi --rows 200

First the scores, in float32 and in batches, are held to a plain computation in float64: one row at a time, no
padding, nothing shared. Then the definition of tianyi-lab/Superfiltering (commit f0764af, code_ifd/) is put
beside it, on the same prompts and rows: answers without the token that ends the turn, and without any token
before them where they are scored alone, so that their first token is not scored there.
"""

import argparse
import math
from random import Random

import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM, AutoTokenizer

from bioner_bench.models import hardware, packaged
from bioner_bench.models.chat import Chat
from bioner_bench.tuning import ifd
from bioner_bench.tuning.rows import rows_of


def by_definition(model, chat, row):
    """The losses of a row's target with and without its prompt, in nats per token."""
    target = chat.target(row.target)
    return mean_loss(model, chat.prompt(row.messages), target), mean_loss(
        model, chat.empty_prompt(row.messages), target
    )


def mean_loss(model, before, target):
    """One row, one pass, in the model's dtype, which should be float64."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*before, *target]])).logits[0]
    logs = torch.log_softmax(logits[len(before) - 1 : -1], dim=-1)
    return -float(logs[range(len(target)), target].mean())


def superfiltering(model, chat, row):
    """The IFD that tianyi-lab/Superfiltering would compute; NaN for an answer of one token."""
    answer = chat.target(row.target)[:-1]
    if len(answer) < 2:
        return math.nan
    conditional = mean_loss(model, chat.prompt(row.messages), answer)
    return math.exp(conditional - mean_loss(model, answer[:1], answer[1:]))


def hardest_half(rows, scores):
    return set(sorted((row.id for row in rows), key=lambda id_: scores[id_])[len(rows) // 2 :])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--task", default="bioner_ncbi")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--batch-size", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = packaged.resolve(given.model)
    rows = Random(given.seed).sample(rows_of(given.task), given.rows)
    positives = [row for row in rows if row.positive]
    print(f"{given.task}, {len(rows)} rows drawn by seed {given.seed}, {len(positives)} of them positive")
    print(f"{given.model}, {hardware.name()}, torch {torch.__version__}")

    tokenizer = AutoTokenizer.from_pretrained(folder)
    chat = Chat(tokenizer)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    exact = {}
    for row in rows:
        conditional, alone = by_definition(model, chat, row)
        exact[row.id] = math.exp(conditional - alone)
    theirs = {row.id: superfiltering(model, chat, row) for row in rows}

    model = model.float()
    for size in given.batch_size:
        for side in ("left", "right"):
            tokenizer.padding_side = side
            found = ifd.score(rows, model, chat, size)
            difference = max(abs(item.ifd - exact[item.id]) for item in found)
            print(f"batches of {size}, padding on the {side}: largest difference {difference:.1e}")

    ours_kept, theirs_kept = hardest_half(positives, exact), hardest_half(positives, theirs)
    rank = spearmanr([exact[row.id] for row in positives], [theirs[row.id] for row in positives]).statistic
    print("Beside the definition of tianyi-lab/Superfiltering:")
    print(f"  rank correlation on positives: {rank:.3f}")
    print(f"  hardest half of the positives in common: {len(ours_kept & theirs_kept)} of {len(ours_kept)}")
    for name, scores in (("here", exact), ("there", theirs)):
        kept = hardest_half(rows, scores)
        negatives = [row for row in rows if not row.positive]
        print(
            f"  {name}: {sum(row.id in kept for row in negatives)} of {len(negatives)} negatives in the "
            f"hardest half of all rows; IFD of 1 or more: {sum(scores[row.id] >= 1 for row in positives)} "
            f"positives, {sum(scores[row.id] >= 1 for row in negatives)} negatives"
        )


if __name__ == "__main__":
    main()
