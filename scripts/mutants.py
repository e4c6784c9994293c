"""Would a test notice? One small change to the code at a time, and the tests that call what was changed.

    python scripts/mutants.py [--number 100] [--seed 0] [--only evaluation/scoring] [--jobs 2] [--again]
                              [--numbers] [--seconds 12]

The changes are drawn at random from all that `changes` knows, over `MODULES`; a larger number goes on where
a smaller one ended. First each quick test runs once, and it is noted which functions it calls. Then, for each
change, a child is forked that has all tests loaded. It puts the change into the loaded module, and runs the
tests that call the changed function, or, of a change outside functions, any function of the module. A change
dies if a test fails that passes without it, in the same order, or takes ten times its time. Slow tests are
left out, so a few more die than it says. Results are lines of .cache/mutants.jsonl; what is there for the
same text of the module is not run again, but `--again` runs again what did not die.

What lives though no input can tell it apart is no fault of the tests: `SAME` lists such changes, each with
the reason, and they do not count. (Jia and Harman, IEEE Transactions on Software Engineering 37(5), 2011: the
score is what dies of all that are not equivalent.)
"""

import __future__

import argparse
import ast
import gc
import hashlib
import importlib
import itertools
import json
import os
import pkgutil
import random
import re
import resource
import shutil
import signal
import sys
import time
import traceback
import types
from collections import Counter, defaultdict
from enum import EnumType
from multiprocessing import util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "bioner_bench"
RESULTS = ROOT / ".cache" / "mutants.jsonl"
SAME = Path(__file__).with_name("mutants_that_change_nothing.jsonl")
FOLDER = ROOT / ".cache" / "mutants" / str(os.getpid())
MEMORY = 8 << 30
MODULES = [
    *sorted(f"evaluation/{path.stem}" for path in (PACKAGE / "evaluation").glob("[a-z]*.py")),
    "leaderboard/pairing", "leaderboard/record_checks", "leaderboard/record_scores", "leaderboard/records",
    "leaderboard/regression", "tuning/selection", "tuning/strategies",
]  # fmt: skip
LATE_ANNOTATIONS = __future__.annotations.compiler_flag  # as all modules have it
# What tests import late; a forked child would import it each time.
LIBRARIES = """
    datasets jinja2 json_repair jsonschema lm_eval._cli.run lm_eval.evaluator lm_eval.loggers
    matplotlib.pyplot nervaluate pandas peft scipy.sparse.csgraph scipy.stats seqeval.metrics torch
    transformers yaml
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

    Left alone: annotations, docstrings, messages of errors, what only names types or exports, `zip(strict=)`.
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
        if isinstance(node, ast.keyword) and node.arg == "strict":  # of `zip`: what it guards is never so
            return
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns", "decorator_list", "pattern"):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from visit(child)

    yield from visit(ast.parse(source))


def drawn(only, seed, numbers=False):
    """All changes of the modules, or of their numbers, shuffled: (key, module, first byte, end, text)."""
    found = []
    for module in MODULES:
        if module.startswith(only):
            source = (PACKAGE / f"{module}.py").read_bytes()
            state = hashlib.sha256(source).hexdigest()[:12]
            for first, end, text in sorted(set(changes(source))):
                if numbers and re.fullmatch(rb"-?[\d_.]+(e-?\d+)?", source[first:end]) is None:
                    continue
                found.append((f"{module} {state} {first} {end} {text}", module, first, end, text))
    random.Random(seed).shuffle(found)
    return found


def put(module, source, line):
    """Let what stands at this line of the source take its place in the loaded module.

    A function that others hold gets the new code where it is, a class the new code of its methods. Any other
    value takes the old one's place in all modules that have it by its name, and what is made of it at the top
    of this module is made again; what other modules made of it is not.
    """
    space = vars(module)
    renewed = set()
    for statement in ast.parse(source).body:
        made_now = made_at_once(statement)
        uses_new = any(isinstance(node, ast.Name) and node.id in renewed for node in made_now)
        if first_line(statement) <= line <= statement.end_lineno or uses_new:
            before = dict(space)
            exec(compile(ast.Module([statement], []), module.__file__, "exec", LATE_ANNOTATIONS), space)
            for name, old in before.items():
                if space[name] is not old:
                    renewed.add(name)
                    space[name] = renewed_value(old, space[name])
                    for other in list(sys.modules.values()):
                        if getattr(other, "__dict__", {}).get(name) is old:
                            setattr(other, name, space[name])


def made_at_once(statement):
    """The nodes of a statement that are worked out when its module is loaded: of a function, its defaults."""
    if isinstance(statement, ast.FunctionDef):
        defaults = [*statement.args.defaults, *filter(None, statement.args.kw_defaults)]
        return [node for default in defaults for node in ast.walk(default)]
    return ast.walk(statement) if isinstance(statement, ast.Assign | ast.AnnAssign) else []


def renewed_value(old, new):
    """What stands for the old value from now on: itself with what is new in it, or the new one."""
    if type(old) is not type(new):
        return new
    if isinstance(old, types.FunctionType):
        if old.__code__.co_freevars != new.__code__.co_freevars:  # as of dataclasses
            return new
        old.__code__, old.__defaults__ = new.__code__, new.__defaults__
        old.__kwdefaults__ = new.__kwdefaults__
    elif isinstance(old, property):
        renewed_value(old.fget, new.fget)
    elif isinstance(old, staticmethod | classmethod):
        renewed_value(old.__func__, new.__func__)
    elif isinstance(old, type) and not isinstance(old, EnumType):
        for name, value in list(vars(new).items()):
            there = vars(old).get(name)
            if not isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
                stays = renewed_value(there, value)
                if stays is not there:
                    setattr(old, name, stays)
    else:
        return new
    return old


def first_line(node):
    """Of a statement with its decorators, as the code object of a function has it."""
    return min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])


def function_at(source, line):
    """The first line of the innermost function around a line, or None."""
    around = [
        first_line(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and first_line(node) <= line <= node.end_lineno
    ]
    return max(around, default=None)


def users(module):
    """This module and those of `MODULES` that import it."""
    package, name = module.split("/")
    there = re.compile(rf"{package}\.{name} import|(from \.|{package}) import [^#]*\b{name}\b")
    return {module} | {other for other in MODULES if there.search((PACKAGE / f"{other}.py").read_text())}


class Trials:
    """A plugin of pytest: in place of running the tests once, it tries each change on them."""

    def __init__(self, waiting, jobs, seconds):
        self.waiting, self.jobs, self.seconds = waiting, jobs, seconds
        self.called = set()  # by the test under way: a module's name and a function's first line
        self.called_by_fixtures = defaultdict(set)  # by those that are set up for several tests
        self.tests = defaultdict(dict)  # of a function: {a test's place: its seconds}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        self.session = session
        for found in pkgutil.walk_packages([str(PACKAGE)], "bioner_bench."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
        self.caches = [
            value
            for name, module in list(sys.modules.items())
            if name.startswith("bioner_bench.")
            for value in vars(module).values()
            if hasattr(value, "cache_clear")
        ]
        gc.collect()
        gc.freeze()  # a child then shares these pages
        util.register_after_fork(self, Trials.tell_calls)
        self.at_once(self.note_calls)
        for file in sorted(FOLDER.glob("calls-*.jsonl")):
            for line in file.read_text().splitlines():
                place, seconds, called = json.loads(line)
                for module, at in called:
                    self.tests[module, at][place] = seconds
        print(f"{len(session.items)} tests pass without a change", flush=True)
        self.at_once(self.try_changes)
        return True

    def at_once(self, work):
        def of_one(number):
            # Tests make their folders below it; two workers would remove each other's.
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(FOLDER / f"tmp-{number}")
            (FOLDER / f"tmp-{number}").mkdir(exist_ok=True)
            return work(number)

        workers = [self.forked(of_one, number) for number in range(self.jobs)]
        ends = [os.waitpid(worker, 0)[1] for worker in workers]
        if any(ends):
            raise pytest.UsageError("a worker stopped; see above")

    def forked(self, work, *given):
        """A child in which pytest prints nothing; it ends with 0 if the work says True."""
        if (child := os.fork()) == 0:
            code = 1
            try:
                os.setpgid(0, 0)
                if reporter := self.session.config.pluginmanager.getplugin("terminalreporter"):
                    self.session.config.pluginmanager.unregister(reporter)
                code = 0 if work(*given) else 1
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        return child

    def note_calls(self, number):
        """Write down, for every `jobs`-th file of tests, which functions of `MODULES` each test calls."""
        names = {str(PACKAGE / f"{module}.py"): module for module in MODULES}

        def call(frame, event, argument):
            if frame.f_code.co_filename in names:
                self.called.add((names[frame.f_code.co_filename], frame.f_code.co_firstlineno))

        with (FOLDER / f"calls-{number}.jsonl").open("w") as stream:
            files = list(self.by_file(range(len(self.session.items))).values())
            for place, following in in_turn([place for file in files[number :: self.jobs] for place in file]):
                self.called.clear()
                self.forget()
                began = time.process_time()
                sys.settrace(call)
                passed = self.passes(place, following)
                sys.settrace(None)
                item = self.session.items[place]
                if not passed:
                    print(f"error: without any change {item.nodeid} fails")
                    return False
                self.called |= self.calls_of_commands()
                called = self.called.union(*(self.called_by_fixtures[name] for name in item.fixturenames))
                row = [place, round(time.process_time() - began, 3), sorted(called)]
                stream.write(json.dumps(row) + "\n")
        return True

    def tell_calls(self):
        """In a command that a test has forked: at its end, write down what it called."""

        def write():
            with (FOLDER / f"commands-{os.getppid()}.jsonl").open("a") as stream:
                stream.write(json.dumps(sorted(self.called)) + "\n")

        util.Finalize(None, write, exitpriority=1)

    def calls_of_commands(self):
        file = FOLDER / f"commands-{os.getpid()}.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return {tuple(call) for line in lines for call in json.loads(line)}

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        before = self.called.copy()
        self.called.clear()
        try:
            return (yield)
        finally:
            self.called |= self.calls_of_commands()
            if fixturedef.scope != "function":
                self.called_by_fixtures[fixturedef.argname] |= self.called
            self.called |= before

    def forget(self):
        """What functions of the package remember, so that each test calls all that it needs."""
        for cache in self.caches:
            cache.cache_clear()

    def by_file(self, places):
        files = defaultdict(list)
        for place in places:
            files[self.session.items[place].path].append(place)
        return files

    def passes(self, place, following):
        items = self.session.items
        after = None if following is None else items[following]
        items[place].ihook.pytest_runtest_protocol(item=items[place], nextitem=after)
        return not self.session.testsfailed

    def try_changes(self, number):
        """Every `jobs`-th of the changes, one after the other, each written down as soon as it is known."""
        for key, module, first, end, text in self.waiting[number :: self.jobs]:
            source = (PACKAGE / f"{module}.py").read_bytes()
            line = source[:first].count(b"\n") + 1
            at = function_at(source, line)
            wanted = {}
            for (other, function), tests in self.tests.items():
                if (other, function) == (module, at) or (at is None and other in users(module)):
                    wanted |= tests
            wanted = quickest(wanted, self.seconds)
            began = time.monotonic()
            changed = source[:first] + text.encode() + source[end:]
            places = self.in_order(wanted)
            ran = self.ran(module, changed, line, places, sum(wanted.values()))
            outcome = "lives" if ran is None else "dies"
            if ran is not None and self.ran(module, source, line, ran, 60) is not None:
                outcome = "unclear"  # it fails without any change as well, in this order
            seconds = round(time.monotonic() - began, 1)
            row = {"module": module, "line": line, "old": source[first:end].decode(), "new": text}
            row |= {"outcome": outcome, "tests": len(wanted), "seconds": seconds}
            with RESULTS.open("a") as stream:
                stream.write(json.dumps({"key": key, **row}) + "\n")
            said = f"{module}.py:{line}  {row['old'][:50]!r} -> {text[:50]!r}"
            print(f"{outcome} {seconds:6} s  {said}", flush=True)
        return True

    def in_order(self, wanted):
        """The places of tests, those of quick files first, and in a file its quick tests."""
        files = self.by_file(sorted(wanted, key=wanted.__getitem__)).values()
        quick_first = sorted(files, key=lambda file: sum(map(wanted.get, file)) / len(file))
        return [place for file in quick_first for place in file]

    def ran(self, module, source, line, places, seconds):
        """The places of the tests that ran up to the one that failed; None if all passed."""
        told = FOLDER / f"ran-{os.getpid()}"
        told.unlink(missing_ok=True)
        child = self.forked(self.all_pass, module, source, line, places, int(10 + 10 * seconds), told)
        last = time.monotonic() + 60 + 50 * seconds
        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
            if time.monotonic() > last:  # it waits for something
                os.killpg(child, signal.SIGKILL)
            time.sleep(0.005)
        for folder in Path(os.environ["PYTEST_DEBUG_TEMPROOT"]).iterdir():
            shutil.rmtree(folder, ignore_errors=True)
        begun = told.read_text().split() if told.exists() else []
        return None if ended[1] == 0 else list(map(int, begun))

    def all_pass(self, module, source, line, places, limit, told):
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        with (FOLDER / "log").open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        put(sys.modules[f"bioner_bench.{module.replace('/', '.')}"], source, line)
        self.forget()
        with told.open("w") as stream:
            for place, following in in_turn(places):
                print(place, file=stream, flush=True)
                if not self.passes(place, following):
                    return False
        return True


def quickest(tests, seconds):
    """Of {a test's place: its seconds} those that take least, so many seconds in all."""
    by_time = sorted(tests.items(), key=lambda test: test[1])
    sums = itertools.accumulate(taken for _, taken in by_time)
    return {place: taken for (place, taken), total in zip(by_time, sums, strict=True) if total < seconds}


def in_turn(places):
    """Each with the one that follows: pytest keeps what both use."""
    return zip(places, [*places[1:], None])  # noqa: B905  # of no tests there is none that follows


def main():
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--number", type=int, default=100)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", default="", help="the beginning of modules' names, as `evaluation/`")
    asked.add_argument("--jobs", type=int, default=2)
    asked.add_argument("--numbers", action="store_true", help="only changes of a number")
    asked.add_argument(
        "--seconds", type=float, default=float("inf"), help="of tests for a change, the quickest ones"
    )
    asked.add_argument("--again", action="store_true", help="run again what did not die, after new tests")
    asked = asked.parse_args()
    sample = drawn(asked.only, asked.seed, asked.numbers)
    print(f"{len(sample)} changes are possible, {asked.number} are asked for, drawn with seed {asked.seed}")
    sample = sample[: asked.number]
    known = known_rows()
    waiting = [
        one for one in sample
        if one[0] not in known or (asked.again and known[one[0]]["outcome"] != "dies")
    ]  # fmt: skip
    if waiting:
        try_all(waiting, asked.jobs, asked.seconds)
    known = known_rows()
    report([known[one[0]] for one in sample if one[0] in known])


