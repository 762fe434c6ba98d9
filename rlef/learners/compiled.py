"""Layers whose forward and backward passes are compiled, one compilation for all layers that are alike.

Between two matrix products a layer reads and writes its activations a dozen times (norms, rotations, casts, products of
two). On processors that is most of an update; `torch.compile` makes one pass of each stretch. It needs a C++ compiler
there, and takes about a minute the first time on a machine.
"""

from __future__ import annotations

from typing import Any

import torch

from rlef.learners.optimiser import layers_of


def compile_layers(model: Any) -> None:
    """Compile each layer of `model` for any number of rows and tokens. Copies of the model are not compiled."""
    for layer in layers_of(model):
        layer.compile(dynamic=True)


def cannot_compile() -> str | None:
    """Why nothing can be compiled on this machine, None when it can."""
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.ones(8))
    except Exception as error:  # the compiler's own kinds, from several packages
        return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return None
