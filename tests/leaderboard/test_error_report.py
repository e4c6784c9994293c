"""Where systems err: from answers of any form to counts, sentences and a page."""

import json
from html.parser import HTMLParser
from pathlib import Path

import browser
import pytest
from command_line import call, fails
from leaderboard_data import HOSTILE, make_record

from bioner_bench import corpora
from bioner_bench.evaluation import predictions
from bioner_bench.evaluation.errors import Kind
from bioner_bench.evaluation.predictions import to_row
from bioner_bench.harness.cards import Card
from bioner_bench.leaderboard import (
    error_report,
    errors_page,
    foreign_predictions,
    given_answers,
    lm_eval_output,
    records,
)
from bioner_bench.leaderboard.marked_text import pieces
from bioner_bench.schema import BenchmarkError

TYPES = ["Disease", "Gene"]


def span(start, end, type_):
    return {"start": start, "end": end, "type": type_}


def line(text, gold, **answer):
    return {"text": text, "types": TYPES, "gold": gold, **answer}


ATM = "ATM causes ataxia telangiectasia"
ROWS = [
    line(ATM, [span(0, 3, "Gene"), span(11, 32, "Disease")], predicted=[span(0, 3, "Disease")]),
    line(ATM, [span(11, 32, "Disease")], predicted=[span(11, 17, "Disease"), span(4, 10, "Gene")]),
    line("Mice", [], output='{"Disease": ["flu"], "Gene": ["mice", "mice"]}'),
    line(HOSTILE, [span(0, 8, "Gene")], predicted=[span(0, 8, "Gene")]),
    line(HOSTILE, [span(0, 8, "Gene")], predicted=[]),
]


def answers(tmp_path, rows, name="a.jsonl"):
    path = tmp_path / name
    path.write_text("".join(f"{json.dumps({'id': str(n)} | row)}\n" for n, row in enumerate(rows)))
    return path


def test_every_error_is_counted_under_its_kind_and_type(tmp_path):
    made = error_report.report(given_answers.read(answers(tmp_path, ROWS)))
    assert {kind.value: made.total(kind) for kind in Kind if made.total(kind)} == {
        "correct": 1,
        "missed": 2,
        "spurious": 2,
        "boundary": 1,
        "type": 1,
        "hallucinated": 1,
        "surplus": 1,
    }
    assert made.counts[Kind.TYPE, "Gene"] == 1
    assert (made.confusion["Gene", "Disease"], made.confusion["Disease", "none"]) == (1, 1)
    assert [[one.sentence.id for one in found] for found in made.groups.values()] == [["0", "4"], ["1", "2"]]
    table = error_report.confusion_table(made)
    assert table[0] == ["gold", "Disease", "Gene", "none"]
    assert sum(number for row in table[1:] for number in row[1:] if number != "") == 9


def test_filters_choose_sentences_and_not_counts(tmp_path):
    given = given_answers.read(answers(tmp_path, ROWS))
    made = error_report.report(given, [Kind.BOUNDARY, Kind.TYPE])
    assert {name: len(found) for name, found in made.groups.items()} == {"boundary": 1, "type": 1}
    assert made.total(Kind.MISSED) == 2
    of_gene = error_report.report(given, types=["Gene"])
    assert [one.sentence.id for found in of_gene.groups.values() for one in found] == ["4", "1", "2", "0"]
    with pytest.raises(BenchmarkError, match="no type Protein"):
        error_report.report(given, types=["Protein"])


def test_gold_and_predicted_spans_stand_in_one_line(tmp_path):
    made = error_report.report(given_answers.read(answers(tmp_path, ROWS)))
    one = made.groups["spurious"][0]
    parts = pieces(one.sentence.text, one.answers[0])
    shown = "".join(part.before + part.text + part.after for part in parts)
    assert shown == "ATM {causes} [{ataxia} telangiectasia]"


def test_two_systems_where_only_one_is_right(tmp_path):
    perfect = [
        line(row["text"], row["gold"], predicted=row["gold"], id=str(number))
        for number, row in enumerate(ROWS)
    ]
    other = answers(tmp_path, perfect[1:], "b.jsonl")
    ours = answers(tmp_path, ROWS)
    made = error_report.compare(given_answers.read(ours), given_answers.read(other))
    assert (made.sentences, made.both_right, made.both_wrong) == (4, 1, 0)
    assert [len(found) for found in made.groups.values()] == [0, 3]
    same = error_report.compare(given_answers.read(ours), given_answers.read(ours))
    assert len(same.groups) == 2
    foreign = answers(tmp_path, [line("Other text", [], predicted=[])], "c.jsonl")
    with pytest.raises(BenchmarkError, match="no sentence in common"):
        error_report.compare(given_answers.read(ours), given_answers.read(foreign))


