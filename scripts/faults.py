"""Try to break the commands: kills, full disks, quotas, read-only folders, bad mirrors, many at once.

    python scripts/faults.py --quick
    python scripts/faults.py --json > faults.json

Each fault is a real one, of a child process that runs the command line: SIGKILL at a random moment, a file
system (tmpfs) that fills up or is mounted read-only, RLIMIT_FSIZE, a mirror or a model's server on the
loopback interface that misbehaves, a clock (of that process alone) that is set back or forth at a random
moment. It is survived if what lies there afterwards is whole, the message is one clear line, and the same
command, run again, gives what an undisturbed one gives. Prints a table of what was tried and survived; exit
code 1 if anything was not. Needs a checkout, Linux, and root for the file systems: else those are left out,
and the table says so. Nothing outside of a temporary folder is touched.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import time_machine
from tqdm import tqdm

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
for variable in ("BIONER_BENCH_MIRROR", "BIONER_BENCH_CORPORA"):  # of whoever runs this
    os.environ.pop(variable, None)
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

PATIENCE = 120.0
"""Seconds after which a command counts as one that never ends."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code (None: killed), what it printed, and how long it took."""

    code: int | None
    out: str
    err: str
    seconds: float

    def clear(self) -> bool:
        """An error of one line, that nobody takes for a bug of the program."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return self.code == 2 and len(lines) == 1 and "a bug?" not in self.err and "Traceback" not in self.err


@dataclass(frozen=True)
class Jump:
    """A clock that is set by so many seconds, so many seconds after the start."""

    after: float
    by: float


@dataclass(frozen=True)
class Job:
    """A command, made to work in a folder of its own.

    Attributes:
        arguments: of the command line, in the folder.
        start: what lies in the folder before.
        wanted: patterns of the files that an undisturbed run gives, byte for byte.
        whole: looks at the folder after a fault, before the next run; what is wrong, or None.
    """

    arguments: tuple[str, ...]
    start: Path
    wanted: tuple[str, ...]
    whole: Callable[[Path, Job], str | None] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Table:
    """What was tried and what survived, by kind of fault and command, and what did not."""

    tried: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, kind: str, command: str, wrong: str | None) -> None:
        """Count a fault; `wrong` says why it was not survived."""
        counts = self.tried.setdefault((kind, command), [0, 0])
        counts[0] += 1
        counts[1] += wrong is None
        if wrong:
            self.failures.append(f"{kind}, {command}: {wrong}")
            print(self.failures[-1], file=sys.stderr, flush=True)


def call(
    arguments: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    kill_after: float | None = None,
    largest_file: int | None = None,
    jump: Jump | None = None,
) -> Outcome:
    """Run the command line in a forked child: what is imported already costs nothing again."""
    wait = start(arguments, folder, environment, largest_file, jump)
    return wait(kill_after)


def start(
    arguments: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    largest_file: int | None = None,
    jump: Jump | None = None,
) -> Callable[[float | None], Outcome]:
    """Begin a command; what comes back waits for its end, or ends it."""
    shown = [tempfile.TemporaryFile("w+", encoding="utf-8") for _ in range(2)]  # noqa: SIM115
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        printed = [stream.fileno() for stream in shown]
        _child(arguments, folder, environment or {}, largest_file, jump, printed)

    def wait(kill_after: float | None = None) -> Outcome:
        end = began + (PATIENCE if kill_after is None else kill_after)
        while not (done := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                done = os.waitpid(child, 0)
                break
            time.sleep(0.001)
        texts = []
        for stream in shown:
            stream.seek(0)
            texts.append(stream.read())
            stream.close()
        code = os.WEXITSTATUS(done[1]) if os.WIFEXITED(done[1]) else None
        return Outcome(code, *texts, time.monotonic() - began)

    return wait


def _child(
    arguments: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    largest_file: int | None,
    jump: Jump | None,
    descriptors: list[int],
) -> None:
    code = 70
    try:
        os.chdir(folder)
        for place, descriptor in enumerate(descriptors, 1):
            os.dup2(descriptor, place)
        sys.stdout, sys.stderr = (os.fdopen(place, "w", encoding="utf-8", closefd=False) for place in (1, 2))
        os.environ.update(environment)
        if largest_file is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
        if jump is not None:
            clock = time_machine.travel(datetime.now(UTC), tick=True).start()
            timer = threading.Timer(jump.after, clock.shift, [jump.by])
            timer.daemon = True
            timer.start()
        # tqdm's lock is a semaphore that forks share: a child killed while it holds it would stop all others.
        lock = threading.RLock()
        for bar in _with_subclasses(tqdm):
            bar.set_lock(lock)
        sys.argv = ["bioner-bench", *arguments]
        from bioner_bench.cli.main import main

        main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _with_subclasses(kind: Any) -> Iterator[Any]:
    yield kind
    for further in kind.__subclasses__():
        yield from _with_subclasses(further)


def tree(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """Path below the folder -> hash, of the visible files that fit."""
    paths = {path for pattern in patterns for path in folder.glob(pattern)}
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def made(folder: Path, job: Job) -> dict[str, str]:
    """What a job has made: the files that it is for, or the answers of the last run, by what they hash to."""
    if job.wanted:
        return tree(folder, job.wanted)
    found = sorted(folder.rglob("samples_*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        return {}
    samples = [json.loads(line) for line in found[-1].read_text(encoding="utf-8").splitlines()]
    answers = [(sample["doc_hash"], sample["filtered_resps"]) for sample in samples]
    return {"answers": hashlib.sha256(json.dumps(answers).encode()).hexdigest()}


def leftovers(folder: Path) -> list[str]:
    """Hidden files that are no locks."""
    return [path.name for path in folder.rglob(".*") if path.suffix != ".lock" and path.name != ".keep"]


def old_or_new(folder: Path, job: Job) -> str | None:
    """After a fault each file is as it was, or as an undisturbed run leaves it."""
    before, after = tree(job.start, job.wanted), EXPECTED[job.arguments]
    for name, found in tree(folder, job.wanted).items():
        if found not in (before.get(name), after.get(name)):
            return f"{name} is neither the old file nor the new one"
    return "a file is lost" if before.keys() - tree(folder, job.wanted).keys() else None


def no_wrong_score(folder: Path, job: Job) -> str | None:
    """What a killed run left is scored whole, or refused in one line."""
    for path in sorted(folder.rglob("samples_*.jsonl")):
        scored = call(("score", str(path), "--json", "--resamples", "100"), folder)
        if scored.code == 0:
            sentences = json.loads(scored.out)["sentences"]
            results = path.with_name(path.name.replace("samples_bioner_sample", "results")).with_suffix(
                ".json"
            )
            if sentences != SENTENCES and results.is_file():
                return f"{sentences} of {SENTENCES} sentences are scored without a word"
        elif not scored.clear():
            return f"score says: {scored.err[-200:]}"
    return None


EXPECTED: dict[tuple[str, ...], dict[str, str]] = {}
"""Arguments of a job -> what its undisturbed run gives."""

SENTENCES = 76
"""Of the sample corpus."""


def again(folder: Path, job: Job) -> str | None:
    """Run the command undisturbed in what a fault left, and compare."""
    done = call(job.arguments, folder, job.environment)
    if done.code != 0:
        return f"the next run ends with {done.code}: {done.err[-300:]}"
    if made(folder, job) != EXPECTED[job.arguments]:
        return "the next run gives other files or answers than an undisturbed one"
    return job.whole(folder, job) if job.whole else None


def after(folder: Path, job: Job, done: Outcome) -> str | None:
    """What is wrong once a fault is over; None if it was survived."""
    if done.code is not None and done.code != 0 and not done.clear():
        return f"exit code {done.code}, and says: {done.err[-300:]}"
    if done.code is None and done.seconds > PATIENCE:
        return "hung"
    return (job.whole(folder, job) if job.whole else None) or again(folder, job)


@contextmanager
def fresh(job: Job, parent: Path) -> Iterator[Path]:
    """A folder with what the job starts from."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    shutil.copytree(job.start, folder, dirs_exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def kill(job: Job, work: Path) -> str | None:
    """SIGKILL at a random moment of the time that an undisturbed run takes."""
    with fresh(job, work) as folder:
        moment = CHANCE.uniform(0, 1.05 * NEEDS[job.arguments].seconds)
        return after(folder, job, call(job.arguments, folder, job.environment, kill_after=moment))


