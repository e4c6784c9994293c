"""The short fault campaign, and that it would notice what it is there for."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from tqdm import tqdm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and limits files as Linux does")


@pytest.fixture
def faults(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import faults

    return faults


def test_every_fault_of_the_short_campaign_is_survived():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "faults.py", "--quick", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert done.returncode == 0
    assert found["tried"] == found["survived"] >= 33
    assert {"kill", "quota of a file", "mirror: without end", "eight at once"} <= {
        row["fault"] for row in found["rows"]
    }


def test_half_a_file_and_a_lost_one_are_noticed(faults, tmp_path, monkeypatch):
    start, folder = tmp_path / "start", tmp_path / "folder"
    for place in (start, folder):
        place.mkdir()
        (place / "kept.json").write_text("old")
    job = faults.Job(("build",), start, ("*",))
    (folder / "made.json").write_text("new")
    monkeypatch.setitem(faults.EXPECTED, job.arguments, faults.tree(folder, ("*",)))
    assert faults.old_or_new(folder, job) is None
    (folder / "made.json").write_text("ne")
    assert "made.json" in faults.old_or_new(folder, job)
    (folder / "made.json").unlink()
    assert faults.old_or_new(folder, job) is None
    (folder / "kept.json").unlink()
    assert "lost" in faults.old_or_new(folder, job)


def test_a_child_killed_while_it_draws_a_bar_stops_no_other(faults, tmp_path, monkeypatch):
    class Bar(tqdm):
        _lock = tqdm.get_lock()

    monkeypatch.setattr("bioner_bench.cli.main.main", lambda: sys.exit(Bar([1]).close() or tqdm([1]).close()))
    monkeypatch.setattr(faults, "PATIENCE", 10.0)
    monkeypatch.setattr(tqdm, "_lock", multiprocessing.RLock(), raising=False)
    monkeypatch.setattr(Bar, "_lock", tqdm.get_lock())
    if (child := os.fork()) == 0:
        tqdm.get_lock().acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert faults.call((), tmp_path).code == 0


@pytest.mark.parametrize(
    ("code", "said", "clear"),
    [
        (2, "error: no space left\n", True),
        (2, "error: KeyError: 'x' (a bug? `bioner-bench -v ...` shows the trace)\n", False),
        (2, "error: one\nerror: two\n", False),
        (1, "error: no space left\n", False),
        (2, "Traceback (most recent call last):\nerror: x\n", False),
        (0, "", False),
    ],
)
def test_only_one_line_is_clear(faults, code, said, clear):
    assert faults.Outcome(code, "", said, 0.1).clear() is clear
