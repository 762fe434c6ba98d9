"""Demonstrations for supervised learning: ordinary `Episode`s whose last answer is the task's reference.

A program is a reference as the first answer. A repair is the model's own wrong program, what the sandbox really says
about it, and the reference as the second answer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from rlef.config import WarmStartConfig
from rlef.envs.answers import answer_of
from rlef.envs.dialogue import Dialogue, DialogueSettings, step_many
from rlef.episode import Episode, Turn
from rlef.errors import RlefError
from rlef.policies.chat import Chat
from tasks import Task
from tasks.judge import OURS, Box


def split_tasks(tasks: Sequence[Task], config: WarmStartConfig, seed: int) -> tuple[list[Task], list[Task]]:
    """Tasks to show as first answers, and other tasks for the model to try: twice as many as repairs are wanted.

    Raises:
        RlefError: there are too few tasks with a reference.
    """
    known = [task for task in tasks if task.references]
    wanted = config.programs + 2 * config.repairs
    if len(known) < wanted:
        raise RlefError(
            f"the warm start wants {wanted} tasks with references (programs, and twice the repairs), the suite has "
            f"{len(known)}; lower warm_start.programs and warm_start.repairs (0 and 0: no warm start)"
        )
    drawn = random.Random(f"demonstrations {seed}").sample(known, wanted)
    return drawn[: config.programs], drawn[config.programs :]


def programs(tasks: Sequence[Task], chat: Chat, box: Box, settings: DialogueSettings, seed: int) -> list[Episode]:
    """The reference of each task as its first answer. Raises RlefError when one does not pass its tests."""
    return _show(tasks, [Dialogue(task, settings, seed, tasks) for task in tasks], [() for _ in tasks], chat, box, seed)


def repairs(
    tasks: Sequence[Task], tried: Sequence[Episode], chat: Chat, box: Box, settings: DialogueSettings, seed: int
) -> list[Episode]:
    """The reference of each task as a second answer, after the model's own and what the sandbox says of that.

    `tried` are the model's episodes on the tasks. Where its program got past the public tests there is nothing to show.
    Raises RlefError when a reference does not pass its tests.
    """
    said = [(task, episode.turns[0]) for task, episode in zip(tasks, tried, strict=True) if episode.turns]
    talks = [Dialogue(task, settings, seed, tasks) for task, _ in said]
    first = [turn for _, turn in said]
    step_many(talks, [turn.response for turn in first], box)
    left = [i for i, talk in enumerate(talks) if not talk.done]
    return _show([said[i][0] for i in left], [talks[i] for i in left], [(first[i],) for i in left], chat, box, seed)


def _show(
    tasks: Sequence[Task],
    talks: Sequence[Dialogue],
    before: Sequence[tuple[Turn, ...]],
    chat: Chat,
    box: Box,
    seed: int,
) -> list[Episode]:
    """Let the reference answer in each dialogue, after the turns `before`."""
    answers = [answer_of(task.references[0].source) for task in tasks]
    observations = [talk.observation for talk in talks]
    steps = step_many(talks, answers, box) if talks else []
    shown = []
    for task, turns, seen, answer, step in zip(tasks, before, observations, answers, steps, strict=True):
        prompt = chat.prompt(turns, seen)
        last = step.turn(
            seen, answer, prompt_ids=tuple(prompt), response_ids=tuple(chat.answer(answer)),
            whole_prompt=not chat.append_only,
        )  # fmt: skip
        episode = Episode(task.key, seed, (*turns, last))
        ours = OURS & {*last.public, *(last.private or ())}
        if not episode.passed and not ours:
            raise RlefError(
                f'the reference of task "{task.key}" does not pass its tests; `rlef tasks check` lists all such tasks'
            )
        shown.append(episode)
    return [episode for episode in shown if episode.passed]
