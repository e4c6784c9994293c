"""Would a test notice? One small change to the code at a time, and the tests that concern it.

    python scripts/mutants.py [--number 100] [--seed 0] [--only evaluation/scoring] [--jobs 2] [--again]

The changes are drawn at random from all that `changes` knows, over the modules of `TESTS`; a larger number
goes on where a smaller one ended. Each change is written into a copy of the checkout, and a child, forked
from a process that has the libraries but nothing of bioner_bench, runs the module's tests there. A change
dies if a test fails, or if the tests take more than `LIMIT` seconds of the processor. Results are lines of
.cache/mutants.jsonl; what is there for the same text of the module is not run again, but `--again` runs
survivors again.
"""

import argparse
import ast
import hashlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / ".cache" / "mutants.jsonl"
LIMIT = 120
MEMORY = 8 << 30

_PARSING = "evaluation/test_parsing.py evaluation/test_words.py"
_SCORING = "evaluation/test_scoring.py"
_TAGS = "evaluation/test_tag_reading.py"
_CLI = "cli/test_cli.py::test_"
_CUT = f"{_CLI}samples_that_were_cut_are_not_scored"
_FILES = f"{_CLI}score_of_text_and_of_spans {_CLI}a_bad_line_is_named {_CLI}unreadable_and_empty_files {_CUT}"
_RECORDS = "leaderboard/test_records.py leaderboard/test_regression.py"
TESTS = {  # first the cheap ones and those that know most of the module
    "evaluation/alignment": "evaluation/test_alignment.py " + _SCORING,
    "evaluation/bootstrap": "evaluation/test_bootstrap.py",
    "evaluation/brackets": _PARSING,
    "evaluation/candidates": _PARSING,
    "evaluation/ceiling": f"evaluation/test_scored.py {_CLI}json_goes_to_stdout_alone",
    "evaluation/confidence": "evaluation/test_confidence.py",
    "evaluation/copying": _TAGS,
    "evaluation/corpus_statistics": f"evaluation/test_corpus_statistics.py {_CLI}json_goes_to_stdout_alone",
    "evaluation/errors": "evaluation/test_errors.py leaderboard/test_error_report.py",
    "evaluation/items": _PARSING,
    "evaluation/judging": _SCORING + " evaluation/test_scored.py leaderboard/test_records.py",
    "evaluation/parsing": _PARSING,
    "evaluation/predictions": f"evaluation/test_scored.py evaluation/test_confidence.py {_SCORING} {_FILES}",
    "evaluation/prompt": f"evaluation/test_prompt.py {_PARSING} harness/test_task.py tuning/test_context.py",
    "evaluation/reading": _PARSING,
    "evaluation/run_files": f"evaluation/test_run_files.py {_CUT} leaderboard/test_records.py",
    "evaluation/scored": "evaluation/test_scored.py",
    "evaluation/scoring": _SCORING,
    "evaluation/shapes": _PARSING,
    "evaluation/summary": f"evaluation/test_scored.py {_FILES}",
    "evaluation/tag_marks": _TAGS,
    "evaluation/tag_reading": _TAGS,
    "evaluation/tagged_text": _TAGS,
    "evaluation/thinking": _PARSING,
    "evaluation/typed": f"{_PARSING} leaderboard/test_records.py",
    "evaluation/wording": _PARSING,
    "tuning/selection": "tuning/test_row_scores.py tuning/test_ifd.py",
    "tuning/strategies": "tuning/test_row_scores.py tuning/test_ifd.py",
    "leaderboard/record_checks": _RECORDS,
    "leaderboard/record_scores": _RECORDS,
    "leaderboard/records": _RECORDS,
    "leaderboard/regression": "leaderboard/test_regression.py",
}
LIBRARIES = """
    datasets hypothesis.strategies jinja2 json_repair jsonschema lm_eval.evaluator lm_eval.loggers
    lm_eval._cli.run matplotlib.pyplot nervaluate numpy pandas peft pytest scipy.stats scipy.sparse.csgraph
    seqeval.metrics torch transformers xdist yaml
"""

SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.And: ast.Or, ast.Or: ast.And, ast.Break: ast.Continue, ast.Continue: ast.Break,
}  # fmt: skip


def other_versions(node):
    """What may stand in place of this node: text, each the smallest change of one kind."""

    def swapped(old):
        return type(node)(**{**dict(ast.iter_fields(node)), **old})

    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                yield swapped({"ops": [*ops[:at], SWAPS[type(op)](), *ops[at + 1 :]]})
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in SWAPS:
            yield swapped({"op": SWAPS[type(op)]()})
        case ast.AugAssign(op=op) if type(op) in SWAPS:
            yield swapped({"op": SWAPS[type(op)]()})
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)) | ast.Constant(value=float(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)):
            yield ast.Constant(value + "X")
        case ast.IfExp(test=test):
            yield swapped({"test": ast.UnaryOp(ast.Not(), test)})
        case ast.Break() | ast.Continue():
            yield SWAPS[type(node)]()
        case ast.Return(value=value) if value and not (isinstance(value, ast.Constant) and not value.value):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.Raise():
            yield ast.Pass()


def changes(source):
    """Each (first byte, end, text) that may replace those bytes of the source.

    Left alone: annotations, docstrings, messages of errors, what only names types or exports.
    """
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))

    def visit(node):
        if isinstance(node, ast.expr | ast.stmt):
            first = lines[node.lineno - 1] + node.col_offset
            end = lines[node.end_lineno - 1] + node.end_col_offset
            for new in other_versions(node):
                text = ast.unparse(ast.fix_missing_locations(new))
                yield first, end, f"({text})" if isinstance(node, ast.expr) else text
            if isinstance(node, ast.If | ast.While):
                test = lines[node.test.lineno - 1] + node.test.col_offset
                stop = lines[node.test.end_lineno - 1] + node.test.end_col_offset
                yield test, stop, f"(not ({ast.unparse(node.test)}))"
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns", "decorator_list", "pattern"):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from visit(child)

    yield from visit(ast.parse(source))


