"""Many dialogues at once: a true `gymnasium.vector.VectorEnv` that judges all programs of a step in one batch.

Autoreset is Gymnasium's default (next step): the step after an episode's end ignores the action and returns the first
observation of a new episode. Environment i of a vector reset with seed s plays what a single environment reset with
s + i plays.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from rlef.config import FeedbackConfig
from rlef.envs.code_repair import CodeRepairEnv, UnicodeText, info_of, tasks_of
from rlef.envs.dialogue import DialogueSettings, step_many
from sandbox import Sandbox
from tasks import Task

Texts = tuple[str, ...]


class CodeRepairVectorEnv(VectorEnv[Texts, Any, Any]):
    """`num_envs` dialogues; observations and actions are tuples of strings. Arguments are those of `CodeRepairEnv`."""

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        suite: str | Path | Sequence[Task] = "starter",
        split: str = "train",
        turn_limit: int = 3,
        reward: str = "execution",
        feedback: FeedbackConfig | None = None,
        box: Sandbox | None = None,
        critic: bool = False,
        plain: bool = False,
    ) -> None:
        self.num_envs = num_envs
        tasks = tasks_of(suite, split)
        DialogueSettings(
            turn_limit, "python", feedback or FeedbackConfig(), reward
        )  # a mistake is better found before a sandbox starts
        self._own_box = box is None
        self._box = box or Sandbox()
        self._envs = [
            CodeRepairEnv(tasks, split, turn_limit, reward, feedback, self._box, critic=critic, plain=plain)
            for _ in range(num_envs)
        ]
        self.single_observation_space = self.single_action_space = UnicodeText()
        self.observation_space = gymnasium.spaces.Tuple([UnicodeText() for _ in range(num_envs)])
        self.action_space = gymnasium.spaces.Tuple([UnicodeText() for _ in range(num_envs)])
        self._over = [False] * num_envs

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Texts, dict[str, Any]]:
        """Start an episode everywhere. A number seeds environment i with number + i."""
        if seed is None or isinstance(seed, int):
            seeds = [None if seed is None else seed + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        started = [env.reset(seed=one, options=options) for env, one in zip(self._envs, seeds, strict=True)]
        self._over = [False] * self.num_envs
        return tuple(text for text, _ in started), self._infos([info for _, info in started])

    def step(self, actions: Sequence[str]) -> tuple[Texts, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Answer everywhere. Environments whose episode was over start a new one instead."""
        observations = [""] * self.num_envs
        infos: list[dict[str, Any]] = [{} for _ in self._envs]
        rewards = np.zeros(self.num_envs)
        terminated, truncated = np.zeros(self.num_envs, dtype=bool), np.zeros(self.num_envs, dtype=bool)
        going = [i for i in range(self.num_envs) if not self._over[i]]
        dialogues = [self._envs[i].dialogue for i in going]
        steps = step_many(dialogues, [actions[i] for i in going], self._box)
        for i in range(self.num_envs):
            if self._over[i]:
                observations[i], infos[i] = self._envs[i].reset()
        for i, dialogue, step in zip(going, dialogues, steps, strict=True):
            observations[i], rewards[i], infos[i] = step.observation, step.reward, info_of(dialogue, step)
            terminated[i], truncated[i] = step.terminated, step.truncated
        self._over = list(terminated | truncated)
        return tuple(observations), rewards, terminated, truncated, self._infos(infos)

    def close_extras(self, **more: Any) -> None:
        """Close the sandbox if it is this environment's own."""
        if self._own_box:
            self._box.close()

    def _infos(self, infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for i, info in enumerate(infos):
            merged = self._add_info(merged, info, i)
        return merged
