"""Running a system by its card: whose option counts, what is shown, and what cannot be run."""

import json
import shlex
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from command_line import call, fails
from conftest import ROOT

from bioner_bench.harness import run_options, systems
from bioner_bench.harness.cards import Card, read_cards
from bioner_bench.harness.masking import masked, secrets_in
from bioner_bench.harness.run_options import read
from bioner_bench.schema import BenchmarkError

FOLDER = ROOT / "baselines"
CARDS = read_cards(FOLDER)
TASKS = ["--tasks", "bioner_ncbi"]

WINDOWS = {"minilm-context": 128}
"""The longest windows of encoders that are cut shorter than the base model could read."""

CARD = Card(
    "good",
    "Good",
    "llm",
    run={
        "model": "hf",
        "model_args": {"pretrained": "org/model", "enable_thinking": False},
        "apply_chat_template": True,
        "num_fewshot": 5,
        "gen_kwargs": {"max_gen_toks": 4096, "temperature": 0.6},
        "batch_size": 16,
        "metadata": {"demonstrations": "retrieved"},
    },
)


def chosen(*given, card=CARD, folder=FOLDER):
    return run_options.with_weights_to_load(systems.options(card, folder, read([*TASKS, *given])))


def parsed(arguments):
    """What lm-eval's parser makes of arguments, without what it adds by itself."""
    from lm_eval._cli import HarnessCLI

    parser = HarnessCLI()._subparsers.choices["run"]
    defaults = vars(parser.parse_args([]))
    found = vars(parser.parse_args(arguments)).items()
    return {name: value for name, value in found if name not in defaults or value != defaults[name]}


# --- whose option counts ---------------------------------------------------------------------------------


def test_the_card_gives_what_the_user_leaves_out():
    assert chosen() == {**CARD.run, "tasks": ["bioner_ncbi"]}


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        (["--model", "vllm"], "model", "vllm"),
        (["-M", "vllm"], "model", "vllm"),
        (["--num_fewshot", "0"], "num_fewshot", 0),
        (["-f", "1"], "num_fewshot", 1),
        (["--batch_size=auto:4"], "batch_size", "auto:4"),
        (["--apply_chat_template", "tool_use"], "apply_chat_template", "tool_use"),
        (["--apply_chat_template", "false"], "apply_chat_template", None),
        (["--apply_chat_template", ""], "apply_chat_template", None),
        (["--limit", "0.5"], "limit", 0.5),
        (["--model_args", "dtype=float32"], "model_args", {**CARD.run["model_args"], "dtype": "float32"}),
        (
            ["--model_args", "enable_thinking=True,pretrained=/a/b"],
            "model_args",
            {"pretrained": "/a/b", "enable_thinking": True},
        ),
        (
            ["-a", '{"enable_thinking": true}', "--model_a", "pretrained=x"],
            "model_args",
            {"pretrained": "x", "enable_thinking": True},
        ),
        (["--gen_kwargs", "temperature=0"], "gen_kwargs", {"max_gen_toks": 4096, "temperature": 0}),
        (
            ["--gen_kwargs", "temperature=0", 'until=["a,b"]'],
            "gen_kwargs",
            {"max_gen_toks": 4096, "temperature": 0, "until": ["a,b"]},
        ),
        (["--metadata", '{"demonstrations": "random"}'], "metadata", {"demonstrations": "random"}),
        (["--metadata", "other=1"], "metadata", {"demonstrations": "retrieved", "other": 1}),
    ],
)
def test_what_the_user_gives_wins(given, name, value):
    found = chosen(*given)
    assert found.get(name) == value
    assert {key: found[key] for key in CARD.run if key != name} == {
        key: CARD.run[key] for key in CARD.run if key != name
    }


def test_demonstrations_of_a_language_model_are_fixed_where_nothing_is_said():
    card = replace(CARD, run={"model": "hf", "model_args": {"pretrained": "org/model"}})
    assert chosen("--num_fewshot", "5", card=card)["metadata"] == {"demonstrations": "fixed"}
    random = {"demonstrations": "random"}
    given = ["--metadata", json.dumps(random), "--num_fewshot", "5"]
    assert chosen(*given, card=card)["metadata"] == random
    assert "metadata" not in chosen(card=card)
    assert "metadata" not in chosen("--num_fewshot", "0", card=card)
    encoder = replace(card, kind="encoder")
    assert "metadata" not in chosen("--num_fewshot", "5", card=encoder)


