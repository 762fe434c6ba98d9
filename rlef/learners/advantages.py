"""Returns and advantages: pure functions of (episodes, steps) tensors with an explicit mask.

A step is what has one value: a turn (RLEF, arXiv 2410.02089, section 2.2: token-level policy, turn-level value) or a
sampled token. Returns skip what is masked, so that on a grid of tokens a return passes over feedback and padding. The
mask says which entries exist; the others may hold anything, NaN included, and come back as 0.
"""

from __future__ import annotations

import torch


def lambda_returns(
    rewards: torch.Tensor,
    mask: torch.Tensor,
    gamma: float = 1.0,
    bootstrap: torch.Tensor | None = None,
    values: torch.Tensor | None = None,
    gae_lambda: float = 1.0,
) -> torch.Tensor:
    """Return of each step: G_t = r_t + gamma ((1 - lambda) V_{t+1} + lambda G_{t+1}); G after the last is `bootstrap`.

    With lambda = 1 it is the return-to-go R_t = sum_{i >= t} gamma^(i-t) r_i (RLEF, appendix A.1), with another lambda
    G_t - V_t is the generalised advantage estimate sum_l (gamma lambda)^l delta_{t+l}, where delta_t = r_t +
    gamma V_{t+1} - V_t (Schulman et al., arXiv 1506.02438, equation 16). Steps may be turns or sampled tokens.

    Discounted turn credit (Kevin, arXiv 2507.11948) is gamma = 0.4 over turns. Credit for the own attempt only (FC-SWE)
    is gamma = 0.

    Args:
        rewards: (episodes, steps), the reward of each step with its KL term.
        mask: (episodes, steps), true where the episode has that step; gaps are passed over.
        gamma: discount per step (RLEF: 1).
        bootstrap: (episodes,), value of what follows the last step of a truncated episode; 0 for a terminated one.
        values: (episodes, steps), V of each step; needed where lambda is not 1.
        gae_lambda: how far rewards count before the value takes their place (RLEF: 1).

    Returns:
        (episodes, steps); 0 where there is no step.
    """
    _check(rewards, mask)
    if values is None and gae_lambda != 1:
        raise ValueError("gae_lambda below 1 needs values")
    rewards = rewards.masked_fill(~mask, 0.0)
    following = torch.zeros(len(rewards), dtype=rewards.dtype) if bootstrap is None else bootstrap.clone()
    value = following
    returns = torch.zeros_like(rewards)
    for step in reversed(range(rewards.shape[1])):
        present = mask[:, step]
        ahead = following if values is None else (1 - gae_lambda) * value + gae_lambda * following
        following = torch.where(present, rewards[:, step] + gamma * ahead, following)
        if values is not None:
            value = torch.where(present, values[:, step], value)
        returns[:, step] = following.masked_fill(~present, 0.0)
    return returns


def value_advantages(returns: torch.Tensor, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """A_t = G_t - V(c_t), (episodes, steps); 0 where there is no step. Source: RLEF section 2.2."""
    _check(returns, mask)
    _check(values, mask)
    return (returns - values.masked_fill(~mask, 0.0)).masked_fill(~mask, 0.0)


def leave_one_out(
    returns: torch.Tensor, mask: torch.Tensor, groups: torch.Tensor, pooled: bool = False
) -> torch.Tensor:
    """A_t = R_t - mean of R over its peers without itself; 0 where it has none.

    RLOO (Ahmadian et al. 2024, arXiv 2402.14740, equation 8): A_i = R_i - 1/(k - 1) sum_{j != i} R_j. The baseline that
    needs no critic: the other samples of the same task.

    Args:
        returns: (episodes, turns).
        mask: (episodes, turns), true where the episode has that turn.
        groups: (episodes,), number of the episode's task in the batch, from 0.
        pooled: the peers of a turn are all turns of the group (FC-SWE: one group over all attempts at a problem, those
            of its own episode included); else turn t of the group's other episodes.
    """
    total, count = _sums(returns, mask, groups, pooled)
    filled, others = returns.masked_fill(~mask, 0.0), count - 1
    baseline = (total - filled) / others.clamp(min=1)
    return (filled - baseline).masked_fill(~mask | (others < 1), 0.0)


def group_relative(
    returns: torch.Tensor,
    mask: torch.Tensor,
    groups: torch.Tensor,
    pooled: bool = False,
    scale: bool = True,
    epsilon: float = 1e-6,
) -> torch.Tensor:
    """A_t = (R_t - mean R) / std R over its peers, itself included; 0 where the peers are all equal, or it has none.

    GRPO (Shao et al. 2024, arXiv 2402.03300): A_i = (R_i - mean(R)) / std(R). Without `scale` it is Dr.
    GRPO (Liu et al. 2025, arXiv 2503.20783): A_i = R_i - mean(R), which does not favour tasks of little spread. With
    `pooled`, over all turns of all samples of a task, it is the normalisation of Kevin (arXiv 2507.11948).

    Args:
        returns, mask, groups, pooled: as in `leave_one_out`.
        scale: divide by the peers' sample standard deviation, plus `epsilon`.
    """
    exact = returns.double()  # a mean of equal returns is that return then, and no rounding error is scaled up
    total, count = _sums(exact, mask, groups, pooled)
    apart = (exact - total / count.clamp(min=1)).masked_fill(~mask | (count < 2), 0.0)
    if scale:
        squares, _ = _sums(apart**2, mask, groups, pooled)
        apart = apart / ((squares / (count - 1).clamp(min=1)).sqrt() + epsilon)
    return apart.to(returns.dtype)


def normalise(advantages: torch.Tensor, mask: torch.Tensor, centre: bool = True, epsilon: float = 1e-6) -> torch.Tensor:
    """Advantages with mean 0 and standard deviation 1 over the steps of the batch; 0 where there is no step.

    All-equal advantages (or a single one) become 0: there is nothing to learn from them. Without `centre` they are
    only scaled, so that an advantage of 0 stays 0.
    """
    _check(advantages, mask)
    chosen = advantages[mask]
    if len(chosen) < 2 or not (chosen != chosen[0]).any():
        return torch.zeros_like(advantages)
    moved = advantages - chosen.mean() if centre else advantages
    return (moved / (chosen.std() + epsilon)).masked_fill(~mask, 0.0)


def _sums(
    numbers: torch.Tensor, mask: torch.Tensor, groups: torch.Tensor, pooled: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum and count over the peers of every entry, both (episodes, turns)."""
    _check(numbers, mask)
    filled = numbers.masked_fill(~mask, 0.0)
    shape = (int(groups.max()) + 1, numbers.shape[1])
    total = torch.zeros(shape, dtype=filled.dtype).index_add_(0, groups, filled)
    count = torch.zeros(shape, dtype=filled.dtype).index_add_(0, groups, mask.to(filled.dtype))
    if pooled:
        total, count = (part.sum(1, keepdim=True).expand(shape) for part in (total, count))
    return total[groups], count[groups]


def _check(tensor: torch.Tensor, mask: torch.Tensor) -> None:
    if mask.dtype != torch.bool or tensor.shape != mask.shape or mask.dim() != 2:
        raise ValueError(f"expected (episodes, steps) and a boolean mask like it, got {tensor.shape} and {mask.shape}")
