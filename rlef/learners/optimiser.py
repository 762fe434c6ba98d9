"""What all learners share: the optimiser, and the precision of a forward pass that is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import torch

from rlef.errors import RlefError
from rlef.policies.engine import sampling_dtype


def make_optimiser(
    parameters: Iterable[torch.nn.Parameter], learning_rate: float, weight_decay: float, **more: Any
) -> torch.optim.AdamW:
    """AdamW with one fused step over all parameters."""
    chosen = [parameter for parameter in parameters if parameter.requires_grad]
    return torch.optim.AdamW(chosen, lr=learning_rate, weight_decay=weight_decay, fused=True, **more)


def use_training_attention(model: Any) -> None:
    """On a processor plain matrix products beat the fused attention kernel, whose backward pass is slow there."""
    if model.device.type == "cpu":
        model.set_attn_implementation("eager")


def freeze_lowest(model: Any, layers: int) -> None:
    """Exclude the lowest `layers` layers and the embeddings (with a tied output layer) from training.

    Raises:
        RlefError: the model has no more layers than that.
    """
    if not layers:
        return
    total = model.config.get_text_config().num_hidden_layers
    stacks = [
        module
        for module in model.base_model.children()
        if isinstance(module, torch.nn.ModuleList) and len(module) == total
    ]
    if layers >= total or not stacks:
        raise RlefError(f"ppo.frozen_layers = {layers}: the model has {total} layers and one must be trained; lower it")
    model.get_input_embeddings().requires_grad_(False)
    for layer in stacks[0][:layers]:
        layer.requires_grad_(False)


def autocast(model: Any) -> contextlib.AbstractContextManager[Any]:
    """Master weights stay in float32; matrix products run in bfloat16 where the processor is fast at it."""
    if sampling_dtype(model.device) is torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(model.device.type, torch.bfloat16)
