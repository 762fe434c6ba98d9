"""Samples responses from a Hugging Face causal language model, in batches, with exact log-probabilities.

`generate` of transformers knows no turns, grows its cache by copying it at every step, samples with one random number
per entry of the vocabulary and keeps finished rows to the end. Here a dialogue keeps its place, and its keys and values
in it, from turn to turn; once some rows have ended, their dialogues' next turns or others that wait take the places,
while the rest goes on (continuous batching); a prompt that several rows share is computed once and with others of its
length; and one random number per token is enough. Each response has its own seed, so it does not depend on what else
is in the batch, up to the rounding of the machine's matrix products.
"""

from __future__ import annotations

import copy
import inspect
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from rlef.policies.attention import spans, takes_spans, use_spans
from rlef.policies.cache import KeyValues
from rlef.policies.drawing import draw
from rlef.policies.interface import Follow, Request, Sample, Sampling
from rlef.policies.lora import merge, merged_weights
from rlef.policies.packed import pack
from rlef.sharding import whole

REFILL = 1 / 8
"""Places are filled again once this share of the rows has ended: prompts and programs are cheaper by the dozen."""

COLUMNS = 256
"""The store grows by so many tokens at a time: growing is a copy of all of it."""

PADDING = 256
"""Tokens that a batch of prompts may be padded with, before computing another batch is cheaper."""


Critic = Callable[[torch.Tensor], torch.Tensor]
"""(rows, hidden) -> (rows,): reads a value from hidden states."""


@dataclass(eq=False)
class _Row:
    """A dialogue whose next response is under way, or over and waiting for what follows."""

    request: Request
    uniforms: np.ndarray
    value: float | None = None
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    over: bool = False

    @property
    def held(self) -> list[int]:
        """Tokens whose keys and values are in the store: all but the last that was sampled."""
        return [*self.request.ids, *self.ids[:-1]]

    def sample(self) -> Sample:
        """The response."""
        return Sample(tuple(self.ids), tuple(self.logprobs), self.value)


