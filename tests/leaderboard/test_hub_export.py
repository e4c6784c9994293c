"""Results in the forms of the Hub, read back by its own library."""

import pytest
import yaml
from command_line import call, fails
from conftest import ROOT
from huggingface_hub import parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results
from leaderboard_data import make_record

from bioner_bench.leaderboard import records
from bioner_bench.leaderboard.build import read_records
from bioner_bench.leaderboard.hub_export import HOME, export
from bioner_bench.schema import BenchmarkError

FOLDER = ROOT / "leaderboards"


@pytest.mark.slow
def test_the_hubs_library_reads_what_is_written(tmp_path):
    options = ("--hub", tmp_path, "--dataset", "my-org/bioner", "--folder", FOLDER)
    printed = call("leaderboard", "export", *options, "minilm").stdout.split()
    results, index = tmp_path / "minilm/.eval_results/bioner_bench.yaml", tmp_path / "minilm/model-index.yaml"
    assert printed == [str(results), str(index)]
    found = [r for r in read_records(FOLDER / "records") if r["system"]["name"] == "minilm"]
    wanted = [(r["task"], round(100 * r["scores"]["strict_f1"]["value"], 2)) for r in found]
    entries = parse_eval_result_entries(yaml.safe_load(results.read_text()))
    assert [(entry.task_id, entry.value) for entry in entries] == wanted
    assert {entry.dataset_id for entry in entries} == {"my-org/bioner"}
    assert all("95 % interval" in entry.notes for entry in entries)
    _, old = model_index_to_eval_results(yaml.safe_load(index.read_text())["model-index"])
    # Runs of one task are grouped, seeds one after another.
    assert sorted((item.dataset_type, item.metric_value) for item in old) == sorted(wanted)


@pytest.mark.parametrize("source", [None, "https://example.org/board/"])
def test_only_what_is_there_is_linked(tmp_path, source):
    record = make_record(sentences=40)
    results, index = export([record], "my-org/bioner", tmp_path, source)
    (entry,) = parse_eval_result_entries(yaml.safe_load(results.read_text()))
    _, (old,) = model_index_to_eval_results(yaml.safe_load(index.read_text())["model-index"])
    linked = source and "https://example.org/board/records/alpha/bioner_ncbi-0-shot.json"
    assert (entry.source_url, old.source_url) == (linked, source)
    with pytest.raises(BenchmarkError, match="--source 'here' is no address"):
        export([record], "my-org/bioner", tmp_path, "here")


def test_a_leaderboard_of_ones_own_has_no_links_to_this_projects(tmp_path):
    records.write(make_record(sentences=40), tmp_path / "leaderboards/records")
    options = ("leaderboard", "export", "--hub", "hub", "--dataset", "my-org/bioner")
    written = tmp_path / "hub/alpha/.eval_results/bioner_bench.yaml"
    for own, linked in ((("--folder", tmp_path / "leaderboards"), False), ((), True)):
        call(*options, *own, cwd=tmp_path)
        assert (f"{HOME}/records/alpha" in written.read_text()) is linked


@pytest.mark.slow
def test_wrong_use_is_one_line(tmp_path):
    options = ("--hub", tmp_path / "hub", "--folder", FOLDER)
    assert "no records of nobody" in fails("leaderboard", "export", *options, "--dataset", "a/b", "nobody")
    assert "org/name" in fails("leaderboard", "export", *options, "--dataset", "bioner", "minilm")
    assert not (tmp_path / "hub").exists()
