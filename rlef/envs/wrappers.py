"""Wrappers in Gymnasium's style: episodes on disk, and a budget of program time.

A turn limit needs none: `turn_limit` is a rule of the dialogue (its last answer is terminal and earns the reward), and
`gymnasium.wrappers.TimeLimit` cuts after so many steps from outside (truncated).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, SupportsFloat, cast

import gymnasium

from rlef.envs.code_repair import CodeRepairEnv
from rlef.episode import Episode, Turn, append_episodes


class RecordEpisodes(gymnasium.Wrapper[str, str, str, str], gymnasium.utils.RecordConstructorArgs):
    """Adds every episode to a file of `Episode`s, which `rlef replay` and `rlef rejudge` read.

    An episode that is left by `reset` or `close` is recorded as truncated. Put it around all other wrappers.

    Args:
        env: a `CodeRepairEnv`, maybe wrapped.
        path: JSONL file; made when it is not there.
        suite: what the tasks can be loaded from again, kept in each episode.
    """

    def __init__(self, env: gymnasium.Env[str, str], path: str | Path, suite: str = "starter") -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, path=path, suite=suite)
        super().__init__(env)
        self._path, self._suite = Path(path), suite
        self._turns: list[Turn] = []
        self._observation = ""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """As the environment's."""
        self._write(truncated=True)
        self._observation, info = super().reset(seed=seed, options=options)
        return self._observation, info

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """As the environment's."""
        observation, reward, terminated, truncated, info = super().step(action)
        step = self._inner.last_step
        assert step is not None
        self._turns.append(step.turn(self._observation, action))
        self._observation = observation
        if terminated or truncated:
            self._write(truncated=not terminated, sandbox_failure=step.sandbox_failure)
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Record what was left unfinished, then close."""
        self._write(truncated=True)
        super().close()

    @property
    def _inner(self) -> CodeRepairEnv:
        return cast(CodeRepairEnv, self.unwrapped)

    def _write(self, truncated: bool, sandbox_failure: bool = False) -> None:
        if self._turns:
            dialogue = self._inner.dialogue
            episode = Episode(
                task=dialogue.task.key, seed=dialogue.seed, turns=tuple(self._turns), truncated=truncated,
                sandbox_failure=sandbox_failure, suite=self._suite, rules=dialogue.settings.rules(),
            )  # fmt: skip
            append_episodes(self._path, [episode])
            self._turns = []


class TimeBudget(gymnasium.Wrapper[str, str, str, str], gymnasium.utils.RecordConstructorArgs):
    """Truncates an episode when its programs have run for `seconds` in all (`info["wall_s"]`, summed over turns).

    `info["time_left_s"]` says what is left.
    """

    def __init__(self, env: gymnasium.Env[str, str], seconds: float) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, seconds=seconds)
        super().__init__(env)
        self._seconds = self._left = seconds

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """As the environment's."""
        self._left = self._seconds
        observation, info = super().reset(seed=seed, options=options)
        return observation, info | {"time_left_s": self._left}

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """As the environment's."""
        observation, reward, terminated, truncated, info = super().step(action)
        self._left = max(0.0, self._left - info["wall_s"])
        truncated = truncated or (self._left == 0 and not terminated)
        return observation, reward, terminated, truncated, info | {"time_left_s": self._left}
