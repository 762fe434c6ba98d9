"""Credit assignment: from the rewards of episodes to the advantage of every sampled token.

`assign` chooses among the kernels of `advantages.py` as `PPOConfig` says. What it returns lies on a grid of steps:
turns (RLEF, arXiv 2410.02089), or sampled tokens where the critic values those (RLEF's ablation, section 3.4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from rlef.episode import Episode, Turn
from rlef.learners.advantages import group_relative, lambda_returns, leave_one_out, normalise, value_advantages
from rlef.learners.batch import Batch
from rlef.ppo_config import PPOConfig


@dataclass(frozen=True)
class Credit:
    """What is learned from a batch; all (episodes, steps), `steps` true where an episode has that step."""

    advantages: torch.Tensor
    returns: torch.Tensor
    values: torch.Tensor
    """The critic's, from before the update."""
    steps: torch.Tensor
    per_token: bool

    def take(self, rows: Sequence[int]) -> Credit:
        """That of some of the episodes."""
        chosen = list(rows)
        return replace(
            self,
            advantages=self.advantages[chosen],
            returns=self.returns[chosen],
            values=self.values[chosen],
            steps=self.steps[chosen],
        )

    def rows(self, batch: Batch) -> Credit:
        """That of a micro-batch, which is as wide as its longest episode."""
        width, own = (batch.action if self.per_token else batch.turns).shape[1], self.take(batch.index)
        return replace(
            own,
            advantages=own.advantages[:, :width],
            returns=own.returns[:, :width],
            values=own.values[:, :width],
            steps=own.steps[:, :width],
        )

    def of_tokens(self, batch: Batch) -> torch.Tensor:
        """(n, tokens): the advantage of every sampled token of a micro-batch; anything elsewhere."""
        rows = self.rows(batch).advantages
        return rows if self.per_token else rows.gather(1, batch.turn_ids.clamp(min=0))


def reward_of(turn: Turn, config: PPOConfig) -> float:
    """What a turn earns by itself, without the KL term."""
    return float(turn.passed) if config.credit == "attempt" else turn.reward


def with_contrast(episodes: Sequence[Episode], config: PPOConfig) -> list[Episode]:
    """Episodes of tasks whose samples did not all earn the same; the others say nothing about what was better.

    Compared is the reward of episodes; where turns are compared with all turns of the task, the credit of each turn.

    Source: dynamic sampling of DAPO (arXiv 2503.14476), without drawing again.
    """
    earned: dict[str, set[float]] = {}
    for episode in episodes:
        own = [reward_of(turn, config) for turn in episode.turns]
        if config.credit == "return" and config.peers == "turn":
            own = [episode.reward]
        elif config.credit == "return":
            own = [sum(config.gamma**k * reward for k, reward in enumerate(own[start:])) for start in range(len(own))]
        earned.setdefault(episode.task, set()).update(round(reward, 6) for reward in own)
    return [episode for episode in episodes if len(earned[episode.task]) > 1]


def trimmed(episodes: Sequence[Episode], credit: Credit, least: float = 0.01) -> tuple[list[Episode], Credit]:
    """Episodes without their last turns, as far as these have no advantage to speak of: they would teach nothing.

    Those without any turn left are left out. Advantages are those of turns, `least` is in their unit.
    """
    speaks = (~(credit.advantages.abs() < least)).int()  # what is not a number is not silently left out
    ends = torch.where(speaks.any(1), speaks.shape[1] - speaks.flip(1).argmax(1), 0)
    rows = [row for row, end in enumerate(ends.tolist()) if end]
    steps = credit.steps & (torch.arange(credit.steps.shape[1]) < ends[:, None])
    kept = [replace(episodes[row], turns=episodes[row].turns[: int(ends[row])]) for row in rows]
    return kept, replace(credit, steps=steps).take(rows)


def assign(
    episodes: Sequence[Episode], batch: Batch, log_ratio: torch.Tensor, config: PPOConfig,
    values: torch.Tensor | None = None,
) -> Credit:  # fmt: skip
    """Returns and normalised advantages of a whole batch.

    Args:
        batch: of all the episodes, in their order.
        log_ratio: (episodes, turns), mean log-ratio of policy and reference over each response.
        values: (episodes, steps), the critic's; None: those in the record. With `config.value` "token" steps are
            sampled tokens, and the reward of a turn comes with its last token.
    """
    rewards, recorded = torch.zeros(batch.turns.shape), torch.zeros(batch.turns.shape)
    for row, episode in enumerate(episodes):
        for column, turn in enumerate(episode.turns):
            rewards[row, column], recorded[row, column] = reward_of(turn, config), turn.value or 0.0
    rewards, steps = rewards - config.kl * log_ratio, batch.turns
    last = torch.tensor([len(episode.turns) - 1 for episode in episodes])
    values = recorded if values is None else values
    if config.value == "token":
        rewards, steps = at_last_tokens(rewards, batch.turn_ids), batch.action
        last = (steps * torch.arange(steps.shape[1])).amax(1)
    # What follows a truncated episode is unknown: the critic's last word stands in for it.
    cut = torch.tensor([episode.truncated for episode in episodes])
    bootstrap = values.gather(1, last[:, None])[:, 0].masked_fill(~cut, 0.0)
    gamma = 0.0 if config.credit == "attempt" else config.gamma
    if config.baseline == "critic":
        returns = lambda_returns(rewards, steps, gamma, bootstrap, values, config.gae_lambda)
        advantages = value_advantages(returns, values, steps)
    else:
        returns = lambda_returns(rewards, steps, gamma, bootstrap)
        keys = list(dict.fromkeys(episode.task for episode in episodes))
        groups = torch.tensor([keys.index(episode.task) for episode in episodes])
        pooled = config.peers == "task"
        if config.baseline == "leave_one_out":
            advantages = leave_one_out(returns, steps, groups, pooled)
        else:
            advantages = group_relative(returns, steps, groups, pooled, config.scale == "group")
    if config.scale == "batch":
        advantages = normalise(advantages, steps, centre=config.baseline == "critic")
    return Credit(advantages, returns, values, steps, config.value == "token")


def at_last_tokens(rewards: torch.Tensor, turn_ids: torch.Tensor) -> torch.Tensor:
    """(n, turns) -> (n, tokens): the reward of each turn at the last token it sampled, 0 elsewhere."""
    following = torch.nn.functional.pad(turn_ids[:, 1:], (0, 1), value=-1)
    ends = (turn_ids >= 0) & (turn_ids != following)
    return rewards.gather(1, turn_ids.clamp(min=0)).masked_fill(~ends, 0.0)
