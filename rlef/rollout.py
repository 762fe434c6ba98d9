"""Policy times environment: dialogues are answered, judged and answered again until all are over.

The engine answers as many dialogues at a time as it can. Whenever some have their answer, those programs go over the
sandbox's slots and the dialogues ask for the next one. What comes out are `Episode`s, and nothing else is needed to
learn from them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rlef.envs.dialogue import Dialogue, DialogueSettings, Step, step_many
from rlef.episode import Episode, Turn
from rlef.errors import RlefError
from rlef.policies.chat import Chat
from rlef.policies.interface import Engine, Request, Sample, Sampling
from tasks import Task
from tasks.judge import Box


@dataclass(frozen=True)
class Start:
    """An episode to be: its task, the seed of all that is drawn in it, and problems that random feedback is about."""

    task: Task
    seed: int
    others: Sequence[Task] = ()


def starts(tasks: Sequence[Task], samples: int, draw: str, others: Sequence[Task]) -> list[Start]:
    """`samples` episodes of each task in turn, with seeds drawn from `draw`."""
    seeds = random.Random(draw)
    return [Start(task, seeds.getrandbits(63), others) for task in tasks for _ in range(samples)]


class _Conversation:
    """One dialogue with its tokens."""

    def __init__(self, key: int, start: Start, settings: DialogueSettings, chat: Chat) -> None:
        self.key, self.start = key, start
        self.dialogue = Dialogue(start.task, settings, start.seed, start.others)
        self.ids: list[int] = []
        self.new = chat.prompt([], self.dialogue.observation)
        self.turns: list[Turn] = []
        self.truncated = self.sandbox_failure = False

    def request(self) -> Request:
        turn = self.dialogue.turn
        return Request((self.key,), [*self.ids, *self.new], (self.start.seed, turn))

    def record(self, observation: str, response: str, sample: Sample, step: Step, chat: Chat) -> None:
        self.turns.append(
            step.turn(
                observation, response, prompt_ids=tuple(self.new), response_ids=sample.ids, logprobs=sample.logprobs,
                value=sample.value, whole_prompt=not chat.append_only,
            )
        )  # fmt: skip
        self.ids = [*self.ids, *self.new, *sample.ids] if chat.append_only else []
        self.truncated, self.sandbox_failure = step.truncated, step.sandbox_failure
        self.new = [] if self.dialogue.done else chat.prompt(self.turns, step.observation)

    def episode(self, step: int, suite: str, settings: DialogueSettings) -> Episode:
        return Episode(
            task=self.start.task.key,
            seed=self.start.seed,
            turns=tuple(self.turns),
            truncated=self.truncated,
            sandbox_failure=self.sandbox_failure,
            step=step,
            suite=suite,
            rules=settings.rules(),
        )


def collect(
    starts: Sequence[Start],
    engine: Engine,
    chat: Chat,
    box: Box,
    *,
    sampling: Sampling,
    settings: DialogueSettings,
    context: int,
    step: int = 0,
    suite: str = "",
    progress: Callable[[Sequence[Episode]], None] = lambda ended: None,
) -> list[Episode]:
    """Sample one episode per start, in order.

    Args:
        context: tokens a conversation may have; one that would not fit its next answer is truncated.
        step: update of the learner, kept in the record.
        progress: called with the episodes that have just ended, turn after turn.
    """
    talks = [_Conversation(key, start, settings, chat) for key, start in enumerate(starts)]
    episodes: dict[int, Episode] = {}

    def leave(over: Sequence[_Conversation]) -> None:
        ended = {talk.key: talk.episode(step, suite, settings) for talk in over}
        episodes.update(ended)
        progress(list(ended.values()))

    def ask(active: Sequence[_Conversation]) -> list[Request]:
        for talk in active:
            talk.truncated = len(talk.ids) + len(talk.new) + sampling.max_new_tokens > context
        leave([talk for talk in active if talk.truncated])
        return [talk.request() for talk in active if not talk.truncated]

    def follow(ended: Sequence[tuple[Request, Sample]]) -> list[Request]:
        said = [talks[request.key[0]] for request, _ in ended]
        answers = [chat.text(sample.ids) for _, sample in ended]
        observations = [talk.dialogue.observation for talk in said]
        steps = step_many([talk.dialogue for talk in said], answers, box)
        for talk, observation, answer, (_, sample), outcome in zip(
            said, observations, answers, ended, steps, strict=True
        ):
            talk.record(observation, answer, sample, outcome, chat)
        leave([talk for talk in said if talk.dialogue.done])
        return ask([talk for talk in said if not talk.dialogue.done])

    engine.run(ask(talks), sampling, follow)
    return [episodes[talk.key] for talk in talks]


def check_health(episodes: Sequence[Episode]) -> None:
    """Raise RlefError when there is nothing to learn from: the sandbox is broken, or no prompt fits."""
    failed = sum(episode.sandbox_failure for episode in episodes)
    if failed > len(episodes) / 2:
        raise RlefError(
            f"the sandbox failed on {failed} of {len(episodes)} episodes; see that the Docker Engine runs, then go on "
            "with --resume"
        )
    if not any(episode.turns for episode in episodes):
        raise RlefError("no task fits the context; raise rollout.context, or lower rollout.max_new_tokens")
