"""PPO as in the RLEF paper (arXiv 2410.02089), for dialogues whose tokens are actions and whose turns have values.

One update reads from top to bottom: reference log-probabilities, rewards with their KL term, returns and advantages per
turn, then a pass over the batch in mini-batches with the clipped losses. Sandbox failures take part in nothing.

What differs from the paper, for small machines: the critic is a linear head on the policy's own hidden states (read
at the last prompt token, and without shaping them) where the paper trains a second network; and since rollouts are
synchronous, the policy that sampled (pi_b) is the policy at the start of the update (pi_old). Where a run is too short
to learn a critic, `baseline = "leave_one_out"` compares a return with the other samples of the task instead.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from rlef.config import PPOConfig
from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.learners.advantages import leave_one_out, normalise, turn_advantages, turn_returns
from rlef.learners.batch import action_logprobs, forward, micro_batches, to_batch
from rlef.learners.losses import explained_variance, mean_log_ratio, policy_loss, value_loss
from rlef.learners.optimiser import autocast, lowest_layers, make_optimiser, use_training_attention
from rlef.policies.engine import cast_weights, sampling_dtype


def with_contrast(episodes: Sequence[Episode]) -> list[Episode]:
    """Episodes of tasks whose samples did not all earn the same; the others say nothing about what was better.

    Source: dynamic sampling of DAPO (arXiv 2503.14476), without drawing again.
    """
    earned: dict[str, set[float]] = {}
    for episode in episodes:
        earned.setdefault(episode.task, set()).add(round(episode.reward, 6))
    return [episode for episode in episodes if len(earned[episode.task]) > 1]


def trimmed(episodes: Sequence[Episode], advantages: torch.Tensor, least: float = 0.01) -> list[Episode]:
    """Episodes without their last turns, as far as these have no advantage to speak of: they would teach nothing.

    Args:
        advantages: (episodes, turns), in standard deviations.
    """
    speaks = (advantages.abs() >= least).int()
    ends = torch.where(speaks.any(1), speaks.shape[1] - speaks.flip(1).argmax(1), 0)
    return [
        dataclasses.replace(episode, turns=episode.turns[:end])
        for episode, end in zip(episodes, ends.tolist(), strict=True)
    ]


class Critic(nn.Module):
    """V(c_t): a linear reading of the hidden state at the last prompt token. Starts at zero."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.head = nn.Linear(hidden, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(..., hidden) -> (...)."""
        values: torch.Tensor = self.head(nn.functional.layer_norm(hidden.float(), hidden.shape[-1:]))[..., 0]
        return values


