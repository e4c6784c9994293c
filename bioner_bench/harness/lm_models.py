"""Models for lm-eval that read the sentence and need no prompt.

The token classifier and the dictionary answer with the same JSON line as a language model, with offsets,
so one path scores them all. Three reference models hold that path on every task, since what the best, the
silent and a broken model must score is known: the oracle answers with the gold target, the empty model
finds nothing, the garbage model writes seeded noise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import lm_eval.models  # noqa: F401  # first, else lm-eval takes ours for the whole list of models
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import model_registry, register_model

from bioner_bench import corpora
from bioner_bench.corpora.loading import load_training, with_surroundings
from bioner_bench.evaluation import prompt
from bioner_bench.harness.documents import to_sentence
from bioner_bench.models import dictionary as dictionaries
from bioner_bench.schema import BenchmarkError, Entity, Sentence

# Found when it is asked for, since it needs torch and transformers.
model_registry.register("hf-prefix", target="bioner_bench.harness.hf_prefix:SharedPrefixLM")


class _SentenceModel(LM):  # type: ignore[misc]
    """Answers from lm-eval's doc; the prompt is not looked at."""

    def __init__(
        self, seed: int = 0, batch_size: Any = None, max_batch_size: Any = None, device: Any = None
    ) -> None:
        super().__init__()
        self._seed = int(seed)

    def answer(self, doc: dict[str, Any], form: str) -> str:
        """The model's output for a document, in the format that was asked for."""
        raise NotImplementedError

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Called by lm-eval."""
        return [self.answer(request.doc, prompt.asked_form(str(request.args[0]))) for request in requests]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not offered: the tasks of this benchmark generate."""
        raise NotImplementedError(f"{type(self).__name__} answers generation tasks only")

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Not offered: the tasks of this benchmark generate."""
        raise NotImplementedError(f"{type(self).__name__} answers generation tasks only")

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Role and content of every turn, so that prompts can be read in the samples."""
        return "".join(f"<{turn['role']}>\n{turn['content']}\n" for turn in chat_history)

    @property
    def tokenizer_name(self) -> str:
        """Part of lm-eval's cache key."""
        return type(self).__name__

    def chat_template(self, chat_template: bool | str = False) -> str:
        """Called by lm-eval for the record of a run."""
        return ""


@register_model("bioner-oracle")
class Oracle(_SentenceModel):
    """The gold target: its score is the format ceiling."""

    def answer(self, doc: dict[str, Any], form: str) -> str:
        """The target."""
        return prompt.target(doc["text"], to_sentence(doc).entities, doc["types"], form)


@register_model("bioner-empty")
class Empty(_SentenceModel):
    """An empty list for every type, or the sentence as it is."""

    def answer(self, doc: dict[str, Any], form: str) -> str:
        """A target without mentions."""
        return prompt.target(doc["text"], [], doc["types"], form)


@register_model("bioner-garbage")
class Garbage(_SentenceModel):
    """Noise: cut, broken or made-up JSON, words of the sentence, random characters.

    Model argument `seed` (default 0). An answer depends on the seed and the document alone.
    """

    def answer(self, doc: dict[str, Any], form: str) -> str:
        """One of six kinds of noise, whatever was asked for."""
        random = Random(f"{self._seed}:{doc['id']}:{doc['text']}")
        words = random.choices(doc["text"].split() or [""], k=random.randint(1, 4))
        guess = json.dumps({random.choice(doc["types"]): words}, ensure_ascii=False)
        kinds = [
            guess,
            f"```json\n{guess}\n```",
            guess[: random.randrange(len(guess))],
            f"<think>{guess}",
            " ".join(words),
            "".join(chr(random.randrange(32, 0x500)) for _ in range(random.randrange(200))),
        ]
        return random.choice(kinds)


