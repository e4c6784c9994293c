"""Every run of the study, in the order in which they are done: what tells most for an hour comes first."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

import yaml

from bioner_bench import corpora
from bioner_bench.harness.cards import Card, read_cards
from bioner_bench.leaderboard import records, run_facts
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.recipes import LlmRecipe, Recipe, read_recipe
from bioner_bench.tuning.strategies import UNSCORED, Choice
from bioner_bench.writing import write_text

ROOT = Path(__file__).parent.parent
CARDS = ROOT / "baselines"
RECIPES = "bioselecttune"
"""Below the cards."""

CORE = {
    "ncbi": "bioner_ncbi",
    "bc5cdr-disease": "bioner_bc5cdr_disease",
    "bc5cdr-chem": "bioner_bc5cdr_chem",
    "bc2gm": "bioner_bc2gm",
}
UNSEEN = {"bioner_bc5cdr_chem": "bioner_nlmchem", "bioner_bc2gm": "bioner_nlmgene"}
"""Of the same type, and never trained on."""

EXTENDED = ("bioner_bc5cdr", "bioner_jnlpba", "bioner_linnaeus")
TASKS = (*CORE.values(), *UNSEEN.values(), *EXTENDED)

SEEDS = (1, 2, 3)
RIVALS = ("hybrid", "random", "matched", "densest")
"""Half of the positives, chosen in four ways."""

RATIOS = (0.1, 0.25, 0.75, 1.0)
"""Beside 0.5."""

QWEN = {size: f"checkpoints/qwen2.5-coder-{size}-instruct-q4_k_m" for size in ("0.5b", "1.5b")}
"""Folders, as the cards of these models name them."""

PARTS = {
    "steps": "NCBI-disease, equal steps",
    "three epochs": "NCBI-disease, three epochs",
    "one epoch": "NCBI-disease, one epoch",
    "weak models": "NCBI-disease, scored by another weak model",
    "systems": "Systems over whole corpora",
    "core": "One model of the four core corpora",
    "larger models": "NCBI-disease, larger models, tuned",
    "ratios": "NCBI-disease, other shares of the positives",
    "other corpora": "Strategies on the other core corpora",
    "all weights": "All weights in place of LoRA",
}
"""The parts of the study. The last three, and more seeds of some others, are for a machine with a GPU."""


@dataclass(frozen=True)
class Tuned:
    """A model that is tuned.

    Attributes:
        model: as a recipe names it.
        card: the system that is the same model as it comes.
        name: what its systems and titles begin with.
        learning_rate: of LoRA; smaller for larger models. None of them was searched for.
    """

    model: str
    card: str
    name: str
    learning_rate: float


SMOLLM2 = Tuned("smollm2-135m", "smollm2-135m-instruct", "SmolLM2-135M", 1e-3)
QWEN_SMALL = Tuned(QWEN["0.5b"], "qwen2.5-coder-0.5b", "Qwen2.5-Coder-0.5B", 5e-4)
QWEN_LARGE = Tuned(QWEN["1.5b"], "qwen2.5-coder-1.5b", "Qwen2.5-Coder-1.5B", 2e-4)

WEAK_MODELS = {"smollm2-135m": "smollm2", "gemma3-270m": "gemma", QWEN["0.5b"]: "qwen"}
"""Weak model -> what it is called in the name of a system that another model was tuned for."""

BASE = CARDS / RECIPES / "smollm2-135m-ncbi-full.yaml"
"""All hyper-parameters that the study does not vary."""


@dataclass(frozen=True)
class Run:
    """One system on one task: what a record will be made of.

    Attributes:
        part: of the study, a key of `PARTS`.
        card: the system.
        task: what it is evaluated on.
        recipe: how its checkpoint is trained; None if it needs none.
        shots: demonstrations in the prompt.
        demonstrations: how they are chosen.
    """

    part: str
    card: Card
    task: str
    recipe: Recipe | None = None
    shots: int = 0
    demonstrations: str = "random"

    @property
    def record(self) -> Path:
        """Where the record lies, below the folder of records."""
        training = {"recipe": {"seed": self.recipe.seed}} if self.recipe else None
        setup = {"shots": self.shots, "demonstrations": self.demonstrations, "fewshot_seed": 1234}
        return records.place(
            {"system": {"name": self.card.system}, "task": self.task, "setup": setup, "training": training}
        )


@cache
def plan() -> tuple[Run, ...]:
    """Every run once, in the order in which they are done.

    A seed of all arms comes before a second seed of one, since a comparison needs both sides.
    """
    runs: dict[Path, Run] = {}
    for run in _ordered():
        runs.setdefault(run.record, run)
    return tuple(runs.values())


def _ordered() -> Iterator[Run]:
    # Minutes each, and a ground that every other system is measured against.
    for task in TASKS:
        yield Run("systems", card("dictionary"), task)
    yield from encoders(SEEDS[:1], TASKS)
    # The question itself, an hour or two a run.
    for seed in SEEDS:
        yield from tuned("one epoch", "full", seed)
        for strategy in RIVALS:
            yield from tuned("steps", strategy, seed, equal_steps=True)
    for strategy in ("hybrid", "random"):
        for seed in SEEDS:
            yield from tuned("one epoch", strategy, seed)
    yield from prompted("qwen2.5-coder-0.5b", CORE["ncbi"])
    # Two or three times as long as at equal steps.
    for seed in SEEDS:
        for strategy in ("full", *RIVALS):
            yield from tuned("three epochs", strategy, seed, epochs=3)
    for seed in SEEDS:
        for weak_model in ("gemma3-270m", QWEN["0.5b"]):
            yield from tuned("weak models", "hybrid", seed, equal_steps=True, weak_model=weak_model)
    # What systems score over whole groups, half a day each.
    yield from tuned("core", "full", SEEDS[0], names=list(CORE))
    for task in list(CORE.values())[1:]:
        yield from prompted("qwen2.5-coder-0.5b", task)
    yield from tuned("core", "hybrid", SEEDS[0], names=list(CORE), equal_steps=True)
    yield from prompted("qwen2.5-coder-1.5b", CORE["ncbi"])
    yield from encoders(SEEDS[1:], CORE.values())
    for shots in (0, 5):
        yield Run("systems", card("smollm2-135m-instruct"), CORE["ncbi"], shots=shots)
    yield from tuned("larger models", "full", SEEDS[0], model=QWEN_SMALL)
    for weak_model in (QWEN["0.5b"], "smollm2-135m"):
        yield from tuned(
            "larger models", "hybrid", SEEDS[0], model=QWEN_SMALL, weak_model=weak_model, equal_steps=True
        )
    yield from tuned("larger models", "random", SEEDS[0], model=QWEN_SMALL, equal_steps=True)
    for task in UNSEEN.values():
        yield from prompted("qwen2.5-coder-0.5b", task)
    for task in [*CORE.values(), *UNSEEN.values()]:
        yield from prompted("qwen2.5-coder-1.5b", task)
    yield from tuned("larger models", "full", SEEDS[0], model=QWEN_LARGE)
    for strategy in ("hybrid", "random"):
        yield from tuned(
            "larger models", strategy, SEEDS[0], model=QWEN_LARGE, weak_model=QWEN["0.5b"], equal_steps=True
        )
    yield from _with_a_gpu()


def _with_a_gpu() -> Iterator[Run]:
    for seed in SEEDS:
        for strategy in ("superfilter", "positives"):
            yield from tuned("one epoch", strategy, seed)
        for ratio in RATIOS:
            for strategy in ("hybrid", "random"):
                yield from tuned("ratios", strategy, seed, ratio=ratio)
        yield from tuned("core", "full", seed, names=list(CORE))
        for strategy in RIVALS:
            yield from tuned("core", strategy, seed, names=list(CORE), equal_steps=True)
        for name in list(CORE)[1:]:
            yield from tuned("other corpora", "full", seed, names=[name])
            for strategy in RIVALS:
                yield from tuned("other corpora", strategy, seed, names=[name], equal_steps=True)
        yield from tuned("all weights", "full", seed, method="full")
        for strategy in RIVALS:
            yield from tuned("all weights", strategy, seed, method="full", equal_steps=True)


@cache
def cards() -> dict[str, Card]:
    """All cards of `baselines/`."""
    return read_cards(CARDS)


def card(system: str) -> Card:
    """A system that has a card in `baselines/`."""
    return cards()[system]


def encoders(seeds: Sequence[int], tasks: Sequence[str]) -> Iterator[Run]:
    """MiniLM on these tasks; one that is never trained on has the checkpoint of the corpus of its type."""
    trained = {unseen: task for task, unseen in UNSEEN.items()}
    for seed in seeds:
        for task in tasks:
            recipe = read_recipe(CARDS / "encoders" / "minilm.yaml", seed, trained.get(task, task))
            yield Run("systems", card("minilm"), task, recipe)


def prompted(system: str, task: str) -> Iterator[Run]:
    """A general language model, zero-shot and with five demonstrations, the same for all sentences."""
    yield Run("systems", card(system), task)
    yield Run("systems", card(system), task, shots=5, demonstrations="fixed")


def tuned(
    part: str,
    strategy: str,
    seed: int,
    *,
    model: Tuned = SMOLLM2,
    names: Sequence[str] = ("ncbi",),
    ratio: float = 0.5,
    weak_model: str | None = None,
    method: str = "lora",
    equal_steps: bool = False,
    epochs: int = 1,
) -> Iterator[Run]:
    """The runs of one tuned model: on the corpora that it learned from, and on unseen ones of their types.

    No development split chooses anything: the last checkpoint counts.

    Args:
        part: of the study.
        strategy: how its rows are selected.
        seed: of training, and of what is drawn by chance.
        model: what is tuned.
        names: keys of `CORE`.
        ratio: the share of the positives.
        weak_model: whose IFD scores count; the tuned model's own if left out.
        method: `lora` or `full`, all weights at a tenth of the learning rate.
        equal_steps: as many optimiser steps as an epoch of all rows takes.
        epochs: how often each row is seen.
    """
    tasks = tuple(CORE[name] for name in names)
    base = read_recipe(BASE, seed)
    assert isinstance(base, LlmRecipe)
    choice = Choice(strategy, 1.0 if strategy == "full" else ratio)
    if strategy in ("random", "matched"):
        choice = replace(choice, seed=seed)
    if strategy not in UNSCORED:
        choice = replace(choice, weak_model=weak_model or model.model)
    parts = [names[0] if len(names) == 1 else "core"]
    parts += ["full" if strategy == "full" else f"{strategy}-{100 * ratio:.0f}"]
    parts += [WEAK_MODELS[choice.weak_model]] if choice.weak_model not in (None, model.model) else []
    parts += ["weights"] if method == "full" else []
    parts += ["steps"] if equal_steps else []
    parts += [f"{epochs}-epochs-last"] if epochs > 1 else []
    steps = math.ceil(rows_of(tasks, "full", 1.0) / base.batch_size) if equal_steps else None
    chosen = tasks if epochs == 1 else ()  # with one scoring, at the end, there is nothing to choose
    recipe = replace(
        base,
        name="-".join([model.name.lower(), *parts]),
        model=model.model,
        train=tasks,
        validation=chosen,
        epochs=float(epochs),
        select=choice,
        method=method,
        learning_rate=model.learning_rate / (10 if method == "full" else 1),
        steps=steps,
        evaluate_every=steps,
    )
    corpus = corpora.get(tasks[0]).name + (" and others" if len(names) > 1 else "")
    untuned = card(model.card)
    made = Card(
        system=recipe.name,
        title=f"{model.name}, {corpus}, {' '.join(parts[1:])}",
        kind="llm",
        base_model=untuned.base_model,
        parameters=untuned.parameters,
        train_strategy=strategy,
        train_ratio=choice.ratio,
        trained_on=tasks,
        licence=untuned.licence,
        recipe=f"{RECIPES}/{recipe.name}.yaml",
        run={
            "model": "hf",
            "model_args": {"dtype": "float32"} if model is SMOLLM2 else {},
            "apply_chat_template": True,
            "batch_size": 16,
        },
        notes=f"One of the runs of the study, with the weights of the system {untuned.system}.",
    )
    for task in [*tasks, *(UNSEEN[task] for task in tasks if task in UNSEEN)]:
        yield Run(part, cards().get(recipe.name, made), task, recipe)


@cache
def rows_of(tasks: tuple[str, ...], strategy: str, ratio: float) -> int:
    """Rows that a strategy keeps of these corpora, if no score is 1 or more."""
    if strategy == "full":
        return sum(corpora.get(task).files["train"].sentences for task in tasks)
    number = 0
    for task in tasks:
        sentences = corpora.load(task, "train").sentences
        positives = sum(bool(sentence.entities) for sentence in sentences)
        kept, negatives = round(ratio * positives), len(sentences) - positives
        kinds = {"superfilter": round(ratio * len(sentences)), "positives": kept}
        number += kinds.get(strategy, kept + negatives)
    return number


def record_of(run: Run, folder: Path) -> records.Record | None:
    """The record of a run, if there is one.

    Raises:
        BenchmarkError: it is of a language model that was trained by another recipe than the plan's.
    """
    if not (folder / run.record).is_file():
        return None
    record = records.read(folder / run.record)
    if isinstance(run.recipe, LlmRecipe):
        # A record from before a field was there was trained with what is its default now.
        needed = {name: getattr(run.recipe, name) for name in _needed()}
        defaults, planned = (json.loads(json.dumps(asdict(r))) for r in (LlmRecipe(**needed), run.recipe))
        learned = record["training"]["recipe"]
        learned = defaults | learned | {"select": defaults["select"] | learned["select"]}
        if learned != run_facts.without_folders(planned):
            raise BenchmarkError(
                f"{folder / run.record}: trained by another recipe than the plan's; remove it"
            )
    return record


def _needed() -> list[str]:
    """The fields of a recipe that have no default."""
    return [
        field.name
        for field in fields(LlmRecipe)
        if field.default is MISSING and field.default_factory is MISSING
    ]


def _short_yaml(recipe: LlmRecipe) -> str:
    """The recipe as a file that `read_recipe` reads, without what is the default."""
    defaults = LlmRecipe(**{name: getattr(recipe, name) for name in _needed()})
    content = {
        name: value
        for name, value in asdict(recipe).items()
        if name in _needed() or value != asdict(defaults)[name]
    }
    del content["name"]  # the file's
    content.pop("validation", None)
    if recipe.validation != recipe.train:
        content["validation"] = recipe.validation
    choice = asdict(Choice())
    content["select"] = {
        name: value
        for name, value in asdict(recipe.select).items()
        if value != choice[name] or name == "strategy"
    }
    text = yaml.safe_dump(json.loads(json.dumps({"kind": "llm"} | content)), sort_keys=False)
    return f"# Written by scripts/study.py; docs/STUDY.md says what it is for.\n{text}"


def write_card(run: Run, folder: Path = CARDS) -> Path:
    """The card of a run's system in `folder`, and the recipe that it names; written if it is not there."""
    path = folder / f"{run.card.system}.yaml"
    if not path.is_file():
        if run.recipe is not None and run.card.recipe:
            write_text(folder / run.card.recipe, _short_yaml(run.recipe))
        content = {
            field.name: value
            for field in fields(Card)
            if (value := getattr(run.card, field.name)) not in (None, "", (), {})
        }
        text = yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False, allow_unicode=True, width=100)
        write_text(path, text)
    return path
