"""System cards: those in `baselines/`, a second look at their figures, and cards that are wrong."""

import itertools
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from command_line import call

from bioner_bench import corpora
from bioner_bench.harness import systems
from bioner_bench.harness.cards import Card, read_card, read_cards
from bioner_bench.harness.masking import masked
from bioner_bench.leaderboard import baselines, build, sources
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.recipes import family, read_recipe

FOLDER = Path(__file__).parents[2] / "baselines"
RECORDS = FOLDER.parent / "leaderboards" / "records"
CARDS = read_cards(FOLDER)
FIGURES = [(name, figure) for name, card in CARDS.items() for figure in card.reported]

READ, QUOTED, UNVERIFIED = "read in the source", "quoted by a third party", "unverified"

# System, task, score, shots, percent as printed in the source, certainty.
SPOT_CHECKS = [
    ("bioselecttune", "bioner_ncbi", "strict_f1", None, "88.29", QUOTED),
    ("bioselecttune", "bioner_bc5cdr_disease", "strict_f1", None, "85.71", QUOTED),
    ("bioselecttune", "bioner_bc2gm", "strict_f1", None, "81.44", QUOTED),
    ("bioselecttune", "bioner_nlmgene", "strict_precision", None, "85.79", QUOTED),
    ("bioselecttune", "bioner_nlmchem", "strict_precision", None, "85.24", QUOTED),
    ("qwen3-8b-sft", "bioner_bc5cdr_disease", "strict_f1", None, "86.11", QUOTED),
    ("qwen3-4b-sft", "bioner_bc5cdr_chem", "strict_f1", None, "91.71", QUOTED),
    ("biobert", "bioner_ncbi", "strict_f1", None, "89.71", QUOTED),
    ("biobert-blurb", "bioner_ncbi", "strict_f1", None, "89.13", QUOTED),
    ("biobert-pytorch", "bioner_ncbi", "strict_f1", None, "88.30", READ),
    ("biobert-pytorch", "bioner_linnaeus", "strict_f1", None, "88.08", READ),
    ("bert-biobert-pytorch", "bioner_jnlpba", "strict_f1", None, "75.27", READ),
    ("roberta-biobert-pytorch", "bioner_bc5cdr_disease", "strict_f1", None, "80.51", READ),
    ("pubmedbert", "bioner_bc5cdr_chem", "strict_f1", None, "93.33", QUOTED),
    ("pubmedbert", "bioner_jnlpba", "strict_f1", None, "80.06", UNVERIFIED),
    ("biolinkbert-base", "bioner_bc2gm", "strict_f1", None, "84.90", QUOTED),
    ("bilstm-crf", "bioner_bc5cdr_chem", "strict_f1", None, "92.82", READ),
    ("openmed-149m", "bioner_bc5cdr_chem", "strict_f1", None, "95.0", QUOTED),
    ("gliner2-bc5cdr", "bioner_bc5cdr_disease", "strict_f1", None, "86.59", READ),
    ("gpt-3.5", "bioner_ncbi", "strict_f1", 5, "43.09", READ),
    ("llama-2-13b", "bioner_bc5cdr_chem", "strict_f1", 1, "62.76", READ),
    ("pmc-llama-13b-tuned", "bioner_ncbi", "strict_f1", None, "83.53", READ),
    ("uniner-7b", "bioner_bc5cdr", "string_f1", None, "89.34", READ),
    ("uniner-7b", "bioner_bc5cdr_chem", "strict_f1", None, "88.82", UNVERIFIED),
    ("instructuie-11b", "bioner_bc2gm", "string_f1", None, "80.69", READ),
    ("nerllama3.1-8b", "bioner_bc5cdr_disease", "strict_f1", None, "68.67", READ),
    ("nerllama3.1-8b", "bioner_nlmgene", "strict_f1", None, "83.78", READ),
    ("llama-3.1-70b", "bioner_bc5cdr_disease", "string_f1", 8, "50.5", READ),
    ("gliner-xxl-v2.5", "bioner_ncbi", "strict_f1", 0, "67.1", READ),
    ("gliner-xxl-v2.5", "bioner_bc5cdr", "strict_f1", 0, "71.2", READ),
    ("gliner-xxl-v2.5", "bioner_bc2gm", "strict_f1", 0, "48.6", READ),
    ("needle", "bioner_ncbi", "strict_f1", None, "92.28", READ),
    ("needle", "bioner_bc5cdr_disease", "strict_f1", None, "90.69", READ),
    ("needle", "bioner_bc5cdr_chem", "strict_f1", None, "94.17", READ),
    ("biomed-roberta", "bioner_ncbi", "strict_f1", None, "87.1", READ),
    ("biomed-roberta", "bioner_jnlpba", "strict_f1", None, "75.2", READ),
    ("stanza", "bioner_ncbi", "strict_f1", None, "87.49", QUOTED),
    ("stanza", "bioner_bc5cdr", "strict_f1", None, "88.08", QUOTED),
    ("stanza", "bioner_jnlpba", "strict_f1", None, "76.09", QUOTED),
    ("stanza", "bioner_linnaeus", "strict_f1", None, "88.27", QUOTED),
    ("scispacy", "bioner_ncbi", "strict_f1", None, "81.65", QUOTED),
    ("scispacy", "bioner_bc5cdr", "strict_f1", None, "83.92", QUOTED),
    ("scispacy", "bioner_jnlpba", "strict_f1", None, "73.21", QUOTED),
    ("scispacy", "bioner_linnaeus", "strict_f1", None, "81.74", QUOTED),
    ("medinst-gpt-4o", "bioner_ncbi", "string_f1", None, "47.57", UNVERIFIED),
    ("medinst-gpt-4o", "bioner_bc5cdr", "string_f1", None, "75.11", UNVERIFIED),
    ("medinst-llama-3", "bioner_ncbi", "string_f1", None, "51.67", UNVERIFIED),
    ("medinst-llama-3", "bioner_bc5cdr", "string_f1", None, "58.68", UNVERIFIED),
    ("medinst-llama-3-tuned", "bioner_ncbi", "string_f1", None, "84.61", UNVERIFIED),
    ("medinst-llama-3-tuned", "bioner_bc5cdr", "string_f1", None, "87.39", UNVERIFIED),
    ("openmed-best", "bioner_bc5cdr_disease", "strict_f1", None, "91.18", QUOTED),
    ("openmed-best", "bioner_bc5cdr_chem", "strict_f1", None, "96.14", QUOTED),
    ("openmed-pubmed-335m", "bioner_bc5cdr_disease", "strict_f1", None, "90.97", QUOTED),
    ("openmed-multimed-335m", "bioner_bc5cdr_disease", "strict_f1", None, "90.22", QUOTED),
    ("openmed-multimed-335m", "bioner_bc5cdr_chem", "strict_f1", None, "96.10", QUOTED),
    ("openmed-electramed-335m", "bioner_bc5cdr_chem", "strict_f1", None, "95.94", QUOTED),
]

