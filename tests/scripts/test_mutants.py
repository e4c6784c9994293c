"""Which changes are tried."""

import ast

import mutants
import pytest
from conftest import ROOT


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


@pytest.mark.slow
def test_every_module_has_tests_and_changes_that_are_python():
    folders = [ROOT / "bioner_bench" / name for name in ("evaluation",)]
    there = {f"{path.parent.name}/{path.stem}" for folder in folders for path in folder.glob("[a-z]*.py")}
    assert there <= set(mutants.TESTS)
    for tests in mutants.TESTS.values():
        assert all((ROOT / "tests" / name.split("::")[0]).is_file() for name in tests.split())
    sample = mutants.drawn("", seed=0)
    for _, module, first, end, text in sample[:40]:
        source = (ROOT / "bioner_bench" / f"{module}.py").read_bytes()
        ast.parse(source[:first] + text.encode() + source[end:])
    assert [one[0] for one in mutants.drawn("", seed=0)[:40]] == [one[0] for one in sample[:40]]
