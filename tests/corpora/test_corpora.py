"""Corpus entries and readers: small files written here, then the real corpora and the shipped sample."""

import copy
import dataclasses
import hashlib
import itertools
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bioner_bench import corpora
from bioner_bench.corpora import formats, loading, registry
from bioner_bench.corpora.files import locate
from bioner_bench.corpora.formats import DAMAGED_LINE, ORPHAN_INSIDE, iob2_entities
from bioner_bench.schema import BenchmarkError, Entity, Sentence

BUILT_IN = {
    "bioner_ncbi": ("core", ["Disease"]),
    "bioner_bc5cdr_disease": ("core", ["Disease"]),
    "bioner_bc5cdr_chem": ("core", ["Chemical"]),
    "bioner_bc2gm": ("core", ["Gene"]),
    "bioner_bc5cdr": ("extended", ["Chemical", "Disease"]),
    "bioner_jnlpba": ("extended", ["DNA", "RNA", "protein", "cell_line", "cell_type"]),
    "bioner_linnaeus": ("extended", ["Species"]),
    "bioner_nlmchem": ("out-of-domain", ["Chemical"]),
    "bioner_nlmgene": ("out-of-domain", ["Gene"]),
    "bioner_sample": ("demo", ["Disease", "Chemical", "Gene"]),
    "bioner_wnut17": (
        "auxiliary",
        ["person", "location", "corporation", "product", "creative-work", "group"],
    ),
}
PUBLIC = sorted(set(BUILT_IN) - {"bioner_sample"})


# --- writers: the inverse of each reader -----------------------------------------------------------------


def write_iob2(sentences, rename=None):
    """Sentences whose tokens are separated by one space -> IOB2, without document marks."""
    rename = rename or {}
    lines = []
    for sentence in sentences:
        offset = 0
        for token in sentence.text.split(" "):
            tag = "O"
            for entity in sentence.entities:
                if entity.start <= offset < entity.end:
                    prefix = "B" if offset == entity.start else "I"
                    tag = f"{prefix}-{rename.get(entity.type, entity.type)}"
            lines.append(f"{token}\t{tag}")
            offset += len(token) + 1
        lines.append("")
    return "".join(f"{line}\n" for line in lines)


def write_mark(sentences):
    lines = []
    for sentence in sentences:
        text, at = "", 0
        for entity in sentence.entities:
            text += f"{sentence.text[at : entity.start]}<mark>{sentence.surface(entity)}</mark>"
            at = entity.end
        lines.append(text + sentence.text[at:])
    return "".join(f"{line}\n" for line in lines)


def write_jsonl(sentences):
    rows = []
    for sentence in sentences:
        entities = [
            {"start": e.start, "end": e.end, "type": e.type, "text": sentence.surface(e)}
            for e in sentence.entities
        ]
        rows.append(
            {
                "id": sentence.id,
                "text": sentence.text,
                "entities": entities,
                "document": sentence.document,
            }
        )
    return "".join(json.dumps(row, ensure_ascii=len(row["text"]) % 2 == 0) + "\n" for row in rows)


def read(folder, form, content, types=("Gene",), rename=None):
    path = folder / "file.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return formats.READERS[form](path, list(types), rename or {})


def surfaces(sentences):
    return [[sentence.surface(entity) for entity in sentence.entities] for sentence in sentences]


# --- a corpus of one's own -------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes an entry and its files into a folder of entries; `changes` replace or (None) remove keys."""
    folder = tmp_path / "entries"
    folder.mkdir()
    monkeypatch.setenv("BIONER_BENCH_CORPORA", str(folder))

    def write(task="toy", content="TP53\tB-Gene\nbinds\tO\n\n", file_changes=None, **changes):
        data = content.encode()
        (folder / f"{task}.tsv").write_bytes(data)
        test = {
            "path": f"{task}.tsv",
            "sha256": hashlib.sha256(data).hexdigest(),
            "sentences": 1,
            "mentions": {"Gene": 1},
        }
        entry = {
            "task": task,
            "name": "Toy",
            "role": "demo",
            "types": {"Gene": "a gene"},
            "format": "iob2",
            "files": {"test": test | (file_changes or {})},
            "licence": "none",
            "citation": "none",
        }
        entry = {key: value for key, value in (entry | changes).items() if value is not None}
        (folder / f"{task}.yaml").write_text(yaml.safe_dump(entry), encoding="utf-8")
        return folder / f"{task}.yaml"

    return write


# --- IOB2 ------------------------------------------------------------------------------------------------


def test_iob2_joins_tokens_with_one_space_and_numbers_sentences(tmp_path):
    content = "The\tO\nIL\tB-Gene\n-\tI-Gene\n2\tI-Gene\n\nNone\tO\nhere\tO\n\n"
    sentences, faults = read(tmp_path, "iob2", content)
    assert sentences == [
        Sentence("0", "The IL - 2", (Entity(4, 10, "Gene"),)),
        Sentence("1", "None here", ()),
    ]
    assert not +faults


