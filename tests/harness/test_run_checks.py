"""Options of a run that cannot be meant are refused before anything is loaded."""

import json

import pytest
from conftest import ROOT

from bioner_bench.harness import run_checks, running
from bioner_bench.harness.run_options import read
from bioner_bench.schema import BenchmarkError

SAMPLE = ["--tasks", "bioner_sample"]


def checked(*given):
    tasks = [] if "--tasks" in given else SAMPLE
    run_checks.check(read([*tasks, *map(str, given)]))


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
        running.run(read(["--model", "bioner-oracle", *SAMPLE, "--samples", '{"bioner_samples": [0]}']))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--limit", "0"], "--limit is 0; give a number of sentences"),
        (["--limit", "-3"], "--limit is -3"),
        (["--num_fewshot", "-1"], "--num_fewshot is -1"),
        (["--log_samples"], "--output_path FOLDER"),
        (["--model", "hf", "--model_args", "pretrained=/nothing/here"], "no folder /nothing/here, which"),
        (["--model", "hf", "--model_args", "pretrained=org/x,peft=./none"], "./none, which peft= names"),
        (["--model", "hf", "--model_args", "pretrained=~/none"], "write the path in full"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(given, said):
    assert said in refused(*given)


def test_values_that_can_be_meant_are_taken(tmp_path, capsys):
    checked("--limit", "0.5", "--num_fewshot", "0", "--model_args", f"pretrained={tmp_path}")
    checked("--model", "local-completions", "--model_args", "pretrained=/on/the/server")
    checked("--metadata", '{"format": "tags", "tokenizer": "gpt2"}')
    checked("--metadata", '{"demonstrations": "fixed"}', "--num_fewshot", "2")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"constraint": True}, "nothing heeds 'constraint'; did you mean 'constrained'?"),
        ({"demonstration": "fixed"}, "did you mean 'demonstrations'?"),
        ({"demonstrations": "fixed"}, "add --num_fewshot NUMBER"),
    ],
)
def test_metadata_that_nothing_heeds_is_warned_of(metadata, said, capsys):
    checked("--metadata", json.dumps(metadata))
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("Can't find 'adapter_config.json' at '/x'"), "/x holds no adapter"),
        (AssertionError("Elements of --samples should be in. In this case, k=76."), "has 76 sentences"),
        (AssertionError("Torch not compiled with CUDA enabled"), "give --device cpu"),
        (AttributeError("module 'torch' has no attribute 'float99'"), "PyTorch has no float99"),
        (ValueError("The following `model_kwargs` are not used by the model: ['foo']"), "no ['foo']; see"),
    ],
)
def test_errors_of_a_run_that_the_user_can_mend_say_how(error, said, monkeypatch):
    from lm_eval._cli import HarnessCLI

    def fail(*_):
        raise error

    monkeypatch.setattr(HarnessCLI, "execute", fail)
    with pytest.raises(BenchmarkError) as raised:
        running.run(read(["--model", "bioner-oracle", *SAMPLE]))
    assert said in str(raised.value)
