"""A family from end to end: one card, one recipe with a checkpoint a corpus, trained, run and recorded."""

from pathlib import Path

import pytest
import yaml
from command_line import call, fails
from tiny_models import write_bert

from bioner_bench import corpora
from bioner_bench.leaderboard import records

pytestmark = pytest.mark.slow  # all need a checkpoint that is trained

CARD = {
    "system": "tiny",
    "title": "Tiny",
    "kind": "encoder",
    "train_strategy": "fine-tuned",
    "recipe": "encoders/tiny.yaml",
    "run": {"model": "encoder", "model_args": {"dtype": "float32"}},
}

RECIPE = {
    "kind": "encoder",
    "each": ["bioner_sample"],
    "validation": [],
    "seed": 1,
    "epochs": 1,
    "learning_rate": 0.005,
    "batch_size": 8,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a card and a recipe; its checkpoint is trained."""
    folder = tmp_path_factory.mktemp("project")
    texts = [sentence.text for sentence in corpora.load("bioner_sample", "train").sentences]
    base = write_bert(folder / "base", texts)
    (folder / "baselines" / "encoders").mkdir(parents=True)
    (folder / "baselines" / "tiny.yaml").write_text(yaml.safe_dump(CARD))
    recipe = folder / "baselines" / "encoders" / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE | {"model": str(base)}))
    trained = call("train", "baselines/encoders/tiny.yaml", cwd=folder).stdout
    assert trained == "checkpoints/tiny-sample-seed-1\n"
    return folder


@pytest.fixture(scope="module")
def ran(project):
    """What a run of the card printed; its answers are in `out`."""
    return call(
        *("run", "--system", "tiny", "--tasks", "bioner_sample,bioner_ncbi", "--limit", 8),
        *("--log_samples", "--output_path", "out"),
        cwd=project,
    )


def test_a_family_is_trained_run_and_recorded(project, ran):
    assert "Not run: tiny has no checkpoint for bioner_ncbi." in ran.stderr
    added = call("leaderboard", "add", "out", "--system", "tiny", "--partial", cwd=project).stdout
    record = records.read(project / Path(added.strip()))
    assert record["system"]["name"] == "tiny"
    assert record["system"]["trained_on"] == ["bioner_sample"]
    assert record["training"]["recipe"]["name"] == "tiny-sample"
    assert record["training"]["recipe"]["train"] == ["bioner_sample"]


@pytest.mark.usefixtures("ran")
def test_a_checkpoint_of_another_corpus_is_not_the_familys(project):
    (project / "baselines" / "other.yaml").write_text(
        yaml.safe_dump(CARD | {"system": "other", "trained_on": ["bioner_ncbi"]})
    )
    said = fails("leaderboard", "add", "out", "--system", "other", "--partial", cwd=project)
    assert "trained_on is ['bioner_sample'], the card's is ['bioner_ncbi']" in said or "its recipe is" in said


def test_a_recipe_of_a_family_names_its_corpora(project):
    recipe = "baselines/encoders/tiny.yaml"
    assert "is a recipe for each of bioner_sample" in fails(
        "train", recipe, "--task", "bioner_ncbi", cwd=project
    )