@pytest.mark.parametrize(
    ("tags", "expected", "orphans"),
    [
        (["B-Gene", "I-Gene", "O"], ["a b"], 0),
        (["B-Gene", "B-Gene", "I-Gene"], ["a", "b c"], 0),
        (["O", "I-Gene", "I-Gene"], ["b c"], 1),
        (["I-Gene", "O", "I-Gene"], ["a", "c"], 2),
        (["B-Gene", "I-DNA", "I-DNA"], ["a", "b c"], 1),
        (["B-Gene", "I-DNA", "I-Gene"], ["a", "b", "c"], 2),
        (["B-Gene", "O", "I-Gene"], ["a", "c"], 1),
        (["O", "O", "O"], [], 0),
    ],
)
def test_iob2_entities_follow_strict_iob2_and_count_orphans(tags, expected, orphans):
    entities, found = iob2_entities(["a", "b", "c"], tags)
    assert ["a b c"[e.start : e.end] for e in entities] == expected
    assert found == orphans


def test_orphans_do_not_reach_across_sentences_and_are_reported_as_a_fault(tmp_path):
    sentences, faults = read(tmp_path, "iob2", "a\tB-Gene\n\nb\tI-Gene\n\n")
    assert surfaces(sentences) == [["a"], ["b"]]
    assert faults[ORPHAN_INSIDE] == 1


PLAIN = "a\tB-Gene\nb\tO\n\nc\tI-Gene\n\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.replace("\n", "\r\n"),
        PLAIN.removesuffix("\n"),
        PLAIN.removesuffix("\n\n"),
        PLAIN.replace("\n\n", "\n\n\n\n"),
        "\n\n" + PLAIN,
    ],
    ids=["CRLF", "no closing blank line", "no final newline", "several blank lines", "leading blank lines"],
)
def test_iob2_line_ends_and_blank_lines_change_nothing(tmp_path, content):
    assert read(tmp_path, "iob2", content) == read(tmp_path, "iob2", PLAIN)


def test_iob2_docstart_opens_a_document_and_is_no_sentence(tmp_path):
    content = "a\tO\n\n-DOCSTART-\tO\n\nb\tO\n\nc\tO\n\n-DOCSTART-\tO\n\nd\tO\n"
    sentences, _ = read(tmp_path, "iob2", content)
    assert [(s.text, s.document) for s in sentences] == [
        ("a", None),
        ("b", "document-1"),
        ("c", "document-1"),
        ("d", "document-2"),
    ]
    assert read(tmp_path, "iob2", content.replace("-DOCSTART-\tO\n\n", "-DOCSTART-\tO\n"))[0] == sentences
    with pytest.raises(BenchmarkError, match=":2: -DOCSTART- inside a sentence"):
        read(tmp_path, "iob2", "a\tO\n-DOCSTART-\tO\n\nb\tO\n")


def test_iob2_offsets_count_characters_not_bytes(tmp_path):
    sentences, _ = read(tmp_path, "iob2", "Žižek\tO\n𝛽-catenin\tB-Gene\nα\tI-Gene\n")
    assert sentences[0].entities == (Entity(6, 17, "Gene"),)
    assert surfaces(sentences) == [["𝛽-catenin α"]]


def test_iob2_renames_types_of_the_file(tmp_path):
    sentences, _ = read(tmp_path, "iob2", "p53\tB-GENE\ngene\tI-GENE\n", rename={"GENE": "Gene"})
    assert sentences[0].entities == (Entity(0, 8, "Gene"),)


@pytest.mark.parametrize(
    "line",
    [
        "p53\tB-Gene\tNN",
        "p53",
        "p53\tB-Disease",
        "p53\tS-Gene",
        "p53\tE-Gene",
        "p53\tB",
        "p53\tO-Gene",
        "p53\to",
        "p53\t",
        "p53\tB-Gene ",
        "\tO",
        " \tB-Gene",
    ],
    ids=repr,
)
def test_iob2_malformed_line_is_an_error_naming_file_and_line(tmp_path, line):
    with pytest.raises(BenchmarkError, match=re.escape(f"{tmp_path / 'file.txt'}:3")) as caught:
        read(tmp_path, "iob2", f"a\tO\n\n{line}\nb\tO\n")
    assert "\n" not in str(caught.value)


def test_iob2_unknown_tag_error_lists_the_tags_there_are(tmp_path):
    with pytest.raises(BenchmarkError, match=r"'B-Virus' is none of O, B-Gene, I-Gene, B-DNA, I-DNA"):
        read(tmp_path, "iob2", "a\tB-Virus\n", types=["Gene", "DNA"])


# --- <mark> ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text", "mentions"),
    [
        ("p < 0.05 for <mark>p53</mark> &lt; x", "p < 0.05 for p53 &lt; x", ["p53"]),
        ("<b><mark>A</mark></b> </marks>", "<b>A</b> </marks>", ["A"]),
        ("(<mark>Thr</mark>200)", "(Thr200)", ["Thr"]),
        ("<mark>a</mark><mark>b</mark>", "ab", ["a", "b"]),
        (
            "<mark>IL\u20092</mark> and\u2028then\x0b\x85 on",
            "IL\u20092 and\u2028then\x0b\x85 on",
            ["IL\u20092"],
        ),
        ("no mention 𝛽", "no mention 𝛽", []),
    ],
)
def test_mark_only_mark_tags_are_markup(tmp_path, line, text, mentions):
    sentences, faults = read(tmp_path, "mark", f"{line}\nnext\n")
    assert [s.text for s in sentences] == [text, "next"]
    assert surfaces(sentences) == [mentions, []]
    assert not +faults


