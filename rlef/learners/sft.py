"""Supervised warm start: a few reference programs, and dialogues in which a wrong program is repaired.

A demonstration is an ordinary `Episode`. In a repair dialogue the first answer is one of the task's wrong programs, the
feedback is what the sandbox really said about it, and the second answer is the reference. The loss is on the last, the
passing response only (RLEF, arXiv 2410.02089, section 3.4.1 found that slightly better than on all).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch

from rlef.config import WarmStartConfig
from rlef.envs.dialogue import Dialogue, DialogueSettings, step_many
from rlef.episode import Episode, Turn
from rlef.errors import RlefError
from rlef.learners.batch import action_logprobs, forward, micro_batches
from rlef.learners.optimiser import autocast, make_optimiser, use_training_attention
from rlef.policies.chat import Chat
from tasks import Task
from tasks.judge import Box


def demonstrations(
    tasks: Sequence[Task], config: WarmStartConfig, chat: Chat, box: Box, settings: DialogueSettings, seed: int
) -> list[Episode]:
    """Demonstrations on tasks drawn with `seed`, first programs, then repairs; no task is used twice.

    Raises:
        RlefError: there are too few tasks with a reference (and a wrong program), or a reference does not pass.
    """
    rng = random.Random(f"demonstrations {seed}")
    order = rng.sample(range(len(tasks)), len(tasks))
    wanted = config.programs + config.repairs
    chosen: list[tuple[Task, list[str]]] = []
    for place in order:
        task = tasks[place]
        repair = len(chosen) >= config.programs
        if len(chosen) == wanted:
            break
        if task.references and (task.mutants or not repair):
            wrong = [rng.choice(task.mutants).source] if repair else []
            chosen.append((task, [*wrong, task.references[0].source]))
    if len(chosen) < wanted:
        raise RlefError(
            f"the warm start wants {wanted} tasks with references (and wrong programs for repairs), the suite has "
            f"{len(chosen)}; lower warm_start.programs and warm_start.repairs (0 and 0: no warm start)"
        )
    if settings.turn_limit == 1:
        chosen = chosen[: config.programs]
    talks = [Dialogue(task, settings) for task, _ in chosen]
    turns: list[list[Turn]] = [[] for _ in chosen]
    for number in range(2):
        active = [i for i, (_, programs) in enumerate(chosen) if number < len(programs) and not talks[i].done]
        answers = [f"```python\n{chosen[i][1][number].strip()}\n```" for i in active]
        observations = [talks[i].observation for i in active]
        steps = step_many([talks[i] for i in active], answers, box) if active else []
        for i, observation, answer, step in zip(active, observations, answers, steps, strict=True):
            before = turns[i][-1].response_ids if turns[i] else ()
            prompt = chat.follow(before, observation) if turns[i] else chat.start(observation)
            turns[i].append(
                Turn(
                    observation, answer, step.program, step.public, step.private, step.reward,
                    tuple(prompt), tuple(chat.answer(answer)),
                )
            )  # fmt: skip
    episodes = [Episode(task.key, seed, tuple(said)) for (task, _), said in zip(chosen, turns, strict=True)]
    for (task, programs), episode in zip(chosen, episodes, strict=True):
        last = episode.turns[-1]
        ours = {"sandbox_failure", "checker_failure"} & {*last.public, *(last.private or ())}
        if len(episode.turns) == len(programs) and not episode.passed and not ours:
            raise RlefError(
                f'the reference of task "{task.key}" does not pass its tests; `rlef tasks check` lists all such tasks'
            )
    # A wrong program that passes the public tests has no feedback and so no repair: it is no demonstration.
    return [episode for episode in episodes if episode.passed]


def warm_start(
    model: Any, episodes: Sequence[Episode], config: WarmStartConfig, seed: int,
    token_budget: int, progress: Callable[[int, float], None] = lambda step, loss: None,
) -> list[float]:  # fmt: skip
    """Train on the last response of each episode; returns the loss (nats per token) of every step."""
    use_training_attention(model)
    optimiser = make_optimiser(model.parameters(), config.learning_rate, config.weight_decay)
    rng = random.Random(f"warm start {seed}")
    losses: list[float] = []
    for _ in range(config.epochs):
        order = rng.sample(range(len(episodes)), len(episodes))
        for start in range(0, len(order), config.batch):
            chosen = order[start : start + config.batch]
            tokens = sum(len(episodes[i].turns[-1].response_ids) for i in chosen)
            total = 0.0
            for batch in micro_batches(episodes, chosen, token_budget):
                last = torch.tensor([len(episodes[i].turns) - 1 for i in batch.index])
                batch.turn_ids = torch.where(batch.turn_ids == last[:, None], batch.turn_ids, -1)
                with autocast(model):
                    logprobs, _ = action_logprobs(model, forward(model, batch), batch)
                loss = -logprobs.sum() / tokens
                loss.backward()
                total += float(loss.detach())
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            losses.append(total)
            progress(len(losses), total)
    return losses
