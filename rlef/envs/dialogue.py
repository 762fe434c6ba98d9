"""A dialogue about one task, as a state machine that any loop can drive: environment, vector environment, rollout.

`step_many` takes the answers of many dialogues and judges all their programs in one batch over the sandbox's slots.
Public tests run first and end the dialogue when they pass; the private ones then decide the reward. A failure of ours
ends the dialogue as truncated, without a reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rlef.config import FeedbackConfig
from rlef.envs.answers import find_program
from rlef.envs.feedback import feedback_text, task_text
from rlef.envs.rewards import Facts, Reward, execution
from rlef.errors import RlefError
from sandbox import Program
from tasks import Report, Task, Verdict, judge_many
from tasks.judge import Box, Trust


@dataclass(frozen=True)
class DialogueSettings:
    """The rules of an episode."""

    turn_limit: int = 3
    """Answers the policy may give (RLEF: 3)."""
    language: str = "python"
    feedback: FeedbackConfig = field(default_factory=FeedbackConfig)
    reward: Reward = execution


@dataclass(frozen=True)
class Step:
    """What one answer came to."""

    observation: str
    """The next user message; empty when the dialogue is over."""
    program: str | None
    public: tuple[str, ...]
    private: tuple[str, ...] | None
    reward: float
    terminated: bool
    truncated: bool
    sandbox_failure: bool
    wall_s: float
    """Time the program ran, over all tests, in seconds."""
    trust: Trust
    """Whether the verdicts could have been forged by the program (`tasks.judge`)."""


class Dialogue:
    """One episode. `observation` is what to answer next; `done` says that it is over.

    Raises RlefError for a task without private tests: nothing would decide its reward.
    """

    def __init__(self, task: Task, settings: DialogueSettings | None = None) -> None:
        if not task.private_tests:
            raise RlefError(f'task "{task.key}" has no private test, so nothing decides its reward; leave it out')
        self.task = task
        self.settings = settings or DialogueSettings()
        self.observation = task_text(task, self.settings.feedback)
        self.turn = 0
        """Answers given so far."""
        self.done = False


def step_many(dialogues: Sequence[Dialogue], answers: Sequence[str], box: Box) -> list[Step]:
    """Give each dialogue its answer; all programs are judged in one batch.

    Raises ValueError for a dialogue that is over.
    """
    if any(dialogue.done for dialogue in dialogues):
        raise ValueError("this dialogue is over; start a new one")
    programs = [find_program(a, d.settings.language) for d, a in zip(dialogues, answers, strict=True)]
    reports = _judge(dialogues, programs, box)
    return [_advance(*one) for one in zip(dialogues, programs, reports, strict=True)]


def _judge(dialogues: Sequence[Dialogue], programs: Sequence[str | None], box: Box) -> list[Report]:
    """Public tests of every program, then private tests of those that passed, up to their first failure."""
    reports = [Report() for _ in dialogues]
    pairs = {
        i: (dialogue.task, Program(source, dialogue.settings.language))
        for i, (dialogue, source) in enumerate(zip(dialogues, programs, strict=True))
        if source is not None
    }
    if pairs:
        for i, report in zip(pairs, judge_many(list(pairs.values()), box, "public"), strict=True):
            reports[i] = report
    # A task without public tests gives no feedback: its first program is its last.
    through = [i for i in pairs if reports[i].public_passed or not dialogues[i].task.public_tests]
    if through:
        hidden = judge_many([pairs[i] for i in through], box, "private", stop_on_failure=True)
        for i, report in zip(through, hidden, strict=True):
            weaker = report if report.trust == "forgeable" else reports[i]
            reports[i] = replace(reports[i], private=report.private, trust=weaker.trust)
    return reports


def _advance(dialogue: Dialogue, program: str | None, report: Report) -> Step:
    settings = dialogue.settings
    dialogue.turn += 1
    failed = report.sandbox_failed
    terminated = not failed and (bool(report.private) or dialogue.turn >= settings.turn_limit)
    dialogue.done = terminated or failed
    reward = 0.0
    if not failed:
        compiles = program is not None and report.verdict is not Verdict.COMPILE_ERROR
        reward = settings.reward(Facts(terminated, bool(report.private) and report.passed, compiles))
    observation = ""
    if not dialogue.done:
        observation = feedback_text(report.public, program is not None, settings.feedback)
    dialogue.observation = observation
    costs = [result.execution.wall_s for result in report.public] + [result.wall_s for result in report.private]
    return Step(
        observation=observation,
        program=program,
        public=tuple(result.verdict.value for result in report.public),
        private=tuple(result.verdict.value for result in report.private) or None,
        reward=reward,
        terminated=terminated,
        truncated=failed,
        sandbox_failure=failed,
        wall_s=sum(costs),
        trust=report.trust,
    )
