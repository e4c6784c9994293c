# ruff: noqa: F401
"""What is there before a command is forked; see `command_line`."""

import gc

import jsonschema
import lm_eval._cli.run
import lm_eval.evaluator
import lm_eval.loggers
import matplotlib.pyplot
import pydantic
import pytablewriter
import transformers.models.bert.modeling_bert
import transformers.models.llama.modeling_llama
import typer.rich_utils
from described_once import collect_env

import bioner_bench.cli.main
import bioner_bench.harness.hf_prefix
import bioner_bench.harness.lm_models
import bioner_bench.harness.running
import bioner_bench.harness.task
import bioner_bench.leaderboard.build
import bioner_bench.tuning.encoder_training
import bioner_bench.tuning.llm_training
import bioner_bench.tuning.selection

collect_env.get_pretty_env_info()
gc.freeze()  # else each command looks through all of this for what could be freed
