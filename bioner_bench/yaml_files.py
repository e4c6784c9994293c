"""A YAML file that somebody else wrote -> plain values: no code, no expansion, bounded depth and size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bioner_bench.bounded_files import read_bounded
from bioner_bench.control_characters import control_character
from bioner_bench.schema import BenchmarkError

MAX_BYTES = 2**20
MAX_DEPTH = 50


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """The mapping that a file holds.

    Anchors are refused: nine lines of aliases to aliases make a value without end. So are keys that are there
    twice, of which YAML would keep the last without a word. The errors name line and
    column and never quote, since the file may be none that the reader should see.

    Args:
        path: of the file.
        what: it is to be, for the messages: "the card".

    Raises:
        BenchmarkError: it cannot be read, is no regular file, is too large or too deep, has an anchor, a key
            twice, a control character or a value that is none of its type, or is no mapping.
    """
    try:
        content = yaml.load(read_bounded(path, MAX_BYTES), _Loader)  # noqa: S506  # a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"cannot read {what} {path}: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise BenchmarkError(f"{path}{where}: not YAML: {_first_line(error.problem)}") from error
    except yaml.YAMLError as error:
        raise BenchmarkError(f"{path}: not YAML: {_first_line(error)}") from error
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        # PyYAML's constructors of numbers, dates and the like check nothing; their messages quote.
        raise BenchmarkError(f"{path}: not YAML: a value is not of the type that it has or names") from error
    if content is None:
        raise BenchmarkError(f"{what} {path} is empty")
    if not isinstance(content, dict):
        raise BenchmarkError(f"{path}: not a mapping; name the file of {what}")
    if found := control_character(content):
        raise BenchmarkError(f"{path}: the control character {found} stands in a value; take it out")
    return content


class _Loader(yaml.SafeLoader):
    """Safe, and without anchors and deep nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None):
            raise yaml.composer.ComposerError(
                None, None, "anchors and aliases are not taken", event.start_mark
            )
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"deeper than {MAX_DEPTH} levels", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, "a key of this mapping is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _first_line(reason: object) -> str:
    return str(reason).partition("\n")[0]
