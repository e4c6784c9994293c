"""The Python API: what it gives is what the command line gives."""

import json
import subprocess
import sys

import pytest
from command_line import call

import bioner_bench as bb
from bioner_bench.evaluation import confidence, predictions, summary
from bioner_bench.leaderboard import given_answers
from bioner_bench.schema import BenchmarkError, Entity, Sentence

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
    assert ceiling("bioner_sample").items() >= {k: found[k] for k in ("strict_f1", "relaxed_f1")}.items()
    assert found["sentences"] == len(sentences)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (([[]], [[], []]), "1 gold, 2 predicted"),
        (([], []), "0 gold"),
        (([[(0, 6, "Disease")]], [[(4, 4, "Disease")]]), "sentence 0"),
        (([[]], [[]], ["a", "b"]), "2 documents"),
        (([(0, 6, "Disease")], [[]]), r"0 is no span; give \(start, end, type\)"),
        (([[(0, 6)]], [[]]), r"\(0, 6\) is no span; give"),
        (([[], []], [[], []], ["a", None]), "document 1 is None; name the documents of all sentences"),
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


LINE = {
    "text": "Ataxia in mice.",
    "types": ["Disease"],
    "gold": [{"start": 0, "end": 6, "type": "Disease"}],
    "output": '{"Disease": ["Ataxia"]}',
}


def read_lines(tmp_path, *rows):
    path = tmp_path / "lines.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return predictions.read(path)


def test_lines_of_every_form_are_judged(tmp_path):
    others = {key: value for key, value in LINE.items() if key != "output"}
    found = read_lines(
        tmp_path,
        LINE,
        "",
        LINE | {"id": 7, "document": "d", "format": "tags", "output": "<Disease>Ataxia</Disease> in mice."},
        LINE | {"id": "a", "document": None, "format": "json", "output": "no idea"},
        others | {"predicted": [{"start": 10, "end": 14, "type": "Disease"}]},
    )
    assert [(one.sentence.id, one.sentence.document, one.form) for one in found] == [
        *(("line-1", None, "json"), ("7", "d", "tags"), ("a", None, "json"), ("line-5", None, "json")),
    ]
    assert [one.output for one in found] == [
        *(LINE["output"], "<Disease>Ataxia</Disease> in mice.", "no idea", None),
    ]
    spans = [[(each.span.start, each.span.end) for each in one.aligned] for one in found]
    assert spans == [[(0, 6)], [(0, 6)], [], [(10, 14)]]
    assert [one.counts["strict"] for one in found] == [1, 1, 0, 0]
    assert {(one.types, one.tokens) for one in found} == {(("Disease",), None)}


def with_gold(**change):
    return LINE | {"gold": [LINE["gold"][0] | change]}


def without(*keys):
    return {key: value for key, value in LINE.items() if key not in keys}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (without("text"), "$: 'text' is a required property"),
        (without("types"), "$: 'types' is a required property"),
        (without("gold"), "$: 'gold' is a required property"),
        (without("output"), "one of output and predicted is needed, and not both"),
        (LINE | {"predicted": []}, "one of output and predicted is needed, and not both"),
        (LINE | {"text": 5}, "$.text: 5 is not of type 'string'"),
        (LINE | {"types": "Disease"}, "$.types: 'Disease' is not of type 'array'"),
        (LINE | {"types": []}, "$.types: [] should be non-empty"),
        (LINE | {"types": ["A", "A"]}, "$.types: ['A', 'A'] has non-unique elements"),
        (LINE | {"types": ["A", 3]}, "$.types[1]: 3 is not of type 'string'"),
        (LINE | {"gold": {}}, "$.gold: {} is not of type 'array'"),
        (LINE | {"gold": [5]}, "$.gold[0]: 5 is not of type 'object'"),
        (LINE | {"gold": [{"end": 1, "type": "Disease"}]}, "$.gold[0]: 'start' is a required property"),
        (LINE | {"gold": [{"start": 1, "type": "Disease"}]}, "$.gold[0]: 'end' is a required property"),
        (LINE | {"gold": [{"start": 0, "end": 1}]}, "$.gold[0]: 'type' is a required property"),
        (with_gold(start="0"), "$.gold[0].start: '0' is not of type 'integer'"),
        (with_gold(end="6"), "$.gold[0].end: '6' is not of type 'integer'"),
        (with_gold(type=6), "$.gold[0].type: 6 is not of type 'string'"),
        (with_gold(type="Gene"), "type 'Gene' is none of Disease"),
        (with_gold(start=6), "6-6 is not a span of the text's 15 characters"),
        (with_gold(start=-1), "-1-6 is not a span of the text's 15 characters"),
        (with_gold(end=16), "0-16 is not a span of the text's 15 characters"),
        (without("output") | {"predicted": [7]}, "$.predicted[0]: 7 is not of type 'object'"),
        (LINE | {"output": 5}, "$.output: 5 is not of type 'string'"),
        (LINE | {"format": "xml"}, "$.format: 'xml' is not one of ['json', 'tags']"),
        (LINE | {"id": []}, "$.id: [] is not of type 'string', 'integer'"),
        (LINE | {"document": 5}, "$.document: 5 is not of type 'string', 'null'"),
        (
            LINE | {"answer_logprob": [["{", -1.0]]},
            "the tokens of answer_logprob are not those of the answer",
        ),
        ([1], "a line is a JSON object: {...}"),
        ("{", "Expecting property name enclosed"),
    ],
)
def test_a_line_that_is_no_prediction_is_named_with_what_is_wrong(tmp_path, row, said):
    with pytest.raises(BenchmarkError) as caught:
        read_lines(tmp_path, LINE, row)
    told = str(caught.value).partition(" in double quotes")[0]
    assert told == f"{tmp_path / 'lines.jsonl'}:2: not a prediction: {said}"


