"""One decoding loop: it writes what transformers writes, whatever it does to save time."""

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from bioner_bench.models.decoding import Batching, can_decode, greedy, write
from bioner_bench.models.shared_prefix import can_share, target_logits

torch.set_num_threads(1)

SIZES = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FAMILIES = {
    "Llama": {},
    "Qwen2": {},
    "Qwen3": {},
    "Phi3": {"sliding_window": 20},
    "Mistral": {"sliding_window": 17},
    "Gemma3Text": {"sliding_window": 17, "layer_types": ["sliding_attention", "full_attention"]},
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 2},
}
STATE = {
    "mamba_d_ssm": 32,
    "mamba_n_heads": 2,
    "mamba_d_head": 16,
    "mamba_d_state": 8,
    "mamba_chunk_size": 16,
}
UNSHARED = {"FalconH1": STATE, "Mamba": {}, "Gemma2": {}}
ENDS = (2, 7, 8)
WAYS = {
    "all": Batching(),
    "few tokens at once": Batching(tokens=90),
    "few rows at once": Batching(rows=3),
    "one row at a time": Batching(tokens=1),
    "whole batches": Batching(rows=4, refill=False),
    "nothing shared": Batching(tokens=300, share=False),
    "as they come": Batching(tokens=120, sort=False),
    "nothing": Batching(rows=3, share=False, refill=False, sort=False),
}


def make_model(family, **options):
    torch.manual_seed(3)
    config = getattr(transformers, f"{family}Config")(**SIZES | (FAMILIES | UNSHARED)[family] | options)
    return AutoModelForCausalLM.from_config(config).eval()


def make_prompts(seed=0, shared=30, lengths=(3, 9, 20, 1, 14, 30, 7)):
    source = torch.Generator().manual_seed(seed)
    tokens = lambda size: torch.randint(9, 61, (size,), generator=source).tolist()  # noqa: E731
    beginning = tokens(shared)
    return [beginning + tokens(size) for size in lengths]


def alone(model, prompts, room, ends=ENDS, **options):
    """What transformers writes after each prompt by itself."""
    answers = []
    for asked in prompts:
        written = model.generate(
            input_ids=torch.tensor([asked]),
            attention_mask=torch.ones(1, len(asked)),
            max_new_tokens=room,
            do_sample=False,
            eos_token_id=list(ends),
            pad_token_id=0,
            **options,
        )
        answers.append(written[0, len(asked) :].tolist())
    return answers


def ended(tokens):
    return tokens[-1] in ENDS


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_way_writes_what_transformers_writes(family):
    """Windows end within the beginning, within the rest of the longer rows, and within the answers."""
    model, prompts = make_model(family), make_prompts()
    assert can_decode(model, 100)
    before = model.config._attn_implementation
    wanted = alone(model, prompts, 20)
    assert len({str(answer) for answer in wanted}) > 3
    for name, way in WAYS.items():
        assert write(model, prompts, 20, ended, way) == wanted, name
    assert model.config._attn_implementation == before


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=9),
    shared=st.integers(0, 12),
    tokens=st.integers(1, 80),
    rows=st.integers(0, 4),
    refill=st.booleans(),
    window=st.integers(2, 20),
)
def test_no_length_or_batch_changes_an_answer(lengths, shared, tokens, rows, refill, window):
    model = make_model("Mistral", sliding_window=window)
    prompts = make_prompts(1, shared, lengths)
    way = Batching(tokens=tokens, rows=rows, refill=refill)
    assert write(model, prompts, 8, ended, way) == alone(model, prompts, 8)


def test_it_reads_what_is_shared_once_and_no_row_after_its_end():
    model, prompts = make_model("Llama"), make_prompts()
    read = []
    model.register_forward_pre_hook(
        lambda _, args, given: read.append(given["input_ids"].numel()), with_kwargs=True
    )
    answers = write(model, prompts, 20, ended)
    own = [len(asked) - 30 for asked in prompts]
    # The last token of an answer is written, not read.
    prompts_read = sum(read) - 30 - sum(len(answer) - 1 for answer in answers)
    assert read[0] == 30
    assert sum(own) <= prompts_read <= 1.1 * sum(own)
    assert read[-1] < len(prompts)