def test_mark_adjacent_mentions_touch_and_stay_two(tmp_path):
    sentences, _ = read(tmp_path, "mark", "<mark>ab</mark><mark>c</mark>")
    assert sentences[0].entities == (Entity(0, 2, "Gene"), Entity(2, 3, "Gene"))


def test_mark_crlf_and_missing_final_newline_change_nothing(tmp_path):
    plain = "a <mark>b</mark>\nc\n"
    for content in (plain.replace("\n", "\r\n"), plain.removesuffix("\n")):
        assert read(tmp_path, "mark", content) == read(tmp_path, "mark", plain)


@pytest.mark.parametrize(
    "damaged",
    [
        "<mark>a",
        "a</mark>",
        "<mark>a</mark> <mark>b",
        "</mark>a<mark>",
        "<mark>AKT</ma<mark>AKT,</mark>",
        "<mark>a<mark>b</mark></mark>",
        "<mark>a</mark></mark><mark>",
    ],
)
def test_mark_damaged_line_is_left_out_and_counted(tmp_path, damaged):
    sentences, faults = read(tmp_path, "mark", f"one\n{damaged}\n<mark>two</mark>\n")
    assert [s.text for s in sentences] == ["one", "two"]
    assert faults == {DAMAGED_LINE: 1}
    assert len({s.id for s in sentences}) == 2


def test_mark_without_text_inside_is_an_error_or_counted_as_damaged(tmp_path):
    try:
        sentences, faults = read(tmp_path, "mark", "one\na <mark></mark> b\n")
    except BenchmarkError as error:
        assert f"{tmp_path / 'file.txt'}:2" in str(error)
    else:
        assert faults == {DAMAGED_LINE: 1}
        assert len(sentences) == 1


def test_mark_needs_a_corpus_of_one_type(tmp_path):
    with pytest.raises(BenchmarkError, match="not 2"):
        read(tmp_path, "mark", "a\n", types=["Gene", "DNA"])


# --- JSONL -----------------------------------------------------------------------------------------------

GOOD = {"text": "p53 binds", "entities": [{"start": 0, "end": 3, "type": "Gene"}]}


def with_entity(**changes):
    return GOOD | {"entities": [GOOD["entities"][0] | changes]}


def test_jsonl_reads_optional_keys_and_sorts_entities(tmp_path):
    row = {
        "id": "s1",
        "document": "d1",
        "text": "β a p53",
        "entities": [
            {"start": 4, "end": 7, "type": "GENE", "text": "p53"},
            {"start": 0, "end": 1, "type": "Gene"},
        ],
    }
    content = json.dumps(row) + "\r\n" + json.dumps(GOOD)
    sentences, faults = read(tmp_path, "jsonl", content, rename={"GENE": "Gene"})
    assert sentences == [
        Sentence("s1", "β a p53", (Entity(0, 1, "Gene"), Entity(4, 7, "Gene")), "d1"),
        Sentence("1", "p53 binds", (Entity(0, 3, "Gene"),)),
    ]
    assert not faults


def test_jsonl_takes_nested_mentions_and_one_span_with_two_types(tmp_path):
    entities = [
        {"start": 0, "end": 3, "type": "Gene"},
        {"start": 0, "end": 3, "type": "DNA"},
        {"start": 0, "end": 5, "type": "Gene"},
    ]
    row = {"text": "p53 x", "entities": entities}
    sentences, _ = read(tmp_path, "jsonl", json.dumps(row), types=["Gene", "DNA"])
    assert len(sentences[0].entities) == 3


@pytest.mark.parametrize(
    "row",
    [
        {"entities": []},
        {"text": "p53"},
        {"text": 5, "entities": []},
        {"text": None, "entities": []},
        {"text": ["p53", "binds"], "entities": [{"start": 0, "end": 1, "type": "Gene"}]},
        {"text": "p53", "entities": None},
        {"text": "p53", "entities": {}},
        {"text": "p53", "entities": ["p53"]},
        {"text": "p53", "entities": [[0, 3, "Gene"]]},
        {"text": "p53", "entities": [{"start": 0, "type": "Gene"}]},
        {"text": "p53", "entities": [{"start": 0, "end": 3}]},
        with_entity(text="p5"),
        with_entity(text="P53"),
        with_entity(type="Virus"),
        with_entity(type=["Gene"]),
        with_entity(start="0", end="3"),
        with_entity(start=0.0, end=3.0),
        with_entity(start=False, end=True),
        with_entity(start=0, end=True),
        with_entity(start=None, end=None),
        with_entity(end=10),
        with_entity(start=40, end=50),
        with_entity(start=-3, end=-1),
        with_entity(start=-9, end=3),
        with_entity(start=3, end=3),
        with_entity(start=3, end=0),
        {"text": "p53", "entities": GOOD["entities"] * 2},
        GOOD | {"document": 1},
        [GOOD],
        "p53",
        3,
    ],
    ids=lambda row: json.dumps(row)[:70],
)
def test_jsonl_malformed_row_is_an_error_naming_file_and_line(tmp_path, row):
    with pytest.raises(BenchmarkError, match=re.escape(f"{tmp_path / 'file.txt'}:2")) as caught:
        read(tmp_path, "jsonl", json.dumps(GOOD) + "\n" + json.dumps(row) + "\n")
    assert "\n" not in str(caught.value)
    assert not re.search(r"(Key|Type|Value|Attribute)Error|subscript|indices|unhashable", str(caught.value))


