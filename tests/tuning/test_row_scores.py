"""Scores other than IFD: gradients against a loop by hand, counts, and what is selected by them."""

import json
import math

import pytest
import torch
import yaml
from command_line import call, fails
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from peft import get_peft_model_state_dict
from tiny_llm import load_llm, write_llm
from toy_corpus import write_toy_corpus

from bioner_bench import __version__, corpora
from bioner_bench.models.chat import Chat
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning import gradients, selection, surface
from bioner_bench.tuning.recipes import read_recipe
from bioner_bench.tuning.rows import rows_of
from bioner_bench.tuning.score_files import Measure, Score
from bioner_bench.tuning.strategies import (
    EASIER,
    LOWER,
    NEGATIVE,
    NO_SCORE,
    NOT_DRAWN,
    NOT_FINITE,
    NOT_HELPED,
    Choice,
    select,
)

ROWS = rows_of("bioner_sample")[:6]


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    return write_llm(tmp_path_factory.mktemp("llm"))


@pytest.fixture(scope="module")
def warm(llm, tmp_path_factory):
    """A LoRA checkpoint on it, as training leaves one: neither A nor B is zero."""
    model, tokenizer = load_llm(llm)
    adapted = gradients.prepare(model, Chat(tokenizer), None, 9).model
    torch.manual_seed(1)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data = torch.randn_like(weight) * 0.05
    folder = tmp_path_factory.mktemp("warm")
    adapted.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def prepared(llm, adapter=None, seed=5):
    model, tokenizer = load_llm(llm)
    return gradients.prepare(model, Chat(tokenizer), adapter, seed)


# --- gradients -------------------------------------------------------------------------------------------


def by_hand(llm, found, row, wanted):
    """The gradient of one row in float64 without peft, shared beginnings and hooks: W + alpha / r * B A."""
    model, _ = load_llm(llm, torch.float64)
    pairs = {}
    for name, weight in get_peft_model_state_dict(found.model).items():
        layer, _, which = name.removeprefix("base_model.model.").rpartition(".lora_")
        pairs.setdefault(layer, {})[which[0]] = weight.detach().double().requires_grad_(which[0] in wanted)
    scale = gradients.ADAPTER.alpha / gradients.ADAPTER.r
    weights = {
        f"{layer}.weight": model.get_submodule(layer).weight.detach() + scale * pair["B"] @ pair["A"]
        for layer, pair in pairs.items()
    }
    asked, target = found.chat.prompt(row.messages), found.chat.target(row.target)
    ids = torch.tensor([[*asked, *target]])
    logits = torch.func.functional_call(model, weights, kwargs={"input_ids": ids}).logits[0]
    loss = -sum(
        logits[len(asked) - 1 + place].log_softmax(0)[token] for place, token in enumerate(target)
    ) / len(target)
    loss.backward()
    return torch.cat(
        [pair[which].grad.flatten() for pair in pairs.values() for which in "AB" if which in wanted]
    )


def projected(found, flat):
    """Number by number."""
    made = [0.0] * gradients.DIMENSIONS
    for number, place, sign in zip(flat.tolist(), found.places.tolist(), found.signs.tolist(), strict=True):
        made[place] += sign * number
    return torch.tensor(made, dtype=torch.double)


@pytest.mark.slow
@pytest.mark.parametrize("warmed", [False, True])
def test_scores_are_those_of_a_loop_by_hand(llm, warm, warmed):
    found = prepared(llm, warm if warmed else None)
    wanted = "AB" if warmed else "B"
    exact = [projected(found, by_hand(llm, found, row, wanted)) for row in ROWS]
    for row, gradient in zip(ROWS, exact, strict=True):
        torch.testing.assert_close(found.of(row), gradient, rtol=1e-3, atol=1e-5)
    toward = sum(exact[:2]) / 2
    torch.testing.assert_close(gradients.mean(ROWS[:2], found), toward, rtol=1e-3, atol=1e-5)
    for item, gradient in zip(gradients.score(ROWS, found, toward), exact, strict=True):
        cosine = float(torch.nn.functional.cosine_similarity(gradient, toward, dim=0))
        assert item.value == pytest.approx(cosine, abs=1e-4)


