"""A prompt and the turns that it must hold -> the text around them, and whether that is markup and no more.

What stands around the turns is a chat template's markup and a system instruction. It is the same for all
sentences of a run, dates aside: some templates write today's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bioner_bench.evaluation.prompt import Message
from bioner_bench.schema import BenchmarkError

ROLES = ("user", "assistant", "system")

MAX_CHARACTERS = 8_000
"""Of all the text around the turns; the longest template known here writes some 2,000."""

MAX_DATES = 3
"""Different dates in the prompts of one run; more would be a way to tell a model something."""

SHORT_SENTENCE = 20
"""Characters; a shorter sentence of the corpus can stand in a template by chance."""

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_DATE = re.compile(rf"\b(?:\d{{4}}-\d\d-\d\d|\d{{1,2}} {_MONTH} \d{{4}}|{_MONTH} \d{{1,2}}, \d{{4}})\b")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Declared:
    """What a run says that it wrote around the turns.

    `template` is the source of the chat template, `special` are the tokenizer's special tokens.
    """

    template: str = ""
    special: tuple[str, ...] = ()
    system_instruction: str = ""
    gen_prefix: str = ""

    @classmethod
    def of_results(cls, results: Mapping[str, Any], task: str) -> Declared:
        """What lm-eval's results say.

        Raises:
            BenchmarkError: the beginning of the answers depends on the sentence.
        """
        tokens = (results.get(f"tokenizer_{name}_token") or [""] for name in ("bos", "eos", "pad"))
        prefix = results["configs"][task].get("gen_prefix") or ""
        if not isinstance(prefix, str) or "{{" in prefix or "{%" in prefix:
            raise BenchmarkError(f"the gen_prefix of {task} depends on the sentence; a fixed one is taken")
        return cls(
            template=str(results.get("chat_template") or ""),
            special=tuple(str(token[0])[:40] for token in tokens if token[0]),
            system_instruction=str(results.get("system_instruction") or ""),
            gen_prefix=prefix,
        )


def text_of(asked: Any) -> str:
    """The text of a prompt. Chat APIs are sent messages, which lm-eval writes as JSON in a list.

    Raises:
        ValueError: it is no prompt, or a message has more than a role and a content.
    """
    if isinstance(asked, str):
        return asked
    (turns,) = asked
    messages = json.loads(turns)
    for turn in messages:
        if turn.keys() != {"role", "content"} or not isinstance(turn["content"], str):
            raise ValueError(f"a message has {', '.join(sorted(turn))}, not role and content")
    return "".join(f"<{turn['role']}>\n{turn['content']}\n" for turn in messages)


def around(text: str, turns: Sequence[Message]) -> list[str] | None:
    """The text before, between and after the turns of a prompt; None if it does not hold them in order."""
    pieces = []
    for turn in turns:
        before, found, text = text.partition(turn["content"])
        if not found:
            return None
        pieces.append(before)
    return [*pieces, text]


def without_dates(pieces: Iterable[str]) -> tuple[list[str], list[str]]:
    """The pieces with a mark in place of each date, and the dates."""
    dates: list[str] = []
    marked = []
    for piece in pieces:
        dates += _DATE.findall(piece)
        marked.append(_DATE.sub("{date}", piece))
    return marked, dates


def fingerprint(pieces: Sequence[str]) -> str:
    """SHA-256 of the text around the turns, dates aside."""
    return hashlib.sha256(json.dumps(pieces, ensure_ascii=False).encode()).hexdigest()


def more_than_markup(pieces: Sequence[str], declared: Declared, sentences: Iterable[str]) -> str | None:
    """What the text around the turns holds that it must not; None if it is as declared.

    Every word and sign of it must stand in the template's source, or be a role or a special token. A template
    that was filled with answers or examples would pass that, so its size has a bound, and no sentence of
    the corpus may stand in it, nor in the system instruction.

    Args:
        pieces: the text around the turns, without dates.
        declared: what the run says that it wrote there.
        sentences: texts of the corpus.
    """
    whole = "\n".join([*pieces, declared.system_instruction])
    if sum(map(len, dict.fromkeys(pieces))) > MAX_CHARACTERS + len(declared.system_instruction):
        return f"more than {MAX_CHARACTERS} characters"
    for sentence in sentences:
        if len(sentence) >= SHORT_SENTENCE and sentence in whole:
            return f"a sentence of the corpus, {sentence[:60]!r}"
    first, last = pieces[0], pieces[-1]
    (system,), _ = without_dates([declared.system_instruction])
    first = first.replace(system if system in first else system.strip(), " ", 1)
    prefix = declared.gen_prefix.rstrip()
    if prefix and last.rstrip().endswith(prefix):
        last = last.rstrip().removesuffix(prefix)
    source = declared.template
    for escape, character in (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\'", "'"), ('\\"', '"')):
        source = source.replace(escape, character)
    known = "\n".join([source, *declared.special, *(f"<{role}>" for role in ROLES), "{date}"])
    words = set(_WORD.findall(known.casefold()))
    for piece in (first, *pieces[1:-1], last):
        for word in _WORD.findall(piece):
            if word.casefold() not in words:
                return f"the word {word!r}, which is not in the template"
        for sign in _WORD.sub("", piece):
            if not sign.isspace() and sign not in known:
                return f"the sign {sign!r}, which is not in the template"
    return None