def test_files_of_lines_that_do_not_go_together(tmp_path):
    for rows, said in (
        ([LINE, LINE | {"types": ["Disease", "Gene"]}], "lines.jsonl:2: other types than the lines before"),
        ([{"doc": {}}], "lines.jsonl:1: samples of another task than this project's"),
        ([{"doc": {"query": "Is it?"}}], "lines.jsonl:1: samples of another task than this project's"),
        *(
            ([{"doc": {name: []}}], "lines.jsonl:1: not a sample of lm-eval: .*: 'id' is a required property")
            for name in ("types", "entities")
        ),
        ([{"doc": sample("")["doc"] | {"entities": [[0, 6]]}}], r"entities\[0\]: \[0, 6\] is not"),
        (
            [sample("{}", doc=sample("")["doc"] | {"entities": [{"start": 0, "end": 6, "type": "Disease"}]})],
            r"entities\[0\]: 'seen' is a required property",
        ),
        (["", " "], "has no lines; run lm_eval with --log_samples and --output_path"),
    ):
        with pytest.raises(BenchmarkError, match=said):
            read_lines(tmp_path, *rows)
    with pytest.raises(BenchmarkError, match="cannot read"):
        predictions.read(tmp_path / "nowhere.jsonl")
    with pytest.raises(BenchmarkError, match=r"holds no samples_\*.jsonl of this project.s tasks; run"):
        predictions.files([tmp_path])
    (tmp_path / "a").mkdir()
    names = [tmp_path / "a" / "samples_b.jsonl", tmp_path / "samples_a.jsonl"]
    for name in names:
        name.touch()
    assert predictions.files([tmp_path / "lines.jsonl", tmp_path]) == [tmp_path / "lines.jsonl", *names]


def sample(output, **change):
    """A line of lm-eval's samples."""
    entities = [
        {"start": 0, "end": 6, "type": "Disease", "seen": True},
        {"start": 10, "end": 14, "type": "Disease", "seen": False},
    ]
    doc = {"id": "s", "document": "d", "text": "Ataxia in mice", "types": ["Disease"], "entities": entities}
    return {"doc": doc, "filtered_resps": [output], "target": "{}", "filter": "none"} | change


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("text", 5, "5 is not of type 'string'"),
        ("types", 5, "5 is not of type 'array'"),
        ("entities", 5, "5 is not of type 'array'"),
        ("id", 5, "5 is not of type 'string'"),
        ("document", 5, "5 is not of type 'string', 'null'"),
    ],
)
def test_what_is_wrong_with_a_sample_is_named(tmp_path, name, wrong, said):
    doc = sample("{}")["doc"]
    lacks = {key: value for key, value in doc.items() if key != name}
    for row, told in (
        (sample("{}", doc=doc | {name: wrong}), f"$.doc.{name}: {said}"),
        (sample("{}", doc=lacks), f"$.doc: '{name}' is a required property"),
        (sample("{}", filtered_resps=[]), "$.filtered_resps: [] should be non-empty"),
        (sample("{}", filtered_resps=[5]), "$.filtered_resps[0]: 5 is not of type 'string'"),
        ({"doc": doc}, "$: 'filtered_resps' is a required property"),
        (sample("{}", doc=doc | {"types": [5]}), "$.doc.types[0]: 5 is not of type 'string'"),
    ):
        with pytest.raises(BenchmarkError) as caught:
            read_lines(tmp_path, row)
        assert str(caught.value).endswith(f"lines.jsonl:1: not a sample of lm-eval: {told}")


