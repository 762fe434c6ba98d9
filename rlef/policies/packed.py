"""Weights laid out ahead as the processor's matrix kernels read them.

oneDNN multiplies by blocks. A weight that lies row by row is rearranged at every product, which for the few rows of a
sampling step takes as long as the product itself. Laid out once after each change of the weights, in a second copy, it
is read as it is. The numbers are the same, in float32 to rounding. PyTorch has the two functions for what its compiler
generates.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def supported(dtype: torch.dtype) -> bool:
    """Whether this torch has oneDNN with these functions, and the processor what its kernels need."""
    ops = torch.ops.mkldnn
    if not torch.backends.mkldnn.is_available() or dtype not in (torch.float32, torch.bfloat16):
        return False
    if dtype is torch.bfloat16 and not ops._is_mkldnn_bf16_supported():
        return False
    return all(hasattr(ops, name) for name in ("_reorder_linear_weight", "_linear_pointwise"))


def pack(model: nn.Module) -> list[PackedLinear]:
    """Give all linear layers of a model packed weights; none where the processor or the precision has no use for it."""
    weight = next(model.parameters())
    if weight.device.type != "cpu" or not supported(weight.dtype):
        return []
    layers = [(name, layer) for name, layer in model.named_modules() if type(layer) is nn.Linear]
    packed = [PackedLinear(layer) for _, layer in layers]
    for (name, _), layer in zip(layers, packed, strict=True):
        model.set_submodule(name, layer)
    return packed


class PackedLinear(nn.Module):
    """A linear layer that multiplies with a packed copy of its weight; `refresh` when the weight has changed."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        self.plain = plain
        self.refresh()

    def refresh(self) -> None:
        """Pack the weight as it is now."""
        self._packed: Any = torch.ops.mkldnn._reorder_linear_weight(self.plain.weight.detach(), None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x Wᵀ + b."""
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self.plain.bias, "none", [], "")
        return y
