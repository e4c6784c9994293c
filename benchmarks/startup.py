"""How long the command line takes to say what it can do, beside lm-eval's."""

import subprocess
import sys
from pathlib import Path

from benchmarks import measuring


def startup(given):
    """`bioner-bench --help` beside `lm_eval --help`; the floor is a Python that does nothing."""
    folder = Path(sys.executable).parent

    def command(*words):
        return lambda: subprocess.run(words, check=True, capture_output=True).returncode

    sides = {
        "bioner-bench": command(str(folder / "bioner-bench"), "--help"),
        "lm_eval": command(str(folder / "lm_eval"), "--help"),
        "python": command(sys.executable, "-c", "pass"),
    }
    best, _ = measuring.in_turns(sides, given.rounds)
    floor = best.pop("python") | {"how": "python -c pass"}
    return measuring.report("startup", "--help", "bioner-bench", best, floor)