GOOD = "system: good\ntitle: Good\nkind: llm\n"
_ALIASES = [
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in itertools.pairwise("abcdefghij")
]
BILLION = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(_ALIASES)


def with_figure(**changes):
    figure = {
        "task": "bioner_ncbi",
        "score": "strict_f1",
        "value": "0.8829",
        "source": "a paper",
        "certainty": READ,
    }
    fields = "".join(
        f"    {key}: {value}\n" for key, value in (figure | changes).items() if value is not None
    )
    return f"{GOOD}reported:\n  -\n{fields}"


@pytest.fixture
def write(tmp_path):
    def write_card(text, name="good.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_card


# --- the cards in baselines/ -----------------------------------------------------------------------------


def test_every_file_is_a_card_named_after_its_system_or_a_recipe():
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    here = {name for name in files if "/" not in name}
    assert here == {f"{name}.yaml" for name in CARDS} | {"README.md"}
    assert {name for name in files - here if not name.endswith(".yaml")} == set()


@pytest.mark.parametrize(
    "system", [name for name, card in CARDS.items() if card.recipe and card.kind == "encoder"]
)
def test_an_encoders_recipe_trains_what_its_card_says(system):
    card = CARDS[system]
    tasks = card.trained_on or family(FOLDER / card.recipe)
    assert tasks
    for task in tasks:
        recipe = read_recipe(FOLDER / card.recipe, task=task)
        assert recipe.kind == card.kind
        assert recipe.train == (task,)
        assert recipe.model in (card.base_model, "minilm-l6-v2")
    assert card.run["model"] == "encoder"


@pytest.mark.parametrize("system", ["minilm", "biomedbert", "biolinkbert"])
def test_a_family_has_a_checkpoint_for_every_corpus(system):
    able = family(FOLDER / CARDS[system].recipe)
    tasks = [task for task in corpora.built_in() if corpora.get(task).role not in ("auxiliary", "demo")]
    assert len(tasks) == 9
    assert {systems.trained_for(task) for task in tasks} == set(able)
    names = {read_recipe(FOLDER / CARDS[system].recipe, task=task).name for task in able}
    assert len(names) == len(able) == 7


def test_systems_that_nobody_ran_say_so():
    foreign = [name for name in CARDS if name in ("biomedbert", "biolinkbert") and CARDS[name].run]
    assert len(foreign) == 2
    assert all("Nothing of it was run for this project" in CARDS[name].notes for name in foreign)


@pytest.mark.parametrize("size", ["0.6b", "1.7b", "4b", "8b"])
def test_qwen3_has_a_card_for_each_way_to_think(size):
    still, thinking = CARDS[f"qwen3-{size}"].run, CARDS[f"qwen3-{size}-thinking"].run
    assert still["model_args"]["pretrained"] == thinking["model_args"]["pretrained"]
    assert (still["model_args"]["enable_thinking"], still.get("gen_kwargs")) == (False, None)
    assert thinking["model_args"]["enable_thinking"] is True
    assert thinking["model_args"]["think_end_token"] == "</think>"
    assert (thinking["gen_kwargs"]["max_gen_toks"], thinking["gen_kwargs"]["do_sample"]) == (4096, True)


def test_no_card_has_a_secret():
    assert [name for name, card in CARDS.items() if masked("run", card.run) != card.run] == []


def test_figures_are_of_registered_tasks():
    assert {figure["task"] for _, figure in FIGURES} <= set(corpora.names())


def test_figures_are_shares_not_percent():
    assert all(0 < figure["value"] < 1 for _, figure in FIGURES)


def test_no_figure_is_hidden_for_want_of_an_address():
    assert sources.not_shown(CARDS.values()) is None


def test_no_figure_is_given_twice():
    keys = [
        (name, figure["task"], figure["score"], figure.get("shots"), figure["source"])
        for name, figure in FIGURES
    ]
    assert len(set(keys)) == len(keys)


def test_every_system_can_be_run_or_has_figures():
    measured = build.measured_systems(RECORDS)
    bare = {name for name, card in CARDS.items() if not card.run and not card.reported}
    assert bare <= measured, "what another tool predicted has records"


def test_every_system_with_a_record_has_a_card():
    assert build.measured_systems(RECORDS) <= set(CARDS)


def test_the_recipe_of_a_card_is_the_one_that_its_record_was_made_with():
    checked = set()
    for path in sorted(RECORDS.glob("smollm2-135m-*/bioner_ncbi-0-shot-training-seed-1.json")):
        recipe = CARDS[path.parent.name].recipe
        assert read_recipe(FOLDER / recipe) == read_recipe(path), path
        checked.add(path.parent.name)
    assert "smollm2-135m-ncbi-positives-50" in checked


def test_lm_models_run_under_their_own_names():
    runs = {name: card.run["model"] for name, card in CARDS.items() if card.kind == "reference"}
    assert runs == {name: name for name in ("bioner-oracle", "bioner-empty", "bioner-garbage")}
    assert set(runs) <= set(entry_points(group="lm_eval.models").names)


def test_the_demo_model_is_run_as_a_chat_model():
    card = CARDS["smollm2-135m-instruct"]
    assert card.run == {
        "model": "hf",
        "model_args": {"pretrained": "smollm2-135m", "dtype": "float32"},
        "apply_chat_template": True,
    }
    assert card.licence == "Apache-2.0"


@pytest.mark.parametrize(("system", "task", "score", "shots", "percent", "certainty"), SPOT_CHECKS)
def test_figure_is_the_one_in_the_source(system, task, score, shots, percent, certainty):
    found = [
        (figure["value"], figure["certainty"])
        for figure in CARDS[system].reported
        if (figure["task"], figure["score"], figure.get("shots")) == (task, score, shots)
    ]
    assert found == [(pytest.approx(float(percent) / 100, abs=1e-9), certainty)]


def test_gpt4_figures_of_the_whole_test_split_and_of_the_sample_are_told_apart():
    figures = [f for f in CARDS["gpt-4"].reported if f["task"] == "bioner_ncbi"]
    whole = {f["shots"]: f["value"] for f in figures if "protocol" not in f}
    sample = {f["shots"]: f["value"] for f in figures if "200 test sentences" in f.get("protocol", "")}
    assert whole == {0: 0.5827, 1: 0.5988, 5: 0.6389}
    assert sample == {0: 0.5673, 1: 0.4837}


@pytest.mark.parametrize("system", ["uniner-7b", "uniner-7b-zero-shot", "instructuie-11b"])
def test_figures_of_uniners_scorer_are_string_figures(system):
    assert {f["score"] for f in CARDS[system].reported if f["certainty"] != UNVERIFIED} == {"string_f1"}


def test_figures_of_one_column_of_one_table_are_of_one_score():
    of_table = [figure for _, figure in FIGURES if figure["source"].startswith("GLiNER paper, Table 2")]
    assert [figure["value"] for figure in of_table] == [0.524, 0.664, 0.680]
    assert len({(figure["score"], figure["protocol"]) for figure in of_table}) == 1
    assert of_table[0]["score"] == "string_f1"


def test_joint_figures_of_bc5cdr_say_so():
    joint = [figure for _, figure in FIGURES if figure["task"] == "bioner_bc5cdr"]
    assert len(joint) == 12
    assert all("jointly" in figure["protocol"] for figure in joint)


def test_cross_validated_figures_say_so():
    assert all("5-fold" in figure["protocol"] for figure in CARDS["bilstm-crf"].reported)


def test_jnlpba_figures_say_how_types_were_taken():
    figures = [figure for _, figure in FIGURES if figure["task"] == "bioner_jnlpba"]
    assert figures
    assert all("five types of JNLPBA" in figure["protocol"] for figure in figures)


def test_unverified_figures_are_these():
    assert {(name, figure["task"]) for name, figure in FIGURES if figure["certainty"] == UNVERIFIED} == {
        ("bionerflair", "bioner_bc2gm"),
        ("bionerflair", "bioner_jnlpba"),
        ("bionerflair", "bioner_ncbi"),
        ("medinst-gpt-4o", "bioner_bc5cdr"),
        ("medinst-gpt-4o", "bioner_ncbi"),
        ("medinst-llama-3", "bioner_bc5cdr"),
        ("medinst-llama-3", "bioner_ncbi"),
        ("medinst-llama-3-tuned", "bioner_bc5cdr"),
        ("medinst-llama-3-tuned", "bioner_ncbi"),
        ("pubmedbert", "bioner_jnlpba"),
        ("uniner-7b", "bioner_bc5cdr_chem"),
        ("uniner-7b", "bioner_bc5cdr_disease"),
    }


# --- reading cards ---------------------------------------------------------------------------------------


def test_a_card_has_defaults_and_keeps_its_figures(write):
    bare = read_card(write(GOOD))
    assert (bare.title, bare.kind, bare.run, bare.reported, bare.notes) == ("Good", "llm", {}, (), "")
    (figure,) = read_card(write(with_figure(shots=5))).reported
    assert figure == {
        "task": "bioner_ncbi",
        "score": "strict_f1",
        "value": 0.8829,
        "shots": 5,
        "source": "a paper",
        "certainty": READ,
    }


@pytest.mark.parametrize("value", ["0", "1", "0.5"])
def test_ends_of_the_range_are_values(write, value):
    assert read_card(write(with_figure(value=value))).reported[0]["value"] == float(value)


WRONG_VALUES = ("!!bool maybe", "!!timestamp foo", '!!int ""', "!!int foo", "!!float foo", "2026-13-45")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{GOOD}colour: red\n", "'colour' was unexpected"),
        (f"{GOOD}run: {{model: hf, model_arg: x}}\n", "'model_arg' was unexpected"),
        (f"{GOOD}run: {{batch_size: 8}}\n", "'model' is a required property"),
        ("system: good\nkind: llm\n", "'title' is a required property"),
        ("system: good\ntitle: Good\nkind: robot\n", "'robot' is not one of"),
        ("system: Not A Slug\ntitle: Good\nkind: llm\n", "does not match"),
        ('system: "good\\n"\ntitle: Good\nkind: llm\n', "does not match"),
        (f"system: {'x' * 101}\ntitle: Good\nkind: llm\n", "is too long"),
        (f'{GOOD}recipe: "recipes/x.yaml\\n"\n', "does not match"),
        (f'{GOOD}checkpoints: {{"mine\\n": x}}\n', "does not match"),
        *((f"{GOOD}notes: {value}\n", "not YAML: a value is not") for value in WRONG_VALUES),
        (f"{GOOD}url: http://example.org\n", "does not match"),
        (f"{GOOD}paper: 'https://a b'\n", "does not match"),
        (f'{GOOD}url: "https://a.org\\n"\n', "does not match"),
        (
            with_figure(url="'https://q)<img src=x onerror=alert(1)>[y](https://evil.example'"),
            "does not match",
        ),
        (f"{GOOD}recipe: ../recipes/x.yaml\n", "does not match"),
        (f"{GOOD}notes:\n", "None is not of type 'string'"),
        (with_figure(value="88.29"), "88.29 is greater than the maximum of 1"),
        (with_figure(value="-0.1"), "-0.1 is less than the minimum of 0"),
        (with_figure(value="88.29 %"), "is not of type 'number'"),
        (with_figure(certainty="fairly sure"), "'fairly sure' is not one of"),
        (with_figure(score="f1"), "'f1' is not one of"),
        (with_figure(source=None), "'source' is a required property"),
        (with_figure(page=3), "'page' was unexpected"),
        ("system: [good\n", "not YAML"),
        ("system: good: better\n", "not YAML"),
        (f"{GOOD}---\n{GOOD}", "not YAML"),
        ("", "is empty"),
        ("# nothing but a comment\n", "is empty"),
        ("- good\n", "not a mapping"),
        (f"{GOOD}reported: []\nreported: []\n", ":5:1: not YAML: a key of this mapping is there twice"),
        (f"{GOOD}run: {{model: hf, model: vllm}}\n", "a key of this mapping is there twice"),
        (BILLION, "anchors and aliases are not taken"),
        (f"{GOOD}run: {'[' * 10_000}", "deeper than 50 levels"),
        (f"{GOOD}notes: {'x' * 2_000_000}", "more than 1,048,576 bytes"),
        (f"{GOOD}run: {{model: {'9' * 5_000}}}", "not YAML"),
        (f'{GOOD}notes: "\\e[31mred"\n', "the control character U+001B"),
        (f'{GOOD}notes: "C1 \\x9b31m"\n', "the control character U+009B"),
        ('system: good\ntitle: "Bell \\a"\nkind: llm\n', "the control character U+0007"),
    ],
)
def test_a_wrong_card_is_one_line_that_names_the_file(write, text, message):
    path = write(text)
    with pytest.raises(BenchmarkError) as caught:
        read_card(path)
    line = str(caught.value)
    assert message in line
    assert str(path) in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "secret",
    ["root:x:0:0\n: y", "a: !!int root", "a: !!bool root", "root:x:0:0:root:/root:/bin/bash", "- root:x:0"],
)
def test_a_file_that_is_no_card_is_not_quoted(write, secret):
    with pytest.raises(BenchmarkError) as caught:
        read_card(write(secret))
    assert "root" not in str(caught.value).replace("pytest-of-root", "")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices")