def clock_jumps(job: Job, work: Path) -> str | None:
    """A clock that is set back or forth, by up to a day, meanwhile: the command makes what it always does."""
    with fresh(job, work) as folder:
        seconds = NEEDS[job.arguments].seconds
        jump = Jump(CHANCE.uniform(0, seconds), CHANCE.choice((-1, 1)) * CHANCE.uniform(1, 86400))
        done = call(job.arguments, folder, job.environment, jump=jump)
        if done.code != 0:
            return f"exit code {done.code}: {done.err[-300:]}"
        if made(folder, job) != EXPECTED[job.arguments]:
            return "it makes other files or answers than with a steady clock"
        return again(folder, job)


def quota(job: Job, work: Path) -> str | None:
    """No file may grow above a random size, below that of the largest that is written."""
    with fresh(job, work) as folder:
        limit = CHANCE.randrange(NEEDS[job.arguments].largest)
        return after(folder, job, call(job.arguments, folder, job.environment, largest_file=limit))


@contextmanager
def small_disk(work: Path, size: int) -> Iterator[Path]:
    """A file system of this many bytes."""
    place = Path(tempfile.mkdtemp(dir=work))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def can_mount(work: Path) -> bool:
    """Whether this machine lets us try full disks."""
    try:
        with small_disk(work, 2**20):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def full_disk(job: Job, work: Path) -> str | None:
    """A disk that fills up after a random part of what is to be written."""
    with small_disk(work, 64 * 2**20 + 4 * NEEDS[job.arguments].written) as place:
        folder, ballast = place / "work", place / "ballast"
        shutil.copytree(job.start, folder)
        free = CHANCE.randrange(NEEDS[job.arguments].written)
        ballast.write_bytes(b"x" * max(0, shutil.disk_usage(place).free - free))
        done = call(job.arguments, folder, job.environment)
        ballast.unlink()
        return after(folder, job, done)


