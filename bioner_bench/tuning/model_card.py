"""A finished run -> what its folder says of it: the model card of the Hub, and the picture of its losses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from bioner_bench import __version__, corpora, plotting
from bioner_bench.evaluation import prompt
from bioner_bench.models import packaged
from bioner_bench.tuning.recipes import LlmRecipe, Recipe, as_yaml

CURVE = "training.svg"


def curve(summary: Mapping[str, Any]) -> str:
    """The training loss by step, and the development score where there is one, as SVG."""
    with plotting.style():
        figure, losses = plotting.figure(7, 3.2)
        shown = summary["training_loss"]
        losses.plot([item["step"] for item in shown], [item["loss"] for item in shown], color=plotting.GREY)
        losses.set_xlabel("step")
        losses.set_ylabel("training loss (nats per token)")
        losses.set_ylim(bottom=0)
        if summary["development"]:
            scores = losses.twinx()
            scores.spines["right"].set_visible(True)
            shown = summary["development"]
            values = [100 * item["strict_f1"] for item in shown]
            scores.plot([item["step"] for item in shown], values, color=plotting.BLUE, marker="o")
            scores.set_ylabel("strict F1, development split (%)", color=plotting.BLUE)
            scores.set_ylim(0, 100)
        return plotting.svg(figure)


def card(recipe: Recipe, summary: Mapping[str, Any]) -> str:
    """The model card of the Hub: front matter with `model-index`, then the run in words."""
    kept = summary["kept"]
    drawn = summary.get("development_sentences") or {"drawn": 0, "of": 0}  # of encoders all are scored
    sampled = drawn["drawn"] if drawn["drawn"] < drawn["of"] else None
    kind = "token-classification" if recipe.kind == "encoder" else "text-generation"
    results = [
        EvalResult(
            task_type=kind,
            dataset_type=task,
            dataset_name=corpora.get(task).name,
            dataset_split="validation",
            metric_type="f1",
            metric_name="strict entity F1" + (f" on {sampled:,} sentences" if sampled else ""),
            metric_value=round(kept["strict_f1"], 4),
        )
        for task in recipe.validation
        if kept and len(recipe.validation) == 1
    ]
    front = ModelCardData(
        model_name=recipe.name,
        base_model=packaged.hub_name(recipe.model),
        library_name="peft" if summary["adapter"] else "transformers",
        pipeline_tag=kind,
        tags=["biomedical", "named-entity-recognition", "bioner_bench"],
        eval_results=results or None,
    )
    beside = f" beside {', '.join(recipe.auxiliary)}" if recipe.auxiliary else ""
    found = f"{100 * kept['strict_f1']:.2f} % (epoch {kept['epoch']:g})" if kept else "not measured"
    found += f", on {sampled:,} sentences of it" if kept and sampled else ""
    return (
        f"---\n{front.to_yaml()}\n---\n\n# {recipe.name}\n\n"
        f"{packaged.hub_name(recipe.model)}, fine-tuned for biomedical named entity recognition with "
        f"bioner_bench {__version__}.\n\n"
        f"- Training data: {', '.join(recipe.train)}{beside} (training split"
        f"{''.join(f', {number:,} {what}' for what, number in summary['data'].items())})\n"
        f"- Strict F1 on the development split ({', '.join(recipe.validation) or 'none'}): {found}\n"
        f"- {summary['steps']:,} steps in {summary['precision']}, {summary['seconds']:,.0f} s, "
        f"{summary['hardware']}; torch {summary['versions']['torch']}, "
        f"transformers {summary['versions']['transformers']}\n\n"
        f"{_evaluation(recipe, summary)}"
        f"![training loss and development score]({CURVE})\n\n"
        f"## Recipe\n\n```yaml\n{as_yaml(_public(recipe))}```\n"
    )


def _evaluation(recipe: Recipe, summary: Mapping[str, Any]) -> str:
    """How a language model's checkpoint is evaluated: with what lm-eval would take from the base model."""
    if not isinstance(recipe, LlmRecipe):
        return ""
    source, generation = "pretrained=FOLDER", ""
    if summary["adapter"]:
        base, _, revision = packaged.base_and_adapter(recipe.model)
        revision = recipe.revision or revision
        at = f",revision={revision}" if revision else ""
        source = f"pretrained={packaged.hub_name(base)}{at},peft=FOLDER,tokenizer=FOLDER"
        settings = {"eos_token_id": summary["ends_of_turn"], "repetition_penalty": 1.0}
        generation = f" --gen_kwargs '{json.dumps(settings)}'"
    template = " --apply_chat_template" if summary["chat_template"] else ""
    told: dict[str, Any] = {} if recipe.format == prompt.JSON else {"format": recipe.format}
    told |= {"context": recipe.context} if recipe.context else {}
    asked = f" --metadata '{json.dumps(told)}'" if told else ""
    return (
        "FOLDER is the folder of this file:\n\n"
        f"```sh\nlm_eval run --model hf --model_args {source}{template}{generation}{asked} \\\n"
        f"    --tasks {','.join(recipe.train)}\n```\n\n"
    )


def _public(recipe: Recipe) -> Recipe:
    """The recipe without the folders of the machine it was run on."""
    begin = recipe.begin_from and packaged.public_name(recipe.begin_from)
    public = replace(recipe, model=packaged.public_name(recipe.model), begin_from=begin)
    if isinstance(public, LlmRecipe) and public.select.weak_model:
        choice = replace(public.select, weak_model=packaged.public_name(public.select.weak_model))
        public = replace(public, select=choice)
    return public
