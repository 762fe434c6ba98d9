"""OpenEnv: the environment as a server, one dialogue per connection.

    uvicorn --factory rlef.integrations.openenv:make_app

An action is an answer, an observation is what the policy is told next, with public verdicts. Private verdicts stay on
the server; they reach the client as reward and no other way. Tested with openenv 0.10.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from openenv.core.env_server import Action, Environment, Observation, State, create_fastapi_app

from rlef.envs.code_repair import CodeRepairEnv, tasks_of
from sandbox import Sandbox
from tasks import Task


class Answer(Action):
    """What the policy says."""

    answer: str


class Told(Observation):
    """What the policy is told. `done` and `reward` are OpenEnv's; a sandbox failure is `done` with no reward."""

    text: str
    """The next user message; empty when the dialogue is over."""
    task: str
    turn: int
    public: tuple[str, ...] = ()
    """Verdicts on the public tests."""
    sandbox_failure: bool = False


class CodeRepairEnvironment(Environment[Answer, Told, State]):
    """One dialogue at a time, around a `CodeRepairEnv`."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, env: CodeRepairEnv) -> None:
        super().__init__()
        self._env = env
        self._state = State(episode_id=None, step_count=0)

    def reset(self, seed: int | None = None, episode_id: str | None = None, **options: Any) -> Told:
        """Start a dialogue; `task=KEY` names its task."""
        text, info = self._env.reset(seed=seed, options=options)
        self._state = State(episode_id=episode_id or uuid4().hex, step_count=0)
        return Told(text=text, task=info["task"], turn=0)

    def step(self, action: Answer, timeout_s: float | None = None, **more: Any) -> Told:
        """Answer. The time of the programs is bounded by their tasks' limits, not by `timeout_s`."""
        text, reward, terminated, truncated, info = self._env.step(action.answer)
        self._state.step_count += 1
        return Told(
            text=text,
            task=info["task"],
            turn=info["turn"],
            public=info["public"],
            sandbox_failure=info["sandbox_failure"],
            done=terminated or truncated,
            reward=None if info["sandbox_failure"] else float(reward),
        )

    @property
    def state(self) -> State:
        """OpenEnv's: id of the episode and answers so far."""
        return self._state

    def close(self) -> None:
        """The sandbox is shared and stays."""


def make_app(
    suite: str | Path | Sequence[Task] | None = None, split: str | None = None, box: Sandbox | None = None,
    max_concurrent_envs: int = 64, **options: Any,
) -> Any:  # fmt: skip
    """The FastAPI application.

    Args:
        suite: anything `tasks.load_suite` takes, or tasks; $RLEF_SUITE or else "starter" when None.
        split: its split; $RLEF_SPLIT or else "train" when None.
        box: the sandbox of all dialogues; one is started when None.
        options: further arguments of `CodeRepairEnv`.
    """
    split = split or os.environ.get("RLEF_SPLIT", "train")
    tasks = tasks_of(os.environ.get("RLEF_SUITE", "starter") if suite is None else suite, split)
    shared = box or Sandbox()

    def make() -> CodeRepairEnvironment:
        return CodeRepairEnvironment(CodeRepairEnv(tasks, split, box=shared, **options))

    return create_fastapi_app(make, Answer, Told, max_concurrent_envs=max_concurrent_envs)