def try_all(waiting, jobs, seconds):
    FOLDER.mkdir(parents=True)
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(FOLDER)}
    os.environ["BIONER_BENCH_MUTANTS"] = "1"  # see tests/helpers/command_line.py
    for library in LIBRARIES.split():
        importlib.import_module(library)
    os.chdir(ROOT)
    options = ["-qq", "-m", "not slow", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    if pytest.main(options, plugins=[Trials(waiting, jobs, seconds)]):
        sys.exit("error: the tests could not be tried; see above")
    shutil.rmtree(FOLDER)


def known_rows():
    if not RESULTS.exists():
        return {}
    return {(row := json.loads(line))["key"]: row for line in RESULTS.read_text().splitlines()}


def report(rows):
    reasons = {tuple(row[:3]): row[3] for row in map(json.loads, SAME.read_text().splitlines())}
    outcomes = Counter()
    for row in sorted(rows, key=lambda row: row["key"]):
        source = (PACKAGE / f"{row['module']}.py").read_text().splitlines()
        why = reasons.get((row["module"], source[row["line"] - 1].strip(), row["new"]))
        outcome = "is the same" if row["outcome"] == "lives" and why else row["outcome"]
        outcomes[outcome] += 1
        if outcome != "dies":
            print(f"{outcome}: bioner_bench/{row['module']}.py:{row['line']}")
            print(f"    {row['old']}\n    {why or row['new']}")
    same, died = outcomes["is the same"], outcomes["dies"]
    counted = max(1, len(rows) - same)
    lived = f"{outcomes['lives']} live, {outcomes['unclear']} are unclear"
    print(f"{len(rows)} tried, of which {same} change nothing")
    print(f"{died} of {counted} died ({died / counted:.1%}), {lived}")


if __name__ == "__main__":
    main()
