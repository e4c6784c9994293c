"""The format ceiling: what a model scores that writes the gold itself as its answer.

In JSON it is below one where a repeated or nested string leaves open which occurrence is meant. It exercises
loader, target, parser, aligner and scorer in one go.
"""

from __future__ import annotations

from bioner_bench import corpora
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.scoring import scores, tabulate, total


def ceiling(task: str, split: str = "test", form: str = prompt.JSON) -> dict[str, float | int]:
    """`strict_f1` and `relaxed_f1` of a split's own gold, and its numbers of `sentences` and `mentions`.

    `form` is the format that the gold is written in.
    """
    prompt.check_form(form)
    types = list(corpora.get(task).types)
    sentences = corpora.load(task, split).sentences
    answers = [prompt.target(s.text, s.entities, types, form) for s in sentences]
    rows = [judge(s, answer, types, form=form).counts for s, answer in zip(sentences, answers, strict=True)]
    sums = total(tabulate(rows))
    named = scores(types)
    return {
        "strict_f1": float(named["strict_f1"].of(sums)),
        "relaxed_f1": float(named["relaxed_f1"].of(sums)),
        "sentences": len(sentences),
        "mentions": int(sums["gold"]),
    }
