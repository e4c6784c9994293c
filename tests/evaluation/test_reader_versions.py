"""A version of the reader stands in each record: whatever it reads differently needs a new one.

Answers of the table, and the sample's gold between tags, are damaged by chance, and digests of all that is
read of them are kept here. Where a test fails because a reading was changed on purpose, raise the version in
`judging.READERS`, put the digests here that `python tests/evaluation/test_reader_versions.py` prints, and run
`bioner-bench leaderboard rescore`.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from bioner_bench import corpora
from bioner_bench.evaluation.judging import READERS, judge
from bioner_bench.evaluation.prompt import JSON, TAGS
from bioner_bench.evaluation.tagged_text import tagged
from bioner_bench.schema import Sentence

READ = {
    JSON: """7
    ae303fae bdc0f7a8 9be25838 26fc35cf d7638706 9a60b2da 81deded9 850b49cc 1cec5ec0 7704c5f0 ad23cc67
    7f65df3c 6fbde741 335c3a53 16112215 fa361689 aec2434b 49820abb b1fc4c7a a94e38e5 171f7b45 5c5d9844
    841a1af0 abb94434
    """,
    TAGS: """1
    e6aae8fc 5e3eef53 6f819200 e1bd2023 b249219e 7d61eb05 c4aaad81 03e5e773 60442e7f 83cf0ac0 458634e4
    603b385a
    """,
}
"""Format -> the version, and a digest of each block of answers."""

BLOCKS, SIZE = {JSON: 24, TAGS: 12}, {JSON: 120, TAGS: 60}
ROWS = 631
"""Of the table; rows are added at its end, and change nothing here."""

TEXT = "In mice, ataxia and colon cancer (CRC) were seen with ATM; A - T was not."
SIGNS = r"""{ } [ ] " ' : , \ ( ) < > / * # - = | & ; ` O null None ... ``` and or"""
WORDS = """ "Disease" "ataxia" "text" "type" ": "] [0,5] <Disease> </Disease> Disease: - ataxia mice IL-2"""
PIECES = [*SIGNS.split(), " ", "\n"], WORDS.split(), [""]
"""What is put into answers: signs, words or nothing."""


def damaged(answer: str, random: Random) -> str:
    for _ in range(random.randrange(4)):
        start = random.randrange(len(answer) + 1)
        end = start + random.choice((0, 0, 1, 1, 2, 5, 20))
        answer = answer[:start] + random.choice(random.choice(PIECES)) + answer[end:]
    return answer


def answers(form: str, random: Random) -> Iterator[tuple[Sentence, str, list[str]]]:
    if form == TAGS:
        corpus = corpora.get("bioner_sample")
        sentences = corpora.load("bioner_sample", "test").sentences
        while True:
            sentence = random.choice(sentences)
            yield sentence, damaged(tagged(sentence.text, sentence.entities), random), list(corpus.types)
    table = Path(__file__).with_name("answers.jsonl").read_text(encoding="utf-8").splitlines()[:ROWS]
    while True:
        row = json.loads(random.choice(table))
        yield Sentence("", TEXT, ()), damaged(row["output"][:2000], random), row["types"]


def digest(form: str, block: int) -> str:
    read = hashlib.sha256()
    given = answers(form, Random(f"{form} {block}"))
    for _ in range(SIZE[form]):
        sentence, output, types = next(given)
        answer = judge(sentence, output, types, form=form)
        found = [(m.type, m.text, m.start, m.end) for m in answer.parsed.mentions]
        spans = [aligned.span and (aligned.span.start, aligned.span.end) for aligned in answer.aligned]
        read.update(repr((found, spans, sorted(answer.counts.items()))).encode("utf-8", "surrogatepass"))
    return read.hexdigest()[:8]


@pytest.mark.parametrize(
    ("form", "block"), [(form, block) for form in BLOCKS for block in range(BLOCKS[form])]
)
def test_answers_are_read_as_the_version_says(form, block):
    version, *digests = READ[form].split()
    assert READERS[form] == version
    assert digest(form, block) == digests[block]


if __name__ == "__main__":
    for each, blocks in BLOCKS.items():
        print(each, READERS[each], *(digest(each, block) for block in range(blocks)))
