"""Policy and value losses as pure functions. Masked entries may hold anything, NaN included: they are filled before
arithmetic.

A policy loss is returned per token, (sequences, tokens) with 0 at tokens the policy did not sample; `average` says how
much each counts. Each is to be minimised, and comes with sums of `approx_kl` and `clipped` for the metrics.
"""

from __future__ import annotations

import torch

Facts = dict[str, torch.Tensor]


def importance_weight(logprobs: torch.Tensor, behaviour: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """stop_grad(min(pi / pi_b, 1)) per token: less weight for what an older policy pi_b was likelier to say.

    Truncated, as an untruncated weight has a variance without bound. Source: RLEF (arXiv 2410.02089) appendix A.1.
    """
    return (logprobs - behaviour).detach().masked_fill(~mask, 0.0).exp().clamp(max=1.0)


def policy_loss(
    logprobs: torch.Tensor,
    old: torch.Tensor,
    behaviour: torch.Tensor,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    clip: float = 0.2,
    clip_high: float | None = None,
) -> tuple[torch.Tensor, Facts]:
    """-min(r A, clip(r, 1 - clip, 1 + clip_high) A) per token, with r = pi/pi_old * stop_grad(min(pi/pi_b, 1)).

    The second factor is 1 where pi_b is pi_old and the policy has not moved. Source: RLEF, appendix A.1; with a wider
    upper clip it is the clip-higher of DAPO (arXiv 2503.14476; there 0.2 and 0.28).

    Args:
        logprobs, old, behaviour: (sequences, tokens) log-probabilities of the sampled tokens.
        advantages: (sequences, tokens), each token with the advantage of its turn.
        mask: (sequences, tokens), true at tokens the policy sampled.
        clip, clip_high: how far r may be below and above 1; `clip_high` is `clip` when None.
    """
    shift = (logprobs - old).masked_fill(~mask, 0.0)
    ratio = shift.exp() * importance_weight(logprobs, behaviour, mask)
    return _clipped(ratio, advantages, mask, clip, clip_high), _facts(shift, ratio, mask, clip, clip_high)


def sequence_policy_loss(
    logprobs: torch.Tensor,
    old: torch.Tensor,
    advantages: torch.Tensor,
    turn_ids: torch.Tensor,
    clip: float = 3e-4,
    clip_high: float | None = 4e-4,
) -> tuple[torch.Tensor, Facts]:
    """-min(s A, clip(s, 1 - clip, 1 + clip_high) A) per token, with one ratio per response.

    s_t = (pi(a_t)/pi_old(a_t))^(1/|a_t|), the geometric mean of the response's token ratios, and token j has
    s_t,j = stop_grad(s_t) pi_j/stop_grad(pi_j): the value of s_t, and of its gradient the token's own share. Averaged
    over each response it is GSPO (Zheng et al. 2025, arXiv 2507.18071, the per-token form), taken per turn.

    Args:
        logprobs, old, advantages: (sequences, tokens).
        turn_ids: (sequences, tokens), the turn that sampled the token, -1 for all other tokens.
    """
    mask = turn_ids >= 0
    shift = (logprobs - old).masked_fill(~mask, 0.0)
    place = turn_ids.clamp(min=0)
    mean = mean_log_ratio(logprobs.detach(), old, turn_ids, int(place.max()) + 1).gather(1, place)
    ratio = mean.exp() * (shift - shift.detach()).exp()
    return _clipped(ratio, advantages, mask, clip, clip_high), _facts(shift, ratio, mask, clip, clip_high)


def clipped_weight_loss(
    logprobs: torch.Tensor,
    old: torch.Tensor,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    clip: float = 0.2,
    clip_high: float | None = None,
) -> tuple[torch.Tensor, Facts]:
    """-stop_grad(clip(r, 1 - clip, 1 + clip_high)) A log pi per token, with r = pi/pi_old: no token loses its gradient.

    CISPO (MiniMax-M1, arXiv 2506.13585), where `clip` is so large that it bounds nothing below.
    """
    shift = (logprobs - old).masked_fill(~mask, 0.0)
    ratio = shift.detach().exp()
    weight = ratio.clamp(1 - clip, 1 + _upper(clip, clip_high))
    loss = -weight * advantages.masked_fill(~mask, 0.0) * logprobs.masked_fill(~mask, 0.0)
    return loss, _facts(shift, ratio, mask, clip, clip_high)


def average(losses: torch.Tensor, turn_ids: torch.Tensor, over: str) -> torch.Tensor:
    """Sum over the losses of tokens, each with the weight that `over` gives it; divide by the number of units.

    "token": every token counts the same, units are tokens (RLEF; DAPO). "answer": every response counts the same, its
    tokens 1/|a_t| each, units are responses (GRPO, GSPO). "constant": as "token", but units are responses times their
    longest length, so that the weight of a token does not depend on what else was sampled (Dr. GRPO).

    Args:
        losses: (sequences, tokens), 0 where no token was sampled.
        turn_ids: (sequences, tokens), the turn that sampled the token, -1 for all other tokens.
    """
    if over == "answer":
        place = turn_ids.clamp(min=0)
        losses = losses / _lengths(turn_ids, int(place.max()) + 1).gather(1, place).clamp(min=1)
    return losses.sum()


def value_loss(
    values: torch.Tensor, old: torch.Tensor, returns: torch.Tensor, mask: torch.Tensor, clip: float = 0.2
) -> torch.Tensor:
    """Sum over steps of 1/2 max((V - R)^2, (clip(V, V_old - clip, V_old + clip) - R)^2); all (sequences, steps).

    Source: RLEF, appendix A.1.
    """
    values = values.masked_fill(~mask, 0.0)
    old, returns = old.masked_fill(~mask, 0.0), returns.masked_fill(~mask, 0.0)
    near = torch.clamp(values, old - clip, old + clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (near - returns) ** 2).masked_fill(~mask, 0.0).sum()


def mean_log_ratio(logprobs: torch.Tensor, reference: torch.Tensor, turn_ids: torch.Tensor, turns: int) -> torch.Tensor:
    """Log of the geometric mean of pi/rho over each response: (1/|a_t|) sum_j log(pi/rho), shape (sequences, turns).

    RLEF takes the geometric mean where a product would favour short responses (section 2.2).

    Args:
        logprobs, reference: (sequences, tokens).
        turn_ids: (sequences, tokens), index of the turn that sampled the token, -1 for all other tokens.
        turns: columns of the result; 0 where a sequence has no such turn.
    """
    ratio = (logprobs - reference).masked_fill(turn_ids < 0, 0.0)
    total = torch.zeros((len(ratio), turns), dtype=ratio.dtype).scatter_add_(1, turn_ids.clamp(min=0), ratio)
    return total / _lengths(turn_ids, turns).to(ratio.dtype).clamp(min=1)


def explained_variance(values: torch.Tensor, returns: torch.Tensor) -> float:
    """1 - Var(R - V) / Var(R) over turns; NaN where the returns do not vary."""
    spread = returns.var(unbiased=False)
    return float(1 - (returns - values).var(unbiased=False) / spread) if spread > 0 else float("nan")


def _lengths(turn_ids: torch.Tensor, turns: int) -> torch.Tensor:
    """(sequences, turns): sampled tokens of each turn."""
    sampled = (turn_ids >= 0).float()
    return torch.zeros((len(turn_ids), turns)).scatter_add_(1, turn_ids.clamp(min=0), sampled)


def _upper(clip: float, clip_high: float | None) -> float:
    return clip if clip_high is None else clip_high


def _clipped(
    ratio: torch.Tensor, advantages: torch.Tensor, mask: torch.Tensor, clip: float, clip_high: float | None
) -> torch.Tensor:
    advantages = advantages.masked_fill(~mask, 0.0)
    near = ratio.clamp(1 - clip, 1 + _upper(clip, clip_high))
    return -torch.minimum(ratio * advantages, near * advantages).masked_fill(~mask, 0.0)


@torch.no_grad()
def _facts(shift: torch.Tensor, ratio: torch.Tensor, mask: torch.Tensor, clip: float, clip_high: float | None) -> Facts:
    # Schulman's low-variance estimate of KL(old || new): (x - 1) - log x with x = pi/pi_old.
    kl = (shift.exp() - 1 - shift).masked_fill(~mask, 0.0)
    clipped = ((1 - ratio > clip) | (ratio - 1 > _upper(clip, clip_high))) & mask
    return {"approx_kl": kl.sum(), "clipped": clipped.sum().float()}
