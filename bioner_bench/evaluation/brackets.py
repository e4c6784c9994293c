"""Text -> what stands in brackets there, read as JSON; broken JSON is tidied, and mended by `json_repair`.

One pass finds where a bracket closes, with a careful person's idea of where a string ends: at a quote that
a comma, colon or bracket follows. Tidying makes every string a JSON string and closes every bracket by its
kind; what is left to `json_repair` is commas and bare words. So it gets nothing that it needs long for, and
of one output no more than `REPAIR_LIMIT` characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from json_repair import repair_json

REPAIR_LIMIT = 20_000
"""Characters of one output that `json_repair` is given."""

_REPAIR_START = 100
"""Characters for which starting a repair counts, as it takes its time."""

_DEEPEST = 50
"""Brackets inside of one another that an answer may have; more are prose."""


class Unreadable:
    """Stands for text that is not JSON (None is JSON's null)."""


UNREADABLE = Unreadable()


class _Object(dict[str, Any]):
    """A JSON object that had a key twice; the values of both are kept."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    merged = _Object()
    for key, value in pairs:
        merged.setdefault(key, []).extend(value if isinstance(value, list) else [value])
    return merged


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_json)
_LENIENT = json.JSONDecoder(object_pairs_hook=_object)  # takes NaN and Infinity


def loads(text: str, decoder: json.JSONDecoder = _STRICT) -> Any:
    """The value of a JSON text, `UNREADABLE` if it is none; a repeated key adds to a list."""
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError):  # ValueError also for integers of thousands of digits
        return UNREADABLE


def repeats_a_key(value: Any) -> bool:
    """Whether the outermost object of a value from `loads` had a key twice."""
    return isinstance(value, _Object)


@dataclass(frozen=True, slots=True)
class Group:
    """An outermost bracket of a text, `start` to `end`.

    `value`: what it says. `exact`: whether it is JSON as it stands. `closed`: whether it ends, if by a wrong
    bracket; else the text does.
    """

    start: int
    end: int
    value: Any
    exact: bool
    closed: bool


_GAP = r"(?: \\[nrt](?![a-z]) | [\s\\>`*\u200b\ufeff] )*+"
_QUOTE = r"\\*+ (?: [uUbBrR](?=[\"']) )? [\"'“”‘’„«]"
_KEY = r"\w [\w /()-]{0,60} [\"'*`]{0,3} \s{0,9} [:：]"
_OPENS = re.compile(
    rf"""
      \{{ (?= {_GAP} (?: {_QUOTE} | \}} | \Z | \# | // | /\* | {_KEY} ) )
    | \[ (?= {_GAP} (?: {_QUOTE} | [\[{{\]] | \( \s{{0,9}} {_QUOTE} | (?:null|None)\b | \# | /[/*] | \Z ) )
    | \( (?= {_QUOTE} )
    """,
    re.VERBOSE,
)
"""What may open JSON, a Python literal or the like. Others are prose, as "[1, 2)" or "{see below}"."""

_TOKEN = re.compile(r"""[{}\[\]()] | \\*+["'“”‘’„«] | // | /\* | \#""", re.VERBOSE)
_PAIR = {"}": "{", "]": "[", ")": "("}
_CLOSER = {"{": "}", "[": "]", "(": "]"}
_VALUE = r"""
    ["'“”‘’„«\[{(\]}),\\#`] | \Z | // | /\* | -?\d[\d.]{0,30}\s{0,9}[,\]})] | (?:null|none|true|false|nan)\b
    | [uUbBrR]["'] | \w[\w ]{0,60}["'”’]? \s{0,9}: | \.\.\. | …
"""
_ENDS_STRING = re.compile(
    rf"""[*_`]{{0,3}} (?:
      \s*+ (?: [:\]}}]|：|\)|=|->|;|\Z|//|/\*|\# ) | \s*+ [,，、] (?= \s*+ (?: {_VALUE} ) )
    | \s++ (?: (?: and | or | [/&|+] ) \s++ )? \\*+ ["“„«'‘] | (?: \\[nrt]\s* )++ \\*+ [\]}}"'“,:]
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_LINE_END = r"\]\s{0,9}\}(?=[ \t`]*+(?:\n|\Z))"
_IN_STRING = {
    quote: re.compile(rf"(?P<quote>{closers})|\\.|(?P<missing>{_LINE_END})", re.DOTALL)
    for quote, closers in {
        '"': '"',
        "'": "'",
        "“": '[”“"]',
        "”": '[”“"]',
        "„": '[”“"]',
        "‘": "[’‘']",
        "’": "[’‘']",
        "«": "»",
    }.items()
}
_ESCAPED_QUOTE = re.compile(rf"(?P<quote>\\++[\"'])|(?P<missing>{_LINE_END})")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_MARK = "\ue000"
_NUMBER = re.compile(f"{_MARK}(\\d+){_MARK}")
_PUNCTUATION = str.maketrans(
    {
        _MARK: " ",
        "：": ":",
        "，": ",",
        "、": ",",
        ";": ",",
        "*": " ",
        "`": " ",
        "\u200b": " ",
        "\ufeff": " ",
        "\xa0": " ",
    }
)
_QUOTES = str.maketrans({"'": "\ue001", "’": "\ue002"} | dict.fromkeys('"“”„«»‘'))
_APOSTROPHES_BACK = {0xE001: "'", 0xE002: "’"}
"""Apostrophes of bare words, which the repair would take for quotes."""
_BETWEEN = re.compile(r"\\+[nrt](?![a-z])|\\+|\.\.\.|…|(?<!\w)[uUbBrR]\Z")
_CONSTANTS = {"None": "null", "True": "true", "False": "false", "nan": "NaN"}
_ARROW = re.compile(r"=>?|->")
_CONSTANT = re.compile(r"\b(?:None|True|False|nan)\b")
_STRAY = "]}) \t\r\n`\"'”’"
_RUN = re.compile(r"[\[{(\s]*+")
_PLAIN = re.compile("[,:]? ?")
_TRAILING = re.compile(r",(?=\s*,)|,\s*\Z")


@dataclass(slots=True)
class Budget:
    """What may be spent on one text: characters to repair; brackets to look into, and their characters."""

    repairs: int = REPAIR_LIMIT
    rescans: int = 5
    rescanned: int = 100_000

    def rescan(self, length: int) -> bool:
        """Whether a bracket of so many characters may be looked into."""
        if self.rescans == 0 or length > self.rescanned:
            return False
        self.rescans -= 1
        self.rescanned -= length
        return True


def groups(text: str, budget: Budget) -> Iterator[Group]:
    """The brackets of a text that may be JSON, first to last, none inside another."""
    position = 0
    while (opening := _OPENS.search(text, position)) is not None:
        start = opening.start()
        scan = _Scan(text, start)
        position = scan.end
        if scan.too_deep:
            continue
        raw = text[start : scan.end]
        value = loads(raw) if scan.closed else UNREADABLE
        exact = value is not UNREADABLE
        if not exact:
            tidy = scan.tidy()
            value = loads(tidy, _LENIENT)
            if value is UNREADABLE and len(tidy) <= budget.repairs:
                budget.repairs -= len(tidy) + _REPAIR_START
                value = _repair(tidy)
            value = _with_strings(value, scan.strings)
        yield Group(start, scan.end, value, exact, scan.closed)


def _repair(tidy: str) -> Any:
    try:
        return repair_json(tidy, return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError, AssertionError):  # the library asserts what hostile input breaks
        return UNREADABLE  # null would say as little


def _with_strings(value: Any, strings: Sequence[str]) -> Any:
    """A value read from `_Scan.tidy`, the strings that were numbered there put back."""
    if isinstance(value, str):
        bare = value.translate(_APOSTROPHES_BACK)
        return _NUMBER.sub(lambda number: strings[int(number[1])], bare) if _MARK in bare else bare
    if isinstance(value, list):
        return [_with_strings(item, strings) for item in value]
    if isinstance(value, dict):
        return _object([(_with_strings(k, strings), _with_strings(v, strings)) for k, v in value.items()])
    return value


class _Scan:
    """Where the bracket at `start` ends, and the pieces up to there.

    A piece is a bracket or string of the text and what stands for it in JSON: (start, end, JSON). A string
    is a number in `strings` there, so that the repair has nothing but structure to think about.
    """

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.start = start
        self.closed = False
        self.too_deep = False
        self.pieces: list[tuple[int, int, str]] = []
        self.strings: list[str] = []
        self.end = self._walk()

    def _walk(self) -> int:
        text = self.text
        stack: list[str] = []
        position = self.start
        while (token := _TOKEN.search(text, position)) is not None:
            mark, at, position = token[0], token.start(), token.end()
            if mark in _CLOSER:
                if mark == "(" and at > self.start and self._inside_word(at):
                    continue
                stack.append(mark)
                self.pieces.append((at, position, "[" if mark == "(" else mark))
                if len(stack) > _DEEPEST:
                    self.too_deep = True
                    return _past(text, position)
            elif mark in _PAIR:
                if mark == ")" and "(" not in stack:
                    continue
                kept = len(stack) - 1  # a wrong bracket closes the innermost
                if _PAIR[mark] in stack:
                    kept -= stack[::-1].index(_PAIR[mark])
                self.pieces.append((at, position, _closing(stack[kept:])))
                del stack[kept:]
                if not stack:
                    self.closed = True
                    return position
            elif mark in ("//", "#", "/*"):
                position = self._comment(mark, at, position)
            else:
                position = self._string(mark, at, position)
        self.pieces.append((len(text), len(text), _closing(stack)))
        return len(text)

    def _inside_word(self, at: int) -> bool:
        before = self.text[max(self.start, at - 40) : at].rstrip()
        return not before or before[-1] not in "[{(,:"

    def _comment(self, mark: str, at: int, position: int) -> int:
        before = self.text[at - 1]
        if not (before.isspace() or before in ',[{"'):
            return position
        end = self.text.find("*/" if mark == "/*" else "\n", position)
        if end == -1 and mark != "/*":
            # Without a line's end it may be the rest of the answer.
            return position
        end = len(self.text) if end == -1 else end + len(mark) * (mark == "/*")
        self.pieces.append((at, end, " "))
        return end

    def _string(self, mark: str, at: int, position: int) -> int:
        """Read the string that a quote opens; a quote at the end of a word is no opening."""
        text = self.text
        before = text[at - 1]
        if before.isalnum() and (text[at - 2].isalnum() or before not in "uUbBrR") and text[at - 2] != "\\":
            return position
        escaped = len(mark) > 1
        doubled = (
            not escaped
            and text[position : position + 1] == mark
            and text[position + 1 : position + 2].isalnum()
        )
        position += doubled
        inside = _ESCAPED_QUOTE if escaped else _IN_STRING[mark]
        ends: tuple[int, int] | None = None
        for found in inside.finditer(text, position):
            if found["missing"] is not None:
                ends = (found.start(), found.start())
            elif found["quote"] is None:
                continue
            elif _ENDS_STRING.match(text, found.end()) is not None:
                ends = found.span()
            elif (comma := self._lost_quote(position, found)) is not None:
                ends = (comma, comma)
            if ends is not None:
                break
        if ends is not None:
            end, following = ends
        else:
            rest = text[position:].rstrip()
            end = following = position + len(rest.rstrip(_STRAY))
            if not set(rest[end - position :]) & {"]", "}"}:  # the text ends inside the string
                self.pieces.append((at, len(text), ""))
                return len(text)
        self.pieces.append((at, following, f'"{_MARK}{len(self.strings)}{_MARK}"'))
        content = _unescape(text[position:end], escaped)
        self.strings.append(content.rstrip(mark) if doubled else content)
        return following

    def _lost_quote(self, position: int, quote: re.Match[str]) -> int | None:
        """Where a string ends if this quote opens the next one, as in `["ataxia, "A-T"]`."""
        text = self.text
        if not text[quote.end() : quote.end() + 1].isalnum():
            return None
        near = max(position, quote.start() - 200)
        before = text[near : quote.start()].rstrip()
        if not before.endswith(","):
            return None
        return position + len(text[position : near + len(before) - 1].rstrip(_STRAY))

    def tidy(self) -> str:
        """The bracket as JSON, if its commas, colons and bare words allow."""
        out: list[str] = []
        position = self.start
        before = ""
        for start, end, json_ in self.pieces:
            out += (_between(before, self.text[position:start], json_), json_)
            position, before = end, json_
        return "".join(out)


def _closing(kinds: Sequence[str]) -> str:
    return "".join(_CLOSER[kind] for kind in reversed(kinds))


def _between(before: str, text: str, json_: str) -> str:
    """What stands between two pieces, as near to JSON as it can be said without a look around."""
    closes = json_[:1] in ("]", "}", "")
    if not closes and _PLAIN.fullmatch(text):
        return text
    text = _BETWEEN.sub(" ", text.translate(_PUNCTUATION))
    text = _ARROW.sub(":", text)
    if before[:1] == json_[:1] == '"' and not text.isspace() and not ("," in text or ":" in text):
        return ", "  # no string goes on behind its end, whatever the repair may think
    text = _CONSTANT.sub(lambda word: _CONSTANTS[word[0]], text)
    text = _TRAILING.sub("", text) if closes else re.sub(r",(?=\s*,)", "", text)
    return text.translate(_QUOTES)


def _past(text: str, position: int) -> int:
    """Behind a run of brackets that is too deep to be read."""
    run = _RUN.match(text, position)
    return position if run is None else run.end()


def _unescape(content: str, doubly: bool) -> str:
    if "\\" not in content:
        return content
    for _ in range(1 + doubly):
        content = _ESCAPE.sub(_unescaped, content)
    return content.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _unescaped(escape: re.Match[str]) -> str:
    what = escape[1]
    if what[1:]:
        return chr(int(what[1:], 16))
    if what.isalpha():
        return _ESCAPES.get(what, escape[0])
    return what