def read_only(job: Job, work: Path) -> str | None:
    """A disk that is mounted read-only."""
    with small_disk(work, 64 * 2**20) as place:
        folder = place / "work"
        shutil.copytree(job.start, folder)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        done = call(job.arguments, folder, job.environment)
        return None if done.clear() else f"exit code {done.code}: {done.err[-300:]}"


def bad_mirror(job: Job, work: Path, url: str, fault: str) -> str | None:
    """A mirror that misbehaves: the fetch fails in one line and leaves nothing, and a good one mends it."""
    with fresh(job, work) as folder:
        bad = {**job.environment, "BIONER_BENCH_MIRROR": f"{url}/{fault}/{CHANCE.getrandbits(64)}"}
        done = call(job.arguments, folder, bad)
        if fault.startswith("once") and done.code != 0:
            return f"one more try would have helped: {done.err[-200:]}"
        if not fault.startswith("once") and not done.clear():
            return f"exit code {done.code}: {done.err[-300:]}"
        if left := leftovers(folder):
            return f"leaves {left}"
        return again(folder, job)


def bad_server(job: Job, work: Path, url: str, fault: str) -> str | None:
    """A model's server that begins to misbehave: one line, and with a good one the run goes on."""
    from fault_jobs import asking

    with fresh(job, work) as folder:
        after_request = CHANCE.randrange(SENTENCES)
        place = f"{url}/{fault.replace(' ', '%20')}/{after_request}/{CHANCE.getrandbits(64)}"
        done = call(asking(place), folder)
        if fault == "takes its time" and done.code != 0:
            return f"it is only slow: {done.err[-300:]}"
        if fault != "takes its time" and not done.clear():
            return f"exit code {done.code}: {done.err[-300:]}"
        return again(folder, job)


