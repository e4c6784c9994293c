"""Keys, tokens and passwords: out of the options of a run that are shown, and out of all that is printed."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

_SECRET = re.compile(
    # A word of its own, as in `api_key`, `api-key`, `headers.key` and `apiKey`.
    r"(?:^|[_.-]|(?<=[a-z])(?=[A-Z]))"
    r"(?i:api_?key|key|token|secret|password|passwd|auth|authorization|bearer|credentials?|headers?)$"
)
_NO_SECRETS = {"think_end_token", "add_bos_token", "pad_token", "eos_token", "bos_token"}


def masked(key: str, value: Any) -> Any:
    """The value with `***` for what a key names a secret, and addresses without their credentials.

    >>> masked("model_args", {"model": "gpt-4", "api_key": "sk-1", "base_url": "https://me:pw@host/v1?key=2"})
    {'model': 'gpt-4', 'api_key': '***', 'base_url': 'https://host/v1'}
    """
    if _SECRET.search(key) and key not in _NO_SECRETS:
        return "***"
    if isinstance(value, Mapping):
        return {str(inner): masked(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list):
        return [masked(key, item) for item in value]
    if isinstance(value, str) and "://" in value:
        parts = urlsplit(value)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return value


SHORTEST = 8
"""Characters of a secret that is taken out of what is printed; shorter ones stand in many other words."""

_GIVEN = re.compile(
    # A name and its value, as in `api_key=sk-1`, `"X-Api-Key": "sk-1"` and `Authorization: Token sk-1`. The
    # value is only looked at, since in `base_url=http://host?key=sk-1` it holds another name.
    r"([\w-]+)[\"']?\s*[=:](?=\s*[\"']?([^\s,\"'{}]+)(?:[ \t]+([^\s,\"'{}]+))?)"
)
_CREDENTIALS = re.compile(r"://([^/\s,\"':]*):?([^/\s,\"']*)@")

_hidden: dict[str, None] = {}


def hide(values: Iterable[str]) -> None:
    """Take these out of what `MaskedStream` writes from now on, in any form in which messages show them."""
    for value in values:
        forms = [value, *value.splitlines(), *value.split()]
        forms += [repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe="", errors="surrogateescape")]
        _hidden.update(dict.fromkeys(form.strip() for form in forms if len(form.strip()) >= SHORTEST))


def secrets_of_environment() -> dict[str, str]:
    """Variable -> value, of those whose names say that they are secret; a path of a file is none."""
    return {
        name: value
        for name, value in os.environ.items()
        if _SECRET.search(name)
        and len(value.strip()) >= SHORTEST
        and not (value.startswith("/") and os.path.exists(value))  # noqa: PTH110  # base64 can begin so too
    }


def secrets_in(text: str) -> Iterator[str]:
    """The secrets that stand in an option or a file of options, after names that say so.

    >>> list(secrets_in('{"model": "m", "header": {"X-Api-Key": "sk-12345"}},api_key=sk-67890'))
    ['sk-12345', 'sk-67890']
    """
    for name, *words in _GIVEN.findall(text):
        if _SECRET.search(name) and name not in _NO_SECRETS:
            for word in filter(None, words):
                yield word
                yield from word.split("&")[:-1]  # of an address, where other names follow
    for credentials in _CREDENTIALS.findall(text):
        yield from filter(None, credentials)


def without_secrets(text: str) -> str:
    """The text with `***` for each secret that was given to `hide`."""
    for secret in sorted(_hidden, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


class MaskedStream:
    """A stream that writes to another one, without secrets."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, and return how much was given."""
        self._stream.write(without_secrets(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def mask_output() -> None:
    """From now on this process prints, logs and traces without the secrets of its environment."""
    hide(secrets_of_environment().values())
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, as by `>&-`
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        setattr(sys, name, MaskedStream(stream))
