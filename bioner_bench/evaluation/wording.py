"""Words of an answer: names of types, words for none, placeholders of a form.

All three are closed lists, so that no mention is lost to a guess; a test holds that no gold mention of any
corpus is a word for none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_TAG_PREFIX = re.compile(r"\A[BIESLU][-_](?=\w)")
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_LONGEST_NAME = 80

_DECORATION = frozenset(
    [
        "a",
        "all",
        "answer",
        "annotation",
        "bio",
        "biomedical",
        "detected",
        "entities",
        "entity",
        "entry",
        "extracted",
        "final",
        "form",
        "found",
        "identified",
        "in",
        "instance",
        "item",
        "list",
        "mention",
        "mentioned",
        "name",
        "named",
        "occurrence",
        "of",
        "output",
        "phrase",
        "present",
        "recognised",
        "recognized",
        "result",
        "sentence",
        "span",
        "specific",
        "string",
        "surface",
        "tag",
        "term",
        "text",
        "the",
        "value",
        "word",
    ]
)
"""Words beside a type's name that say nothing more of it, as in `disease_mentions`; singular."""


def fold(name: str) -> str:
    """Case, separators and the plural taken away: "Cell Lines" and "cell_line" become one."""
    letters = re.sub(r"[\W_]+", "", name[:100].casefold())
    if letters.endswith("ies") and letters != "species":
        return letters[:-3] + "y"
    if letters.endswith("sses"):
        letters = letters[:-2]
    return letters.removesuffix("s")


_SYNONYMS = {
    type_: frozenset(map(fold, names))
    for type_, names in {
        "disease": ("disorder", "illness", "medical condition"),
        "chemical": ("drug", "compound", "chemical compound", "medication", "chemical substance"),
        "gene": ("protein", "gene product"),
        "species": ("organism", "taxon"),
    }.items()
}
"""Other names that count only where the type itself is not named."""


@lru_cache(maxsize=4096)
def match_type(name: str, types: tuple[str, ...]) -> str | None:
    """The type that a key or label names, None if none, or if it names several.

    >>> match_type("disease_mentions", ("Disease",)), match_type("Gene/Protein", ("Gene",))
    ('Disease', 'Gene')
    """
    if name in types:
        return name
    if len(name) > _LONGEST_NAME:
        return None
    index = _index(types)
    plain = _ASIDE.sub("", _TAG_PREFIX.sub("", name.strip()))
    if (type_ := index.get(fold(plain))) is not None:
        return type_
    named = set()
    for part in re.split(r"[/|,;&+]", plain):
        words = [word.casefold() for word in _WORD.findall(part)]
        for option in _options(words):
            named |= _named(option, index)
    return named.pop() if len(named) == 1 else None


@lru_cache(maxsize=4096)
def match_synonym(name: str, types: tuple[str, ...]) -> str | None:
    """The type that a key or label names in other words, as "Drugs" does a chemical."""
    if len(name) > _LONGEST_NAME:
        return None
    folded = fold(_TAG_PREFIX.sub("", name.strip()))
    index = _index(types)
    for type_ in types:
        if folded not in index and folded in _SYNONYMS.get(type_.casefold(), ()):
            return type_
    return None


@lru_cache(maxsize=256)
def _index(types: tuple[str, ...]) -> dict[str, str]:
    return {fold(type_): type_ for type_ in reversed(types)}


def _options(words: Sequence[str]) -> list[list[str]]:
    """The words split at "or" and "and"."""
    options: list[list[str]] = [[]]
    for word in words:
        if word in ("or", "and"):
            options.append([])
        else:
            options[-1].append(word)
    return options


def _named(words: Sequence[str], index: dict[str, str]) -> set[str]:
    """The types that stand among words of which all others are decoration."""
    if len(words) > 6:
        return set()
    bare = [w in _DECORATION or w.removesuffix("s") in _DECORATION or w.isdigit() for w in words]
    named = set()
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            type_ = index.get(fold("".join(words[start:end])))
            if type_ is not None and all(bare[:start]) and all(bare[end:]):
                named.add(type_)
    return named


