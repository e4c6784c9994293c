"""Abbreviations that a system finds, by hand."""

import json

import abbreviations

from bioner_bench.evaluation import predictions


def write(path):
    """Two abbreviations, of which one is found, and three other mentions, of which one is."""
    rows = [
        ("MI and Anemia in rats", [(0, 2), (7, 13)], [(0, 2), (7, 13)]),
        ("no AKI, no DIABETES", [(3, 6), (11, 19)], [(3, 19)]),
        ("A-T", [(0, 3)], []),
    ]
    lines = []
    for text, gold, predicted in rows:
        spans = {"gold": gold, "predicted": predicted}
        row = {
            name: [{"start": start, "end": end, "type": "Disease"} for start, end in found]
            for name, found in spans.items()
        }
        lines.append(json.dumps({"text": text, "types": ["Disease"], **row}) + "\n")
    path.write_text("".join(lines))
    return path


def test_abbreviations_are_two_to_six_capitals(tmp_path):
    judged = predictions.read(write(tmp_path / "found.jsonl"))
    assert abbreviations.recall(judged) == {"abbreviations": (1, 2), "others": (1, 3)}


def test_the_command_prints_both_shares(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "found.jsonl")
    monkeypatch.setattr("sys.argv", ["abbreviations.py", str(path)])
    abbreviations.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed[1:] == ["abbreviations: 1 of 2 found, 50.0 %", "others: 1 of 3 found, 33.3 %"]
