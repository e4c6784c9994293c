"""Feed the parser with damaged, hostile and huge outputs: it must always give a result.

    python scripts/fuzz_parser.py --n 100000 --seed 0

Prints how many outputs were read at each level, how many mentions that gave, and the slowest output, also of
those of up to 4,000 characters, which is longer than any answer that is asked for; seconds are of the
processor. Exits with 1 and the outputs at fault if the parser raised, returned what it must not, or took a
minute.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import string
import sys
import time
from collections import Counter
from collections.abc import Iterator
from types import FrameType

from bioner_bench.evaluation.parsing import Level, parse

CORPORA = [
    ["Disease"],
    ["Chemical", "Disease"],
    ["DNA", "RNA", "protein", "cell_line", "cell_type"],
]
ANSWER_LENGTH = 4_000
"""Characters that an answer may have."""
PATIENCE = 60
"""Seconds after which an output counts as one that never ends."""

STRINGS = [
    "ataxia",
    "A - T",
    "ataxia-telangiectasia",
    "[3H]-naloxone",
    "5'-AMP",
    'the "T" cell',
    "C:\\x",
    "β-catenin",
    "IL-2 {x}",
    "53",
    "\u00a0",
    "",
    "</think>",
    "\ud83d",
]
ATOMS = [
    *"{}[]\"'\\,: \n",
    "\x00",
    "\ud800",
    "\udfff",
    "\\u12",
    "\\ud83d",
    "NaN",
    "-Infinity",
    "1e999",
    "-0",
    "9" * 400,
    "9" * 5000,
    "null",
    "true",
    "None",
    "...",
    "//",
    "/* x",
    "#",
    "```",
    "```json\n",
    "<think>",
    "</think>",
    "<THINKING>",
    "[/THINK]",
    "<|channel|>analysis<|message|>",
    "<|channel|>final<|message|>",
    "assistantfinal",
    "\nSentence: ",
    "<Disease>",
    "</Disease>",
    '\\"',
    "\\n",
    "‘",
    "(",
    ")",
    "u'",
    "]}\n",
    "['",
    "- ",
    "If there is no mention: ",
    "&quot;",
    "[1]",
    "[]",
    "{}",
    "“",
    "”",
    '"Disease"',
    '"disease":',
    '"entities": [',
    '{"text": "ataxia", "type": "Disease"}',
    '"start": 0, "end": 6',
]
WRAPPERS = [
    "{}",
    "```json\n{}\n```",
    "Sure! [1] {} That is all.",
    '<think>so [x] {{"a": 1}}</think>{}',
    "<think>{}",
    "{}\n\n{{}}",
    "\ufeff{}",
]


def any_value(dice: random.Random, types: list[str], depth: int = 0) -> object:
    """A JSON value in which the words that mean something to the parser are frequent."""
    kind = dice.randrange(8 if depth < 4 else 5)
    if kind < 3:
        return dice.choice(STRINGS)
    if kind == 3:
        return dice.choice([None, True, 0, -1, 6, 1.0, 1e300, float("nan"), float("inf"), 10**30, 10**4000])
    if kind == 4:
        return [dice.choice(STRINGS) for _ in range(dice.randrange(4))]
    if kind == 5:
        return [any_value(dice, types, depth + 1) for _ in range(dice.randrange(4))]
    keys = [*types, types[0].upper() + "s", "entities", "text", "type", "entity", "start", "end", "x", ""]
    return {dice.choice(keys): any_value(dice, types, depth + 1) for _ in range(dice.randrange(4))}


def answer(dice: random.Random, types: list[str]) -> str:
    """An answer without damage, in one of the shapes that models use."""
    mentions = {type_: [dice.choice(STRINGS) for _ in range(dice.randrange(4))] for type_ in types}
    flat = [
        {"text": text, "type": type_} | ({"start": 0, "end": len(text)} if dice.random() < 0.3 else {})
        for type_, texts in mentions.items()
        for text in texts
    ]
    kind = dice.randrange(8)
    if kind < 3:
        return json.dumps(mentions, ensure_ascii=dice.random() < 0.5)
    if kind == 3:
        return json.dumps(flat)
    if kind == 4:
        return json.dumps({"entities": dice.choice([flat, mentions])}, indent=dice.choice([None, 2]))
    if kind == 5:
        return str(dice.choice([flat, mentions]))
    return json.dumps(any_value(dice, types))


def nested(dice: random.Random) -> str:
    """Something many times inside itself, closed or not."""
    opening, closing = dice.choice(
        [
            ("[", "]"),
            ('{"Disease":', "}"),
            ('{"entities":', "}"),
            ('{"entities":[', "]}"),
            ('{"x":', "}"),
            ('[{"text":', "}]"),
            ("{'a':", "}"),
            ("(", ")"),
        ]
    )
    depth = dice.choice([3, 50, 400, 700, 900, 1500]) + dice.randrange(100)
    inside = dice.choice(["", "1", "[]", '"ataxia"'])
    prefix = dice.choice(["", "", '{"Disease": ', "so: "])
    return prefix + opening * depth + inside + closing * dice.choice([depth, depth, depth // 2, 0])


def damaged(dice: random.Random, text: str) -> str:
    """The text with pieces deleted, doubled, inserted, exchanged or cut off."""
    for _ in range(dice.choice([0, 0, 1, 1, 2, 3, 8])):
        start = dice.randrange(len(text) + 1)
        end = min(len(text), start + dice.choice([0, 1, 1, 5, 30]))
        piece = text[start:end]
        change = dice.randrange(6)
        if change == 0:
            piece = ""
        elif change == 1:
            piece *= dice.choice([2, 3, 40])
        elif change == 2:
            piece = dice.choice(ATOMS) * dice.choice([1, 1, 1, 2, 100]) + piece
        elif change == 3:
            piece = "".join(dice.choices(string.printable, k=dice.randrange(6)))
        elif change == 4:
            piece = "".join(chr(dice.randrange(0x11000)) for _ in range(dice.randrange(4)))
        else:
            return text[:start]
        text = text[:start] + piece + text[end:]
    return text


def outputs(dice: random.Random, number: int) -> Iterator[tuple[str, list[str]]]:
    """The outputs, and the types of the corpus that each is for."""
    for _ in range(number):
        types = dice.choice(CORPORA)
        kind = dice.random()
        if kind < 0.02:
            yield damaged(dice, nested(dice)) if dice.random() < 0.3 else nested(dice), types
        elif kind < 0.05:
            yield "".join(dice.choices(ATOMS, k=dice.randrange(1, 30))), types
        elif kind < 0.055:
            unit = "".join(dice.choices([*ATOMS, *STRINGS], k=dice.randrange(1, 4))) or " "
            begin = dice.choice(["", "{", '{"Disease": ["', "[{'text': '", '{"x": ['])
            yield (begin + unit * (ANSWER_LENGTH // len(unit)))[:ANSWER_LENGTH], types
        else:
            wrapper = "{}" if dice.random() < 0.6 else dice.choice(WRAPPERS)
            yield damaged(dice, wrapper.format(answer(dice, types))), types


def huge_outputs() -> Iterator[tuple[str, list[str]]]:
    """Ten megabytes each, closed and open."""
    size = 10_000_000
    for unit in ["[", "{", '"', "\\", "a", " ", "9", "</think>", "[1]", '{"x":1}', "\ud800", "\x00"]:
        yield unit * (size // len(unit)), ["Disease"]
    yield '{"Disease": ["' + "a" * size, ["Disease"]
    yield '{"Disease": [' + "9" * size + "]}", ["Disease"]
    yield '{"Disease": [' + '"ataxia", ' * (size // 10) + '"A-T"]}', ["Disease"]
    yield '{"Disease": [' + '"ataxia" ' * (size // 9) + '"A-T"]}', ["Disease"]
    yield "[" * 49 + "1," * (size // 2), ["Disease"]


def fault(output: str, types: list[str], levels: Counter[str]) -> str | None:
    """What is wrong with the parser's result, None if nothing; counts its level and mentions."""
    parsed = parse(output, types)
    levels[parsed.level.name.lower()] += 1
    levels["mentions"] += len(parsed.mentions)
    levels["cut"] += parsed.cut
    levels["ambiguous"] += parsed.ambiguous
    if parsed.level not in Level:
        return f"level {parsed.level!r}"
    if parsed.level is Level.FAILED and parsed.mentions:
        return "failed, yet with mentions"
    for mention in parsed.mentions:
        if not isinstance(mention.text, str) or not mention.text.strip() or mention.type not in types:
            return repr(mention)
    return None


