"""Which files of a run belong together, and whether they are whole."""

import json
import re

import pytest

from bioner_bench.evaluation import predictions
from bioner_bench.evaluation.run_files import check_size, check_written, size_beside
from bioner_bench.schema import BenchmarkError

TIME = "2026-11-26T19-45-20.1"


def written(folder, name, sizes):
    path = folder / f"{name}_{TIME}.json"
    path.write_text(json.dumps({"n-samples": {task: {"effective": size} for task, size in sizes.items()}}))
    return path


def test_the_size_is_that_of_the_task_in_the_results_of_the_same_time(tmp_path):
    samples = tmp_path / f"samples_a_task_{TIME}.jsonl"
    assert size_beside(samples) is None
    (tmp_path / f"list_{TIME}.json").write_text("[]")
    written(tmp_path, "elsewhere", {"other": 5})
    assert size_beside(samples) is None
    written(tmp_path, "results", {"a_task": 3, "other": 5})
    assert size_beside(samples) == 3
    assert size_beside(tmp_path / f"samples_other_{TIME}.jsonl") == 5
    for name in (f"a_task_{TIME}", "samples_a_task_2026", f"samples_{TIME}", f"samples__{TIME}"):
        assert size_beside(tmp_path / f"{name}.jsonl") is None


@pytest.mark.parametrize("text", ["", "{", '{"a":', '{"n-samples": {"a_task": {"eff', "[" * 100_000])
def test_results_that_cannot_be_read_do_not_let_cut_samples_pass(tmp_path, text):
    samples = tmp_path / f"samples_a_task_{TIME}.jsonl"
    results = tmp_path / f"results_{TIME}.json"
    results.write_text(text)
    said = rf"^cannot read {re.escape(str(results))} \(.*Error\), so whether .* is whole is not known; run it"
    with pytest.raises(BenchmarkError, match=said):
        size_beside(samples)
    with pytest.raises(BenchmarkError, match="has not written"):
        check_written(results, False)
    written(tmp_path, "run", {"a_task": 3})  # what says it is enough
    assert size_beside(samples) == 3


def test_each_filter_has_a_sample_of_every_sentence(tmp_path):
    path = tmp_path / "samples.jsonl"
    check_size(path, ["a", "b", "a", "b"], 2)
    check_size(path, [None, None], 2)
    for filters, size, found in ((["a", "b", "a"], 2, 1), (["a"] * 3, 2, 3), ([], 2, 0)):
        said = f"{path}: {found} sentences, but the run evaluated {size}: a cut file; run it again"
        with pytest.raises(BenchmarkError, match=re.escape(said)):
            check_size(path, filters, size)


def test_samples_of_several_filters_are_not_scored_together(tmp_path):
    doc = {"id": "s", "document": None, "text": "mice", "types": ["Disease"], "entities": []}
    line = {"doc": doc, "filtered_resps": ["{}"], "target": "{}"}
    path = tmp_path / f"samples_a_task_{TIME}.jsonl"
    path.write_text(
        "".join(
            json.dumps(line | {"filter": name, "doc_id": n}) + "\n"
            for name, n in (("none", 0), ("strict", 0), ("none", 1))
        )
    )
    with pytest.raises(BenchmarkError, match="samples of several filters, none and strict, so a sentence"):
        predictions.read(path)
    path.write_text("".join(json.dumps(line | {"filter": "none", "doc_id": n}) + "\n" for n in (0, 1)))
    assert len(predictions.read(path)) == 2


def test_what_a_run_wrote_must_be_whole(tmp_path):
    results = tmp_path / f"results_{TIME}.json"
    samples = tmp_path / f"samples_a_task_{TIME}.jsonl"

    def refused(said, kept=True):
        with pytest.raises(BenchmarkError, match=re.escape(said)):
            check_written(results, kept)

    cut = "; is the disk full? Its warnings above may say more; make room and run it again"
    refused(f"lm-eval has not written {results} whole (FileNotFoundError){cut}", False)
    for text in (
        "{",
        "{}",
        "[]",
        '{"n-samples": {"a_task": {}}}',
        '{"n-samples": {"a_task": {"effective": "x"}}}',
    ):
        results.write_text(text)
        refused(f"lm-eval has not written {results} whole", False)
    written(tmp_path, "results", {"a_task": 2})
    check_written(results, False)
    refused(f"lm-eval has not written {samples} whole (FileNotFoundError){cut}")
    line = '{"filter": "none"}\n'
    for text in (line + '{"fil', line + "[]\n"):
        samples.write_text(text)
        refused(f"lm-eval has not written {samples} whole")
    samples.write_text(line)
    refused(f"{samples}: 1 sentences, but the run evaluated 2")
    samples.write_text(line + line)
    check_written(results, True)
    samples.write_text('{"filter": "a"}\n{"filter": "b"}\n')
    refused(f"{samples}: 1 sentences, but the run evaluated 2")
