"""A tool that knows nothing of this project, as a system of it: spaCy's ruler with the training mentions.

    pip install spacy
    bioner-bench corpora export bioner_ncbi --split train --out train.jsonl
    bioner-bench corpora export bioner_ncbi --split test --out test.jsonl
    python scripts/spacy_ruler.py train.jsonl test.jsonl predictions.jsonl
    bioner-bench score predictions.jsonl

A blank English pipeline has no weights; the ruler finds every training mention again, word by word, in its
own spelling. It matches whole words of spaCy's, so a mention that ends inside of one is not found.
"""

import json
import sys
from pathlib import Path

import spacy


def pipeline(rows):
    """A blank English pipeline whose ruler has the gold mentions of these rows as phrases."""
    patterns = {
        (span["type"], row["text"][span["start"] : span["end"]]) for row in rows for span in row["gold"]
    }
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": label, "pattern": text} for label, text in sorted(patterns)])
    return nlp


def predicted(document):
    """The entities of a spaCy document, by characters, as a line of predictions has them."""
    return [
        {"start": found.start_char, "end": found.end_char, "type": found.label_} for found in document.ents
    ]


def rows_of(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").split("\n") if line]


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: python scripts/spacy_ruler.py TRAIN.jsonl TEST.jsonl PREDICTIONS.jsonl")
    train, test, out = sys.argv[1:]
    nlp = pipeline(rows_of(train))
    rows = rows_of(test)
    documents = nlp.pipe(row["text"] for row in rows)
    lines = [
        json.dumps(row | {"predicted": predicted(document)})
        for row, document in zip(rows, documents, strict=True)
    ]
    Path(out).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
