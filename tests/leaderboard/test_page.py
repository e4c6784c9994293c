import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from leaderboard_data import HOSTILE, HOSTILE_TOO, make_cards, make_record, make_records

from bioner_bench import corpora
from bioner_bench.leaderboard import records, rows
from bioner_bench.leaderboard.page import html
from bioner_bench.leaderboard.rows import group_means, members

ROOT = Path(__file__).parents[2]
NUMBERS = ("f1", "precision", "recall", "string", "seen", "unseen", "json", "invented")
COLUMNS = ("system", "kind", "task", *NUMBERS, "sentences")


@pytest.fixture(scope="module")
def found():
    return make_records()


@pytest.fixture(scope="module")
def table(found):
    return rows.table(found, make_cards())


@pytest.fixture(scope="module")
def page(table, found):
    return html(table, found)


class Reader(HTMLParser):
    """Elements with their attributes, the text of scripts and styles, and the cells of the table's body."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.raw, self.lines, self.inside = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "input"):
            self.inside.append(tag)
        if tag in ("script", "style"):
            self.raw.append("")
        if tag == "tr" and "tbody" in self.inside:
            self.lines.append([])
        if tag in ("td", "th") and "tbody" in self.inside:
            self.lines[-1].append("")

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag

    def handle_data(self, data):
        if self.inside and self.inside[-1] in ("script", "style"):
            self.raw[-1] += data
        elif "tbody" in self.inside and {"td", "th"} & set(self.inside):
            self.lines[-1][-1] += data


@pytest.fixture(scope="module")
def read(page):
    return Reader(page)


@pytest.fixture(scope="module")
def data(read):
    return json.loads(read.raw[1])


def percent(value, digits=1):
    return f"{100 * value:.{digits}f}"


def test_the_same_input_gives_the_same_bytes(page, table, found):
    assert html(table, found) == page
    again = """
import hashlib
from leaderboard_data import make_cards, make_records
from bioner_bench.leaderboard import rows, page