class PPO:
    """Holds policy, critic, reference and optimiser. `update` is one step of the outer loop.

    Args:
        model: the policy, a causal language model with float32 weights; trained in place.
        reference: frozen start policy rho.
    """

    def __init__(self, model: Any, reference: Any, config: PPOConfig, seed: int, temperature: float = 1.0) -> None:
        self.model, self.config, self.seed, self.temperature = model, config, seed, temperature
        self.reference = reference.requires_grad_(False).eval()
        cast_weights(self.reference, sampling_dtype(model.device))
        self.critic = Critic(model.config.get_text_config().hidden_size).to(model.device)
        use_training_attention(model)
        use_training_attention(self.reference)
        for frozen in lowest_layers(model, config.frozen_layers):
            frozen.requires_grad_(False)
        self.optimiser = make_optimiser(model.parameters(), config.learning_rate, config.weight_decay)
        self.critic_optimiser = make_optimiser(self.critic.parameters(), config.critic_learning_rate, 0.0)
        self.steps = 0

    def update(
        self, episodes: Sequence[Episode], number: int, progress: Callable[[float], None] = lambda share: None
    ) -> dict[str, float]:
        """Learn from one batch of episodes sampled by the current policy; returns the metrics.

        Raises:
            RlefError: the loss is not a number; the policy is as it was before the mini-batch.
        """
        config = self.config
        kept = [episode for episode in episodes if episode.turns and not episode.sandbox_failure]
        if config.baseline == "leave_one_out":
            kept = with_contrast(kept)
        if not kept:
            return {"learn/episodes": 0.0}
        everything = to_batch(kept, range(len(kept)))  # turn-level tensors of the whole batch
        turns = everything.turns
        log_ratio = self._log_ratio(kept, turns.shape[1], lambda share: progress(0.25 * share))
        rewards, values = torch.zeros(turns.shape), torch.zeros(turns.shape)
        for row, episode in enumerate(kept):
            for column, turn in enumerate(episode.turns):
                rewards[row, column], values[row, column] = turn.reward, turn.value or 0.0
        # What follows a truncated episode is unknown: the critic's last word stands in for it.
        last = torch.tensor([len(episode.turns) - 1 for episode in kept])
        cut = torch.tensor([episode.truncated for episode in kept])
        bootstrap = values.gather(1, last[:, None])[:, 0].masked_fill(~cut, 0.0)
        returns = turn_returns(rewards - config.kl * log_ratio, turns, config.gamma, bootstrap)
        if config.baseline == "critic":
            advantages = normalise(turn_advantages(returns, values, turns), turns)
        else:
            keys = list(dict.fromkeys(episode.task for episode in kept))
            groups = torch.tensor([keys.index(episode.task) for episode in kept])
            advantages = normalise(leave_one_out(returns, turns, groups), turns, centre=False)
        metrics = {
            "kl/reference": float(log_ratio[turns].mean()),
            "losses/explained_variance": explained_variance(values[turns], returns[turns]),
        }
        if config.baseline == "leave_one_out":
            kept = trimmed(kept, advantages)
        rows = [row for row, episode in enumerate(kept) if episode.turns]
        kept = [kept[row] for row in rows]
        metrics["learn/episodes"] = float(len(kept))
        metrics["learn/tokens"] = float(sum(len(t.prompt_ids) + len(t.response_ids) for e in kept for t in e.turns))
        if not kept:
            return metrics
        returns, values, advantages = returns[rows], values[rows], advantages[rows]
        metrics |= self._pass(kept, returns, values, advantages, number, lambda share: progress(0.25 + 0.75 * share))
        return metrics

    @torch.no_grad()
    def _log_ratio(self, episodes: Sequence[Episode], turns: int, progress: Callable[[float], None]) -> torch.Tensor:
        """(episodes, turns): mean log-ratio of policy and reference over each response."""
        ratio, done = torch.zeros((len(episodes), turns)), 0
        for batch in micro_batches(episodes, range(len(episodes)), 2 * self.config.token_budget):
            reference, _ = action_logprobs(self.reference, forward(self.reference, batch), batch, self.temperature)
            ratio[batch.index] = mean_log_ratio(batch.behaviour, reference.cpu(), batch.turn_ids, turns)
            done += len(batch.index)
            progress(done / len(episodes))
        return ratio

    def _pass(
        self, episodes: Sequence[Episode], returns: torch.Tensor, values: torch.Tensor, advantages: torch.Tensor,
        number: int, progress: Callable[[float], None],
    ) -> dict[str, float]:  # fmt: skip
        """One pass over the batch, an optimiser step per mini-batch."""
        config = self.config
        order = random.Random(f"update {self.seed} {number}").sample(range(len(episodes)), len(episodes))
        parts = min(config.mini_batches, len(order))
        sums: dict[str, float] = {"policy": 0.0, "value": 0.0, "approx_kl": 0.0, "clipped": 0.0, "entropy": 0.0}
        tokens = turns = done = 0
        norms: list[float] = []
        for chosen in (order[part::parts] for part in range(parts)):
            size = sum(len(turn.response_ids) for i in chosen for turn in episodes[i].turns)
            count = sum(len(episodes[i].turns) for i in chosen)
            for batch in micro_batches(episodes, chosen, config.token_budget):
                width = batch.turns.shape[1]
                with autocast(self.model):
                    hidden = forward(self.model, batch)
                    logprobs, entropy = action_logprobs(self.model, hidden, batch, self.temperature)
                logprobs = logprobs.cpu()
                per_token = advantages[batch.index].gather(1, batch.turn_ids.clamp(min=0))
                loss, facts = policy_loss(
                    logprobs, batch.behaviour, batch.behaviour, per_token, batch.action, config.clip
                )
                states = hidden.detach()[torch.arange(len(batch.index))[:, None], batch.value_at]
                estimates = self.critic(states).cpu()
                wrong = value_loss(
                    estimates, values[batch.index][:, :width], returns[batch.index][:, :width], batch.turns,
                    config.value_clip,
                )  # fmt: skip
                (loss / size + wrong / count).backward()
                sums["policy"] += float(loss.detach())
                sums["value"] += float(wrong.detach())
                sums["entropy"] += float(entropy) * int(batch.action.sum())
                sums["approx_kl"] += float(facts["approx_kl"])
                sums["clipped"] += float(facts["clipped"])
                done += len(batch.index)
                progress(done / len(episodes))
            norms.append(self._step())
            tokens, turns = tokens + size, turns + count
        return {
            "losses/policy_loss": sums["policy"] / tokens,
            "losses/value_loss": sums["value"] / turns,
            "losses/entropy": sums["entropy"] / tokens,
            "losses/approx_kl": sums["approx_kl"] / tokens,
            "losses/clipfrac": sums["clipped"] / tokens,
            "learn/grad_norm": sum(norms) / len(norms),
            "learn/learning_rate": self.optimiser.param_groups[0]["lr"],
        }

    def _step(self) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        if not torch.isfinite(norm):
            self.optimiser.zero_grad()
            self.critic_optimiser.zero_grad()
            raise RlefError(
                "the gradient is not a number; lower ppo.learning_rate in the run's config.toml, then resume it"
            )
        self.steps += 1
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * min(1.0, self.steps / max(1, self.config.warmup))
        for optimiser in (self.optimiser, self.critic_optimiser):
            optimiser.step()
            optimiser.zero_grad()
        return float(norm)

    def state_dict(self) -> dict[str, Any]:
        """All but the policy's weights."""
        return {
            "critic": self.critic.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "critic_optimiser": self.critic_optimiser.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.critic.load_state_dict(state["critic"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.critic_optimiser.load_state_dict(state["critic_optimiser"])
        self.steps = state["steps"]
