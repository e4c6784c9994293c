"""What the hardware at hand computes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bioner_bench.schema import BenchmarkError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "float32", "bfloat16")
"""`auto` is bfloat16 where the hardware multiplies in it, else float32."""


def dtype(name: str) -> torch.dtype:
    """The torch dtype of one of `PRECISIONS`.

    Raises:
        BenchmarkError: another name.
    """
    import torch

    if name not in PRECISIONS:
        raise BenchmarkError(f"unknown dtype {name!r}; there are: {', '.join(PRECISIONS)}")
    if name == "auto":
        return torch.bfloat16 if computes_in_bfloat16() else torch.float32
    return torch.float32 if name == "float32" else torch.bfloat16


def computes_in_bfloat16() -> bool:
    """True if the GPU, or without one the CPU, multiplies in bfloat16."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not hasattr(torch.cpu, "get_capabilities"):  # older versions of torch
        return False
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def device() -> str:
    """What torch calls the GPU at hand, or the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def name() -> str:
    """The hardware that a run used, in words."""
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"CPU, {torch.get_num_threads()} threads"
