"""Tiny models of random weights of many families, each with the marks that its chats are written in.

Templates are ours: short, with what sets a family apart: who starts a text, where a turn ends, what opens
an answer, whether the day is in it. Prompts are a good deal longer than the sliding windows.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from bioner_bench.tuning.rows import rows_of

torch.set_num_threads(1)  # for matrices this small, threads wait longer than they work

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 1024,
    "initializer_range": 0.4,
}

TURNS = (
    "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{%- if m.role == 'assistant' and loop.last and THINKS %}{{ '<think>\n\n</think>\n\n' }}{%- endif %}"
    "{{ m.content + '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{%- if THINKS and enable_thinking is defined and not enable_thinking %}"
    "{{ '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
CHATML, THINKING = TURNS.replace("THINKS", "false"), TURNS.replace("THINKS", "true")

LLAMA = (
    "{{- bos_token }}{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    "{%- set date_string = strftime_now(\"%d %b %Y\") %}{%- else %}{%- set date_string = '26 Jul 2024' %}"
    "{%- endif %}{%- endif %}"
    "{{- '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' + date_string + '\n\n<|eot_id|>' }}"
    "{%- for m in messages %}"
    "{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)

GEMMA = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' }}"
    "{{ m['content'] | trim }}{{ '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

MISTRAL = (
    "{{- bos_token }}{%- for m in messages %}{%- if m['role'] == 'user' %}"
    "{{- '[INST] ' + m['content'] + '[/INST]' }}{%- else %}{{- ' ' + m['content'] + eos_token }}"
    "{%- endif %}{%- endfor %}"
)

PHI = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)

SMOL = (
    "{{- '<|im_start|>system\n## Metadata\n\nToday Date: ' ~ strftime_now('%d %B %Y') ~ '\n<|im_end|>\n' }}"
    + TURNS.replace("THINKS", "(enable_thinking is defined and not enable_thinking)")
)

HARMONY = (
    "{%- macro system() %}{{- 'Current date: ' + strftime_now(\"%Y-%m-%d\") + '\n\nReasoning: ' }}"
    "{{- reasoning_effort | default('medium') }}{%- endmacro %}"
    "{{- '<|start|>system<|message|>' }}{{- system() }}{{- '<|end|>' }}"
    "{%- for m in messages %}{%- if m['role'] == 'assistant' %}"
    "{{- '<|start|>assistant<|channel|>final<|message|>' + m['content'] }}"
    "{{- '<|return|>' if loop.last else '<|end|>' }}"
    "{%- else %}{{- '<|start|>' + m['role'] + '<|message|>' + m['content'] + '<|end|>' }}{%- endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}"
)

OLMO = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'assistant' %}"
    "{{ '<|assistant|>\n' + m['content'] }}{{ eos_token if loop.last else eos_token + '\n' }}"
    "{% else %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """A configuration class of transformers, a chat template, and the tokens that it is written with.

    `ends` is the token that ends a turn, `opening` what the template writes before an answer. `spaces` says
    how words are told apart: `bytes`, or `metaspace` (SentencePiece), or `prefix` (the same, where every text
    is given a first space). `epochs` and `learning_rate` are what it takes to learn eight rows by heart.
    """

    config: str
    template: str
    bos: str | None
    eos: str
    ends: str
    special: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    spaces: str = "bytes"
    sizes: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    opening: str = ""
    epochs: int = 70
    learning_rate: float = 2e-2


IM = ("<|im_start|>", "<|im_end|>")
MAMBA = {"mamba_d_ssm": 32, "mamba_n_heads": 2, "mamba_d_head": 16, "mamba_d_state": 4, "mamba_n_groups": 1}
MAMBA |= {"mamba_chunk_size": 16}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
OF_GPT = {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 32}

FAMILIES = {
    "qwen3": Family(
        *("Qwen3Config", THINKING, None, "<|im_end|>", "<|im_end|>", IM, ("<think>", "</think>")),
        options={"enable_thinking": False},
    ),
    "qwen3-moe": Family(
        *("Qwen3MoeConfig", CHATML, None, "<|endoftext|>", "<|im_end|>", IM),
        sizes=EXPERTS,
        epochs=160,
    ),
    "llama-3.2": Family(
        *("LlamaConfig", LLAMA, "<|begin_of_text|>", "<|eot_id|>", "<|eot_id|>"),
        ("<|start_header_id|>", "<|end_header_id|>"),
    ),
    "gemma-3": Family(
        *("Gemma3TextConfig", GEMMA, "<bos>", "<eos>", "<end_of_turn>", ("<start_of_turn>", "<end_of_turn>")),
        spaces="metaspace",
        sizes={"sliding_window": 32, "layer_types": ["sliding_attention", "full_attention"]}
        | {"tie_word_embeddings": False},  # tied ones that are random write one token again and again
        epochs=110,
    ),
    "mistral": Family(
        *("MistralConfig", MISTRAL, "<s>", "</s>", "</s>", ("[INST]", "[/INST]")),
        spaces="prefix",
        sizes={"sliding_window": 48},
        opening=" ",
    ),
    "phi-3": Family(
        *("Phi3Config", PHI, "<s>", "<|endoftext|>", "<|end|>", ("<|end|>", "<|user|>", "<|assistant|>")),
        spaces="metaspace",
        sizes={"sliding_window": 64},
    ),
    "smollm3": Family(
        *("SmolLM3Config", SMOL, None, "<|im_end|>", "<|im_end|>", IM, ("<think>", "</think>")),
        options={"enable_thinking": False},
    ),
    "falcon-h1": Family(
        *("FalconH1Config", CHATML, None, "<|end_of_text|>", "<|im_end|>", IM),
        sizes=MAMBA,
    ),
    "gpt-oss": Family(
        *("GptOssConfig", HARMONY, "<|startoftext|>", "<|return|>", "<|return|>"),
        ("<|start|>", "<|end|>", "<|message|>", "<|channel|>"),
        sizes=OF_GPT,
        options={"reasoning_effort": "low"},
        opening="<|channel|>final<|message|>",
        epochs=160,
        learning_rate=1e-2,
    ),
    "olmo-2": Family("Olmo2Config", OLMO, "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"),
}


def write_family(name, folder, seed=0):
    """Write a model of a family, and its tokenizer; return the folder."""
    family = FAMILIES[name]
    tokenizer = _tokenizer(family)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = getattr(transformers, family.config)(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **SIZES | family.sizes,
    )
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    return folder


def _tokenizer(family):
    special = dict.fromkeys(("<|pad|>", *(family.bos,) * bool(family.bos), family.eos, *family.special))
    if family.spaces == "bytes":
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        core = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        replaced = normalizers.Replace(" ", "▁")
        first = [normalizers.Prepend("▁")] if family.spaces == "prefix" else []
        core.normalizer = normalizers.Sequence([*first, replaced])
        # A word keeps to itself in training; afterwards a text is one piece, as with SentencePiece.
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
        strip = [decoders.Strip(content=" ", left=1)] if family.spaces == "prefix" else []
        core.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
        )
        special |= dict.fromkeys(["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))])
        alphabet = []
    rows = rows_of("bioner_sample")
    texts = [text for row in rows for text in (row.messages[0]["content"], row.target)]
    trainer = trainers.BpeTrainer(
        vocab_size=len(special) + 500, special_tokens=list(special), initial_alphabet=alphabet
    )
    core.train_from_iterator(texts, trainer)
    if family.spaces != "bytes":
        core.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    core.add_tokens([AddedToken(token, special=False, normalized=False) for token in family.plain])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token="<|pad|>",
        unk_token=None if family.spaces == "bytes" else "<unk>",
        extra_special_tokens=list(family.special),
    )
    tokenizer.chat_template = family.template
    return tokenizer
