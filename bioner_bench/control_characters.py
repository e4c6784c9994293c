"""Control characters in text from outside: found, or written out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def control_character(value: Any) -> str | None:
    """The first control character in the strings of a JSON value, such as U+001B; None if there is none.

    Terminals obey them, and no XML can hold them. White space is none.
    """
    if isinstance(value, str):
        found = _CONTROL.search(value)
        return f"U+{ord(found[0]):04X}" if found else None
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        return next(filter(None, map(control_character, value)), None)
    return None


def printable(text: str) -> str:
    r"""The text with control characters written out, so that a terminal shows them and does not obey.

    >>> printable("a\x1b[31m")
    'a\\x1b[31m'
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
