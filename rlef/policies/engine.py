"""Samples responses from a Hugging Face causal language model, in batches, with exact log-probabilities.

`generate` of transformers grows its cache by copying it at every step, samples with one random number per entry of the
vocabulary and keeps finished rows to the end. Here the cache is taken once, a prompt that several rows share is
computed once and with others of its length, finished rows leave the batch, the keys and values of a dialogue are kept
for its next turn, and one random number per token is enough (inverse of the cumulative distribution). Each response has
its own seed, so it does not depend on what else is in the batch, up to the rounding of the machine's matrix products.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from rlef.policies.cache import KeyValues
from rlef.policies.lora import merge, merged_weights
from rlef.policies.truncation import restrict

COMPACT_BELOW = 0.75
"""Finished rows leave when fewer than this share of the batch is still running."""

PADDING = 256
"""Tokens that a batch of prompts may be padded with, before computing another batch is cheaper."""


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn."""

    temperature: float = 1.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    """Smallest set of tokens with at least this probability is drawn from."""
    max_new_tokens: int = 96
    top_k: int = 0
    """Only so many of the likeliest tokens are drawn from; all when 0. Applied before top-p."""
    min_p: float = 0.0
    """Only tokens with this share of the likeliest one's probability are drawn from. Applied after top-p."""
    stop: tuple[str, ...] = ()
    """A response ends as soon as it holds one of these texts. The tokens that complete it are kept."""


@dataclass(frozen=True)
class Request:
    """A prompt to continue. `key` names the dialogue, so that its earlier turns need not be computed again."""

    key: tuple[int, ...]
    ids: Sequence[int]
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """A response: ids as sampled (with the stop token if one was drawn) and their log-probabilities."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Under the distribution that was drawn from (temperature, top-k, top-p and min-p applied)."""
    value: float | None
    """The critic at the last prompt token; None without a critic."""


Critic = Callable[[torch.Tensor], torch.Tensor]
"""(rows, hidden) -> (rows,): reads a value from hidden states."""


@dataclass
class _Row:
    """A response under way."""

    index: int
    uniforms: np.ndarray
    position: int
    ids: list[int]
    logprobs: list[float]


