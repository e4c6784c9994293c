"""Time what happens to answers after a model has written them, and compare with other tools.

python -m benchmarks scoring --task bioner_bc5cdr           # beside seqeval
python -m benchmarks.scoring                                # step by step, on the shipped sample corpus
python -m benchmarks.scoring --corpus bioner_bc5cdr
python -m benchmarks.scoring --sentences 5000               # a quick look
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from nervaluate import Evaluator
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from benchmarks import measuring
from bioner_bench.corpora import get, load
from bioner_bench.evaluation.alignment import align
from bioner_bench.evaluation.bootstrap import RESAMPLES, compare, interval
from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.parsing import parse
from bioner_bench.evaluation.scoring import Table, count, scores, tabulate, total
from bioner_bench.schema import Sentence


def timed(function: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Seconds of the fastest of some runs, and what the last one returned."""
    fastest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest, result


def answer(sentence: Sentence, types: list[str], dice: random.Random) -> str:
    """An answer with the mistakes of a fair model: mostly plain JSON, some of it wrapped, broken or cut."""
    mentions: dict[str, list[str]] = {type_: [] for type_ in types}
    for entity in sentence.entities:
        mention = sentence.surface(entity)
        chance = dice.random()
        if chance < 0.08:
            continue
        if chance < 0.14:
            mention = mention.split(" ", 1)[-1]
        elif chance < 0.16:
            mention = mention.upper()
        elif chance < 0.18:
            mention += "oma"
        mentions[entity.type].append(mention)
    if dice.random() < 0.1:
        mentions[dice.choice(types)].append(dice.choice(sentence.text.split()))
    plain = json.dumps(mentions, ensure_ascii=False)
    chance = dice.random()
    if chance < 0.88:
        return plain
    if chance < 0.92:
        return f"```json\n{plain}\n```"
    if chance < 0.94:
        return f"Here are the mentions [1]:\n{plain}\nLet me know if you need more."
    if chance < 0.96:
        flat = [{"text": text, "type": type_} for type_, texts in mentions.items() for text in texts]
        return json.dumps(flat)
    if chance < 0.98:
        return str(mentions)
    return plain[: dice.randrange(len(plain))] if chance < 0.99 else "There is nothing to find."


def line(label: str, seconds: float, note: str = "") -> None:
    print(f"{label:<66}{seconds:>10.3f} s   {note}", flush=True)