def test_the_card_is_left_as_it_was():
    before = repr(CARD)
    chosen("--model_args", "pretrained=x", "--gen_kwargs", "temperature=0")
    assert repr(CARD) == before


def test_a_packaged_model_becomes_its_folder(monkeypatch):
    monkeypatch.setattr(run_options, "resolve", lambda name: f"/prepared/{name}")
    smollm = CARDS["smollm2-135m-instruct"]
    assert chosen(card=smollm)["model_args"]["pretrained"] == "/prepared/smollm2-135m"
    given = chosen("--model_args", "pretrained=minilm-l6-v2", card=smollm)
    assert given["model_args"] == {"pretrained": "/prepared/minilm-l6-v2", "dtype": "float32"}


# --- back to a command line ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        ["--limit", "5", "--log_samples", "--output_path", "out folder"],
        ["--limit", "1234567", "--seed", "0,None,8,52", "--predict_only", "--device", "cpu"],
        ["--samples", '{"bioner_ncbi": [0, 1]}', "--cache_requests", "--use_cache", "a"],
        ["--cache_requests", "refresh", "--fewshot_as_multiturn", "false", "-s", "-w"],
        [
            "--fewshot_as_multiturn",
            "--system_instruction",
            'Be brief.\n- "Quote" it\'s',
            "--verbosity",
            "debug",
        ],
        ["--system_instruction=-x", "--include_path", "p", "--wandb_args", "project=a,name=b"],
        ["--model_args", '{"a": "1", "b": "True", "c": null, "d": {"e": [1, "x,y"]}, "f": "k=v,w=x"}'],
        ["--model_args", "a=-1", "b=1e-5", "c=None", "d=True", "think_end_token=</think>", "e=007", "f='q'"],
        ["--gen_kwargs", 'until=["\\n\\n","</s>"],temperature=0.6'],
    ],
)
def test_arguments_are_read_as_the_same_options(given):
    found = chosen(*given)
    again = parsed(run_options.arguments(found))
    assert again.pop("batch_size") == str(found.pop("batch_size"))
    assert repr(sorted(again.items())) == repr(sorted(found.items()))


@pytest.mark.parametrize("system", [name for name, card in CARDS.items() if card.run])
def test_every_card_that_can_be_run_gives_arguments_that_lm_eval_takes(system, monkeypatch):
    import lm_eval.models

    card = CARDS[system]
    monkeypatch.setattr(run_options, "resolve", lambda name: name)
    given = ["--model_args", "pretrained=trained"] if card.recipe else []
    found = parsed(run_options.arguments(chosen(*given, card=card)))
    if card.recipe:
        assert found["model_args"].pop("pretrained") == "trained"
        assert found["model_args"].pop("max_length", None) == WINDOWS.get(system)
    assert found.pop("tasks") == ["bioner_ncbi"]
    assert found["model"] in {*lm_eval.models.MODEL_MAPPING, *run_options.OWN_MODELS}
    assert {name: str(value) for name, value in found.items()} == {
        name: str(value) for name, value in card.run.items()
    }


def test_own_models_are_those_that_the_package_declares():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(run_options.OWN_MODELS) == set(project["entry-points"]["lm_eval.models"])


def test_the_command_names_the_program_that_knows_the_model():
    assert run_options.command(chosen("--limit", "5")).startswith(
        "lm_eval run --model hf --model_args pretrained=org/"
    )
    assert run_options.command(chosen(card=CARDS["dictionary"])) == (
        "bioner-bench run --model dictionary --tasks bioner_ncbi"
    )


@pytest.mark.parametrize(
    "given",
    [
        ["--model_args", "api_key=0042-secret"],
        ["--model_args", "api_key=0042"],
        ["--model_args", '{"headers": {"Authorization": "Bearer 0042"}}'],
        ["--model_args", "base_url=https://user:0042@host/v1?key=0042"],
        ["--hf_hub_log_args", "token=hf_0042"],
        ["-a", "token=0042"],
    ],
)
def test_secrets_are_used_and_not_shown(given):
    found = chosen(*given)
    assert "42" in " ".join(run_options.arguments(found))
    assert "42" not in run_options.command(found)
    assert shlex.split(run_options.command(found))[:2] == ["lm_eval", "run"]


