"""Records and cards -> rows, tables, figures; the same bytes every time."""

import csv
import io
import json
import math
import os
import shutil
import signal
import time
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import call, fails, in_background
from conftest import ROOT
from leaderboard_data import HOSTILE, make_cards, make_record
from toy_corpus import write_toy_corpus

from bioner_bench import corpora, plotting
from bioner_bench.harness import systems
from bioner_bench.harness.cards import Card, read_cards
from bioner_bench.leaderboard import build, figures, lm_eval_output, page, records, rows, sources, tables
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.recipes import read_recipe

CORE = ["bioner_ncbi", "bioner_bc5cdr_disease", "bioner_bc5cdr_chem", "bioner_bc2gm"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Records of several systems, one of them with a hostile title."""
    made = [
        *(make_record("alpha", task, skill=0.7) for task in CORE),
        *(make_record("beta", task, skill=0.3, title=HOSTILE) for task in CORE[:2]),
        make_record("alpha", "bioner_ncbi", skill=0.72, shots=5),
        make_record("bioner-oracle", "bioner_ncbi", kind="reference", skill=1.0),
        make_record("part", "bioner_ncbi", skill=0.9, evaluated=40),
        make_record("old", "bioner_bc2gm", skill=0.9, version="0.9"),
    ]
    folder = tmp_path_factory.mktemp("made")
    for record in made:
        records.write(record, folder / "records")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """They, to be changed."""
    return Path(shutil.copytree(made, tmp_path, dirs_exist_ok=True))


@pytest.fixture(scope="module")
def built(made, tmp_path_factory):
    """They, and all that is built from them."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("built"), dirs_exist_ok=True))
    (folder / "cards").mkdir()
    call("leaderboard", "build", *places(folder), PYTHONHASHSEED="0")
    return folder


@pytest.fixture
def board(built, tmp_path):
    """That, to be changed."""
    return Path(shutil.copytree(built, tmp_path, dirs_exist_ok=True))


def places(folder):
    return ["--folder", folder, "--cards", folder / "cards"]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def table_of(folder, cards=None):
    return rows.table(build.read_records(folder / "records"), cards or {})


def rows_of(folder, cards=None):
    return rows.lines(table_of(folder, cards))


def test_best_is_marked_and_so_are_those_not_significantly_worse(folder):
    ncbi = {(row["system"], row["shots"]): row for row in rows_of(folder) if row["task"] == "bioner_ncbi"}
    ranked = [row for row in ncbi.values() if row["ranked"]]
    best = max(ranked, key=lambda row: row["strict_f1"])
    assert [row for row in ranked if row["best"]] == [best]
    assert best["system"] == "alpha"
    other = ncbi["alpha", 0] if best["shots"] else ncbi["alpha", 5]
    assert other["tied_with_best"]
    assert not ncbi["beta", 0]["tied_with_best"]
    for name in (("bioner-oracle", 0), ("part", 0)):
        assert not ncbi[name]["ranked"] and not ncbi[name]["best"] and not ncbi[name]["tied_with_best"]


def test_in_a_long_table_the_worst_is_not_said_to_be_as_good_as_the_best(tmp_path):
    """With 40 systems each p value counts 780 times, more often than draws alone could show."""
    good = [make_record(f"good-{number}", skill=0.8) for number in range(2)]
    poor = [make_record(f"poor-{number}", skill=0.1) for number in range(38)]
    found = rows.lines(rows.table([*good, *poor], {}))
    assert sorted(row["system"] for row in found if row["best"] or row["tied_with_best"]) == [
        "good-0",
        "good-1",
    ]


def test_systems_of_another_version_are_not_compared(folder):
    bc2gm = {row["system"]: row for row in rows_of(folder) if row["task"] == "bioner_bc2gm"}
    assert bc2gm["old"]["strict_f1"] > bc2gm["alpha"]["strict_f1"]
    assert bc2gm["alpha"]["best"]


def test_a_mean_is_blank_where_a_member_is_missing_or_of_another_version(folder):
    means = rows.group_means(table_of(folder), "bioner_core").set_index(["system", "shots"])
    alpha = means.loc[("alpha", 0)]
    assert alpha["mean"] == pytest.approx(sum(alpha[CORE]) / 4)
    assert math.isnan(means.loc[("beta", 0), "mean"])
    assert math.isnan(means.loc[("alpha", 5), "mean"])
    assert ("old", 0) not in means.index
    assert ("part", 0) not in means.index


def test_rows_have_the_documented_fields_and_shares(folder):
    for row in rows_of(folder, make_cards()):
        assert {
            *("system", "kind", "task", "task_version", "split", "sentences", "measured", "partial"),
            *("base_model", "train_strategy", "train_ratio", "shots", "seed"),
        } <= set(row)
        if row["measured"]:
            assert 0 <= row["strict_f1_low"] <= row["strict_f1"] <= row["strict_f1_high"] <= 1
        else:
            assert row["source"] and row["certainty"] != "unverified"


def test_unverified_figures_never_reach_a_table():
    def figure(certainty):
        return {
            "task": "bioner_ncbi",
            "score": "strict_f1",
            "value": 0.9,
            "source": "example.org/x",
            "certainty": certainty,
        }

    card = Card("s", "S", "llm", reported=(figure("unverified"), figure("read in the source")))
    assert [row["certainty"] for row in rows.lines(rows.table([], {"s": card}))] == ["read in the source"]


@pytest.mark.slow
def test_building_twice_gives_the_same_bytes_in_any_process(built, folder):
    (folder / "cards").mkdir()
    call("leaderboard", "build", *places(folder), PYTHONHASHSEED="1")
    assert contents(folder) == contents(built)
    made = {"README.md", "REPORTED.md", "f1_by_corpus.svg", "leaderboard.csv", "leaderboard.json"}
    assert made | {"index.html"} <= {path.name for path in contents(built)}


@pytest.mark.slow
def test_what_is_built_is_well_formed(folder):
    files = build.build(folder / "records", make_cards())
    table = json.loads(files["leaderboard.json"])
    listed = list(csv.DictReader(io.StringIO(files["leaderboard.csv"])))
    assert len(listed) == len(table)
    for name, content in files.items():
        if name.endswith(".svg"):
            ElementTree.fromstring(content)
    assert "<script>alert(1)" not in files["README.md"]
    for line in files["README.md"].splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("https://huggingface.co/org/model", "https://huggingface.co/org/model"),
        ("table 2, pubmed.ncbi.nlm.nih.gov/123.", "https://pubmed.ncbi.nlm.nih.gov/123"),
        ("(doi:10.1016/S0140-6736(20)30183-5)", "https://doi.org/10.1016/S0140-6736(20)30183-5"),
        ("https://github.com/a/b at 20bf80a, README.md", "https://github.com/a/b/tree/20bf80a"),
        ("a page of https://example.museum", "https://example.museum"),
        ("README.md, v1.0/x and/or 10.5/7 (address not recorded)", None),
    ],
)
def test_a_figure_can_be_looked_up_at_any_address_that_its_source_names(source, link):
    figure = {"source": source, "certainty": "read in the source"}
    assert sources.address(figure) == link
    card = Card("s", "S", "llm", reported=(figure, figure | {"certainty": "unverified"}))
    assert sources.shown(card) == [figure][: link is not None]
    said = sources.not_shown([card])
    assert said is None if link else said.endswith(": 1. Give each a `url` in the card of its system: s (1).")


