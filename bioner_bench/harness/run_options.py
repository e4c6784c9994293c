"""Options of `lm_eval run`: read from a command line, completed by files and weights, and written as one."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bioner_bench.evaluation import prompt
from bioner_bench.harness.masking import hide, masked, secrets_in
from bioner_bench.models.packaged import MODELS, base_and_adapter, ends_of_turn, resolve
from bioner_bench.schema import BenchmarkError

OWN_MODELS = {
    "bioner-oracle": "reference",
    "bioner-empty": "reference",
    "bioner-garbage": "reference",
    "dictionary": "dictionary",
    "encoder": "encoder",
    "hf-prefix": "llm",
}
"""Models of `lm_models`, which the stock `lm_eval` does not know, and the kinds of systems that they are."""

OF_A_TASK: Mapping[str, Any] = MappingProxyType(
    {"constrained": False, "format": prompt.JSON, "context": 0, "demonstrations": "random"}
)
"""What these tasks heed in `--metadata`, and its value where nothing is said; other keys are for others."""

Options = dict[str, Any]
"""Options of `lm_eval run` by their long names, in the form that its parser gives them."""


def read(words: Sequence[str]) -> Options:
    """What stands on a command line, by lm-eval's own parser; it ends the program on what it does not know.

    Raises:
        BenchmarkError: a value is no JSON.
    """
    for word in words:
        hide(secrets_in(word))
    parser = _parser()
    defaults = vars(parser.parse_args([]))
    try:
        found = vars(parser.parse_args(list(words)))
    except ValueError as error:  # JSON that is none
        raise BenchmarkError(str(error)) from error
    return {name: value for name, value in found.items() if name not in defaults or value != defaults[name]}


def with_config(options: Options) -> Options:
    """The options with those of a configuration file, `--config`, spelled out below them.

    So what is done with options is done with a file's as well. A file that has whole tasks in place of their
    names stays as it is, since a command line has no room for them.

    Raises:
        BenchmarkError: the file cannot be read, or has an option that lm-eval does not know.
    """
    if "config" not in options:
        return options
    from lm_eval.config.evaluate_config import EvaluatorConfig

    path = options["config"]
    asked = {name: value for name, value in options.items() if name != "config"}
    try:
        content = EvaluatorConfig.load_yaml_config(path)
    except (OSError, ValueError, TypeError) as error:
        raise BenchmarkError(f"--config: {' '.join(str(error).split())}") from error
    hide(secrets_in(Path(path).read_text("utf-8", "replace")))
    takes_a_value = {action.dest: action.nargs != 0 for action in _parser()._actions}
    if unknown := content.keys() - takes_a_value.keys():
        raise BenchmarkError(f"{path}: lm-eval has no option {', '.join(sorted(map(str, unknown)))}")
    tasks = content.get("tasks") if "tasks" not in asked else None
    if isinstance(tasks, list) and not all(isinstance(task, str) for task in tasks):
        return options
    return {
        name: value
        for name, value in (content | asked).items()
        if value not in (None, {}) and (value is not False or takes_a_value[name])
    }


def with_weights_to_load(options: Options) -> Options:
    """The options with what lm-eval loads in place of other names of weights.

    A packaged model is its folder, and a LoRA checkpoint that is named as `pretrained` its base model with
    the adapter, as transformers takes it. Adapters end their answers as they learned to.
    """
    of_model, generation = options.get("model_args") or {}, options.get("gen_kwargs") or {}
    named = of_model.get("pretrained")
    if not isinstance(named, str) or "config" in options:
        return options
    found = {"pretrained": named}
    ends: Options = {}
    if options.get("model", "hf") in ("hf", "hf-prefix"):
        if isinstance(adapter := of_model.get("peft"), str):
            ends = _generation_of(Path(adapter))
        elif adapter is None:
            found["pretrained"], folder, revision = base_and_adapter(named)
            if folder is not None:
                found["peft"] = str(folder)
                if revision and "revision" not in of_model:
                    found["revision"] = revision
                if "tokenizer" not in of_model and (folder / "tokenizer_config.json").is_file():
                    found["tokenizer"] = str(folder)
                ends = _generation_of(folder)
    if found["pretrained"] in MODELS:
        found["pretrained"] = resolve(found["pretrained"])
    generation = ends | generation
    more = {"gen_kwargs": generation} if generation else {}
    return options | {"model_args": of_model | found} | more


def without_penalty(options: Options) -> Options:
    """The options with greedy answers as they are meant: always the likeliest token.

    transformers heeds the `repetition_penalty` of a model's generation config in greedy answers as well. It
    would make a mention that occurs twice less likely to be copied twice.
    """
    of_model, generation = options.get("model_args") or {}, options.get("gen_kwargs") or {}
    if "config" in options or options.get("model", "hf") not in ("hf", "hf-prefix"):
        return options
    if "repetition_penalty" in generation or generation.get("do_sample") or "pretrained" not in of_model:
        return options
    from transformers import GenerationConfig

    try:
        found = GenerationConfig.from_pretrained(
            of_model["pretrained"], revision=of_model.get("revision", "main")
        )
    except OSError:  # it has none, or lm-eval will say that there is no such model
        return options
    if found.repetition_penalty in (None, 1.0):
        return options
    print(
        f"{of_model['pretrained']} asks for a repetition penalty of {found.repetition_penalty}; answers are "
        "greedy without it (--gen_kwargs repetition_penalty=1.0), unless you set one",
        file=sys.stderr,
    )
    return options | {"gen_kwargs": generation | {"repetition_penalty": 1.0}}


def _generation_of(adapter: Path) -> dict[str, Any]:
    """How a tuned checkpoint ends its answers; lm-eval takes the base model's settings, and would go on."""
    ends = ends_of_turn(adapter)
    return {"eos_token_id": ends, "repetition_penalty": 1.0} if ends else {}