@pytest.mark.parametrize(
    "line",
    ["{", "", '{"text": "a", "entities": []},', "NaN", '{"text": "a\\ud800", "entities": []}', "[" * 100_000],
    ids=["cut", "blank", "trailing comma", "NaN", "half a character", "deeply nested"],
)
def test_jsonl_line_that_is_no_row_is_an_error_naming_file_and_line(tmp_path, line):
    with pytest.raises(BenchmarkError, match=re.escape(f"{tmp_path / 'file.txt'}:2")):
        read(tmp_path, "jsonl", f"{json.dumps(GOOD)}\n{line}\n{json.dumps(GOOD)}\n")


@pytest.mark.parametrize("text", ["", " \t"])
def test_a_sentence_without_text_is_an_error_naming_file_and_line(tmp_path, text):
    files = [("jsonl", json.dumps(GOOD) + "\n" + json.dumps({"text": text, "entities": []}))]
    files.append(("mark", f"<mark>p53</mark> binds\n{text}\n"))
    for form, content in files:
        with pytest.raises(BenchmarkError, match=r"file.txt:2: a sentence without text; leave the line out"):
            read(tmp_path, form, content)


def test_jsonl_ids_are_unique(tmp_path):
    rows = [json.dumps(GOOD | {"id": "a"}), json.dumps(GOOD), json.dumps(GOOD | {"id": "a"})]
    with pytest.raises(BenchmarkError, match=r":3: the id 'a' is that of line 1 too"):
        read(tmp_path, "jsonl", "\n".join(rows) + "\n")


def test_jsonl_wrong_slice_error_shows_both_strings(tmp_path):
    with pytest.raises(BenchmarkError, match=r"'p53'.*'p5'"):
        read(tmp_path, "jsonl", json.dumps(with_entity(text="p5")))


# --- all formats -----------------------------------------------------------------------------------------

VALID = {"iob2": "é\tB-Gene\n\n", "mark": "a <mark>é</mark>\n", "jsonl": json.dumps(GOOD) + "\n"}


@pytest.mark.parametrize("form", sorted(formats.READERS))
def test_file_that_is_not_utf8_is_an_error_naming_the_file(tmp_path, form):
    content = VALID[form].encode() + "é\tO\n".encode("latin-1")
    with pytest.raises(BenchmarkError, match=rf"^{re.escape(str(tmp_path / 'file.txt'))}.*UTF-8"):
        read(tmp_path, form, content)


@pytest.mark.parametrize("form", sorted(formats.READERS))
def test_byte_order_mark_never_becomes_part_of_a_sentence(tmp_path, form):
    try:
        sentences, _ = read(tmp_path, form, b"\xef\xbb\xbf" + VALID[form].encode())
    except BenchmarkError as error:
        assert f"{tmp_path / 'file.txt'}:1" in str(error)
    else:
        assert not any("\ufeff" in sentence.text for sentence in sentences)


@pytest.mark.parametrize("form", sorted(formats.READERS))
def test_empty_file_has_no_sentences(tmp_path, form):
    assert read(tmp_path, form, "")[0] == []


CHARACTERS = st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], max_codepoint=0x1FFFF)
TOKENS = st.text(CHARACTERS, min_size=1, max_size=5).filter(lambda token: token != "-DOCSTART-")
TEXTS = st.lists(
    st.one_of(
        TOKENS, st.sampled_from(["\u2009", "\u2028", "\u00a0", " ", "<", "&lt;", "[3H]-", '"', "\\", "𝛽"])
    ),
    max_size=10,
).map("".join)
ROUND_TRIP = settings(deadline=None, max_examples=60)


@st.composite
def tokenised(draw):
    tokens = draw(st.lists(TOKENS, min_size=1, max_size=8))
    labels = draw(
        st.lists(st.sampled_from(["O", "B-Gene", "B-DNA", "I"]), min_size=len(tokens), max_size=len(tokens))
    )
    spans, offset, previous = [], 0, "O"
    for token, label in zip(tokens, labels, strict=True):
        end = offset + len(token)
        if label == "I" and previous != "O":
            spans[-1] = (spans[-1][0], end, spans[-1][2])
        elif label.startswith("B-"):
            spans.append((offset, end, label[2:]))
            previous = label
        else:
            previous = "O"
        offset = end + 1
    return " ".join(tokens), tuple(Entity(*span) for span in spans)


@st.composite
def spanned(draw, nested):
    text = draw(TEXTS.filter(lambda text: "<mark>" not in text and "</mark>" not in text))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    if nested:
        pairs = [(a, b) for i, a in enumerate(cuts) for b in cuts[i + 1 :]]
        chosen = draw(st.sets(st.sampled_from(pairs), max_size=4)) if pairs else set()
        types = ["Gene", "DNA"]
    else:
        chosen = set(zip(cuts[::2], cuts[1::2], strict=False))
        types = ["Gene"]
    return text, tuple(sorted(Entity(a, b, draw(st.sampled_from(types))) for a, b in chosen))


