"""A corpus of eight sentences, to be learned by heart and asked again: all its splits are the same."""

import hashlib
import json

SENTENCES = (  # mentions between marks
    "Patients with #asthma# were treated with budesonide .",
    "The gene is expressed in liver and kidney .",
    "#Cystic fibrosis# is caused by mutations of CFTR .",
    "No association was found .",
    "Loss of p53 is common in #hepatocellular carcinoma# and in #glioma# .",
    "All samples were stored at - 80 C .",
    "#Anemia# and #fever# were seen in two of the families .",
    "#Glioma# cells died within hours .",
)


def write_eight(folder):
    """Write the corpus below a folder; return its entries, for `BIONER_BENCH_CORPORA`, and its tasks."""
    entries, tasks = folder / "entries", folder / "tasks"
    entries.mkdir()
    tasks.mkdir()
    lines, mentions = [], 0
    for text in SENTENCES:
        for number, part in enumerate(text.split("#")):
            tags = ("B-Disease", "I-Disease") if number % 2 else ("O", "O")
            lines += [f"{word}\t{tags[place > 0]}" for place, word in enumerate(part.split())]
            mentions += number % 2
        lines.append("")
    content = ("\n".join(lines) + "\n").encode()
    (entries / "eight.tsv").write_bytes(content)
    file = {"path": "eight.tsv", "sha256": hashlib.sha256(content).hexdigest()}
    file |= {"sentences": len(SENTENCES), "mentions": {"Disease": mentions}}
    entry = {"task": "eight", "name": "Eight", "role": "extended", "types": {"Disease": "an illness"}}
    entry |= {"format": "iob2", "files": dict.fromkeys(("train", "validation", "test"), file)}
    entry |= {"licence": "none", "citation": "none"}
    (entries / "eight.yaml").write_text(json.dumps(entry))  # YAML as well, and without anchors
    (tasks / "eight.yaml").write_text(
        "task: eight\nclass: !function bioner_bench.harness.task.BioNERTask\n"
        "generation_kwargs:\n  max_gen_toks: 60\nmetadata:\n  version: 1.0\n"
    )
    return entries, tasks