def test_a_finished_row_makes_room_for_the_next():
    model, prompts = make_model("Llama"), make_prompts(lengths=[5] * 40)
    steps = []
    model.register_forward_pre_hook(lambda *_: steps.append(1))
    wanted = write(model, prompts, 30, ended, Batching(rows=8))
    refilled, steps[:] = len(steps), []
    assert write(model, prompts, 30, ended, Batching(rows=8, refill=False)) == wanted
    assert refilled < 0.8 * len(steps)


def test_repetition_is_penalised_as_transformers_does():
    model, prompts = make_model("Llama"), make_prompts()
    penalised = alone(model, prompts, 20, repetition_penalty=1.6)
    assert penalised != alone(model, prompts, 20)
    assert write(model, prompts, 20, ended, repetition_penalty=1.6) == penalised


def test_answers_are_told_as_they_end_and_there_may_be_nothing_to_do():
    model, prompts, told = make_model("Llama"), make_prompts(), []
    written = write(
        model, prompts, 20, ended, answered=lambda prompt, tokens: told.append((prompt, [*tokens]))
    )
    assert sorted(told) == list(enumerate(written))
    assert write(model, [], 20, ended) == greedy(model, [], 20, 2) == []


@pytest.mark.parametrize("family", UNSHARED)
def test_a_model_that_cannot_share_is_known_and_answers_in_full(family):
    """The first two keep a running state; Gemma 2 bends its scores, which this attention does not."""
    model, prompts = make_model(family), make_prompts()
    assert not can_decode(model, 100)
    assert can_share(model) == (family == "Gemma2")
    wanted = alone(model, prompts, 9, ends=[2])
    assert greedy(model, prompts, 9, 2) == [[t for t in answer if t != 2] for answer in wanted]


def test_rotations_that_change_with_the_length_are_not_shared_beyond_it():
    rotation = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    model = make_model("Llama", rope_parameters=rotation, max_position_embeddings=64)
    assert can_share(model, 64)
    assert not can_share(model, 65)
    assert not can_decode(model, 65)


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "Mistral", "Gemma3Text", "Phi3"])
def test_logits_of_rows_that_share_are_those_of_each_alone(family):
    model, prompts = make_model(family), make_prompts(lengths=[3, 9, 20])
    found = target_logits(model, prompts, [len(asked) - 3 for asked in prompts]).split(2)
    for row, asked in zip(found, prompts, strict=True):
        wanted = model(input_ids=torch.tensor([asked])).logits[0, -3:-1]
        assert torch.allclose(row, wanted, atol=1e-4)


def test_a_model_whose_numbers_come_out_otherwise_is_not_decoded():
    """One that this attention does not know: it turns its keys round where transformers' is used."""
    model = make_model("Llama")
    assert can_decode(model, 10)
    attention = model.model.layers[0].self_attn
    attention.k_proj.register_forward_hook(
        lambda module, args, keys: keys if attention.config._attn_implementation == "sdpa" else -keys
    )
    assert not can_decode(model, 10)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_log_probabilities_are_those_of_one_pass_over_prompt_and_answer(way, penalty):
    """Of the model itself: a penalty changes what is written, not how likely the model held it."""
    model, prompts = make_model("Llama"), make_prompts()
    logprobs: list[list[float]] = [[] for _ in prompts]
    ended = lambda tokens: tokens[-1] in ENDS  # noqa: E731
    written = write(model, prompts, 9, ended, WAYS[way], penalty, logprobs=logprobs)
    assert written == write(model, prompts, 9, ended, WAYS[way], penalty)
    for prompt, answer, found in zip(prompts, written, logprobs, strict=True):
        with torch.no_grad():
            chances = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(dim=-1)
        wanted = [float(chances[len(prompt) - 1 + n, token]) for n, token in enumerate(answer)]
        assert found == pytest.approx(wanted, abs=1e-4)


def test_special_tokens_do_not_decide_whether_a_model_is_decoded():
    """In half precision the logits after a vocabulary's first tokens can move by more than a tenth."""
    model, asked = make_model("Llama"), []
    model.get_input_embeddings().register_forward_hook(lambda module, args, out: asked.append(args[0]))
    assert can_decode(model, 10)
    vocabulary = model.config.vocab_size
    assert torch.cat([ids.flatten() for ids in asked]).min() >= vocabulary // 14 > 3