def test_of_a_folder_the_samples_of_other_tasks_are_left_out(tmp_path, capsys):
    ours, other = tmp_path / "samples_a_T.jsonl", tmp_path / "samples_boolq_T.jsonl"
    other.write_text('{"doc": {"question": "Is it?"}, "filtered_resps": [[-1.0, true]]}\n')
    with pytest.raises(BenchmarkError, match=r"holds no samples_.*of this project's tasks"):
        predictions.files([tmp_path])
    ours.write_text(json.dumps(sample(LINE["output"])) + "\n")
    capsys.readouterr()
    assert predictions.files([tmp_path]) == [ours]
    assert capsys.readouterr().err == f"Left out: {other}, samples of another task than this project's.\n"
    assert given_answers.read(tmp_path).judged == predictions.read(ours)
    assert predictions.files([other]) == [other]  # what is named is read, or said to be wrong
    cut = tmp_path / "samples_c_T.jsonl"
    cut.write_text('{"doc": {"text": "Atax')
    assert predictions.files([tmp_path]) == [ours, cut]  # so is what may be of one of this project's
    assert "samples_c" not in capsys.readouterr().err


def test_samples_of_both_formats_are_judged(tmp_path):
    tags = "<Disease>Ataxia</Disease> in <Disease>mice</Disease>"
    pieces = [['{"Disease": [', -1], ['"Ataxia"]}', -2.5]]
    found = read_lines(
        tmp_path,
        sample(LINE["output"], answer_logprob=pieces),
        sample("<Disease>Ataxia</Disease> in mice", target=tags, doc_id=1),
    )
    for one, form in zip(found, ("json", "tags"), strict=True):
        kept = one.sentence
        assert (kept.id, kept.document, kept.text, one.form) == ("s", "d", "Ataxia in mice", form)
        assert [(each.start, each.end) for each in kept.entities] == [(0, 6), (10, 14)]
        assert [(each.span.start, each.span.end) for each in one.aligned] == [(0, 6)]
        counts = ("gold", "strict", "seen", "unseen", "seen_strict", "unseen_strict")
        assert [one.counts[name] for name in counts] == [2, 1, 1, 1, 1, 0]
    assert [one.output for one in found] == [LINE["output"], "<Disease>Ataxia</Disease> in mice"]
    assert [one.tokens for one in found] == [[('{"Disease": [', -1.0), ('"Ataxia"]}', -2.5)], None]
    with pytest.raises(BenchmarkError, match=r"resps\[0\]: 5 is not of type 'string'"):
        read_lines(tmp_path, sample(5))


def test_samples_are_as_many_as_the_results_beside_them_say(tmp_path):
    (tmp_path / "results_T.json").write_text('{"n-samples": {"a": {"effective": 2}}}')
    path = tmp_path / "samples_a_T.jsonl"
    lines = [json.dumps(sample("{}", filter=name)) + "\n" for name in ("one", "two")]
    path.write_text(lines[0] + json.dumps(sample("{}", filter="one", doc_id=1)) + "\n")
    assert len(predictions.read(path)) == 2
    path.write_text("".join(lines))
    with pytest.raises(BenchmarkError, match="1 sentences, but the run evaluated 2"):
        predictions.read(path)


@pytest.mark.parametrize("of_lm_eval", [True, False])
def test_a_sentence_that_is_there_twice_is_refused(tmp_path, of_lm_eval):
    def row(number, **change):
        if of_lm_eval:
            return sample("{}", doc_id=number, **change)
        return LINE | {"id": number}

    assert len(read_lines(tmp_path, row(0), row(1), row(2))) == 3  # texts may be the same
    for rows in ([row(0), row(1), row(1)], [row(0), row(1), row(2), row(1)]):
        with pytest.raises(BenchmarkError) as caught:
            read_lines(tmp_path, *rows)
        told = f"lines.jsonl:{len(rows)}: sentence 1 is there twice, first in line 2; each counts once"
        assert told in str(caught.value)
    assert len(read_lines(tmp_path, LINE, LINE)) == 2  # without ids nothing says that they are one


@pytest.mark.parametrize("change", [{"id": 5}, {"id": None}, {"id": []}, {"document": {}}])
def test_the_names_of_a_sample_are_strings(tmp_path, change):
    with pytest.raises(
        BenchmarkError, match=rf"lines.jsonl:1: not a sample of lm-eval: \$.doc.{next(iter(change))}: "
    ):
        read_lines(tmp_path, sample("{}", doc=sample("{}")["doc"] | change))


