"""A run and a card -> whether the run is of the system that the card describes.

What decides who answered must be the card's: the weights with their owner's name, adapters, revision,
arguments of the template. What says only how it ran (batches, devices, precision, where a server is) is free.
An argument that is neither known to be free nor named in the card is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bioner_bench.evaluation import prompt
from bioner_bench.harness import run_options
from bioner_bench.harness.cards import Card
from bioner_bench.harness.masking import masked
from bioner_bench.leaderboard.records import Json, Training
from bioner_bench.models import packaged
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.recipes import short_name

WEIGHTS = {"hf", "hf-auto", "huggingface", "hf-prefix", "vllm", "sglang"}
"""Backends that load weights and do no more: the same weights in another of them are the same system."""

SERVERS = {"local-completions", "local-chat-completions", "openai-completions", "openai-chat-completions"}
"""Backends that ask a server; `model` says what it serves."""

FREE = {
    *("batch_size", "max_batch_size", "device", "device_map", "device_map_option", "dtype", "softmax_dtype"),
    *("mixed_precision_dtype", "max_length", "max_model_len", "context_length", "max_gen_toks", "truncation"),
    *("truncation_side", "truncate", "logits_cache", "parallelize", "max_memory_per_gpu", "max_cpu_memory"),
    *("offload_folder", "tp_plan", "use_fast_tokenizer", "low_cpu_mem_usage", "attn_implementation"),
    *("tensor_parallel_size", "data_parallel_size", "pipeline_parallel_size", "gpu_memory_utilization"),
    *("enforce_eager", "swap_space", "max_num_seqs", "max_num_batched_tokens", "enable_prefix_caching"),
    *("enable_chunked_prefill", "chunked_prefill_size", "disable_log_stats", "max_lora_rank", "tp_size"),
    *("dp_size", "mem_fraction_static", "seed", "base_url", "num_concurrent", "max_retries", "timeout"),
    *("verify_certificate", "ca_cert_path", "header", "api_key", "auth_token", "tokenizer_backend"),
    *("tokenized_requests", "max_images", "share_prefix", "refill", "sort", "batch_tokens", "merge_adapter"),
    "confidence",
}
"""Model arguments that say how a system ran, not which it is. All are recorded, secrets aside."""

FREE_GENERATION = {
    *("until", "do_sample", "temperature", "top_p", "top_k", "min_p", "typical_p", "max_gen_toks"),
    *("max_tokens", "max_new_tokens", "max_completion_tokens", "min_tokens", "min_new_tokens", "seed"),
    *("repetition_penalty", "presence_penalty", "frequency_penalty", "no_repeat_ngram_size", "num_beams"),
    *("length_penalty", "early_stopping", "skip_special_tokens", "spaces_between_special_tokens"),
    *("ignore_eos", "eos_token_id", "use_cache", "logprobs", "top_logprobs"),
}
"""Options of a generation that say how the next token is chosen, or what is told of it. All are recorded."""

DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "revision": ("main",),
    "subfolder": ("",),
    "trust_remote_code": (False,),
    "autogptq": (False,),
    "gptqmodel": (False,),
    "load_in_4bit": (False,),
    "load_in_8bit": (False,),
    "backend": ("default", "causal"),
    "load_format": ("auto",),
    "tokenizer_mode": ("auto",),
    "add_bos_token": (False,),
    "ignore_case": (False,),
}
"""Values that say the same as leaving the argument out; None does for every argument."""

ASKED = MappingProxyType({name: run_options.OF_A_TASK[name] for name in ("constrained", "format", "context")})
"""Of a task's metadata: whether answers are held to a form while they are written, which format they have,
and how many sentences are shown on each side. Where a run, or a card, says nothing, they are these."""

_SNAPSHOT = re.compile(r"(?:^|/)models--(?P<name>[^/]+)/snapshots/(?P<revision>[0-9a-f]{7,64})$")


def check_card(
    path: Path,
    card: Card,
    source: str,
    arguments: Json,
    generation: Json,
    training: Training | None,
    asked: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Raise a `BenchmarkError` if a run is of another system than the card's.

    Args:
        path: of the run's results.
        card: the system that the record shall be of.
        source: lm-eval's name of the backend.
        arguments: of the backend, as the run had them.
        generation: options of the generation, the same for all sentences.
        training: how a checkpoint of this project was trained, if it is one.
        asked: what of `ASKED` the run had.
    """
    declared = dict(card.run.get("metadata", {}))
    if training:  # it answers as it was trained to
        declared["format"] = training["recipe"].get("format", prompt.JSON)
    if training and card.kind == "llm":  # an encoder reads context by itself
        declared["context"] = training["recipe"].get("context", 0)
    pairs: list[tuple[str, Any, Any]] = [
        (name, asked.get(name, usual), declared.get(name, usual)) for name, usual in ASKED.items()
    ]
    if source in run_options.OWN_MODELS:
        pairs += [("kind", run_options.OWN_MODELS[source], card.kind)]
    described = str(card.run.get("model", source))
    if not _interchangeable(source, described) or card.kind != "llm":
        pairs += [("model", source, described)]
    _compare(path, card, pairs)
    if training:
        _check_training(path, card, arguments, training)
    ran = _deciding(source, arguments, generation)
    wanted = _deciding(described, card.run.get("model_args", {}), card.run.get("gen_kwargs", {}), card=True)
    if training:  # which weights these are, its recipe says
        for name in ("pretrained", "peft", "lora_local_path", "revision"):
            ran.pop(name, None)
            wanted.pop(name, None)
        if ran.get("tokenizer") == _weights(arguments.get("peft")):  # saved with the adapter
            ran.pop("tokenizer", None)
    if not wanted.get("revision") and _snapshot(arguments.get("pretrained")):
        ran.pop("revision", None)  # a card that names no revision is of any
    for name in ("think_end_token", "trust_remote_code"):  # without them nothing else answers
        if name not in ran:
            wanted.pop(name, None)
    if ran.get("tokenizer") in (ran.get("pretrained"), packaged.hub_name(str(ran.get("pretrained")))):
        ran.pop("tokenizer", None)
    if described in SERVERS and described == source and not described.startswith("local"):
        pairs = [("base_url", arguments.get("base_url"), card.run.get("model_args", {}).get("base_url"))]
        _compare(path, card, pairs)
    _compare(path, card, [(name, ran.get(name), wanted.get(name)) for name in sorted(ran.keys() | wanted)])