def eight_write(build: Job, boards: Mapping[str, Job], work: Path) -> str | None:
    """Four processes that add a system each, and four that build: nothing is lost, and all fits."""
    with fresh(build, work) as folder:
        for job in boards.values():
            shutil.copytree(job.start, folder, dirs_exist_ok=True)
        waits = [start(job.arguments, folder) for job in boards.values()]
        waits += [start(build.arguments, folder) for _ in range(4)]
        for done in [wait(None) for wait in waits]:
            if done.code != 0:
                return f"exit code {done.code}: {done.err[-300:]}"
        lost = [name for name in boards if not list(folder.glob(f"board/records/{name}/*.json"))]
        if lost:
            return f"lost: {lost}"
        last, check = call(build.arguments, folder), call((*build.arguments, "--check"), folder)
        return None if last.code == check.code == 0 else f"build: {last.err[-300:]} {check.out[-300:]}"


def two_run(job: Job, work: Path) -> str | None:
    """Two runs in one folder: both leave all their samples."""
    with fresh(job, work) as folder:
        ends = [wait(None) for wait in [start(job.arguments, folder) for _ in range(2)]]
        sizes = [len(path.read_bytes().splitlines()) for path in folder.rglob("samples_*.jsonl")]
        if any(done.code != 0 for done in ends) or sizes != [SENTENCES] * 2:
            return f"samples of {sizes} sentences; {' '.join(done.err[-300:] for done in ends)}"
        return no_wrong_score(folder, job)


def eight_fetch(job: Job, work: Path) -> str | None:
    """Eight processes that fetch one file."""
    with fresh(job, work) as folder:
        ends = [wait(None) for wait in [start(job.arguments, folder, job.environment) for _ in range(8)]]
        wrong = next((done.err[-300:] for done in ends if done.code != 0), None)
        return wrong or again(folder, job)


@dataclass(frozen=True)
class Need:
    """What an undisturbed run takes: seconds, bytes that it adds, and those of its largest file."""

    seconds: float
    written: int
    largest: int


NEEDS: dict[tuple[str, ...], Need] = {}


def undisturbed(name: str, job: Job, work: Path) -> None:
    """Run a job and remember what it gives and what it takes."""
    with fresh(job, work) as folder:
        done = call(job.arguments, folder, job.environment)
        if done.code != 0:
            raise SystemExit(f"the undisturbed {name} failed: {done.err[-2000:]}")
        EXPECTED[job.arguments] = made(folder, job)
        new = [path for path in folder.rglob("*") if path.is_file()]
        new = [path for path in new if not (job.start / path.relative_to(folder)).exists()] or new
        sizes = [path.stat().st_size for path in new]
        NEEDS[job.arguments] = Need(done.seconds, max(4096, sum(sizes)), max(sizes))
        print(f"{name}: {done.seconds:.1f} seconds undisturbed, {sum(sizes):,} bytes", file=sys.stderr)


Trial = tuple[str, str, Callable[[], str | None]]


