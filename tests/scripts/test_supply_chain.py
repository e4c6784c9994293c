"""What is locked fits what is asked for, and the page of licences names it."""

import re
import tomllib

import licences
import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKED = dict(
    re.findall(
        r"^([a-z0-9-]+)==(\S+)(?: ; .*)? \\\n +--hash=sha256:",
        (ROOT / "constraints-hashed.txt").read_text(),
        re.M,
    )
)


def test_every_dependency_is_locked_with_a_hash_and_a_version_that_is_allowed():
    extras = ("demo", "leaderboard", "train", "test", "docs")
    asked = PROJECT["dependencies"] + [
        line for extra in extras for line in PROJECT["optional-dependencies"][extra]
    ]
    constraints = [
        line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
    ]
    for requirement in map(Requirement, asked + constraints):
        assert requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)]), requirement


def test_nothing_is_locked_without_a_hash():
    text = (ROOT / "constraints-hashed.txt").read_text()
    assert len(re.findall(r"^[^ #].*==", text, re.M)) == len(LOCKED) > 100


def test_the_page_of_licences_names_every_direct_dependency_and_what_it_brings():
    page = (ROOT / "docs/LICENCES.md").read_text()
    always = set(re.findall(r"^\| (\S+) \|.*\| always \|$", page, re.M))
    assert {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]} < always
    assert "charset-normalizer" in always  # of requests
    extras = set(re.findall(r"^\| (\S+) \|.*\| extras \|$", page, re.M))
    assert {"torch", "peft", "matplotlib"} <= extras
    assert not extras & always
    assert "pytest" not in always | extras


@pytest.mark.slow
def test_the_page_of_licences_is_the_same_each_time():
    assert licences.page() == licences.page()
    assert "| numpy | " in licences.page()
