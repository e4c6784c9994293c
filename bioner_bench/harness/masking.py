"""Options of a run -> the same without secrets, for what is printed or published."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_SECRET = re.compile(
    # A word of its own, as in `api_key`, `api-key` and `apiKey`.
    r"(?:^|_|-|(?<=[a-z])(?=[A-Z]))"
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
