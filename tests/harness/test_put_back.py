"""What of lm-eval's is replaced during a run, and put back however it ends."""

import lm_eval.tasks
import pytest
from lm_eval.loggers import EvaluationTracker

from bioner_bench.harness.saving import checked_saving
from bioner_bench.harness.task_folders import only_what_is_needed


def of_lm_eval():
    return lm_eval.tasks.TaskManager, EvaluationTracker.save_results_aggregated


def test_what_was_replaced_is_put_back_after_an_error():
    before = of_lm_eval()
    with pytest.raises(ZeroDivisionError), only_what_is_needed(["bioner_ncbi"]), checked_saving():
        assert not set(before) & set(of_lm_eval())
        raise ZeroDivisionError
    assert of_lm_eval() == before


def test_an_index_is_made_anew_once():
    before = of_lm_eval()
    with only_what_is_needed(["bioner_sample"]):
        found = lm_eval.tasks.TaskManager()
        assert "bioner_sample" in found.all_tasks
        assert "mmlu" not in found.all_tasks
        assert of_lm_eval() == before
    assert of_lm_eval() == before
