"""The installed commands, called as a user calls them.

`call` forks the command from a process that has imported what most commands import: it starts in a tenth of
a second in place of four. With `anew=True` it starts as a shell starts it.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

BIN = Path(sys.executable).parent

_IMPORTED = [
    "lm_eval.evaluator",
    "lm_eval.loggers",
    "lm_eval._cli.run",
    "matplotlib.pyplot",
    "bioner_bench.cli.main",
    "bioner_bench.harness.lm_models",
    "bioner_bench.harness.running",
    "bioner_bench.leaderboard.build",
    "bioner_bench.tuning.encoder_training",
    "bioner_bench.tuning.selection",
]
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(_IMPORTED)


def call(*arguments, code=0, program="bioner-bench", cwd=None, anew=False, **environment):
    given = os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": "200"} | environment
    words = [str(BIN / program), *map(str, arguments)]
    if anew or sys.platform == "win32":
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=given, cwd=cwd)
    else:
        done = _forked(words, given, cwd)
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


def _forked(words, environment, cwd):
    with tempfile.TemporaryDirectory() as folder:
        printed = [Path(folder, name) for name in ("out", "err")]
        process = _server.Process(target=_run, args=(words, environment, cwd or Path.cwd(), printed))
        process.start()
        process.join()
        texts = [path.read_text("utf-8") if path.exists() else "" for path in printed]
        return subprocess.CompletedProcess(words, process.exitcode, *texts)


def _run(words, environment, cwd, printed):
    """In the forked process: what a shell would do, then the command."""
    for number, path in enumerate(printed, 1):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = words
    (script,) = entry_points(group="console_scripts", name=Path(words[0]).name)
    sys.exit(script.load()())
