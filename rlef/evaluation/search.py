"""Search over repairs: at each turn several answers are sampled, and the best looking one goes on and is repaired.

What looks best is what `--select` names: public tests, a verifier's score, or the one before the other (µCode's PT+LV,
multi-turn best-of-N; arXiv 2502.20380). `BestOf` wraps whatever answers, in tokens or in text; the dialogue sees the
chosen answer only. The first of the samples is the one that would have been given without search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from rlef.envs.answers import find_program
from rlef.envs.dialogue import DialogueSettings
from rlef.envs.feedback import task_text
from rlef.evaluation.evaluate import task_of
from rlef.evaluation.selectors import public_ranks
from rlef.policies.interface import Engine, Follow, Message, Request, Sample, Sampling, Speaker
from sandbox import Program
from tasks import Task, judge_many
from tasks.judge import Box

if TYPE_CHECKING:
    from rlef.policies.chat import Chat

Score = Callable[[Sequence[tuple[str, str]]], list[float]]
"""One number for each (task as the policy saw it, program)."""


class Answers(NamedTuple):
    """The answers to choose from at one turn about one task."""

    task: Task
    said: Sequence[str]


class Choice:
    """Chooses one of several answers.

    Args:
        settings: say what in an answer is its program.
        public: whether programs that pass the public tests come first.
        score: decides among the rest; the first one is taken without it.
    """

    def __init__(self, box: Box, settings: DialogueSettings, public: bool, score: Score | None = None) -> None:
        self._box, self._settings, self._public, self._score = box, settings, public, score
        self._lock = Lock()  # dialogues in text take their turns in threads

    def best(self, groups: Sequence[Answers]) -> list[int]:
        """The place of the chosen answer in each group; one without a program comes last, equals in order."""
        programs = [[self._program(answer) for answer in group.said] for group in groups]
        found = [(group.task, program) for group, row in zip(groups, programs, strict=True) for program in row
                 if program is not None]  # fmt: skip
        passed, scores = iter(self._passed(found)), iter(self._scores(found))
        places = []
        for row in programs:
            facts = [(False, -math.inf) if program is None else (next(passed), next(scores)) for program in row]
            ranks = public_ranks([one for one, _ in facts], [score for _, score in facts])
            places.append(ranks.index(max(ranks)))
        return places

    def _program(self, answer: str) -> str | None:
        return find_program(answer, self._settings.language, self._settings.plain)

    def _passed(self, programs: Sequence[tuple[Task, str]]) -> list[bool]:
        if not self._public or not programs:
            return [False] * len(programs)
        jobs = [(task, Program(source, self._settings.language)) for task, source in programs]
        reports = judge_many(jobs, self._box, "public")
        return [all(result.verdict == "accepted" for result in report.public) for report in reports]

    def _scores(self, programs: Sequence[tuple[Task, str]]) -> list[float]:
        if self._score is None or not programs:
            return [0.0] * len(programs)
        with self._lock:
            return self._score([(task_text(task, self._settings.feedback), source) for task, source in programs])


class BestOfEngine:
    """An `Engine` whose samples are chosen among several of another one.

    Args:
        tasks: those of the evaluation; a request's seed says which it is about.
        samples: answers to choose from, at each turn.
    """

    def __init__(self, engine: Engine, chat: Chat, tasks: Sequence[Task], choice: Choice, samples: int) -> None:
        self._engine, self._chat, self._tasks, self._choice, self._samples = engine, chat, tasks, choice, samples

    def run(self, requests: Sequence[Request], sampling: Sampling, follow: Follow) -> None:
        """See `Engine.run`; `follow` gets the chosen samples."""
        pending: dict[tuple[int, ...], tuple[Request, dict[int, Sample]]] = {}

        def ask(requests: Sequence[Request]) -> list[Request]:
            pending.update((request.key, (request, {})) for request in requests)
            return [
                Request((*request.key, place), request.ids, _seed(request.seed, place))
                for request in requests for place in range(self._samples)
            ]  # fmt: skip

        def choose(ended: Sequence[tuple[Request, Sample]]) -> list[Request]:
            for one, sample in ended:
                pending[one.key[:-1]][1][one.key[-1]] = sample
            whole = [
                (request, [samples[place] for place in range(self._samples)])
                for request, samples in pending.values() if len(samples) == self._samples
            ]  # fmt: skip
            for request, _ in whole:
                del pending[request.key]
            groups = [
                Answers(task_of(request.seed[0], self._tasks), [self._chat.text(sample.ids) for sample in row])
                for request, row in whole
            ]
            places = self._choice.best(groups) if groups else []
            chosen = [(request, row[place]) for (request, row), place in zip(whole, places, strict=True)]
            return ask(follow(chosen)) if chosen else []

        self._engine.run(ask(requests), sampling, choose)


class BestOfSpeaker:
    """The same for a `Speaker`."""

    def __init__(self, speaker: Speaker, tasks: Sequence[Task], choice: Choice, samples: int) -> None:
        self._speaker, self._choice, self._samples = speaker, choice, samples
        self._tasks = {task.key: task for task in tasks}

    def reply(self, task: str, messages: Sequence[Message], seed: tuple[int, ...], sampling: Sampling) -> str:
        """The chosen answer."""
        said = [self._speaker.reply(task, messages, _seed(seed, place), sampling) for place in range(self._samples)]
        [place] = self._choice.best([Answers(self._tasks[task], said)])
        return said[place]


def _seed(seed: tuple[int, ...], place: int) -> tuple[int, ...]:
    """The seed of one of several answers; the first has the one of a dialogue without search."""
    return (*seed, place) if place else seed
