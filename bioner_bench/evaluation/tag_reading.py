"""A sentence and the copy of it that a model tagged -> mentions: the counterpart of `parsing` for tags.

The line that is a copy of the sentence is found and laid beside it, and each tag gives the span of the
sentence that it holds in the copy. So of strings that occur twice the right one is meant, and small changes
of the text lose nothing. Total: any string gives a result, in time linear in its length.

Levels:

- valid: the output, stripped, is the sentence, character by character, and its tags open and close in turn.
- extracted: it is so but for case, white space, quotes and dashes, once thinking, code fences or prose around
  it are taken away; or mentions came without the sentence, as JSON or in tags alone.
- repaired: the copy differs otherwise, tags had to be mended, or the copy stops early.
- failed: there is no copy, and nothing that can be read as an answer in JSON is. A copy without tags says
  that there is no mention.

Where less than half of the sentence was copied, mentions are what stands in tags, or what the reader of JSON
finds (`parsing.parse`), and are searched by their strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bioner_bench.evaluation.copying import lay, likeness
from bioner_bench.evaluation.parsing import NEXT_ITEM, Level, Parsed, parse
from bioner_bench.evaluation.prompt import ITEM
from bioner_bench.evaluation.tag_marks import Marked, marked
from bioner_bench.evaluation.thinking import without_thinking
from bioner_bench.evaluation.wording import is_placeholder, says_none
from bioner_bench.schema import Mention

COPIED = 0.5
"""Share of the sentence that a copy has, at least."""

MANY, FEW = 30, 10
"""Letters and digits. Any prose has the words of a sentence as short as "The 2 .", so a line that has fewer
of its sentence than `MANY` is a copy only if it has at most `FEW` more than twice as many in all."""

MOST_COPIES = 8
"""Lines of an answer that are looked at closely, the last ones."""

ON_MORE_LINES = 0.1
"""Share of the sentence that all lines have beyond the best of them, where it was copied onto several."""

_FENCE = re.compile(r"\s*```\w{0,10}\s*")


@dataclass(frozen=True, slots=True)
class _Copy:
    """A line that is a copy of the sentence: its mentions, and how it was read."""

    mentions: tuple[Mention, ...]
    level: Level
    tagged: bool
    cut: bool


def parse_tagged(output: str, text: str, types: Sequence[str]) -> Parsed:
    """Read the mentions of the given types out of a tagged copy of `text`.

    >>> parsed = parse_tagged("<Disease>Ataxia</Disease> in mice", "Ataxia in mice .", ["Disease"])
    >>> parsed.mentions[0], parsed.level.name
    (Mention(text='Ataxia', type='Disease', start=0, end=6), 'REPAIRED')
    """
    types = tuple(types)
    stripped = output.strip()
    if len(stripped) <= _longest(text):
        found = _read(marked(stripped, text, types), text, types, ends=True)
        if found is not None and found.level is Level.VALID:
            return Parsed(found.mentions, Level.VALID)
    answer = without_thinking(stripped)
    if answer is None:
        return Parsed((), Level.FAILED, cut=True)
    marks = marked(answer, text, types)
    if "{" in answer and "{" not in text and not marks.tags:
        parsed = _as_json(output, types)
        if parsed.level is not Level.FAILED:
            return parsed
    for part, last in _parts(answer, text):
        if (read := _best(part, text, types, last)) is not None:
            return read
    alone = [Mention(marks.plain[part.start : part.end].strip(), part.type) for part in marks.parts]
    if said := tuple(each for each in alone if not _is_none(each.text, types)):
        whole = marks.intact and len(said) == len(alone)
        return Parsed(said, Level.EXTRACTED if whole else Level.REPAIRED, cut=marks.torn)
    return _as_json(output, types)


def _longest(text: str) -> int:
    """Characters of a line that are looked at: more than any tagged copy has."""
    return 4 * len(text) + 400


def _as_json(output: str, types: tuple[str, ...]) -> Parsed:
    """What the reader of JSON says, which is not the format that was asked for."""
    parsed = parse(output, types)
    return replace(parsed, level=max(parsed.level, Level.EXTRACTED))


def _parts(answer: str, text: str) -> Iterator[tuple[str, bool]]:
    """The answer, and each question that the model goes on with; whether it is the last of these."""
    starts: set[int] = set()
    if NEXT_ITEM.search(text) is None and ITEM not in text:
        starts = {found.start() for found in NEXT_ITEM.finditer(answer)}
        starts |= {found.start() for found in re.finditer(re.escape(ITEM), answer)}
    for start, end in pairwise(sorted({0, len(answer), *starts})):
        yield answer[start:end], end == len(answer)


def _best(part: str, text: str, types: tuple[str, ...], last: bool) -> Parsed | None:
    """The last whole copy with tags, or without if none has any; None if there is no copy."""
    lines = [line.strip() for line in part.split("\n") if line.strip() and not _FENCE.fullmatch(line)]
    ends = last and not part.rstrip().endswith("```")
    letters = sum(map(str.isalnum, text))
    longest = _longest(text)
    close: list[tuple[Marked, bool]] = []
    best = 0.0
    for number, line in enumerate(lines):
        if len(line) >= COPIED * letters:
            marks = marked(line[:longest], text, types)
            if line.startswith(ITEM) and not marks.tags and ITEM not in text:
                continue  # the question again
            if (alike := likeness(marks.plain, text)) >= COPIED:
                close.append((marks, ends and number == len(lines) - 1 and len(line) <= longest))
                best = max(best, alike)
    if len(lines) > 1 and len(part) <= longest:
        marks = marked("\n".join(lines), text, types)
        if likeness(marks.plain, text) > best + ON_MORE_LINES:
            close = [(marks, ends)]
    read = (_read(marks, text, types, at_end) for marks, at_end in close[-MOST_COPIES:])
    copies = [copy for copy in read if copy is not None]
    pool = [copy for copy in copies if copy.tagged] or copies
    pool = [copy for copy in pool if not copy.cut] or pool
    if not pool:
        return None
    answer = pool[-1]
    said = {copy.mentions for copy in pool}
    return Parsed(answer.mentions, max(answer.level, Level.EXTRACTED), answer.cut, len(said) > 1)


def _is_none(written: str, types: tuple[str, ...]) -> bool:
    """Whether what a tag holds stands for a mention, or says that there is none."""
    return is_placeholder(written, types) or says_none(written)


def _read(marks: Marked, text: str, types: tuple[str, ...], ends: bool) -> _Copy | None:
    """The mentions of a line, if it is a copy; `ends`: nothing stands after it."""
    copy = lay(marks.plain, text)
    if copy.share < COPIED or (copy.letters < MANY and copy.more > FEW + copy.letters):
        return None
    mentions = []
    intact = marks.intact
    for part in marks.parts:
        written = marks.plain[part.start : part.end].strip()
        if (span := copy.span(part.start, part.end)) is not None:
            mentions.append(Mention(text[slice(*span)], part.type, *span))
        elif _is_none(written, types):
            intact = False
        else:
            mentions.append(Mention(written, part.type))
    cut = ends and (marks.torn or copy.stops)
    level = Level.EXTRACTED if intact and copy.same and not cut else Level.REPAIRED
    if level is Level.EXTRACTED and marks.exact and marks.plain == text.strip():
        level = Level.VALID
    return _Copy(tuple(mentions), level, marks.tags > 0, cut)
