"""verifiers (v1): a taskset and the environment that plays it, the judge's feedback being the user.

    echo "from rlef.integrations.verifiers import *" > code_repair.py
    echo "from rlef.integrations.verifiers import __all__" >> code_repair.py
    uv run eval code_repair --env.taskset.suite starter --env.taskset.split test -m MODEL

verifiers finds tasksets by the name of a top-level module, hence the two lines. A trace's reward is the sum of its
turns' rewards; metrics say whether the last program passes and how many turns there were. A failure of the sandbox is
raised, so the episode is an errored one, which trainers filter, and no zero. Programs run in our sandbox, whatever
runtime the agent's harness has. Tested with verifiers 0.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import cache
from typing import Any

import verifiers.v1 as vf

from rlef.envs.dialogue import Dialogue, DialogueSettings, step_many
from sandbox import Sandbox
from tasks import Suite, load_suite

__all__ = ["CodeRepairConfig", "CodeRepairEnv", "CodeRepairEnvConfig", "CodeRepairTask", "CodeRepairTaskset"]


class CodeRepairConfig(vf.TasksetConfig):
    """Which tasks."""

    suite: str = "starter"
    """Anything `tasks.load_suite` takes."""
    split: str = "train"


class CodeRepairData(vf.TaskData):
    """A task by its place; the tests stay in the suite and never get into a trace."""

    suite: str
    split: str
    number: int


class CodeRepairTask(vf.Task[CodeRepairData, vf.State, vf.TaskConfig]):
    """One problem. Its rewards come from the environment."""

    @property
    def key(self) -> str:
        """The task's key in its suite."""
        return str(self.data.name)


class CodeRepairTaskset(vf.Taskset[CodeRepairTask, CodeRepairConfig]):
    """The tasks of a split."""

    def load(self) -> Iterable[CodeRepairTask]:
        """All of them, in order."""
        suite, split = self.config.suite, self.config.split
        for number, task in enumerate(_suite(suite)[split]):
            prompt = Dialogue(task).observation
            data = CodeRepairData(name=task.key, prompt=prompt, suite=suite, split=split, number=number)
            yield CodeRepairTask(data, self.config.task)


class CodeRepairEnvConfig(vf.EnvConfig):
    """The rules, as in `rlef.envs`."""

    programmer: vf.AgentConfig = vf.AgentConfig(harness={"id": "null"}, runtime={"type": "subprocess"})
    """The policy: a plain chat without tools, whose harness runs no code and so needs no container."""
    turn_limit: int = 3
    reward: str = "execution"
    slots: int | None = None
    """Programs that run at the same time; the machine's processors when None."""


class CodeRepairEnv(vf.Env[CodeRepairEnvConfig]):
    """Plays one dialogue per episode."""

    box: Any = None
    """The sandbox; started with the server when None."""

    async def start(self) -> None:
        """Start the sandbox."""
        self._own = self.box is None
        if self._own:
            self.box = await asyncio.to_thread(Sandbox, slots=self.config.slots)

    async def stop(self) -> None:
        """Close it."""
        if self._own and self.box is not None:
            await asyncio.to_thread(self.box.close)
            self.box = None

    async def run(self, task: CodeRepairTask, agents: Any) -> None:
        """The policy answers, its program runs, what happened is the next user message."""
        data = task.data
        settings = DialogueSettings(self.config.turn_limit, reward=self.config.reward)
        dialogue = Dialogue(_suite(data.suite)[data.split][data.number], settings)
        rewards, passed = [], False
        async with agents.programmer.interaction(task) as interaction:
            segment = await interaction.turn()
            while not segment.terminated:
                [step] = await asyncio.to_thread(step_many, [dialogue], [segment.last_reply], self.box)
                if step.sandbox_failure:
                    raise vf.SandboxError(f'the sandbox failed on task "{data.name}"')
                rewards.append(step.reward)
                passed = step.terminated and step.passed
                if dialogue.done:
                    break
                segment = await interaction.turn(step.observation)
        trace = interaction.trace
        trace.record_reward("reward", sum(rewards), 1.0)
        trace.record_metric("passed", float(passed))
        trace.record_metric("turns", float(len(rewards)))


@cache
def _suite(spec: str) -> Suite:
    return load_suite(spec)
