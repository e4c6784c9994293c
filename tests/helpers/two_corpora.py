"""Two corpora of the same kind of sentences: each annotates one type and leaves the other's mentions O."""

import hashlib
import json

ILLS = ("asthma", "gout", "fever", "cough", "rash", "croup")
NAMES = ("Anna", "Boris", "Clara", "David", "Erna", "Fritz")
TEXTS = tuple(
    f"{name} had {ill} in {year}"
    for year, ills in ((1990, ILLS), (1991, ILLS[::-1]))
    for name, ill in zip(NAMES, ills, strict=True)
)


def write_two(folder):
    """Write `ills` and `names` below a folder, each two documents of six sentences; for
    `BIONER_BENCH_CORPORA`."""
    for task, type_, mentions in (("ills", "Disease", ILLS), ("names", "person", NAMES)):
        lines = []
        for number, text in enumerate(TEXTS):
            (found,) = (word for word in text.split() if word in mentions)
            entity = {"start": text.index(found), "end": text.index(found) + len(found), "type": type_}
            row = {"id": f"{number}", "text": text, "entities": [entity], "document": f"{number // 6}"}
            lines.append(json.dumps(row) + "\n")
        content = "".join(lines).encode()
        (folder / f"{task}.jsonl").write_bytes(content)
        file = {"path": f"{task}.jsonl", "sha256": hashlib.sha256(content).hexdigest()}
        file |= {"sentences": len(TEXTS), "mentions": {type_: len(TEXTS)}}
        entry = {"task": task, "name": task, "role": "auxiliary", "types": {type_: "a thing"}}
        entry |= {"format": "jsonl", "files": dict.fromkeys(("train", "validation", "test"), file)}
        entry |= {"licence": "none", "citation": "none"}
        (folder / f"{task}.yaml").write_text(json.dumps(entry))
        tasks = folder / "tasks" / task
        tasks.mkdir(parents=True)
        (tasks / f"{task}.yaml").write_text(
            f"task: {task}\nclass: !function bioner_bench.harness.task.BioNERTask\n"
            "generation_kwargs:\n  max_gen_toks: 60\nmetadata:\n  version: 1.0\n"
        )
    return folder