def arguments(chosen: Mapping[str, Any]) -> list[str]:
    """The options as arguments, which lm-eval's parser turns into the same options."""
    spelled = {action.dest: action.option_strings[0] for action in _parser()._actions}
    made: list[str] = []
    for name, value in chosen.items():
        if value is True:
            made.append(spelled[name])
            continue
        text = _text(name, value)
        made += [f"{spelled[name]}={text}"] if text.startswith("-") else [spelled[name], text]
    return made


def command(chosen: Mapping[str, Any]) -> str:
    """The command line that does the same, to be shown and copied; secrets are masked."""
    shown = {
        name: masked(name, value) if isinstance(value, dict) else value for name, value in chosen.items()
    }
    program = "bioner-bench" if chosen["model"] in OWN_MODELS else "lm_eval"
    return shlex.join([program, "run", *arguments(shown)])


def _parser() -> Any:
    from lm_eval._cli import HarnessCLI

    return HarnessCLI()._subparsers.choices["run"]


def _text(name: str, value: Any) -> str:
    """An option's value as it is written on the command line."""
    if name == "cache_requests" and isinstance(value, dict):
        from lm_eval._cli.utils import request_caching_arg_to_dict

        words = ("true", "refresh", "delete")
        return next(word for word in words if request_caching_arg_to_dict(word) == value)
    if name == "samples" and isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, dict):
        plain = ",".join(f"{key}={item}" for key, item in value.items())
        return plain if _reads_back(plain, value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _reads_back(plain: str, value: Mapping[str, Any]) -> bool:
    """Whether lm-eval reads `key=value,...` as these values; else they must be written as JSON."""
    from lm_eval._cli.utils import key_val_to_dict

    if "{" in plain:  # it would be taken for JSON
        return False
    try:
        return repr(key_val_to_dict(plain)) == repr(dict(value))
    except ValueError:
        return False
