"""Text of generated Markdown, in lines of one width."""

import textwrap

WIDTH = 110


def paragraph(text: str) -> str:
    """A paragraph, with an empty line behind it."""
    return f"{_filled(text)}\n"


def bullet(text: str) -> str:
    """A point of a list."""
    return f"{_filled(text, '- ', '  ')}\n"


def _filled(text: str, first: str = "", later: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )
