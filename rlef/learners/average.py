"""A moving average of a policy's weights, meant to forget less than the last ones and to follow less of their noise.

After each update, average <- decay * average + (1 - decay) * weights, from the start policy on. Training goes on with
the weights; what is evaluated and handed out is the average. Source: the moving average and the interpolation towards
the start policy of WARP (arXiv 2406.16768), in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from rlef.learners.optimiser import trained
from rlef.sharding import put


class WeightAverage:
    """The average of what is trained in `model`; with adapters, of these."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self._average = {name: value.clone() for name, value in trained(model).items()}

    @torch.no_grad()
    def follow(self) -> None:
        """Take in the weights after an update."""
        for name, value in trained(self._model).items():
            self._average[name].lerp_(value, 1 - self._decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it the model has the average as its weights."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, value in trained(self._model).items():
            kept = value.clone()
            value.copy_(self._average[name])
            self._average[name].copy_(kept)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Copies, by name of the parameter."""
        return {name: value.clone() for name, value in self._average.items()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from `state_dict`."""
        for name, value in state.items():
            put(self._average[name], value)