def numbered(pairs):
    return [Sentence(str(number), text, entities) for number, (text, entities) in enumerate(pairs)]


@ROUND_TRIP
@given(pairs=st.lists(tokenised(), max_size=4))
def test_iob2_round_trip(tmp_path_factory, pairs):
    sentences = numbered(pairs)
    content = write_iob2(sentences)
    for variant in (content, content.replace("\n", "\r\n"), content.removesuffix("\n\n")):
        found, faults = read(tmp_path_factory.getbasetemp(), "iob2", variant, types=["Gene", "DNA"])
        assert found == sentences
        assert not +faults


@ROUND_TRIP
@given(pairs=st.lists(spanned(nested=False).filter(lambda pair: pair[0].strip()), max_size=4))
def test_mark_round_trip(tmp_path_factory, pairs):
    sentences = numbered(pairs)
    found, faults = read(tmp_path_factory.getbasetemp(), "mark", write_mark(sentences))
    assert found == sentences
    assert not +faults


@ROUND_TRIP
@given(pairs=st.lists(spanned(nested=True).filter(lambda pair: pair[0].strip()), max_size=4))
def test_jsonl_round_trip(tmp_path_factory, pairs):
    sentences = numbered(pairs)
    content = write_jsonl(sentences)
    found, _ = read(tmp_path_factory.getbasetemp(), "jsonl", content, types=["Gene", "DNA"])
    assert found == sentences


# --- loading a split -------------------------------------------------------------------------------------


def test_own_corpus_loads_beside_its_entry_and_is_listed_after_the_built_in_ones(own):
    own("toy")
    split = corpora.load("toy", "test")
    assert [(s.id, s.text) for s in split.sentences] == [("test-0", "TP53 binds")]
    assert split.faults == {}
    assert corpora.names() == [*sorted(BUILT_IN), "toy"]


def test_load_reports_repaired_tags(own):
    own("toy", content="TP53\tI-Gene\n")
    assert corpora.load("toy", "test").faults == {ORPHAN_INSIDE: 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sentences": 2}, "1 sentences, but the entry of toy says 2"),
        ({"mentions": {"Gene": 3}}, "1 Gene mentions, but the entry of toy says 3"),
        ({"damaged": 1}, "0 damaged lines, but the entry of toy says 1"),
    ],
)
def test_sizes_that_differ_from_the_entry_are_an_error(own, changes, message):
    path = own("toy", file_changes=changes)
    with pytest.raises(BenchmarkError, match=message) as caught:
        corpora.load("toy", "test")
    assert str(path.with_suffix(".tsv")) in str(caught.value)


def test_what_a_new_entry_should_say_is_found_at_once(own):
    own("toy", file_changes={"sha256": "0" * 64, "sentences": 9, "mentions": {"Gene": 9}})
    assert loading.sizes_found("toy", "test") == "sentences: 1, mentions: {Gene: 1}"
    own("right")
    own("lost", file_changes={"path": "none.tsv"})
    own("bad", content="TP53\tB-Virus\n")
    own("marked", content="<mark>a</mark>\n<mark>b\n", format="mark")
    registry._entries.cache_clear()
    assert [loading.sizes_found(task, "test") for task in ("right", "lost")] == [None] * 2
    assert "B-Virus" in loading.sizes_found("bad", "test")
    assert loading.sizes_found("marked", "test") == "sentences: 1, mentions: {Gene: 1}, damaged: 1"


def test_damaged_lines_must_be_as_many_as_the_entry_says(own):
    own("toy", content="<mark>a</mark>\n<mark>b\n", format="mark", file_changes={"damaged": 1})
    assert corpora.load("toy", "test").faults == {DAMAGED_LINE: 1}
    own("strict", content="<mark>a</mark>\n<mark>b\n", format="mark")
    registry._entries.cache_clear()
    with pytest.raises(BenchmarkError, match="1 damaged lines, but the entry of strict says 0"):
        corpora.load("strict", "test")


def test_changed_file_is_an_error_naming_both_hashes(own):
    path = own("toy").with_suffix(".tsv")
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text("MDM2\tB-Gene\nbinds\tO\n\n")
    with pytest.raises(BenchmarkError, match=f"SHA-256.*{expected}"):
        corpora.load("toy", "test")


def test_missing_file_is_an_error_naming_it(own):
    path = own("toy").with_suffix(".tsv")
    path.unlink()
    with pytest.raises(BenchmarkError, match=f"{re.escape(str(path))}: no such file"):
        corpora.load("toy", "test")


def test_split_that_the_corpus_lacks_is_an_error_listing_those_it_has(own):
    own("toy")
    with pytest.raises(BenchmarkError, match="toy has no train split; it has: test"):
        locate(corpora.get("toy"), "train")


