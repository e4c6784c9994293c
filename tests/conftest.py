from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real corpora, set as the mirror; skips where they are not at hand."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real corpora are not at {SHARED_DATA}")
    monkeypatch.setenv("BIONER_BENCH_MIRROR", str(SHARED_DATA))
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reaches the hub or the user's cache."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("BIONER_BENCH_MIRROR", raising=False)
    monkeypatch.delenv("BIONER_BENCH_CORPORA", raising=False)
    monkeypatch.setenv("BIONER_BENCH_DATA", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2, prepared as a user prepares it."""
    from command_line import call

    folder = tmp_path_factory.mktemp("models") / "smollm2"
    done = call("models", "prepare", "smollm2-135m", "--out", folder)
    assert done.stdout == f"{folder}\n"
    return folder
