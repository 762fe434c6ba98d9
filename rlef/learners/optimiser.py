"""What all learners share: the optimiser, and the precision of a forward pass that is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import torch

from rlef.policies.engine import sampling_dtype


def make_optimiser(
    parameters: Iterable[torch.nn.Parameter], learning_rate: float, weight_decay: float, **more: Any
) -> torch.optim.AdamW:
    """AdamW with one fused step over all parameters."""
    chosen = [parameter for parameter in parameters if parameter.requires_grad]
    return torch.optim.AdamW(chosen, lr=learning_rate, weight_decay=weight_decay, fused=True, **more)


def autocast(model: Any) -> contextlib.AbstractContextManager[Any]:
    """Master weights stay in float32; matrix products run in bfloat16 where the processor is fast at it."""
    if sampling_dtype(model.device) is torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(model.device.type, torch.bfloat16)
