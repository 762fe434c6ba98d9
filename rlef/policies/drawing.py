"""How tokens are drawn from logits: which may be (top-k, nucleus, min-p), and which one is, as pure functions.

The order is that of transformers' own logits processors: each filter sees what the one before left, renewed to sum to
1. Then one random number per token is enough: the token is where it falls in the cumulative distribution. Sources:
top-k, Fan et al. 2018 (arXiv 1805.04833); nucleus, Holtzman et al. 2019 (arXiv 1904.09751); min-p, Nguyen et al. 2024
(arXiv 2407.01082).
"""

from __future__ import annotations

import math

import torch

BLOCK = 256
"""Entries of the vocabulary that are summed before any is looked at."""


def draw(
    logits: torch.Tensor, uniforms: torch.Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0,
    min_p: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """(rows,) tokens and their log-probabilities, 0 at temperature 0, which takes the likeliest.

    Args:
        logits: (rows, vocabulary), float32; overwritten.
        uniforms: (rows,), each in [0, 1).
    """
    if temperature == 0:
        tokens = logits.argmax(-1)
        return tokens, torch.zeros(len(tokens))
    if temperature != 1:
        logits /= temperature
    names = None
    if top_k > 0 or top_p < 1 or min_p > 0:
        logits, names = restrict(torch.log_softmax(logits, -1), top_k, top_p, min_p)
    logits -= logits.amax(-1, keepdim=True)
    places, total = inverse_of_cumulative(logits.exp(), uniforms)
    logprobs = logits.gather(-1, places[:, None])[:, 0] - total.log()
    return (places if names is None else names.gather(-1, places[:, None])[:, 0]), logprobs


def inverse_of_cumulative(mass: torch.Tensor, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows,) entries that the shares (rows,) of each row's mass (rows, entries) fall into, and (rows,) total masses.

    Sums over blocks lead to one block, and only that is added up entry by entry.
    """
    if over := mass.shape[-1] % BLOCK:
        mass = torch.nn.functional.pad(mass, (0, BLOCK - over))
    blocks = mass.view(len(mass), -1, BLOCK)
    sums = blocks.sum(-1)
    edges = sums.cumsum(-1)
    target = _below(shares[:, None] * edges[:, -1:], edges[:, -1:])
    block = torch.searchsorted(edges, target, right=True)
    rest = target - torch.nn.functional.pad(edges, (1, 0)).gather(-1, block)
    inside = blocks[torch.arange(len(mass), device=mass.device), block[:, 0]].cumsum(-1)
    entry = torch.searchsorted(inside, _below(rest, inside[:, -1:]), right=True)
    return (block * BLOCK + entry)[:, 0], sums.sum(-1)  # which rounds less than the last of the edges


def _below(target: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """Rounding may reach the total, behind which there is nothing."""
    return torch.minimum(target, torch.nextafter(total, torch.zeros_like(total)))


def restrict(
    logprobs: torch.Tensor, top_k: int, top_p: float, min_p: float
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Top-k, then top-p, then min-p, each renewing the probabilities; (rows, k) and the ids of the tokens kept.

    The ids are None where all tokens are still in their places.
    """
    names = None
    if 0 < top_k < logprobs.shape[-1]:
        ordered, names = logprobs.topk(top_k, -1)
        logprobs = torch.log_softmax(ordered, -1)
    if top_p < 1:
        logprobs, places = nucleus(logprobs, top_p)
        names = places if names is None else names.gather(-1, places)
    if min_p > 0:
        floor = logprobs.amax(-1, keepdim=True) + math.log(min_p)
        logprobs = torch.log_softmax(logprobs.masked_fill(logprobs < floor, -torch.inf), -1)
    return logprobs, names


def nucleus(logprobs: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The smallest sets of tokens with mass `top_p`, likeliest first: (log-probabilities renewed, token ids).

    Both are (rows, k), -inf where a row's set is smaller. Sorting the vocabulary at every step would cost more than the
    model does, so k grows until it is enough.
    """
    k = 32
    while True:
        k = min(k, logprobs.shape[-1])
        ordered, names = logprobs.topk(k, -1)
        mass = ordered.exp().cumsum(-1)
        if k == logprobs.shape[-1] or bool((mass[:, -1] >= top_p).all()):
            break
        k *= 4
    ordered = ordered.masked_fill(mass - ordered.exp() >= top_p, -torch.inf)
    return torch.log_softmax(ordered, -1), names
