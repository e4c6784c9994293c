"""The page as it is written: what it holds, what it escapes, what a reader without JavaScript sees."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from leaderboard_data import HOSTILE, HOSTILE_TOO, make_cards, make_record, make_records

from bioner_bench import corpora
from bioner_bench.leaderboard import page_counts, records, rows
from bioner_bench.leaderboard.page import html
from bioner_bench.leaderboard.rows import folded, group_means, lines, overview
from bioner_bench.leaderboard.tasks import members

ROOT = Path(__file__).parents[2]
NUMBERS = ("f1", "precision", "recall", "string", "seen", "unseen", "json", "invented")
COLUMNS = ("system", "kind", *NUMBERS, "size", "speed")


@pytest.fixture(scope="module")
def found():
    return make_records()


@pytest.fixture(scope="module")
def table(found):
    return rows.table(found, make_cards())


@pytest.fixture(scope="module")
def page(table, found):
    return html(table, found, make_cards())


class Reader(HTMLParser):
    """Elements with their attributes, the text of scripts and styles, and each section's table by cells."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.raw, self.inside = [], [], []
        self.lines, self.section = {}, ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "input"):
            self.inside.append(tag)
        if tag in ("script", "style"):
            self.raw.append("")
        if tag == "section":
            self.section = dict(attributes)["id"]
        if tag == "tr" and "tbody" in self.inside:
            self.lines.setdefault(self.section, []).append([])
        if tag in ("td", "th") and "tbody" in self.inside:
            self.lines[self.section][-1].append("")

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag

    def handle_data(self, data):
        if self.inside and self.inside[-1] in ("script", "style"):
            self.raw[-1] += data
        elif "tbody" in self.inside and {"td", "th"} & set(self.inside):
            self.lines[self.section][-1][-1] += data


@pytest.fixture(scope="module")
def read(page):
    return Reader(page)


@pytest.fixture(scope="module")
def data(read):
    return json.loads(read.raw[1])


