"""IOB2 files: what is written reads back, whatever cuts the text into tokens."""

import pytest

from bioner_bench.models.iob2_files import read, write
from bioner_bench.schema import BenchmarkError, Entity, Sentence

RAW = Sentence("1", "p53-null mice (ATM).", (Entity(0, 3, "Gene"), Entity(15, 18, "Gene")), "a")
TOKENS = Sentence("2", "A - T is x-linked .", (Entity(0, 5, "Gene"),), "b")


def written_to(tmp_path, text):
    path = tmp_path / "tags.tsv"
    path.write_text(text)
    return path


def test_raw_text_is_cut_into_words_and_documents_are_named(tmp_path):
    written = write([RAW, TOKENS], tokenised=False)
    lines = written.text.split("\n")
    assert lines[:5] == ["-DOCSTART-\tO", "", "p53\tB-Gene", "-\tO", "null\tO"]
    assert lines.count("-DOCSTART-\tO") == 2
    assert (written.widened, written.lost) == (0, 0)
    found = read(written_to(tmp_path, written.text), [RAW, TOKENS], ["Gene"])
    assert found.entities == [list(RAW.entities), list(TOKENS.entities)]


def test_the_tokens_of_a_corpus_of_tokens_are_kept():
    assert "x-linked\tO\n" in write([TOKENS], tokenised=True).text


def test_spans_inside_words_are_widened_or_lost_and_counted(tmp_path):
    sentence = Sentence("1", "ATMs here", (Entity(0, 3, "Gene"), Entity(3, 4, "Gene")))
    written = write([sentence], tokenised=False)
    assert (written.widened, written.lost) == (1, 1)
    found = read(written_to(tmp_path, written.text), [sentence], ["Gene"])
    assert found.entities == [[Entity(0, 4, "Gene")]]


def test_other_tokens_of_the_same_text_are_read(tmp_path):
    text = "p53-null NN I-Gene\nmice NN O\n( x O\nATM NN B-Gene\n). x O\n"
    found = read(written_to(tmp_path, text), [RAW], ["Gene"])
    assert found.entities == [[Entity(0, 8, "Gene"), Entity(15, 18, "Gene")]]
    assert found.orphans == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p53\tO\n", "lacks the end of 1"),
        ("p54\tO\n", "is not 1"),
        ("p53\tB-Protein\n", "tag 'B-Protein' is none of"),
        ("p53\n", "expected a token and a tag"),
        ("", "0 of the 1 sentences"),
        ("p53-null mice (ATM).\tO\n\nmore\tO\n", "more than the 1 sentences"),
    ],
)
def test_what_is_not_the_split_is_refused(tmp_path, text, said):
    with pytest.raises(BenchmarkError, match=said):
        read(written_to(tmp_path, text), [RAW], ["Gene"])
