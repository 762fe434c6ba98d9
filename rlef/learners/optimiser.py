"""What all learners share: the optimiser, and the precision of a forward pass that is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from rlef.errors import RlefError
from rlef.policies.engine import sampling_dtype
from rlef.sharding import is_split, put


def make_optimiser(
    parameters: Iterable[torch.nn.Parameter], learning_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """AdamW over the parameters that are trained."""
    return torch.optim.AdamW([group(parameters, learning_rate, weight_decay)])


def group(parameters: Iterable[torch.nn.Parameter], learning_rate: float, weight_decay: float) -> dict[str, Any]:
    """A group of an optimiser: one fused step, or one parameter after the other where some are split over processes."""
    chosen = [parameter for parameter in parameters if parameter.requires_grad]
    fused = not any(map(is_split, chosen))
    how = {"fused": fused, "foreach": None if fused else False}
    return {"params": chosen, "lr": learning_rate, "weight_decay": weight_decay, **how}


def use_gradient_checkpointing(model: Any) -> None:
    """Layers forget what the backward pass needs and compute it again there.

    transformers does that in layers that are in training. Only the layers themselves are told so, nothing within them,
    so dropout stays off: the policy that learns is the one that sampled.

    Raises:
        RlefError: the model does not support it.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers or not model.supports_gradient_checkpointing:
        raise RlefError(f"gradient_checkpointing: {type(model).__name__} does not support it; leave it off")
    # The second is the name of the first in transformers before 5.24.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    for layer in layers:
        layer.training = True
        for name in [name for name, value in vars(layer).items() if "dropout" in name and isinstance(value, float)]:
            setattr(layer, name, 0.0)


def trained(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The parameters of a module that are trained, by name."""
    return {name: value.detach() for name, value in module.named_parameters() if value.requires_grad}


def load_trained(module: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Put back what `trained` gave."""
    own = trained(module)
    if own.keys() != state.keys():
        raise ValueError("these are the parameters of another configuration")
    for name, value in state.items():
        put(own[name], value)


def use_training_attention(model: Any) -> None:
    """On a processor plain matrix products beat the fused attention kernel, whose backward pass is slow there."""
    if model.device.type == "cpu":
        model.set_attn_implementation("eager")


def lowest_layers(model: Any, layers: int) -> list[torch.nn.Module]:
    """The embedding and the lowest `layers` layers; nothing for 0.

    Raises:
        RlefError: the model has no more layers than that.
    """
    stack = layers_of(model)
    if layers and layers >= len(stack):
        total = model.config.get_text_config().num_hidden_layers
        raise RlefError(f"ppo.frozen_layers = {layers}: the model has {total} layers and one must be trained; lower it")
    return [model.get_input_embeddings(), *stack[:layers]] if layers else []


def layers_of(model: Any) -> list[torch.nn.Module]:
    """The layers of a model, or of its body; empty when it has no list as long as its configuration says."""
    total = model.config.get_text_config().num_hidden_layers
    lists = [child for child in model.base_model.children() if isinstance(child, torch.nn.ModuleList)]
    return list(next((one for one in lists if len(one) == total), []))


def autocast(model: Any) -> contextlib.AbstractContextManager[Any]:
    """Master weights stay in float32; matrix products run in bfloat16 where the processor is fast at it."""
    if sampling_dtype(model.device) is torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(model.device.type, torch.bfloat16)
