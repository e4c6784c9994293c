"""lm-evaluation-harness <-> this benchmark: the class behind every task's YAML, and nothing else.

A task's YAML names this class, its task name, tags and version; corpus, prompt, metrics and splits follow
from the task name, or from `dataset_name` in a variant of a task under another name. Options that the stock
`lm_eval` can set: `--num_fewshot`, `--seed` (its fourth number draws the demonstrations), `--gen_kwargs`,
`--system_instruction`, `--apply_chat_template`, `--fewshot_as_multiturn`, and how demonstrations are chosen:
`--metadata '{"demonstrations": "retrieved"}'`. With `{"constrained": true}` there, models that can be held to
a form write nothing but valid answers; `{"format": "tags"}` asks for the sentence with tags around mentions;
`{"context": 1}` shows one sentence on each side with each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
from lm_eval.api.task import ConfigurableTask

from bioner_bench import __version__, corpora
from bioner_bench.corpora.documents import with_context
from bioner_bench.corpora.loading import load_training, seen_mentions
from bioner_bench.evaluation import prompt, scoring
from bioner_bench.evaluation.bootstrap import standard_error
from bioner_bench.evaluation.confidence import TOKENS, ScoredText
from bioner_bench.evaluation.judging import judge
from bioner_bench.harness.demonstrations import STRATEGIES, Chooser, as_recorded, chooser, pinned
from bioner_bench.harness.documents import Document, to_document, to_sentence
from bioner_bench.schema import BenchmarkError, Sentence

FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "document": datasets.Value("string"),
        "text": datasets.Value("string"),
        "types": datasets.List(datasets.Value("string")),
        "entities": datasets.List(
            {
                "start": datasets.Value("int64"),
                "end": datasets.Value("int64"),
                "type": datasets.Value("string"),
                "seen": datasets.Value("bool"),
            }
        ),
    }
)
"""The fields of a `Document`."""

STDERR_SCORES = ("strict_f1", "relaxed_f1", "string_f1")
"""Scores that get a bootstrap standard error in lm-eval's table."""

SERVER_STOP = "<|endoftext|>"
"""Stop string of chats on servers, some of which refuse an empty list; no answer has it."""


def load_datasets(task: str) -> dict[str, datasets.Dataset]:
    """All splits of a task's corpus; `train` is where demonstrations come from."""
    corpus = corpora.get(task)
    training = load_training(corpus)
    seen = seen_mentions(training)
    splits = {split: corpora.load(task, split).sentences for split in corpus.files if split != "train"}
    if training:
        splits["train"] = training
    types = list(corpus.types)
    return {
        split: datasets.Dataset.from_list([dict(to_document(s, types, seen)) for s in sentences], FEATURES)
        for split, sentences in splits.items()
    }


def room_for_sentence(task: str) -> int:
    """Tokens in which any sentence of a task can be copied: half as many as its longest has characters.

    Of the longest sentences of the corpora at hand a tokenizer for code needs one for 1.2 (NLM-Chem) to 2.7
    characters (NCBI-disease); the room for an answer in JSON comes on top.
    """
    splits = [split for split in corpora.get(task).files if split != "train"]
    return max(len(s.text) for split in splits for s in corpora.load(task, split).sentences) // 2


def aggregation(score: scoring.Score) -> Callable[[Iterable[Sequence[int]]], float]:
    """lm-eval's aggregation of a score: its formula on the counts summed over all sentences."""

    def aggregate(items: Iterable[Sequence[int]]) -> float:
        return float(score.formula(*(float(sum(column)) for column in zip(*items, strict=True))))

    return aggregate


def stderr_aggregation(score: scoring.Score) -> Callable[[Iterable[Sequence[Any]]], float | str]:
    """lm-eval's aggregation of a score's standard error, over documents where the corpus has them.

    Of one document alone it is "N/A", lm-eval's word for what is not known.
    """

    def aggregate(items: Iterable[Sequence[Any]]) -> float | str:
        documents, *columns = zip(*items, strict=True)
        if len(set(documents)) == 1 and (documents[0] is not None or len(documents) == 1):
            return "N/A"
        table = {name: np.array(column) for name, column in zip(score.columns, columns, strict=True)}
        return standard_error(score, table, documents)

    return aggregate