def public_arguments(arguments: Json) -> Json:
    """Model arguments with names of the hub, or of packaged models, in place of the folders of a cache."""
    named = dict(arguments)
    for name in ("pretrained", "tokenizer"):
        if isinstance(arguments.get(name), str):
            named[name] = _weights(arguments[name])
            if name == "pretrained" and (found := _snapshot(arguments[name])):
                named.setdefault("revision", found["revision"])
    return named


def _compare(path: Path, card: Card, pairs: list[tuple[str, Any, Any]]) -> None:
    for name, ran, described in pairs:
        if ran == described or str(ran) == str(described):
            continue
        raise BenchmarkError(
            f"{path}: the run is not of {card.system}: its {name} is {_shown(ran)}, the card's is "
            f"{_shown(described)}; name the card of what was run, or write one"
        )


def _shown(value: Any) -> str:
    return "not set" if value is None else " ".join(str(value).split())[:200]


def _interchangeable(source: str, described: str) -> bool:
    """Whether two backends can run the same weights: not those of a provider, which keeps its own."""
    if source == described:
        return True
    return described in WEIGHTS | {"local-completions", "local-chat-completions"} and source in (
        WEIGHTS | SERVERS
    )


def _deciding(
    source: str, arguments: Mapping[str, Any], generation: Mapping[str, Any], card: bool = False
) -> Json:
    """The arguments of a run, or of a card, that decide what answers."""
    found: Json = {}
    given, options = dict(arguments), masked("gen_kwargs", generation)  # of a run it is without keys
    thinking = given.pop("enable_thinking", None)
    template = dict(_mapping(given.pop("chat_template_args", None)))
    if thinking is not None:
        template["enable_thinking"] = thinking
    if source in SERVERS:
        given["pretrained"] = given.pop("model", None) or given.get("pretrained")
        template = dict(_mapping(options.pop("chat_template_kwargs", None)))  # it is told nothing else
        if source.endswith("chat-completions"):
            given.pop("tokenizer", None)  # a chat is sent as it is
    for name, value in given.items():
        if name in FREE or value is None or value in DEFAULTS.get(name, ()):
            continue
        found[name] = _weights(value, card) if name in ("pretrained", "tokenizer") else value
    if snapshot := _snapshot(arguments.get("pretrained")):
        found.setdefault("revision", snapshot["revision"])
    found |= {f"template argument {name}": value for name, value in template.items() if value is not None}
    for name, value in options.items():
        if name not in FREE_GENERATION and value is not None:
            found[f"generation option {name}"] = value
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    """Arguments in arguments; lm-eval takes them as JSON in a string as well."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {"": value}
    if value is not None and not isinstance(value, Mapping):
        return {"": value}
    return value or {}


def _snapshot(value: Any) -> re.Match[str] | None:
    return _SNAPSHOT.search(str(value).replace("\\", "/").rstrip("/")) if value else None


def _weights(value: Any, card: bool = False) -> str:
    """The name of weights: owner and name on the hub, a packaged model, or a folder's path.

    A name for which the current folder has a folder is that one to lm-eval, but not in a card.
    """
    text = str(value).replace("\\", "/").rstrip("/")
    if found := _SNAPSHOT.search(text):
        return found["name"].replace("--", "/", 1)
    if name := packaged.name_of_folder(text):
        return name
    folder = Path(text).expanduser()
    here = not card and text not in packaged.MODELS and folder.is_dir()
    local = here or text.startswith(("/", ".", "~"))
    return str(folder.absolute()) if local else text


def _check_training(path: Path, card: Card, arguments: Json, training: Training) -> None:
    """What this project trained must be what the card says was trained."""
    recipe = training["recipe"]
    described = Path(card.recipe).stem if card.recipe else card.system if card.train_strategy else None
    if recipe["name"] in {f"{described}-{short_name(task)}" for task in card.trained_on}:
        described = recipe["name"]  # one checkpoint of a family
    pairs: list[tuple[str, Any, Any]] = [
        ("recipe", recipe["name"], described),
        ("trained_on", list(recipe["train"]), list(card.trained_on)),
    ]
    if chosen := recipe.get("select"):
        pairs += [("train_strategy", chosen["strategy"], card.train_strategy)]
        pairs += [("train_ratio", chosen["ratio"], card.train_ratio)]
    adapter = arguments.get("peft") or arguments.get("lora_local_path")
    if adapter:
        pairs += [("pretrained", _weights(arguments.get("pretrained")), _weights(recipe.get("model")))]
        pairs += [("revision", arguments.get("revision") or "main", recipe.get("revision") or "main")]
    _compare(path, card, pairs)
