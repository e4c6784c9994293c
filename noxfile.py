"""A short set of tests, without PyTorch, over the stated versions of Python and lm-eval: `make pythons`.

An interpreter that is not there is skipped. A version of lm-eval that is added here must be allowed in
pyproject.toml as well.
"""

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

TESTS = [
    "tests/corpora",
    "tests/evaluation",
    "tests/leaderboard/test_records.py",
    "tests/leaderboard/test_regression.py",
    "tests/harness/test_tasks.py",
    "tests/models/test_dictionary.py",
]


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
@nox.parametrize("lm_eval", ["0.4.13"])
def short(session: nox.Session, lm_eval: str) -> None:
    """What needs no weights: corpora, prompts, parsing, scores, records, verdicts, tasks."""
    session.install(
        "--quiet",
        ".[leaderboard]",
        f"lm-eval=={lm_eval}",
        "pytest",
        "hypothesis",
        "nervaluate==1.2.1",
        "seqeval==1.2.2",
    )
    session.run("python", "-m", "pytest", "-q", *(session.posargs or TESTS))
