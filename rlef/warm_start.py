"""The warm start in two stages: references as first answers, then repairs of the model's own mistakes.

The first stage teaches the model to answer with a program at all. Then it answers other tasks, the sandbox says what is
wrong with its programs, and the references follow as second answers. Wrong programs of somebody else would not do: a
model that was shown those goes on repeating its own, and reinforcement learning finds nothing to reinforce.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from rlef.config import TrainConfig
from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode
from rlef.learners.demonstrations import programs, repairs, split_tasks
from rlef.learners.sft import warm_start
from rlef.policies.engine import TransformersEngine
from rlef.policies.interface import Sampling
from rlef.policies.load import Policy
from rlef.progress import Display
from rlef.rollout import check_health, collect, starts
from tasks import Task
from tasks.judge import Box


def teach(
    policy: Policy, tasks: Sequence[Task], config: TrainConfig, box: Box, settings: DialogueSettings, context: int,
    display: Display,
) -> None:  # fmt: skip
    """Train `policy` in place on demonstrations from `tasks`; nothing happens with 0 epochs.

    Raises:
        RlefError: there are too few tasks with a reference, or a reference does not pass its tests.
    """
    if not config.warm_start.epochs:
        return
    answered, tried = split_tasks(tasks, config.warm_start, config.seed)
    shown = programs(answered, policy.chat, box, settings, config.seed)
    _study(policy, shown, "references", config, 0, display)
    if settings.turn_limit > 1 and tried:
        episodes = _try(policy, tried, config, box, settings, context)
        mended = repairs(tried, episodes, policy.chat, box, settings, config.seed)
        shown += mended[: config.warm_start.repairs]
        _study(policy, shown, "references and repairs", config, 1, display)


def _try(
    policy: Policy, tasks: Sequence[Task], config: TrainConfig, box: Box, settings: DialogueSettings, context: int
) -> list[Episode]:
    """One answer of the model to each task."""
    episodes = collect(
        starts(tasks, 1, f"tried {config.seed}", tasks),
        TransformersEngine(policy.model, policy.chat.stop_ids), policy.chat, box,
        sampling=Sampling(config.rollout.temperature, 1.0, config.rollout.max_new_tokens),
        settings=dataclasses.replace(settings, turn_limit=1), context=context,
    )  # fmt: skip
    check_health(episodes)
    return episodes


def _study(
    policy: Policy, shown: Sequence[Episode], what: str, config: TrainConfig, stage: int, display: Display
) -> None:
    torch.manual_seed(config.seed)
    steps = config.warm_start.epochs * -(-len(shown) // config.warm_start.batch)
    with display.stage(f"warm start on {len(shown)} {what}", steps) as tick:
        warm_start(
            policy.model, shown, config.warm_start, 2 * config.seed + stage, config.ppo.token_budget,
            lambda step, loss: tick(1, f"loss {loss:.2f}"),
        )  # fmt: skip