@pytest.mark.slow
def test_a_score_depends_on_the_seed_and_the_row_but_on_no_other_row(llm):
    found = prepared(llm)
    toward = gradients.mean(ROWS[:2], found)
    all_, backwards = (list(gradients.score(rows, found, toward)) for rows in (ROWS, ROWS[::-1]))
    assert all_ == backwards[::-1], "to the last digit"
    again = prepared(llm)
    assert list(gradients.score(ROWS, again, gradients.mean(ROWS[:2], again))) == all_
    other = prepared(llm, seed=6)
    assert list(gradients.score(ROWS, other, gradients.mean(ROWS[:2], other))) != all_


def test_a_step_along_the_highest_score_lowers_the_loss_on_the_wanted_rows_the_most(llm):
    found = prepared(llm)
    toward = gradients.mean(ROWS[:1], found)
    scores = {item.id: item.value for item in gradients.score(ROWS, found, toward)}
    assert scores[ROWS[0].id] == pytest.approx(1)
    assert max(scores, key=scores.get) == ROWS[0].id
    assert all(-1 <= value <= 1 for value in scores.values())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.floats(-1, 1))
def test_the_projection_keeps_cosines(seed, share):
    drawn = torch.Generator().manual_seed(seed)
    one, noise = torch.randn(2, 20_000, generator=drawn, dtype=torch.double)
    other = share * one + math.sqrt(1 - share**2) * noise
    places = torch.randint(gradients.DIMENSIONS, (20_000,), generator=drawn)
    signs = torch.randint(2, (20_000,), generator=drawn) * 2.0 - 1
    small = [
        torch.zeros(gradients.DIMENSIONS, dtype=torch.double).index_add_(0, places, vector * signs)
        for vector in (one, other)
    ]
    cosines = [torch.nn.functional.cosine_similarity(*pair, dim=0) for pair in ((one, other), small)]
    assert float(cosines[0]) == pytest.approx(float(cosines[1]), abs=6 / math.sqrt(gradients.DIMENSIONS))


def test_a_row_without_a_direction_has_no_score(llm):
    found = prepared(llm)
    nowhere = torch.zeros(gradients.DIMENSIONS, dtype=torch.double)
    assert [item.value for item in gradients.score(ROWS[:1], found, nowhere)] == [None]
    nothing = [Measure(row.id, None if row is ROWS[0] else 0.5) for row in ROWS]
    made = select(ROWS, {item.id: item for item in nothing}, "superfilter", 1.0, 0)
    assert made.left_out == {ROWS[0].id: NO_SCORE}


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture
def toy(tmp_path):
    return write_toy_corpus(tmp_path, ["Alpha", "Beta", "Gamma"], ("train", "validation", "test"))


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(llm, toy, tmp_path):
    options = ["--tasks", "toy", "--weak-model", llm, "--score", "gradient", "--out", tmp_path / "out"]
    call("select", *options, **toy)
    files = {name: tmp_path / "out" / "gradient" / name for name in ("toy.jsonl", "toy.development.json")}
    before = {path: path.read_bytes() for path in (*files.values(), tmp_path / "out" / "scores.jsonl")}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["choice"]["score"] == report["scoring"]["score"] == "gradient"
    assert report["scoring"] | {"seed": 0, "dimensions": 8192, "development": 200} == report["scoring"]
    assert report["corpora"]["toy"]["left_out"] == {LOWER: 1}
    lines = files["toy.jsonl"].read_text().splitlines(keepends=True)
    assert json.loads(lines[1]).keys() == {"id", "value"}
    files["toy.jsonl"].write_text("".join(lines[:3]) + lines[3][:9])  # killed while it wrote
    files["toy.development.json"].unlink()
    call("select", *options, **toy)
    assert {path: path.read_bytes() for path in before} == before
    assert json.loads((tmp_path / "out" / "report.json").read_text())["scoring"]["rows"] == 4
    said = fails("select", *options, "--seed", 1, **toy)
    assert "was made with another seed" in said


@pytest.mark.slow
def test_a_warm_checkpoint_scores_and_another_base_model_is_another_score(llm, warm, toy, tmp_path):
    options = ["--tasks", "toy", "--score", "gradient"]
    call("select", *options, "--weak-model", llm, "--out", tmp_path / "cold", **toy)
    call("select", *options, "--weak-model", warm, "--out", tmp_path / "warm", **toy)
    found = {}
    for name in ("cold", "warm"):
        lines = (tmp_path / name / "scores.jsonl").read_text().splitlines()
        found[name] = [json.loads(line)["value"] for line in lines]
        assert all(-1 <= value <= 1 for value in found[name])
    assert found["cold"] != found["warm"]
    settings_ = json.loads((tmp_path / "warm/gradient/toy.jsonl").read_text().splitlines()[0])
    assert settings_["base"].startswith("sha256:")
    assert settings_["adapter"] is None


