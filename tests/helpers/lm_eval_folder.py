"""What lm-eval wrote, changed, and the records of it."""

import json

from bioner_bench.leaderboard.lm_eval_output import evaluated


def from_lm_eval(given, card, rescore=False):
    """The records of a run, without the answers."""
    return [run.record for run in evaluated(given, card, rescore)]


def edit(folder, pattern, change):
    """Rewrite the JSON of the only file that fits `pattern`, or its third line where it has many."""
    (path,) = folder.rglob(pattern)
    if path.suffix == ".json":
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))
        return path
    lines = path.read_text().splitlines()
    value = json.loads(lines[2])
    change(value)
    lines[2] = json.dumps(value)
    path.write_text("\n".join(lines) + "\n")
    return path


def edit_all(folder, change):
    """Rewrite every line of the only file of samples."""
    (path,) = folder.rglob("samples_*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        change(line)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