@pytest.mark.parametrize(
    "number", ["5.0", "0.5", "2e-6", "NaN", "-Infinity", "1e308", "-1e308", "1" + "0" * 400]
)
def test_what_is_no_log_probability_is_refused(tmp_path, number):
    line = json.dumps(sample("{}", answer_logprob=[["{", -1.0], ["}", "NUMBER"]]))
    with pytest.raises(BenchmarkError, match=r"lines.jsonl:1: not a sample of lm-eval: .*answer_logprob"):
        read_lines(tmp_path, line.replace('"NUMBER"', number))


def test_a_log_probability_may_be_rounded_above_0(tmp_path):
    (found,) = read_lines(tmp_path, sample("{}", answer_logprob=[["{", -9999.0], ["}", 1e-7]]))
    assert found.tokens == [("{", -9999.0), ("}", 0.0)]


def test_a_sentence_as_a_line_of_predictions():
    entities = (Entity(0, 6, "Disease"),)
    row = predictions.to_row(Sentence("s", "Ataxia in mice", entities, "d"), ("Disease", "Gene"))
    assert row == {
        "id": "s",
        "document": "d",
        "text": "Ataxia in mice",
        "types": ["Disease", "Gene"],
        "gold": [{"start": 0, "end": 6, "type": "Disease"}],
    }


def test_spans_are_given_in_any_form_and_counted():
    keys = ("start", "end", "type")
    found = bb.score(GOLD, PREDICTED)
    assert (found["sentences"], found["mentions"]) == (3, 3)
    mappings = [[dict(zip(keys, span, strict=True)) for span in spans] for spans in PREDICTED]
    entities = [[Entity(*span) for span in spans] for spans in PREDICTED]
    assert bb.score(GOLD, mappings) == bb.score(GOLD, entities) == found


def test_answers_that_cannot_be_scored_are_refused():
    sentence = Sentence("1", "Ataxia in mice.", (Entity(0, 6, "Disease"),))
    with pytest.raises(ValueError, match="one of each for every sentence is needed, not 1 sentences, 2 out"):
        bb.score_answers([sentence], ["{}", "{}"], ["Disease"])
    with pytest.raises(ValueError, match="type 'Disease' is none of Gene"):
        bb.score_answers([sentence], ["{}"], ["Gene"])
    with pytest.raises(ValueError, match="output 1 is None; give an empty string for a request that failed"):
        bb.score_answers([sentence] * 2, ["{}", None], ["Disease"])
    with pytest.raises(ValueError, match="the output is None; give an empty string"):
        bb.parse(None, ["Disease"])
    with pytest.raises(BenchmarkError, match="unknown format of answers: 'xml'"):
        bb.score_answers([sentence], ["{}"], ["Disease"], form="xml")


def test_types_that_are_one_string_are_refused():
    said = r"types is the string 'Disease'; give a list: \['Disease'\]"
    with pytest.raises(ValueError, match=said):
        bb.parse('{"Disease": ["x"]}', "Disease")
    with pytest.raises(ValueError, match=said):
        bb.score_answers([Sentence("1", "Ataxia", ())], ["{}"], "Disease")
    with pytest.raises(ValueError, match=said):
        bb.score(GOLD, PREDICTED, types="Disease")


def test_the_sure_mentions_of_a_file_are_those_of_its_answers(tmp_path):
    pieces = [['{"Disease": ["', -1.0], ["Ataxia", -0.5], ['"]}', -1.0]]
    found = read_lines(
        tmp_path, LINE | {"answer_logprob": pieces}, LINE | {"output": '{"Disease": ["mice", "lupus"]}'}
    )
    sure, right = [-0.5, None, None], [True, False, False]
    curve = confidence.precision_at_coverage(sure, right, 2)
    assert summary.sureness(found) == (curve, confidence.calibration_error(sure, right))
    assert summary.sureness(found[1:]) is None
    scored = summary.summarise_judged(found, resamples=100)
    assert scored["strict_precision"] == pytest.approx(1 / 3)
    assert scored["strict_recall"] == 0.5


def test_a_span_given_twice_is_surplus_with_and_without_its_text():
    span = (0, 6, "Disease")
    for texts in (None, ["Ataxia in mice."]):
        found = bb.score([[span]], [[span, span]], texts=texts)
        assert (found["surplus_rate"], found["hallucination_rate"]) == (0.5, 0)