@pytest.mark.slow
@pytest.mark.parametrize(("score", "strategy"), [("mentions", "densest"), ("length", "longest")])
def test_counts_need_no_model_and_select_as_the_strategies_of_their_names(score, strategy, tmp_path):
    by_score, by_name = tmp_path / "by-score", tmp_path / "by-name"
    call("select", "--tasks", "bioner_sample", "--score", score, "--out", by_score)
    call("select", "--tasks", "bioner_sample", "--strategy", strategy, "--out", by_name)
    assert (by_score / "rows.jsonl").read_bytes() == (by_name / "rows.jsonl").read_bytes()
    report = json.loads((by_score / "report.json").read_text())
    assert report["scoring"]["score"] == score
    assert "hardware" not in report["scoring"]
    histogram = report["histogram"]["positives"]
    counts = report["corpora"]["bioner_sample"]
    assert sum(histogram["bins"]) + histogram[NO_SCORE] == counts["positives"]
    scores = map(json.loads, (by_score / "scores.jsonl").read_text().splitlines())
    kept = {item["id"]: item["value"] for item in scores if item["selected"]}
    assert counts["threshold"] <= min(
        kept[row.id] for row in rows_of("bioner_sample") if row.positive and row.id in kept
    )
    assert f">{score}<" in (by_score / "distribution.svg").read_text().replace("<!-- ", ">").replace(
        " -->", "<"
    )


LEFT_OUT = (LOWER, NOT_DRAWN, NEGATIVE)