found = make_records()
print(hashlib.sha256(page.html(rows.table(found, make_cards()), found).encode()).hexdigest())"""
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
    assert sum(line[0].startswith(HOSTILE) for line in read.lines) == 2
    assert not any(key.startswith("on") for _, attributes in read.elements for key in attributes)
    assert not re.search("[<>&\u2028]", read.raw[1])
    assert HOSTILE_TOO in json.dumps(data, ensure_ascii=False).replace('\\"', '"')
    assert "innerHTML" not in page
    assert "49" not in {line[0] for line in read.lines}


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


def test_head_says_what_a_browser_needs(read):
    elements = read.elements
    assert ("html", {"lang": "en"}) in elements
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in elements
    icon = next(attributes for tag, attributes in elements if tag == "link")
    assert icon["rel"] == "icon"
    assert icon["href"].startswith("data:image/svg+xml,")


def test_the_table_is_there_without_javascript(read, table):
    assert len(read.lines) == len(table)
    assert all(len(line) == len(COLUMNS) for line in read.lines)
    written = {" | ".join(line) for line in read.lines}
    for row in rows.lines(table):
        here = [line for line in written if line.startswith(row["title"])]
        assert any(corpora.get(row["task"]).name in line for line in here), row
        if row.get("strict_f1") is not None:
            assert any(f" | {percent(row['strict_f1'])}" in line for line in here), row
    marked = [line[0] for line in read.lines]
    assert sum("reported, not measured here" in cell for cell in marked) == sum(
        not row["measured"] for row in rows.lines(table)
    )
    assert any("partial run, not ranked: 30 of 120 sentences" in cell for cell in marked)
    assert any("older task version 0.9" in cell for cell in marked)
    assert any("★ best of 8" in cell for cell in marked)
    assert sum("≈ not significantly worse" in cell for cell in marked) == sum(
        row["tied_with_best"] for row in rows.lines(table)
    )


def test_the_data_hold_what_the_records_say(data, found):
    by_id = {row["id"]: row for row in data["rows"]}
    assert len(by_id) == len(data["rows"])
    for record in found:
        row = by_id[records.place(record).as_posix().removesuffix(".json")]
        known = {name: score for name, score in record["scores"].items() if score["value"] is not None}
        assert row["scores"].keys() == known.keys()
        for name, score in known.items():
            assert row["scores"][name] == pytest.approx([*score.values()], abs=1e-6)
        assert row["command"] == record["run"]["command"]
        facts = [value for _, pairs in row["facts"] for _, value in pairs]
        for fact in (record["gold_sha256"], record["samples_sha256"], record["model"]["dtype"]):
            assert fact in facts
        for type_ in record["types"]:
            gold, predicted, strict, relaxed = row["counts"][type_]
            suffix = f"_{type_}" if len(record["types"]) > 1 else ""
            assert record["scores"][f"strict_precision{suffix}"]["value"] == pytest.approx(strict / predicted)
            assert record["scores"][f"relaxed_recall{suffix}"]["value"] == pytest.approx(relaxed / gold)
    reported = [row for row in data["rows"] if not row["measured"]]
    assert len(reported) == 9
    assert all(dict(row["facts"][0][1]).keys() >= {"Source", "How sure", "Protocol"} for row in reported)
    assert "a rumour" not in json.dumps(data)


def test_two_hundred_records_fit(found):
    big = [
        make_record("encoder", "bioner_jnlpba", kind="encoder", sentences=40, resamples=10) for _ in range(40)
    ]
    big += [make_record(HOSTILE[8:13], sentences=40, resamples=10) for _ in range(160)]
    for index, record in enumerate(big):
        record["system"] = record["system"] | {"name": f"system-{index}"}
    assert len(html(rows.table(big, make_cards()), big).encode()) < 1_500_000


def test_a_leaderboard_without_results_is_a_page():
    assert "There are no results yet." in html(rows.table([], {}), [])


def test_a_task_that_is_no_known_corpus_is_shown_by_its_id():
    record = make_record(task="bioner_elsewhere", types=["Cell"], sentences=20, resamples=10)
    written = Reader(html(rows.table([record], {}), [record]))
    assert written.lines[0][2] == "bioner_elsewhere"
    assert json.loads(written.raw[1])["types"] == ["Cell"]


# From here on in a real browser, where there is one.


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield started
    started.quit()


class Browser:
    """The page in a browser, with words for what a reader does."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address

    def visit(self, hash_="", width=1400, height=1000, **features):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        named = [
            {"name": f"prefers-{key.replace('_', '-')}", "value": value} for key, value in features.items()
        ]
        self.command("Emulation.setEmulatedMedia", features=named)
        # Between two addresses that differ in the hash alone a browser loads nothing.
        self.driver.get("about:blank")
        self.driver.get(self.address + hash_)
        return self

    def command(self, name, **parameters):
        self.driver.execute_cdp_cmd(name, parameters)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def choose(self, name, value):
        """What a browser does once a reader has chosen; the driver's own click sends no input event."""
        choice = self.find(f"#{name} option[value='{value}']")
        assert choice.is_enabled()
        self.js(
            """arguments[0].selected = true;
            for (const name of ["input", "change"])
                arguments[0].closest("select").dispatchEvent(new Event(name, {bubbles: true}))""",
            choice,
        )

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def column(self, name):
        return self.js(
            "return [...document.querySelectorAll(`#rows .${arguments[0]}`)].map(e => e.innerText)", name
        )

    def systems(self):
        return self.js(
            "return [...document.querySelectorAll('#rows .system > :first-child')].map(e => e.innerText)"
        )

    def marks(self):
        return self.js("return [...document.querySelectorAll('#rows .about')].map(e => e.innerText)")

    def soon(self, condition):
        """Whether it comes true within two seconds: some events come after the click that causes them."""
        until = time.monotonic() + 2
        while not condition():
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    @property
    def hash(self):
        return self.js("return location.hash")

    @property
    def panel_open(self):
        return self.js("return document.getElementById('panel').open")

    def focused(self):
        return self.js("return document.activeElement.dataset.open || document.activeElement.id")


