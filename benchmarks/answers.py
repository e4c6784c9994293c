"""Answers of lm-eval's model `hf-prefix` beside those of `hf`, on the prompts of a task."""

import time

import lm_eval.models  # noqa: F401  # first, else lm-eval takes ours for the whole list of models
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model

import bioner_bench.harness.lm_models  # noqa: F401  # registers `hf-prefix`
from benchmarks import measuring
from bioner_bench import corpora
from bioner_bench.corpora.loading import load_training
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.scoring import scores, tabulate, total
from bioner_bench.harness.demonstrations import chooser
from bioner_bench.models import hardware, packaged
from bioner_bench.models.shared_prefix import common_prefix

SEED = 1234


def evaluation(given):
    """Zero-shot: `hf` in float32 at several batch sizes, ours, and ours without each of its tricks."""
    sides, models = {}, {}
    for size in given.peer_batch:
        models[f"hf, batch {size}"] = _model("hf", given, "float32", batch_size=size)
    dtype, *others = given.dtype
    models["hf-prefix"] = _model("hf-prefix", given, dtype, merge_adapter=True)
    for other in others:
        models[f"hf-prefix in {other}"] = _model("hf-prefix", given, other, merge_adapter=True)
    for trick in given.without:
        options = {"merge_adapter": True} | {trick: False}
        models[f"hf-prefix without {trick}"] = _model("hf-prefix", given, dtype, **options)
    for name, model in models.items():
        sides[name] = _answering(model, given, _chats(model, given))
    best, answers = measuring.in_turns(sides, given.rounds)
    ours = models["hf-prefix"]
    floor = _floor(ours, _chats(ours, given), answers["hf-prefix"], dtype)
    peer = f"hf, batch {given.peer_batch[0]}"
    return measuring.report(
        "evaluation",
        _work(given),
        "hf-prefix",
        best,
        floor,
        differing={
            side: sum(one != other for one, other in zip(answers[peer], texts, strict=True))
            for side, texts in answers.items()
            if side != peer
        },
        strict_f1={side: round(_strict_f1(texts, given), 4) for side, texts in answers.items()},
    )


def fewshot(given):
    """Five fixed demonstrations with ours, beside zero-shot with ours, and five random ones with `hf`."""
    ours = _model("hf-prefix", given, given.dtype[0], merge_adapter=True)
    peer = _model("hf", given, "float32", batch_size=given.peer_batch[0])
    sides = {
        f"hf, 5 random, batch {given.peer_batch[0]}": _answering(peer, given, _chats(peer, given, "random")),
        "hf-prefix, 5 fixed": _answering(ours, given, fixed := _chats(ours, given, "fixed")),
        "hf-prefix, 5 random": _answering(ours, given, _chats(ours, given, "random")),
        "hf-prefix, zero-shot": _answering(ours, given, _chats(ours, given)),
    }
    best, answers = measuring.in_turns(sides, given.rounds)
    floor = _floor(ours, fixed, answers["hf-prefix, 5 fixed"], given.dtype[0])
    made = measuring.report(
        "fewshot",
        _work(given),
        "hf-prefix, 5 fixed",
        {
            name: best[name]
            for name in sides
            if not name.startswith("hf-prefix") or name == "hf-prefix, 5 fixed"
        },
        floor,
    )
    zero, five = best["hf-prefix, zero-shot"], best["hf-prefix, 5 fixed"]
    return made | {
        "fixed_over_zero_shot": {kind: five[kind] / zero[kind] for kind in ("wall_s", "cpu_s")},
        "all_sides": best,
        "answer_characters": {name: sum(map(len, texts)) for name, texts in answers.items()},
        "strict_f1": {side: round(_strict_f1(texts, given), 4) for side, texts in answers.items()},
    }


def _work(given):
    tuned = " with an adapter" if given.peft else ""
    return (
        f"{given.sentences} sentences of {given.task}, {given.model}{tuned}, ours in {given.dtype[0]}, the "
        "peer in float32"
    )


def _model(name, given, dtype, **options):
    arguments = {"pretrained": packaged.resolve(given.model), "dtype": dtype, "device": hardware.device()}
    arguments |= {"peft": given.peft} if given.peft else {}
    return get_model(name)(**arguments, **options)


def _sentences(given):
    """Spread over the test split, whose documents differ in style."""
    everything = corpora.load(given.task, "test").sentences
    return everything[:: max(1, len(everything) // given.sentences)][: given.sentences]


def _chats(model, given, strategy=None):
    types = corpora.get(given.task).types
    choose = chooser(load_training(corpora.get(given.task)), strategy, SEED) if strategy else None
    return [
        model.apply_chat_template(prompt.messages(s, types, choose(s, 5) if choose else []))
        for s in _sentences(given)
    ]


def _answering(model, given, chats):
    options = {"until": [], "do_sample": False, "max_gen_toks": given.room}
    requests = [Instance("generate_until", {}, (chat, options), 0) for chat in chats]
    return lambda: model.generate_until(requests, disable_tqdm=True)


def _strict_f1(texts, given):
    types = list(corpora.get(given.task).types)
    counts = [judge(s, text, types).counts for s, text in zip(_sentences(given), texts, strict=True)]
    return float(scores(types)["strict_f1"].of(total(tabulate(counts))))


def _floor(model, chats, texts, dtype):
    """What the matrix products alone take where nothing is read twice."""
    ids = [model.tok_encode(chat) for chat in chats]
    shared = common_prefix(ids)
    read = shared + sum(len(row) - shared for row in ids)
    written = sum(len(model.tok_encode(text)) for text in texts)  # and a token that ends it, not read
    head = model.model.get_output_embeddings().weight.numel()
    body = sum(
        weight.numel()
        for name, weight in model.model.named_parameters()
        if weight.dim() > 1 and ".layers." in name
    )
    work = 2 * body * (read + written) + 2 * head * (written + len(texts))
    rates = _matrix_rates(getattr(torch, dtype))
    return {
        "wall_s": work / rates["wall"],
        "cpu_s": work / rates["cpu"],
        "how": f"{work / 1e9:.0f} GFLOP, matrices reach {rates['wall'] / 1e9:.0f} GFLOP/s",
        "tokens": {"shared": shared, "read": read, "written": written},
    }


def _matrix_rates(dtype):
    """FLOP a second of a large matrix product, the best of several tries."""
    left, right = (torch.randn(1024, 1024).to(dtype) for _ in range(2))
    best = {"wall": 0.0, "cpu": 0.0}
    for _ in range(20):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(10):
            left @ right
        work = 10 * 2 * 1024**3
        best["wall"] = max(best["wall"], work / (time.perf_counter() - wall))
        best["cpu"] = max(best["cpu"], work / max(time.process_time() - cpu, 1e-9))
    return best