def test_absent_mirror_folder_is_an_error_naming_the_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("BIONER_BENCH_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(BenchmarkError, match=r"nowhere.*no such file.*BIONER_BENCH_MIRROR"):
        corpora.load("bioner_ncbi", "test")


def test_sample_needs_no_mirror_and_ignores_one(tmp_path, monkeypatch):
    monkeypatch.setenv("BIONER_BENCH_MIRROR", str(tmp_path))
    assert corpora.load("bioner_sample", "test").sentences


# --- documents -------------------------------------------------------------------------------------------

THREE = "a\tO\n\nb\tO\n\nc\tO\n\n"


@pytest.fixture
def documented(own):
    """Writes a corpus of three sentences with a documents file, and loads its test split."""

    def load(lines, content=THREE):
        changes = {"sentences": 3, "mentions": {"Gene": 0}}
        path = own("toy", content, file_changes=changes, documents="toy.documents.tsv")
        if lines is not None:
            (path.parent / "toy.documents.tsv").write_text(lines, encoding="utf-8")
        return [sentence.document for sentence in corpora.load("toy", "test").sentences]

    return load


@pytest.mark.parametrize(
    ("lines", "documents"),
    [
        ("test\tA\t2\ntest\tB\t1\n", ["A", "A", "B"]),
        ("test\tA\t1\ntest\tB\t1\ntest\tA\t1", ["A", "B", "A"]),  # in two pieces, one document
        ("test\tPMID 1 é\t3\r\n", ["PMID 1 é"] * 3),
    ],
)
def test_a_documents_file_names_the_document_of_each_sentence(documented, lines, documents):
    assert documented(lines) == documents


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, "toy.documents.tsv: no such file"),
        ("", "documents of 0 sentences, but the test split of toy has 3"),
        ("test\tA\t2\n", "documents of 2 sentences"),
        ("test\tA\t4\n", "documents of 4 sentences"),
        ("test\tA\t2\ntest\tB\n", "toy.documents.tsv:2: expected split, document and number"),
        ("test\tA\tthree\n", "toy.documents.tsv:1: expected"),
        ("test\tA\t-3\n", "toy.documents.tsv:1: expected"),
        ("test\tA\t0\n", "toy.documents.tsv:1: expected"),
        ("test\t\t3\n", "toy.documents.tsv:1: expected"),
        ("test A 3\n", "toy.documents.tsv:1: expected"),
        ("dev\tA\t3\n", "toy.documents.tsv:1: toy has no split 'dev'"),
    ],
)
def test_a_documents_file_that_does_not_fit_is_an_error(documented, lines, message):
    with pytest.raises(BenchmarkError, match=re.escape(message)) as caught:
        documented(lines)
    assert "\n" not in str(caught.value)


def test_documents_are_named_once(documented):
    with pytest.raises(BenchmarkError, match="names its documents itself"):
        documented("test\tA\t3\n", f"-DOCSTART-\tO\n\n{THREE}")


@pytest.mark.slow
@pytest.mark.parametrize("task", PUBLIC)
@pytest.mark.usefixtures("mirror")
def test_real_corpora_know_their_documents(task):
    counts = {
        split: len({sentence.document for sentence in corpora.load(task, split).sentences} - {None})
        for split in corpora.get(task).files
    }
    bc5cdr = {"train": 500, "validation": 500, "test": 500}
    expected = {
        "bioner_ncbi": {"train": 592, "validation": 100, "test": 100},
        "bioner_bc5cdr": bc5cdr,
        "bioner_bc5cdr_chem": bc5cdr,
        "bioner_bc5cdr_disease": bc5cdr,
        "bioner_jnlpba": {"train": 1800, "validation": 200, "test": 404},
        "bioner_linnaeus": {"train": 50, "validation": 17, "test": 33},
        "bioner_nlmchem": {"test": 50},
        "bioner_nlmgene": {"test": 100},
        "bioner_bc2gm": {"train": 0, "validation": 0, "test": 0},  # sentences sampled one by one
        "bioner_wnut17": {"train": 0, "validation": 0, "test": 0},
    }
    assert counts == expected[task]
    for split in counts:
        named = {sentence.document is None for sentence in corpora.load(task, split).sentences}
        assert named == {task in ("bioner_bc2gm", "bioner_wnut17")}


@pytest.mark.usefixtures("mirror")
def test_sentences_of_a_document_belong_together():
    """A mention is met again in its own document far oftener than in the next one."""
    for task in ("bioner_ncbi", "bioner_bc5cdr_chem", "bioner_nlmchem", "bioner_nlmgene"):
        mentions: dict[str, list[str]] = {}
        for sentence in corpora.load(task, "test").sentences:
            mentions.setdefault(sentence.document, []).extend(
                sentence.surface(entity) for entity in sentence.entities
            )
        documents = list(mentions.values())
        own = sum(len(found) - len(set(found)) for found in documents)
        following = sum(
            len(set(found) & set(following)) for found, following in itertools.pairwise(documents)
        )
        assert own > 5 * following


# --- what systems learn from -----------------------------------------------------------------------------


def test_training_sentences_are_the_own_ones_else_those_of_the_training_corpus(own):
    own("toy", training_corpus="bioner_sample")
    sample = corpora.load("bioner_sample", "train").sentences
    assert loading.load_training(corpora.get("bioner_sample")) == sample
    borrowed = loading.load_training(corpora.get("toy"))
    assert [s.text for s in borrowed] == [s.text for s in sample]
    for own_sentence, sentence in zip(borrowed, sample, strict=True):
        assert own_sentence.entities == tuple(
            e for e in sentence.entities if e.type in corpora.get("toy").types
        )
    own("alone")
    registry._entries.cache_clear()
    assert loading.load_training(corpora.get("alone")) == ()