@register_model("dictionary")
class Dictionary(_SentenceModel):
    """The longest mentions of a training split that the sentence holds.

    Model arguments: `train`, the task whose training split it is made from (default: that of the task
    which is evaluated); `ignore_case` (default False).
    """

    def __init__(self, train: str | None = None, ignore_case: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._train = train
        self._ignore_case = bool(ignore_case)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Called by lm-eval."""
        made: dict[str, dictionaries.Dictionary] = {}
        answers = []
        for request in requests:
            source = self._train or str(request.task_name)
            if source not in made:
                made[source] = self._collect(source)
            found = dictionaries.find(made[source], request.doc["text"])
            answers.append(located_answer(request.doc["text"], found, request.doc["types"]))
        return answers

    def _collect(self, source: str) -> dictionaries.Dictionary:
        if self._train is None and source not in corpora.names():  # a variant of a task under its own name
            raise BenchmarkError(
                f"{source} is no corpus; name one to learn from: --model_args train=bioner_ncbi"
            )
        training = load_training(corpora.get(source))
        if not training:
            raise BenchmarkError(f"{source} has no training split; name one: --model_args train=bioner_ncbi")
        return dictionaries.collect(training, self._ignore_case)


@register_model("encoder")
class Encoder(_SentenceModel):
    """A token classifier with IOB2 tags as labels; types that the task does not ask for are left out.

    One that was trained with context reads it from the task's corpus.

    Model arguments: `pretrained` (a folder or hub id), `revision`, `dtype` (float32, bfloat16, or auto: the
    latter where the hardware computes in it), `max_length` (subwords of a window); lm-eval's `batch_size`
    counts windows, and its default of 1 is taken as 32.
    """

    def __init__(
        self,
        pretrained: str,
        revision: str | None = None,
        dtype: str = "auto",
        max_length: int | None = None,
        batch_size: Any = None,
        max_batch_size: Any = None,
        device: str | None = None,
    ) -> None:
        super().__init__()
        from bioner_bench.models import encoder, hardware

        self._encoder = encoder.load(
            pretrained,
            max_length=max_length,
            device=device,
            dtype=hardware.dtype(dtype),
            **({"revision": revision} if revision else {}),
        )
        self._revision = revision
        self._batch_size = int(batch_size) if str(batch_size).isdigit() and int(batch_size) > 1 else 32

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Called by lm-eval."""
        from bioner_bench.models import encoder

        by_task: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            by_task.setdefault(str(request.task_name), []).append(place)
        answers = [""] * len(requests)
        for task, places in by_task.items():
            docs = [requests[place].doc for place in places]
            self._check_types(task, docs[0]["types"])
            found = encoder.predict(
                self._encoder, self._read(task, docs), self._batch_size, not disable_tqdm, docs[0]["types"]
            )
            for place, doc, entities in zip(places, docs, found, strict=True):
                answers[place] = located_answer(doc["text"], entities, doc["types"])
        return answers

    def _check_types(self, task: str, asked: Sequence[str]) -> None:
        """A type of another spelling would be left out, and score 0 without a word."""
        known = sorted({tag[2:] for tag in self._encoder.tags if tag != "O"})
        if not set(known) & set(asked):
            raise BenchmarkError(
                f"{task} asks for {', '.join(asked)}, but the model's labels are of {', '.join(known)}; "
                "if that is the same, write it so in id2label and label2id of its config.json"
            )

    def _read(self, task: str, docs: Sequence[dict[str, Any]]) -> list[Sentence]:
        """The sentences of docs, with their context where the model was trained with it."""
        if not self._encoder.context:
            return [to_sentence(doc) for doc in docs]
        if task not in corpora.names():  # a variant of a task under its own name
            raise BenchmarkError(f"{task} is no corpus, so the context of its sentences is not known")
        whole = with_surroundings(task, "test", self._encoder.context)
        found = {(sentence.id, sentence.text): sentence for sentence in whole}
        return [found[doc["id"], doc["text"]] for doc in docs]

    def get_model_info(self) -> dict[str, Any]:
        """Called by lm-eval for the record of a run."""
        model = self._encoder.model
        return {
            "model_num_parameters": model.num_parameters(),
            "model_dtype": str(model.dtype),
            "model_revision": self._revision,
            "model_sha": getattr(model.config, "_commit_hash", None) or "",
        }


def located_answer(text: str, entities: Iterable[Entity], types: Sequence[str]) -> str:
    """The answer of a system that knows where its mentions are: one line of JSON, mentions with offsets.

    >>> located_answer("A - T", [Entity(0, 5, "Disease")], ["Disease"])
    '{"Disease": [{"text": "A - T", "start": 0, "end": 5}]}'
    """
    mentions: dict[str, list[dict[str, Any]]] = {type_: [] for type_ in types}
    for entity in entities:
        if entity.type in mentions:
            surface = text[entity.start : entity.end]
            mentions[entity.type].append({"text": surface, "start": entity.start, "end": entity.end})
    return json.dumps(mentions, ensure_ascii=False)
