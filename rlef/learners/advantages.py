"""Returns and advantages per turn: pure functions of (episodes, turns) tensors with an explicit mask.

A turn is one response. The value of a turn is read at the last prompt token before the response, so all tokens of a
response share one advantage (RLEF, arXiv 2410.02089, section 2.2: token-level policy, turn-level value).
"""

from __future__ import annotations

import torch


def turn_returns(
    rewards: torch.Tensor, mask: torch.Tensor, gamma: float = 1.0, bootstrap: torch.Tensor | None = None
) -> torch.Tensor:
    """Return-to-go of each turn: R_t = sum_{i >= t} gamma^(i-t) r_i, plus gamma^(T-t) times `bootstrap`.

    Args:
        rewards: (episodes, turns), the reward of each turn with its KL term.
        mask: (episodes, turns), true where the episode has that turn; true values come first in a row.
        gamma: discount per turn (RLEF: 1).
        bootstrap: (episodes,), value of what follows the last turn of a truncated episode; 0 for a terminated one.

    Returns:
        (episodes, turns); 0 where there is no turn.

    Source: RLEF appendix A.1.
    """
    _check(rewards, mask)
    rewards = rewards.masked_fill(~mask, 0.0)
    following = torch.zeros(len(rewards)) if bootstrap is None else bootstrap.clone()
    returns = torch.zeros_like(rewards)
    for turn in reversed(range(rewards.shape[1])):
        present = mask[:, turn]
        following = torch.where(present, rewards[:, turn] + gamma * following, following)
        returns[:, turn] = following.masked_fill(~present, 0.0)
    return returns


def turn_advantages(returns: torch.Tensor, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """A_t = R_t - V(c_t), (episodes, turns); 0 where there is no turn. Source: RLEF section 2.2."""
    _check(returns, mask)
    _check(values, mask)
    return (returns - values.masked_fill(~mask, 0.0)).masked_fill(~mask, 0.0)


def leave_one_out(returns: torch.Tensor, mask: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """A_t = R_t - mean of R_t over the other episodes of the group that have turn t; 0 where there is no other.

    The baseline that needs no critic: the other samples of the same task (Ahmadian et al. 2024, arXiv 2402.14740,
    equation 8), taken per turn.

    Args:
        returns: (episodes, turns).
        mask: (episodes, turns), true where the episode has that turn.
        groups: (episodes,), number of the episode's task in the batch, from 0.
    """
    _check(returns, mask)
    filled = returns.masked_fill(~mask, 0.0)
    shape = (int(groups.max()) + 1, returns.shape[1])
    total = torch.zeros(shape, dtype=filled.dtype).index_add_(0, groups, filled)[groups]
    others = torch.zeros(shape, dtype=filled.dtype).index_add_(0, groups, mask.to(filled.dtype))[groups] - 1
    baseline = (total - filled) / others.clamp(min=1)
    return (filled - baseline).masked_fill(~mask | (others < 1), 0.0)


def normalise(advantages: torch.Tensor, mask: torch.Tensor, centre: bool = True, epsilon: float = 1e-6) -> torch.Tensor:
    """Advantages with mean 0 and standard deviation 1 over the turns of the batch; 0 where there is no turn.

    All-equal advantages (or a single one) become 0: there is nothing to learn from them. Without `centre` they are
    only scaled, so that an advantage of 0 stays 0.
    """
    _check(advantages, mask)
    chosen = advantages[mask]
    if len(chosen) < 2 or not (chosen != chosen[0]).any():
        return torch.zeros_like(advantages)
    moved = advantages - chosen.mean() if centre else advantages
    return (moved / (chosen.std() + epsilon)).masked_fill(~mask, 0.0)


def _check(tensor: torch.Tensor, mask: torch.Tensor) -> None:
    if mask.dtype != torch.bool or tensor.shape != mask.shape or mask.dim() != 2:
        raise ValueError(f"expected (episodes, turns) and a boolean mask like it, got {tensor.shape} and {mask.shape}")