_NONE = frozenset(
    [
        *("n/a", "null", "nil", "nothing", "empty", "undefined"),
        *("...", "…", "-", "--", "---", "–", "—", "[]", "{}", "()", "[ ]", '""', "''"),
    ]
)
_NOUN = (
    "mentions? of|mentions?|entit(?:y|ies)|terms?|names?|types?|results?|matches|occurrences?|instances?|"
    "diseases?|disorders?|syndromes?|chemicals?|drugs?|compounds?|genes?|proteins?|gene products?|species|"
    "organisms?|dnas?|rnas?|cell lines?|cell types?|or|and"
)
_QUALIFIER = (
    "a|an|of|the|any|related|such|specific|explicit|other|named|relevant|biomedical|clear|valid|known|these|"
    "those"
)
_STATE = (
    "mentioned|found|present|identified|detected|listed|reported|named|specified|given|provided|stated|"
    "extracted|recognized|recognised|applicable|available|exists?|here"
)
_PLACE = "in|from|within|this|that|the|given|provided|input|above|sentence|text|passage|context"
_NONE_IN_WORDS = re.compile(
    rf"(?:there (?:is|are|was|were) )?(?:no|none|not any)(?: (?:{_QUALIFIER}|{_NOUN}))*"
    r"(?: (?:is|are|was|were|has|have|been|explicitly|directly))*"
    rf"(?: (?:{_STATE}))?(?: (?:{_PLACE}))*|(?:nothing|not) (?:{_STATE})(?: (?:{_PLACE}))*"
)
_MAY_SAY_NONE = frozenset("nNtTeEuU.…-–—[{(<\"'*")
_SEPARATORS = str.maketrans("_-", "  ")
_EDGES = " \t\r\n\"'`*_<>()[].!"


def says_none(text: str) -> bool:
    """Whether an item of a list is a word for none. Not "NO" or "NA": they are chemicals.

    >>> says_none("None"), says_none("no disease mentioned"), says_none("NA"), says_none("NO donor")
    (True, True, False, False)
    """
    first = text[:1]
    if first and first not in _MAY_SAY_NONE and not first.isspace():
        return False
    if len(text) > 100:
        return not text.strip()
    plain = text.strip()
    if not plain or plain.casefold() in _NONE:
        return True
    words = " ".join(plain.strip(_EDGES).translate(_SEPARATORS).casefold().split())
    if words == "no":
        return plain in ("no", "No", "No.")  # not nitric oxide
    return words in _NONE or _NONE_IN_WORDS.fullmatch(words) is not None


_ELLIPSES = frozenset(["...", "…", "....", "[...]", "<...>"])
_PLACEHOLDER = (
    r"[<\[({]?"
    r"(?:(?:your|first|second|third|1st|2nd|3rd|another|list|of|the|exact|an?|any|other|example|sample) )*"
    r"(?:(?:{types} ?)?(?:mentions?|entit(?:y|ies)|names?|items?|terms?|strings?|spans?|text|words?|values?|"
    r"examples?|placeholders?)[ _-]?(?:\d{1,2}|[a-cxyn])?|{types}[ _-]?[1-9n]|[<\[]{types}[>\]])[>\])}]?"
)


def is_ellipsis(text: str) -> bool:
    """Whether an item is an ellipsis, as in the form that the prompt shows."""
    return text.strip() in _ELLIPSES


def is_placeholder(text: str, types: tuple[str, ...]) -> bool:
    """Whether an item may stand in a form for what is to be filled in, as `mention1` or `...`.

    >>> is_placeholder("mention1", ("Disease",)), is_placeholder("ataxia", ("Disease",))
    (True, False)
    """
    plain = text.strip()
    if plain in _ELLIPSES:
        return True
    return len(plain) <= 60 and _form(types).fullmatch(" ".join(plain.casefold().split("_"))) is not None


@lru_cache(maxsize=256)
def _form(types: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(type_.casefold().replace("_", " ")) + "s?" for type_ in types)
    return re.compile(_PLACEHOLDER.replace("{types}", f"(?:{names})"))
