"""Made-up systems for tests of everything built from records: counts from a seed, scores from the counts."""

import hashlib
import zlib

import numpy as np

from bioner_bench import corpora
from bioner_bench.evaluation.bootstrap import SEED
from bioner_bench.evaluation.parsing import Level
from bioner_bench.evaluation.scoring import COLUMNS, TYPE_COLUMNS, scores, tabulate
from bioner_bench.evaluation.summary import summarise
from bioner_bench.harness.cards import Card
from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.record_checks import gold_hashes

HOSTILE = "<script>alert(1)</script>"
HOSTILE_TOO = "\"><img src=x onerror=alert(2)> '&amp; </script><!-- {{ 7 * 7 }} \u2028 ]]>"


def sha256(*parts):
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def random_of(*parts):
    return np.random.default_rng(zlib.crc32("\0".join(map(str, parts)).encode()))


def make_counts(system, task, types, size, skill, valid, known):
    """Per-sentence counts and parse levels. The gold depends on the task alone, the rest on the system."""
    gold_random, random = random_of("gold", task), random_of("answers", system, task)
    gold = {type_: gold_random.poisson(1.0, size) for type_ in types}
    levels = random.choice(4, size, p=[valid, *[(1 - valid) / 3] * 3])
    read = levels != Level.FAILED
    columns = {column: np.zeros(size, dtype=int) for column in COLUMNS}
    spurious = np.zeros(size, dtype=int)
    for type_ in types:
        strict = random.binomial(gold[type_], skill) * read
        relaxed = strict + random.binomial(gold[type_] - strict, 0.4) * read
        wrong = random.poisson(0.8 * (1 - skill), size) * read
        spurious += wrong
        values = (gold[type_], relaxed + wrong, strict, relaxed)
        for column, counted in zip(TYPE_COLUMNS, values, strict=True):
            columns[f"{column}/{type_}"] = counted
            columns[column] = columns[column] + counted
    for side in ("gold", "predicted"):
        repeated = random.binomial(np.maximum(columns[side] - 1, 0), 0.1)
        columns[f"string_{side}"] = columns[side] - repeated
    columns["string"] = np.minimum(
        columns["strict"], np.minimum(columns["string_gold"], columns["string_predicted"])
    )
    if known:
        columns["seen"] = gold_random.binomial(columns["gold"], 0.6)
        columns["unseen"] = columns["gold"] - columns["seen"]
        columns["seen_strict"] = random.hypergeometric(columns["seen"], columns["unseen"], columns["strict"])
        columns["unseen_strict"] = columns["strict"] - columns["seen_strict"]
    columns["hallucinated"] = random.binomial(spurious, 0.3)
    columns["surplus"] = random.binomial(spurious - columns["hallucinated"], 0.2)
    columns["sentences"] = np.ones(size, dtype=int)
    columns["negative"] = (columns["gold"] == 0).astype(int)
    columns["negative_with_prediction"] = ((columns["gold"] == 0) & (columns["predicted"] > 0)).astype(int)
    for level in Level:
        columns[level.name.lower()] = (levels == level).astype(int)
    columns["cut"] = (levels >= Level.REPAIRED) * random.binomial(1, 0.5, size)
    rows = [{column: int(values[index]) for column, values in columns.items()} for index in range(size)]
    return rows, [Level(level) for level in levels]


