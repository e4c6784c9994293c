"""Text without thinking -> what in it may be the answer, ranked, and the one that counts.

Candidates are brackets that can be read (`shapes.read`), lists after a type's name as if in braces, and
tags. Those that repeat the prompt are none. Of the best rank the last one counts, since models draft first;
objects that say different things are parts of one answer.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from bioner_bench.evaluation.brackets import UNREADABLE, Budget, Group, groups, loads
from bioner_bench.evaluation.prompt import IF_NONE
from bioner_bench.evaluation.reading import Rank, Reading, Types, join
from bioner_bench.evaluation.shapes import read, read_items
from bioner_bench.evaluation.tag_marks import ATTRIBUTE
from bioner_bench.evaluation.wording import is_ellipsis, is_placeholder, match_type, says_none
from bioner_bench.schema import Mention

_MOST_GROUPS = 20_000
"""Brackets of one text that are looked at."""

_BEFORE, _AFTER = 160, 100
"""Characters around a candidate that may say what it is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a text: its mentions; whether it is JSON all of which is understood; whether it is cut.

    `ambiguous`: there were others as good that say something else.
    """

    mentions: tuple[Mention, ...]
    intact: bool
    ambiguous: bool = False


@dataclass(slots=True)
class _Candidate:
    """A part of a text that can be read as an answer."""

    start: int
    end: int
    reading: Reading
    exact: bool
    closed: bool


def find_answer(text: str, types: Types) -> tuple[Answer | None, bool]:
    """The answer that a text gives, None if it gives none, and whether a bracket of it is open at its end."""
    budget = Budget()
    found: list[_Candidate] = []
    cut = False
    for group in islice(groups(text, budget), _MOST_GROUPS):
        cut = not group.closed
        found += _read_group(text, group, types, budget)
    usable = [each for each in found if not _repeats_prompt(text, each)]
    filled = [each for each in usable if not _is_form(each.reading, types)]
    answer = _best(text, filled, types, Rank.TYPED)
    if answer is None and (tagged := _tags(text, types)) is not None:
        answer = Answer(tuple(tagged), intact=True)
    if answer is None:
        answer = _best(text, filled, types, Rank.EMPTY)
    if answer is None:
        answer = _elsewhere(text, types)
    if answer is None:
        answer = _best(text, [each for each in usable if not _shows_form(each.reading)], types, Rank.EMPTY)
    return answer, cut


def _read_group(text: str, group: Group, types: Types, budget: Budget) -> Iterator[_Candidate]:
    reading = None
    if group.value is not UNREADABLE:
        reading = _understand(text, group, types)
    if reading is not None:
        yield _Candidate(group.start, group.end, reading, group.exact, group.closed)
    elif not group.exact and budget.rescan(group.end - group.start):
        offset = group.start + 1
        for inner in groups(text[offset : group.end], budget):
            moved = Group(inner.start + offset, inner.end + offset, inner.value, inner.exact, inner.closed)
            yield from _read_group(text, moved, types, budget)


def _understand(text: str, group: Group, types: Types) -> Reading | None:
    try:
        reading = read(group.value, types)
        if isinstance(group.value, list) and (reading is None or reading.rank >= Rank.STRINGS):
            type_ = _label_before(text, group.start, types)
            if type_ is not None:
                return read_items(group.value, type_, types)
    except RecursionError:
        return None
    opening = text[group.start]
    if opening == "(" and reading is not None and reading.rank >= Rank.STRINGS:
        return None
    if opening == "{" and isinstance(group.value, list):
        # Without keys an object is a set, if its items are quoted, or prose.
        return reading if _QUOTED_ITEM.match(text, group.start + 1) else None
    return reading


_QUOTED_ITEM = re.compile(r"[\s\\*`]*[\"'“”‘’„«\[]")
_FENCE = re.compile(r"```\w{0,10}\s*\Z")
_LABEL_EDGES = " \t\r\n*_`\"'“”#->•:=："


def _label_before(text: str, start: int, types: Types) -> str | None:
    """The type whose name stands before a bracket, as in `"Disease": [...]`, in a tag or under a heading."""
    before = _FENCE.sub("", text[max(0, start - _BEFORE) : start].rstrip())
    line = re.split(r"[\n,{}\[\](;<]", before.rstrip(_LABEL_EDGES))[-1]
    return match_type(line.strip(_LABEL_EDGES + "0123456789."), types) if line.strip() else None


_NO = r"\b(?:no|not|none|nothing|without|empty|absent)\b"
_CONDITION = re.compile(
    rf"\b(?:if|when|where|unless|in case)\b[^.!?\n{{}}]{{0,80}}(?:{_NO}|n't\b)[^.!?\n{{}}]{{0,80}}\Z"
    r"|\b(?:not|instead of|rather than)[\s:`*]{0,5}\Z",
    re.IGNORECASE,
)
_IF_NONE = re.compile(re.escape(IF_NONE) + r"[\s`*\"]*\Z")
_CONDITION_AFTER = re.compile(
    rf"[\s`*\"']{{0,5}}(?:if|when|where|unless|in case)\b[^.!?\n{{}}]{{0,80}}(?:{_NO}|n't\b)", re.IGNORECASE
)


def _repeats_prompt(text: str, candidate: _Candidate) -> bool:
    """Whether a candidate is the form of an empty answer, said of a sentence without a mention."""
    before = text[max(0, candidate.start - _BEFORE) : candidate.start]
    if candidate.reading.mentions:
        return bool(re.search(r"\b(?:instead of|rather than)[\s:`*]{0,5}\Z", before, re.IGNORECASE))
    if _IF_NONE.search(before) is not None or _CONDITION.search(before) is not None:
        return True
    return _CONDITION_AFTER.match(text[candidate.end : candidate.end + _AFTER]) is not None


def _is_form(reading: Reading, types: Types) -> bool:
    """Whether all that is listed stands for what is to be filled in."""
    if reading.forms and all(is_ellipsis(mention.text) for mention in reading.mentions):
        return True
    return bool(reading.mentions) and all(is_placeholder(mention.text, types) for mention in reading.mentions)


def _shows_form(reading: Reading) -> bool:
    return reading.forms > 1


def _best(text: str, candidates: Sequence[_Candidate], types: Types, worst: Rank) -> Answer | None:
    """The last answer of the best rank, its parts joined."""
    rank = min((each.reading.rank for each in candidates), default=None)
    if rank is None or rank > worst:
        return None
    runs: list[_Candidate] = []
    before: _Candidate | None = None
    for candidate in candidates:
        if candidate.reading.rank is not rank:
            continue
        if before is not None and _goes_on(text, runs[-1], before, candidate):
            runs[-1] = _joined(runs[-1], candidate)
        elif not runs or candidate.closed:  # a draft that was cut is no better than the one before
            apart = join(Reading(rank, single=True), candidate.reading)  # what joins it leaves the candidate
            runs.append(replace(candidate, reading=apart))
        before = candidate
    last = runs[-1]
    reading = last.reading
    if not reading.mentions and not (reading.whole and (last.closed or _says_all(text, reading, types))):
        return None
    said = {tuple(sorted((m.type, m.text) for m in run.reading.mentions)) for run in runs}
    intact = reading.whole and last.closed and last.exact
    return Answer(tuple(reading.mentions), intact, ambiguous=len(said) > 1)


def _says_all(text: str, reading: Reading, types: Types) -> bool:
    """Whether an answer that was cut, and names no mention, still says that there is none."""
    return reading.named.issuperset(types) and text.rstrip()[-1:] in ("]", "}")


def _joined(run: _Candidate, part: _Candidate) -> _Candidate:
    return _Candidate(
        run.start,
        part.end,
        join(run.reading, part.reading),
        run.exact and part.exact,
        run.closed and part.closed,
    )


_BULLET = re.compile(r"(?:^|\n)[ \t>]{0,8}(?:[-*•+]|\(?\d{1,3}[.)])[ \t*`]{0,4}\Z")
_AND = re.compile(r"[\s`*,]*(?:and|also|and also|as well as|plus|&)[\s`*:]*", re.IGNORECASE)
_FEW_WORDS = 3
"""Between two parts of one answer, at most."""
_FAR = 400
"""Characters; parts that are as far from each other are two answers."""


def _goes_on(text: str, run: _Candidate, before: _Candidate, candidate: _Candidate) -> bool:
    """Whether a candidate is a part of the same answer as the one before it, the last part of a run.

    It is if it speaks of other types, or if "and" stands between. The same types again are a new answer,
    unless each names one mention, or they are the points of a list.
    """
    reading = candidate.reading
    between = text[before.end : candidate.start]
    words = _FENCES.sub(" ", between[:_FAR])
    few = len(re.findall(r"[^\W\d_]+", words)) <= _FEW_WORDS and len(between) < _FAR
    if few and _AND.fullmatch(words):
        return True
    if reading.named and run.reading.named.isdisjoint(reading.named):
        return few or reading.rank is Rank.TYPES
    if few and reading.single and before.reading.single:
        return True
    return few and all(
        _BULLET.search(text[max(0, each.start - 20) : each.start]) is not None for each in (before, candidate)
    )


_FENCES = re.compile(r"```\w{0,10}")
_TAGS = re.compile(
    r"<([\w:-]{1,40})((?:\s[^<>]{0,100})?)>([^<>]{0,500})</\1\s{0,3}>"
    r"|\[([\w:-]{1,40})\]([^\[\]]{0,500})\[/\4\]"
)


def _tags(text: str, types: Types) -> list[Mention] | None:
    """The mentions in tags, as `<Disease>ataxia</Disease>`; None if there are no such tags."""
    mentions: list[Mention] = []
    tagged = False
    for tag in _TAGS.finditer(text):
        angled, attributes, inner, squared, within = tag.groups("")
        names = [angled or squared, *ATTRIBUTE.findall(attributes)]
        content = (inner or within).strip()
        type_ = next((named for name in names if (named := match_type(name, types)) is not None), None)
        if type_ is None or is_ellipsis(content):
            continue
        tagged = True
        value = loads(content)
        if isinstance(value, str):
            content = value
        if isinstance(value, list) and (inside := read_items(value, type_, types)) is not None:
            mentions += inside.mentions
            continue
        for line in content.split("\n"):
            mention = re.sub(r"\A\s*(?:[-*•]|\d{1,3}[.)])\s+", "", line).strip()
            if mention and not says_none(mention):
                mentions.append(Mention(mention, type_))
    return mentions if tagged else None


_BRACELESS = re.compile(r"""\s*,?\s*(?P<quote>["'“])[\w /()-]{1,60}["'”]\s*:\s*["'“\[{nN]""")


def _elsewhere(text: str, types: Types) -> Answer | None:
    """An answer inside of a string of JSON, without braces, or with its quotes written as `&quot;`."""
    stripped = text.strip()
    inner = loads(stripped) if stripped[:1] == '"' else None
    if not isinstance(inner, str) and "&" in stripped:
        inner = html.unescape(stripped)
    if isinstance(inner, str) and inner != stripped:
        return find_answer(inner, types)[0]
    if _BRACELESS.match(stripped):
        braced = "{" + stripped.strip(",") + "}"
        for group in groups(braced, Budget()):
            reading = _understand(braced, group, types)
            if reading is not None and reading.rank is Rank.TYPES and (reading.mentions or reading.whole):
                return Answer(tuple(reading.mentions), group.exact and reading.whole)
    return None
