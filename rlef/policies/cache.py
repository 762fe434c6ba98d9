"""Keys and values of the dialogues under way, in memory taken once.

Each dialogue has a place, a row that holds its tokens from column 0 on. A forward pass writes the new tokens of some
places behind what they hold, so dialogues of any length live side by side and keep their place from turn to turn, and
nothing is copied at a step (growing caches copy everything at every step).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin


class _Layer(CacheLayerMixin):
    """One layer's view of the store, during one forward pass."""

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
        """Write what is new, return what the rows of this pass hold."""
        keys, values = self._store.data[self._index]
        return self._store.put(keys, key_states), self._store.put(values, value_states)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Key columns that are returned, and the first one."""
        return self._store.columns, 0

    def get_seq_length(self) -> int:
        """Columns in use; positions and masks are told to the model and not made from this."""
        return self._store.columns

    def get_max_length(self) -> int:
        """Columns there is room for."""
        return self._store.capacity


class KeyValues:
    """`data` has shape (layers, 2, places, key/value heads, capacity, head dimension)."""

    def __init__(
        self, shape: tuple[int, int, int], places: int, capacity: int, dtype: torch.dtype, device: Any
    ) -> None:
        layers, heads, dimension = shape
        self.data = torch.zeros((layers, 2, places, heads, capacity, dimension), dtype=dtype, device=device)
        self.columns = 0
        self._rows: slice | torch.Tensor = slice(0, 0)
        self._places = self._positions = torch.zeros((0, 0), dtype=torch.long, device=device)

    @property
    def places(self) -> int:
        """Dialogues there is room for."""
        return self.data.shape[2]

    @property
    def capacity(self) -> int:
        """Columns of a place."""
        return self.data.shape[4]

    def widen(self, capacity: int) -> None:
        """Room for more tokens in every place."""
        if capacity > self.capacity:
            wider = self.data.new_zeros((*self.data.shape[:4], capacity, self.data.shape[5]))
            wider[..., : self.capacity, :] = self.data
            self.data = wider

    def copy(self, source: int, target: int, columns: int) -> None:
        """Give one place the first tokens of another."""
        self.data[:, :, target, :, :columns] = self.data[:, :, source, :, :columns]

    def begin(self, places: slice | torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Announce a forward pass with tokens at `positions` (rows, new) of `places`; returns its attention mask.

        A slice of places is read without a copy. The mask, (rows, 1, new, columns), is added to attention scores: a
        token sees its dialogue's tokens up to itself.
        """
        device = self.data.device
        self.columns = int(positions.max()) + 1
        self._rows, self._positions = places, positions.to(device)
        rows = torch.arange(places.start, places.stop) if isinstance(places, slice) else places
        self._places = rows.to(device)[:, None]
        later = torch.arange(self.columns, device=device) > self._positions[:, None, :, None]
        return torch.zeros(later.shape, dtype=self.data.dtype, device=device).masked_fill_(later, -torch.inf)

    def put(self, held: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """Write (rows, heads, new, dimension) into one layer's keys or values; what the rows hold now."""
        held[self._places, :, self._positions] = new.transpose(1, 2)
        return held[:, :, : self.columns][self._rows]

    def as_cache(self) -> Cache:
        """What a transformers model takes as its cache, after `begin`."""
        return Cache(layers=[_Layer(self, index) for index in range(self.data.shape[0])])