def test_what_is_left_out_counts_as_well(tmp_path):
    """Filters and limits choose what is shown; of a comparison and on a page the numbers are of all."""
    perfect = [line(row["text"], row["gold"], predicted=row["gold"]) for row in ROWS]
    ours = given_answers.read(answers(tmp_path, ROWS))
    theirs = given_answers.read(answers(tmp_path, perfect, "b.jsonl"))
    made = error_report.compare(ours, theirs, [Kind.MISSED])
    only = f"only {tmp_path / 'b.jsonl'} is right"
    assert (made.sizes[only], len(made.groups[only])) == (4, 2)
    assert made.both_right + made.both_wrong + sum(made.sizes.values()) == made.sentences
    assert error_report.as_json(made)["only_one_right"][only] == 4
    text = Page(errors_page.html(made, made.groups)).text
    assert f"4 {only}" in text and f"{only} (2 of 4)" in text
    found = error_report.report(ours)
    text = Page(errors_page.html(found, error_report.shorten(found.groups, 1))).text
    assert "2 of 4 sentences here" in text and "missed (1 of 2)" in text
    text = Page(errors_page.html(found, found.groups)).text
    assert "4 sentences here" in text and "missed (2)" in text


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_the_page_escapes_what_it_shows_and_loads_nothing(tmp_path):
    made = error_report.report(given_answers.read(answers(tmp_path, ROWS)))
    page = Page(errors_page.html(made, made.groups))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any({"src", "href", "onclick", "onerror"} & attributes.keys() for _, attributes in page.tags)
    articles = [attributes for tag, attributes in page.tags if tag == "article"]
    first = [one["data-errors"].split("\n")[0].split("\t") for one in articles]
    assert first == [
        ["type", "Gene", "Disease"],
        ["missed", "Gene"],
        ["spurious", "Gene"],
        ["spurious", "Gene"],
    ]
    assert "[<script>]alert(1)</script>" in page.text
    assert 'missed Gene "<script>"' in page.text
    assert "ATM {causes} [{ataxia} telangiectasia]" in page.text
    assert ".innerHTML" not in errors_page.html(made, made.groups)


def test_half_a_surrogate_pair_in_an_answer_does_not_stop_the_page(tmp_path):
    path = tmp_path / "page.html"
    rows = [line("Mice", [], output=r'{"Disease": ["flu\ud800a"], "Gene": ["\ud83d\ude00"]}')]
    call("errors", answers(tmp_path, rows), "--html", path)
    page = path.read_text(encoding="utf-8")
    assert "flu\ufffda" in page and "\U0001f600" in page


@pytest.mark.slow
def test_buttons_filter_by_kind_and_type_in_a_browser(tmp_path):
    made = error_report.report(given_answers.read(answers(tmp_path, ROWS)))
    page = tmp_path / "errors.html"
    page.write_text(errors_page.html(made, made.groups), encoding="utf-8")
    driver = browser.start(tmp_path / "profile")
    try:
        seen = browser.Browser(driver, page.as_uri()).visit(width=390)
        assert seen.js("return document.documentElement.scrollWidth <= innerWidth")
        assert seen.find("#shown").text == "4 of 4 sentences"
        seen.find("button[data-kind=spurious]").click()
        assert seen.find("#shown").text == "2 of 4 sentences"
        seen.find("button[data-kind=spurious]").click()
        seen.find("button[data-kind=boundary]").click()
        shown = [one.text for one in driver.find_elements("css selector", "article") if one.is_displayed()]
        assert len(shown) == 1
        assert "ATM {causes} [{ataxia} telangiectasia]" in shown[0]
        seen.find("button[data-type=Gene]").click()
        assert seen.find("#shown").text == "0 of 4 sentences"
        assert [each for each in driver.get_log("browser") if each["level"] == "SEVERE"] == []
    finally:
        driver.quit()


def test_the_answers_kept_beside_a_record(tmp_path, monkeypatch):
    corpus = corpora.get("bioner_sample")
    sentences = corpora.load("bioner_sample", "test").sentences
    rows = [to_row(each, list(corpus.types)) for each in sentences]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(f"{json.dumps(row | {'predicted': row['gold'][1:]})}\n" for row in rows))
    made = foreign_predictions.evaluated(path, Card("ruler", "A ruler", "dictionary"), "bioner_sample")
    kept = lm_eval_output.keep(made, tmp_path)
    of_record = error_report.report(given_answers.read(kept))
    of_file = error_report.report(given_answers.read(path))
    assert (of_record.counts, of_record.confusion) == (of_file.counts, of_file.confusion)
    assert given_answers.read(kept.parent).judged == given_answers.read(kept).judged
    beside = tmp_path / "answers/ruler/bioner_sample-0-shot.jsonl.gz"
    assert given_answers.read(beside).name == "ruler, bioner_sample, 0-shot"
    beside.unlink()
    with pytest.raises(BenchmarkError, match="are not kept in"):
        given_answers.read(kept)
    # One that lies in no folder of a leaderboard has no answers beside it.
    monkeypatch.setattr(Path, "absolute", lambda path: Path("/") / path.name)
    with pytest.raises(BenchmarkError, match="are not kept in /answers/ruler/bioner_sample"):
        given_answers.read(kept)
    monkeypatch.undo()
    records.write(make_record("ruler", "bioner_ncbi"), tmp_path / "records")
    with pytest.raises(BenchmarkError, match="holds several"):
        given_answers.read(tmp_path / "records")
    with pytest.raises(BenchmarkError, match=r"no samples_\*\.jsonl of bioner_bc2gm"):
        given_answers.read(tmp_path / "records", "bioner_bc2gm")


@pytest.mark.slow
def test_errors_on_the_command_line(tmp_path):
    path = answers(tmp_path, ROWS)
    shown = call("errors", path).stdout
    assert "ATM {causes} [{ataxia} telangiectasia]" in shown
    assert 'boundary Disease "ataxia" for Disease "ataxia telangiectasia"' in shown
    assert "\x1b" not in shown
    told = json.loads(call("errors", path, "--json", "--kind", "boundary", "--limit", 1).stdout)
    assert (told["counts"]["missed"], list(told["examples"])) == (2, ["boundary"])
    assert told["sentences"] == len(predictions.read(path))
    page = tmp_path / "errors.html"
    assert call("errors", path, "--against", path, "--html", page).stdout.strip() == str(page)
    assert "(first)" in page.read_text()
    assert "there is no kind wrong" in fails("errors", path, "--kind", "wrong")
    assert "there is no file" in fails("errors", tmp_path / "nothing")