def make_record(
    system="alpha",
    task="bioner_ncbi",
    *,
    title=None,
    kind="llm",
    skill=0.6,
    valid=0.9,
    sentences=120,
    evaluated=None,
    shots=0,
    seed=1234,
    version="1.0",
    types=None,
    clustered=False,
    known=True,
    resamples=100,
    base_model=None,
    parameters=None,
    train_strategy=None,
    train_ratio=None,
    trained_on=(),
    arguments=None,
    command=None,
    training=None,
):
    """A record that `records.read` accepts once `records.write` has written it.

    Args:
        skill: how likely a gold entity is found with its right span.
        valid: share of the answers that are valid JSON.
        sentences: of the corpus.
        evaluated: how many of them were run; fewer make a partial record.
        clustered: whether sentences have documents.
        known: whether there is a training split, so that mentions are seen or unseen.
    """
    types = list(types or corpora.get(task).types)
    evaluated = evaluated or sentences
    rows, levels = make_counts(f"{system}-{shots}-{seed}", task, types, sentences, skill, valid, known)
    rows, levels = rows[:evaluated], levels[:evaluated]
    documents = [f"document-{index // 5}" for index in range(evaluated)] if clustered else None
    summary = summarise(tabulate(rows), types, documents, resamples)
    arguments = {"pretrained": f"example/{system}", "dtype": "bfloat16"} if arguments is None else arguments
    given = ",".join(f"{key}={value}" for key, value in arguments.items())
    record = {
        "schema_version": records.SCHEMA_VERSION,
        "system": {
            "name": system,
            "title": title or system.replace("-", " ").title(),
            "kind": kind,
            "base_model": base_model,
            "parameters": parameters,
            "train_strategy": train_strategy,
            "train_ratio": train_ratio,
            "trained_on": list(trained_on),
        },
        "task": task,
        "task_version": version,
        "rescored": False,
        "parser": "1",
        "prompt": "json-v1",
        "prompt_hash": sha256("prompt", *types)[:16],
        "split": "test",
        "types": types,
        "sentences": evaluated,
        "corpus_sentences": sentences,
        "partial": evaluated < sentences,
        "gold_sha256": gold_hashes().get(task) or sha256("gold", task),
        "setup": {
            "shots": shots,
            "fewshot_seed": seed,
            "demonstrations": "random",
            "chat_template_sha256": sha256("template", system) if kind == "llm" else None,
            "fewshot_as_multiturn": True if shots else None,
            "system_instruction": None,
            "gen_prefix": None,
            "generation": {"until": ["\n"], "do_sample": False, "max_gen_toks": 384},
        },
        "markup": None,
        "training": training,
        "model": {
            "source": "hf",
            "arguments": arguments,
            "parameters": 135_000_000,
            "dtype": "torch.bfloat16",
            "revision": "main",
            "sha": sha256("weights", system)[:40],
        },
        "run": {
            "date": "2025-06-01T12:00:00Z",
            "command": command
            or f"lm_eval --model hf --model_args {given} --tasks {task} --num_fewshot {shots} --batch_size 8",
            "seconds": 61.5,
            "sentences_per_second": round(evaluated / 61.5, 3),
            "hardware": {"cpu": "Example CPU, 2 cores", "gpu": None},
            "batch_size": "8",
            "versions": {"bioner_bench": "0.1.0", "lm_eval": "0.4.13", "torch": "2.13.0", "python": "3.11.7"},
        },
        "samples_sha256": sha256("samples", system, task, shots, seed),
        "answers_sha256": None,
        "bootstrap": {
            "resamples": resamples,
            "seed": SEED,
            "unit": "document" if clustered else "sentence",
        },
        "scores": {
            name: {"value": summary[name], "low": summary[f"{name}_low"], "high": summary[f"{name}_high"]}
            for name in scores(types)
        },
        "documents": documents,
        "sentence_hashes": [sha256("sentence", task, index)[:12] for index in range(evaluated)],
        "counts": records.pack(rows, levels, types),
    }
    error = next(iter(records.validator().iter_errors(record)), None)
    assert error is None, error
    return record


