"""All weights of a model over several processes: FSDP2, which the Trainer sets up through accelerate."""

from __future__ import annotations

from typing import Any

import torch
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin, gather_object
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM, Trainer

from bioner_bench.models.shared_prefix import is_spread
from bioner_bench.schema import BenchmarkError
from bioner_bench.tuning.recipes import LlmRecipe

ARGUMENTS: dict[str, Any] = {
    "fsdp": True,
    "fsdp_config": {"version": 2, "state_dict_type": "SHARDED_STATE_DICT"},
}
"""Of the Trainer: each layer's weights are brought together where it runs, and each process writes its own
part of a checkpoint."""


def settle(trainer: Trainer, recipe: LlmRecipe) -> None:
    """See to it that weights are spread if the recipe asks for it, and only then.

    Raises:
        BenchmarkError: the command that started the processes says otherwise than the recipe.
    """
    if trainer.is_deepspeed_enabled or (trainer.is_fsdp_enabled and not recipe.fsdp):
        raise BenchmarkError(
            "whether weights are spread over processes is the recipe's to say: write `fsdp: true` and start "
            "it by `accelerate launch -m bioner_bench train`, without --use_fsdp or --use_deepspeed"
        )
    if not recipe.fsdp:
        return
    state = trainer.accelerator.state
    if state.distributed_type is DistributedType.MULTI_CPU:
        # torch spreads weights over processes of a processor as well, but accelerate asks for accelerators.
        state.fsdp_plugin = FullyShardedDataParallelPlugin(**trainer.args.fsdp_plugin_args)
        state.distributed_type = DistributedType.FSDP
        trainer.is_fsdp_enabled = True
    if trainer.args.bf16:  # accelerate would add up gradients, and give the loss, in bfloat16 too
        state.fsdp_plugin.mixed_precision_policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32)


def all_agree(yes: bool) -> bool:
    """Whether it is so in every process; each of them has to ask."""
    return all(gather_object([yes]))


def brought_together(trainer: Trainer) -> Any:
    """The model that was trained, whole, in the first process; None in the others. All have to call it."""
    if not is_spread(trainer.model):
        return trainer.accelerator.unwrap_model(trainer.model)
    first = trainer.is_world_process_zero()
    weights = {}
    for name, part in trainer.model.state_dict().items():  # one after the other, so that a card holds one
        tensor = part.full_tensor() if isinstance(part, DTensor) else part
        if first:
            weights[name] = tensor.cpu()
    if not first:
        return None
    with torch.device("meta"):
        whole = AutoModelForCausalLM.from_config(trainer.model.config, dtype=torch.float32)
    whole.load_state_dict(weights, assign=True)
    whole.tie_weights()
    whole.generation_config = trainer.model.generation_config
    return whole
