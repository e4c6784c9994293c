"""Training sentences -> rows: chats with their targets, to be scored, selected and learned from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bioner_bench import corpora
from bioner_bench.corpora.loading import needs_split, with_surroundings
from bioner_bench.evaluation import prompt
from bioner_bench.evaluation.prompt import Message
from bioner_bench.schema import Sentence
from bioner_bench.writing import write_text


@dataclass(frozen=True, slots=True)
class Row:
    """A zero-shot prompt and the answer to it; positive if the sentence has a mention."""

    id: str
    task: str
    messages: list[Message]
    target: str
    positive: bool

    @property
    def mentions(self) -> int:
        """How many mentions the target has."""
        if any(prompt.asked_form(turn["content"]) == prompt.TAGS for turn in self.messages):
            return sum(self.target.count(f"</{type_}>") for type_ in corpora.get(self.task).types)
        return sum(map(len, json.loads(self.target).values()))


def rows_of(task: str, split: str = "train", form: str = prompt.JSON, context: int = 0) -> list[Row]:
    """A row for each sentence of a split, in the corpus's order.

    Args:
        task: the corpus's.
        split: of it.
        form: the format of the answers.
        context: sentences on each side that are shown with each.

    Raises:
        BenchmarkError: the corpus has no such split of its own, is never to be trained on, or is to be shown
            with context and its documents are not known.
    """
    needs_split(task, split, "--tasks")
    types = corpora.get(task).types
    return [
        Row(
            id=f"{task}/{sentence.id}",
            task=task,
            messages=asked(sentence, types, form, context),
            target=prompt.target(sentence.text, sentence.entities, types, form),
            positive=bool(sentence.entities),
        )
        for sentence in with_surroundings(task, split, context)
    ]


def asked(sentence: Sentence, types: Mapping[str, str], form: str, context: int) -> list[Message]:
    """The zero-shot prompt of a sentence, with its context if that is more than 0."""
    return prompt.messages(sentence, types, form=form, context=context > 0)


def prompt_hashes(tasks: Iterable[str], form: str, context: int = 0) -> dict[str, str]:
    """Task -> the hash of the prompt that its rows have."""
    return {task: prompt.prompt_hash(corpora.get(task).types, form=form, context=context) for task in tasks}


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write rows, one JSON line each."""
    write_text(path, "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows))
