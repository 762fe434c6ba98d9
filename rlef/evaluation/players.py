"""Who plays an evaluation: a model loaded here, one that is served, or a file of written answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from rlef.config import EvalConfig, RolloutConfig
from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.evaluation.evaluate import evaluate, evaluate_text, usable_tasks
from rlef.policies.chat import Chat
from rlef.policies.interface import Engine, Speaker
from rlef.progress import Tick
from tasks import Suite, Task
from tasks.judge import Box

SHOWN = 3
"""Written dialogues that are printed; all are in the file."""

Play = Callable[[Box, Tick], list[Episode]]


def player(model: str, config: EvalConfig, suite: Suite) -> tuple[int, Play]:
    """How many episodes there will be, and what plays them.

    Args:
        model: a folder, a Hugging Face id or "embedded"; http://host:port/v1; or a file of answers (.jsonl).

    Raises:
        RlefError: there is no such model, server, file, task or split.
    """
    if model.endswith(".jsonl"):
        return _scripted(Path(model), config, suite)
    tasks = usable_tasks(suite, config.evaluation.split, config.evaluation.tasks)
    if not model.startswith(("http://", "https://")):
        from rlef.policies.engine import TransformersEngine
        from rlef.policies.load import load_policy

        policy = load_policy(model, config.system)
        context = min(config.context, policy.context)
        engine: Engine
        if config.engine == "vllm":
            from rlef.policies.vllm import VLLMEngine

            engine = VLLMEngine(policy, context)
        else:
            engine = TransformersEngine(policy.model, policy.chat.stop_ids, decode=policy.chat.text)
        return _in_tokens(engine, policy.chat, tasks, context, config, suite)

    from rlef.policies.endpoint import Endpoint

    if not config.endpoint.tokenizer:
        return _in_text(Endpoint(model, config.endpoint), tasks, config, suite)
    from rlef.policies.load import load_chat

    chat = load_chat(config.endpoint.tokenizer, config.system)
    return _in_tokens(Endpoint(model, config.endpoint, chat.stop_ids), chat, tasks, config.context, config, suite)


def _scripted(path: Path, config: EvalConfig, suite: Suite) -> tuple[int, Play]:
    """The tasks are those the file has answers for, once each."""
    from rlef.policies.scripted import Scripted

    speaker, split = Scripted(path), config.evaluation.split
    tasks = {task.key: task for task in usable_tasks(suite, split)}
    for key in speaker.answers:
        if key not in tasks:
            raise RlefError(f'{path}: suite "{suite.name}" has no task "{key}" in split "{split}"; name its split')
    once = dataclasses.replace(config, evaluation=dataclasses.replace(config.evaluation, samples=1))
    return _in_text(speaker, [tasks[key] for key in speaker.answers], once, suite)


def _in_text(speaker: Speaker, tasks: Sequence[Task], config: EvalConfig, suite: Suite) -> tuple[int, Play]:
    def play(box: Box, tick: Tick) -> list[Episode]:
        return evaluate_text(
            speaker, tasks, box, config.evaluation, *_rules(config, config.context), system=config.system,
            seed=config.seed, workers=config.endpoint.concurrency, suite=suite.name, progress=tick,
        )  # fmt: skip

    return len(tasks) * config.evaluation.samples, play


def _in_tokens(
    engine: Engine, chat: Chat, tasks: Sequence[Task], context: int, config: EvalConfig, suite: Suite
) -> tuple[int, Play]:
    def play(box: Box, tick: Tick) -> list[Episode]:
        return evaluate(
            engine, chat, tasks, box, config.evaluation, *_rules(config, context), seed=config.seed, suite=suite.name,
            progress=tick,
        )  # fmt: skip

    return len(tasks) * config.evaluation.samples, play


def _rules(config: EvalConfig, context: int) -> tuple[DialogueSettings, RolloutConfig]:
    settings = DialogueSettings(config.turn_limit, feedback=config.feedback)
    return settings, RolloutConfig(max_new_tokens=config.max_new_tokens, context=context)


def transcript(episodes: Sequence[Episode]) -> str:
    """The first dialogues, to read. What programs printed is in them, so control characters are taken out."""
    lines = []
    for episode in episodes[:SHOWN]:
        for number, turn in enumerate(episode.turns, 1):
            private = f"; private tests: {', '.join(turn.private)}" if turn.private else ""
            lines += [
                f"----- {episode.task}, turn {number}: user", turn.observation,
                f"----- {episode.task}, turn {number}: answer", turn.response,
                f"----- public tests: {', '.join(turn.public) or 'not run'}{private}; reward {turn.reward:+g}", "",
            ]  # fmt: skip
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in "\n".join(lines))
