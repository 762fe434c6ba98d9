"""TRL: an `environment_factory` for `GRPOTrainer`, whose model submits programs by calling a tool.

    from datasets import Dataset
    from rlef.integrations.trl import environment_factory, rows

    trainer = GRPOTrainer(
        model=..., train_dataset=Dataset.from_list(rows("starter", "train")),
        environment_factory=environment_factory("starter", "train"),
        args=GRPOConfig(..., max_tool_calling_iterations=3),
    )

TRL makes one environment per rollout and resets it with the row of the data set. All share one sandbox.
Tested with trl 1.16, which needs transformers 5.2 and a chat template that can render tool calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rlef.config import FeedbackConfig
from rlef.envs.code_repair import CodeRepairEnv, tasks_of
from rlef.envs.rewards import Facts, reward_of
from sandbox import Sandbox
from tasks import Task

OVER = "The dialogue is over: no further program is judged."


class CodeRepair:
    """One dialogue at a time. The public method other than `reset` and `get_reward` is the model's tool."""

    def __init__(self, env: CodeRepairEnv) -> None:
        self._env = env
        self._reward = 0.0
        self._failed = False

    def reset(self, task: str | None = None, **row: Any) -> str:
        """Start a dialogue; returns the statement, which TRL appends to the row's prompt.

        Args:
            task: key of the task, from the row; the next one in order when None.
        """
        self._reward, self._failed = 0.0, False
        observation, _ = self._env.reset(options=None if task is None else {"task": task})
        return observation

    def submit(self, program: str) -> str:
        """Run a Python program on the public tests of the problem and say what happened.

        Args:
            program: The source text of the complete program.

        Returns:
            What went wrong, or that the dialogue is over.
        """
        if self._env.dialogue.done:
            return OVER
        observation, reward, _, _, info = self._env.step(program)
        self._reward += float(reward)
        self._failed = info["sandbox_failure"]
        return observation or OVER

    def get_reward(self) -> float | None:
        """Sum of the turns' rewards. A dialogue the model left without solving it is judged as if it ended unsolved.

        None when the sandbox failed: TRL then leaves the rollout out.
        """
        if self._failed:
            return None
        if not self._env.dialogue.done:
            pay = reward_of(self._env.settings.reward).pay
            return self._reward + pay(Facts(final=True, passed=False, has_code=False))
        return self._reward


def environment_factory(
    suite: str | Path | Sequence[Task] = "starter",
    split: str = "train",
    turn_limit: int = 3,
    reward: str = "execution",
    feedback: FeedbackConfig | None = None,
    box: Sandbox | None = None,
) -> Callable[[], CodeRepair]:
    """What `GRPOTrainer(environment_factory=...)` takes. Arguments are those of `CodeRepairEnv`.

    The tool's argument is a program, so text without a fence counts as one. The sandbox that is started when `box` is
    None lives as long as the process.
    """
    tasks = tasks_of(suite, split)
    shared = box or Sandbox()

    def make() -> CodeRepair:
        return CodeRepair(CodeRepairEnv(tasks, split, turn_limit, reward, feedback, shared, plain=True))

    return make


def rows(
    suite: str | Path | Sequence[Task] = "starter", split: str = "train", system: str = ""
) -> list[dict[str, Any]]:
    """A data set: one row per task, whose samples form a group. `reset` adds the statement to the user message."""
    before = [{"role": "system", "content": system}] if system else []
    return [{"prompt": [*before, {"role": "user", "content": ""}], "task": task.key} for task in tasks_of(suite, split)]