@pytest.fixture(scope="module")
def address(page, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def browser(driver, address):
    here = Browser(driver, address)
    driver.get_log("browser")
    yield here
    assert driver.get_log("browser") == []


AS_WRITTEN = "return document.images.length === 0 && document.scripts.length === 2"


def test_the_script_draws_the_servers_table(browser, page):
    browser.visit()
    cells = """const cell = item => [item.className, item.dataset.label, item.textContent];
    const cells = root => [...root.querySelectorAll("#rows tr")].map(
        line => [line.className, [...line.cells].map(cell)]);
    return [cells(document), cells(new DOMParser().parseFromString(arguments[0], "text/html"))]"""
    drawn, written = browser.js(cells, page)
    assert drawn == written
    assert (
        browser.find("#count").text
        == f"{len(drawn)} of {len(drawn)} rows shown, sorted by Corpus, ascending."
    )
    assert browser.js("return performance.getEntriesByType('resource').length") == 0


def test_the_table_stays_without_javascript(browser, table):
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.visit()
        assert len(browser.driver.find_elements("css selector", "#rows tr")) == len(table)
        assert not browser.find("#filters").is_displayed()
        assert browser.find("noscript p").is_displayed()
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


def number(cell):
    return None if cell.startswith("–") else float(cell.split()[0].replace(",", ""))


def in_order(values, down):
    known = [value for value in values if value is not None]
    return known == sorted(known, reverse=down) and values[len(known) :] == [None] * (
        len(values) - len(known)
    )


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_sorts(browser, column):
    browser.visit()
    before = browser.column("system")
    button = browser.find(f"th[data-key={column}] button")
    states = []
    for _ in range(2):
        button.click()
        states.append(browser.find(f"th[data-key={column}]").get_attribute("aria-sort"))
        assert len(browser.driver.find_elements("css selector", "th[aria-sort]")) == 1
        values = browser.column(column)
        down = states[-1] == "descending"
        if column == "system":
            names = [name.lower() for name in browser.systems() if name != HOSTILE]
            assert names == sorted(names, reverse=down)
        elif column == "kind":
            order = ["LLM", "Encoder", "Dictionary", "Reference"]
            assert in_order([order.index(value) for value in values], down)
        elif column == "task":
            assert len({values[0], values[-1]}) == 2
            assert [values[i] != values[i - 1] for i in range(1, len(values))].count(True) == len(
                set(values)
            ) - 1
        else:
            partial = ["partial run" in mark for mark in browser.marks()]
            ranked = [
                number(value) for value, is_partial in zip(values, partial, strict=True) if not is_partial
            ]
            if column == "sentences":
                assert in_order([number(value) for value in values], down)
            else:
                assert in_order(ranked, down)
                assert partial == sorted(partial)
        assert browser.column("system") != before
        before = browser.column("system")
    assert set(states) == {"ascending", "descending"}
    assert states[0] == ("ascending" if column in ("system", "kind", "invented") else "descending")


def test_a_corpus_and_a_group_filter(browser, table):
    browser.visit().choose("task", "bioner_jnlpba")
    assert set(browser.column("task")) == {"JNLPBA"}
    browser.choose("task", "bioner_ood")
    assert set(browser.column("task")) == {"NLM-Chem", "NLM-Gene"}
    browser.choose("task", "mean:bioner_core")
    browser.find("th[data-key=f1] button").click()
    means = group_means(table, "bioner_core").dropna(subset="mean").to_dict("records")
    assert browser.systems() == [mean["title"] for mean in means] == ["Tuned 4B", "Encoder"]
    assert browser.column("f1") == [percent(mean["mean"]) for mean in means]
    assert "Unweighted means over BC2GM" in browser.find("#view").text
    assert "left out (7)" in browser.find("#view").text
    browser.find("#rows button").click()
    corpora_shown = browser.js(
        "return [...document.querySelectorAll('#panel .runs tbody tr')].map(e => e.innerText)"
    )
    assert [line.split("\t")[0] for line in corpora_shown] == [
        corpora.get(task).name for task in members("bioner_core")
    ]
    browser.find("#panel .runs tbody button").click()
    assert "bioner_bc2gm, version 1.0" in browser.find("#panel").text


def test_an_entity_type_filters_and_shows_its_own_scores(browser, found):
    browser.visit().choose("type", "Gene")
    assert set(browser.column("task")) == {"BC2GM", "NLM-Gene"}
    assert not browser.find("#task option[value=bioner_ncbi]").is_enabled()
    browser.choose("type", "")
    browser.choose("task", "bioner_jnlpba")
    assert not browser.find("#type option[value=Gene]").is_enabled()
    browser.choose("type", "protein")
    expected = {
        record["system"]["title"]: record["scores"]["strict_f1_protein"]["value"]
        for record in found
        if record["task"] == "bioner_jnlpba"
    }
    shown = dict(zip(browser.systems(), browser.column("f1"), strict=True))
    assert {title: number(cell) for title, cell in shown.items()} == {
        title: float(percent(value)) for title, value in expected.items()
    }
    assert set(browser.column("string")) == {"–\nnot known"}
    assert "protein alone" in browser.find("#view").text
    assert not any("best" in mark for mark in browser.marks())


def test_kinds_filter(browser):
    browser.visit().find("[name=kind][value=llm]").click()
    assert set(browser.column("kind")) == {"Encoder", "Dictionary", "Reference"}
    for kind in ("encoder", "dictionary", "reference"):
        browser.find(f"[name=kind][value={kind}]").click()
    assert browser.column("system") == []
    assert browser.find("#rows").text == "No row fits these filters."
    browser.find("#reset").click()
    assert set(browser.column("kind")) == {"LLM", "Encoder", "Dictionary", "Reference"}
    assert browser.hash == ""


def test_relaxed_scores_take_the_place_of_strict_ones(browser, found):
    browser.visit().choose("task", "bioner_ncbi")
    assert any("best of 8" in mark for mark in browser.marks())
    strict = browser.column("f1")
    browser.find("[name=match][value=relaxed]").click()
    assert browser.find("#match-head").text == "Relaxed match"
    assert browser.column("f1") != strict
    place = browser.systems().index("Dictionary of the training split")
    record = next(record for record in found if record["system"]["name"] == "dictionary")
    for column, score in (
        ("f1", "relaxed_f1"),
        ("precision", "relaxed_precision"),
        ("recall", "relaxed_recall"),
    ):
        assert number(browser.column(column)[place]) == float(percent(record["scores"][score]["value"]))
    assert not any("best" in mark for mark in browser.marks())
    assert "not marked here" in browser.find("#view").text


def test_reported_figures_can_be_hidden(browser, table):
    browser.visit()
    reported = sum(not row["measured"] for row in rows.lines(table))
    assert sum("reported, not measured here" in mark for mark in browser.marks()) == reported
    looks = browser.js("""return ["reported", "partial"].map(look => {
        const style = getComputedStyle(document.querySelector(`#rows tr.${look} .f1 b`));
        return [style.fontStyle, style.color]})""")
    assert looks[0][0] == "italic"
    assert looks[0] != looks[1]
    browser.find("#reported").click()
    assert len(browser.systems()) == len(table) - reported
    assert not any("reported" in mark for mark in browser.marks())
    assert f"All {reported} reported figures are hidden." in browser.find("#view").text


def test_search_finds_systems_by_name_and_base_model(browser):
    browser.visit().find("#search").send_keys("all DATA tuned")
    assert set(browser.systems()) == {"Tuned 4B, all data"}
    browser.find("#search").clear()
    browser.find("#search").send_keys("base-4b")
    assert set(browser.systems()) == {"Tuned 4B", "Tuned 4B, all data"}
    assert browser.find("#count").get_attribute("aria-live") == "polite"
    assert browser.find("#count").text.startswith(f"{len(browser.systems())} of ")


ENCODER = "encoder/bioner_jnlpba-0-shot"


def test_the_panel_opens_by_mouse_and_gives_the_focus_back(browser, found):
    browser.visit()
    button = browser.find(f"[data-open='{ENCODER}']")
    button.click()
    assert browser.panel_open
    assert browser.focused() == "close"
    record = next(r for r in found if records.place(r).as_posix() == f"{ENCODER}.json")
    text = browser.find("#panel").text
    for type_ in record["types"]:
        score = record["scores"][f"strict_f1_{type_}"]
        assert re.search(rf"{type_}\s[\d\s]*\b{percent(score['value'], 2)}\s*\[{percent(score['low'])}", text)
    for shown in (
        percent(record["scores"]["strict_recall_unseen"]["value"], 2),
        percent(record["scores"]["json_repaired"]["value"], 2),
        percent(record["scores"]["false_positive_rate"]["value"], 2),
        "bioner_jnlpba, version 1.0",
        record["prompt_hash"],
        record["gold_sha256"],
        "pretrained=example/encoder, dtype=bfloat16",
        "torch.bfloat16",
        "Example CPU, 2 cores",
        "lm_eval 0.4.13",
        "2025-06-01 12:00:00 UTC",
        "61.5 s",
        "1.951",
        "100 resamples over documents",
    ):
        assert shown in text, shown
    assert browser.find("#panel pre").text == record["run"]["command"]
    browser.find("#copy").click()
    assert browser.soon(lambda: browser.find("#panel [role=status]").text)
    if browser.find("#panel [role=status]").text != "Copied.":
        assert browser.js("return String(getSelection())") == record["run"]["command"]
    browser.find("#close").click()
    assert not browser.panel_open
    assert browser.soon(lambda: browser.hash == "")
    assert browser.focused() == ENCODER


def test_the_panel_opens_and_closes_by_keyboard(browser):
    from selenium.webdriver import Keys

    browser.visit().js("document.querySelector(`[data-open='${arguments[0]}']`).focus()", ENCODER)
    browser.press(Keys.ENTER)
    assert browser.panel_open
    assert "open=" in browser.hash
    for _ in range(40):
        browser.press(Keys.TAB)
        inside = browser.js(
            "const e = document.activeElement; return e === document.body || e.closest('#panel') !== null"
        )
        assert inside
    browser.press(Keys.ESCAPE)
    assert browser.soon(lambda: not browser.panel_open)
    assert browser.soon(lambda: browser.focused() == ENCODER)


def test_a_reported_row_tells_its_source(browser):
    browser.visit("#open=reported%2Fliterature-encoder%2Fbioner_jnlpba")
    text = browser.find("#panel").text
    for shown in ("reported, not measured here", "77.59", "Journal of Examples 2024, table 3"):
        assert shown in text
    assert "read in the source" in text
    assert "seqeval on tags" in text
    assert "Command" not in text


def test_hostile_names_run_nothing(browser):
    from selenium.common.exceptions import NoAlertPresentException

    for hash_ in ("", "#open=hostile%2Fbioner_ncbi-0-shot", "#open=reported%2Fhostile-card%2Fbioner_ncbi"):
        browser.visit(hash_)
        with pytest.raises(NoAlertPresentException):
            _ = browser.driver.switch_to.alert
        assert browser.systems().count(HOSTILE) == 2
        assert browser.js(AS_WRITTEN)
    text = browser.js("return document.getElementById('panel').textContent")
    assert HOSTILE_TOO in text
    browser.visit(
        "#q=%3Cscript%3Ealert(1)%3C/script%3E&task=nonsense&type=__proto__&sort=-constructor&open=toString"
    )
    assert set(browser.systems()) == {HOSTILE}
    assert not browser.panel_open
    assert browser.js(AS_WRITTEN)


def test_the_address_restores_a_view(browser):
    browser.visit().choose("task", "bioner_ncbi")
    browser.find("[name=kind][value=reference]").click()
    browser.find("[name=match][value=relaxed]").click()
    browser.find("#reported").click()
    browser.find("#search").send_keys("t")
    browser.find("th[data-key=recall] button").click()
    browser.find("th[data-key=recall] button").click()
    shown, controls = browser.column("recall"), "return [...new FormData(document.getElementById('filters'))]"
    chosen = browser.js(controls)
    first = browser.find("#rows button").get_attribute("data-open")
    browser.find("#rows button").click()
    title, hash_ = browser.find("#panel-title").text, browser.hash
    assert 3 < len(shown) < 12

    browser.visit(hash_)
    assert browser.find("#panel-title").text == title
    browser.find("#close").click()
    assert browser.soon(lambda: browser.focused() == first)
    assert browser.column("recall") == shown
    assert browser.js(controls) == chosen
    assert browser.find("th[data-key=recall]").get_attribute("aria-sort") == "ascending"

    browser.js("location.hash = '#task=bioner_jnlpba'")
    assert browser.soon(lambda: set(browser.column("task")) == {"JNLPBA"})
    assert browser.find("[name=match][value=strict]").is_selected()


def test_jumps_inside_the_page_keep_the_view(browser):
    from selenium.webdriver import Keys

    browser.visit("#task=bioner_jnlpba").press(Keys.TAB)
    assert browser.js("return document.activeElement.className") == "skip"
    assert browser.js("return document.activeElement.getBoundingClientRect().left") >= 0
    browser.press(Keys.ENTER)
    assert browser.focused() == "results"
    assert set(browser.column("task")) == {"JNLPBA"}
    assert browser.hash == "#task=bioner_jnlpba"


def test_the_keyboard_reaches_everything_in_order(browser):
    from selenium.webdriver import Keys

    browser.visit("#task=bioner_jnlpba")
    seen = []
    for _ in range(30):
        browser.press(Keys.TAB)
        seen.append(
            browser.js("""const e = document.activeElement, style = getComputedStyle(e);
            return [e.name || e.id || e.dataset.open || e.textContent.trim(), style.outlineStyle]""")
        )
    names = [name for name, _ in seen]
    order = [
        "task",
        "type",
        "q",
        "match",
        "kind",
        "reported",
        "reset",
        "results",
        "System",
        "Sentences",
        ENCODER,
    ]
    assert [name for name in dict.fromkeys(names) if name in order] == order
    assert all(outline == "solid" for name, outline in seen if name in order)


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_scrolls_up_and_down_only(browser, width):
    widths = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    browser.visit(width=width, height=844)
    scrolled, inner = browser.js(widths)
    assert scrolled <= inner <= width
    right = """return Math.max(
        ...[...document.querySelectorAll("#rows *")].map(e => e.getBoundingClientRect().right))"""
    assert browser.js(right) <= inner
    label = "return getComputedStyle(document.querySelector('#rows td.recall'), '::before').content"
    assert browser.js(label) == '"Strict recall"'
    browser.find("th[data-key=f1] button").click()
    assert browser.find("th[data-key=f1]").get_attribute("aria-sort") == "descending"
    browser.visit("#open=hostile%2Fbioner_ncbi-0-shot", width=width, height=844)
    scrolled, inner = browser.js(
        "const p = document.getElementById('panel'); return [p.scrollWidth, p.clientWidth]"
    )
    assert scrolled <= inner <= width


def test_wide_screens_need_no_sideways_scroll(browser):
    for width in (1400, 1000):
        browser.visit(width=width)
        scrolled, inner = browser.js(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert scrolled <= inner


def luminance(colour):
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


COLOURS = """const clear = "rgba(0, 0, 0, 0)";
    return [...document.querySelectorAll("body *")].filter(e => e.checkVisibility() &&
        [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(e => {
            let behind = e;
            while (behind && getComputedStyle(behind).backgroundColor === clear)
                behind = behind.parentElement;
            return [getComputedStyle(e).color, getComputedStyle(behind || document.body).backgroundColor,
                    e.tagName + "." + e.className];
        })"""


def test_text_can_be_read_in_light_and_in_dark(browser):
    body = {}
    for scheme in ("light", "dark"):
        for hash_ in ("", "#open=hostile%2Fbioner_ncbi-0-shot"):
            browser.visit(hash_, color_scheme=scheme, reduced_motion="reduce")
            colours = browser.js(COLOURS)
            assert len(colours) > 300
            for text, behind, where in {tuple(colour) for colour in colours}:
                assert contrast(text, behind) >= 4.5, (scheme, where, text, behind)
        body[scheme] = browser.js(
            "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
        )
    assert luminance(body["light"][1]) > 0.9 > 0.1 > luminance(body["dark"][1])
    assert luminance(body["dark"][0]) > luminance(body["light"][0])


def test_motion_only_where_it_is_welcome(browser):
    moving = "return getComputedStyle(document.getElementById('panel')).animationName"
    for wish, name in (("no-preference", "come"), ("reduce", "none")):
        browser.visit(f"#open={ENCODER}", reduced_motion=wish)
        assert browser.js(moving) == name


def test_a_screen_reader_finds_its_way(browser):
    browser.visit(width=390)
    # Cards are no table by their style, so the roles are said.
    roles = """return [...document.querySelectorAll(".main table, .main table *[role]")].map(
        e => e.tagName + e.role)"""
    assert {"TABLEtable", "TRrow", "TDcell", "THrowheader", "THcolumnheader"} <= set(browser.js(roles))
    assert browser.js("return document.querySelector('.main table').caption.textContent.trim()")
    labelled = (
        """return [...document.querySelectorAll("input, select")].filter(e => !e.labels.length).length"""
    )
    assert browser.js(labelled) == 0
    browser.visit(f"#open={ENCODER}")
    unnamed = """return [...document.querySelectorAll("#panel th")].filter(
        e => !e.scope || !e.textContent.trim()).length"""
    assert browser.js(unnamed) == 0
    assert browser.find("#panel").accessible_name == "Encoder"


def test_print_leaves_the_controls_out(browser):
    browser.visit().command("Emulation.setEmulatedMedia", media="print")
    try:
        assert not browser.find("#filters").is_displayed()
        assert browser.find("#rows tr").is_displayed()
    finally:
        browser.command("Emulation.setEmulatedMedia", media="")
