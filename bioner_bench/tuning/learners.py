"""Recipe -> the causal language model that learns: base weights, adapters, and what it is saved as."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, GenerationConfig
from transformers.pytorch_utils import Conv1D

from bioner_bench.models import hardware, packaged
from bioner_bench.models.chat import Chat
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import processes
from bioner_bench.tuning.recipes import LlmRecipe

_BEYOND_PEFT = ("out_proj", "conv1d")
"""Layers of models with a running state (Mamba) that peft cannot adapt."""


def load(recipe: LlmRecipe, chat: Chat) -> Any:
    """The model before its first step, on the processor; what is not trained is frozen.

    Raises:
        BenchmarkError: it is to begin from what fits neither the recipe nor its base model.
    """
    base, begin, revision = origin(recipe)
    source = packaged.resolve(base)
    options: dict[str, Any] = {"revision": revision} if revision else {}
    # On a processor half-precision weights are slower than float32 ones under autocast.
    on_processor = hardware.device() == "cpu"
    narrow = recipe.method == "lora" and not on_processor
    # There the fused attention is slow on the way back; docs/PERFORMANCE.md has the figures.
    if attention := recipe.attn_implementation or ("eager" if on_processor else None):
        options["attn_implementation"] = attention
    if recipe.quantization:
        options |= _in_four_bits(recipe)
    with packaged.loading(base):
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=hardware.dtype(recipe.precision) if narrow else torch.float32, **options
        )
    model.generation_config = _generation(model.generation_config, chat)
    if recipe.method == "lora":
        if recipe.gradient_checkpointing:
            model.enable_input_require_grads()
        return _continued(model, recipe, begin, revision) if begin else _adapted(model, recipe)
    if begin:
        model = PeftModel.from_pretrained(model, begin).merge_and_unload().requires_grad_(True)
    return model


def _in_four_bits(recipe: LlmRecipe) -> dict[str, Any]:
    """What `from_pretrained` is told so that it holds the weights in 4 bits, as QLoRA does."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise BenchmarkError("quantization: 4bit needs bitsandbytes; run: pip install bitsandbytes")
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=hardware.dtype(recipe.precision),
    )
    return {"quantization_config": config, "device_map": {"": processes.together().device}}


def origin(recipe: LlmRecipe) -> tuple[str, Path | None, str | None]:
    """The base model of a recipe, the LoRA checkpoint on it that training begins from, and its revision.

    Raises:
        BenchmarkError: the recipe names two such checkpoints, or one of another base model or revision.
    """
    base, begin, revision = packaged.base_and_adapter(recipe.model)
    revision = recipe.revision or revision
    if recipe.begin_from is None:
        return base, begin, revision
    if begin is not None:
        raise BenchmarkError(f"model and begin_from both name LoRA checkpoints; name the base model {base}")
    of_adapter, begin, at = packaged.base_and_adapter(recipe.begin_from)
    if begin is None:
        raise BenchmarkError(
            f"begin_from: {recipe.begin_from} holds no adapter (adapter_config.json); name it as model"
        )
    names = [packaged.name_of_folder(name) or name for name in (of_adapter, base)]
    if Path(names[0]).name != Path(names[1]).name:
        raise BenchmarkError(f"begin_from: {begin} was trained on {names[0]}, but model is {names[1]}")
    if at and at != revision:
        raise BenchmarkError(
            f"begin_from: {begin} was trained on {names[0]} at revision {at}; write revision: {at}"
        )
    return base, begin, revision


def _adapted(model: Any, recipe: LlmRecipe) -> PeftModel:
    targets = recipe.lora.targets
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.lora.r,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=linear_layers(model) if targets == "all-linear" else _names(targets),
    )
    return get_peft_model(model, config, revision=recipe.revision)


def _names(targets: str | Sequence[str]) -> str | list[str]:
    """As peft tells them apart: a string is a regular expression, a list has the ends of names."""
    return targets if isinstance(targets, str) else list(targets)


def _continued(model: Any, recipe: LlmRecipe, begin: Path, revision: str | None) -> PeftModel:
    config = LoraConfig.from_pretrained(begin)
    if (config.r, config.lora_alpha) != (recipe.lora.r, recipe.lora.alpha):
        raise BenchmarkError(
            f"{begin} has adapters of r {config.r} and alpha {config.lora_alpha}, the recipe asks for "
            f"{recipe.lora.r} and {recipe.lora.alpha}; write those of the checkpoint, or merge it first "
            "(bioner-bench models merge)"
        )
    config.lora_dropout, config.revision = recipe.lora.dropout, revision
    return PeftModel.from_pretrained(model, begin, is_trainable=True, config=config)


def linear_layers(model: Any) -> list[str]:
    """The linear layers of the part that reads and writes text, but for its output layer.

    peft's own `all-linear` takes those of a vision tower as well, and of Mamba what it then refuses.
    """
    decoder, head = model.get_decoder(), model.get_output_embeddings()
    path = next(name for name, module in model.named_modules() if module is decoder)
    return [
        f"{path}.{name}".removeprefix(".")
        for name, module in decoder.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D))
        and module is not head
        and not (hasattr(model.config, "mamba_d_ssm") and name.rpartition(".")[2] in _BEYOND_PEFT)
    ]


def save(model: Any, chat: Chat, recipe: LlmRecipe, out: Path) -> None:
    """Write adapters or weights, tokenizer and generation settings: all that a chat with the model needs.

    Weights are of the base model's dtype. The chat template carries the recipe's variables and its day.
    """
    base, _, revision = origin(recipe)
    options: dict[str, Any] = {"revision": revision} if revision else {}
    before = AutoConfig.from_pretrained(packaged.resolve(base), **options)
    if recipe.method == "full":
        model.to(getattr(before, "dtype", None) or torch.float32)
        model.config.use_cache = getattr(before, "use_cache", True)  # the Trainer switches it off
    model.save_pretrained(out)
    model.generation_config.save_pretrained(out)  # which peft leaves out
    if chat.template is not None:
        chat.tokenizer.chat_template = chat.template
    chat.tokenizer.save_pretrained(out)


def _generation(base: GenerationConfig, chat: Chat) -> GenerationConfig:
    """Greedy, with no penalties; it ends where the base model ends, and where training ends a turn."""
    ends = base.eos_token_id if isinstance(base.eos_token_id, list) else [base.eos_token_id]
    return GenerationConfig(
        do_sample=False,
        bos_token_id=base.bos_token_id,
        pad_token_id=base.pad_token_id,
        eos_token_id=list(dict.fromkeys([chat.end_of_turn, *(end for end in ends if end is not None)])),
    )
