"""Scoring rows by IFD: in batches that share a beginning, beside one row at a time."""

import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks import measuring
from bioner_bench.models import hardware, packaged
from bioner_bench.models.chat import Chat
from bioner_bench.tuning import ifd
from bioner_bench.tuning.rows import rows_of


def ifd_scores(given):
    """Batches of 16 in float32 and bfloat16, beside the same code with a row at a time in float32."""
    folder = packaged.resolve(given.model)
    chat = Chat(AutoTokenizer.from_pretrained(folder))
    rows = rows_of(given.task)
    rows = rows[:: max(1, len(rows) // given.sentences)][: given.sentences]

    def scoring(dtype, size):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(hardware.device()).eval()
        return lambda: {score.id: score.ifd for score in ifd.score(rows, model, chat, size)}

    sides = {
        "batches": scoring(torch.float32, 16),
        "one at a time": scoring(torch.float32, 1),
        "batches in bfloat16": scoring(torch.bfloat16, 16),
    }
    best, results = measuring.in_turns(sides, given.rounds)
    ours, alone, half = (list(results[name].values()) for name in sides)
    return measuring.report(
        "ifd",
        f"{len(rows)} training rows of {given.task}, {given.model}",
        "batches",
        best,
        rows_per_second={name: len(rows) / taken["wall_s"] for name, taken in best.items()},
        largest_difference=max(abs(one - two) for one, two in zip(ours, alone, strict=True)),
        rank_correlation_of_bfloat16=float(spearmanr(ours, half).statistic),
    )
