"""Answers that are held to the task's form while they are written."""

import json

import pytest
import torch
from chat_server import Server
from command_line import call, fails
from lm_eval_folder import from_lm_eval
from tiny_llm import write_llm
from transformers import AutoTokenizer

from bioner_bench.evaluation.judging import judge
from bioner_bench.evaluation.parsing import Level, parse, satisfies
from bioner_bench.evaluation.prompt import response_format
from bioner_bench.harness.cards import read_card
from bioner_bench.models.constraint import Constraint
from bioner_bench.schema import BenchmarkError, Sentence

TYPES = ["Chemical", "Disease", "Gene"]


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    return write_llm(tmp_path_factory.mktemp("llm"), seed=3)


def schema(types):
    return response_format(types)["json_schema"]["schema"]


@pytest.mark.parametrize("types", [["Disease"], TYPES])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_model_likes_it_writes_a_valid_answer(llm, types, seed):
    tokenizer = AutoTokenizer.from_pretrained(llm)
    constraint = Constraint(tokenizer, schema(types), [tokenizer.eos_token_id])
    torch.manual_seed(seed)
    written: list[list[int]] = [[], [], []]
    close = [
        tokenizer.eos_token_id,
        *(id_ for text, id_ in tokenizer.get_vocab().items() if "]" in text or '"' in text),
    ]
    for _ in range(400):
        open_rows = [row for row in range(3) if written[row][-1:] != [tokenizer.eos_token_id]]
        if not open_rows:
            break
        logits = torch.randn(len(open_rows), len(tokenizer))
        logits[:, close] += 2
        constraint(open_rows, [written[row] for row in open_rows], logits)
        for row, token in zip(open_rows, logits.argmax(dim=-1).tolist(), strict=True):
            written[row].append(token)
    for tokens in written:
        assert tokens[-1] == tokenizer.eos_token_id
        text = tokenizer.decode(tokens[:-1])
        assert satisfies(json.loads(text), tuple(types)) or '""' in text or '" ' in text
        assert list(json.loads(text)) == types


@pytest.mark.parametrize("mentions", [[], ["ataxia"], ['5"-HT', "\\n", "x" * 99]])
def test_every_answer_that_the_prompt_asks_for_can_be_written(llm, mentions):
    """No mention is made impossible, however it is spelt."""
    tokenizer = AutoTokenizer.from_pretrained(llm)
    constraint = Constraint(tokenizer, schema(["Disease"]), [tokenizer.eos_token_id])
    target = tokenizer.encode(json.dumps({"Disease": mentions}), add_special_tokens=False)
    for place, token in enumerate([*target, tokenizer.eos_token_id]):
        logits = torch.zeros(1, len(tokenizer))
        constraint([0], [target[:place]], logits)
        assert logits[0, token] == 0


def test_a_run_is_marked_and_is_of_a_card_that_says_so(llm, tmp_path):
    out = tmp_path / "out"
    run = [
        "run",
        "--model",
        "hf-prefix",
        "--model_args",
        f"pretrained={llm},dtype=float32",
        "--device",
        "cpu",
    ]
    run += [
        "--apply_chat_template",
        "--tasks",
        "bioner_sample",
        "--limit",
        4,
        "--gen_kwargs",
        "max_gen_toks=40",
    ]
    run += ["--metadata", '{"constrained": true}', "--log_samples", "--output_path", out]
    call(*run)
    (samples,) = out.rglob("samples_*.jsonl")
    for line in samples.read_text().splitlines():
        sample = json.loads(line)
        assert sample["filtered_resps"][0].startswith('{"Disease": [')
    plain = "system: tiny\ntitle: Tiny\nkind: llm\nrun:\n  model: hf-prefix\n  apply_chat_template: true\n"
    plain += f"  model_args: {{pretrained: {llm}}}\n"
    card = tmp_path / "tiny.yaml"
    card.write_text(plain)
    with pytest.raises(BenchmarkError, match="constrained is True, the card's is False"):
        from_lm_eval(out, read_card(card))
    card.write_text(plain + "  metadata: {constrained: true}\n")
    (record,) = from_lm_eval(out, read_card(card))
    assert record["setup"]["generation"]["response_format"] == response_format(record["types"])
    assert "constrained" in record["run"]["command"]


def test_servers_are_asked_for_the_form(tmp_path):
    server = Server()
    try:
        model = f"model=stub,base_url={server.url}"
        run = ["run", "--model", "local-chat-completions", "--model_args", model, "--apply_chat_template"]
        run += ["--tasks", "bioner_sample", "--limit", 2, "--metadata", '{"constrained": true}']
        call(*run, NO_PROXY="127.0.0.1")
        assert [body["response_format"] for body in server.requests] == [
            response_format(["Disease", "Chemical", "Gene"])
        ] * 2
    finally:
        server.close()


def test_wrong_use_is_one_line(llm):
    run = ["run", "--tasks", "bioner_sample", "--apply_chat_template", "--model_args", f"pretrained={llm}"]
    assert "hf cannot hold answers" in fails(*run, "--model", "hf", "--metadata", '{"constrained": true}')
    said = fails(*run, "--model", "hf-prefix", "--metadata", '{"constrained": "yes"}')
    assert "give true or false" in said


def test_an_empty_string_that_the_form_allows_is_read_as_no_mention():
    found = judge(Sentence("1", "Ataxia.", ()), '{"Disease": [""]}', ["Disease"])
    assert not found.aligned and found.parsed.level is parse('{"Disease": [""]}', ["Disease"]).level
    assert found.parsed.level is not Level.FAILED