def too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {PATIENCE} s")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--n", type=int, default=100_000, help="number of outputs")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--no-huge", action="store_true", help="leave out the outputs of ten megabytes")
    chosen = options.parse_args()

    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, too_slow)
    dice = random.Random(chosen.seed)
    found = 0
    for name, source in (
        ("mutated outputs", outputs(dice, chosen.n)),
        ("outputs of ten megabytes", iter(()) if chosen.no_huge else huge_outputs()),
    ):
        levels: Counter[str] = Counter()
        faults: Counter[str] = Counter()
        examples: dict[str, str] = {}
        slowest = slowest_answer = (0.0, "")
        number, spent = 0, 0.0
        for output, types in source:
            number += 1
            start = time.process_time()
            if hasattr(signal, "SIGALRM"):
                signal.alarm(PATIENCE)
            try:
                problem = fault(output, types, levels)
            except Exception as error:  # whatever it is: a parser that raises is what is looked for
                problem = f"{type(error).__name__}: {error}"
            finally:
                if hasattr(signal, "SIGALRM"):
                    signal.alarm(0)
            seconds = time.process_time() - start
            spent += seconds
            if seconds > slowest[0]:
                slowest = (seconds, output)
            if seconds > slowest_answer[0] and len(output) <= ANSWER_LENGTH:
                slowest_answer = (seconds, output)
            if problem is not None:
                faults[problem[:80]] += 1
                if len(output) < len(examples.get(problem[:80], output + "x")):
                    examples[problem[:80]] = output
        print(f"{name}: {number:,} in {spent:.1f} s")
        for level in Level:
            print(f"  {level.name.lower():<10}{levels[level.name.lower()]:>10,}")
        print(f"  cut {levels['cut']:,}, ambiguous {levels['ambiguous']:,}, mentions {levels['mentions']:,}")
        for what, (seconds, output) in (
            ("slowest", slowest),
            (f"slowest of up to {ANSWER_LENGTH:,} characters", slowest_answer),
        ):
            print(f"  {what} {seconds:.3f} s, {len(output):,} characters: {output[:70]!r}")
        print(f"  faults {sum(faults.values()):,}")
        for problem, times in faults.most_common():
            shortest = examples[problem]
            print(f"    {times} times {problem}: {shortest[:100]!r} ({len(shortest):,} characters)")
        found += sum(faults.values())
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