class TransformersEngine:
    """Samples from a copy of a model in the sampling precision; `load` brings new weights from the learner.

    Adapters in the model are merged into the weights of the copy.
    `decode` is needed for stop texts only.
    """

    def __init__(
        self, model: Any, stop_ids: frozenset[int], dtype: torch.dtype | None = None, batch: int = 128,
        decode: Callable[[Sequence[int]], str] | None = None,
    ) -> None:  # fmt: skip
        self._model = copy.deepcopy(model)
        merge(self._model)
        self._model.eval().requires_grad_(False)
        self._model.set_attn_implementation("sdpa")
        cast_weights(self._model, dtype or sampling_dtype(self._model.device))
        config = self._model.config.get_text_config()
        self._stop = torch.zeros(config.vocab_size, dtype=torch.bool)
        self._stop[[token for token in stop_ids if token < len(self._stop)]] = True
        heads = config.num_attention_heads
        dimension = getattr(config, "head_dim", None) or config.hidden_size // heads
        self._shape = (config.num_hidden_layers, getattr(config, "num_key_value_heads", None) or heads, dimension)
        self._batch, self._decode = batch, decode
        body = inspect.signature(self._model.base_model.forward).parameters
        self._cache_name = "cache" if "cache" in body else "past_key_values"
        self._kept: dict[tuple[int, ...], tuple[KeyValues, list[int]]] = {}
        self.critic: Critic | None = None

    def load(self, model: nn.Module) -> None:
        """Take over the weights of `model`, which has the same architecture."""
        self._kept.clear()
        with torch.no_grad():
            for ours, theirs in zip(self._model.parameters(), merged_weights(model), strict=True):
                ours.copy_(theirs)

    def forget(self) -> None:
        """Let go what was kept for next turns."""
        self._kept.clear()

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Sample]:
        """One sample per request, in order. Dialogues that are not asked for any more are forgotten."""
        wanted = {request.key for request in requests}
        self._kept = {key: kept for key, kept in self._kept.items() if key in wanted}
        samples: list[Sample | None] = [None] * len(requests)
        by_length = sorted(range(len(requests)), key=lambda i: len(requests[i].ids))
        for start in range(0, len(by_length), self._batch):
            chunk = by_length[start : start + self._batch]
            for i, sample in zip(chunk, self._run([requests[i] for i in chunk], sampling), strict=True):
                samples[i] = sample
        return [sample for sample in samples if sample is not None]

    def _run(self, requests: Sequence[Request], sampling: Sampling) -> list[Sample]:
        store, hidden = self._prefill(requests, sampling.max_new_tokens)
        values = self.critic(hidden).float().tolist() if self.critic else [None] * len(requests)
        rows = [
            _Row(i, np.random.Generator(np.random.Philox(request.seed)).random(sampling.max_new_tokens),
                 len(request.ids), [], [])
            for i, request in enumerate(requests)
        ]  # fmt: skip
        running = list(rows)
        places = list(range(len(rows)))  # where each running row is in the store
        while True:
            tokens, logprobs = self._draw(hidden, running, sampling)
            stopped = self._stop[tokens].tolist()
            for row, token, logprob in zip(running, tokens.tolist(), logprobs.tolist(), strict=True):
                row.ids.append(token)
                row.logprobs.append(logprob)
            if sampling.stop:
                stopped = [
                    done or self._holds(row.ids, sampling.stop) for done, row in zip(stopped, running, strict=True)
                ]
            alive = [
                i for i, row in enumerate(running)
                if not stopped[i] and len(row.ids) < sampling.max_new_tokens
            ]  # fmt: skip
            for i in set(range(len(running))) - set(alive):
                request = requests[running[i].index]
                seen = [*request.ids, *running[i].ids[:-1]]
                # A copy of the row alone: a reference would keep the whole store of its batch in memory.
                self._kept[request.key] = (KeyValues.gather([(store, places[i])], len(seen)), seen)
            if not alive:
                break
            running, places, tokens = [running[i] for i in alive], [places[i] for i in alive], tokens[alive]
            if len(running) < COMPACT_BELOW * len(store.mask):
                store = store.pick(places, store.capacity)
                places = list(range(len(running)))
            hidden = self._step(store, running, places, tokens)
        return [Sample(tuple(row.ids), tuple(row.logprobs), values[row.index]) for row in rows]

    def _holds(self, ids: list[int], texts: tuple[str, ...]) -> bool:
        """Whether the last token completed one of the texts. A token is a byte at least: a look at the end will do."""
        if self._decode is None:
            raise ValueError("stop texts need TransformersEngine(decode=...)")
        end = self._decode(ids[-max(len(text.encode()) for text in texts) - 1 :])
        return any(text in end for text in texts)

    def _prefill(self, requests: Sequence[Request], room: int) -> tuple[KeyValues, torch.Tensor]:
        """Keys and values of all prompts, and the hidden state at the end of each: (rows, hidden)."""
        nothing = KeyValues(self._shape, 1, 0, self._model.dtype, self._model.device)
        parts: list[tuple[KeyValues, list[int], int]] = []  # what is known, tokens to come, how many came before
        shared: dict[tuple[int, ...], int] = {}  # a prompt that several rows begin with is computed once
        spread = []
        for request in requests:
            ids = list(request.ids)
            known, seen = self._kept.pop(request.key, (nothing, []))
            if not seen or ids[: len(seen)] != seen or len(seen) == len(ids):
                known, seen = nothing, []
            place = len(parts) if seen else shared.setdefault(tuple(ids), len(parts))
            if place == len(parts):
                parts.append((known, ids[len(seen) :], len(seen)))
            spread.append(place)
        hidden: dict[int, torch.Tensor] = {}
        places: dict[int, tuple[KeyValues, int]] = {}
        for group in alike([len(new) for _, new, _ in parts]):
            stores, new, starts = zip(*(parts[i] for i in group), strict=True)
            store = KeyValues.gather([(one, 0) for one in stores], max(starts) + max(map(len, new)))
            hidden |= zip(group, self._append(store, new, starts), strict=True)
            places |= {i: (store, row) for row, i in enumerate(group)}
        store = KeyValues.gather([places[i] for i in spread], max(len(request.ids) for request in requests) + room)
        return store, torch.stack([hidden[i] for i in spread])

    def _append(self, store: KeyValues, new: Sequence[list[int]], starts: Sequence[int]) -> torch.Tensor:
        """Run new tokens of every row, right-aligned; the hidden state of the last one: (rows, hidden)."""
        width = max(map(len, new))
        ids = torch.zeros((len(new), width), dtype=torch.long)
        mask = torch.zeros((len(new), width), dtype=torch.bool)
        positions = torch.zeros((len(new), width), dtype=torch.long)
        for i, (tokens, start) in enumerate(zip(new, starts, strict=True)):
            ids[i, width - len(tokens) :] = torch.tensor(tokens)
            mask[i, width - len(tokens) :] = True
            positions[i, width - len(tokens) :] = torch.arange(start, start + len(tokens))
        return self._forward(store, ids, mask, positions)

    def _step(self, store: KeyValues, running: list[_Row], places: list[int], tokens: torch.Tensor) -> torch.Tensor:
        rows = len(store.mask)
        ids = torch.zeros((rows, 1), dtype=torch.long)
        mask = torch.zeros((rows, 1), dtype=torch.bool)
        positions = torch.zeros((rows, 1), dtype=torch.long)
        ids[places, 0], mask[places, 0] = tokens.cpu(), True
        positions[places, 0] = torch.tensor([row.position + len(row.ids) - 1 for row in running])
        hidden = self._forward(store, ids, mask, positions)
        return hidden if len(places) == rows else hidden[places]

    def _forward(
        self, store: KeyValues, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        device = self._model.device
        attention = store.write(mask.to(device))
        output = self._model.base_model(
            input_ids=ids.to(device), attention_mask=attention, position_ids=positions.to(device), use_cache=True,
            **{self._cache_name: store.as_cache()},
        )  # fmt: skip
        store.length += ids.shape[1]
        last: torch.Tensor = output.last_hidden_state[:, -1]
        return last

    def _draw(self, hidden: torch.Tensor, running: list[_Row], sampling: Sampling) -> tuple[torch.Tensor, torch.Tensor]:
        """(rows,) tokens and their log-probabilities."""
        logits = self._model.get_output_embeddings()(hidden).float()
        if sampling.temperature == 0:
            tokens = logits.argmax(-1)
            return tokens.cpu(), torch.zeros(len(tokens))
        logprobs = torch.log_softmax(logits if sampling.temperature == 1 else logits / sampling.temperature, -1)
        logprobs, names = restrict(logprobs, sampling.top_k, sampling.top_p, sampling.min_p)
        uniforms = torch.tensor(
            [row.uniforms[len(row.ids)] for row in running], dtype=torch.float32, device=logits.device
        )
        cumulative = logprobs.exp().cumsum_(-1)
        # Always below the row's total, which rounding leaves just off one, so a token with mass is drawn.
        total = cumulative[:, -1:]
        target = torch.minimum(uniforms[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
        tokens = torch.searchsorted(cumulative, target, right=True)
        chosen = logprobs.gather(-1, tokens)[:, 0]
        return (tokens if names is None else names.gather(-1, tokens))[:, 0].cpu(), chosen.cpu()


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
