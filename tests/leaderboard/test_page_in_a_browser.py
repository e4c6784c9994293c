"""The page in a real browser, where there is one: what a reader clicks, types, sees and shares."""

import re
from pathlib import Path

import browser as browsers
import pytest
from browser import Browser
from leaderboard_data import HOSTILE, HOSTILE_TOO, make_cards, make_record, make_records

from bioner_bench import corpora
from bioner_bench.evaluation.bootstrap import compare_runs, holm
from bioner_bench.evaluation.scoring import scores
from bioner_bench.leaderboard import records, rows
from bioner_bench.leaderboard.page import html
from bioner_bench.leaderboard.rows import group_means, overview
from bioner_bench.leaderboard.tasks import members

pytestmark = pytest.mark.slow  # a browser works on while its tests wait

ROOT = Path(__file__).parents[2]
NUMBERS = ("f1", "precision", "recall", "string", "seen", "unseen", "json", "invented")
COLUMNS = ("system", "kind", *NUMBERS, "size", "speed")
NCBI, JNLPBA = "#task=bioner_ncbi", "#task=bioner_jnlpba"
ENCODER = "encoder/bioner_jnlpba-0-shot"
COVERAGE = [
    {"share": share, "mentions": 10, "least": -1.0, "precision": precision, "recall": 0.5, "f1": 0.5555}
    for share, precision in ((1.0, 0.625), (0.5, 0.875))
]


@pytest.fixture(scope="module")
def found():
    """Records of all kinds, and on one corpus two systems with three seeds each."""
    recipe = {"name": "r", "seed": 1, "epochs": 1, "model": "m"}
    training = {"recipe": recipe, "data": {"rows": 100}, "steps": 1, "seconds": 1.0}
    training |= {"hardware": "Example GPU", "precision": "float32"}
    found = make_records()
    for system, skill in (("seeds-a", 0.72), ("seeds-b", 0.66)):
        for seed in (1, 2, 3):
            record = make_record(
                system,
                "bioner_bc5cdr",
                kind="encoder",
                skill=skill + 0.02 * seed,
                seed=seed,
                clustered=True,
                sentences=300,
                training=training | {"recipe": recipe | {"seed": seed}},
            )
            found.append(record)
    (sure,) = (each for each in found if f"{records.place(each)}" == f"{ENCODER}.json")
    sure["confidence"] = {"calibration_error": 0.123, "coverage": COVERAGE}
    return found


@pytest.fixture(scope="module")
def table(found):
    return rows.table(found, make_cards())