@pytest.mark.parametrize(
    "text",
    [
        "base_url=http://h/v1?api_key=planted-1",
        "base_url=http://h/v1?api_key=planted-1&version=1",
        "base_url=http://planted-1@h/v1,model=m",
        "base_url=http://user:planted-1@h/v1,model=m",
        '{"header": {"Authorization": "Token planted-1"}}',
        "header:\n  Authorization: AWS4-HMAC-SHA256 planted-1\n",
        "api_key: planted-1\nmodel: m\n",
        "extra_headers.Authorization=Bearer planted-1",
    ],
)
def test_secrets_are_found_in_options_and_files(text):
    assert "planted-1" in set(secrets_in(text))


def test_words_that_only_look_like_secrets_are_shown():
    assert masked("model_args", {"think_end_token": "</think>", "max_tokens": 3}) == {
        "think_end_token": "</think>",
        "max_tokens": 3,
    }


# --- what cannot be run ----------------------------------------------------------------------------------


def test_a_system_is_a_name_or_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert systems.find("dictionary") == Path("baselines/dictionary.yaml")
    assert systems.find("elsewhere/x.yaml") == Path("elsewhere/x.yaml")
    assert systems.find("x.yaml") == Path("x.yaml")
    monkeypatch.chdir(tmp_path)
    assert systems.find("dictionary") == FOLDER / "dictionary.yaml"


@pytest.mark.parametrize(
    ("system", "said"),
    [("qwen3-06b", r"did you mean qwen3-0\.6b"), ("dictionairy", "dictionary"), ("zzz", "README.md")],
)
def test_an_unknown_system_is_met_with_suggestions(system, said):
    with pytest.raises(BenchmarkError, match=said):
        systems.find(system, FOLDER)


def test_a_card_of_figures_alone_cannot_be_run():
    with pytest.raises(BenchmarkError, match="gpt-4 cannot be run: its card has no `run`"):
        chosen(card=CARDS["gpt-4"])


def test_a_task_must_be_named_and_a_configuration_is_refused():
    with pytest.raises(BenchmarkError, match="no task is named"):
        systems.options(CARD, FOLDER, read(["--limit", "5"]))
    with pytest.raises(BenchmarkError, match="--system and --config"):
        chosen("--config", "x.yaml")
    with pytest.raises(BenchmarkError, match="Invalid JSON"):
        chosen("--model_args", "{'a': 1}")


CONFIG = """
model: hf
model_args: {pretrained: smollm2-135m, dtype: float32}
tasks: [bioner_sample, bioner_ncbi]
num_fewshot: 0
apply_chat_template: true
log_samples: false
fewshot_as_multiturn: false
seed: [0, 1, null, 3]
"""