@pytest.mark.parametrize("strategy", ["hybrid", "random", "positives"])
def test_the_report_of_a_selection_counts_what_was_kept(strategy, tmp_path):
    """Everything that the report says, counted by hand from the rows."""
    rows = rows_of("bioner_sample")
    mentions = {row.id: float(len(json_mentions(row))) for row in rows}
    choice = Choice(strategy, 0.5, score="mentions", seed=3)
    kept = selection.select_rows(["bioner_sample"], choice, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    scores = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    ids = {row.id for row in kept}
    assert [row["id"] for row in map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())] == [
        row.id for row in rows if row.id in ids
    ]
    assert {item["id"]: item["value"] for item in scores} == mentions
    assert [item["selected"] for item in scores] == [row.id in ids for row in rows]
    assert {item["reason"] for item in scores if item["selected"]} == {None}
    assert {item["reason"] for item in scores if not item["selected"]} <= set(LEFT_OUT)

    positives = [row for row in rows if row.positive]
    reasons = [item["reason"] for item in scores if item["reason"] is not None]
    counts = {
        "rows": 24,
        "positives": len(positives),
        "negatives": 24 - len(positives),
        "kept": len(ids),
        "kept_positives": sum(row.positive for row in kept),
        "kept_negatives": sum(not row.positive for row in kept),
        "left_out": {reason: reasons.count(reason) for reason in LEFT_OUT if reason in reasons},
        "positives_not_finite": 0,
        "threshold": max((item["value"] for item in scores if item["reason"] == LOWER), default=None),
        "median_of_positives": sorted(mentions[row.id] for row in positives)[len(positives) // 2],
    }
    assert report["corpora"] == {"bioner_sample": counts}
    assert report["all"] == counts
    assert report["tasks"] == ["bioner_sample"]
    assert (report["partial"], report["format"]) == (False, "json")
    assert report["choice"]["strategy"] == strategy
    assert report["choice"]["weak_model"] is None
    edges = report["histogram"]["edges"]
    assert (edges[0], edges[-1], len(edges)) == (0, max(mentions.values()), 41)
    for side, group in (("positives", positives), ("negatives", [r for r in rows if not r.positive])):
        bins = report["histogram"][side]
        assert bins[NO_SCORE] == 0
        places = [min(sum(edge <= mentions[row.id] for edge in edges), 40) - 1 for row in group]
        assert bins["bins"] == [places.count(place) for place in range(40)]
    order = sorted(positives, key=lambda row: (mentions[row.id], row.id))
    examples = [{"id": row.id, "value": mentions[row.id], "target": row.target} for row in order]
    assert report["lowest_positives"] == examples[:10]
    assert report["highest_positives"] == examples[-10:][::-1]
    found = {item["id"]: Measure(item["id"], item["value"]) for item in scores}
    drawn, hybrid, plain = (
        select(rows, found, name, 0.5, 3).kept for name in ("random", "hybrid", "superfilter")
    )
    sure = {row.id for row in positives}
    assert report["hybrid_and_random"] == {
        "positives_each": len(hybrid & sure),
        "positives_in_both": len(hybrid & drawn & sure),
    }
    assert report["superfilter"] == {
        "kept": len(plain),
        "negatives_kept": len(plain - sure),
        "negatives": 24 - len(positives),
    }


def json_mentions(row):
    return [text for texts in json.loads(row.target).values() for text in texts]


def test_a_trial_is_partial_and_its_picture_has_a_legend(tmp_path):
    choice = Choice("full", score="length", limit=5)
    assert (choice.seed, choice.ratio) == (0, 0.5)
    assert len(selection.select_rows(["bioner_sample"], choice, tmp_path)) == 5
    report = json.loads((tmp_path / "report.json").read_text())
    assert (tmp_path / "report.json").read_text() == json.dumps(report, ensure_ascii=False, indent=2) + "\n"
    assert (report["partial"], report["all"]["rows"], report["all"]["left_out"]) == (True, 5, {})
    picture = (tmp_path / "distribution.svg").read_text()
    for label in ("negative", "positive", "positive, kept", "rows", "length"):
        assert f">{label}<" in picture.replace("<!-- ", ">").replace(" -->", "<")
    assert 'width="390.6" height="199.584"' in picture  # the axes of 7 by 3.6 inches


def test_a_strategy_that_there_is_not_is_told_before_anything_is_scored(tmp_path):
    for choice in (Choice("nowhere", score="length"), Choice("hybrid", 0.0, score="length")):
        with pytest.raises(BenchmarkError, match=r"unknown strategy|the ratio is"):
            selection.select_rows(["bioner_sample"], choice, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_report_of_a_selection_by_ifd_counts_what_is_no_share_apart(monkeypatch):
    rows = rows_of("bioner_sample")
    positives = [row for row in rows if row.positive][:5]
    negatives = [row for row in rows if not row.positive][:3]
    values = [0.25, 1.0, 0.5, None, 0.125, 0.0, 0.999, 1.5]
    group = [*positives, *negatives]
    scores = {row.id: Score(row.id, value, 1.0, 1.0, 3) for row, value in zip(group, values, strict=True)}
    made = select(group, scores, "hybrid", 0.5, 0)
    choice = Choice("hybrid", 0.5, weak_model="/models/smollm2-135m")
    report = selection._report(["bioner_sample"], choice, group, scores, made)
    counts = {
        "rows": 8,
        "positives": 5,
        "negatives": 3,
        "kept": 5,
        "kept_positives": 2,
        "kept_negatives": 3,
        "left_out": {"ifd is 1 or more": 1, "ifd is not finite": 1, EASIER: 1},
        "positives_not_finite": 1,
        "positives_of_1_or_more": 1,
        "threshold": 0.125,
        "median_of_positives": 0.5,
    }
    assert report["all"] == report["corpora"]["bioner_sample"] == counts
    assert selection._shortfall(counts) == (
        "warning: of 5 positive rows 1 have an IFD of 1 or more and 1 one that is not finite; these are "
        "never selected, and 2 are"
    )
    assert selection._shortfall(counts | {"positives": 40}) is None  # a twentieth
    assert selection._shortfall(counts | {"positives": 39}) is not None
    assert report["bioner_bench"] == __version__
    assert (report["choice"]["weak_model"], report["choice"]["seed"]) == ("smollm2-135m", 0)
    edges = report["histogram"]["edges"]
    assert (edges[0], edges[-1], len(edges)) == (0, 1, 62)
    assert edges[1:22:20] == pytest.approx([0.001, 0.01])
    for side, finite, missing in (("positives", [0.25, 0.5, 0.125], 1), ("negatives", [0.0, 0.999], 0)):
        places = [sum(edge <= value for edge in edges) - 1 for value in finite]
        bins = [places.count(place) for place in range(61)]
        assert report["histogram"][side] == {"bins": bins, NOT_HELPED: 1, NOT_FINITE: missing}
    order = [
        {"id": positives[at].id, "ifd": values[at], "target": positives[at].target} for at in (4, 0, 2, 1)
    ]
    assert report["easiest_positives"] == order
    assert report["hardest_positives"] == order[::-1]
    picture = selection._picture(group, scores, made, "ifd").replace("<!-- ", ">").replace(" -->", "<")
    for label in ("0.001", "0.01", "0.1", "1", "rows", "IFD (what lies outside is at the edges)"):
        assert f">{label}<" in picture
    drawn = []
    monkeypatch.setattr(Axes, "hist", lambda _, values, **given: drawn.append((values, given["bins"])))
    selection._picture(group, scores, made, "ifd")
    assert [values for values, _ in drawn] == [[0.001, 0.999, 1], [0.125, 0.25, 0.5, 1], [0.25, 0.5]]
    assert all(list(bins) == edges[1:] for _, bins in drawn)


def test_the_histogram_of_equal_scores_is_one_wide():
    edges = selection._edges({"a": Measure("a", 2), "b": Measure("b", 2)})
    assert (edges[0], edges[-1]) == pytest.approx((2, 3))


def test_counts_are_those_of_the_sentences():
    rows = rows_of("bioner_sample")
    sentences = corpora.load("bioner_sample", "train").sentences
    lengths = [item.value for item in surface.score(rows, "length")]
    assert lengths == [len(sentence.text) for sentence in sentences]
    assert [item.value for item in surface.score(rows, "mentions")] == [len(s.entities) for s in sentences]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--score", "gradient"], "the strategy hybrid scores rows; name a weak model"),
        (["--score", "length", "--weak-model", "smollm2-135m"], "length needs no weak model; leave smollm2"),
        (["--score", "luck"], "unknown score 'luck'; there are: ifd, gradient, length, mentions"),
        (
            ["--score", "gradient", "--weak-model", "LLM", "--dtype", "bfloat16"],
            "computed in float32, not in",
        ),
        (["--score", "gradient", "--weak-model", "LLM"], "bioner_sample has no development split"),
    ],
)
def test_what_does_not_go_together_is_one_line(llm, options, said, tmp_path):
    options = [llm if option == "LLM" else option for option in options]
    assert said in fails("select", "--tasks", "bioner_sample", "--out", tmp_path / "out", *options)


