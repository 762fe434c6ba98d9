"""The fields of the learner, `[ppo]` and `[lora]` in a TOML file, and which of them go together.

Each choice is one part of an algorithm and free of the others as far as they make sense together; docs/ppo.md and
docs/group_baselines.md name the combinations that papers have named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rlef.errors import RlefError


@dataclass(frozen=True)
class PPOConfig:
    """The learner. Values in brackets are the paper's, for models of 8B and 70B."""

    updates: int = 20
    """Rollout batches learned from [8,000 to 12,000 optimiser steps]."""
    learning_rate: float = 1e-5
    """AdamW's step size of the policy [2e-7]."""
    critic_learning_rate: float = 3e-4
    """AdamW's step size of the value head; a critic network under it has the policy's."""
    weight_decay: float = 0.1
    """AdamW's weight decay [0.1]."""
    warmup: int = 4
    """Optimiser steps until the step size is reached, linearly [50]."""
    mini_batches: int = 4
    """Optimiser steps per update; each sees a part of the batch once [4]."""
    passes: int = 1
    """Times that a batch is learned from [1]."""
    target_kl: float = 0.0
    """The update ends early once the policy is this far, in nats per token, from the one that sampled; 0: never [0]."""
    loss: Literal["ppo", "gspo", "cispo"] = "ppo"
    """Policy loss: clipped ratio of tokens [ppo], clipped ratio of answers, or clipped weight that keeps gradients."""
    average: Literal["token", "answer", "constant"] = "token"
    """What counts the same in the loss: tokens [token], answers whatever their length (GRPO), or tokens with the
    constant denominator of answers times rollout.max_new_tokens (Dr. GRPO)."""
    clip: float = 0.2
    """Policy clip, epsilon [0.2]: how far a ratio may be below 1, and above it too."""
    clip_high: float = 0.0
    """Policy clip above 1 where it is not the same (DAPO: 0.28); 0: as ppo.clip [0]."""
    value_clip: float = 0.2
    """Value clip, alpha [0.2]."""
    kl: float = 0.05
    """Weight of the KL term in the reward, beta [0.05]."""
    gamma: float = 1.0
    """Discount per turn [1], per token with ppo.value = "token"."""
    gae_lambda: float = 1.0
    """Lambda of generalised advantage estimation [1: plain returns]; below 1 with ppo.baseline = "critic" only."""
    credit: Literal["return", "attempt"] = "return"
    """What a turn earns: discounted rewards from it on [return], or 1 if its own program passes, else 0 (FC-SWE)."""
    baseline: Literal["critic", "leave_one_out", "group"] = "critic"
    """What a return is compared with: the critic's value [critic]; or the other samples of the task, or the mean of all
    of them (GRPO), which need no learning and so suit short runs. Tasks whose samples all earn the same are then left
    out of the update."""
    peers: Literal["turn", "task"] = "turn"
    """What turns the baselines without a critic compare: the same turn of the task's samples, or all their turns."""
    scale: Literal["batch", "group", "none"] = "batch"
    """Standard deviation that advantages are divided by: the batch's [batch], the task's (GRPO), or none (Dr. GRPO)."""
    value: Literal["turn", "token"] = "turn"
    """What the critic values: turns [turn], or every token of an answer."""
    critic: Literal["head", "network"] = "head"
    """A linear head on the policy's hidden states, or a second model from the same start [network]."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    ema: float = 0.0
    """Decay per update of a moving average of the weights, which is evaluated and saved in their place; 0: none [0]."""
    frozen_layers: int = 0
    """Lowest layers that are not trained, nor is the embedding then: less work in every backward pass [0]."""
    token_budget: int = 2048
    """Tokens of a micro-batch: the memory of an update. What dialogues share counts once where it is computed once (on
    processors); elsewhere padding counts too."""
    gradient_checkpointing: bool = False
    """Layers compute their activations again in the backward pass, in the warm start too: less memory, more time."""
    shard: bool = False
    """Each of several processes keeps a part of the layers' weights, gradients and moments (FSDP): for models whose
    training does not fit into one."""
    compile: bool = False
    """Layers are compiled for the updates: faster on processors from the second update on; needs a C++ compiler there.
    """


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters are trained instead of all weights; needs `pip install rlef[lora]`."""

    rank: int = 0
    """Rank of the matrices that are added to each weight; 0: no adapters, all weights are trained [0]."""
    alpha: int = 0
    """What is added is scaled by alpha / rank; 0: twice the rank."""
    targets: tuple[str, ...] = ()
    """Linear layers that get one, by the last part of their name ("q_proj"); all but the output layer when empty."""


def check_lora(lora: LoraConfig) -> None:
    """Raise RlefError for values that cannot be meant."""
    for name in ("rank", "alpha"):
        if getattr(lora, name) < 0:
            raise RlefError(f"lora.{name} = {getattr(lora, name)!r}: must be 0 or more")
    if not lora.rank and lora != LoraConfig():
        raise RlefError("lora.rank = 0: must be above 0 with lora.alpha or lora.targets")


def check_ppo(ppo: PPOConfig, samples: int, need: Callable[[bool, str, str], None]) -> None:
    """Call `need(good, field, what it must be)` for everything that must hold; `samples` are those of a task."""
    for name in ("updates", "kl", "weight_decay", "warmup", "frozen_layers", "target_kl", "clip_high"):
        need(getattr(ppo, name) >= 0, f"ppo.{name}", "0 or more")
    for name in ("learning_rate", "critic_learning_rate", "clip", "value_clip", "max_grad_norm"):
        need(getattr(ppo, name) > 0, f"ppo.{name}", "above 0")
    for name in ("mini_batches", "passes"):
        need(getattr(ppo, name) >= 1, f"ppo.{name}", "at least 1")
    need(0 <= ppo.ema < 1, "ppo.ema", "at least 0, below 1")
    for name in ("gamma", "gae_lambda"):
        need(0 <= getattr(ppo, name) <= 1, f"ppo.{name}", "between 0 and 1")
    baseline = f"with ppo.baseline = {ppo.baseline!r}"
    if ppo.baseline == "critic":
        need(ppo.peers == "turn", "ppo.peers", f"'turn' {baseline}, which compares no samples")
    else:
        need(samples > 1, "rollout.samples", f"at least 2 {baseline}")
        need(ppo.gae_lambda == 1, "ppo.gae_lambda", f"1 {baseline}, which uses no values")
        need(ppo.value == "turn", "ppo.value", f"'turn' {baseline}, which uses no values")
        need(ppo.critic == "head", "ppo.critic", f"'head' {baseline}, which uses no values")
    need(ppo.scale != "group" or ppo.baseline == "group", "ppo.scale", f"'batch' or 'none' {baseline}")
    need(
        ppo.credit == "return" or ppo.gamma == 1,
        "ppo.gamma",
        "1 with ppo.credit = 'attempt', which looks at no other turn",
    )
    need(ppo.value == "turn" or ppo.credit == "return", "ppo.value", "'turn' with ppo.credit = 'attempt'")
