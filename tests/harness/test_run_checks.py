"""Options of a run that cannot be meant are refused before anything is loaded."""

import json

import pytest
from conftest import ROOT

from bioner_bench.harness import run_checks, running, systems
from bioner_bench.schema import BenchmarkError

SAMPLE = ["--tasks", "bioner_sample"]


def checked(*given):
    tasks = [] if "--tasks" in given else SAMPLE
    run_checks.check(systems.given_options([*tasks, *map(str, given)]))


def refused(*given):
    with pytest.raises(BenchmarkError) as error:
        checked(*given)
    return str(error.value)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ({"bioner_samples": [0, 1]}, "names bioner_samples, but the tasks are bioner_sample"),
        ({"bioner_sample": []}, "give a list of whole numbers from 0"),
        ({"bioner_sample": [-1]}, "give a list of whole numbers from 0"),
        ({"bioner_sample": 3}, "give a list of whole numbers from 0"),
        ([0, 1], "takes task names and numbers"),
    ],
)
def test_samples_that_lm_eval_would_not_heed_are_refused(samples, said):
    assert said in refused("--samples", json.dumps(samples))


def test_samples_of_a_group_are_those_of_its_members(tmp_path, capsys):
    tasks = ["--tasks", "bioner_core"]
    checked(*tasks, "--samples", '{"bioner_ncbi": [0]}')
    assert "does not name bioner_bc5cdr_disease, " in capsys.readouterr().err
    assert "names bioner_jnlpba, " in refused(*tasks, "--samples", '{"bioner_jnlpba": [0]}')
    file = tmp_path / "samples"
    file.write_text('{"bioner_sample": [0, 1]}')
    checked("--samples", file)
    assert capsys.readouterr().err == ""
    assert "neither JSON nor a file" in refused("--samples", tmp_path / "none")


def test_a_task_that_is_a_file_has_its_name_inside():
    checked("--tasks", ROOT / "tasks" / "sample" / "sample.yaml", "--samples", '{"bioner_sample": [0]}')


def test_a_run_looks_at_its_options_first():
    with pytest.raises(BenchmarkError, match="names bioner_samples"):
        running.run(["--model", "bioner-oracle", *SAMPLE, "--samples", '{"bioner_samples": [0]}'])
