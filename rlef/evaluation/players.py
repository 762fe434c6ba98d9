"""Who plays an evaluation: a model loaded here, one that is served, or a file of written answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlef.config import RolloutConfig
from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.evaluation.config import EvalConfig
from rlef.evaluation.evaluate import evaluate, evaluate_text, usable_tasks
from rlef.evaluation.ledger import Ledger, model_digest
from rlef.evaluation.recipes import within
from rlef.evaluation.search import BestOfEngine, BestOfSpeaker, Choice
from rlef.evaluation.selection import Verifier, parse_select
from rlef.policies.chat import Chat
from rlef.policies.interface import Engine, Speaker
from rlef.progress import Tick
from tasks import Suite, Task
from tasks.judge import Box

SHOWN = 3
"""Written dialogues that are printed; all are in the file."""


Play = Callable[[EvalConfig, Box, Tick, Ledger], list[Episode]]


@dataclass(frozen=True)
class Player:
    """Something that answers, and the tasks it is asked."""

    tasks: Sequence[Task]
    identity: str
    """What its episodes are kept under: a digest of a model or a file, or the address and name of a served model."""
    play: Play
    once: bool = False
    """There is one answer to each task only."""


def players(model: str, config: EvalConfig, suites: Sequence[Suite], verifier: Verifier | None = None) -> list[Player]:
    """What plays an evaluation, for each suite; a model is loaded once for all of them.

    Args:
        model: a folder, a Hugging Face id or "embedded"; http://host:port/v1; or a file of answers (.jsonl).
        verifier: chooses which of several answers goes on, where `config.best_of` asks for several.

    Raises:
        RlefError: there is no such model, server, file, task or split.
    """
    split = config.evaluation.split
    asked = [within(usable_tasks(suite, split), config.since, config.until) for suite in suites]
    if model.endswith(".jsonl"):
        if len(suites) > 1:
            raise RlefError(f"{model}: a file of answers belongs to one suite; name one --suite")
        return [_scripted(Path(model), config, suites[0], asked[0])]
    identity, play_on = _loaded(model, config, verifier)
    asked = [tasks[: config.evaluation.tasks or len(tasks)] for tasks in asked]
    return [Player(tasks, identity, play_on(tasks, suite)) for tasks, suite in zip(asked, suites, strict=True)]


def _loaded(
    model: str, config: EvalConfig, verifier: Verifier | None
) -> tuple[str, Callable[[Sequence[Task], Suite], Play]]:
    """What a model's episodes are kept under, and how it plays tasks."""
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
        identity = model_digest(model) + str(getattr(policy.model.config, "_commit_hash", None) or "")
        return identity, lambda tasks, suite: _in_tokens(engine, policy.chat, tasks, context, suite, verifier)

    from rlef.policies.endpoint import Endpoint

    if not config.endpoint.tokenizer:
        speaker = Endpoint(model, config.endpoint)
        return model, lambda tasks, suite: _in_text(speaker, tasks, suite, verifier)
    from rlef.policies.load import load_chat

    chat = load_chat(config.endpoint.tokenizer, config.system)
    served = Endpoint(model, config.endpoint, chat.stop_ids)
    return model, lambda tasks, suite: _in_tokens(served, chat, tasks, config.context, suite, verifier)


def _scripted(path: Path, config: EvalConfig, suite: Suite, usable: Sequence[Task]) -> Player:
    """The tasks are those the file has answers for, once each."""
    from rlef.policies.scripted import Scripted

    speaker, split = Scripted(path), config.evaluation.split
    by_key = {task.key: task for task in usable}
    for key in speaker.answers:
        if key not in by_key:
            raise RlefError(f'{path}: suite "{suite.name}" has no task "{key}" in split "{split}"; name its split')
    tasks = [by_key[key] for key in speaker.answers]
    return Player(tasks, model_digest(str(path)), _in_text(speaker, tasks, suite), once=True)


def _in_text(speaker: Speaker, tasks: Sequence[Task], suite: Suite, verifier: Verifier | None = None) -> Play:
    def play(config: EvalConfig, box: Box, tick: Tick, ledger: Ledger) -> list[Episode]:
        settings, rollout = _rules(config, config.context)
        who = speaker
        if config.best_of > 1:
            who = BestOfSpeaker(speaker, tasks, _choice(config, box, settings, verifier), config.best_of)
        return evaluate_text(
            who, tasks, box, config.evaluation, settings, rollout, system=config.system, seed=config.seed,
            workers=config.endpoint.concurrency, suite=suite.name, progress=tick, ledger=ledger,
            minutes=config.minutes,
        )  # fmt: skip

    return play


def _in_tokens(
    engine: Engine, chat: Chat, tasks: Sequence[Task], context: int, suite: Suite, verifier: Verifier | None
) -> Play:
    def play(config: EvalConfig, box: Box, tick: Tick, ledger: Ledger) -> list[Episode]:
        settings, rollout = _rules(config, context)
        who = engine
        if config.best_of > 1:
            who = BestOfEngine(engine, chat, tasks, _choice(config, box, settings, verifier), config.best_of)
        return evaluate(
            who, chat, tasks, box, config.evaluation, settings, rollout, seed=config.seed, suite=suite.name,
            progress=tick, ledger=ledger, minutes=config.minutes,
        )  # fmt: skip

    return play


def _choice(config: EvalConfig, box: Box, settings: DialogueSettings, verifier: Verifier | None) -> Choice:
    """What `--select` names, at each turn."""
    chosen = parse_select(config.select, config.inputs)
    return Choice(box, settings, chosen.public or chosen.kind == "public", verifier.score if verifier else None)


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
