"""The model `hf-prefix`: the answers of `hf`, with less to do."""

import json
import logging

import lm_eval.models  # noqa: F401  # first, else lm-eval takes ours for the whole list of models
import pytest
import torch
from command_line import call
from lm_eval.api.instance import Instance
from lm_eval.api.model import CachingLM
from lm_eval.models.huggingface import HFLM
from peft import LoraConfig, get_peft_model
from tiny_llm import load_llm, write_llm
from transformers import AutoModelForCausalLM, FalconH1Config

from bioner_bench.harness import hf_prefix
from bioner_bench.harness.answer_store import AnswerStore, keeping_answers
from bioner_bench.harness.hf_prefix import SharedPrefixLM, closed
from bioner_bench.schema import BenchmarkError

QUESTIONS = [
    "Ataxia in mice.",
    "No gene here",
    "BRCA1",
    "",
    "a much longer sentence with many words in it",
    "x y",
]
SWITCHES = [
    {},
    {"share_prefix": False},
    {"refill": False, "batch_size": 2},
    {"sort": False},
    {"batch_tokens": 60},
    {"batch_size": 2},
    {"merge_adapter": False},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_llm(tmp_path_factory.mktemp("llm"), seed=5)


@pytest.fixture(scope="module")
def adapter(folder, tmp_path_factory):
    model, _ = load_llm(folder)
    torch.manual_seed(1)
    tuned = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    tuned.save_pretrained(path := tmp_path_factory.mktemp("adapter"))
    return path


def answers(kind, folder, generation=None, **options):
    given = {"pretrained": str(folder), "dtype": "float32", "device": "cpu", "batch_size": 3} | options
    model = kind(**given)
    generation = {"until": ["\n\n"], "do_sample": False, "max_gen_toks": 14} | (generation or {})
    requests = [
        Instance("generate_until", {}, (f"Find the mentions.\nSentence: {text}\nJSON:", generation), 0)
        for text in QUESTIONS
    ]
    return model.generate_until(requests, disable_tqdm=True)


@pytest.mark.slow
def test_answers_of_a_run_are_those_of_hf(tmp_path):
    write_llm(tmp_path / "llm")
    found = {}
    for model in ("hf", "hf-prefix"):
        arguments = [
            "--tasks",
            "bioner_sample",
            "--limit",
            8,
            "--log_samples",
            "--output_path",
            tmp_path / model,
        ]
        arguments += ["--gen_kwargs", "max_gen_toks=12", "--batch_size", 5, "--apply_chat_template"]
        call(
            "run",
            "--model",
            model,
            "--model_args",
            f"pretrained={tmp_path / 'llm'},dtype=float32",
            *arguments,
        )
        (samples,) = (tmp_path / model).rglob("samples_*.jsonl")
        found[model] = [json.loads(line)["resps"] for line in samples.read_text().splitlines()]
    assert len({str(answer) for answer in found["hf"]}) > 3
    assert found["hf-prefix"] == found["hf"]


@pytest.mark.slow
@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_no_switch_changes_an_answer(folder, adapter, switches):
    plain = answers(HFLM, folder, peft=str(adapter))
    assert len(set(plain)) > 3
    assert plain != answers(HFLM, folder)
    assert answers(SharedPrefixLM, folder, peft=str(adapter), **switches) == plain


def test_stop_strings_and_other_ends_are_those_of_hf(folder):
    plain = answers(HFLM, folder)
    common = max(set("".join(plain)), key="".join(plain).count)
    cut = answers(HFLM, folder, {"until": [common]})
    assert cut != plain
    assert answers(SharedPrefixLM, folder, {"until": [common]}) == cut
    end = load_llm(folder)[1].encode(common, add_special_tokens=False)
    ended = answers(HFLM, folder, {"eos_token_id": end})
    assert answers(SharedPrefixLM, folder, {"eos_token_id": end}) == ended != plain
    first = {"eos_token_id": 0}
    assert answers(SharedPrefixLM, folder, first) == answers(HFLM, folder, first)
    penalised = answers(HFLM, folder, {"repetition_penalty": 1.7}, batch_size=1)
    assert answers(SharedPrefixLM, folder, {"repetition_penalty": 1.7}) == penalised != plain


def test_answers_that_leave_no_room_for_a_prompt_are_refused(folder):
    with pytest.raises(BenchmarkError, match="answers of 14 tokens leave no room for a prompt"):
        answers(SharedPrefixLM, folder, max_length=14)
    answers(SharedPrefixLM, folder, max_length=200)


def test_what_it_does_not_know_is_left_to_hf(folder, caplog):
    caplog.set_level(logging.WARNING)
    options = {"no_repeat_ngram_size": 2}
    assert answers(SharedPrefixLM, folder, options) == answers(HFLM, folder, options)
    assert "answers as hf does: it knows nothing of no_repeat_ngram_size" in caplog.text


def test_a_model_with_a_running_state_reads_in_full_and_says_so(folder, tmp_path, caplog):
    """Falcon-H1 keeps keys and values as well as a state."""
    caplog.set_level(logging.WARNING)
    tokenizer = load_llm(folder)[1]
    torch.manual_seed(0)
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "mamba_d_ssm": 32}
    more = {"mamba_n_heads": 2, "mamba_d_head": 16, "mamba_d_state": 8, "eos_token_id": 1, "pad_token_id": 4}
    AutoModelForCausalLM.from_config(FalconH1Config(**sizes | heads | more)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert answers(SharedPrefixLM, tmp_path) == answers(HFLM, tmp_path)
    assert "reads prompts in full" in caplog.text


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ('{"Disease": []}', True),
        ('Here: {"Disease": ["a } b"]}', True),
        ('{"Disease": ["a }', False),
        ('{"a": {"b": 1}', False),
        ('{"a": {"b": 1}}', True),
        ("no JSON }", False),
        ('{"a": 1} and', False),
    ],
)
def test_where_json_closes(folder, text, ends):
    tokenizer = load_llm(folder)[1]
    assert closed(tokenizer, tokenizer.encode(text, add_special_tokens=False)) == ends


