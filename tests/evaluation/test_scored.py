"""The Python API: what it gives is what the command line gives."""

import json
import subprocess
import sys

import pytest
from command_line import call

import bioner_bench as bb

GOLD = [[(0, 6, "Disease")], [], [(0, 7, "Chemical"), (12, 18, "Disease")]]
PREDICTED = [[(0, 6, "Disease")], [(0, 4, "Disease")], [(0, 7, "Chemical"), (9, 18, "Disease")]]
TEXTS = ["Ataxia in mice.", "Mice were fed.", "Aspirin for severe ataxia."]


def test_scores_are_those_of_the_command_line(tmp_path):
    keys = ("start", "end", "type")
    path = tmp_path / "predictions.jsonl"
    with path.open("w") as stream:
        for number, (text, gold, predicted) in enumerate(zip(TEXTS, GOLD, PREDICTED, strict=True)):
            row = {"text": text, "types": ["Chemical", "Disease"], "document": f"d{number // 2}"}
            row["gold"], row["predicted"] = (
                [dict(zip(keys, span, strict=True)) for span in spans] for spans in (gold, predicted)
            )
            stream.write(json.dumps(row) + "\n")
    printed = json.loads(call("score", path, "--json").stdout)
    assert bb.score(GOLD, PREDICTED, ["d0", "d0", "d1"], texts=TEXTS) == printed
    mappings = [[dict(zip(keys, span, strict=True)) for span in spans] for spans in PREDICTED]
    assert bb.score(GOLD, mappings, ["d0", "d0", "d1"], texts=TEXTS) == printed


def test_without_texts_only_the_strings_are_unknown():
    known = bb.score(GOLD, PREDICTED, texts=TEXTS)
    found = bb.score(GOLD, PREDICTED)
    assert {name for name in known if known[name] != found[name]} == {
        f"string_{kind}{end}" for kind in ("f1", "precision", "recall") for end in ("", "_low", "_high")
    }
    assert found["string_f1"] is None


def test_a_span_that_is_given_twice_is_wrong_once():
    found = bb.score([[(0, 6, "Disease")]], [[(0, 6, "Disease"), (0, 6, "Disease")]])
    assert (found["strict_precision"], found["strict_recall"]) == (0.5, 1.0)


def test_gold_written_as_answers_scores_the_format_ceiling():
    from bioner_bench.evaluation.ceiling import ceiling
    from bioner_bench.evaluation.prompt import target

    sentences = bb.load_corpus("bioner_sample", "test")
    types = ["Disease", "Chemical", "Gene"]
    outputs = [target(sentence.text, sentence.entities, types) for sentence in sentences]
    found = bb.score_answers(sentences, outputs, types)
    assert found["strict_f1"] == ceiling("bioner_sample")["strict_f1"]
    assert found["sentences"] == len(sentences)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (([[]], [[], []]), "1 gold, 2 predicted"),
        (([], []), "0 gold"),
        (([[(0, 6, "Disease")]], [[(4, 4, "Disease")]]), "sentence 0"),
        (([[]], [[]], ["a", "b"]), "2 documents"),
    ],
)
def test_wrong_use_says_what_is_wrong(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        bb.score(*arguments)
    with pytest.raises(ValueError, match="none of Chemical"):
        bb.score(GOLD, PREDICTED, types=["Chemical"])


def test_the_api_needs_neither_torch_nor_lm_eval():
    code = (
        "import sys, bioner_bench as bb; quick = set(sys.modules); "
        "bb.score([[(0, 6, 'Disease')]], [[]]); bb.load_corpus('bioner_sample'); bb.parse('{}', ['Gene']); "
        "heavy = {'torch', 'transformers', 'datasets', 'lm_eval', 'pandas'} & set(sys.modules); "
        "assert not heavy, heavy; assert 'numpy' not in quick; assert set(bb.__all__) <= set(dir(bb))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
