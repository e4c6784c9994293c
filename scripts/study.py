"""The study of docs/STUDY.md: does half of the positives beat all of them?

    python scripts/study.py --dry-run                      # every run in its order, and the hours it takes
    nohup python scripts/study.py --threads 2 &            # all that has no record yet
    python scripts/study.py --only 'smollm2-135m-ncbi-*'   # part of it
    python scripts/study.py --report                       # docs/STUDY.md from the records, nothing run

Start it when a day begins and leave it: it has the lowest priority, and goes on where it was killed. A run
trains a checkpoint, unless it is there, evaluates it on one task, and adds record and answers to
leaderboards/; then docs/STUDY.md is written again. A run that fails is noted, and the next one begins.
Logs are in out/study/logs. It runs on a GPU if there is one. `bioner-bench leaderboard build` makes tables
of what was added.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from signal import SIGTERM, signal

import method_figures
import study_picture
import study_queue
import study_report
import what_ifd_selects
from study_hours import hours, rates
from study_plan import CARDS, PARTS, ROOT, SEEDS, Run, plan, record_of, write_card

from bioner_bench.harness.systems import checkpoint_folder
from bioner_bench.leaderboard.build import read_records
from bioner_bench.models import hardware
from bioner_bench.schema import BenchmarkError
from bioner_bench.writing import write_text

RECORDS = ROOT / "leaderboards" / "records"
DOCS = ROOT / "docs"
PICTURES = {"f1": "study/f1.svg", "ifd": "study/ifd.svg"}
"""Below the docs."""

SELECTED = DOCS / "study" / "ifd.json"
"""What the scores of weak models choose; `what_ifd_selects` writes it."""


def report() -> dict[Path, str]:
    """The files that are made of the records, with what belongs into them."""
    found = [(run, record) for run in plan() if (record := record_of(run, RECORDS)) is not None]
    method = DOCS / "METHOD.md"
    return {
        DOCS / "STUDY.md": study_report.markdown(plan(), RECORDS, PICTURES, SELECTED),
        DOCS / PICTURES["f1"]: study_picture.draw(found),
        method: method_figures.filled(method.read_text(encoding="utf-8"), RECORDS, SELECTED),
    }


def write_report() -> None:
    """Write what the records, and the scores of weak models that are whole, give."""
    write_selected()
    for path, text in report().items():
        write_text(path, text)


def write_report_if_possible() -> None:
    """The same between two runs of a queue, which a record that is wrong does not stop."""
    try:
        write_report()
    except BenchmarkError as error:
        study_queue.say(f"the report is not written: {error}")


def write_selected() -> None:
    """What IFD selects, by each weak model that has scored all rows of its corpora."""
    whole = []
    for folder in sorted((study_queue.WORK / "scores").glob("*")):
        try:
            what_ifd_selects.read(folder)
        except BenchmarkError as error:  # it is still scoring
            study_queue.say(f"not shown in what IFD selects: {error}")
        else:
            whole.append(folder)
    if whole:
        what_ifd_selects.write(whole, SELECTED.with_suffix(""))


def show(runs: Sequence[Run]) -> None:
    """Print a line a run in their order, and the hours that are left."""
    left = [run for run in runs if not (RECORDS / run.record).is_file()]
    gpu = not hardware.name().startswith("CPU")
    there = {
        folder
        for run in left
        if run.recipe is not None and ((folder := checkpoint_folder(run.recipe)) / "training.json").is_file()
    }
    known = dict(
        zip(
            [run.record for run in left],
            hours(left, rates(read_records(RECORDS), gpu), there),
            strict=True,
        )
    )
    total = 0.0
    for run in runs:
        hours_ = known.get(run.record, 0.0)
        total += hours_ or 0.0
        state = "done" if run.record not in known else "unknown" if hours_ is None else f"{hours_:.2f} h"
        print(f"{state:>9} {total:8.1f} h  {PARTS[run.part]:46} {run.record}")
    unknown = list(known.values()).count(None)
    print(
        f"{len(runs) - len(left)} of {len(runs)} runs have a record; the rest takes some {total:.0f} hours "
        f"on {hardware.name()}" + (f", and {unknown} runs like none before" if unknown else "")
    )


def chosen(given: argparse.Namespace) -> list[Run]:
    """The runs that the options ask for, in the order of the plan."""
    return [
        run
        for run in plan()
        if fnmatch(run.card.system, given.only)
        and (given.part is None or run.part == given.part)
        and (given.seed is None or run.recipe is None or run.recipe.seed == given.seed)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code is 1 if a run failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="PATTERN", default="*", help="systems, as the shell matches names")
    parser.add_argument("--part", choices=PARTS, help="only this part of the study")
    parser.add_argument("--seed", type=int, choices=SEEDS, help="only runs of this training seed")
    parser.add_argument("--threads", type=int, default=1, help="of each process (default 1)")
    parser.add_argument("--dry-run", action="store_true", help="show the runs and their time, do nothing")
    parser.add_argument("--report", action="store_true", help="only write the report")
    parser.add_argument("--cards", action="store_true", help="only write cards and recipes of the runs")
    given = parser.parse_args(arguments)
    runs = chosen(given)
    if given.dry_run:
        show(runs)
        return 0
    if given.cards:
        for path in dict.fromkeys(write_card(run, CARDS) for run in runs):
            print(path)
        return 0
    failed = []
    if not given.report:
        signal(SIGTERM, lambda *_: sys.exit(143))  # so that the process that is at work ends as well
        os.nice(19)
        failed = study_queue.work(runs, given.threads, write_report_if_possible)
    write_report()
    print(DOCS / "STUDY.md")
    for run in failed:
        print(f"failed: {run.record}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # who reads, such as `head`, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