def percent(value, digits=1):
    return f"{100 * value:.{digits}f}"


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(page, table, found):
    assert html(table, found, make_cards()) == page
    again = """
import hashlib
from leaderboard_data import make_cards, make_records
from bioner_bench.leaderboard import rows, page

found, cards = make_records(), make_cards()
print(hashlib.sha256(page.html(rows.table(found, cards), found, cards).encode()).hexdigest())"""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "tests" / "helpers"),
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Tokyo",
    }
    done = subprocess.run(
        [sys.executable, "-c", again], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == hashlib.sha256(page.encode()).hexdigest()


def test_hostile_names_stay_text(page, read, data):
    names = [tag for tag, _ in read.elements]
    assert names.count("script") == 2
    assert not {"img", "iframe", "object", "embed", "base"} & set(names)
    for section, place in (("overview", 1), ("corpus-bioner_ncbi", 0), ("reported", 1)):
        assert sum(line[place].startswith(HOSTILE) for line in read.lines[section]) == 1, section
    assert not any(key.startswith("on") for _, attributes in read.elements for key in attributes)
    assert not re.search("[<>&\u2028]", read.raw[1])
    assert HOSTILE_TOO in json.dumps(data, ensure_ascii=False).replace('\\"', '"')
    assert "innerHTML" not in page
    assert "49" not in {cell for lines in read.lines.values() for line in lines for cell in line}


def test_nothing_is_loaded(page, read):
    style, _, script = read.raw
    for tag, attributes in read.elements:
        for key in ("src", "href", "action", "data", "poster", "srcset", "xlink:href", "formaction"):
            target = attributes.get(key)
            assert target is None or tag == "a" or target.startswith("data:"), (tag, attributes)
    assert not re.search(r"url\(|@import|@font-face", style)
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|WebSocket|sendBeacon|new Image", script)
    policy = next(
        a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")
    for name, content in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


def test_links_lead_to_the_web_or_into_the_repository(read, data):
    written = [a["href"] for tag, a in read.elements if tag == "a"]
    drawn = [
        address
        for row in [*data["systems"], *data["rows"], *data["runs"], *data["reported"]]
        for _, address in row.get("links", [])
    ]
    for address in (*written, *drawn):
        assert re.match(r"https://|#|records/|\.\./baselines/|leaderboard\.(csv|json)$", address), address
    tuned = next(row for row in data["rows"] if row["id"] == "tuned-4b/bioner_ncbi-0-shot")
    assert dict(tuned["links"]) == {
        "Model card": "https://example.org/tuned-4b",
        "Paper": "https://example.org/tuned-4b.pdf",
        "Recipe": "../baselines/recipes/tuned-4b.yaml",
        "Card": "../baselines/tuned-4b.yaml",
        "Record": "records/tuned-4b/bioner_ncbi-0-shot.json",
    }
    system = next(row for row in data["systems"] if row["system"] == "tuned-4b")
    assert [text for _, text in system["commands"]] == [
        "bioner-bench train baselines/recipes/tuned-4b.yaml",
        "bioner-bench run --system tuned-4b --tasks bioner_ncbi",
    ]


def test_head_says_what_a_browser_needs(read):
    elements = read.elements
    assert ("html", {"lang": "en"}) in elements
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in elements
    icon = next(attributes for tag, attributes in elements if tag == "link")
    assert icon["rel"] == "icon"
    assert icon["href"].startswith("data:image/svg+xml,")


@pytest.mark.slow
def test_the_head_says_of_which_day_and_data_the_page_is(found, table):
    text = html(table, found, {})
    assert "Newest run: 2025-06-01" in text and "bioner_bench 0.1.0" in text
    later = [*found[1:], found[0] | {"run": found[0]["run"] | {"date": "2025-07-02T00:00:00Z"}}]
    assert "Newest run: 2025-07-02" in html(rows.table(later, {}), later, {})
    (before,) = re.findall("Data: <code>([0-9a-f]{12})<", text)
    changed = [found[0] | {"samples_sha256": "0" * 64}, *found[1:]]
    (after,) = re.findall("Data: <code>([0-9a-f]{12})<", html(table, changed, {}))
    assert before != after


def test_the_overview_is_there_without_javascript(read, table):
    board = overview(table)
    board = board[board["kind"] != "reference"].to_dict("records")
    for line, row in zip(read.lines["overview"], board, strict=True):
        assert line[1].startswith(row["title"])
        assert line[3] == f"{row['coverage']} of 9"
        if row["mean"] == row["mean"]:
            assert (line[0], line[2]) == (f"{row['rank']:.0f}", percent(row["mean"]))
        else:
            assert line[0] == line[2] == "–not known"
        for task, cell in zip(members("bioner"), line[4:], strict=True):
            assert cell.rstrip("★≈") == (percent(row[task]) if row[task] == row[task] else "–not known")
    means = group_means(table, "bioner_core").dropna(subset="mean")
    assert [line[1] for line in read.lines["overview"]][:2] == ["Tuned 4B0-shot", "Encoder"]
    assert list(means["title"]) == ["Tuned 4B", "Encoder"]


def test_the_tables_of_corpora_are_there_without_javascript(read, table):
    shown = folded(table)
    for task in corpora.names():
        here = lines(shown[(shown["task"] == task) & (shown["kind"] != "reference")].drop(columns="runs"))
        if not here:
            continue
        written = read.lines[f"corpus-{task}"]
        assert all(len(line) == len(COLUMNS) for line in written)
        for line, row in zip(written, here, strict=False):
            assert line[0].startswith(row["title"])
            assert line[2].startswith(percent(row["strict_f1"]))
    ncbi = [line[0] for line in read.lines["corpus-bioner_ncbi"]]
    assert any("partial run, not ranked: 30 of 120 sentences" in cell for cell in ncbi)
    assert any("older task version 0.9" in cell for cell in ncbi)
    assert any("★ best of 7" in cell for cell in ncbi)
    tied = shown[(shown["task"] == "bioner_ncbi") & shown["tied_with_best"].astype(bool)]
    assert sum("≈ not significantly worse" in cell for cell in ncbi) == len(tied) > 0
    assert [cell for cell in ncbi if "mean of 2 seeds" in cell] == ["Tiny 135M Instruct5-shotmean of 2 seeds"]
    assert not any("Oracle" in cell or "reported" in cell for cell in ncbi)


def test_reported_figures_stand_by_themselves_and_lead_to_their_source(read, data, page):
    assert len(read.lines["reported"]) == len(data["reported"]) == 9
    assert all(row["link"].startswith("https://") for row in data["reported"])
    assert all(
        dict(row["facts"][0][1]).keys() >= {"Source", "How sure", "Protocol"} for row in data["reported"]
    )
    for hidden in ("a rumour", "nobody wrote down"):
        assert hidden not in page
    assert not {row["id"] for row in data["reported"]} & {row["id"] for row in data["rows"]}


def test_the_data_hold_what_the_records_say(data, found):
    by_id = {row["id"]: row for row in [*data["rows"], *data["runs"]]}
    assert len(by_id) == len(data["rows"]) + len(data["runs"])
    for record in found:
        row = by_id[records.place(record).as_posix().removesuffix(".json")]
        known = {name: score for name, score in record["scores"].items() if score["value"] is not None}
        assert row["scores"].keys() == known.keys()
        for name, score in known.items():
            assert row["scores"][name] == pytest.approx([*score.values()], abs=1e-6)
        assert row["commands"][-1][1] == record["run"]["command"]
        facts = [value for _, pairs in row["facts"] for _, value in pairs]
        for fact in (record["gold_sha256"], record["samples_sha256"], record["model"]["dtype"]):
            assert fact in facts
        for type_ in record["types"]:
            gold, predicted, strict, relaxed = row["counts"][type_]
            suffix = f"_{type_}" if len(record["types"]) > 1 else ""
            assert record["scores"][f"strict_precision{suffix}"]["value"] == pytest.approx(strict / predicted)
            assert record["scores"][f"relaxed_recall{suffix}"]["value"] == pytest.approx(relaxed / gold)


def test_several_seeds_are_one_line_with_their_mean_and_range(data):
    (line,) = (row for row in data["rows"] if row.get("members"))
    runs = [run for run in data["runs"] if run["id"] in line["members"]]
    assert len(runs) == len(data["runs"]) == 2
    for name, (mean, low, high) in line["scores"].items():
        values = [run["scores"][name][0] for run in runs]
        assert (mean, low, high) == pytest.approx((sum(values) / 2, min(values), max(values)), abs=1e-6)


def unpack(text):
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    values = []
    for above, digit, times in re.findall(r"(?:\((\d+)\)|([0-9A-Za-z]))(?:\{(\d+)\})?", text):
        values += [int(above) if above else digits.index(digit)] * int(times or 1)
    return values


@pytest.mark.parametrize("clustered", [True, False])
def test_the_counts_of_the_page_are_those_of_the_records(clustered):
    made = [
        make_record(system, "bioner_jnlpba", kind="encoder", clustered=clustered, sentences=400, resamples=10)
        for system in ("one", "two")
    ]
    packed = page_counts.of_task(made)
    assert (packed["unit"], packed["units"]) == (("document", 80) if clustered else ("sentence", 400))
    rows_of = []
    for record in made:
        name = records.place(record).as_posix().removesuffix(".json")
        table = records.counts_of(record)
        columns = {**packed["gold"], **packed["runs"][name]}
        for column, text in columns.items():
            assert sum(unpack(text)) == table[column].sum(), column
            assert len(unpack(text)) == packed["units"]
        rows_of.append(columns)
        # The same documents, in one order for all columns and runs.
        documents = record["documents"] or list(range(400))
        sums = {}
        for document, *counts in zip(documents, *(table[column].tolist() for column in columns), strict=True):
            sums[document] = [a + b for a, b in zip(sums.get(document, [0] * 99), counts, strict=False)]
        assert sorted(sums.values()) == sorted(map(list, zip(*map(unpack, columns.values()), strict=True)))


@pytest.mark.slow
def test_a_hundred_records_fit(found):
    big = [
        make_record("encoder", "bioner_jnlpba", kind="encoder", sentences=40, resamples=10) for _ in range(20)
    ]
    big += [make_record(HOSTILE[8:13], sentences=40, resamples=10) for _ in range(80)]
    for index, record in enumerate(big):
        record["system"] = record["system"] | {"name": f"system-{index}"}
    assert len(html(rows.table(big, make_cards()), big, make_cards()).encode()) < 800_000


def test_a_leaderboard_without_results_is_a_page():
    assert "There are no results yet." in html(rows.table([], {}), [], {})


def test_a_task_that_is_no_known_corpus_is_shown_by_its_id():
    record = make_record(task="bioner_elsewhere", types=["Cell"], sentences=20, resamples=10)
    written = Reader(html(rows.table([record], {}), [record], {}))
    assert len(written.lines["corpus-bioner_elsewhere"]) == 1
    (task,) = json.loads(written.raw[1])["tasks"]
    assert (task["name"], task["types"]) == ("bioner_elsewhere", ["Cell"])