def test_training_corpus_that_names_itself_is_an_error(own):
    own("toy", training_corpus="toy")
    with pytest.raises(BenchmarkError):
        loading.load_training(corpora.get("toy"))


def test_seen_mentions_are_compared_by_type_and_case_folded_string():
    sentence = Sentence("0", "Straße p53", (Entity(0, 6, "DNA"), Entity(7, 10, "Gene")))
    seen = loading.seen_mentions((sentence,))
    assert loading.surface_key("P53", "Gene") in seen
    assert loading.surface_key("STRASSE", "DNA") in seen
    assert loading.surface_key("p53", "DNA") not in seen


# --- the registry ----------------------------------------------------------------------------------------


def test_built_in_entries_are_those_of_the_documentation():
    assert set(corpora.names()) == set(BUILT_IN)
    for task, (role, types) in BUILT_IN.items():
        corpus = corpora.get(task)
        assert (corpus.role, list(corpus.types)) == (role, types)
        assert all(definition.strip() for definition in corpus.types.values())
        assert corpus.licence
        assert corpus.citation


def test_built_in_files_are_pinned():
    for task in PUBLIC:
        for file in corpora.get(task).files.values():
            assert file.url is not None
            assert file.url.startswith("https://")
            assert re.search(r"/[0-9a-f]{40}/", file.url), "an address without a revision can change"
            assert Path(file.url).name == Path(file.path).name
    paths = [(file.path, file.sha256) for task in PUBLIC for file in corpora.get(task).files.values()]
    assert len(set(paths)) == len({path for path, _ in paths}) == len({digest for _, digest in paths})


def test_same_type_of_one_corpus_has_one_definition():
    joint = corpora.get("bioner_bc5cdr").types
    assert joint["Disease"] == corpora.get("bioner_bc5cdr_disease").types["Disease"]
    assert joint["Chemical"] == corpora.get("bioner_bc5cdr_chem").types["Chemical"]


def test_unknown_corpus_error_lists_the_known_ones():
    with pytest.raises(BenchmarkError, match="unknown corpus 'bioner_bc4chemd'") as caught:
        corpora.get("bioner_bc4chemd")
    assert all(task in str(caught.value) for task in BUILT_IN)


LEADING_OUT = ("../x", "a/..", "a/./b", "/etc/x", "a\\x", "x\n/../../x", "\n", "x\n", "x\r", ".\n")


def test_a_download_lands_in_the_cache_alone(own, tmp_path, monkeypatch):
    own()
    monkeypatch.setenv("BIONER_BENCH_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv("BIONER_BENCH_MIRROR", raising=False)
    corpus = corpora.get("toy")
    test = dataclasses.replace(corpus.files["test"], path="../../x", url="http://127.0.0.1:9/x")
    with pytest.raises(BenchmarkError, match="leads out of"):
        locate(dataclasses.replace(corpus, files={"test": test}), "test")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "colour"),
        ({"licence": None}, "licence"),
        ({"types": {}}, "types"),
        ({"types": ["Gene"]}, "types"),
        ({"format": "conll"}, "conll"),
        ({"role": "main"}, "main"),
        ({"files": {}}, "test"),
        ({"files": {"dev": {}}}, "files"),
        ({"file_changes": {"sha256": "abc"}}, "sha256"),
        ({"file_changes": {"sha256": "0" * 64 + "\n"}}, "sha256"),
        *(({"documents": path}, "documents") for path in LEADING_OUT),
        *(({"file_changes": {"path": path}}, "files.test.path") for path in LEADING_OUT),
        ({"file_changes": {"sentences": 0}}, "sentences"),
        ({"file_changes": {"sentences": "1"}}, "sentences"),
        ({"file_changes": {"size": 10}}, "size"),
        ({"file_changes": {"mentions": {"gene": 1}}}, "mentions"),
        ({"file_changes": {"mentions": {}}}, "mentions"),
    ],
)
def test_malformed_entry_is_an_error_naming_file_and_key(own, changes, message):
    path = own("toy", **copy.deepcopy(changes))
    with pytest.raises(BenchmarkError, match=re.escape(message)) as caught:
        corpora.get("toy")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"task: [", b"task:\t[", b"", b"- a\n- b\n", b"name: caf\xe9\n"], ids=repr
)
def test_entry_that_is_no_yaml_mapping_is_an_error_naming_the_file(own, content):
    path = own("toy")
    path.write_bytes(content)
    with pytest.raises(BenchmarkError, match=re.escape(str(path))):
        corpora.get("toy")


def test_type_names_that_yaml_reads_as_something_else_are_an_error(own):
    path = own("toy")
    path.write_text(path.read_text().replace("Gene:", "NO:"))
    with pytest.raises(BenchmarkError, match=re.escape(str(path))):
        corpora.get("toy")


def test_entry_and_its_file_bear_one_name(own):
    path = own("toy")
    path.rename(path.with_name("other.yaml"))
    with pytest.raises(BenchmarkError, match=r"'toy'.*'other'"):
        corpora.get("other")