def test_a_card_is_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "zero.yaml"):
        with pytest.raises(BenchmarkError, match=f"{name} is no regular file"):
            read_card(tmp_path / name)


def test_a_missing_or_unreadable_file_is_one_line(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("none.yaml", "bytes.yaml"):
        with pytest.raises(BenchmarkError, match=name) as caught:
            read_card(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_the_message_says_which_figure_is_wrong(write):
    with pytest.raises(BenchmarkError, match=r"\$\.reported\[0\]\.value"):
        read_card(write(with_figure(value="88.29")))


# --- reading a folder ------------------------------------------------------------------------------------


def test_subfolders_hold_no_cards(write, tmp_path):
    write(GOOD)
    write("kind: encoder\n", "encoders/recipe.yaml")
    assert set(read_cards(tmp_path)) == {"good"}


def test_a_card_must_be_named_after_its_system(write, tmp_path):
    write(GOOD, "better.yaml")
    with pytest.raises(
        BenchmarkError, match=r"better\.yaml: system is 'good'; name the file good\.yaml"
    ) as caught:
        read_cards(tmp_path)
    assert "\n" not in str(caught.value)


def test_one_wrong_card_stops_the_folder(write, tmp_path):
    write(GOOD)
    write("", "empty.yaml")
    with pytest.raises(BenchmarkError, match=r"empty\.yaml"):
        read_cards(tmp_path)


# --- the list of systems ---------------------------------------------------------------------------------


def table_rows(text):
    """System -> cells, of all tables."""
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): [cell.strip() for cell in row] for row in rows}