def trials(
    jobs: Mapping[str, Job], boards: Mapping[str, Job], work: Path, url: str, quick: bool, mounting: bool
) -> list[Trial]:
    """All faults that are to be tried: kind, command, and what tries it."""
    from faulty_server import CHAT_FAULTS, FAULTS

    found: list[Trial] = []

    def plan(kind: str, name: str, times: int, trial: Callable[..., str | None], *given: Any) -> None:
        found.extend((kind, name, partial(trial, *given)) for _ in range(times))

    for name, job in jobs.items():
        light = name in ("leaderboard add", "leaderboard rescore", "corpora fetch")
        if quick and name == "models prepare":  # some seconds a time
            continue
        plan("kill", name, 1 if quick else 50, kill, job, work)
        if quick and not light:
            continue
        plan("clock jumps", name, 1 if quick else 5, clock_jumps, job, work)
        plan("quota of a file", name, 1 if quick else 5, quota, job, work)
        if mounting:
            plan("full disk", name, 1 if quick else 5, full_disk, job, work)
            plan("read-only disk", name, 1, read_only, job, work)
    fetch = jobs["corpora fetch"]
    for fault in FAULTS:
        plan(f"mirror: {fault}", "corpora fetch", 1 if quick else 4, bad_mirror, fetch, work, url, fault)
    for fault in CHAT_FAULTS[3:4] if quick else CHAT_FAULTS:
        plan(
            f"server: {fault}",
            "run",
            1 if quick else 3,
            bad_server,
            jobs["run on a server"],
            work,
            url,
            fault,
        )
    build = jobs["leaderboard build"]
    plan("eight at once", "leaderboard add, build", 1 if quick else 4, eight_write, build, boards, work)
    plan("eight at once", "corpora fetch", 1 if quick else 4, eight_fetch, fetch, work)
    plan("two in one folder", "run", 1 if quick else 4, two_run, jobs["run"], work)
    return found


CHANCE = random.Random()


def main() -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few faults of each kind, in under a minute")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments and sizes")
    parser.add_argument("--minutes", type=float, default=60, help="after which no new fault is tried")
    given = parser.parse_args()
    CHANCE.seed(given.seed)
    from fault_jobs import make_jobs
    from faulty_server import serve

    began = time.monotonic()
    table = Table()
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary, serve() as url:
        work = Path(temporary)
        os.environ["BIONER_BENCH_DATA"] = str(work / "cache")
        (work / "start").mkdir()
        parts, of_boards = make_jobs(work / "start", url, call)
        wholes = {name: no_wrong_score if name.startswith("run") else old_or_new for name in parts}
        jobs = {name: Job(**part, whole=wholes[name]) for name, part in parts.items()}
        boards = {name: Job(**part) for name, part in of_boards.items()}
        if not (mounting := can_mount(work)):
            table.left_out.append("full and read-only disks: nothing can be mounted here")
        for name, job in jobs.items():
            undisturbed(name, job, work)
        planned = trials(jobs, boards, work, url, given.quick, mounting)
        CHANCE.shuffle(planned)
        for number, (kind, name, trial) in enumerate(planned):
            if time.monotonic() - began > 60 * given.minutes:
                table.left_out.append(f"{len(planned) - number} faults: {given.minutes:g} minutes are over")
                break
            table.add(kind, name, trial())
    report(table, given.json, time.monotonic() - began)


def report(table: Table, as_json: bool, seconds: float) -> None:
    """Print what was tried; end with 1 if anything was not survived."""
    tried = sum(counts[0] for counts in table.tried.values())
    survived = sum(counts[1] for counts in table.tried.values())
    rows = [
        {"fault": kind, "command": command, "tried": counts[0], "survived": counts[1]}
        for (kind, command), counts in sorted(table.tried.items())
    ]
    if as_json:
        made: dict[str, Any] = {"tried": tried, "survived": survived, "seconds": round(seconds), "rows": rows}
        print(json.dumps(made | {"failures": table.failures, "left_out": table.left_out}, indent=2))
    else:
        for row in rows:
            print(f"{row['fault']:<30} {row['command']:<24} {row['survived']:>4} of {row['tried']:>4}")
        print(f"{'all':<55} {survived:>4} of {tried:>4}, in {seconds:.0f} seconds")
        for line in table.left_out:
            print(f"left out: {line}")
    sys.exit(0 if survived == tried else 1)


if __name__ == "__main__":
    main()