def test_two_entries_of_one_name_are_an_error_naming_both(own, tmp_path, monkeypatch):
    first = own("toy")
    second = tmp_path / "more" / "toy.yaml"
    second.parent.mkdir()
    second.write_text(first.read_text())
    monkeypatch.setenv("BIONER_BENCH_CORPORA", f"{first.parent}{os.pathsep}{second.parent}")
    with pytest.raises(BenchmarkError, match="toy") as caught:
        corpora.names()
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_entry_cannot_take_the_name_of_a_built_in_one(own):
    own("bioner_ncbi")
    with pytest.raises(BenchmarkError, match="two entries for 'bioner_ncbi'"):
        corpora.get("bioner_ncbi")


def test_further_entries_must_be_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BIONER_BENCH_CORPORA", str(tmp_path / "nowhere"))
    with pytest.raises(BenchmarkError, match=r"BIONER_BENCH_CORPORA names .*nowhere"):
        corpora.get("bioner_ncbi")


# --- the real corpora ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("task", PUBLIC)
@pytest.mark.usefixtures("mirror")
def test_real_corpus_has_its_published_sizes_and_sound_sentences(task):
    corpus = corpora.get(task)
    for name, file in corpus.files.items():
        split = corpora.load(task, name)
        assert len(split.sentences) == file.sentences
        assert Counter(e.type for s in split.sentences for e in s.entities) == file.mentions
        assert split.faults == ({DAMAGED_LINE: file.damaged} if file.damaged else {})
        assert len({sentence.id for sentence in split.sentences}) == file.sentences
        for sentence in split.sentences:
            assert sentence.text.strip()
            assert all(surface.strip() == surface != "" for surface in surfaces([sentence])[0])
            ends = [entity.end for entity in sentence.entities]
            starts = [entity.start for entity in sentence.entities]
            assert all(end <= start for end, start in zip(ends, starts[1:], strict=False)), (
                "in order, disjoint"
            )


@pytest.mark.slow
@pytest.mark.parametrize("task", PUBLIC)
def test_real_corpus_written_back_is_its_file(task, mirror):
    corpus = corpora.get(task)
    for name, file in corpus.files.items():
        content = (mirror / file.path).read_text(encoding="utf-8")
        sentences = corpora.load(task, name).sentences
        if corpus.format == "iob2":
            back = {ours: theirs for theirs, ours in corpus.rename.items()}
            content = content.replace("-DOCSTART-\tO\n\n", "")
            if task == "bioner_wnut17":  # white space between sentences, and none or more at the end
                content = content.replace("\n\t\n", "\n\n").rstrip() + "\n\n"
            assert write_iob2(sentences, back) == content
        else:
            kept = [
                line for line in content.split("\n")[:-1] if line.count("<mark>") == line.count("</mark>")
            ]
            missing = Counter(kept) - Counter(write_mark(sentences).split("\n"))
            # The rest have as many opening as closing marks, but not in turn.
            assert all(re.search("<mark>(?:(?!</mark>).)*<mark>|^[^<]*</mark>", line) for line in missing)
            assert len(sentences) + file.damaged == content.count("\n")


@pytest.mark.slow
@pytest.mark.usefixtures("mirror")
def test_bc5cdr_single_type_corpora_are_the_joint_one():
    joint = corpora.load("bioner_bc5cdr", "test").sentences
    for task, type_ in (("bioner_bc5cdr_chem", "Chemical"), ("bioner_bc5cdr_disease", "Disease")):
        single = corpora.load(task, "test").sentences
        assert [s.text for s in single] == [s.text for s in joint]
        assert [s.entities for s in single] == [
            tuple(e for e in s.entities if e.type == type_) for s in joint
        ]


def test_out_of_domain_corpora_have_nothing_to_learn_from():
    for task, stand_in in (("bioner_nlmchem", "bioner_bc5cdr_chem"), ("bioner_nlmgene", "bioner_bc2gm")):
        corpus = corpora.get(task)
        assert list(corpus.files) == ["test"]
        assert corpus.training_corpus == stand_in
        assert list(corpus.types) == list(corpora.get(stand_in).types)


# --- the shipped sample ----------------------------------------------------------------------------------


def test_sample_has_all_types_and_sentences_without_mention():
    train, test = (corpora.load("bioner_sample", split).sentences for split in ("train", "test"))
    assert len(test) >= 60
    for sentences in (train, test):
        assert {e.type for s in sentences for e in s.entities} == {"Disease", "Chemical", "Gene"}
        assert any(not s.entities for s in sentences)
        assert len({s.id for s in sentences}) == len({s.text for s in sentences}) == len(sentences)
    assert not {s.text for s in train} & {s.text for s in test}
    assert not {s.id for s in train} & {s.id for s in test}


@pytest.mark.parametrize(
    "pattern",
    [r"^\[3H\]-", r'"', "'", "’", "[αβγμ]", r"[\U00010000-\U0010ffff]", r"\{.*\}", "\u00a0", r"\w,\w"],
)
def test_sample_has_a_hard_mention(pattern):
    mentions = [m for found in surfaces(corpora.load("bioner_sample", "test").sentences) for m in found]
    assert any(re.search(pattern, mention) for mention in mentions)


def test_sample_has_repeated_nested_and_backslash_cases():
    sentences = corpora.load("bioner_sample", "test").sentences
    assert any(len(set(found)) < len(found) for found in surfaces(sentences))
    assert any(a.overlaps(b) for s in sentences for a in s.entities for b in s.entities if a.type != b.type)
    assert any("\\" in s.text for s in sentences)
