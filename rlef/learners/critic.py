"""Critics: V(c_t), a number read from the hidden state at the last prompt token of a turn, or before a token.

`Critic` is a linear head on the policy's own hidden states, which the sampler computes anyway: its values come with the
samples and cost nothing. `CriticNetwork` is the paper's (RLEF, arXiv 2410.02089, section 2.2): a second model from the
same start under that head, trained by the value loss as a whole.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from rlef.learners.batch import Batch, forward
from rlef.learners.compiled import compile_layers
from rlef.learners.optimiser import autocast, group, layers_of, make_optimiser
from rlef.ppo_config import PPOConfig
from rlef.sharding import shard


class Critic(nn.Module):
    """A linear reading of hidden states that it does not shape. Starts at zero."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.head = nn.Linear(hidden, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(..., hidden) -> (...)."""
        values: torch.Tensor = self.head(nn.functional.layer_norm(hidden.float(), hidden.shape[-1:]))[..., 0]
        return values


class CriticNetwork(Critic):
    """The same reading of the hidden states of a network of its own, which starts as a copy of the policy's.

    What is not trained in the policy (frozen layers, weights under adapters) is not trained in the copy either.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model.config.get_text_config().hidden_size)
        self.body = copy.deepcopy(model.base_model)

    def states(self, batch: Batch) -> torch.Tensor:
        """(n, tokens, hidden) of its own network, with gradients."""
        with autocast(self.body):
            return forward(self.body, batch)


def make_critic(model: Any, config: PPOConfig, split: bool = False) -> tuple[Critic, torch.optim.AdamW]:
    """The critic and its optimiser: the head is its first group, the network its second, with the policy's settings.

    Args:
        model: the start policy, whole.
        split: whether the layers of the network are split over the processes.
    """
    network = config.critic == "network"
    critic = CriticNetwork(model) if network else Critic(model.config.get_text_config().hidden_size)
    critic.to(model.device)
    if split and isinstance(critic, CriticNetwork):
        shard(layers_of(critic.body))
    optimiser = make_optimiser(critic.head.parameters(), config.critic_learning_rate, 0.0)
    if isinstance(critic, CriticNetwork):
        optimiser.add_param_group(group(critic.body.parameters(), config.learning_rate, config.weight_decay))
        if config.compile:
            compile_layers(critic.body)
    return critic, optimiser
