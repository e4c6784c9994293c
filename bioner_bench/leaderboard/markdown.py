"""Names of others inside Markdown."""

from __future__ import annotations


def escape(text: object) -> str:
    """A name that stays a name inside a table: no markup, no cell border, no line end."""
    safe = " ".join(str(text).split())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;")):
        safe = safe.replace(character, entity)
    for character in "\\`*_[]":
        safe = safe.replace(character, f"\\{character}")
    return safe
