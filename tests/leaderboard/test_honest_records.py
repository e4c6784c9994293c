"""Runs that are not of their card's system, or not honest, are refused; honest ones are taken."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import described_once  # noqa: F401
import pytest
from chat_server import Server
from command_line import call
from conftest import ROOT
from lm_eval_folder import edit, edit_all, from_lm_eval
from tiny_llm import TEMPLATE, write_llm
from toy_corpus import write_toy_corpus

from bioner_bench import corpora
from bioner_bench.evaluation import prompt
from bioner_bench.harness.cards import Card, read_card
from bioner_bench.harness.documents import to_sentence
from bioner_bench.leaderboard.lm_eval_output import evaluated
from bioner_bench.schema import BenchmarkError

CARD = read_card(ROOT / "baselines" / "qwen3-4b.yaml")
WEIGHTS = "Qwen/Qwen3-4B"
SHA = "1cfa9a7208912126459214e8b04321603b3df60c"
TIME = "2026-01-02T03-04-05.678"
DATED = "<|system|>Today Date: {{ strftime_now('%d %b %Y') }}<|end|>\n" + TEMPLATE
PERSONA = (
    "{% if messages[0]['role'] != 'system' %}<|system|>You are an assistant, made by Example Labs.<|end|>\n"
    "{% endif %}" + TEMPLATE
)


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    return write_llm(tmp_path_factory.mktemp("llm") / "tiny")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, llm):
    """The output of a real run of a language model."""
    folder = tmp_path_factory.mktemp("run")
    arguments = f"pretrained={llm},enable_thinking=False,dtype=float32"
    options = ["--tasks", "bioner_sample", "--apply_chat_template", "--log_samples", "--output_path", folder]
    options += ["--gen_kwargs", "max_gen_toks=8", "--batch_size", 16, "--num_fewshot", 2]
    call("run", "--model", "hf", "--model_args", arguments, *options)
    return folder


@pytest.fixture
def output(run_folder, tmp_path):
    """The run, as if its weights came from the hub."""
    folder = Path(shutil.copytree(run_folder, tmp_path / "out"))
    arguments(folder, lambda given: given.update(pretrained=WEIGHTS))
    return folder


def arguments(folder, change):
    edit(folder, "results_*.json", lambda results: change(results["config"]["model_args"]))


def backend(name, **given):
    """A change of results: run by another backend of lm-eval, with these arguments."""
    return lambda results: results["config"].update(model=name, model_args=given)


def prompts(folder, change):
    """Put `change(prompt, number)` in place of every prompt."""
    numbers = iter(range(1000))

    def each(sample):
        options = sample["arguments"]["gen_args_0"]
        options["arg_0"] = change(options["arg_0"], next(numbers), sample)

    edit_all(folder, each)


@pytest.mark.slow
def test_the_run_itself_is_taken_with_its_markup(output):
    (record,) = from_lm_eval(output, CARD)
    assert record["model"]["arguments"]["pretrained"] == WEIGHTS
    markup = record["markup"]
    assert markup["around"][0] == "<|user|>"
    assert markup["around"][-1] == "<|end|>\n<|assistant|>"
    assert (len(markup["around"]), markup["dates"]) == (6, [])


ARGUMENTS = {
    "an adapter over the base": ({"peft": "someone/adapter"}, "its peft is someone/adapter"),
    "differences of weights": ({"delta": "someone/delta"}, "its delta is someone/delta"),
    "another revision": ({"revision": "abc"}, "its revision is abc"),
    "thinking on": (
        {"enable_thinking": True},
        "template argument enable_thinking is True, the card's is False",
    ),
    "thinking not set": ({"enable_thinking": None}, "enable_thinking is not set, the card's is False"),
    "thinking on, in other words": (
        {"enable_thinking": None, "chat_template_args": {"enable_thinking": True}},
        "template argument enable_thinking is True",
    ),
    "another argument of the template": ({"chat_template_args": {"hint": 1}}, "template argument hint is 1"),
    "another owner": ({"pretrained": "evil/Qwen3-4B"}, "its pretrained is evil/Qwen3-4B"),
    "another size": ({"pretrained": "Qwen/Qwen3-8B"}, "its pretrained is Qwen/Qwen3-8B"),
    "a folder of that name": (
        {"pretrained": "/models/Qwen/Qwen3-4B"},
        "its pretrained is /models/Qwen/Qwen3-4B",
    ),
    "a folder beside": ({"pretrained": "./Qwen/Qwen3-4B"}, "its pretrained is /"),
    "a snapshot of another owner's": (
        {"pretrained": f"/root/hub/models--evil--Qwen3-4B/snapshots/{SHA}"},
        "its pretrained is evil/Qwen3-4B",
    ),
    "a folder within a snapshot": (
        {"pretrained": f"/root/hub/models--Qwen--Qwen3-4B/snapshots/{SHA}/tuned"},
        "its pretrained is /root/hub",
    ),
    "a subfolder": ({"subfolder": "tuned"}, "its subfolder is tuned"),
    "another file": ({"gguf_file": "other.gguf"}, "its gguf_file is other.gguf"),
    "another tokenizer": ({"tokenizer": "evil/tokenizer"}, "its tokenizer is evil/tokenizer"),
    "code of the model's owner": ({"trust_remote_code": True}, "its trust_remote_code is True"),
    "fewer bits": ({"load_in_4bit": True}, "its load_in_4bit is True"),
    "quantised weights": ({"autogptq": "model.safetensors"}, "its autogptq is model.safetensors"),
    "a first token": ({"add_bos_token": True}, "its add_bos_token is True"),
    "a cut of the answer": ({"think_end_token": "{"}, "its think_end_token is {"),
    "an unknown argument": ({"brand_new": 1}, "its brand_new is 1, the card's is not set"),
}


@pytest.mark.parametrize("cheat", ARGUMENTS)
def test_an_argument_that_decides_what_answered_is_the_cards(output, cheat):
    given, said = ARGUMENTS[cheat]
    arguments(output, lambda before: before.update(given))
    refused(output, said)


BACKENDS = {
    "another provider's model": (
        backend("local-chat-completions", model="gpt-4.1", base_url="https://host/v1"),
        "its pretrained is gpt-4.1",
    ),
    "a server that may think": (
        backend("local-chat-completions", model=WEIGHTS, base_url="https://host/v1"),
        "enable_thinking is not set",
    ),
    "steered weights": (
        backend("steered", pretrained=WEIGHTS, enable_thinking=False),
        "its model is steered",
    ),
    "no model at all": (backend("dummy", pretrained=WEIGHTS, enable_thinking=False), "its model is dummy"),
    "the gold": (backend("bioner-oracle"), "its kind is reference, the card's is llm"),
    "an adapter in vllm": (
        backend("vllm", pretrained=WEIGHTS, enable_thinking=False, lora_local_path="a"),
        "its lora_local_path is a",
    ),
    "a template of one's own in vllm": (
        backend("vllm", pretrained=WEIGHTS, enable_thinking=False, chat_template="hints.jinja"),
        "its chat_template is hints.jinja",
    ),
    "other layers in vllm": (
        backend("vllm", pretrained=WEIGHTS, enable_thinking=False, hf_overrides={"num_hidden_layers": 1}),
        "its hf_overrides is",
    ),
    "an adapter in sglang": (
        backend("sglang", pretrained=WEIGHTS, enable_thinking=False, lora_paths="a"),
        "its lora_paths is a",
    ),
    "an adapter in a string of arguments": (
        lambda r: r["config"].update(model_args=f"pretrained={WEIGHTS},enable_thinking=False,peft=x"),
        "its peft is x",
    ),
    "repeats": (lambda r: r["configs"]["bioner_sample"].update(repeats=64), "64 answers to a sentence"),
    "a beginning of the answer made from gold": (
        lambda r: r["configs"]["bioner_sample"].update(gen_prefix="{{target}}"),
        "the gen_prefix of bioner_sample depends on the sentence",
    ),
    "another corpus under the task's name": (
        lambda r: r["configs"]["bioner_sample"]["metadata"].update(corpus="bioner_ncbi"),
        "was run on the corpus of bioner_ncbi",
    ),
}


@pytest.mark.parametrize("cheat", BACKENDS)
def test_a_run_of_something_else_is_refused(output, cheat):
    change, said = BACKENDS[cheat]
    edit(output, "results_*.json", change)
    refused(output, said)


GENERATION = {
    "another model by an option": ({"model": "gpt-4.1"}, "generation option model is gpt-4.1"),
    "messages by an option": ({"messages": []}, "generation option messages"),
    "code from the hub": ({"custom_generate": "evil/loop"}, "generation option custom_generate"),
    "thinking by an option": (
        {"chat_template_kwargs": {"enable_thinking": True}},
        "generation option chat_template_kwargs is",
    ),
    "the best of many": ({"best_of": 64}, "generation option best_of is 64"),
    "a stronger model helps": ({"assistant_model": "Qwen/Qwen3-32B"}, "generation option assistant_model"),
}


@pytest.mark.parametrize("cheat", GENERATION)
def test_an_option_of_the_generation_that_decides_what_answered_is_the_cards(output, cheat):
    given, said = GENERATION[cheat]
    edit_all(output, lambda sample: sample["arguments"]["gen_args_0"]["arg_1"].update(given))
    refused(output, said)


PROMPTS = {
    "gold before every prompt": (
        lambda text, number, sample: f"It is {sample['target']}. {text}",
        "around the turns of the prompt holds|other text around its turns",
    ),
    "gold after every prompt": (
        lambda text, number, sample: text + sample["target"],
        "around the turns of the prompt holds|other text around its turns",
    ),
    "gold after one prompt": (
        lambda text, number, sample: text + sample["target"] * (number == 40),
        "other text around its turns",
    ),
    "the same hint before every prompt": (
        lambda text, number, sample: f"Drugs often end in -ine. {text}",
        "holds the word 'Drugs', which is not in the template",
    ),
    "the beginning of an answer": (
        lambda text, number, sample: text + '{"Disease": [',
        "which is not in the template",
    ),
    "an instruction that is not declared": (
        lambda text, number, sample: f"<|system|>You are an annotator.<|end|>\n{text}",
        "holds the word 'You'",
    ),
    "signs that are not seen": (lambda text, number, sample: f"\u200b\u200b{text}", "holds the sign"),
    "a code in the white space": (
        lambda text, number, sample: text + " " * len(sample["doc"]["entities"]),
        "other text around its turns",
    ),
    "a code in dates": (
        lambda text, number, sample: (
            f"<|system|>2026-01-{len(sample['doc']['entities']) + 10}<|end|>\n{text}"
        ),
        "more than 3 dates",
    ),
    "other demonstrations": (
        lambda text, number, sample: text.replace('{"Disease": []', '{"Disease": ["x"]', 1),
        None,
    ),
}


@pytest.mark.parametrize("cheat", PROMPTS)
def test_the_text_around_the_turns_is_markup_and_the_same_in_all_samples(output, cheat):
    change, said = PROMPTS[cheat]
    prompts(output, change)
    refused(output, said or "the prompt is not that of bioner_sample with 2 demonstrations|other text around")


def sampled_but_the_last(folder):
    numbers = iter(range(1000))

    def change(sample):
        if next(numbers) < 75:
            sample["arguments"]["gen_args_0"]["arg_1"].update(do_sample=True, temperature=5)

    edit_all(folder, change)


ANSWERS = {
    "other responses than what was scored": (
        lambda folder: edit_all(folder, lambda s: s.update(resps=[["{}"]])),
        "what was scored is not the response",
    ),
    "another response in one place": (
        lambda folder: edit(folder, "samples_*.jsonl", lambda s: s.update(resps=[["{}"]])),
        "samples_.*:3: what was scored is not the response",
    ),
    "a vote over repeats": (
        lambda folder: edit_all(folder, lambda s: s.update(resps=[s["resps"][0] * 64])),
        "64 responses; one is taken, as it is",
    ),
    "a filter": (
        lambda folder: edit_all(folder, lambda s: s.update(filter="majority")),
        "what the filter 'majority'",
    ),
    "two requests": (
        lambda folder: edit_all(
            folder, lambda s: s["arguments"].update(gen_args_1=s["arguments"]["gen_args_0"])
        ),
        "a sentence is asked once",
    ),
    "no responses": (lambda folder: edit_all(folder, lambda s: s.pop("resps")), "a sentence is asked once"),
    "sampling in all but the last sample": (sampled_but_the_last, "unlike the samples before"),
    "one sentence with more room": (
        lambda folder: edit(
            folder,
            "samples_*.jsonl",
            lambda s: s["arguments"]["gen_args_0"]["arg_1"].update(max_gen_toks=4096),
        ),
        "generated with max_gen_toks=4096, unlike the samples before",
    ),
}


@pytest.mark.parametrize("cheat", ANSWERS)
def test_what_was_scored_is_the_one_response(output, cheat):
    change, said = ANSWERS[cheat]
    change(output)
    refused(output, said)


def test_a_template_or_an_instruction_that_holds_the_corpus_is_refused(output):
    text = corpora.load("bioner_sample", "test").sentences[0].text
    before = f"<|system|>{text} Chemical!<|end|>\n"
    prompts(output, lambda prompt, number, sample: before + prompt)
    edit(output, "results_*.json", lambda r: r.update(chat_template=before + r["chat_template"]))
    refused(output, "holds a sentence of the corpus")
    edit(
        output, "results_*.json", lambda r: r.update(chat_template="", system_instruction=text + " Chemical!")
    )
    refused(output, "holds a sentence of the corpus")


def test_a_template_that_is_a_table_of_answers_is_refused(output):
    table = "".join(f"word{number} is a drug. " for number in range(1000))
    prompts(output, lambda prompt, number, sample: table + prompt)
    edit(output, "results_*.json", lambda r: r.update(chat_template=table + r["chat_template"]))
    refused(output, "more than 8000 characters")


def test_tuned_weights_need_a_card_that_says_so(output, tmp_path):
    recipe = {"name": "mine", "seed": 1, "train": ["bioner_ncbi"], "model": WEIGHTS, "epochs": 1}
    recipe["select"] = {"strategy": "hybrid", "ratio": 0.5}
    trained = tmp_path / "mine"
    trained.mkdir()
    summary = {"recipe": recipe, "data": {}, "steps": 1, "seconds": 1.0, "hardware": "", "precision": "bf16"}
    (trained / "training.json").write_text(json.dumps(summary))
    arguments(output, lambda given: given.update(peft=str(trained)))
    refused(output, "its recipe is mine, the card's is not set")
    told = {"train_strategy": "hybrid", "train_ratio": 0.5, "trained_on": ("bioner_ncbi",)}
    run = {"model": "hf", "model_args": {"enable_thinking": False}}
    card = replace(CARD, recipe="llm/mine.yaml", run=run, **told)
    (record,) = from_lm_eval(output, card)
    assert record["model"]["arguments"]["peft"] == "mine"
    for other, said in [
        ({"recipe": "llm/other.yaml"}, "its recipe is mine, the card's is other"),
        ({"trained_on": ("bioner_bc2gm",)}, "its trained_on is"),
        ({"train_strategy": "full"}, "its train_strategy is hybrid, the card's is full"),
        ({"train_ratio": 1.0}, "its train_ratio is 0.5"),
    ]:
        refused(output, said, replace(card, **other))
    arguments(output, lambda given: given.update(pretrained="evil/Qwen3-4B"))
    refused(output, f"its pretrained is evil/Qwen3-4B, the card's is {WEIGHTS}", card)


def test_a_providers_model_is_of_the_provider(output):
    card = read_card(ROOT / "baselines" / "gpt-4o.yaml")
    model = card.run["model_args"]["model"]
    as_messages(output)
    edit(output, "results_*.json", backend("openai-chat-completions", model=model, num_concurrent=4))
    assert from_lm_eval(output, card)
    for change, said in [
        (backend("openai-chat-completions", model="gpt-4.1"), "its pretrained is gpt-4.1"),
        (
            backend("openai-chat-completions", model=model, base_url="http://me/v1"),
            "its base_url is http://me/v1",
        ),
        (backend("local-chat-completions", model=model, base_url="http://me/v1"), "its model is local-chat"),
    ]:
        edit(output, "results_*.json", change)
        refused(output, said, card)


def as_messages(folder, more=()):
    """Write the prompts as lm-eval writes what it sends to a chat API."""

    def change(text, number, sample):
        turns = []
        while text != "<|assistant|>":
            role, _, text = text.removeprefix("<|").partition("|>")
            content, _, text = text.partition("<|end|>\n")
            turns.append({"role": role, "content": content})
        return [json.dumps([*more, *turns])]

    prompts(folder, change)
    edit(folder, "results_*.json", lambda results: results.update(chat_template="", chat_template_sha=None))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"role": "system", "content": "Drugs end in -ine."}, "holds the word 'Drugs'"),
        ({"role": "user", "content": "", "name": "gold"}, "a message has content, name, role"),
        ({"role": "developer", "content": ""}, "holds the word 'developer'"),
    ],
)
def test_messages_to_a_server_hold_the_turns_and_no_more(output, more, said):
    as_messages(output, [more])
    refused(output, said)


HONEST = {
    "vllm": backend(
        "vllm",
        pretrained=WEIGHTS,
        enable_thinking=False,
        think_end_token=None,
        tensor_parallel_size=2,
        gpu_memory_utilization=0.8,
        max_model_len=4096,
        dtype="bfloat16",
    ),
    "sglang": backend(
        "sglang", pretrained=WEIGHTS, enable_thinking=False, tp_size=2, mem_fraction_static=0.7
    ),
    "shared beginnings": backend("hf-prefix", pretrained=WEIGHTS, enable_thinking=False),
    "defaults said": backend(
        "hf", pretrained=WEIGHTS, enable_thinking=False, revision="main", trust_remote_code=False, peft=None
    ),
    "a string of arguments": lambda r: r["config"].update(
        model_args=f"pretrained={WEIGHTS},enable_thinking=False,dtype=bfloat16"
    ),
    "arguments of the template": backend(
        "hf", pretrained=WEIGHTS, chat_template_args={"enable_thinking": False}, tokenizer=WEIGHTS
    ),
    "a snapshot of the hub": backend(
        "hf", pretrained=f"/root/.cache/hub/models--Qwen--Qwen3-4B/snapshots/{SHA}/", enable_thinking=False
    ),
}


@pytest.mark.parametrize("kind", HONEST)
def test_an_honest_run_is_taken(output, kind):
    edit(output, "results_*.json", HONEST[kind])
    (record,) = from_lm_eval(output, CARD)
    assert record["model"]["arguments"]["pretrained"] == WEIGHTS
    if "snapshot" in kind:
        assert record["model"]["arguments"]["revision"] == SHA


def test_sampling_in_all_samples_is_taken_and_recorded(output):
    sampling = {"do_sample": True, "temperature": 5}
    edit_all(output, lambda sample: sample["arguments"]["gen_args_0"]["arg_1"].update(sampling))
    (record,) = from_lm_eval(output, CARD)
    assert record["setup"]["generation"].items() >= sampling.items()


def test_a_snapshot_must_be_the_cards_revision(output):
    edit(output, "results_*.json", HONEST["a snapshot of the hub"])
    pinned = {"pretrained": WEIGHTS, "enable_thinking": False, "revision": SHA}
    assert from_lm_eval(output, replace(CARD, run={"model": "hf", "model_args": pinned}))
    other = replace(CARD, run={"model": "hf", "model_args": pinned | {"revision": "0" * 40}})
    refused(output, f"its revision is {SHA}, the card's is 0000", other)


def test_a_folder_needs_a_card_that_names_it(run_folder, llm):
    named = {"pretrained": str(llm), "enable_thinking": False}
    card = replace(CARD, run={"model": "hf", "model_args": named})
    (record,) = from_lm_eval(run_folder, card)
    assert record["model"]["arguments"]["pretrained"] == llm.name
    refused(run_folder, f"its pretrained is {llm}, the card's is {WEIGHTS}")


def test_a_folder_called_like_the_weights_on_the_hub_is_not_them(output, tmp_path, monkeypatch):
    (tmp_path / WEIGHTS).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    refused(output, f"its pretrained is {tmp_path / WEIGHTS}, the card's is {WEIGHTS}")


@pytest.mark.slow
def test_a_run_from_python_is_taken_and_two_tasks_are_two_records(llm, tmp_path, monkeypatch):
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    environment = write_toy_corpus(tmp_path, ["Disease"])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracker = EvaluationTracker(output_path=str(tmp_path / "out"))
    results = simple_evaluate(
        model="hf",
        model_args=f"pretrained={llm},enable_thinking=False",
        tasks=["bioner_sample", "toy"],
        task_manager=TaskManager(
            include_path=[str(ROOT / "tasks"), str(tmp_path / "tasks")], include_defaults=False
        ),
        batch_size=16,
        device="cpu",
        apply_chat_template=True,
        gen_kwargs={"max_gen_toks": 8},
        evaluation_tracker=tracker,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, given in samples.items():
        tracker.save_results_samples(task_name=task, samples=given)
    (tmp_path / "card.yaml").write_text(
        f"system: mine\ntitle: Mine\nkind: llm\nrun:\n  model: hf\n  model_args:\n    pretrained: {llm}\n"
        "    enable_thinking: false\n"
    )
    add = ["leaderboard", "add", tmp_path / "out", "--system", tmp_path / "card.yaml"]
    made = call(*add, "--folder", tmp_path / "board", **environment).stdout.split()
    assert [Path(path).name for path in sorted(made)] == ["bioner_sample-0-shot.json", "toy-0-shot.json"]


@pytest.mark.slow
def test_a_run_whose_output_is_a_file_is_taken(tmp_path):
    options = ["--model", "bioner-empty", "--tasks", "bioner_sample", "--log_samples"]
    call("run", *options, "--output_path", tmp_path / "out" / "res.json")
    card = read_card(ROOT / "baselines" / "bioner-empty.yaml")
    (found,) = (tmp_path / "out").glob("res_*.json")
    for given in (tmp_path / "out" / "res.json", tmp_path / "out", found):
        assert len(from_lm_eval(given, card)) == 1
    with pytest.raises(BenchmarkError, match=r"no other_\*.json beside it"):
        from_lm_eval(tmp_path / "out" / "other.json", card)


@pytest.mark.slow
def test_a_server_that_serves_the_cards_weights_is_taken(tmp_path):
    server = Server()
    try:
        options = ["--tasks", "bioner_sample", "--apply_chat_template", "--log_samples"]
        options += [
            "--system_instruction",
            "You are an annotator.",
            "--num_fewshot",
            2,
            "--output_path",
            tmp_path,
        ]
        thinking = ["--gen_kwargs", '{"chat_template_kwargs": {"enable_thinking": false}}']
        given = f"model={WEIGHTS},base_url={server.url},num_concurrent=2"
        call(
            "run",
            "--model",
            "local-chat-completions",
            "--model_args",
            given,
            *options,
            *thinking,
            NO_PROXY="*",
        )
    finally:
        server.close()
    (record,) = from_lm_eval(tmp_path, CARD)
    assert record["setup"]["system_instruction"] == "You are an annotator."
    assert record["markup"]["around"][0] == "<system>\nYou are an annotator.\n<user>\n"
    thinking = read_card(ROOT / "baselines" / "qwen3-4b-thinking.yaml")
    refused(tmp_path, "enable_thinking is False, the card's is True", thinking)
    # The server is not told of model arguments.
    arguments(tmp_path, lambda given: given.update(enable_thinking=True))
    assert from_lm_eval(tmp_path, CARD)


@pytest.mark.parametrize("shots", [0, 2])
@pytest.mark.parametrize("template", [DATED, PERSONA, None], ids=["today's date", "a persona", "none"])
def test_prompts_of_honest_templates_are_taken(output, tmp_path, template, shots):
    """The prompts as transformers renders them."""
    from transformers import AutoTokenizer

    from bioner_bench.leaderboard.record_scores import expected

    tokenizer = AutoTokenizer.from_pretrained(write_llm(tmp_path / "llm", template=template or TEMPLATE))
    types = expected("bioner_sample").corpus.types
    system = "Mind the abbreviations."

    def render(text, number, sample):
        turns = prompt.messages(to_sentence(sample["doc"]), types)
        if template is None:
            return f"{system}\n\n{prompt.plain_text(turns)}"
        turns = [{"role": "system", "content": system}, *turns] if shots else turns
        return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)

    def change(results):
        results.update(chat_template=template, system_instruction=system if shots or not template else None)
        results["n-shot"]["bioner_sample"] = 0

    prompts(output, render)
    edit(output, "results_*.json", change)
    (record,) = from_lm_eval(output, CARD)
    assert len(record["markup"]["around"]) == 2
    assert bool(record["markup"]["dates"]) == (template == DATED)


def test_a_date_may_change_within_a_run(output):
    dated = "<|system|>Today Date: {} Jan 2026<|end|>\n"
    prompts(output, lambda text, number, sample: dated.format(30 + (number > 40)) + text)
    edit(output, "results_*.json", lambda r: r.update(chat_template=DATED))
    (record,) = from_lm_eval(output, CARD)
    assert record["markup"]["dates"] == ["30 Jan 2026", "31 Jan 2026"]
    assert record["markup"]["around"][0].startswith("<|system|>Today Date: {date}<|end|>")


def test_the_beginning_of_an_answer_may_be_declared(output):
    """The task puts it before the response, and the answers that are kept have it."""
    prefix = '{"Disease": ['
    prompts(output, lambda text, number, sample: text + prefix)
    edit(output, "results_*.json", lambda r: r["configs"]["bioner_sample"].update(gen_prefix=prefix))
    refused(output, "what was scored is not the response")
    edit_all(output, lambda s: s.update(filtered_resps=[prefix + s["resps"][0][0]]))
    (run,) = evaluated(output, CARD, rescore=True)
    assert run.record["setup"]["gen_prefix"] == prefix
    assert all(answer.startswith(prefix) for answer in run.outputs.values())


def refused(folder, said, card: Card = CARD):
    with pytest.raises(BenchmarkError, match=said) as caught:
        from_lm_eval(folder, card)
    assert "\n" not in str(caught.value)
