"""Which tokens may be drawn: top-k, nucleus and min-p on log-probabilities, as pure functions.

The order is that of transformers' own logits processors: each filter sees what the one before left, renewed to sum to
1. Sources: top-k, Fan et al. 2018 (arXiv 1805.04833); nucleus, Holtzman et al. 2019 (arXiv 1904.09751); min-p, Nguyen
et al. 2024 (arXiv 2407.01082).
"""

from __future__ import annotations

import math

import torch


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
