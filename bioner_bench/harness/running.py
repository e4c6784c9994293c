"""Options -> a run of lm-eval in this process; what its and a server's failures mean is one line."""

from __future__ import annotations

import copy
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bioner_bench.corpora.registry import CORPORA_VARIABLE
from bioner_bench.evaluation.prompt import JSON
from bioner_bench.harness import masking, run_checks, run_options
from bioner_bench.harness.answer_store import fingerprint, keeping_answers, store_path
from bioner_bench.harness.saving import checked_saving
from bioner_bench.harness.server_logprobs import with_logprobs
from bioner_bench.harness.task_folders import include_paths, only_what_is_needed
from bioner_bench.models import packaged
from bioner_bench.schema import BenchmarkError

QUICK = frozenset(name for name, kind in run_options.OWN_MODELS.items() if kind != "llm")
"""Models that answer so fast that nothing is worth keeping."""

LOCATED = ("encoder", "dictionary")
"""Models that say where their mentions are, in JSON."""

CONSTRAINED = ("hf-prefix", "local-chat-completions", "openai-chat-completions")
"""Models that take a `response_format`."""


def run(asked: run_options.Options, verbose: bool = False, fresh: bool = False, show: bool = False) -> None:
    """Run `lm_eval run` with these options; this project's models are known to it.

    Answers are kept in the output folder as they come, and a run with the same model asks for the others
    only, unless `fresh` is set. To `show` it, its command line is printed first.

    Raises:
        BenchmarkError: lm-eval failed for a reason that the user can mend, or has not written its results.
    """
    from lm_eval._cli import HarnessCLI
    from lm_eval.utils import setup_logging

    import bioner_bench.harness.lm_models  # noqa: F401  # registers the models

    options = run_options.with_config(asked)
    for word in run_options.arguments(options):  # a card may hold keys too
        masking.hide(masking.secrets_in(word))
    run_checks.check(options)
    options = run_options.without_penalty(run_options.with_weights_to_load(options))
    if show:
        print(f"$ {run_options.command(options)}", file=sys.stderr)
    sys.argv = ["lm_eval", "run", *run_options.arguments(options)]
    logging.getLogger("lm_eval.models.api_models").addFilter(_without_headers)
    if not verbose:
        # Where a server fails, all requests in flight do, and asyncio would print a trace of each.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    setup_logging()
    command_line = HarnessCLI()
    arguments = command_line.parse_args()
    if not arguments.config:  # a file with whole tasks names its own
        arguments.include_path = include_paths(arguments.include_path)
    if str(arguments.model).endswith("completions"):
        _check_keys()
    chosen = _configured(arguments)
    if not chosen.tasks:  # lm-eval says so too, but reads all its tasks first
        raise BenchmarkError("no task is named; for example: --tasks bioner_ncbi")
    if (chosen.metadata or {}).get("constrained") is True and chosen.model not in CONSTRAINED:
        raise BenchmarkError(
            f"{chosen.model} cannot hold answers to a schema here; there are: {', '.join(CONSTRAINED)}"
        )
    if (chosen.metadata or {}).get("format", JSON) != JSON and chosen.model in LOCATED:
        raise BenchmarkError(f"{chosen.model} reads no prompt and answers with spans; leave the format out")
    default_store = not chosen.use_cache and bool(chosen.output_path) and chosen.model not in QUICK
    if default_store:
        arguments.use_cache = str(store_path(chosen.output_path))

    def model() -> str:
        return fingerprint(str(chosen.model), chosen.model_args or {})

    try:
        with (
            only_what_is_needed(_task_names(chosen.tasks)),
            _reading_replies(str(chosen.model)),
            keeping_answers(model, fresh) as stores,
            checked_saving(stores, not default_store),
        ):
            command_line.execute(arguments)
    except BenchmarkError:
        raise
    except Exception as error:
        if failure := _wrong_use(error):
            raise BenchmarkError(failure) from error
        failure = _server_failure(error, kept=bool(chosen.use_cache or chosen.output_path))
        if failure is None:
            raise
        print(file=sys.stderr)  # the progress bar has left its line open
        raise BenchmarkError(failure) from error


def _configured(arguments: Any) -> Any:
    """The options with those of a configuration file, if one is named."""
    if not arguments.config:
        return arguments
    from lm_eval.config.evaluate_config import EvaluatorConfig

    return EvaluatorConfig.from_cli(copy.copy(arguments))


def _task_names(tasks: str | Sequence[Any] | None) -> list[str]:
    """The names of tasks that an option or a configuration file lists; none if a task stands there whole."""
    words = [tasks] if isinstance(tasks, str) else [*(tasks or ())]
    return (
        [name for word in words for name in word.split(",")] if all(isinstance(w, str) for w in words) else []
    )


def _check_keys() -> None:
    """Raise a `BenchmarkError` if a key of a server cannot be sent: libraries would quote it."""
    for name, value in masking.secrets_of_environment().items():
        if name.endswith("_API_KEY") and re.search(r"[\x00-\x20\x7f]", value):
            raise BenchmarkError(f"{name} holds white space or a line break, which no key has; set it anew")


