"""A corpus of a user: an entry, its files and a task folder."""

import hashlib
from pathlib import Path

import yaml


def write_toy_corpus(
    folder: Path, types: list[str], splits: tuple[str, ...] = ("train", "test")
) -> dict[str, str]:
    """A user's own IOB2 corpus, made as CONTRIBUTING.md says; returns the environment it needs."""
    entries, tasks = folder / "entries", folder / "tasks" / "toy"
    entries.mkdir()
    tasks.mkdir(parents=True)
    files = {}
    for split in splits:
        rows = []
        for number, type_ in enumerate(types):
            rows.append(f"Sample\tO\n{type_}\tB-{type_}\n{number}{split}\tI-{type_}\nhere\tO\n.\tO\n\n")
            rows.append(f"Nothing\tO\nin\tO\n{split}\tO\n{number}\tO\n\n")
        content = "".join(rows).encode()
        (entries / f"{split}.tsv").write_bytes(content)
        files[split] = {
            "path": f"{split}.tsv",
            "sha256": hashlib.sha256(content).hexdigest(),
            "sentences": 2 * len(types),
            "mentions": dict.fromkeys(types, 1),
        }
    entry = {
        "task": "toy",
        "name": "Toy",
        "role": "extended",
        "types": {type_: f"a made-up thing of kind {type_}" for type_ in types},
        "format": "iob2",
        "files": files,
        "licence": "none",
        "citation": "none",
    }
    (entries / "toy.yaml").write_text(yaml.safe_dump(entry, sort_keys=False))
    (tasks / "toy.yaml").write_text(
        "task: toy\n"
        "class: !function bioner_bench.harness.task.BioNERTask\n"
        "generation_kwargs:\n  max_gen_toks: 400\n"
        "metadata:\n  version: 1.0\n"
    )
    return {"BIONER_BENCH_CORPORA": str(entries)}
