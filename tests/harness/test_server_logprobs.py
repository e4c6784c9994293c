"""Answers of a server keep the log-probabilities of their tokens."""

import json

import pytest
from chat_server import Server
from command_line import call
from hypothesis import given
from hypothesis import strategies as st

from bioner_bench.evaluation.confidence import ScoredText
from bioner_bench.harness.server_logprobs import with_logprobs


def chat(*choices):
    return {
        "choices": [{"index": place, "logprobs": {"content": each}} for place, each in enumerate(choices)]
    }


def tokens(*pieces):
    return [
        {"token": piece.decode(errors="replace"), "logprob": -0.5 - place, "bytes": list(piece)}
        for place, piece in enumerate(pieces)
    ]


def test_a_chat_answer_has_its_tokens():
    (found,) = with_logprobs(["ab c"], chat(tokens(b"a", b"b ", b"c", b"")))
    assert found == "ab c" and isinstance(found, ScoredText)
    assert found.tokens == [("a", -0.5), ("b ", -1.5), ("c", -2.5)]


def test_a_completion_has_lists():
    reply = {"choices": [{"index": 0, "logprobs": {"tokens": ["a", "b"], "token_logprobs": [-1, -2]}}]}
    assert with_logprobs(["ab"], [reply])[0].tokens == [("a", -1.0), ("b", -2.0)]


def test_thoughts_the_end_of_the_turn_and_what_was_stripped_are_left_out():
    given = tokens(b"so ab", b"</think>", b"\n a", b"b", b" \n<|im_end|>")
    assert with_logprobs(["ab"], chat(given))[0].tokens == [("a", -2.5), ("b", -3.5)]


def test_a_character_in_two_tokens_counts_where_it_is_whole():
    first, second = "é".encode()[:1], "é".encode()[1:]
    (found,) = with_logprobs(["né."], chat(tokens(b"n" + first, second, b".")))
    assert found.tokens == [("n", -0.5), ("é", -1.5), (".", -2.5)]


def test_choices_are_taken_by_their_index():
    reply = chat(tokens(b"a"), tokens(b"b"))
    reply["choices"].reverse()
    assert [each.tokens[0][0] for each in with_logprobs(["a", "b"], reply)] == ["a", "b"]


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": [{"token": "ab"}]},
        {"content": [{"token": "ab", "logprob": None}]},
        {"content": [{"token": "ab", "logprob": float("nan")}]},
        {"content": [{"token": "ab", "logprob": -1, "bytes": [300]}]},
        {"content": tokens(b"other")},
        {"tokens": ["ab"], "token_logprobs": []},
        {"tokens": [1], "token_logprobs": [-1]},
        [],
        "ab",
    ],
)
def test_an_answer_without_them_is_as_it_was(logprobs):
    reply = {"choices": [{"index": 0, "logprobs": logprobs}]}
    (found,) = with_logprobs(["ab"], reply)
    assert found == "ab" and type(found) is str
    assert with_logprobs([None], reply) == [None]


@pytest.mark.parametrize(
    "choices", [[{}], [None], ["ab"], [{"index": None}, {"index": 0}], [], [{"index": 0}] * 2]
)
def test_replies_that_cannot_be_read_are_left_to_lm_eval(choices):
    assert with_logprobs(["ab"], {"choices": choices}) == ["ab"]


@given(st.lists(st.binary(max_size=3), max_size=6), st.data())
def test_pieces_always_make_up_the_answer(pieces, data):
    whole = b"".join(pieces).decode(errors="ignore")
    start = data.draw(st.integers(0, len(whole)))
    text = whole[start : data.draw(st.integers(start, len(whole)))]
    (found,) = with_logprobs([text], chat(tokens(*pieces)))
    assert found == text
    if isinstance(found, ScoredText):
        assert "".join(piece for piece, _ in found.tokens) == text


@pytest.mark.parametrize("num_concurrent", [1, 4])
def test_a_run_on_a_server_says_how_sure_it_was(tmp_path, monkeypatch, num_concurrent):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    server.logprobs = True
    stub = f"model=stub,base_url={server.url},num_concurrent={num_concurrent}"
    options = ["--model", "local-chat-completions", "--model_args", stub, "--apply_chat_template"]
    options += ["--tasks", "bioner_sample", "--limit", 12, "--gen_kwargs", "logprobs=true"]
    call("run", *options, "--log_samples", "--output_path", tmp_path / "out")
    server.close()
    assert all(body["logprobs"] is True for body in server.requests)
    found = json.loads(call("score", tmp_path / "out", "--json").stdout)
    assert found["confidence"]["coverage"][0]["mentions"] == 12
    card = tmp_path / "stub.yaml"
    card.write_text(
        "system: stub\ntitle: Stub\nkind: llm\nrun: {model: hf, model_args: {pretrained: stub}}\n"
    )
    add = [tmp_path / "out", "--system", card, "--folder", tmp_path / "board", "--partial"]
    call("leaderboard", "add", *add)
    (path,) = (tmp_path / "board" / "records").rglob("*.json")
    assert json.loads(path.read_text())["confidence"] == found["confidence"]
    # What is kept for a run that goes on has them too.
    call("run", *options, "--log_samples", "--output_path", tmp_path / "out")
    assert len(server.requests) == 12
    both = json.loads(call("score", tmp_path / "out", "--json").stdout)
    assert [each["confidence"] for each in both.values()] == [found["confidence"]] * 2