@pytest.mark.slow
def test_check_tells_a_stale_file_and_a_superfluous_figure(board):
    before = contents(board)
    call("leaderboard", "build", "--check", *places(board))
    (board / "README.md").write_text("edited by hand")
    (board / "figures" / "old.svg").write_text("<svg/>")
    (board / "leaderboard.csv").unlink()
    figure = board / "figures" / "f1_by_corpus.svg"
    figure.write_text(figure.read_text().replace("stroke: #", "stroke: #0", 1))
    stale = call("leaderboard", "build", "--check", *places(board), code=1).stdout
    assert {line.rsplit("/", 1)[-1] for line in stale.split()} - {"stale:"} == {
        *("README.md", "old.svg", "leaderboard.csv", "f1_by_corpus.svg"),
    }
    call("leaderboard", "build", *places(board))
    assert contents(board) == before


@pytest.mark.slow
def test_a_kept_figure_is_drawn_again_if_its_numbers_its_code_or_itself_changed(folder, monkeypatch):
    table = table_of(folder)
    kept = figures.draw(table)
    name, other = list(kept)[:2]
    monkeypatch.setattr(figures, "svg", lambda _: "<svg/>\n")  # shows what was drawn again

    def again(old, of=table):
        return {name for name, text in figures.draw(of, old).items() if text != old.get(name)}

    assert again(kept) == set()
    assert again({}) == set(kept)
    assert again({name: kept[name]}) == set(kept) - {name}
    assert again(kept | {name: kept[name].replace("stroke: #", "stroke: #0", 1)}) == {name}
    assert again(kept | {name: kept[name] + "<!-- -->\n"}) == {name}
    assert again(kept | {name: kept[other]}) == {name}
    for column, value in (("strict_f1", 0.5), ("title", "Omega")):
        changed = table.copy()
        changed.loc[changed["system"] == "beta", column] = value
        assert again(kept, changed) == set(kept)
    code = folder / "figures.py"
    code.write_bytes(Path(figures.__file__).read_bytes() + b"# a change\n")
    for module in (figures, plotting):
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", str(code))
            assert again(kept) == set(kept)
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", lambda _: "99")
        assert again(kept) == set(kept)