def metric_list(types: Sequence[str]) -> list[dict[str, Any]]:
    """lm-eval's `metric_list` for a corpus with these types.

    lm-eval computes standard errors for its own aggregations only. A metric named `X_stderr` after `X`
    takes the place of the missing one, in the table and in groups.
    """
    metrics = []
    for name, score in scoring.scores(types).items():
        kind = {"higher_is_better": score.higher_is_better}
        metrics.append({"metric": name, "aggregation": aggregation(score), **kind})
        if name in STDERR_SCORES:
            metrics.append({"metric": f"{name}_stderr", "aggregation": stderr_aggregation(score), **kind})
    return [*metrics, {"metric": TOKENS, "aggregation": mean_logprob, "higher_is_better": True}]


def mean_logprob(answers: Iterable[Sequence[tuple[str, float]]]) -> float:
    """lm-eval's aggregation of tokens with their log-probabilities: the mean over all tokens."""
    values = [logprob for tokens in answers for _, logprob in tokens]
    return sum(values) / len(values) if values else 0.0


# No methods of the task: lm-eval copies its configuration with all that hangs on it, and a task has its whole
# corpus. No functions: it writes what they are called, and where in memory they lie, into the results.
@dataclass(frozen=True)
class Question:
    """What is asked of a document."""

    types: Mapping[str, str]
    form: str = prompt.JSON

    def __call__(self, doc: Document) -> str:
        """The instruction and the sentence."""
        return prompt.plain_text(prompt.messages(to_sentence(doc), self.types, form=self.form))


@dataclass(frozen=True)
class Target:
    """The right answer to a document."""

    form: str = prompt.JSON

    def __call__(self, doc: Document) -> str:
        """Its mentions as JSON, or its sentence with tags."""
        return prompt.target(doc["text"], to_sentence(doc).entities, doc["types"], self.form)


@dataclass(frozen=True)
class Counted:
    """What an answer to a document counts."""

    form: str = prompt.JSON

    def __call__(self, document: Document, results: Sequence[str]) -> dict[str, list[Any]]:
        """Counts that each score of one answer needs, by score name, for `aggregation`."""
        types = document["types"]
        seen = [entity["seen"] for entity in document["entities"]]
        counts = judge(to_sentence(document), results[0], types, seen, self.form).counts
        items: dict[str, list[Any]] = {}
        for name, score in scoring.scores(types).items():
            items[name] = [counts[column] for column in score.columns]
            if name in STDERR_SCORES:
                items[f"{name}_stderr"] = [document["document"], *items[name]]
        if isinstance(results[0], ScoredText):
            items[TOKENS] = results[0].tokens
        return items


