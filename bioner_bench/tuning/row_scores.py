"""Rows -> their scores, from files where they have them; a killed run goes on where its files end."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bioner_bench import corpora
from bioner_bench.models import packaged
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import processes, rows, score_files
from bioner_bench.tuning.rows import Row
from bioner_bench.tuning.score_files import AnyScore
from bioner_bench.tuning.strategies import MODEL_FREE, Choice
from bioner_bench.writing import write_text

DEVELOPMENT = 200
"""Sentences of the development split whose mean gradient rows are compared with, drawn by the seed."""

Json = dict[str, Any]

Progress = Callable[[int], object]
"""Called with the number of rows that were scored since its last call."""

Score = Callable[[str, Sequence[Row]], Iterator[AnyScore]]
"""A task and rows of it -> their scores, in any order."""


@dataclass(frozen=True)
class _Scorer:
    """A way to score rows.

    Attributes:
        settings: what scores depend on; scores of other settings are not taken.
        of_task: the same, of one corpus alone.
        begin: load what scores; called only where a row has no score yet.
    """

    settings: Json
    of_task: Callable[[str], Json]
    begin: Callable[[Progress], Score]


def find(
    found: Sequence[Row],
    choice: Choice,
    out: Path,
    scores_from: Path | None,
    batch_size: int,
    form: str,
    context: int,
) -> tuple[dict[str, AnyScore], Json]:
    """The score of every row, and what scoring cost.

    Each corpus has a file of its own, so that a folder of several serves a selection from one of them.

    Raises:
        BenchmarkError: scores that were found are of another setting, or not of all rows.
    """
    from tqdm import tqdm

    scorer = (
        _by_counting(choice)
        if choice.score in MODEL_FREE
        else _by_model(choice, out, batch_size, form, context)
    )
    groups: dict[str, list[Row]] = {}
    for row in found:
        groups.setdefault(row.task, []).append(row)
    files = {
        task: scorer.settings
        | {"prompt": prompt_hash, "corpus_sha256": corpora.get(task).files["train"].sha256}
        | scorer.of_task(task)
        for task, prompt_hash in rows.prompt_hashes(groups, form, context).items()
    }
    paths = {task: Path(choice.score) / f"{task}.jsonl" for task in files}
    this, number_of_processes = processes.share()
    if this == 0:
        for task, settings in files.items():
            if scores_from is not None:
                score_files.copy(scores_from / paths[task], out / paths[task], settings)
            _gather(out / paths[task], settings)
    processes.meet()
    done: dict[str, AnyScore] = {}
    for task, settings in files.items():
        done |= score_files.read(out / paths[task], settings)
    waiting = {task: [row for row in rows_ if row.id not in done] for task, rows_ in groups.items()}
    number = sum(map(len, waiting.values()))
    if number and scores_from is not None:
        raise BenchmarkError(
            f"{scores_from} has scores of {len(found) - number:,} of {len(found):,} rows; "
            "let `bioner-bench select` finish it, without --limit"
        )
    began, cpu_began = time.monotonic(), time.process_time()
    if number:
        name = "IFD" if choice.score == "ifd" else choice.score
        with tqdm(
            total=len(found), initial=len(found) - number, desc=name, unit="row", disable=this > 0
        ) as bar:
            score = scorer.begin(bar.update)
            for task, rows_ in waiting.items():
                if rows_:
                    path = out / paths[task]
                    file = _part(path, this) if number_of_processes > 1 else path
                    score_files.append(file, files[task], score(task, rows_[this::number_of_processes]))
        processes.meet()
        if this == 0:
            for task, settings in files.items():
                _gather(out / paths[task], settings)
        processes.meet()
        for task, settings in files.items():
            done |= score_files.read(out / paths[task], settings)
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
    cost: Json = {
        "rows": number,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "rows_per_second": round(number / seconds, 2) if number else None,
    }
    if choice.weak_model is not None:
        from bioner_bench.models import hardware

        cost |= {"batch_size": batch_size, "hardware": hardware.name(), "processes": number_of_processes}
    return {row.id: done[row.id] for row in found}, scorer.settings | cost


def _by_counting(choice: Choice) -> _Scorer:
    from bioner_bench.tuning import surface

    def begin(progress: Progress) -> Score:
        return lambda _, waiting: surface.score(waiting, choice.score, progress)

    return _Scorer({"score": choice.score}, lambda _: {}, begin)


def _by_model(choice: Choice, out: Path, batch_size: int, form: str, context: int) -> _Scorer:
    """By the weak model: IFD or gradients."""
    import transformers

    from bioner_bench.models import hardware
    from bioner_bench.models.chat import Chat

    assert choice.weak_model is not None
    source = packaged.resolve(choice.weak_model)
    at = choice.revision or packaged.base_and_adapter(source)[2]
    options: Json = {"revision": at} if at else {}
    with packaged.loading(choice.weak_model):
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
    dtype = hardware.dtype(choice.dtype)
    chat = Chat(tokenizer, choice.template or {})
    template = tokenizer.get_chat_template() if tokenizer.chat_template else ""
    settings: Json = {
        "weak_model": packaged.public_name(choice.weak_model),
        "revision": packaged.revision(source, choice.revision),
        "dtype": str(dtype).removeprefix("torch."),
        "template": dict(choice.template or {}),
        "chat_template_sha256": hashlib.sha256(template.encode()).hexdigest() if template else None,
        "rendered_prompt_sha256": chat.sha256,
    }

    def load(source: str) -> Any:
        several = processes.share()[1] > 1
        device = str(processes.together().device) if several else hardware.device()
        with packaged.loading(source):
            model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=dtype, **options)
        return model.to(device).eval()

    def begin(progress: Progress) -> Score:
        from bioner_bench.tuning import ifd

        model = load(source)
        return lambda _, waiting: ifd.score(waiting, model, chat, batch_size, progress)

    if choice.score == "gradient":
        return _by_gradients(choice, out, form, context, source, chat, settings, load)
    return _Scorer(settings, lambda _: {}, begin)


def _by_gradients(
    choice: Choice,
    out: Path,
    form: str,
    context: int,
    source: str,
    chat: Any,
    of_model: Json,
    load: Callable[[str], Any],
) -> _Scorer:
    from bioner_bench.tuning import gradients

    base, adapter, at = packaged.base_and_adapter(source)
    base = packaged.resolve(base)
    settings = of_model | {
        "score": choice.score,
        "base": packaged.revision(base, choice.revision or at) if adapter else None,
        "adapter": None if adapter else {"r": gradients.ADAPTER.r, "alpha": gradients.ADAPTER.alpha},
        "dimensions": gradients.DIMENSIONS,
        "development": DEVELOPMENT,
        "seed": choice.seed,
    }

    def of_task(task: str) -> Json:
        split = corpora.get(task).files.get("validation")
        if split is None:
            raise BenchmarkError(
                f"{task} has no development split, with which the score {choice.score} compares rows; "
                "take another score"
            )
        return {"development_sha256": split.sha256}

    def begin(progress: Progress) -> Score:
        import torch
        from tqdm import tqdm

        prepared = gradients.prepare(load(base), chat, adapter, choice.seed)

        def score(task: str, waiting: Sequence[Row]) -> Iterator[AnyScore]:
            path = out / choice.score / f"{task}.development.json"
            told = json.loads(
                json.dumps(settings | of_task(task) | rows.prompt_hashes([task], form, context))
            )
            if processes.share()[0] == 0 and _content(path).get("settings") != told:
                pool = rows.rows_of(task, "validation", form, context)
                drawn = Random(f"{choice.seed}:{task}").sample(pool, min(DEVELOPMENT, len(pool)))
                found = gradients.mean(tqdm(drawn, desc="development", unit="row"), prepared)
                write_text(path, json.dumps({"settings": told, "gradient": found.tolist()}) + "\n")
            processes.meet()
            wanted = torch.tensor(_content(path)["gradient"], dtype=torch.double)
            return gradients.score(waiting, prepared, wanted, progress)

        return score

    return _Scorer(settings, of_task, begin)


def _content(path: Path) -> Json:
    """What a file of the mean gradient holds; nothing if there is none, or a damaged one."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _part(path: Path, process: int) -> Path:
    return path.with_name(f"{path.stem}.part-{process}.jsonl")


def _gather(path: Path, settings: Mapping[str, Any]) -> None:
    """Bring what several processes scored, of this run or a killed one, into one file."""
    for part in sorted(path.parent.glob(f"{path.stem}.part-*.jsonl")):
        if score_files.read(part, settings):
            score_files.copy(part, path, settings)
        part.unlink()
