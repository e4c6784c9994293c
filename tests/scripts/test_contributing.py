"""The map of CONTRIBUTING.md has every stage, and every module below them."""

import re

from conftest import ROOT

PACKAGE = ROOT / "bioner_bench"


def test_the_picture_has_every_stage_and_the_whole_ground():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    picture = page.split("```mermaid\n")[1].split("```")[0]
    stages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert stages == set(re.findall(r"(\w+)\[\1\b", picture)) - {"schema"}
    (ground,) = re.findall(r"\[([^]]*)<br>the ground\]", picture)
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert set(re.split(r",(?:<br>| )", ground)) == modules


def test_the_way_has_every_module():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    modules = {path.name for path in PACKAGE.glob("*/*.py")} - {"__init__.py"}
    assert {name for name in modules if not re.search(rf"\b{re.escape(name)}`", page)} == set()
    named = set(re.findall(r"`(?:bioner_bench/)?(\w+/\w+\.py)`", page))
    assert all((PACKAGE / name).is_file() or (ROOT / name).is_file() for name in named)