class BioNERTask(ConfigurableTask):  # type: ignore[misc]
    """An lm-eval task made from a corpus's registry entry.

    What the YAML says wins over the defaults made here.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        task = config["task"]
        self.corpus = corpora.get(config.get("dataset_name") or task)
        types = list(self.corpus.types)
        own = {key: value for key, value in config.items() if key != "class"}
        metadata = own.get("metadata") or {}
        self._form = prompt.check_form(metadata.get("format", prompt.JSON))
        training = "train" if "train" in self.corpus.files or self.corpus.training_corpus else None
        defaults = {
            "test_split": "test",
            "validation_split": "validation" if "validation" in self.corpus.files else None,
            "training_split": training,
            "fewshot_split": training,
            "doc_to_text": Question(self.corpus.types, self._form),
            "doc_to_target": Target(self._form),
            "process_results": Counted(self._form),
            "output_type": "generate_until",
            "metric_list": metric_list(types),
            "target_delimiter": " ",
            "fewshot_delimiter": prompt.TURN_SEPARATOR,
        }
        generation: dict[str, Any] = {"until": [prompt.TURN_SEPARATOR], "do_sample": False}
        constrained = metadata.get("constrained", False)
        if not isinstance(constrained, bool):
            raise BenchmarkError(f"constrained is {constrained!r} in --metadata; give true or false")
        if constrained and self._form != prompt.JSON:
            raise BenchmarkError(f"constrained answers are JSON, not {self._form}; leave one of both out")
        if constrained:
            generation["response_format"] = prompt.response_format(types)
        generation |= own.get("generation_kwargs") or {}
        if self._form == prompt.TAGS and "max_gen_toks" in generation:
            generation["max_gen_toks"] += room_for_sentence(self.corpus.task)
        own["generation_kwargs"] = generation
        self._context = metadata.get("context", 0)
        if type(self._context) is not int or self._context < 0:
            raise BenchmarkError(f"context is {self._context!r} in --metadata; give a number of sentences")
        now = prompt.prompt_hash(self.corpus.types)
        if metadata.get("prompt_hash", now) != now:
            raise BenchmarkError(
                f"{task}: the prompt's hash is {now}, but version {metadata.get('version')} of the task has "
                f"{metadata['prompt_hash']}; give the new prompt a new task version"
            )
        self._strategy = pinned(metadata.get("demonstrations", STRATEGIES[0]))
        own["metadata"] = metadata | {
            "corpus": self.corpus.task,
            "prompt": prompt.VERSIONS[self._form],
            "prompt_hash": prompt.prompt_hash(
                self.corpus.types, as_recorded(self._strategy), self._form, self._context
            ),
            "demonstrations": self._strategy,
            "bioner_bench": __version__,
        }
        self._seed = 0
        self._choose: Chooser | None = None
        super().__init__(config=defaults | own)

    def download(self, dataset_kwargs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Called by lm-eval to fill `dataset`."""
        self.dataset = load_datasets(self.corpus.task)
        if self._context:
            task, files = self.corpus.task, self.corpus.files
            splits = [corpora.load(task, split).sentences for split in files if split != "train"]
            around = [
                with_context(task, split, self._context) for split in (load_training(self.corpus), *splits)
            ]
            self._in_document = {(one.id, one.text): one for split in around for one in split}

    def _sentence(self, document: Document) -> Sentence:
        """The sentence of a document, with its context if that is to be shown."""
        return self._in_document[document["id"], document["text"]] if self._context else to_sentence(document)

    def set_fewshot_seed(self, seed: int | None = None) -> None:
        """Called by lm-eval with the fourth number of `--seed`."""
        super().set_fewshot_seed(seed)
        self._seed = seed or 0
        self._choose = None

    def demonstrations(self, document: Document, n: int) -> list[Sentence]:
        """The `n` solved training sentences that a document's prompt shows."""
        if self._choose is None:
            pool = self.training_docs() if self.has_training_docs() else []
            self._choose = chooser([self._sentence(doc) for doc in pool], self._strategy, self._seed)
        return self._choose(to_sentence(document), n)

    def fewshot_context(
        self,
        doc: Document,
        num_fewshot: int,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., str] | None = None,
        gen_prefix: str | None = None,
    ) -> str:
        """Called by lm-eval for the prompt of one document.

        Overridden so that `prompt` builds it: lm-eval would repeat the instruction in every turn or put it
        into a system turn, which it drops with a warning where the template has none, and draws
        demonstrations that depend on the order of documents.
        """
        shown = self.demonstrations(doc, num_fewshot) if num_fewshot else []
        turns = prompt.messages(self._sentence(doc), self.corpus.types, shown, self._form, self._context > 0)
        if not (apply_chat_template and chat_template):
            before = f"{system_instruction}{prompt.TURN_SEPARATOR}" if system_instruction else ""
            return before + prompt.plain_text(turns) + (f" {gen_prefix}" if gen_prefix else "")
        if not fewshot_as_multiturn:
            turns = [{"role": "user", "content": prompt.plain_text(turns)}]
        if system_instruction:
            turns = [{"role": "system", "content": system_instruction}, *turns]
        if gen_prefix:
            turns = [*turns, {"role": "assistant", "content": gen_prefix}]
        return chat_template(turns, add_generation_prompt=not gen_prefix)

    def construct_requests(self, doc: Document, ctx: Any, **kwargs: Any) -> Any:
        """Called by lm-eval for the generation request of one document.

        In a chat the end-of-turn token ends the answer; the stop string of plain-text prompts would cut
        thinking and answers that open with prose, so it is taken out; another one that the user set stays.
        A chat that a server will be sent is no string yet.
        """
        chat = kwargs.get("apply_chat_template", False)
        request = super().construct_requests(doc, ctx, **kwargs)
        generation = request.arguments[1]
        if chat and generation["until"] == [prompt.TURN_SEPARATOR]:
            generation["until"] = [] if isinstance(ctx, str) else [SERVER_STOP]
        return request

    def apply_filters(self) -> Any:
        """Called by lm-eval once all responses are there.

        What `gen_prefix` made the model begin with is the beginning of its answer, so it is put back.
        """
        kept = super().apply_filters()
        for request in self._instances if self.config.gen_prefix else []:
            prefix = self.doc_to_prefix(request.doc)
            for name, response in request.filtered_resps.items():
                answer = prefix + response
                if isinstance(response, ScoredText):  # what was given is certain
                    answer = ScoredText(answer, [(prefix, 0.0), *response.tokens])
                request.filtered_resps[name] = answer
        return kept