def test_a_record_in_the_wrong_place_is_refused(folder):
    path = next((folder / "records" / "alpha").glob("*.json"))
    path.rename(path.with_name("renamed.json"))
    with pytest.raises(BenchmarkError, match="belongs to"):
        build.read_records(folder / "records")


def test_a_leaderboard_of_own_corpora_alone(tmp_path, monkeypatch):
    monkeypatch.setenv(*next(iter(write_toy_corpus(tmp_path, ["Gene"]).items())))
    found = [make_record("alpha", "toy", sentences=40)]
    cards = {"alpha": Card("alpha", "Alpha", "llm", recipe="alpha.yaml")}
    table = rows.table(found, cards)
    text, shown = tables.markdown(table, [], linked=False), page.html(table, found, cards, linked=False)
    assert "## Toy\n" in text
    assert '"name":"Toy","short":"Toy","role":"Extended"' in shown
    assert "no results yet" not in text + shown.partition("<script")[0]
    assert text.count("There is no group of corpora to average over") == 1
    assert "There is no group of corpora to average over" in shown
    assert "No system did." not in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Overview",
        "## Toy",
        "## Figures",
    ]
    # Cards that lie elsewhere are not linked to; in their usual place they are.
    for linked in (False, True):
        built = tables.markdown(table, [], linked), tables.reported(table, linked)
        assert ["../baselines" in each for each in built] == [linked, linked]
        assert ("../baselines/alpha.yaml" in page.html(table, found, cards, linked)) is linked
    assert "There are no results yet." in tables.markdown(rows.table([], {}), [])
    part = rows.table([make_record(evaluated=40)], {})
    assert "There are only partial runs so far." in tables.markdown(part, [])


