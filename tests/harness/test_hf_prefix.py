"""The model `hf-prefix`: the answers of `hf`, with less to read."""

import json

import pytest
from command_line import call
from tiny_llm import TEMPLATE, write_llm


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
