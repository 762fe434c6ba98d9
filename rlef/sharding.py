"""Layers split over the processes: FSDP as torch has it (`fully_shard`), for models too large to be trained in one.

Each process keeps a part of the weights, gradients and moments of every layer. A layer is whole while it computes, in
all processes at once, and its gradients are summed and split again behind it. What lies outside the layers (embedding,
output layer, last norm) stays whole in every process, as do the sampler's copy and the reference. Tensors that are not
split pass through every function here as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.distributed.tensor import DTensor, distribute_tensor

from rlef.errors import RlefError
from rlef.processes import joined


def shard(layers: Sequence[torch.nn.Module]) -> None:
    """Split layers that are the same in all processes.

    Raises:
        RlefError: torch is too old, or there are no layers.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard

    if not hasattr(FSDPModule, "set_force_sum_reduction_for_comms"):
        raise RlefError(f"ppo.shard: torch {torch.__version__} cannot sum what is split; install a newer one")
    if not layers:
        raise RlefError("ppo.shard: the model has no list of layers that could be split; leave it off")
    for layer in layers:
        split: Any = fully_shard(layer)
        split.set_gradient_divide_factor(1.0)  # sums: what they are divided by is that of the whole mini-batch
        split.set_force_sum_reduction_for_comms(True)


def is_split(tensor: torch.Tensor) -> bool:
    """Whether this process holds a part of it."""
    return isinstance(tensor, DTensor)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a tensor. All processes must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def collected(tree: Any) -> Any:
    """Nested mappings and lists with their tensors whole, to be written: None in all processes but the first."""
    if isinstance(tree, DTensor):
        tensor = tree.full_tensor()
        return tensor.cpu() if joined().first else None
    if isinstance(tree, Mapping):
        return {name: collected(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(collected(value) for value in tree)
    return tree


def put(own: torch.Tensor, value: torch.Tensor) -> None:
    """Overwrite a tensor by one that is whole."""
    own.copy_(_like(own, value))


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """`load_state_dict` of a state whose tensors are whole; how the step is computed stays as it is here."""
    kept = [{name: group[name] for name in ("fused", "foreach")} for group in optimiser.param_groups]
    optimiser.load_state_dict(state)
    for group, own in zip(optimiser.param_groups, kept, strict=True):
        group.update(own)
    for parameter, moments in optimiser.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape:
                moments[name] = _like(parameter, value)


def clip_gradients(parameters: Iterable[torch.nn.Parameter], longest: float) -> torch.Tensor:
    """Scale gradients down together to a norm of at most `longest`; returns the norm they had."""
    learned = [parameter for parameter in parameters if parameter.grad is not None]
    kinds = [[one for one in learned if is_split(one) is split] for split in (False, True)]
    norms = [whole(torch.nn.utils.get_total_norm([one.grad for one in kind if one.grad is not None])) for kind in kinds]
    norm = torch.hypot(*norms)  # that of no gradients is 0
    for kind in kinds:
        torch.nn.utils.clip_grads_with_norm_(kind, longest, norm)
    return norm


def _like(own: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    if not isinstance(own, DTensor):
        return value
    return distribute_tensor(value.to(own.device, own.dtype), own.device_mesh, own.placements)