def test_the_committed_list_of_systems_is_what_the_cards_give():
    measured = build.measured_systems(RECORDS)
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == baselines.markdown(CARDS, measured)


def test_every_system_is_listed_with_what_to_type():
    rows = table_rows(baselines.markdown(CARDS, {"bioner-oracle"}))
    assert set(rows) == set(CARDS)
    assert {len(row) for row in rows.values()} == {7}
    assert rows["minilm"][4] == (
        "`bioner-bench train baselines/encoders/minilm.yaml`<br>"
        "`bioner-bench run --system minilm --tasks bioner`"
    )
    assert rows["minilm-ncbi"][4] == (
        "`bioner-bench train baselines/encoders/minilm.yaml --task bioner_ncbi`<br>"
        "`bioner-bench run --system minilm-ncbi --tasks bioner_ncbi`"
    )
    assert rows["qwen3-8b"][4] == "`bioner-bench run --system qwen3-8b --tasks bioner_ncbi`"
    assert (rows["gpt-4"][4], rows["gpt-4"][6]) == ("", "12")
    assert rows["bionerflair"][6] == "0"
    assert [name for name, row in rows.items() if row[5] == "yes"] == ["bioner-oracle"]


def test_a_hostile_card_stays_in_its_cells():
    card = Card(
        "s", "a | b <b>\n# c", "llm", base_model="`x`", notes="| |\n\n| [x](y) *z*", run={"model": "hf"}
    )
    text = baselines.markdown({"s": card}, set())
    assert set(table_rows(text)) == {"s"}
    assert len(table_rows(text)["s"]) == 7
    assert "<b>" not in text and "\n# c" not in text


