"""What a model wrote while it was thinking -> the answer that is left, by the marks that models use.

Of XML kind (`<think>`, `<seed:think>`, `<reasoning effort="low">`), in brackets (`[THINK]`), of single models
(`◁think▷`, `<unused94>`, `<|START_THINKING|>`), the channels of gpt-oss (`<|channel|>analysis`, closed by
`<|channel|>final<|message|>`), and those without their marks (`analysis...assistantfinal`).
"""

from __future__ import annotations

import re

_NAME = (
    r"(?:[a-z]{1,12}[:_-])?"
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?|analysis|scratchpad|rationale|cot)"
    r"(?:[:_-][a-z]{1,12})?"
)
_OF = r"(?:think(?:ing)?|thoughts?|reasoning)"
_CLOSING = rf"""
      < \s{{0,3}} / \s{{0,3}} {_NAME} (?: \s [^<>]{{0,200}} )? >
    | < \s{{0,3}} {_NAME} (?: \s [^<>]{{0,200}} )? / >
    | \[ \s{{0,3}} / \s{{0,3}} {_NAME} \s{{0,3}} \]
    | ◁ \s{{0,3}} / \s{{0,3}} {_NAME} \s{{0,3}} ▷
    | <unused95> | <channel\|>
    | <\| (?: end_(?:of_)?{_OF} | {_OF}_end ) \|>
    | <\|channel\|> \s{{0,3}} (?:final|commentary) \b
      (?: [^<{{\[]{{0,100}} (?: <\|constrain\|> [^<{{\[]{{0,40}} )? <\|message\|> )?
    | assistant (?: final | commentary ) (?= json | [^a-z] | \Z )
"""
_OPENING = rf"""
      < \s{{0,3}} {_NAME} (?: \s [^<>]{{0,200}} )? >
    | \[ \s{{0,3}} {_NAME} \s{{0,3}} \]
    | ◁ \s{{0,3}} {_NAME} \s{{0,3}} ▷
    | <unused94> | <\|channel> \s{{0,3}} thought
    | <\| (?: (?:begin|start)_(?:of_)?{_OF} | {_OF}_start ) \|>
    | <\|channel\|> \s{{0,3}} analysis
    | \A \s* (?-i: analysis (?= [A-Z"'“‘({{\[] ) )
"""
_MARK = re.compile(f"(?P<closing>{_CLOSING})|{_OPENING}", re.IGNORECASE | re.VERBOSE)
_MARK_OF_CHANNELS = re.compile(
    rf"(?P<closing>{_CLOSING} | <\|end\|> )|{_OPENING}", re.IGNORECASE | re.VERBOSE
)
"""Where there are channels; elsewhere `<|end|>` ends a turn, not thinking."""
_NOTHING = re.compile(r"(?: <[^<>]{0,60}> | ```\w{0,10} | [^\w\[{<] )*+", re.VERBOSE)


def without_thinking(text: str) -> str | None:
    """What stands after the last closing mark, or, if that is nothing, before it and outside of thinking.

    >>> without_thinking('<think>Is it?</think>{"Disease": []}')
    '{"Disease": []}'
    >>> without_thinking('{"Disease": []}</think>')
    '{"Disease": []}'

    Returns:
        The answer's text; None if thinking never closes.
    """
    mark = _MARK_OF_CHANNELS if "<|channel|>" in text else _MARK
    marks = [(found.start(), found.end(), found["closing"] is not None) for found in mark.finditer(text)]
    if not marks:
        return text
    opened: list[int] = []
    opening_of: dict[int, int] = {}
    for index, (_, _, closes) in enumerate(marks):
        if not closes:
            opened.append(index)
        elif opened:
            opening_of[index] = opened.pop()
    end, last = len(text), len(marks) - 1
    while last >= 0:
        _, end_of_mark, closes = marks[last]
        if not closes:
            return None
        after = text[end_of_mark:end]
        if _NOTHING.fullmatch(after) is None:
            return after
        last = opening_of.get(last, last)
        end = marks[last][0]
        last -= 1
    return text[:end]