def test_a_thinking_model_cannot_stop_at_json(folder):
    with pytest.raises(BenchmarkError, match="leave stop_at_json out"):
        SharedPrefixLM(pretrained=str(folder), device="cpu", stop_at_json=True, think_end_token="</think>")


def test_a_run_that_was_killed_goes_on_with_the_answers_that_were_finished(folder, tmp_path, monkeypatch):
    model = SharedPrefixLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=2)
    options = {"until": ["\n"], "do_sample": False, "max_gen_toks": 8}
    requests = [
        Instance("generate_until", {}, (f"Sentence: {number} mice", options), number) for number in range(12)
    ]
    plain = model.generate_until(requests, disable_tqdm=True)
    put, kept, asked = AnswerStore.__setitem__, [], []

    def killed(store, request, answer):
        put(store, request, answer)
        kept.append(answer)
        if len(kept) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(AnswerStore, "__setitem__", killed)
    with keeping_answers(lambda: "model"):
        with pytest.raises(KeyboardInterrupt):
            CachingLM(model, f"{tmp_path}/answers_rank0.db").generate_until(requests)
        monkeypatch.setattr(AnswerStore, "__setitem__", put)
        written = hf_prefix.write
        monkeypatch.setattr(hf_prefix, "write", lambda *given: asked.append(len(given[1])) or written(*given))
        assert CachingLM(model, f"{tmp_path}/answers_rank0.db").generate_until(requests) == plain
    assert asked == [7]


@pytest.mark.parametrize("until", ["\n\n", "e"])
def test_an_answer_comes_with_its_tokens(folder, until):
    """Also where a stop string, or a character of several bytes, ends within a token."""
    found = answers(SharedPrefixLM, folder, {"until": [until]}, confidence=True)
    assert found == answers(SharedPrefixLM, folder, {"until": [until]})
    for text in found:
        assert "".join(piece for piece, _ in text.tokens) == text
        assert all(logprob <= 0 for _, logprob in text.tokens)


@pytest.mark.slow
def test_confidence_survives_the_store_and_reaches_score(folder, tmp_path):
    out = tmp_path / "out"
    run = ["run", "--model", "hf-prefix", "--device", "cpu", "--tasks", "bioner_sample", "--limit", 3]
    run += ["--model_args", f"pretrained={folder},dtype=float32,confidence=true", "--log_samples"]
    run += ["--gen_kwargs", "max_gen_toks=12", "--output_path", out]
    kept = []
    for _ in range(2):  # the second time from the store
        call(*run)
        samples = sorted(out.rglob("samples_*.jsonl"))[-1]
        kept.append([json.loads(line)["answer_logprob"] for line in samples.read_text().splitlines()])
    assert kept[0] == kept[1] and all(kept[0])
    assert "confidence" in json.loads(call("score", samples, "--json").stdout)


def test_confidence_of_what_is_not_greedy_is_one_line(folder):
    with pytest.raises(BenchmarkError, match="confidence=True needs greedy answers"):
        answers(SharedPrefixLM, folder, {"num_beams": 2}, confidence=True)