def make_records():
    """A small leaderboard: all kinds, tasks of one and of many types, shots, seeds, partial and hostile."""
    core = ("bioner_ncbi", "bioner_bc5cdr_disease", "bioner_bc5cdr_chem", "bioner_bc2gm")
    tuned = {
        "base_model": "example/base-4b",
        "parameters": "4B",
        "train_strategy": "hybrid",
        "train_ratio": 0.5,
        "trained_on": ("bioner_ncbi", "bioner_bc2gm"),
    }
    found = [make_record("tuned-4b", task, title="Tuned 4B", skill=0.86, **tuned) for task in core]
    found += [
        make_record(
            "tuned-4b-full",
            task,
            title="Tuned 4B, all data",
            skill=0.85,
            **tuned | {"train_strategy": "full"},
        )
        for task in core[:2]
    ]
    found += [make_record("encoder", task, kind="encoder", skill=0.8, valid=1.0) for task in core]
    found += [
        make_record("tiny-instruct", task, title="Tiny 135M Instruct", skill=0.3, valid=0.6)
        for task in core[:2]
    ]
    found += [
        make_record("tiny-instruct", "bioner_ncbi", title="Tiny 135M Instruct", skill=0.4, shots=5, seed=seed)
        for seed in (1, 2)
    ]
    for task in ("bioner_nlmgene", "bioner_nlmchem"):
        found.append(make_record("tuned-4b", task, title="Tuned 4B", skill=0.7, known=False, **tuned))
    for system, kind, skill in (("encoder", "encoder", 0.7), ("tiny-instruct", "llm", 0.2)):
        found.append(make_record(system, "bioner_jnlpba", kind=kind, skill=skill, clustered=True))
    found.append(
        make_record("dictionary", kind="dictionary", title="Dictionary of the training split", skill=0.5)
    )
    found.append(make_record("bioner-oracle", kind="reference", title="Oracle", skill=1.0, valid=1.0))
    found.append(make_record("bioner-empty", kind="reference", title="Empty", skill=0.0, valid=1.0))
    found.append(make_record("tuned-4b", title="Tuned 4B", skill=0.95, shots=2, evaluated=30, **tuned))
    found.append(make_record("old-run", title="Run of an older version", skill=0.7, version="0.9"))
    found.append(
        make_record(
            "hostile",
            title=HOSTILE,
            skill=0.5,
            base_model=HOSTILE_TOO,
            train_strategy=HOSTILE_TOO,
            arguments={"pretrained": HOSTILE_TOO, HOSTILE: HOSTILE},
            command=f"lm_eval {HOSTILE} {HOSTILE_TOO}",
        )
    )
    return found


def make_cards():
    """System -> card, with figures of all degrees of certainty and a hostile one."""
    paper = {
        "source": "Example et al., Journal of Examples 2024, table 3",
        "url": "https://example.org/paper",
        "certainty": "read in the source",
    }
    quoted = {"source": "Another paper, quoted at example.org/quoted", "certainty": "quoted by a third party"}
    cards = [
        Card(
            "tuned-4b",
            "Tuned 4B",
            "llm",
            base_model="example/base-4b",
            url="https://example.org/tuned-4b",
            paper="https://example.org/tuned-4b.pdf",
            recipe="recipes/tuned-4b.yaml",
            trained_on=("bioner_ncbi", "bioner_bc2gm"),
            run={"model": "hf"},
            train_strategy="hybrid",
            train_ratio=0.5,
            reported=(
                {"task": "bioner_ncbi", "score": "strict_f1", "value": 0.8829, **quoted},
                {"task": "bioner_nlmgene", "score": "strict_precision", "value": 0.8579, **quoted},
            ),
        ),
        Card(
            "literature-encoder",
            "Encoder of the literature",
            "encoder",
            reported=(
                {"task": "bioner_ncbi", "score": "strict_f1", "value": 0.8936, **paper},
                {
                    "task": "bioner_jnlpba",
                    "score": "strict_f1",
                    "value": 0.7759,
                    "protocol": "seqeval on tags; trained on the training and the development split",
                    **paper,
                },
                {"task": "bioner_linnaeus", "score": "relaxed_f1", "value": 0.9, **paper},
            ),
        ),
        Card(
            "big-chat",
            "Big Chat",
            "llm",
            reported=(
                {"task": "bioner_ncbi", "score": "strict_f1", "value": 0.5827, "shots": 0, **paper},
                {"task": "bioner_ncbi", "score": "strict_f1", "value": 0.6389, "shots": 5, **paper},
                {"task": "bioner_bc2gm", "score": "string_f1", "value": 0.61, "shots": 5, **paper},
                {
                    "task": "bioner_bc2gm",
                    "score": "strict_f1",
                    "value": 0.99,
                    "source": "a rumour",
                    "url": "https://example.org/rumour",
                    "certainty": "unverified",
                },
                {
                    "task": "bioner_bc2gm",
                    "score": "strict_f1",
                    "value": 0.98,
                    "source": "a page that nobody wrote down",
                    "certainty": "quoted by a third party",
                },
            ),
        ),
        Card(
            "hostile-card",
            HOSTILE,
            "dictionary",
            reported=(
                {
                    "task": "bioner_ncbi",
                    "score": "strict_f1",
                    "value": 0.5,
                    "source": HOSTILE_TOO,
                    "url": "https://example.org/?q=%22",
                    "certainty": "read in the source",
                    "protocol": HOSTILE,
                },
            ),
        ),
    ]
    return {card.system: card for card in cards}