@pytest.fixture(scope="module")
def page(table, found):
    return html(table, found, make_cards())


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    started = browsers.start(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()


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


def percent(value, digits=1):
    return f"{100 * value:.{digits}f}"


def number(cell):
    return None if cell.startswith("–") else float(re.sub("[★≈,MB]", " ", cell).split()[0])


def in_order(values, down):
    known = [value for value in values if value is not None]
    return known == sorted(known, reverse=down) and values[len(known) :] == [None] * (
        len(values) - len(known)
    )


AS_WRITTEN = "return document.images.length === 0 && document.scripts.length === 2"

# --- the tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["overview", "bioner_ncbi", "bioner_jnlpba", "bioner_bc5cdr"])
def test_the_script_draws_the_servers_table(browser, page, view):
    browser.visit().go(view)
    section = "overview" if view == "overview" else f"corpus-{view}"
    cells = """const cell = item => [item.className, item.dataset.label, item.textContent];
    const cells = root => [...root.querySelectorAll(`#${arguments[1]} :is(tbody, tfoot) tr`)].map(
        line => [line.className, [...line.cells].map(cell)]);
    return [cells(document), cells(new DOMParser().parseFromString(arguments[0], "text/html"))]"""
    drawn, written = browser.js(cells, page, section)
    assert drawn == written
    assert len(drawn) > 1
    assert browser.js("return performance.getEntriesByType('resource').length") == 0


def test_the_tables_stay_without_javascript(browser, table):
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.visit()
        sections = [
            "overview",
            "reported",
            *(f"corpus-{task}" for task in rows.tasks_of(rows.current(table))),
        ]
        for section in sections:
            assert browser.find(f"#{section} tbody tr").is_displayed()
        assert len(browser.find_all("#overview tbody tr")) == len(
            overview(table).query("kind != 'reference'")
        )
        for script_only in ("#filters", "#compare", "#drawer", "[data-view=compare]"):
            assert not browser.find(script_only).is_displayed()
        assert browser.find("noscript p").is_displayed()
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


def test_the_overview_opens_the_page_best_mean_first(browser, table):
    browser.visit()
    board = overview(table).query("kind != 'reference'")
    assert browser.systems() == list(board["title"])
    assert browser.texts("section.view h2") == ["Overview"]
    means = [number(cell) for cell in browser.column("mean")]
    assert in_order(means, down=True)
    covered = [cell for cell, mean in zip(browser.column("coverage"), means, strict=True) if mean is None]
    assert covered == sorted(covered, reverse=True)
    assert [number(cell) for cell in browser.column("rank")][:3] == [1, 2, None]
    foot = browser.texts("#references .open:not(.value)")
    assert foot == ["Oracle", "Empty"]
    assert (
        browser.find("#count").text
        == f"{len(board)} of {len(board)} lines shown, sorted by mean over core, highest first."
    )


@pytest.mark.parametrize("column", ["rank", "system", "mean", "coverage", "bioner_ncbi"])
def test_every_column_of_the_overview_sorts(browser, column):
    browser.visit()
    place = members("bioner").index(column) if column.startswith("bioner_") else None
    states = []
    for _ in range(2):
        browser.find(f"#overview th[data-key={column}] button").click()
        states.append(browser.find(f"#overview th[data-key={column}]").get_attribute("aria-sort"))
        assert len(browser.find_all("#overview th[aria-sort]")) == 1
        values = browser.column("corpus")[place::9] if place is not None else browser.column(column)
        down = states[-1] == "descending"
        if column == "system":
            names = [name.lower() for name in browser.systems() if name != HOSTILE]
            assert names == sorted(names, reverse=down)
        else:
            assert in_order([number(value) for value in values], down)
    assert set(states) == {"ascending", "descending"}


@pytest.mark.parametrize("group", ["bioner_ood", "bioner_disease"])
def test_the_mean_is_over_the_group_that_is_chosen(browser, table, group):
    browser.visit().choose("group", group)
    means = group_means(table, group).dropna(subset="mean").query("kind != 'reference'")
    known = [cell for cell in browser.column("mean") if not cell.startswith("–")]
    assert known == [percent(mean) for mean in means["mean"]]
    assert "of systems that ran on all of them" in browser.find("#note").text
    assert browser.hash == f"#group={group}"


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_of_a_corpus_sorts(browser, column):
    browser.visit(NCBI)
    orders = []
    head = f"#corpus-bioner_ncbi th[data-key={column}]"
    states = []
    for _ in range(2):
        browser.find(f"{head} button").click()
        states.append(browser.find(head).get_attribute("aria-sort"))
        assert len(browser.find_all("#corpus-bioner_ncbi th[aria-sort]")) == 1
        values = browser.column(column)
        down = states[-1] == "descending"
        if column == "system":
            names = [name.lower() for name in browser.systems() if name != HOSTILE]
            assert names == sorted(names, reverse=down)
        elif column == "kind":
            order = ["LLM", "Encoder", "Dictionary"]
            assert in_order([order.index(value) for value in values], down)
        elif column in ("size", "speed"):
            assert in_order([number(value) for value in values], down)
        else:
            partial = ["partial run" in mark or "older task" in mark for mark in browser.marks()]
            ranked = [number(v) for v, is_partial in zip(values, partial, strict=True) if not is_partial]
            assert in_order(ranked, down)
            assert partial == sorted(partial)
        orders.append([browser.systems(), browser.marks()])
    assert orders[0] != orders[1] or column == "size"
    assert set(states) == {"ascending", "descending"}


def test_whiskers_are_drawn_within_what_systems_reach(browser):
    browser.visit(NCBI)
    caption = browser.find("#corpus-bioner_ncbi caption").text
    low, high = map(int, re.search(r"runs from (\d+) to (\d+)", caption).groups())
    assert 0 < low < high <= 100
    places = browser.js(
        """return [...document.querySelectorAll("#corpus-bioner_ncbi circle[r='2.7']")].map(
            e => Number(e.getAttribute("cx")))"""
    )
    values = [number(cell) for cell in browser.column("f1")]
    shown = [2 + 100 * (value - low) / (high - low) for value in values if value >= low]
    assert places == pytest.approx(shown, abs=0.2)
    assert len(browser.find_all("#corpus-bioner_ncbi tbody .beyond")) == sum(value < low for value in values)


def test_an_entity_type_shows_its_own_scores(browser, found):
    browser.visit(NCBI)
    assert not browser.find("#type").is_displayed()
    browser.go("bioner_jnlpba").choose("type", "protein")
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
    assert "protein alone" in browser.find("#note").text
    assert not any("best" in mark for mark in browser.marks())
    browser.go("bioner_ncbi")
    assert "type" not in browser.hash


def test_kinds_filter(browser):
    browser.visit(NCBI).find("[name=kind][value=llm]").click()
    assert set(browser.column("kind")) == {"Encoder", "Dictionary"}
    browser.go("overview")
    assert "Tuned 4B" not in browser.systems() and "Encoder" in browser.systems()
    for kind in ("encoder", "dictionary"):
        browser.find(f"[name=kind][value={kind}]").click()
    assert browser.systems() == []
    assert browser.find("#board").text == "No system fits these filters."
    browser.find("#reset").click()
    assert "Tuned 4B" in browser.systems()
    assert browser.hash == ""


def test_relaxed_scores_take_the_place_of_strict_ones(browser, found):
    browser.visit(NCBI)
    assert any("best of 7" in mark for mark in browser.marks())
    strict = browser.column("f1")
    browser.find("[name=match][value=relaxed]").click()
    assert browser.texts(".match-head") == ["Relaxed match"]
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
    assert "not marked here" in browser.find("#note").text
    browser.go("overview")
    (cell,) = (
        text
        for text, label in zip(
            browser.texts(".view:not([hidden]) tbody tr:has(.none) .corpus .value"),
            browser.js(
                """return [...document.querySelectorAll('#board tr:has(.none) .corpus .value')].map(
                    e => e.getAttribute('aria-label'))"""
            ),
            strict=True,
        )
        if label.startswith("Dictionary of the training split on NCBI-disease")
    )
    assert cell == percent(record["scores"]["relaxed_f1"]["value"])


def test_reported_figures_come_in_only_when_asked_for(browser, table):
    browser.visit(NCBI)
    before = browser.systems()
    reported = sum(row["task"] == "bioner_ncbi" and not row["measured"] for row in rows.lines(table))
    assert not any("reported" in mark for mark in browser.marks())
    assert f"Others report {reported} figures" in browser.find("#note").text
    browser.find("#show-reported").click()
    assert len(browser.systems()) == len(before) + reported
    assert sum("reported, not measured here" in mark for mark in browser.marks()) == reported
    looks = browser.js("""return ["reported", "partial"].map(look => {
        const style = getComputedStyle(document.querySelector(`#corpus-bioner_ncbi tr.${look} .f1 b`));
        return [style.fontStyle, style.color]})""")
    assert looks[0][0] == "italic"
    assert looks[0] != looks[1]
    assert "not measured here; they have no rank" in browser.find("#note").text
    assert browser.hash == "#task=bioner_ncbi&reported=1"


def test_reported_figures_have_a_table_of_their_own(browser, table):
    browser.visit().go("reported")
    listed = rows.lines(table[~table["measured"].astype(bool)])
    assert len(browser.systems()) == len(listed) == 9
    sources = browser.js(
        "return [...document.querySelectorAll('#reports a')].map(e => [e.href, e.textContent])"
    )
    assert {text for _, text in sources} == {row["source"] for row in listed}
    assert all(address.startswith("https://example.org/") for address, _ in sources)
    browser.find("#search").send_keys("literature")
    assert set(browser.systems()) == {"Encoder of the literature"}
    assert browser.find("#count").text == "3 of 9 lines shown."


def test_search_finds_systems_by_name_and_base_model(browser):
    browser.visit().find("#search").send_keys("all DATA tuned")
    assert set(browser.systems()) == {"Tuned 4B, all data"}
    browser.find("#search").clear()
    browser.find("#search").send_keys("base-4b")
    assert set(browser.systems()) == {"Tuned 4B", "Tuned 4B, all data"}
    assert browser.find("#count").get_attribute("aria-live") == "polite"
    assert browser.find("#count").text.startswith(f"{len(browser.systems())} of ")


# --- two systems compared --------------------------------------------------------------------------------


def compared(found, task, a, b):
    """What the page is to show of two systems on a task, by the library's own test."""
    sides = [[r for r in found if r["task"] == task and r["system"]["name"] == name] for name in (a, b)]
    one = sides[0][0]
    tables = [[records.counts_of(record) for record in side] for side in sides]
    wanted = {"Strict F1": "strict_f1", "Recall, seen": "strict_recall_seen"}
    wanted |= {"Recall, unseen": "strict_recall_unseen"}
    if len(one["types"]) > 1:
        wanted |= {type_: f"strict_f1_{type_}" for type_ in one["types"]}
    named = scores(one["types"])
    return {shown: compare_runs(named[name], *tables, one["documents"]) for shown, name in wanted.items()}


def shown_comparison(browser):
    assert browser.soon(lambda: "significantly" in browser.find("#verdict").text, seconds=20)
    lines = browser.js("""return [...document.querySelectorAll("#comparison tbody tr")].map(
        e => [e.dataset.task, e.dataset.score, ...[...e.cells].slice(1).map(c => c.innerText)])""")
    made = {}
    for task, score, a, b, difference, interval, p in lines:
        bounds = [float(part.replace("−", "-")) for part in interval.strip("[]").split(", ")]
        p_value = 0.0005 if p.startswith("<") else float(p)
        made[task, score] = float(a), float(b), float(difference.replace("−", "-")), *bounds, p_value
    return made


@pytest.mark.parametrize(
    ("a", "b", "tasks"),
    [
        ("seeds-a", "seeds-b", ["bioner_bc5cdr"]),
        (
            "tuned-4b",
            "encoder",
            ["bioner_bc2gm", "bioner_bc5cdr_chem", "bioner_bc5cdr_disease", "bioner_ncbi"],
        ),
        ("tiny-instruct", "encoder", ["bioner_bc5cdr_disease", "bioner_ncbi", "bioner_jnlpba"]),
    ],
)
def test_a_comparison_is_that_of_the_library(browser, found, a, b, tasks):
    browser.visit(f"#task=compare&a={a}/0-shot&b={b}/0-shot")
    shown = shown_comparison(browser)
    assert list(dict.fromkeys(task for task, _ in shown)) == tasks
    whole = []
    for task in tasks:
        of_task = [r for r in found if not (r["system"]["name"] == "tiny-instruct" and r["setup"]["shots"])]
        of_task = [r for r in of_task if not r["partial"]]
        expected = compared(of_task, task, a, b)
        assert {score for t, score in shown if t == task} == set(expected)
        for score, test in expected.items():
            *_, difference, low, high, p_value = shown[task, score]
            assert difference == pytest.approx(100 * test.difference, abs=0.0501)
            # Both draw 10,000 resamples, with other random numbers.
            spread = 100 * (test.high - test.low)
            assert low == pytest.approx(100 * test.low, abs=0.1 + 0.05 * spread), (task, score)
            assert high == pytest.approx(100 * test.high, abs=0.1 + 0.05 * spread), (task, score)
            assert p_value == pytest.approx(test.p_value, abs=0.02), (task, score)
        whole.append(expected["Strict F1"])
    verdict = browser.find("#verdict").text
    for side, sign in (("A", 1), ("B", -1)):
        # Near 5 % the random numbers decide.
        surely, perhaps = (
            sum(
                p < level and sign * test.difference > 0
                for test, p in zip(whole, holm([test.p_value for test in whole]), strict=True)
            )
            for level in (0.035, 0.065)
        )
        said = re.search(rf"{side}, [^;]*? is significantly better on (\d|the one)", verdict)
        assert surely <= (0 if said is None else 1 if said[1] == "the one" else int(said[1])) <= perhaps


def test_two_ticked_systems_are_compared_and_the_address_leads_back(browser):
    browser.visit()
    boxes = browser.find_all("#board .pick")
    assert len(boxes) == len(browser.systems())
    boxes[0].click()
    assert "tick another system" in browser.find("#picked").text
    browser.find_all("#board .pick")[1].click()
    assert browser.find("#picked").text.startswith("Tuned 4B and Encoder")
    browser.go("bioner_ncbi")
    ticked = browser.js(
        "return [...document.querySelectorAll('.view:not([hidden]) .pick:checked')].map(e => e.dataset.pick)"
    )
    assert sorted(ticked) == ["encoder/0-shot", "tuned-4b/0-shot"]
    browser.find("[data-go=compare]").click()
    first, address = shown_comparison(browser), browser.hash
    assert address == "#task=compare&a=tuned-4b%2F0-shot&b=encoder%2F0-shot"
    browser.visit(address)
    assert shown_comparison(browser) == first
    browser.choose("b", "dictionary/0-shot")
    assert browser.soon(lambda: len(browser.find_all("#comparison tr.whole")) == 1, seconds=20)
    browser.choose("b", "tuned-4b/0-shot")
    assert browser.find("#verdict").text == "These are the same system; choose two."
    browser.go("overview").find("[data-go=clear]").click()
    assert not browser.find("#picked").is_displayed()
    assert browser.hash == ""


def test_systems_without_a_common_corpus_are_not_compared(browser):
    browser.visit("#task=compare&a=seeds-a/0-shot&b=dictionary/0-shot")
    assert browser.soon(lambda: "No corpus was answered by both" in browser.find("#verdict").text)


# --- the panel -------------------------------------------------------------------------------------------


def test_a_cell_of_the_overview_opens_its_run(browser):
    browser.visit().find("#board .corpus [data-open='encoder/bioner_bc2gm-0-shot']").click()
    assert browser.find("#panel-title").text == "Encoder"
    assert "bioner_bc2gm, version 1.0" in browser.find("#panel").text
    browser.find("#close").click()
    assert browser.soon(lambda: browser.focused() == "encoder/bioner_bc2gm-0-shot")


def test_a_system_opens_with_all_its_runs_and_commands(browser):
    browser.visit().find("#board .system [data-open='system/tuned-4b/0-shot']").click()
    corpora_shown = browser.texts("#panel .runs tbody tr td:first-child")
    expected = [
        task for task in members("bioner") if task in {*members("bioner_core"), *members("bioner_ood")}
    ]
    assert corpora_shown == [corpora.get(task).name for task in expected]
    assert browser.texts("#panel pre") == [
        "bioner-bench train baselines/recipes/tuned-4b.yaml",
        "bioner-bench run --system tuned-4b --tasks bioner_ncbi",
    ]
    assert browser.texts("#panel .leads a") == ["Model card", "Paper", "Recipe", "Card"]
    browser.find("#panel .runs tbody button").click()
    assert "bioner_bc2gm, version 1.0" in browser.find("#panel").text
    assert browser.texts("#panel .leads a") == ["Model card", "Paper", "Recipe", "Card", "Record"]


def test_a_mean_of_seeds_opens_with_its_runs(browser, found):
    browser.visit("#task=bioner_bc5cdr").find(".rows [data-open^='seeds-a/']").click()
    values = [
        record["scores"]["strict_f1"]["value"] for record in found if record["system"]["name"] == "seeds-a"
    ]
    text = browser.find("#panel").text
    assert "mean of 3 seeds" in text
    assert percent(sum(values) / 3, 2) in text
    assert f"[{percent(min(values))}, {percent(max(values))}]" in text
    runs = browser.texts("#panel .runs tbody tr")
    assert len([line for line in runs if "training seed" in line]) == 3
    browser.find("#panel .runs tbody button").click()
    assert re.search(r"training seed \d", browser.find("#panel-about").text)
    browser.find("#close").click()
    assert browser.soon(lambda: browser.hash == "#task=bioner_bc5cdr")


def test_the_panel_shows_what_the_surest_mentions_score(browser, found):
    browser.visit(f"{JNLPBA}&open={ENCODER}")
    (record,) = (each for each in found if f"{records.place(each)}" == f"{ENCODER}.json")
    shown = browser.texts("#panel table[data-sure] tbody tr")
    expected = [
        f"{each['share']:.0%} {each['precision']:.2%} {each['recall']:.2%} {each['f1']:.2%}".replace("%", "")
        for each in record["confidence"]["coverage"]
    ]
    assert [" ".join(line.split()) for line in shown] == expected
    assert "Calibration error: 12.30 %" in browser.find("#panel").text
    browser.visit(f"{NCBI}&open=encoder/bioner_ncbi-0-shot")
    assert "Only where the model is sure" not in browser.find("#panel").text


def test_the_panel_opens_by_mouse_and_gives_the_focus_back(browser, found):
    browser.visit(JNLPBA)
    button = browser.find(f".rows [data-open='{ENCODER}']")
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
    assert browser.texts("#panel pre")[-1] == record["run"]["command"]
    browser.find_all("#panel .copier")[-1].click()
    assert browser.soon(lambda: browser.find("#panel [role=status]").text)
    if browser.find("#panel [role=status]").text != "Copied.":
        assert browser.js("return String(getSelection())") == record["run"]["command"]
    browser.find("#close").click()
    assert not browser.panel_open
    assert browser.soon(lambda: browser.hash == JNLPBA)
    assert browser.focused() == ENCODER


def test_the_panel_opens_and_closes_by_keyboard(browser):
    from selenium.webdriver import Keys

    browser.visit(JNLPBA).js("document.querySelector(`.rows [data-open='${arguments[0]}']`).focus()", ENCODER)
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
    assert "To run it" not in text and not browser.find_all("#panel pre")
    assert browser.find("#panel .leads a").get_attribute("href") == "https://example.org/paper"


def test_hostile_names_run_nothing(browser):
    from selenium.common.exceptions import NoAlertPresentException

    for hash_ in (
        "",
        f"{NCBI}&reported=1&open=hostile%2Fbioner_ncbi-0-shot",
        "#task=reported&open=reported%2Fhostile-card%2Fbioner_ncbi",
        "#task=compare&a=hostile%2F0-shot&b=encoder%2F0-shot",
    ):
        browser.visit(hash_)
        with pytest.raises(NoAlertPresentException):
            _ = browser.driver.switch_to.alert
        if "compare" in hash_:
            assert HOSTILE in browser.find("#a").text
            assert shown_comparison(browser)
        else:
            assert HOSTILE in browser.systems()
        assert browser.js(AS_WRITTEN)
    browser.visit(f"{NCBI}&open=hostile%2Fbioner_ncbi-0-shot")
    assert HOSTILE_TOO in browser.js("return document.getElementById('panel').textContent")
    browser.visit(
        "#q=%3Cscript%3Ealert(1)%3C/script%3E&task=nonsense&type=__proto__&sort=-constructor&open=toString"
        "&group=__proto__&a=constructor&b=toString"
    )
    assert set(browser.systems()) == {HOSTILE}
    assert not browser.panel_open
    assert browser.js(AS_WRITTEN)


# --- addresses, keyboard, screens ------------------------------------------------------------------------


def test_the_address_restores_a_view(browser):
    browser.visit(NCBI)
    browser.find("[name=kind][value=dictionary]").click()
    browser.find("[name=match][value=relaxed]").click()
    browser.find("#show-reported").click()
    browser.find("#search").send_keys("t")
    for _ in range(2):
        browser.find("#corpus-bioner_ncbi th[data-key=recall] button").click()
    shown, controls = browser.column("recall"), "return [...new FormData(document.getElementById('filters'))]"
    chosen = browser.js(controls)
    first = browser.find("#corpus-bioner_ncbi .rows button").get_attribute("data-open")
    browser.find("#corpus-bioner_ncbi .rows button").click()
    title, hash_ = browser.find("#panel-title").text, browser.hash
    assert 3 < len(shown) < 13

    browser.visit(hash_)
    assert browser.find("#panel-title").text == title
    browser.find("#close").click()
    assert browser.soon(lambda: browser.focused() == first)
    assert browser.column("recall") == shown
    assert browser.js(controls) == chosen
    assert browser.find("#corpus-bioner_ncbi th[data-key=recall]").get_attribute("aria-sort") == "ascending"

    browser.js("location.hash = '#task=bioner_jnlpba'")
    assert browser.soon(lambda: browser.texts("section.view h2") == ["JNLPBA"])
    assert browser.find("[name=match][value=strict]").is_selected()


def test_jumps_inside_the_page_keep_the_view(browser):
    from selenium.webdriver import Keys

    browser.visit(JNLPBA).press(Keys.TAB)
    assert browser.js("return document.activeElement.className") == "skip"
    assert browser.js("return document.activeElement.getBoundingClientRect().left") >= 0
    browser.press(Keys.ENTER)
    assert browser.focused() == "results"
    browser.find("[href='#adding']").click()
    assert browser.focused() == "adding"
    assert browser.texts("section.view h2") == ["JNLPBA"]
    assert browser.hash == JNLPBA


def test_the_keyboard_reaches_everything_in_order(browser):
    from selenium.webdriver import Keys

    browser.visit(JNLPBA)
    seen = []
    for _ in range(55):
        browser.press(Keys.TAB)
        seen.append(
            browser.js("""const e = document.activeElement, style = getComputedStyle(e);
            const {open, pick, view} = e.dataset;
            return [e.name || e.id || open || pick || view || e.textContent.trim(), style.outlineStyle]""")
        )
    names = [name for name, _ in seen]
    order = [
        "overview",
        "bioner_jnlpba",
        "compare",
        "match",
        "type",
        "kind",
        "q",
        "reported",
        "reset",
        "System",
        "Sent./s",
        "encoder/0-shot",
        ENCODER,
    ]
    # `reported` is the name of a view as well.
    reached = [*names[: names.index("reported")], *names[names.index("compare") :]]
    assert [name for name in dict.fromkeys(reached) if name in order] == order
    assert all(outline == "solid" for name, outline in seen if name in order)


@pytest.mark.parametrize("width", [390, 320])
@pytest.mark.parametrize("view", ["overview", "bioner_ncbi", "reported", "compare"])
def test_a_phone_scrolls_up_and_down_only(browser, width, view):
    widths = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    chosen = "&a=tuned-4b/0-shot&b=encoder/0-shot" if view == "compare" else ""
    browser.visit(f"#task={view}{chosen}", width=width, height=844)
    if view == "compare":
        shown_comparison(browser)
    scrolled, inner = browser.js(widths)
    assert scrolled <= inner <= width
    right = """return Math.max(...[...document.querySelectorAll(".view:not([hidden]) tbody tr > *")].filter(
        e => e.checkVisibility()).map(e => e.getBoundingClientRect().right))"""
    if view != "compare":
        assert browser.js(right) <= inner
    browser.visit("#open=hostile%2Fbioner_ncbi-0-shot", width=width, height=844)
    scrolled, inner = browser.js(
        "const p = document.getElementById('panel'); return [p.scrollWidth, p.clientWidth]"
    )
    assert scrolled <= inner <= width


def test_a_card_on_a_phone_has_three_numbers(browser):
    labels = """return [...document.querySelector(".view:not([hidden]) tbody tr").querySelectorAll("td")]
        .filter(e => e.checkVisibility()).map(e => getComputedStyle(e, "::before").content)"""
    browser.visit(width=390, height=844)
    assert browser.js(labels) == ['"Rank"', '"Mean, core"', '"Corpora"']
    browser.find("#overview th[data-key=bioner_ncbi] button").click()
    assert browser.js(labels) == ['"Rank"', '"Mean, core"', '"Corpora"', '"NCBI-disease"']
    values = [number(value) for value in browser.column("sorted .value")]
    assert len(values) > 1 and in_order(values, down=True)
    browser.go("bioner_ncbi")
    assert browser.js(labels) == ['"Strict F1"', '"Strict precision"', '"Strict recall"']
    browser.find("#corpus-bioner_ncbi th[data-key=precision] button").click()
    assert (
        browser.find("#corpus-bioner_ncbi th[data-key=precision]").get_attribute("aria-sort") == "descending"
    )


def test_what_is_chosen_is_in_sight_on_a_phone(browser):
    sides = """return ["#views [aria-current]", ".view:not([hidden]) th[aria-sort]"].map(
        s => document.querySelector(s).getBoundingClientRect()).map(r => [r.left, r.right])"""
    for hash_ in ("#task=bioner_jnlpba&sort=-recall", "#sort=-bioner_nlmgene", ""):
        browser.visit(hash_, width=390, height=844)
        assert all(0 <= left < right <= 390 for left, right in browser.js(sides)), hash_
    assert browser.js("return scrollY") == 0


def test_filters_are_in_a_drawer_on_a_phone(browser):
    from selenium.webdriver import Keys

    browser.visit(width=390, height=844)
    drawer, filters = browser.find("#drawer"), browser.find("#filters")
    assert drawer.is_displayed() and not filters.is_displayed()
    drawer.click()
    assert filters.is_displayed()
    assert drawer.get_attribute("aria-expanded") == "true"
    assert browser.js("return document.activeElement.name") == "match"
    browser.find("[name=kind][value=llm]").click()
    browser.find("#done").click()
    assert not filters.is_displayed()
    assert browser.focused() == "drawer"
    assert "Tuned 4B" not in browser.systems()
    drawer.click()
    browser.press(Keys.ESCAPE)
    assert not filters.is_displayed()
    browser.visit()
    assert not browser.find("#drawer").is_displayed() and browser.find("#filters").is_displayed()


def test_wide_screens_need_no_sideways_scroll(browser):
    for width in (1400, 1000, 800):
        for view in ("overview", "bioner_ncbi", "reported", "compare"):
            browser.visit(f"#task={view}", width=width)
            scrolled, inner = browser.js(
                "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            assert scrolled <= inner, (width, view)


def luminance(colour):
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


COLOURS = """const clear = "rgba(0, 0, 0, 0)";
    return [...document.querySelectorAll("body *")].filter(e => e.checkVisibility() && !e.closest("svg") &&
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
        for hash_ in ("", f"{NCBI}&reported=1", f"{NCBI}&open=hostile%2Fbioner_ncbi-0-shot"):
            browser.visit(hash_, color_scheme=scheme, reduced_motion="reduce")
            colours = browser.js(COLOURS)
            assert len(colours) > 150
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
    browser.visit(NCBI, width=390)
    # Cards are no table by their style, so the roles are said.
    roles = """return [...document.querySelectorAll(".main table, .main table *[role]")].map(
        e => e.tagName + e.role)"""
    assert {"TABLEtable", "TRrow", "TDcell", "THrowheader", "THcolumnheader"} <= set(browser.js(roles))
    assert browser.js(
        "return [...document.querySelectorAll('.main table')].every(e => e.caption.textContent.trim())"
    )
    labelled = """return [...document.querySelectorAll("input, select")].filter(
        e => !e.labels.length && !e.ariaLabel).length"""
    assert browser.js(labelled) == 0
    browser.visit(f"#open={ENCODER}")
    unnamed = """return [...document.querySelectorAll("#panel th")].filter(
        e => !e.scope || !e.textContent.trim()).length"""
    assert browser.js(unnamed) == 0
    assert browser.find("#panel").accessible_name == "Encoder"


AXE = ROOT / ".cache" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
"""axe-core, which `.ci/run` brings with npm."""

VIEWS = {
    "overview": "",
    "corpus": f"{NCBI}&reported=1",
    "reported": "#task=reported",
    "comparison": "#task=compare&a=tuned-4b/0-shot&b=encoder/0-shot",
    "run": f"{JNLPBA}&open={ENCODER}",
    "system": "#open=system/tuned-4b/0-shot",
}


@pytest.mark.skipif(not AXE.is_file(), reason=f"there is no axe-core in {AXE}; .ci/run installs it")
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_axe_finds_nothing(browser, view, width, scheme):
    browser.visit(VIEWS[view], width=width, color_scheme=scheme, reduced_motion="reduce")
    if view == "comparison":
        shown_comparison(browser)
    browser.js(AXE.read_text(encoding="utf-8"))
    browser.driver.set_script_timeout(60)
    violations = browser.driver.execute_async_script(
        """const done = arguments[arguments.length - 1];
        axe.run().then(found => done(found.violations.map(each => [each.id, each.nodes.map(n => n.html)])))"""
    )
    assert violations == []


def test_print_leaves_the_controls_out(browser):
    browser.visit().command("Emulation.setEmulatedMedia", media="print")
    try:
        for control in ("#filters", "#views", "#board .pick"):
            assert not browser.find(control).is_displayed()
        assert browser.find("#board tr").is_displayed()
    finally:
        browser.command("Emulation.setEmulatedMedia", media="")
