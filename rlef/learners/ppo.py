"""PPO as in the RLEF paper (arXiv 2410.02089), for dialogues whose tokens are actions and whose turns have values.

One update reads from top to bottom: reference log-probabilities, credit (rewards with their KL term, returns and
advantages per turn), then a pass over the batch in mini-batches with the clipped losses. Sandbox failures take part in
nothing. The defaults are the paper's; later papers change the credit or the loss, each by a field of `PPOConfig`.

What differs from the paper, for small machines: the critic is a linear head on the policy's own hidden states, unless
`critic = "network"` asks for the paper's second network; and the policy that sampled (pi_b) is the policy at the start
of the update (pi_old) unless rollouts are asynchronous (`stale`). Where a run is too short to learn a critic,
`baseline = "leave_one_out"` compares a return with the other samples of the task instead.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.learners.average import WeightAverage
from rlef.learners.batch import (
    Batch,
    action_logprobs,
    action_logprobs_and_entropy,
    forward,
    in_step,
    micro_batches,
    mini_batches,
    to_batch,
)
from rlef.learners.compiled import compile_layers
from rlef.learners.credit import Credit, assign, trimmed, with_contrast
from rlef.learners.critic import CriticNetwork, make_critic
from rlef.learners.losses import (
    Facts,
    average,
    clipped_weight_loss,
    explained_variance,
    mean_log_ratio,
    policy_loss,
    sequence_policy_loss,
    value_loss,
)
from rlef.learners.optimiser import (
    autocast,
    layers_of,
    load_trained,
    lowest_layers,
    make_optimiser,
    trained,
    use_gradient_checkpointing,
)
from rlef.learners.prefixes import share_prefixes, shares_prefixes
from rlef.policies.engine import cast_weights, sampling_dtype
from rlef.policies.lora import has_adapter, switched_off
from rlef.ppo_config import PPOConfig
from rlef.processes import Processes
from rlef.sharding import clip_gradients, collected, load_optimiser, shard


class PPO:
    """Holds policy, critic, reference and optimiser. `update` is one step of the outer loop.

    Args:
        model: the policy, a causal language model with float32 weights; trained in place.
        reference: frozen start policy rho; None where the policy has adapters: switched off, it is rho.
        temperature, max_new_tokens: of the sampling.
        stale: whether episodes may be of an older policy than the one an update begins with.
        processes: that learn together, each from its share of the same episodes; this one alone when None.
    """

    def __init__(
        self, model: Any, reference: Any, config: PPOConfig, seed: int, temperature: float = 1.0,
        max_new_tokens: int = 64, processes: Processes | None = None, stale: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.config, self.seed, self.temperature = model, config, seed, temperature
        self.max_new_tokens, self.processes, self.stale = max_new_tokens, processes or Processes(), stale
        if reference is None and not has_adapter(model):
            raise ValueError("a policy without adapters needs a reference")
        self.reference = reference
        share_prefixes(model)
        if config.gradient_checkpointing:
            use_gradient_checkpointing(model)
        if reference is not None:
            reference.requires_grad_(False).eval()
            cast_weights(reference, sampling_dtype(model.device))
            share_prefixes(reference)
        for frozen in lowest_layers(model, config.frozen_layers):
            frozen.requires_grad_(False)
        if config.compile:
            compile_layers(model)
            if reference is not None:
                compile_layers(reference)
        self.split = config.shard and self.processes.count > 1
        self.critic, self.critic_optimiser = make_critic(model, config, self.split)
        if self.split:
            shard(layers_of(model))
        self.optimiser = make_optimiser(model.parameters(), config.learning_rate, config.weight_decay)
        self.average = WeightAverage(model, config.ema) if config.ema else None
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
        if config.baseline != "critic":
            kept = with_contrast(kept, config)
        if not kept:
            return {"learn/episodes": 0.0}
        everything = to_batch(kept, range(len(kept)))  # turn-level tensors of the whole batch
        turns = everything.turns
        log_ratio = self._log_ratio(kept, turns.shape[1], lambda share: progress(0.25 * share))
        # Then values came with the samples.
        sampled = config.value == "turn" and config.critic == "head" and not self.stale
        values = None if sampled else self._values(kept, everything)
        credit = assign(kept, everything, log_ratio, config, values)
        metrics = {
            "kl/reference": float(log_ratio[turns].mean()),
            "losses/explained_variance": explained_variance(credit.values[credit.steps], credit.returns[credit.steps]),
        }
        if config.baseline == "leave_one_out":
            kept, credit = trimmed(kept, credit)
        metrics["learn/episodes"] = float(len(kept))
        metrics["learn/tokens"] = float(sum(len(t.prompt_ids) + len(t.response_ids) for e in kept for t in e.turns))
        if kept:
            metrics |= self._learn(kept, credit, number, lambda share: progress(0.25 + 0.75 * share))
            if self.average:
                self.average.follow()
        return metrics

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Within it the policy has the weights that are evaluated and handed out: their average with `ema`."""
        return self.average.in_place() if self.average else contextlib.nullcontext()

    @torch.no_grad()
    def _log_ratio(self, episodes: Sequence[Episode], turns: int, progress: Callable[[float], None]) -> torch.Tensor:
        """(episodes, turns): mean log-ratio of policy and reference over each response."""
        ratio, done = torch.zeros((len(episodes), turns)), 0
        share = self.processes.parts(range(len(episodes)))[self.processes.rank]
        shares = shares_prefixes(self.model)
        for batch in micro_batches(episodes, share, 2 * self.config.token_budget, shares):
            start = self._start_logprobs(batch)
            ratio[batch.index] = mean_log_ratio(batch.behaviour, start.cpu(), batch.turn_ids, turns)
            done += len(batch.index)
            progress(done / len(share))
        self.processes.add([ratio])
        return ratio

    def _start_logprobs(self, batch: Batch) -> torch.Tensor:
        """(n, tokens): log-probabilities under rho."""
        if self.reference is None:
            with switched_off(self.model) as start, autocast(start):
                return action_logprobs(start, forward(start, batch), batch, self.temperature)
        return action_logprobs(self.reference, forward(self.reference, batch), batch, self.temperature)

    @torch.no_grad()
    def _values(self, episodes: Sequence[Episode], everything: Batch) -> torch.Tensor:
        """(episodes, steps): the critic's values before the update."""
        values = torch.zeros((everything.ids if self.config.value == "token" else everything.turns).shape)
        for batch in self._micro_batches(episodes, range(len(episodes)), 2 * self.config.token_budget):
            estimates = self._estimates(batch)
            if batch.counts:
                values[batch.index, : estimates.shape[1]] = estimates
        self.processes.add([values])
        return values

    def _estimates(self, batch: Batch, hidden: torch.Tensor | None = None) -> torch.Tensor:
        """The critic's values of the steps of a batch, (n, turns) or (n, tokens). It does not shape the policy.

        `hidden` are the policy's hidden states where they are known already.
        """
        if isinstance(self.critic, CriticNetwork):
            states = self.critic.states(batch)
        elif hidden is None:
            with autocast(self.model):
                states = forward(self.model, batch)
        else:
            states = hidden.detach()
        if self.config.value == "token":  # read at the token before
            return torch.nn.functional.pad(self.critic(states[:, :-1]), (1, 0)).cpu()
        values: torch.Tensor = self.critic(states[torch.arange(len(batch.index))[:, None], batch.value_at]).cpu()
        return values

    @torch.no_grad()
    def _old_logprobs(self, episodes: Sequence[Episode]) -> torch.Tensor:
        """(episodes, tokens): log-probabilities under the policy as it is."""
        old = torch.zeros(to_batch(episodes, range(len(episodes))).ids.shape)
        for batch in self._micro_batches(episodes, range(len(episodes)), 2 * self.config.token_budget):
            with autocast(self.model):
                logprobs = action_logprobs(self.model, forward(self.model, batch), batch, self.temperature)
            if batch.counts:
                old[batch.index, : logprobs.shape[1]] = logprobs.cpu()
        self.processes.add([old])
        return old

    def _micro_batches(self, episodes: Sequence[Episode], chosen: Sequence[int], budget: int) -> Iterator[Batch]:
        """This process's share. Layers that are split compute in all processes at once, so each has as many batches."""
        parts, rank, shares = self.processes.parts(chosen), self.processes.rank, shares_prefixes(self.model)
        if self.split:
            return in_step(episodes, parts, rank, budget, shares)
        return micro_batches(episodes, parts[rank], budget, shares)

    def _policy_loss(
        self, logprobs: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, batch: Batch
    ) -> tuple[torch.Tensor, Facts]:
        """(n, tokens): the policy loss of every token."""
        low, high = self.config.clip, self.config.clip_high or None
        match self.config.loss:
            case "ppo":
                return policy_loss(logprobs, old, batch.behaviour, advantages, batch.action, low, high)
            case "gspo":
                return sequence_policy_loss(logprobs, old, advantages, batch.turn_ids, low, high)
            case "cispo":
                return clipped_weight_loss(logprobs, old, advantages, batch.action, low, high)

    def _learn(
        self, episodes: Sequence[Episode], credit: Credit, number: int, progress: Callable[[float], None]
    ) -> dict[str, float]:
        """Passes over the batch, an optimiser step per mini-batch."""
        config, size = self.config, len(episodes)
        rng = random.Random(f"update {self.seed} {number}")
        passes = [mini_batches(episodes, config.mini_batches, rng) for _ in range(config.passes)]
        # Only RLEF's loss tells pi_old from the policy that sampled; the others' ratios are with that one.
        pi_old = self._old_logprobs(episodes) if self.stale and config.loss == "ppo" else None
        sums: dict[str, float] = {"policy": 0.0, "value": 0.0, "approx_kl": 0.0, "clipped": 0.0, "entropy": 0.0}
        units = steps = tokens = done = 0
        norms: list[float] = []
        for chosen in itertools.chain.from_iterable(passes):
            sampled = sum(len(turn.response_ids) for i in chosen for turn in episodes[i].turns)
            answers = sum(len(episodes[i].turns) for i in chosen)
            unit = {"token": sampled, "answer": answers, "constant": answers * self.max_new_tokens}[config.average]
            count, drift = sampled if credit.per_token else answers, 0.0
            for batch in self._micro_batches(episodes, chosen, config.token_budget):
                with autocast(self.model):
                    hidden = forward(self.model, batch)
                    logprobs, entropy = action_logprobs_and_entropy(self.model, hidden, batch, self.temperature)
                old = batch.behaviour if pi_old is None else pi_old[batch.index, : batch.ids.shape[1]]
                losses, facts = self._policy_loss(logprobs.cpu(), old, credit.of_tokens(batch), batch)
                loss, rows = average(losses, batch.turn_ids, config.average), credit.rows(batch)
                wrong = value_loss(
                    self._estimates(batch, hidden), rows.values, rows.returns, rows.steps, config.value_clip
                )
                (batch.counts * (loss / unit + wrong / count)).backward()
                if not batch.counts:
                    continue
                sums["policy"] += float(loss.detach())
                sums["value"] += float(wrong.detach())
                sums["entropy"] += float(entropy) * int(batch.action.sum())
                sums["clipped"] += float(facts["clipped"])
                drift += float(facts["approx_kl"])
                done += len(batch.index)
                progress(min(1.0, done * self.processes.count / (size * config.passes)))
            drift = self.processes.total(drift)
            sums["approx_kl"] += drift
            units, steps, tokens = units + unit, steps + count, tokens + sampled
            if norms and config.target_kl and drift / sampled > config.target_kl:
                self._forget_gradients()
                break
            norms.append(self._step())
        for name in ("policy", "value", "entropy", "clipped"):
            sums[name] = self.processes.total(sums[name])
        return {
            "losses/policy_loss": sums["policy"] / units,
            "losses/value_loss": sums["value"] / steps,
            "losses/entropy": sums["entropy"] / tokens,
            "losses/approx_kl": sums["approx_kl"] / tokens,
            "losses/clipfrac": sums["clipped"] / tokens,
            "learn/grad_norm": sum(norms) / len(norms),
            "learn/optimiser_steps": float(len(norms)),
            "learn/learning_rate": self.optimiser.param_groups[0]["lr"],
        }

    def _forget_gradients(self) -> None:
        self.optimiser.zero_grad()
        self.critic_optimiser.zero_grad()

    def _step(self) -> float:
        self.processes.add_gradients([*self.model.parameters(), *self.critic.parameters()])
        norm, critic_norm = (
            clip_gradients(module.parameters(), self.config.max_grad_norm) for module in (self.model, self.critic)
        )
        if not torch.isfinite(norm + critic_norm):
            self._forget_gradients()
            raise RlefError(
                "the gradient is not a number; lower ppo.learning_rate in the run's config.toml, then resume it"
            )
        self.steps += 1
        for group in [*self.optimiser.param_groups, *self.critic_optimiser.param_groups[1:]]:
            group["lr"] = self.config.learning_rate * min(1.0, self.steps / max(1, self.config.warmup))
        for optimiser in (self.optimiser, self.critic_optimiser):
            optimiser.step()
        self._forget_gradients()
        return float(norm)

    def state_dict(self) -> dict[str, Any]:
        """All that the saved policy does not tell: not its weights, unless these are adapters or there is an average.

        What is split is whole, in the first process.
        """
        more: dict[str, Any] = {}
        if self.average or has_adapter(self.model):
            more["weights"] = collected({name: value.clone() for name, value in trained(self.model).items()})
        if self.average:
            more["average"] = collected(self.average.state_dict())
        return more | {
            "critic": collected(trained(self.critic)),
            "optimiser": collected(self.optimiser.state_dict()),
            "critic_optimiser": collected(self.critic_optimiser.state_dict()),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        if has_adapter(self.model) or "weights" in state:
            load_trained(self.model, state["weights"])
        if self.average:
            self.average.load_state_dict(state.get("average", {}))
        load_trained(self.critic, state["critic"])
        load_optimiser(self.optimiser, state["optimiser"])
        load_optimiser(self.critic_optimiser, state["critic_optimiser"])
        self.steps = state["steps"]
