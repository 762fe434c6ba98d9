"""A dialogue about one task, as a state machine that any loop can drive: environment, vector environment, rollout.

`step_many` takes the answers of many dialogues and judges all their programs in one batch over the sandbox's slots.
Public tests run first and end the dialogue when they pass; the private ones then decide the reward. A failure of ours
ends the dialogue as truncated, without a reward. Running and deciding are apart (`judge_programs`, `advance`): what
running showed is a `Judged`, from which a record is played again without a sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rlef.config import FeedbackConfig
from rlef.envs.answers import find_program
from rlef.envs.feedback import MODES, Told, feedback_text, task_text
from rlef.envs.judging import Judged, judge_programs
from rlef.envs.rewards import Facts, When, reward_of
from rlef.episode import Failure, Turn
from rlef.errors import RlefError
from tasks import Task
from tasks.judge import Box, Trust


@dataclass(frozen=True)
class DialogueSettings:
    """The rules of an episode: plain data.

    Raises RlefError for an unknown reward or feedback mode, and for a turn limit below one.
    """

    turn_limit: int = 3
    """Answers the policy may give (RLEF: 3)."""
    language: str = "python"
    feedback: FeedbackConfig = field(default_factory=FeedbackConfig)
    reward: str = "execution"
    """Specification of a reward (`rlef.envs.rewards.reward_of`)."""
    critic: bool = False
    """Run all private tests on every program, for a critic to see."""
    plain: bool = False
    """An answer without a fence is a program as a whole."""

    def __post_init__(self) -> None:
        reward_of(self.reward)
        if self.feedback.mode not in MODES:
            raise RlefError(f"unknown feedback mode {self.feedback.mode!r}; there are: {', '.join(MODES)}")
        if self.turn_limit < 1:
            raise RlefError(f"turn_limit={self.turn_limit} is less than one answer")

    @property
    def private(self) -> When:
        """Which private tests run."""
        return "every" if self.critic else reward_of(self.reward).private

    def rules(self) -> dict[str, Any]:
        """What an `Episode` keeps of the settings."""
        return asdict(self)

    @staticmethod
    def of(rules: Mapping[str, Any]) -> DialogueSettings:
        """The settings of a record. Raises RlefError for rules this version does not know."""
        try:
            return DialogueSettings(**{**rules, "feedback": FeedbackConfig(**rules["feedback"])})
        except (TypeError, KeyError) as error:
            raise RlefError(f"the record's rules are not of this version ({error})") from error


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
    failures: tuple[Failure, ...] = ()
    """What feedback could be made of."""
    rates: tuple[float, ...] = ()
    """See `Facts.rates`."""
    signals: tuple[str, ...] = ()
    """Signs of cheating (`tasks.signals`)."""

    @property
    def passed(self) -> bool:
        """Whether the program passes all tests, public and private."""
        return bool(self.private) and {*self.public, *(self.private or ())} == {"accepted"}

    def turn(self, observation: str, response: str, **tokens: Any) -> Turn:
        """The record of it: what was answered to what, and the token fields of `Turn`."""
        return Turn(
            observation, response, self.program, self.public, self.private, self.reward, trust=self.trust,
            failures=self.failures, rates=self.rates, signals=self.signals, **tokens,
        )  # fmt: skip


class Dialogue:
    """One episode. `observation` is what to answer next; `done` says that it is over.

    Args:
        seed: of what the feedback mode draws.
        others: problems that random feedback is about; this one is left out.

    Raises:
        RlefError: a task without private tests, whose reward nothing would decide; random feedback and no other task.
    """

    def __init__(
        self, task: Task, settings: DialogueSettings | None = None, seed: int = 0, others: Sequence[Task] = ()
    ) -> None:
        if not task.private_tests:
            raise RlefError(f'task "{task.key}" has no private test, so nothing decides its reward; leave it out')
        self.task = task
        self.settings = settings or DialogueSettings()
        self.seed, self.others = seed, others
        if self.settings.feedback.mode == "random" and not any(map(self.lends, others)):
            raise RlefError(f'random feedback on task "{task.key}" needs another task to take it from; add tasks')
        self.observation = task_text(task, self.settings.feedback)
        self.turn = 0
        """Answers given so far."""
        self.done = False
        self.told: tuple[Told, ...] = ()
        """What there was to tell about the last two answers."""
        self.facts: Facts | None = None
        """Those of the last turn."""

    def lends(self, other: Task) -> bool:
        """Whether random feedback can be about this problem."""
        return other.key != self.task.key and bool(other.public_tests)

    def find_program(self, answer: str) -> str | None:
        """The program in an answer."""
        return find_program(answer, self.settings.language, self.settings.plain)


def step_many(dialogues: Sequence[Dialogue], answers: Sequence[str], box: Box) -> list[Step]:
    """Give each dialogue its answer; all programs are judged in one batch.

    Raises ValueError for a dialogue that is over.
    """
    if any(dialogue.done for dialogue in dialogues):
        raise ValueError("this dialogue is over; start a new one")
    programs = [dialogue.find_program(answer) for dialogue, answer in zip(dialogues, answers, strict=True)]
    judged = judge_programs(dialogues, programs, box)
    return [advance(*one) for one in zip(dialogues, programs, judged, strict=True)]


def advance(dialogue: Dialogue, program: str | None, judged: Judged) -> Step:
    """The step that follows from what running the program showed. Nothing runs here."""
    settings = dialogue.settings
    dialogue.turn += 1
    failed = judged.failed
    terminated = not failed and (judged.decided or dialogue.turn >= settings.turn_limit)
    dialogue.done = terminated or failed
    reward = 0.0
    if not failed:
        facts = Facts(
            final=terminated,
            passed=judged.passed,
            has_code=program is not None and judged.compiles,
            public=judged.public,
            private=judged.private,
            rates=judged.rates,
            trust=judged.trust,
            program=program,
            previous=dialogue.facts,
        )
        reward = reward_of(settings.reward).pay(facts)
        dialogue.facts = replace(facts, previous=None)
    random_feedback = settings.feedback.mode == "random"
    told = Told(judged.failures, program is not None or random_feedback)
    dialogue.told = (*dialogue.told[-1:], told)
    observation = ""
    if not dialogue.done:
        observation = feedback_text(dialogue.told, settings.feedback, f"{dialogue.seed} {program}")
    dialogue.observation = observation
    return Step(
        observation=observation,
        program=program,
        public=judged.public,
        private=judged.private or None,
        reward=reward,
        terminated=terminated,
        truncated=failed,
        sandbox_failure=failed,
        wall_s=judged.wall_s,
        trust=judged.trust,
        failures=judged.failures,
        rates=judged.rates,
        signals=judged.signals,
    )
