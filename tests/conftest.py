import os
from pathlib import Path

import pytest

from bioner_bench import corpora
from bioner_bench.corpora.files import MIRROR_VARIABLE, cache_folder

ROOT = Path(__file__).parent.parent

if "PYTEST_XDIST_WORKER" in os.environ:  # each processor has a worker; more threads wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_mirror = os.environ.get(MIRROR_VARIABLE, "")
CORPORA = Path(_mirror if _mirror and "://" not in _mirror else cache_folder() / "corpora").absolute()
"""Where a user has the real corpora: a folder as mirror, or the cache that `corpora fetch` fills."""

MISSING = [
    file.path
    for task in corpora.built_in()
    for file in corpora.get(task).files.values()
    if file.url and not (CORPORA / file.path).is_file()
]


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real corpora, set as the mirror; skips where they are not at hand."""
    if MISSING:
        pytest.skip(
            f"no {MISSING[0]} in {CORPORA}: run `bioner-bench corpora fetch`, or set {MIRROR_VARIABLE} "
            "to a folder that has the corpora"
        )
    monkeypatch.setenv(MIRROR_VARIABLE, str(CORPORA))
    return CORPORA


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reaches the hub or the user's cache."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("BIONER_BENCH_MIRROR", raising=False)
    monkeypatch.delenv("BIONER_BENCH_CORPORA", raising=False)
    monkeypatch.setenv("BIONER_BENCH_DATA", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2, prepared as a user prepares it; one for all processes of pytest-xdist."""
    from command_line import call

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "models" / "smollm2-135m"
    done = call("models", "prepare", "smollm2-135m", "--out", folder)
    assert done.stdout == f"{folder}\n"
    return folder


@pytest.fixture
def prepared(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache in which SmolLM2 is ready."""
    cache = tmp_path / "cache"
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "smollm2-135m").symlink_to(checkpoint)
    monkeypatch.setenv("BIONER_BENCH_DATA", str(cache))
    return cache


@pytest.fixture(scope="module")
def two_corpora(tmp_path_factory):
    """The folder of `ills` and `names`, two small corpora (`helpers/two_corpora.py`)."""
    from two_corpora import write_two

    return write_two(tmp_path_factory.mktemp("corpora"))


@pytest.fixture
def in_two_corpora(two_corpora, _offline, monkeypatch):
    """They are known as a user's own corpora are."""
    monkeypatch.setenv("BIONER_BENCH_CORPORA", str(two_corpora))


@pytest.fixture(scope="module")
def two_corpora_bert(tmp_path_factory):
    """A tiny encoder that knows the words of both."""
    from tiny_models import write_bert
    from two_corpora import TEXTS

    return write_bert(tmp_path_factory.mktemp("base"), TEXTS)
