"""Supervised learning on episodes, the warm start before reinforcement learning.

The loss is on the last, the passing response of an episode only (RLEF, arXiv 2410.02089, section 3.4.1 found that
slightly better than on all).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch

from rlef.config import WarmStartConfig
from rlef.episode import Episode
from rlef.learners.batch import action_logprobs, forward, micro_batches
from rlef.learners.optimiser import autocast, make_optimiser
from rlef.learners.prefixes import share_prefixes, shares_prefixes


def warm_start(
    model: Any, episodes: Sequence[Episode], config: WarmStartConfig, seed: int,
    token_budget: int, progress: Callable[[int, float], None] = lambda step, loss: None,
) -> list[float]:  # fmt: skip
    """Train on the last response of each episode; returns the loss (nats per token) of every step."""
    share_prefixes(model)
    optimiser = make_optimiser(model.parameters(), config.learning_rate, config.weight_decay)
    rng = random.Random(f"warm start {seed}")
    losses: list[float] = []
    for _ in range(config.epochs):
        order = rng.sample(range(len(episodes)), len(episodes))
        for start in range(0, len(order), config.batch):
            chosen = order[start : start + config.batch]
            tokens = sum(len(episodes[i].turns[-1].response_ids) for i in chosen)
            total = 0.0
            for batch in micro_batches(episodes, chosen, token_budget, shares_prefixes(model)):
                last = torch.tensor([len(episodes[i].turns) - 1 for i in batch.index])
                batch.turn_ids = torch.where(batch.turn_ids == last[:, None], batch.turn_ids, -1)
                with autocast(model):
                    logprobs = action_logprobs(model, forward(model, batch), batch)
                loss = -logprobs.sum() / tokens
                loss.backward()
                total += float(loss.detach())
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            losses.append(total)
            progress(len(losses), total)
    return losses