def drawn(only, seed):
    """All changes of the modules, shuffled: (key, module, first byte, end, text)."""
    found = []
    for module in TESTS:
        if module.startswith(only):
            source = (ROOT / "bioner_bench" / f"{module}.py").read_bytes()
            state = hashlib.sha256(source).hexdigest()[:12]
            for first, end, text in sorted(set(changes(source))):
                found.append((f"{module} {state} {first} {end} {text}", module, first, end, text))
    random.Random(seed).shuffle(found)
    return found


def copied(number):
    """A copy of the checkout as it is, for one worker."""
    folder = ROOT / ".cache" / "mutants" / f"{os.getppid()}-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def tried(folder, tests, limit=LIMIT):
    """What the tests say of the copy in this folder: `dies` or `lives`, and the seconds."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 3
        try:
            code = _run_tests(folder, tests, limit)
        finally:
            os._exit(code)
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() - began > 5 * limit:  # it waits for something
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "dies", 5 * limit
        time.sleep(0.05)
    return "lives" if ended[1] == 0 else "dies", round(time.monotonic() - began, 1)


class QuickFirst:
    """A plugin of pytest: most changes die by a quick test, so those marked as slow come last."""

    def pytest_collection_modifyitems(self, items):
        items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def _run_tests(folder, tests, limit):
    import pytest

    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = str(folder)  # for the commands that tests start
    with (folder / "pytest.log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-seed=0"]
    names = [f"tests/{name}" for name in tests.split()]
    return int(pytest.main([*options, f"--basetemp={folder}/tmp", *names], plugins=[QuickFirst()]))


def unchanged(tests, known):
    """One more, with all the tests: nothing is changed, and it must live."""
    files = [
        path
        for folder in ("bioner_bench", "tests")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    ]
    state = hashlib.sha256(b"".join(map(Path.read_bytes, files))).hexdigest()[:12]
    name = " ".join(sorted(tests))
    found = (f"unchanged {state} {name}", name, 0, 0, "")
    return [found] if found[0] not in known else []


def worked(number, jobs, waiting):
    """Every `jobs`-th of the changes, one after the other, each written down as soon as it is known."""
    folder = copied(number)
    for key, module, first, end, text in waiting[number::jobs]:
        if module in TESTS:
            file = folder / "bioner_bench" / f"{module}.py"
            source = file.read_bytes()
            file.write_bytes(source[:first] + text.encode() + source[end:])
            outcome, seconds = tried(folder, TESTS[module])
            file.write_bytes(source)
            row = {"module": module, "line": source[:first].count(b"\n") + 1}
            row |= {"old": source[first:end].decode(), "new": text}
            said = f"{module}.py:{row['line']}  {row['old'][:50]!r} -> {text[:50]!r}"
        else:
            outcome, seconds = tried(folder, module, 10 * LIMIT)
            row, said = {}, f"unchanged: {module}"
            if outcome == "dies":
                print(f"error: without any change {module} does not pass: see {folder}/pytest.log")
                os._exit(1)
        with RESULTS.open("a") as stream:
            stream.write(json.dumps({"key": key, **row, "outcome": outcome, "seconds": seconds}) + "\n")
        print(f"{outcome} {seconds:6} s  {said}", flush=True)
    shutil.rmtree(folder)


def main():
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--number", type=int, default=100)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", default="", help="the beginning of modules' names, as `evaluation/`")
    asked.add_argument("--jobs", type=int, default=2)
    asked.add_argument("--again", action="store_true", help="run survivors again, after new tests")
    asked = asked.parse_args()
    sample = drawn(asked.only, asked.seed)
    print(f"{len(sample)} changes are possible, {asked.number} are asked for, drawn with seed {asked.seed}")
    sample = sample[: asked.number]
    RESULTS.parent.mkdir(exist_ok=True)
    known = known_rows()
    waiting = [
        one for one in sample
        if one[0] not in known or (asked.again and known[one[0]]["outcome"] == "lives")
    ]  # fmt: skip
    if waiting:
        sys.dont_write_bytecode = True  # a change may leave size and second of a file as they were
        os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        for library in LIBRARIES.split():
            importlib.import_module(library)
        if loaded := [name for name in sys.modules if name.split(".")[0] == "bioner_bench"]:
            sys.exit(f"error: {loaded[0]} is loaded already; changes to it would not be seen")
        waiting = unchanged({name for one in waiting for name in TESTS[one[1]].split()}, known) + waiting
        workers = []
        for number in range(asked.jobs):
            if (worker := os.fork()) == 0:
                worked(number, asked.jobs, waiting)
                os._exit(0)
            workers.append(worker)
        ends = [os.waitpid(worker, 0)[1] for worker in workers]
        if any(ends):
            sys.exit("error: a worker stopped; see above")
    known = known_rows()
    report([known[one[0]] for one in sample if one[0] in known])


def known_rows():
    if not RESULTS.exists():
        return {}
    return {(row := json.loads(line))["key"]: row for line in RESULTS.read_text().splitlines()}


def report(rows):
    dead = [row for row in rows if row["outcome"] != "lives"]
    for row in sorted((row for row in rows if row["outcome"] == "lives"), key=lambda row: row["key"]):
        print(f"lives: bioner_bench/{row['module']}.py:{row['line']}\n    {row['old']}\n    {row['new']}")
    print(f"{len(rows)} tried, {len(dead)} died, {len(rows) - len(dead)} live")


if __name__ == "__main__":
    main()
