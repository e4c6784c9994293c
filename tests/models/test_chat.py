"""Prompts and targets as tokens: the same on every day, and as the chat template writes them."""

import datetime

import pytest
from families import FAMILIES, write_family
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

from bioner_bench.models.chat import Chat, pinned
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.rows import rows_of


@pytest.fixture(scope="module", params=list(FAMILIES))
def family(request, tmp_path_factory):
    folder = write_family(request.param, tmp_path_factory.mktemp(request.param))
    return FAMILIES[request.param], AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def row():
    return rows_of("bioner_sample")[0]


class Tomorrow(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(days=1)


def test_the_prompt_is_the_same_tomorrow(family, row, monkeypatch):
    found, tokenizer = family
    today = Chat(tokenizer, found.options).prompt(row.messages)
    monkeypatch.setattr(chat_template_utils, "datetime", Tomorrow)
    tomorrow = Chat(tokenizer, found.options)
    assert tomorrow.prompt(row.messages) == today
    assert "strftime_now(" not in tomorrow.template


def test_the_target_is_what_the_template_writes_of_an_answer(family, row):
    found, tokenizer = family
    chat = Chat(tokenizer, found.options)
    target = chat.target(row.target)
    assert tokenizer.decode(target) == f"{found.opening}{row.target}{found.ends}"
    assert tokenizer.convert_ids_to_tokens(chat.end_of_turn) == found.ends
    solved = [*row.messages, {"role": "assistant", "content": row.target}]
    whole = tokenizer.apply_chat_template(solved, chat_template=chat.template, return_dict=False)
    written = chat.prompt(row.messages) + target
    assert whole[: len(written)] == written


def test_the_variables_of_a_template_are_in_it_and_a_caller_has_its_way():
    write = "{% if thinking is defined and not thinking %}no{% else %}yes{% endif %} {{ effort }}"
    template = pinned(write, {"thinking": False, "effort": 'lo"w'})
    render = chat_template_utils._compile_jinja_template(template).render
    assert render() == 'no lo"w'
    assert render(thinking=True) == 'yes lo"w'
    with pytest.raises(BenchmarkError, match="'a-b' is no name of a variable"):
        pinned("", {"a-b": 1})


def test_the_hash_of_a_rendered_prompt_changes_with_the_template_and_its_variables(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(write_family("qwen3", tmp_path))
    plain, without = Chat(tokenizer), Chat(tokenizer, {"enable_thinking": False})
    assert plain.sha256 == Chat(tokenizer).sha256 != without.sha256