def test_missing_folders_are_named(tmp_path):
    assert "is no folder" in fails("leaderboard", "build", "--folder", tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_kill_at_any_moment_leaves_whole_files(board):
    before = contents(board)
    records.write(make_record("gamma", "bioner_ncbi", skill=0.5), board / "records")
    for delay in (0.2, 0.5, 0.8):
        process = in_background("leaderboard", "build", *places(board))
        time.sleep(delay)
        process.kill()
        process.join()
        for path, content in before.items():
            now = (board / path).read_bytes()
            assert now == content or now.endswith((b"\n", b">")), path
    call("leaderboard", "build", *places(board))
    call("leaderboard", "build", "--check", *places(board))


@pytest.mark.slow
def test_the_committed_leaderboard_is_what_its_records_and_cards_give():
    found = build.read_records(ROOT / "leaderboards" / "records")
    evaluated = {task for task in corpora.names() if corpora.get(task).role != "auxiliary"}
    assert {record["task"] for record in found} == evaluated
    assert (
        build.stale(
            build.build(ROOT / "leaderboards" / "records", read_cards(ROOT / "baselines")),
            ROOT / "leaderboards",
        )
        == []
    )


@pytest.mark.slow
def test_committed_records_fit_the_tasks_of_today():
    from bioner_bench.evaluation import prompt

    for record in build.read_records(ROOT / "leaderboards" / "records"):
        assert record["task_version"] == lm_eval_output.task_version(record["task"])
        types, chosen = corpora.get(record["task"]).types, record["setup"]["demonstrations"]
        # What came as a file of predictions was asked by no prompt.
        form = prompt.form_of(record["prompt"])
        assert record["prompt_hash"] == (record["prompt"] and prompt.prompt_hash(types, chosen, form))
        assert record["corpus_sentences"] == corpora.get(record["task"]).files["test"].sentences


@pytest.mark.slow
def test_every_checkpoint_of_a_committed_record_is_trained_again_from_the_record():
    """`bioner-bench train RECORD` reads the recipe in it, and writes the folder that its run names."""
    trained = 0
    for path in sorted((ROOT / "leaderboards" / "records").glob("*/*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["training"]:
            folder = systems.checkpoint_folder(read_recipe(path))
            assert folder.name in record["run"]["command"]
            trained += 1
    assert trained > 20


@pytest.mark.slow
def test_no_cell_is_a_formula_and_numbers_stay_numbers(folder):
    cells = {f"{sign}cmd|' /C calc'!A0": f"'{sign}cmd|' /C calc'!A0" for sign in "=+-@"}
    cells["5 = 2 + 3"] = "5 = 2 + 3"
    for number, title in enumerate(cells):
        records.write(make_record(f"gamma-{number}", "bioner_ncbi", title=title), folder / "records")
    found = list(csv.DictReader(io.StringIO(build.build(folder / "records", {})["leaderboard.csv"])))
    assert set(cells.values()) <= {row["title"] for row in found}
    assert not [value for row in found for value in row.values() if value.startswith(("=", "+", "-", "@"))]
    assert all(0 <= float(row["strict_f1"]) <= 1 for row in found)
    assert build._cell(-0.5) == -0.5  # as a difference would be


@pytest.mark.parametrize("character", ["\x00", "\x08", "\x1b", "\x7f", "\x9b", "\ufffe"])
def test_a_record_with_a_control_character_is_refused(tmp_path, character):
    path = records.write(make_record("gamma", title=f"Gamma {character}[31m"), tmp_path)
    with pytest.raises(BenchmarkError, match=rf"control character U\+{ord(character):04X}"):
        records.read(path)


def test_what_a_killed_build_left_is_removed_once_it_is_old(tmp_path):
    old, young, other = (tmp_path / name for name in (".a.md-ab12cd_3", ".a.md-ab12cd_4", ".a.md-notes"))
    for path in (old, young, other):
        path.write_text("half")
    os.utime(old, (0, 0))
    build.write({"a.md": "whole\n"}, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, other.name, "a.md"]


def test_an_address_ends_neither_its_link_nor_its_cell():
    figure = {"task": CORE[0], "score": "strict_f1", "value": 0.5, "source": "a"}
    figure |= {"certainty": "read in the source", "url": "https://q)<img src=x>[y](https://evil.example|"}
    card = Card("one", "One", "llm", reported=(figure,))
    told = tables.reported(rows.table([], {"one": card}))
    assert "[a](https://q%29%3Cimg%20src=x%3E[y]%28https://evil.example%7C)" in told