def test_a_configuration_file_is_the_same_as_its_options(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    assert run_options.with_config(read(["--config", str(path), "--limit", "5"])) == {
        "model": "hf",
        "model_args": {"pretrained": "smollm2-135m", "dtype": "float32"},
        "tasks": ["bioner_sample", "bioner_ncbi"],
        "num_fewshot": 0,
        "apply_chat_template": True,
        "fewshot_as_multiturn": False,
        "seed": [0, 1, None, 3],
        "limit": 5,
    }
    made = run_options.with_config(read(["--config", str(path), "--model_args", "pretrained=mine"]))
    assert made["model_args"] == {"pretrained": "mine"}
    path.write_text("tasks: [{task: bioner_sample, num_fewshot: 2}]")
    assert run_options.with_config({"config": str(path)}) == {"config": str(path)}
    assert run_options.with_config({"limit": 5}) == {"limit": 5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b", "lm-eval has no option a"),
        ("- a", "must be a mapping"),
        ("{", "Invalid YAML"),
        (None, "not found"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_one_line(tmp_path, text, said):
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BenchmarkError, match=said) as caught:
        run_options.with_config({"config": str(path)})
    assert "\n" not in str(caught.value)


def test_what_lm_eval_does_not_know_ends_as_lm_eval_ends_it(capsys):
    with pytest.raises(SystemExit):
        chosen("--no_such_option")
    assert "--no_such_option" in capsys.readouterr().err


def test_a_checkpoint_is_found_or_the_error_says_how_to_make_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    card = CARDS["minilm-ncbi"]
    with pytest.raises(BenchmarkError) as caught:
        chosen(card=card)
    said = str(caught.value)
    assert "checkpoints/minilm-ncbi-seed-1" in said
    assert f"bioner-bench train {FOLDER / 'encoders' / 'minilm.yaml'} --task bioner_ncbi" in said
    assert "\n" not in said
    folder = tmp_path / "checkpoints" / "minilm-ncbi-seed-1"
    folder.mkdir(parents=True)
    with pytest.raises(BenchmarkError, match="trained first"):  # a killed run
        chosen(card=card)
    (folder / "training.json").write_text("{}")
    assert chosen(card=card)["model_args"] == {
        "dtype": "float32",
        "pretrained": "checkpoints/minilm-ncbi-seed-1",
    }
    other = chosen("--model_args", "pretrained=checkpoints/minilm-ncbi-seed-2", card=card)
    assert other["model_args"]["pretrained"] == "checkpoints/minilm-ncbi-seed-2"


def trained(folder, *names):
    for name in names:
        (folder / "checkpoints" / name).mkdir(parents=True)
        (folder / "checkpoints" / name / "training.json").write_text("{}")


def test_a_family_answers_each_corpus_with_its_own_checkpoint(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = ("ncbi", "bc5cdr-disease", "bc5cdr-chem", "bc2gm", "bc5cdr", "jnlpba", "linnaeus")
    trained(tmp_path, *(f"minilm-{name}-seed-1" for name in names))
    given = ["--tasks", "bioner,bioner_sample", "--limit", "5"]
    made = systems.runs(CARDS["minilm"], FOLDER, read(given))
    assert {tuple(run["tasks"]): run["model_args"]["pretrained"] for run in made} == {
        ("bioner_ncbi",): "checkpoints/minilm-ncbi-seed-1",
        ("bioner_bc5cdr_disease",): "checkpoints/minilm-bc5cdr-disease-seed-1",
        ("bioner_bc5cdr_chem", "bioner_nlmchem"): "checkpoints/minilm-bc5cdr-chem-seed-1",
        ("bioner_bc2gm", "bioner_nlmgene"): "checkpoints/minilm-bc2gm-seed-1",
        ("bioner_bc5cdr",): "checkpoints/minilm-bc5cdr-seed-1",
        ("bioner_jnlpba",): "checkpoints/minilm-jnlpba-seed-1",
        ("bioner_linnaeus",): "checkpoints/minilm-linnaeus-seed-1",
    }
    assert all(run["limit"] == 5 for run in made)
    assert capsys.readouterr().err == "Not run: minilm has no checkpoint for bioner_sample.\n"
    with pytest.raises(BenchmarkError, match="minilm has no checkpoint for bioner_sample; it has them for"):
        systems.runs(CARDS["minilm"], FOLDER, read(["--tasks", "bioner_sample"]))


def test_options_of_members_of_a_group_are_not_lost_in_silence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yaml"
    given = ["--tasks", "mine", "--include_path", str(tmp_path)]
    path.write_text("group: mine\ntask:\n  - task: bioner_ncbi\n    num_fewshot: 2\n  - bioner_bc2gm\n")
    with pytest.raises(BenchmarkError, match="the group mine sets options of its members") as caught:
        systems.runs(CARDS["minilm"], FOLDER, read(given))
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    path.write_text("group: mine\ntask: [bioner_ncbi, bioner_bc2gm]\n")
    trained(tmp_path, "minilm-ncbi-seed-1", "minilm-bc2gm-seed-1")
    made = systems.runs(CARDS["minilm"], FOLDER, read(given))
    assert [run["tasks"] for run in made] == [["bioner_ncbi"], ["bioner_bc2gm"]]


def test_one_checkpoint_of_a_family_can_be_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained(tmp_path, "minilm-ncbi-seed-1")
    given = ["--tasks", "bioner_bc5cdr_disease"]
    (elsewhere,) = systems.runs(CARDS["minilm-ncbi"], FOLDER, read(given))
    assert elsewhere["model_args"]["pretrained"] == "checkpoints/minilm-ncbi-seed-1"
    (seed,) = systems.runs(CARDS["minilm"], FOLDER, read([*given, "--model_args", "pretrained=x"]))
    assert (seed["tasks"], seed["model_args"]["pretrained"]) == (["bioner_bc5cdr_disease"], "x")
    with pytest.raises(BenchmarkError, match="--task bioner_bc5cdr_disease"):
        systems.runs(CARDS["minilm"], FOLDER, read(given))


def test_a_family_may_be_checkpoints_of_others():
    card = Card(
        "s",
        "S",
        "encoder",
        checkpoints={"bioner_ncbi": "org/ncbi", "bioner_bc2gm": "org/genes"},
        run={"model": "encoder", "model_args": {"dtype": "float32"}},
    )
    made = systems.runs(card, FOLDER, read(["--tasks", "bioner_nlmgene,bioner_ncbi"]))
    assert [(run["tasks"], run["model_args"]["pretrained"]) for run in made] == [
        (["bioner_nlmgene"], "org/genes"),
        (["bioner_ncbi"], "org/ncbi"),
    ]


def test_an_adapter_is_loaded_with_its_base_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_options, "resolve", lambda name: f"/prepared/{name}")
    card = CARDS["smollm2-135m-ncbi-hybrid-50"]
    with pytest.raises(BenchmarkError, match="trained first"):
        chosen(card=card)
    for seed in (1, 2):
        folder = tmp_path / "checkpoints" / f"smollm2-135m-ncbi-hybrid-50-seed-{seed}"
        folder.mkdir(parents=True)
        (folder / "training.json").write_text("{}")
        (folder / "generation_config.json").write_text('{"eos_token_id": [2, 0]}')
    base = {"dtype": "float32", "pretrained": "/prepared/smollm2-135m"}
    first, second = (f"checkpoints/smollm2-135m-ncbi-hybrid-50-seed-{seed}" for seed in (1, 2))
    assert chosen(card=card)["model_args"] == base | {"peft": first, "tokenizer": first}
    other = chosen("--model_args", f"peft={second}", "--gen_kwargs", "max_gen_toks=9", card=card)
    assert other["model_args"] == base | {"peft": second, "tokenizer": second}
    # What lm-eval would take from the base model: where a turn ends, and penalties.
    plain = {"eos_token_id": [2, 0], "repetition_penalty": 1.0}
    assert other["gen_kwargs"] == {"max_gen_toks": 9} | plain
    assert "peft" not in chosen("--model_args", "pretrained=merged", card=card)["model_args"]


@pytest.mark.parametrize("each", [False, True])
def test_weights_that_the_user_names_are_read_and_asked_as_the_recipe_says(tmp_path, each):
    plain = {"model": "x", "seed": 1, "epochs": 1, "learning_rate": 0.1, "context": 1, "max_length": 64}
    plain |= {"each": ["bioner_ncbi", "bioner_bc2gm"]} if each else {"train": ["bioner_ncbi"]}
    (tmp_path / "encoder.yaml").write_text(yaml.safe_dump(plain | {"kind": "encoder"}))
    (tmp_path / "llm.yaml").write_text(yaml.safe_dump(plain | {"kind": "llm", "format": "tags"}))
    cards = {
        kind: Card("s", "S", kind, recipe=f"{kind}.yaml", run={"model": "hf"}) for kind in ("encoder", "llm")
    }
    given = ["--model_args", "pretrained=mine"]
    (encoder,) = systems.runs(cards["encoder"], tmp_path, read([*TASKS, *given]))
    assert (encoder["model_args"], encoder.get("metadata")) == (
        {"pretrained": "mine", "max_length": 64},
        None,
    )
    (llm,) = systems.runs(cards["llm"], tmp_path, read([*TASKS, *given]))
    assert (llm["model_args"], llm["metadata"]) == ({"pretrained": "mine"}, {"format": "tags", "context": 1})
    own = chosen("--model_args", "pretrained=mine,max_length=32", card=cards["encoder"], folder=tmp_path)
    assert own["model_args"]["max_length"] == 32
    own = chosen(*given, "--metadata", "format=json", card=cards["llm"], folder=tmp_path)
    assert own["metadata"] == {"format": "json", "context": 1}


# --- the command -----------------------------------------------------------------------------------------


def test_run_by_name_from_end_to_end(tmp_path):
    done = call(
        *("run", "--tasks", "bioner_sample", "--system", "dictionary", "--limit", 5),
        *("--log_samples", "--output_path", tmp_path),
        cwd=ROOT,
    )
    assert "strict_f1" in done.stdout
    (shown,) = [line for line in done.stderr.splitlines() if line.startswith("$ ")]
    assert shown == (
        "$ bioner-bench run --model dictionary --tasks bioner_sample --limit 5 "
        f"--output_path {tmp_path} --log_samples"
    )
    assert parsed(shlex.split(shown)[3:])["tasks"] == ["bioner_sample"]
    (samples,) = tmp_path.glob("**/samples_bioner_sample_*.jsonl")
    assert len(samples.read_text(encoding="utf-8").splitlines()) == 5


def test_errors_of_run_are_one_line(tmp_path):
    card = FOLDER / "minilm-ncbi.yaml"
    assert "bioner-bench train" in fails("run", "--system", card, *TASKS, cwd=tmp_path)
    assert "gpt-4 cannot be run" in fails("run", "--system", FOLDER / "gpt-4.yaml", *TASKS)
    assert "cannot read the card" in fails("run", "--system", tmp_path / "none.yaml", *TASKS)


def test_help_of_run_tells_of_systems():
    assert "--system" in call("run", "--help").stdout


def test_a_penalty_of_the_model_does_not_reach_greedy_answers(tmp_path, capsys):
    (tmp_path / "generation_config.json").write_text('{"repetition_penalty": 1.1}')
    given = [
        "--model",
        "hf",
        "--model_args",
        f"pretrained={tmp_path},dtype=float32",
        "--tasks",
        "bioner_ncbi",
    ]
    made = run_options.without_penalty(read(given))
    assert made["gen_kwargs"] == {"repetition_penalty": 1.0}
    assert made["model_args"] == {"pretrained": str(tmp_path), "dtype": "float32"}
    assert "asks for a repetition penalty of 1.1" in capsys.readouterr().err
    for own in ("repetition_penalty=1.2", "do_sample=true"):
        asked = [*given, "--gen_kwargs", own]
        assert run_options.without_penalty(read(asked)) == read(asked)
    (tmp_path / "generation_config.json").write_text("{}")
    assert run_options.without_penalty(read(given)) == read(given)


def test_a_checkpoint_of_adapters_can_be_named_as_weights(tmp_path):
    """As transformers takes it; lm-eval wants its base model, and its own end of a turn is lost there."""
    for name, content in (
        ("adapter_config", {"base_model_name_or_path": "some/base"}),
        ("generation_config", {"eos_token_id": [2, 7]}),
        ("tokenizer_config", {}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    given = ["--model", "hf-prefix", "--model_args", f"pretrained={tmp_path},dtype=float32"]
    made = run_options.with_weights_to_load(read([*given, "--gen_kwargs", "max_gen_toks=9"]))
    assert made["model_args"] == {
        "pretrained": "some/base", "peft": str(tmp_path), "tokenizer": str(tmp_path), "dtype": "float32"
    }  # fmt: skip
    assert made["gen_kwargs"] == {"eos_token_id": [2, 7], "repetition_penalty": 1.0, "max_gen_toks": 9}
    (tmp_path / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "some/base", "revision": "0123abc"}'
    )
    for more, at in (("", "0123abc"), (",revision=mine", "mine")):
        made = run_options.with_weights_to_load(read([*given[:3], given[3] + more]))
        assert made["model_args"]["revision"] == at
    others = ["--model", "vllm", *given[2:]]
    assert run_options.with_weights_to_load(read(others)) == read(others)


def test_adapters_end_their_answers_as_they_learned_to_wherever_they_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(run_options, "resolve", lambda name: name)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [2, 7]}')
    plain = {"eos_token_id": [2, 7], "repetition_penalty": 1.0}
    weights = f"pretrained=some/base,peft={tmp_path}"
    given = ["--model", "hf", "--model_args", weights]
    made = run_options.with_weights_to_load(read(given))
    assert made["gen_kwargs"] == plain
    assert made["model_args"] == {"pretrained": "some/base", "peft": str(tmp_path)}
    own = [*given, "--gen_kwargs", "repetition_penalty=1.2"]
    made = run_options.with_weights_to_load(read(own))
    assert made["gen_kwargs"] == plain | {"repetition_penalty": 1.2}
    for others in (["--model", "vllm", *given[2:]], [*given[:3], "pretrained=some/base,peft=org/adapter"]):
        assert run_options.with_weights_to_load(read(others)) == read(others)
    # The command that a run by its card shows has it too.
    by_card = chosen("--model_args", weights, card=CARDS["smollm2-135m-ncbi-hybrid-50"])
    assert by_card["gen_kwargs"] == plain


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"base_model_name_or_path": '])
def test_a_checkpoint_that_was_cut_is_named(tmp_path, content):
    (tmp_path / "adapter_config.json").write_text(content)
    with pytest.raises(BenchmarkError, match=r"adapter_config\.json is cut or names no base model"):
        run_options.with_weights_to_load(read(["--model_args", f"pretrained={tmp_path}"]))
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "some/base"}')
    (tmp_path / "generation_config.json").write_text('{"eos')
    with pytest.raises(BenchmarkError, match=r"generation_config\.json is cut"):
        run_options.with_weights_to_load(read(["--model_args", f"pretrained={tmp_path}"]))
