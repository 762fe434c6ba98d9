"""Keys and values of a batch in memory taken once, with rows that can be picked out, widened and used again.

All rows share one time line: a step writes the same column in every row, and a mask says which columns of a row hold
its tokens. So rows of different length live side by side, holes are allowed, and nothing is copied at a step (growing
caches copy everything at every step).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin


class _Layer(CacheLayerMixin):
    """One layer's view of the store."""

    is_sliding = False
    is_compileable = False

    def __init__(self, store: KeyValues, index: int) -> None:
        super().__init__()
        self._store, self._index = store, index
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """The store is made before."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **more: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new columns, return all columns up to them."""
        start, end = self._store.length, self._store.length + key_states.shape[2]
        keys, values = self._store.data[self._index]
        keys[:, :, start:end] = key_states
        values[:, :, start:end] = value_states
        return keys[:, :, :end], values[:, :, :end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Key columns a query of this length sees, and the first one."""
        return self._store.length + query_length, 0

    def get_seq_length(self) -> int:
        """Columns written so far."""
        return self._store.length

    def get_max_length(self) -> int:
        """Columns there is room for."""
        return self._store.capacity


class KeyValues:
    """Keys and values of some rows, over all layers.

    `data` has shape (layers, 2, rows, key/value heads, capacity, head dimension), `mask` (rows, capacity): true where a
    column of a row holds a token of it. `length` is the number of columns in use.
    """

    def __init__(self, shape: tuple[int, int, int], rows: int, capacity: int, dtype: torch.dtype, device: Any) -> None:
        layers, heads, dimension = shape
        self.shape, self.capacity, self.length = shape, capacity, 0
        self.data = torch.zeros((layers, 2, rows, heads, capacity, dimension), dtype=dtype, device=device)
        self.mask = torch.zeros((rows, capacity), dtype=torch.bool, device=device)

    def as_cache(self) -> Cache:
        """What a transformers model takes as its cache. Advance `length` after each forward pass."""
        return Cache(layers=[_Layer(self, index) for index in range(self.shape[0])])

    def write(self, mask: torch.Tensor) -> torch.Tensor:
        """Announce the next columns, of which `mask` (rows, new) are tokens; returns the attention mask for them.

        The attention mask is boolean, (rows, 1, new, length + new): a token sees its row's earlier tokens and itself.
        """
        new, end = mask.shape[1], self.length + mask.shape[1]
        self.mask[:, self.length : end] = mask
        seen = self.mask[:, None, None, :end].expand(-1, 1, new, -1)
        if new == 1:
            return seen
        causal = torch.ones((new, end), dtype=torch.bool, device=mask.device).tril(self.length)
        # A padding column must see something, or its softmax is NaN and spreads.
        itself = torch.eye(new, end, dtype=torch.bool, device=mask.device).roll(self.length, 1)
        return (seen & causal) | itself

    def pick(self, rows: Sequence[int], capacity: int) -> KeyValues:
        """A new store with copies of these rows, in this order."""
        picked = KeyValues(self.shape, 0, 0, self.data.dtype, self.data.device)
        index = torch.as_tensor(list(rows), device=self.data.device)
        layers, heads, dimension = self.shape
        picked.data = self.data.new_zeros((layers, 2, len(rows), heads, capacity, dimension))
        picked.data[:, :, :, :, : self.length] = self.data[:, :, index, :, : self.length]
        picked.mask = self.mask.new_zeros((len(rows), capacity))
        picked.mask[:, : self.length] = self.mask[index, : self.length]
        picked.capacity, picked.length = capacity, self.length
        return picked

    @staticmethod
    def gather(places: Sequence[tuple[KeyValues, int]], capacity: int) -> KeyValues:
        """A new store of rows from several, their tokens moved together at the right end so that no hole is left."""
        first = places[0][0]
        columns = [store.mask[row, : store.length].nonzero()[:, 0] for store, row in places]
        width = max(len(found) for found in columns)
        made = KeyValues(first.shape, len(places), capacity, first.data.dtype, first.data.device)
        for row, ((store, old), found) in enumerate(zip(places, columns, strict=True)):
            made.data[:, :, row, :, width - len(found) : width] = store.data[:, :, old][:, :, :, found]
            made.mask[row, width - len(found) : width] = True
        made.length = width
        return made
