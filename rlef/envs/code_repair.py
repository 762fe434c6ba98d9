"""`rlef/CodeRepair-v0`: code repair as a `gymnasium.Env`. Observations and actions are text.

env = gymnasium.make("rlef/CodeRepair-v0", suite="starter", split="train", turn_limit=3)
observation, info = env.reset(seed=0)
observation, reward, terminated, truncated, info = env.step("```python\\nprint(1)\\n```")
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium

from rlef.config import FeedbackConfig
from rlef.envs.dialogue import Dialogue, DialogueSettings, Step, step_many
from rlef.errors import RlefError
from sandbox import Sandbox
from tasks import Task, load_suite


class UnicodeText(gymnasium.Space[str]):
    """All strings. Samples are short and printable."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(shape=None, dtype=str, seed=seed)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A random string of up to 60 printable characters."""
        letters = self.np_random.choice(list(string.printable), size=self.np_random.integers(1, 60))
        return "".join(letters)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a string."""
        return isinstance(x, str)

    @property
    def is_np_flattenable(self) -> bool:
        """Text has no array form."""
        return False

    def __repr__(self) -> str:
        return "UnicodeText()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnicodeText)

    def __hash__(self) -> int:
        return hash(UnicodeText)


class CodeRepairEnv(gymnasium.Env[str, str]):
    """One dialogue at a time.

    An episode is terminated when the public tests pass or the turn limit is reached, truncated when the sandbox failed.
    The seed of `reset` fixes the order of tasks; `options={"task": key}` names one. `info` has the task, the turn,
    verdicts of public and private tests and the time the program ran, and never a private input or output.

    Args:
        suite: anything `tasks.load_suite` takes, or the tasks themselves.
        split: split of the suite.
        turn_limit: answers per episode.
        reward: specification of a reward (`rlef.envs.rewards.reward_of`).
        critic: run all private tests on every program; the verdicts are in `info["critic"]`, for a critic to see.
        box: a running `Sandbox`; one is started, and closed with the environment, when None.
        plain: an answer without a fence is a program as a whole.
        render_mode: "ansi" makes `render()` return a transcript.
    """

    metadata = {"render_modes": ["ansi"]}  # noqa: RUF012 - gymnasium's own convention

    def __init__(
        self,
        suite: str | Path | Sequence[Task] = "starter",
        split: str = "train",
        turn_limit: int = 3,
        reward: str = "execution",
        feedback: FeedbackConfig | None = None,
        box: Sandbox | None = None,
        render_mode: str | None = None,
        critic: bool = False,
        plain: bool = False,
    ) -> None:
        self.tasks = tasks_of(suite, split)
        self.settings = DialogueSettings(turn_limit, "python", feedback or FeedbackConfig(), reward, critic, plain)
        self.observation_space, self.action_space = UnicodeText(), UnicodeText()
        self.render_mode = render_mode
        self._own_box = box is None
        self._box = box
        self._order: list[int] = []
        self._seeds: random.Random | None = None
        self._dialogue: Dialogue | None = None
        self._transcript: list[tuple[str, str]] = []
        self.last_step: Step | None = None
        """All that the last answer came to; more than a policy may see."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start an episode on the next task, or on `options={"task": key}`."""
        super().reset(seed=seed)
        if seed is not None:
            self._order = []
            self._seeds = None
        if self._seeds is None:  # apart from the order of tasks, which drawing a seed would change
            self._seeds = random.Random(f"episodes {self.np_random_seed}")
        wanted = (options or {}).get("task")
        task = self._next() if wanted is None else task_of(self.tasks, wanted)
        self._dialogue = Dialogue(task, self.settings, self._seeds.getrandbits(63), self.tasks)
        self._transcript = [("user", self._dialogue.observation)]
        return self._dialogue.observation, {"task": task.key, "turn": 0}

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Answer. Raises ResetNeeded before `reset` and after the end."""
        if self.dialogue.done:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset()")
        step = self.last_step = step_many([self.dialogue], [action], self._sandbox())[0]
        self._transcript += [("assistant", action), ("user", step.observation or _ending(step))]
        return step.observation, step.reward, step.terminated, step.truncated, info_of(self.dialogue, step)

    @property
    def dialogue(self) -> Dialogue:
        """The episode under way. Raises ResetNeeded before the first `reset`."""
        if self._dialogue is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        return self._dialogue

    def render(self) -> str | None:
        """The transcript so far."""
        if self.render_mode != "ansi":
            return None
        return "\n\n".join(f"--- {who}\n{text}" for who, text in self._transcript)

    def close(self) -> None:
        """Close the sandbox if it is this environment's own."""
        if self._own_box and self._box is not None:
            self._box.close()
            self._box = None

    def _sandbox(self) -> Sandbox:
        if self._box is None:
            self._box = Sandbox(slots=1)
        return self._box

    def _next(self) -> Task:
        if not self._order:
            self._order = [int(i) for i in self.np_random.permutation(len(self.tasks))]
        return self.tasks[self._order.pop()]


def tasks_of(suite: str | Path | Sequence[Task], split: str) -> Sequence[Task]:
    """Tasks of a suite's split, or the tasks given. Raises RlefError when there is none."""
    tasks = load_suite(suite)[split] if isinstance(suite, str | Path) else suite
    if not len(tasks):
        raise RlefError(
            f'suite "{suite}" has no task in split "{split}"; name another' if tasks is not suite else "no tasks"
        )
    return tasks


def task_of(tasks: Sequence[Task], key: str) -> Task:
    """The task with this key. Raises RlefError when there is none."""
    for task in tasks:
        if task.key == key:
            return task
    raise RlefError(f'no task "{key}" among the {len(tasks)} of this environment')


def info_of(dialogue: Dialogue, step: Step) -> dict[str, Any]:
    """What `step` returns as info. Verdicts of private tests that decide nothing are for a critic only."""
    info = {
        "task": dialogue.task.key,
        "turn": dialogue.turn,
        "public": step.public,
        "private": step.private if dialogue.done else None,
        "passed": dialogue.done and step.passed,
        "program": step.program,
        "sandbox_failure": step.sandbox_failure,
        "wall_s": step.wall_s,
        "trust": step.trust,
    }
    return info | {"critic": {"private": step.private}} if dialogue.settings.private == "every" else info


def _ending(step: Step) -> str:
    return "[sandbox failure]" if step.truncated else f"[end: reward {step.reward:+g}]"
