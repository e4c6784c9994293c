"""The installed commands, called as a user calls them.

`call` forks the command from a process that has imported what most commands import: it starts in a tenth of
a second in place of four. Under `scripts/mutants.py` it forks the process of the test, which has the change.
"""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from importlib.metadata import entry_points
from multiprocessing import forkserver
from pathlib import Path

BIN = Path(sys.executable).parent

_in_place = "BIONER_BENCH_MUTANTS" in os.environ
_processes = multiprocessing.get_context("fork" if _in_place else "forkserver")
if not _in_place:
    _processes.set_forkserver_preload(["preloaded"])
_starting = threading.Lock()


def _start_server():
    """With this folder on its path: it would not know where to find what it is to import."""
    with _starting:  # threads share one environment
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = str(Path(__file__).parent)
        try:
            forkserver.ensure_running()
        finally:
            os.environ.pop("PYTHONPATH")
            if before is not None:
                os.environ["PYTHONPATH"] = before


def call(*arguments, code=0, program="bioner-bench", cwd=None, largest_file=None, **environment):
    """Run a command to its end, where no file may grow above `largest_file` bytes."""
    given = os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": "200"} | environment
    words = [str(BIN / program), *map(str, arguments)]
    if sys.platform == "win32":
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=given, cwd=cwd)
    else:
        done = forked(words, given, cwd, largest_file)
    assert done.returncode == code, done.stderr[-3000:]
    return done


def fails(*arguments, **environment):
    """The one line that an error consists of."""
    done = call(*arguments, code=2, **environment)
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    return lines[0]


def in_background(*arguments, cwd=None, printed=os.devnull, **environment):
    """Begin a command, and go on meanwhile: its process, which writes all that it prints to one file."""
    words = [str(BIN / "bioner-bench"), *map(str, arguments)]
    return _fork(words, os.environ | {"HF_HUB_OFFLINE": "1"} | environment, cwd, [printed, printed])


def _fork(words, environment, cwd, printed, largest_file=None):
    if not _in_place:
        _start_server()
    process = _processes.Process(
        target=_run, args=(words, environment, cwd or Path.cwd(), printed, largest_file)
    )
    process.start()
    return process


def forked(words, environment, cwd=None, largest_file=None):
    """What `subprocess.run` gives, of a command of this project."""
    with tempfile.TemporaryDirectory() as folder:
        printed = [Path(folder, name) for name in ("out", "err")]
        process = _fork(words, environment, cwd, printed, largest_file)
        process.join()
        texts = [path.read_text("utf-8") if path.exists() else "" for path in printed]
        return subprocess.CompletedProcess(words, process.exitcode, *texts)


def _run(words, environment, cwd, printed, largest_file=None):
    """In the forked process: what a shell would do, then the command."""
    for number, path in enumerate(printed, 1):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    if _in_place:  # pytest has put its own there
        sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    if "OMP_NUM_THREADS" in environment and "torch" in sys.modules:  # torch has read it already
        sys.modules["torch"].set_num_threads(int(environment["OMP_NUM_THREADS"]))
    os.chdir(cwd)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    sys.argv = words
    (script,) = entry_points(group="console_scripts", name=Path(words[0]).name)
    sys.exit(script.load()())
