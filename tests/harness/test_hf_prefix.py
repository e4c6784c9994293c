"""The model `hf-prefix`: the answers of `hf`, with less to read."""

import json

import pytest
from command_line import call
from lm_eval.api.instance import Instance
from lm_eval.api.model import CachingLM
from tiny_llm import TEMPLATE, write_llm

from bioner_bench.harness import hf_prefix
from bioner_bench.harness.hf_prefix import SharedPrefixLM


def answers(folder, model, *options):
    arguments = ["--tasks", "bioner_sample", "--limit", 12, "--log_samples", "--output_path", folder / model]
    arguments += ["--gen_kwargs", "max_gen_toks=12", "--batch_size", 5, *options]
    call("run", "--model", model, "--model_args", f"pretrained={folder / 'llm'},dtype=float32", *arguments)
    (samples,) = (folder / model).rglob("samples_*.jsonl")
    return [json.loads(line)["resps"] for line in samples.read_text().splitlines()]


@pytest.mark.parametrize(
    ("template", "options"),
    [(TEMPLATE, ["--apply_chat_template"]), (TEMPLATE, ["--num_fewshot", 1]), (None, [])],
    ids=["chat", "demonstrations", "text"],
)
def test_answers_are_those_of_hf(tmp_path, template, options):
    write_llm(tmp_path / "llm", template=template)
    plain = answers(tmp_path, "hf", *options)
    assert len({str(answer) for answer in plain}) > 3
    assert answers(tmp_path, "hf-prefix", *options) == plain


def test_with_a_cache_a_run_that_was_killed_goes_on_behind_its_last_part(tmp_path, monkeypatch):
    model = SharedPrefixLM(pretrained=str(write_llm(tmp_path / "llm")), dtype="float32", device="cpu")
    options = {"until": ["\n"], "do_sample": False, "max_gen_toks": 8}
    requests = [
        Instance("generate_until", {}, (f"Sentence: {number} mice", options), number) for number in range(12)
    ]
    plain = model.generate_until(requests, disable_tqdm=True)
    monkeypatch.setattr(hf_prefix, "KEPT_AT_ONCE", 5)
    written, calls = hf_prefix.write, []

    def killed(*arguments):
        calls.append(len(arguments[1]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return written(*arguments)

    monkeypatch.setattr(hf_prefix, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        CachingLM(model, str(tmp_path / "answers.db")).generate_until(requests)
    assert CachingLM(model, str(tmp_path / "answers.db")).generate_until(requests) == plain
    assert calls == [5, 5, 5, 2]