@contextmanager
def _reading_replies(model: str) -> Iterator[None]:
    """Inside, lm-eval reads all that a server's reply says.

    Where it is JSON without an answer, as an error under status 200, lm-eval asks again; it would take that
    for an empty answer, or lose it. And an answer keeps the log-probabilities of its tokens.
    """
    if not model.endswith("completions"):
        yield
        return
    from lm_eval.models.api_models import TemplateAPI
    from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI

    def check(outputs: Any) -> None:
        for output in outputs if isinstance(outputs, list) and outputs else [outputs]:
            if not (isinstance(output, dict) and output.get("choices")):
                raise ValueError("the server sent JSON without an answer in it")

    def checked(plain: Any) -> Any:
        def parse(self: Any, *, outputs: Any, **given: Any) -> Any:
            check(outputs)
            return with_logprobs(plain.__get__(self, type(self))(outputs=outputs, **given), outputs)

        return parse

    plain_call = TemplateAPI.model_call

    def model_call(self: Any, *given: Any, **more: Any) -> Any:
        outputs = plain_call(self, *given, **more)
        if type(self).parse_generations in of_openai:  # Anthropic's replies, for one, are of another form
            check(outputs)
        return outputs

    plain_parsers = {
        api: vars(api)["parse_generations"] for api in (LocalChatCompletion, LocalCompletionsAPI)
    }
    TemplateAPI.model_call = model_call
    for api, plain in plain_parsers.items():  # where several requests are in flight
        api.parse_generations = checked(plain)
    of_openai = {api.parse_generations for api in plain_parsers}
    try:
        yield
    finally:
        TemplateAPI.model_call = plain_call
        for api, plain in plain_parsers.items():
            api.parse_generations = plain


_WRONG_USE: tuple[tuple[type[Exception], str, str], ...] = (
    (
        ValueError,
        "Tasks not found",
        "{reason}; `bioner-bench corpora list` shows those of this project; that of a corpus of your own is "
        f"looked for in tasks/ of the folder that {CORPORA_VARIABLE} names, and in --include_path",
    ),
    (
        ValueError,
        "Attempted to load model",
        f"{{reason}}; this project's own are {', '.join(run_options.OWN_MODELS)}",
    ),
    (
        TypeError,
        r"multiple values .* argument '(\w+)'",
        "{0} is an option of its own: --{0}; take it out of --model_args",
    ),
    (TypeError, r"__init__\(\)", "--model_args do not fit the model: {reason}"),
    (
        OSError,
        r"huggingface\.co",
        f"the model cannot be loaded: {{reason}}; without the hub there are: {', '.join(packaged.MODELS)}",
    ),
    (
        ValueError,
        "Can't find 'adapter_config.json' at '(.*?)'",
        "{0} holds no adapter (no adapter_config.json); correct peft= in --model_args, or name merged "
        "weights as pretrained=",
    ),
    (
        AssertionError,
        r"Elements of --samples .* k=(\d+)",
        "--samples has a number above those of its task, which has {0} sentences; they count from 0",
    ),
    (
        ValueError,
        "--samples is not None, then --limit",
        "--samples and --limit both say what to evaluate; give one of them",
    ),
    (
        AssertionError,
        "Torch not compiled with CUDA",
        "the PyTorch that is installed knows no CUDA; give --device cpu, or install its CUDA build",
    ),
    (
        AttributeError,
        r"module 'torch' has no attribute '(\w+)'",
        "PyTorch has no {0}; if that is dtype= in --model_args, give float32, bfloat16, float16 or auto",
    ),
    (
        ValueError,
        r"The following `model_kwargs` are not used by the model: (\[.*?\])",
        "the model takes no {0}; see --gen_kwargs for a misspelt name",
    ),
)
"""Errors of lm-eval and what it calls that the user can mend: kind, pattern, and what to say of them."""


def _wrong_use(error: Exception) -> str | None:
    """What to say of an error of lm-eval that the user can mend; None if it is none of those."""
    reason = " ".join(str(error).split())
    for kind, pattern, said in _WRONG_USE:
        if isinstance(error, kind) and (found := re.search(pattern, reason)):
            return said.format(*found.groups(), reason=reason)
    return None


def _without_headers(record: logging.LogRecord) -> bool:
    """A log filter: lm-eval logs a failed request with its headers, where the key stands."""
    record.msg = re.sub(r"CIMultiDictProxy\(.*?\)>", "***>", str(record.msg))
    return True


def _server_failure(error: Exception, kept: bool) -> str | None:
    """What to say of an error in a request to a server, after all retries; None if it came from elsewhere."""
    frames = {frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)}
    if not frames & {"model_call", "amodel_call"}:
        return None
    reason = f"{type(error).__name__}: {error}".removesuffix(": ")
    status = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int) and 400 <= status < 500 and status not in (408, 429):
        return f"the server refuses the requests ({reason}); its answer, with the reason, stands above"
    if isinstance(error, AssertionError):
        chat = "expects messages as list" in reason
        return (
            "this model is asked in turns: add --apply_chat_template"
            if chat
            else f"no request can be made ({reason})"
        )
    if isinstance(error, ValueError) and "API key" in reason:
        return str(error)
    if isinstance(error, TimeoutError):
        reason += ", no answer in time; timeout=SECONDS in --model_args gives it more"
    advice = (
        "the same command goes on where this run ended"
        if kept
        else "with --output_path FOLDER the next run would keep the answers that came"
    )
    return f"the server failed ({reason}); see that it runs and start again: {advice}"
