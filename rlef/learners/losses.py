"""PPO's losses as pure functions. Masked entries may hold anything, NaN included: they are filled before arithmetic.

Source of all: RLEF (arXiv 2410.02089) appendix A.1.
"""

from __future__ import annotations

import torch


def policy_loss(
    logprobs: torch.Tensor,
    old: torch.Tensor,
    behaviour: torch.Tensor,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    clip: float = 0.2,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Sum over tokens of -min(r A, clip(r, 1 - clip, 1 + clip) A), with r = pi/pi_old * stop_grad(min(pi/pi_b, 1)).

    The second factor is the truncated importance weight of samples from an older policy pi_b; it is 1 where pi_b is
    pi_old and the policy has not moved.

    Args:
        logprobs, old, behaviour: (sequences, tokens) log-probabilities of the sampled tokens.
        advantages: (sequences, tokens), each token with the advantage of its turn.
        mask: (sequences, tokens), true at tokens the policy sampled.

    Returns:
        The sum (divide by the number of tokens of the batch), and sums of `approx_kl`, `clipped` for the metrics.
    """
    shift = (logprobs - old).masked_fill(~mask, 0.0)
    drift = (logprobs - behaviour).detach().masked_fill(~mask, 0.0)
    advantages = advantages.masked_fill(~mask, 0.0)
    ratio = shift.exp() * drift.exp().clamp(max=1.0)
    loss = -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
    with torch.no_grad():
        # Schulman's low-variance estimate of KL(old || new): (r - 1) - log r.
        kl = (shift.exp() - 1 - shift).masked_fill(~mask, 0.0)
        clipped = ((ratio - 1).abs() > clip) & mask
    return loss.masked_fill(~mask, 0.0).sum(), {"approx_kl": kl.sum(), "clipped": clipped.sum().float()}


def value_loss(
    values: torch.Tensor, old: torch.Tensor, returns: torch.Tensor, mask: torch.Tensor, clip: float = 0.2
) -> torch.Tensor:
    """Sum over turns of 1/2 max((V - R)^2, (clip(V, V_old - clip, V_old + clip) - R)^2); all (sequences, turns)."""
    values = values.masked_fill(~mask, 0.0)
    old, returns = old.masked_fill(~mask, 0.0), returns.masked_fill(~mask, 0.0)
    near = torch.clamp(values, old - clip, old + clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (near - returns) ** 2).masked_fill(~mask, 0.0).sum()


def mean_log_ratio(logprobs: torch.Tensor, reference: torch.Tensor, turn_ids: torch.Tensor, turns: int) -> torch.Tensor:
    """Log of the geometric mean of pi/rho over each response: (1/|a_t|) sum_j log(pi/rho), shape (sequences, turns).

    RLEF takes the geometric mean where a product would favour short responses.

    Args:
        logprobs, reference: (sequences, tokens).
        turn_ids: (sequences, tokens), index of the turn that sampled the token, -1 for all other tokens.
        turns: columns of the result; 0 where a sequence has no such turn.
    """
    mask = turn_ids >= 0
    ratio = (logprobs - reference).masked_fill(~mask, 0.0)
    place = turn_ids.clamp(min=0)
    total = torch.zeros((len(ratio), turns), dtype=ratio.dtype).scatter_add_(1, place, ratio)
    count = torch.zeros((len(ratio), turns), dtype=ratio.dtype).scatter_add_(1, place, mask.to(ratio.dtype))
    return total / count.clamp(min=1)


def explained_variance(values: torch.Tensor, returns: torch.Tensor) -> float:
    """1 - Var(R - V) / Var(R) over turns; NaN where the returns do not vary."""
    spread = returns.var(unbiased=False)
    return float(1 - (returns - values).var(unbiased=False) / spread) if spread > 0 else float("nan")
