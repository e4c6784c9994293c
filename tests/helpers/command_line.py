"""The installed commands, called as a user calls them."""

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent


def call(*arguments, code=0, program="bioner-bench", cwd=None, **environment):
    done = subprocess.run(
        [BIN / program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": "200"} | environment,
        cwd=cwd,
    )
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