@pytest.mark.slow
def test_the_list_of_systems_is_built_and_checked_with_the_leaderboard(write, tmp_path):
    write(GOOD, "cards/good.yaml")
    (tmp_path / "board" / "records").mkdir(parents=True)
    options = ["--folder", tmp_path / "board", "--cards", tmp_path / "cards"]
    readme = tmp_path / "cards" / "README.md"
    assert str(readme) in call("leaderboard", "build", *options).stdout.splitlines()
    call("leaderboard", "build", "--check", *options)
    write(GOOD.replace("title: Good", "title: Better"), "cards/good.yaml")
    assert call("leaderboard", "build", "--check", *options, code=1).stdout == f"stale: {readme}\n"
    call("leaderboard", "build", *options)
    assert "Better" in readme.read_text(encoding="utf-8")
    write(with_figure(certainty="read in the source", source="a page", url=None), "cards/good.yaml")
    assert "that are not shown, since no address" in call("leaderboard", "build", *options).stderr
    # A leaderboard elsewhere leaves the project's list as it is.
    (tmp_path / "cards").rename(tmp_path / "baselines")
    readme = tmp_path / "baselines" / "README.md"
    readme.write_text("mine")
    call("leaderboard", "build", "--folder", "board", cwd=tmp_path)
    assert readme.read_text() == "mine"