def scoring(given: Any) -> dict[str, Any]:
    """Parsing, alignment and all scores, beside seqeval's strict F1 alone on tags of the same sentences."""
    sentences, outputs, types = answered(given.task, given.scored_sentences, seed=0)

    def ours() -> float:
        rows = [judge(s, output, types).counts for s, output in zip(sentences, outputs, strict=True)]
        return float(scores(types)["strict_f1"].of(total(tabulate(rows))))

    aligned = [judge(s, output, types).aligned for s, output in zip(sentences, outputs, strict=True)]
    gold, predicted, *_ = for_other_tools(sentences, aligned)
    sides = {
        "parse, align, score": ours,
        "seqeval, strict F1": lambda: f1_score(gold, predicted, mode="strict", scheme=IOB2),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best, results = measuring.in_turns(sides, given.rounds)
    work = f"{len(sentences):,} answers to the sentences of {given.task}, an eighth of them no plain JSON"
    return measuring.report(
        "scoring",
        work,
        "parse, align, score",
        best,
        strict_f1={side: float(f1) for side, f1 in results.items()},
    )


def answered(task: str, number: int, seed: int) -> tuple[list[Sentence], list[str], list[str]]:
    """Test sentences, again and again, an answer to each, and the types."""
    types = list(get(task).types)
    test_set = load(task, "test").sentences
    dice = random.Random(seed)
    sentences = [test_set[index % len(test_set)] for index in range(number)]
    return sentences, [answer(sentence, types, dice) for sentence in sentences], types


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--corpus", default="bioner_sample", help="task name (default: the shipped sample)")
    options.add_argument("--sentences", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()

    sentences, outputs, types = answered(chosen.corpus, chosen.sentences, chosen.seed)
    named = scores(types)
    size = f"{len(sentences):,} sentences"
    print(f"{chosen.corpus}: its test sentences, repeated to {size}\n")

    parsing, parsed = timed(lambda: [parse(output, types) for output in outputs])
    aligning, aligned = timed(
        lambda: [align(s.text, each.mentions) for s, each in zip(sentences, parsed, strict=True)]
    )

    def score_all(limit: int) -> dict[str, float]:
        judged = zip(sentences[:limit], aligned, parsed, strict=False)
        sums = total(tabulate([count(s, a, types, None, p.level, p.cut) for s, a, p in judged]))
        return {name: float(each.of(sums)) for name, each in named.items()}

    scoring, result = timed(lambda: score_all(len(sentences)))
    levels = Counter(each.level.name.lower() for each in parsed)
    shares = ", ".join(f"{name} {levels[name] / len(parsed):.1%}" for name in sorted(levels))
    line(f"parse, {size}", parsing, shares)
    line(f"align, {size}", aligning, f"{sum(len(each.mentions) for each in parsed):,} mentions")
    line(f"count and score, {size}", scoring, f"strict F1 {result['strict_f1']:.4f}")

    def judge_all() -> dict[str, float]:
        """As a run does it: a sentence at a time, of which the counts alone are kept."""
        rows = [judge(s, output, types).counts for s, output in zip(sentences, outputs, strict=True)]
        sums = total(tabulate(rows))
        return {name: float(each.of(sums)) for name, each in named.items()}

    judging, again = timed(judge_all, 3)
    assert again["strict_f1"] == result["strict_f1"]
    line(f"parse + align + score, a sentence at a time, {size}", judging)
    print()
    gold_tags, predicted_tags, gold, predicted = for_other_tools(sentences, aligned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds, _ = timed(lambda: f1_score(gold_tags, predicted_tags, mode="strict", scheme=IOB2), 3)
    line(f"seqeval, {size}: strict F1 alone", seconds, f"{seconds / judging:.2f} times ours")
    few = min(5000, len(sentences))
    seconds, _ = timed(
        lambda: Evaluator(gold[:few], predicted[:few], tags=types, loader="dict").evaluate(), 3
    )
    mine, _ = timed(lambda: score_all(few), 3)
    line(f"nervaluate, {few:,} sentences", seconds, f"{seconds / mine:.1f} times our counting and scoring")
    print()
    rows = [
        count(s, a, types, None, p.level, p.cut)
        for s, a, p in zip(sentences[:few], aligned, parsed, strict=False)
    ]
    compare_bootstraps(tabulate(rows), named["strict_f1"])
    print()
    hostile_inputs(types)


def for_other_tools(sentences: list[Sentence], aligned: list) -> tuple[list, list, list, list]:
    """Gold and predictions as tags for seqeval, and as dictionaries for nervaluate."""
    gold_tags, predicted_tags, gold, predicted = [], [], [], []
    for sentence, mentions in zip(sentences, aligned, strict=True):
        tokens = [match.span() for match in re.finditer(r"\w+|\S", sentence.text)]
        spans = [item.span for item in mentions if item.span]
        for entities, tags, dicts in (
            (sentence.entities, gold_tags, gold),
            (spans, predicted_tags, predicted),
        ):
            tagged = ["O"] * len(tokens)
            for entity in entities:
                inside = [
                    i for i, (start, end) in enumerate(tokens) if start < entity.end and entity.start < end
                ]
                for position in inside:
                    tagged[position] = ("B-" if position == inside[0] else "I-") + entity.type
            tags.append(tagged)
            dicts.append([{"label": e.type, "start": e.start, "end": e.end - 1} for e in entities])
    return gold_tags, predicted_tags, gold, predicted


def compare_bootstraps(table: Table, score: Any) -> None:
    """The interval and the comparison of two systems against drawing indices."""
    size = f"{len(table['gold']):,} sentences, {RESAMPLES:,} resamples"
    fast, (low, high) = timed(lambda: interval(score, table), 3)
    line(f"interval of strict F1, {size}", fast, f"{low:.4f} to {high:.4f}")
    spoiled = np.random.default_rng(0).random(len(table["strict"])) < 0.02
    worse = table | {"strict": table["strict"] - (spoiled & (table["strict"] > 0))}
    seconds, comparison = timed(lambda: compare(score, table, worse), 3)
    line(f"compare two systems, {size}", seconds, f"p = {comparison.p_value:.4f}")

    counts = np.column_stack([table[column] for column in score.columns])

    def naive() -> tuple[float, float]:
        generator = np.random.default_rng(0)
        sums = [
            counts[generator.integers(len(counts), size=(100, len(counts)))].sum(axis=1)
            for _ in range(RESAMPLES // 100)
        ]
        low, high = np.quantile(score.formula(*np.concatenate(sums).T), [0.025, 0.975])
        return float(low), float(high)

    seconds, (low, high) = timed(naive)
    line(
        "the same interval by drawing indices",
        seconds,
        f"{low:.4f} to {high:.4f}, {seconds / fast:.0f} times ours",
    )


def hostile_inputs(types: list[str], length: int = 200_000) -> None:
    """Parser seconds at a length and four times that; in linear time the ratio is about 4 or less."""
    first = json.dumps(types[0])
    inputs: dict[str, Callable[[int], str]] = {
        "opening brackets": lambda n: "[" * n,
        "opening braces": lambda n: "{" * n,
        "quotes": lambda n: "{" + '"' * n,
        "backslashes in an open string": lambda n: f'{{{first}: ["' + "\\" * n,
        "one long open string": lambda n: f'{{{first}: ["' + "a" * n,
        "open strings in 49 lists": lambda n: '["' * 49 + "a" * n,
        "numbers in 49 open lists": lambda n: "[" * 49 + "1," * (n // 2),
        "one long number": lambda n: f"{{{first}: [" + "9" * n + "]}",
        "closing think tags": lambda n: "</think>" * (n // 8),
        "opening think tags": lambda n: "<think>" * (n // 7),
        "citations": lambda n: "[1]" * (n // 3),
        "objects of no meaning": lambda n: '{"x":1}' * (n // 7),
        "valid answer of many mentions": lambda n: f"{{{first}: [" + '"ab",' * (n // 5) + '"ab"]}',
        "one key again and again": lambda n: "{" + f'{first}: ["a"], ' * (n // 18) + f"{first}: []}}",
        "many other keys": lambda n: "{" + "".join(f'"k{i}":1,' for i in range(n // 9)) + f"{first}: []}}",
        "broken answer of many mentions": lambda n: f"{{{first}: [" + '"ab" ' * (n // 5) + "]}",
        "nested broken strings": lambda n: f'{{{first}: ["' + '{"a":"' * (n // 6),
        "white space": lambda n: "{" + " " * n + "}",
    }
    print(f"{'parse':<34}{f'{length:,}':>12}{f'{4 * length:,}':>12} characters   ratio")
    for name, make in inputs.items():
        short, long = (seconds_to_read(make(n), types) for n in (length, 4 * length))
        print(f"  {name:<32}{short:>10.4f} s{long:>10.4f} s{long / short:>18.1f}", flush=True)


def seconds_to_read(text: str, types: list[str]) -> float:
    """Seconds to parse; a parser that raises is reported, and does not stop the benchmark."""
    try:
        return timed(lambda: parse(text, types), 3)[0]
    except Exception as error:
        print(f"parse raised {type(error).__name__}: {error}")
        return float("nan")


if __name__ == "__main__":
    main()