# --- training --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_recipe_selects_by_a_score_and_takes_that_of_select(llm, toy, tmp_path):
    call(
        "select", "--tasks", "toy", "--weak-model", llm, "--score", "gradient", "--out", tmp_path / "s", **toy
    )
    recipe = {
        "kind": "llm",
        "model": str(llm),
        "train": ["toy"],
        "validation": [],
        "seed": 1,
        "epochs": 1,
        "steps": 1,
        "learning_rate": 0.01,
        "select": {"strategy": "hybrid", "score": "gradient", "weak_model": str(llm)},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    out = tmp_path / "out"
    call("train", tmp_path / "recipe.yaml", "--out", out, "--scores", tmp_path / "s", **toy)
    assert (out / "selection/rows.jsonl").read_bytes() == (tmp_path / "s/rows.jsonl").read_bytes()
    report = json.loads((out / "selection/report.json").read_text())
    assert (report["choice"]["score"], report["scoring"]["rows"]) == ("gradient", 0)
    assert json.loads((out / "training.json").read_text())["recipe"]["select"]["score"] == "gradient"


def test_rows_are_scored_with_the_template_of_training_unless_another_is_named(tmp_path):
    path = tmp_path / "recipe.yaml"
    recipe = {"kind": "llm", "model": "m", "train": ["bioner_sample"], "validation": []}
    recipe |= {"seed": 1, "epochs": 1, "batch_size": 8, "learning_rate": 0.001}
    recipe |= {"template": {"enable_thinking": False}}
    for choice, template in [
        ({"strategy": "hybrid", "weak_model": "w"}, {"enable_thinking": False}),
        ({"strategy": "hybrid", "weak_model": "w", "template": {"other": 1}}, {"other": 1}),
        ({"strategy": "hybrid", "weak_model": "w", "template": None}, None),
        ({"strategy": "random"}, None),
    ]:
        path.write_text(yaml.safe_dump(recipe | {"select": choice}))
        assert read_recipe(path).select.template == template
