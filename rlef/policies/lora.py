"""Low-rank adapters in a model: y = W x + alpha / rank · B A x with W frozen (LoRA, Hu et al. 2021, arXiv 2106.09685).

The matrices are peft's. They lie inside the model, whose other modules keep their names, so learner and sampler need
not know of them. Switched off, the model is the one that they were added to, which makes a frozen copy of it needless.
Whatever leaves the learner, the sampler's weights and checkpoints, has them merged.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from rlef.errors import RlefError
from rlef.ppo_config import LoraConfig


def add_adapter(model: Any, config: LoraConfig, seed: int, frozen: Sequence[nn.Module] = ()) -> None:
    """Add adapters, which are all that is trained from then on; nothing happens with rank 0.

    B starts at zero, so the model computes what it did; A is drawn with `seed`.

    Args:
        frozen: parts of the model that get none.

    Raises:
        RlefError: peft is not installed, or the model has no such linear layer.
    """
    if not config.rank:
        return
    try:
        import peft
    except ImportError as error:
        raise RlefError("LoRA needs peft, which is not here; run: pip install 'rlef[lora]'") from error
    from transformers.pytorch_utils import Conv1D

    skipped = {part for layer in frozen for part in layer.modules()}
    body = set(model.base_model.modules()) - skipped  # the output layer is not in it
    linear = {
        name: part for name, part in model.named_modules() if part in body and isinstance(part, nn.Linear | Conv1D)
    }
    known = {name.rpartition(".")[2] for name in linear}
    if unknown := set(config.targets) - known:
        raise RlefError(
            f"lora.targets: the model has no linear layer {', '.join(sorted(unknown))}; there are: "
            f"{', '.join(sorted(known))}"
        )
    chosen = [name for name in linear if name.rpartition(".")[2] in (config.targets or known)]
    torch.manual_seed(seed)
    settings = peft.LoraConfig(
        r=config.rank, lora_alpha=config.alpha or 2 * config.rank, target_modules=chosen,
        fan_in_fan_out=any(isinstance(linear[name], Conv1D) for name in chosen),
    )  # fmt: skip
    peft.inject_adapter_in_model(settings, model)


def has_adapter(model: Any) -> bool:
    """Whether adapters were added."""
    return hasattr(model, "peft_config")


@contextmanager
def switched_off(model: Any) -> Iterator[Any]:
    """Within it the model is the one that adapters were added to."""
    layers = [layer for _, layer in _adapted(model)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield model
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def merge(model: Any) -> None:
    """Add the adapters to the weights and take them out: a plain model, trainable as a whole. Else nothing."""
    if not has_adapter(model):
        return
    for name, layer in _adapted(model):
        layer.merge()
        model.set_submodule(name, layer.get_base_layer())
    del model.peft_config
    model.requires_grad_(True)


def merged(model: Any) -> Any:
    """A copy with the adapters merged; the model itself where it has none."""
    if not has_adapter(model):
        return model
    plain = copy.deepcopy(model)
    merge(plain)
    return plain


def merged_weights(model: Any) -> Iterator[torch.Tensor]:
    """The parameters that the model has after `merge`, in their order, one at a time."""
    adapted = {f"{name}.base_layer.weight": layer for name, layer in _adapted(model)}
    for name, parameter in model.named_parameters():
        if layer := adapted.get(name):
            yield parameter.detach() + layer.get_delta_weight("default").detach()
        elif ".lora_" not in name:
            yield parameter


def _adapted(model: Any) -> list[tuple[str, Any]]:
    """Layers with an adapter, by name."""
    if not has_adapter(model):
        return []
    from peft.tuners.lora import LoraLayer

    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, LoraLayer)]