class TransformersEngine:
    """Samples from a copy of a model in the sampling precision; `load` brings new weights from the learner.

    Adapters in the model are merged into the weights of the copy.

    Args:
        batch: dialogues at a time.
        decode: needed for stop texts only.
        overlap: whether the programs of what has ended run while the rest is sampled; on accelerators when None. Where
            one processor does both, each slows the other down; and who shares a batch then depends on who is faster.
    """

    def __init__(
        self, model: Any, stop_ids: frozenset[int], dtype: torch.dtype | None = None, batch: int = 128,
        decode: Callable[[Sequence[int]], str] | None = None, overlap: bool | None = None,
    ) -> None:  # fmt: skip
        self._model = copy.deepcopy(model)
        merge(self._model)
        self._model.eval().requires_grad_(False)
        use_spans(self._model)
        cast_weights(self._model, dtype or sampling_dtype(self._model.device))
        self._packed = pack(self._model)
        config = self._model.config.get_text_config()
        self._stop = torch.zeros(config.vocab_size, dtype=torch.bool)
        self._stop[[token for token in stop_ids if token < len(self._stop)]] = True
        heads = config.num_attention_heads
        dimension = getattr(config, "head_dim", None) or config.hidden_size // heads
        self._shape = (config.num_hidden_layers, getattr(config, "num_key_value_heads", None) or heads, dimension)
        self._batch, self._decode = batch, decode
        self._overlap = self._model.device.type != "cpu" if overlap is None else overlap
        body = inspect.signature(self._model.base_model.forward).parameters
        self._cache_name = "cache" if "cache" in body else "past_key_values"
        self.critic: Critic | None = None

    def load(self, model: nn.Module) -> None:
        """Take over the weights of `model`, which has the same architecture."""
        with torch.no_grad():
            for ours, theirs in zip(self._model.parameters(), merged_weights(model), strict=True):
                ours.copy_(whole(theirs))
            for layer in self._packed:
                layer.refresh()

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Sample]:
        """One sample per request, in order."""
        samples: dict[int, Sample] = {}

        def keep(ended: Sequence[tuple[Request, Sample]]) -> Sequence[Request]:
            samples.update((request.key[0], sample) for request, sample in ended)
            return []

        self.run([Request((i,), one.ids, one.seed) for i, one in enumerate(requests)], sampling, keep)
        return [samples[i] for i in range(len(requests))]

    @torch.inference_mode()
    def run(self, requests: Sequence[Request], sampling: Sampling, follow: Follow) -> None:
        """See `Engine.run`. Without overlap, who shares a batch with whom depends on the requests alone."""
        waiting = deque(requests)
        store = KeyValues(self._shape, min(self._batch, len(waiting)), 0, self._model.dtype, self._model.device)
        rows: list[_Row] = []  # in the order of their places in the store
        ended: list[_Row] = []
        asked: Future[Sequence[Request]] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="follow") as aside:
            while rows or waiting:
                alive = [place for place, row in enumerate(rows) if not row.over]
                if asked is None and len(rows) - len(alive) >= REFILL * len(rows):
                    ended = [row for row in rows if row.over]
                    said = [(row.request, row.sample()) for row in ended]
                    asked = aside.submit(follow, said) if self._overlap and said else _now(follow, said)
                if asked and (asked.done() or not alive):
                    joined = self._refill(rows, waiting, store, sampling, ended, asked.result())
                    asked = None
                    if joined:
                        hidden = self._prefill(store, rows, joined, sampling.max_new_tokens)
                        self._extend(list(joined), hidden, sampling)
                else:
                    hidden = self._step(store, rows)
                    self._extend([rows[place] for place in alive], hidden[alive], sampling)

    def _refill(
        self, rows: list[_Row], waiting: deque[Request], store: KeyValues, sampling: Sampling,
        ended: Sequence[_Row], asked: Sequence[Request],
    ) -> dict[_Row, int]:  # fmt: skip
        """Fill the places of what has ended; the rows that are new, and how many tokens of each are held."""
        places = {row: place for place, row in enumerate(rows)}
        left = {row.request.key: places[row] for row in ended}
        joined: dict[_Row, int] = {}

        def sit(request: Request, place: int) -> None:
            held = rows[place].held if place < len(rows) and rows[place].request.key == request.key else []
            known = len(held) if len(held) < len(request.ids) and list(request.ids[: len(held)]) == held else 0
            draws = np.random.Generator(np.random.Philox(request.seed)).random(sampling.max_new_tokens)
            row = _Row(request, draws)
            rows[place : place + 1] = [row]
            joined[row] = known

        for request in asked:
            if (place := left.pop(request.key, None)) is None:
                waiting.append(request)
            else:
                sit(request, place)
        free = deque(sorted(left.values()))
        while waiting and (free or len(rows) < store.places):
            sit(waiting.popleft(), free.popleft() if free else len(rows))
        for place in reversed(free):  # the last row moves into the hole
            last = rows.pop()
            if place < len(rows):
                rows[place] = last
                store.copy(len(rows), place, joined.get(last, len(last.held)))
        return joined

    def _prefill(self, store: KeyValues, rows: list[_Row], joined: dict[_Row, int], room: int) -> torch.Tensor:
        """Run what is not held of the joined rows' prompts; the hidden state at the end of each: (rows, hidden)."""
        place = {row: number for number, row in enumerate(rows)}
        first: dict[tuple[int, ...], _Row] = {}  # a prompt that several rows begin with is computed once
        for row in sorted(joined, key=lambda row: -joined[row]):
            first.setdefault(tuple(row.request.ids), row)
        computed = list(first.values())
        lengths = [len(row.request.ids) - joined[row] for row in computed]
        groups = alike(lengths)
        ends = [max(joined[computed[i]] for i in group) + lengths[group[0]] for group in groups]
        needed = max(*ends, *(len(row.request.ids) + room for row in joined))
        store.widen(-(-needed // COLUMNS) * COLUMNS)
        hidden: dict[_Row, torch.Tensor] = {}
        for group in groups:
            some = [computed[i] for i in group]
            width = lengths[group[0]]
            new = [list(row.request.ids[joined[row] :]) for row in some]
            ids = torch.tensor([tokens + [0] * (width - len(tokens)) for tokens in new])
            # Padding lies behind a row's tokens: none sees it, and what comes next is written over it.
            positions = torch.tensor([joined[row] for row in some])[:, None] + torch.arange(width)
            states = self._forward(store, torch.tensor([place[row] for row in some]), ids, positions)
            hidden |= zip(some, states[torch.arange(len(some)), [len(tokens) - 1 for tokens in new]], strict=True)
        for row in joined:
            if (source := first[tuple(row.request.ids)]) is not row:
                store.copy(place[source], place[row], len(row.request.ids))
        states = torch.stack([hidden[first[tuple(row.request.ids)]] for row in joined])
        if self.critic:
            for row, value in zip(joined, self.critic(states).float().tolist(), strict=True):
                row.value = value
        return states

    def _step(self, store: KeyValues, rows: Sequence[_Row]) -> torch.Tensor:
        """Run the last token of every row, (rows, hidden). Rows that are over do what they did last again."""
        ids = torch.tensor([row.ids[-1:] for row in rows])
        positions = torch.tensor([[len(row.request.ids) + len(row.ids) - 1] for row in rows])
        return self._forward(store, slice(0, len(rows)), ids, positions)[:, 0]

    def _forward(
        self, store: KeyValues, places: slice | torch.Tensor, ids: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        """(rows, new, hidden)"""
        device = self._model.device
        mask = store.begin(places, positions)
        more: dict[str, Any] = {self._cache_name: store.as_cache()}
        if ids.shape[1] == 1 and takes_spans(self._model):
            more["spans"] = spans((positions[:, 0] + 1).tolist())
        output = self._model.base_model(
            input_ids=ids.to(device), attention_mask=mask, position_ids=positions.to(device), use_cache=True, **more
        )
        states: torch.Tensor = output.last_hidden_state
        return states

    def _extend(self, rows: Sequence[_Row], hidden: torch.Tensor, sampling: Sampling) -> None:
        """Draw the next token of each row from its hidden state (rows, hidden)."""
        uniforms = torch.tensor([row.uniforms[len(row.ids)] for row in rows], dtype=torch.float32)
        tokens, logprobs = draw(
            self._model.get_output_embeddings()(hidden).float(), uniforms.to(hidden.device), sampling.temperature,
            sampling.top_k, sampling.top_p, sampling.min_p,
        )  # fmt: skip
        tokens = tokens.cpu()
        stopped = self._stop[tokens].tolist()
        for row, token, logprob, stop in zip(rows, tokens.tolist(), logprobs.tolist(), stopped, strict=True):
            row.ids.append(token)
            row.logprobs.append(logprob)
            row.over = stop or len(row.ids) == sampling.max_new_tokens or self._holds(row.ids, sampling.stop)

    def _holds(self, ids: list[int], texts: tuple[str, ...]) -> bool:
        """Whether the last token completed one of the texts. A token is a byte at least: a look at the end will do."""
        if not texts:
            return False
        if self._decode is None:
            raise ValueError("stop texts need TransformersEngine(decode=...)")
        end = self._decode(ids[-max(len(text.encode()) for text in texts) - 1 :])
        return any(text in end for text in texts)


def _now(follow: Follow, said: Sequence[tuple[Request, Sample]]) -> Future[Sequence[Request]]:
    """What follows, asked for here and now; nothing where nothing was said."""
    asked: Future[Sequence[Request]] = Future()
    asked.set_result(follow(said) if said else [])
    return asked


def alike(lengths: Sequence[int]) -> list[list[int]]:
    """Rows in groups of similar length, longest first: each padded to its longest wastes at most `PADDING` tokens."""
    groups: list[list[int]] = []
    waste = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        waste += lengths[groups[-1][0]] - lengths[i] if groups else 0
        if not groups or waste > PADDING:
            groups.append([])
            waste = 0
        groups[-1].append(i)
    return groups


def cast_weights(model: Any, dtype: torch.dtype) -> None:
    """Cast parameters and leave buffers alone: rotary frequencies rounded to bfloat16 would be another model."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def sampling_dtype(device: Any) -> torch.dtype:
    """bfloat16 where the processor multiplies it, else float32."""
    if getattr(device, "type", str(device)) == "cuda":
        return torch.bfloat16
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32
