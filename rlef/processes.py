"""Several processes that act as one: who does which share, and how the shares become one again.

torchrun and `accelerate launch --multi_gpu` start a program several times. Each process holds the whole policy (data
parallel): it samples its share of the episodes and learns on its share of every mini-batch, and gradients are summed
before each step, so that all take the same one. Everybody knows all episodes; files are the first one's. Started as
usual a program is one process, and nothing here does anything.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

PATIENCE = timedelta(days=2)
"""How long the others wait while the first one teaches or evaluates. A process that dies is noticed by the launcher."""


@dataclass(frozen=True)
class Processes:
    """The place of this process among all."""

    rank: int = 0
    count: int = 1
    device: Any = None
    """Where what is summed must lie."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """What is this process's to do."""
        return list(items[self.rank :: self.count])

    def parts(self, items: Sequence[T]) -> list[list[T]]:
        """What is to do, by process, when neighbours should stay together."""
        ends = [len(items) * rank // self.count for rank in range(self.count + 1)]
        return [list(items[start:end]) for start, end in pairwise(ends)]

    def gather(self, own: list[T]) -> list[T]:
        """What all have made of their shares, in the order of the items."""
        if self.count == 1:
            return own
        import torch.distributed as together

        parts: list[Any] = [None] * self.count
        together.all_gather_object(parts, own)
        return [parts[i % self.count][i // self.count] for i in range(sum(map(len, parts)))]

    def tell(self, value: T) -> T:
        """The first one's value. The others go on when it is known, so what the first has done before is done then."""
        if self.count == 1:
            return value
        import torch.distributed as together

        values = [value]
        together.broadcast_object_list(values, src=0)
        return values[0]

    def add(self, tensors: Iterable[torch.Tensor]) -> None:
        """Sum over the processes, in place and to the same bits everywhere."""
        if self.count == 1:
            return
        import torch.distributed as together

        for tensor in tensors:
            moved = tensor.to(self.device)
            together.all_reduce(moved)
            if moved is not tensor:
                tensor.copy_(moved)

    def total(self, number: float) -> float:
        """The sum of a number over the processes."""
        if self.count == 1:
            return number
        import torch

        whole = torch.tensor([number], dtype=torch.float64)
        self.add([whole])
        return float(whole)

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sum the gradients. A parameter that no process has one for keeps none, so that no step touches it.

        Those of parameters that are split (`rlef.sharding`) are summed already.
        """
        if self.count == 1:
            return
        import torch

        from rlef.sharding import is_split

        trained = [parameter for parameter in parameters if parameter.requires_grad and not is_split(parameter)]
        known = torch.tensor([float(parameter.grad is not None) for parameter in trained])
        self.add([known])
        for parameter, holders in zip(trained, known.tolist(), strict=True):
            if holders:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                self.add([parameter.grad])


@functools.cache
def joined() -> Processes:
    """The processes that a launcher started together, this one alone when there was none."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)

    def leave() -> None:
        gc.collect()  # of split layers that still hold the group, which would end after the interpreter
        state.destroy_process_group()

    atexit.register(leave)
    return Processes(state.process_index, state.num_processes, state.device)
