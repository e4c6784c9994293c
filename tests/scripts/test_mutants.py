"""Which changes are tried."""

import ast
import json
import sys
from types import ModuleType

import mutants
import pytest


def changed(text):
    source = text.encode()
    return {
        (source[:first] + new.encode() + source[end:]).decode() for first, end, new in mutants.changes(source)
    }


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("a < b", {"(a <= b)"}),
        ("a and not b", {"(a or not b)", "a and (b)"}),
        ("x[-1]", {"x[(1)]", "x[-(2)]"}),
        ("é = a + 'é'", {"é = (a - 'é')", "é = a + ('éX')"}),
        ("if a:\n    f(b)", {"if (not (a)):\n    f(b)", "if a:\n    pass"}),
        ("def f():\n    return a", {"def f():\n    return None"}),
        ("for i in x:\n    break", {"for i in x:\n    continue"}),
        ("def f(a: 'int' = True):\n    'text'", {"def f(a: 'int' = (False)):\n    'text'"}),
        ("raise E('text')", {"pass"}),
        ("f'{a + 1}'", set()),
    ],
)
def test_each_change_is_the_smallest_of_its_kind(text, new):
    assert changed(text) == new


def test_every_module_has_changes_that_are_python():
    sample = mutants.drawn("", seed=0)
    assert {module for _, module, *_ in sample} == set(mutants.MODULES) - {"evaluation/readers"}
    for _, module, first, end, text in sample[:40]:
        source = (mutants.PACKAGE / f"{module}.py").read_bytes()
        ast.parse(source[:first] + text.encode() + source[end:])
    assert [one[0] for one in mutants.drawn("", seed=0)[:40]] == [one[0] for one in sample[:40]]


SOURCE = """
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

LEAST = 2
TWICE = [LEAST * 2]

def enough(number: NotImported, least=LEAST):
    return number >= least

KNOWN = {"enough": enough}

@lru_cache
def known(name):
    return KNOWN[name](3)

@dataclass(frozen=True, slots=True)
class Length:
    words: int = 1

    @property
    def short(self):
        return self.words < LEAST
"""


@pytest.mark.parametrize(
    ("old", "new", "now"),
    [
        ("number >= least", "number > least", (False, True, [4], True)),
        ("least=LEAST", "least=9", (False, False, [4], True)),
        ("KNOWN[name](3)", "None", (True, None, [4], True)),
        ("self.words < LEAST", "self.words > LEAST", (True, True, [4], False)),
        ("words: int = 1", "words: int = 2", (True, True, [4], False)),
        ("LEAST = 2", "LEAST = 1", (True, True, [2], False)),
        ("LEAST = 2", "LEAST = 3", (False, True, [6], True)),
        ("[LEAST * 2]", "[LEAST / 2]", (True, True, [1], True)),
    ],
)
def test_a_change_is_seen_by_all_that_hold_what_is_changed(old, new, now, monkeypatch):
    module, user = ModuleType("changed"), ModuleType("user")
    module.__file__ = "changed.py"
    monkeypatch.setitem(sys.modules, "changed", module)
    monkeypatch.setitem(sys.modules, "user", user)
    exec(SOURCE, vars(module))
    exec("from changed import KNOWN, TWICE, Length, enough, known", vars(user))

    def seen():
        return user.KNOWN["enough"](2), user.known("enough"), user.TWICE, user.Length().short

    assert seen() == (True, True, [4], True)
    assert SOURCE.count(old) == 1
    line = SOURCE[: SOURCE.index(old)].count("\n") + 1
    mutants.put(module, SOURCE.replace(old, new), line)
    user.known.cache_clear()
    assert seen() == now


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("    return number >= least", "def enough(number: NotImported, least=LEAST):"),
        ("    return KNOWN[name](3)", "@lru_cache"),
        ("    words: int = 1", None),
    ],
)
def test_the_function_around_a_line(text, function):
    at = {line: number for number, line in enumerate(SOURCE.splitlines(), 1)}
    assert mutants.function_at(SOURCE, at[text]) == at.get(function)


def test_numbers_alone_can_be_drawn_and_the_quickest_tests_alone_be_run():
    numbers = mutants.drawn("evaluation/scoring", seed=0, numbers=True)
    source = (mutants.PACKAGE / "evaluation" / "scoring.py").read_bytes()
    assert 0 < len(numbers) < len(mutants.drawn("evaluation/scoring", seed=0))
    assert all(float(source[first:end]) != float(text.strip("()")) for _, _, first, end, text in numbers)
    assert mutants.quickest({7: 3.0, 8: 1.0, 9: 2.0}, 3.5) == {8: 1.0, 9: 2.0}
    assert mutants.quickest({7: 3.0, 8: 1.0}, float("inf")) == {7: 3.0, 8: 1.0}


def test_what_changes_nothing_names_lines_that_are_there():
    rows = [json.loads(line) for line in mutants.SAME.read_text(encoding="utf-8").splitlines()]
    assert len({tuple(row[:3]) for row in rows}) == len(rows)
    for module, line, new, reason in rows:
        lines = (mutants.PACKAGE / f"{module}.py").read_text(encoding="utf-8").splitlines()
        assert [each.strip() for each in lines].count(line) == 1, (module, line)
        assert new and reason
