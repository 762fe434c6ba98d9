"""Runs a policy over tasks and turns its episodes into outcomes.

Two models are compared on the same tasks with the same seeds: the seed of an episode depends on the task's place and
the sample's number and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rlef.config import EvaluationConfig, RolloutConfig
from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.evaluation.metrics import Outcome
from rlef.policies.chat import Chat
from rlef.policies.engine import Sampling
from rlef.policies.interface import Engine, Speaker
from rlef.rollout import Start, collect
from rlef.text_rollout import converse
from tasks import Suite, Task
from tasks.judge import Box

EPISODES_AT_ONCE = 128


def usable_tasks(suite: Suite, split: str, count: int = 0) -> Sequence[Task]:
    """The first `count` tasks of a split (all for 0). Raises RlefError when there is none, or one cannot be scored."""
    tasks = suite[split][:count] if count else suite[split]
    if not len(tasks):
        raise RlefError(f'suite "{suite.name}" has no task in split "{split}"; name another split or suite')
    for task in tasks:
        if not task.private_tests:
            raise RlefError(
                f'task "{task.key}" of suite "{suite.name}" has no private test, so nothing decides its reward'
            )
    return tasks


def evaluate(
    engine: Engine, chat: Chat, tasks: Sequence[Task], box: Box, config: EvaluationConfig,
    settings: DialogueSettings, rollout: RolloutConfig, *, seed: int, suite: str = "",
    progress: Callable[[int, str], None] = lambda done, note: None,
) -> list[Episode]:  # fmt: skip
    """`config.samples` episodes for every task, in order; `progress` gets what ended and the running rate."""
    starts, sampling = _starts(tasks, config.samples, seed), _sampling(config, rollout)
    episodes: list[Episode] = []
    for first in range(0, len(starts), EPISODES_AT_ONCE):
        episodes += collect(
            starts[first : first + EPISODES_AT_ONCE], engine, chat, box, sampling=sampling, settings=settings,
            context=rollout.context, suite=suite, progress=lambda done: progress(done, ""),
        )  # fmt: skip
        progress(0, f"solved {sum(episode.passed for episode in episodes) / len(episodes):.1%} so far")
    return episodes


def evaluate_text(
    speaker: Speaker, tasks: Sequence[Task], box: Box, config: EvaluationConfig, settings: DialogueSettings,
    rollout: RolloutConfig, *, system: str, seed: int, workers: int, suite: str = "",
    progress: Callable[[int, str], None] = lambda done, note: None,
) -> list[Episode]:  # fmt: skip
    """The same for a policy that speaks text, with `workers` dialogues at a time."""
    ended: list[Episode] = []

    def tell(episode: Episode) -> None:
        ended.append(episode)
        progress(1, f"solved {sum(one.passed for one in ended) / len(ended):.1%} so far")

    return converse(
        _starts(tasks, config.samples, seed), speaker, box, sampling=_sampling(config, rollout), settings=settings,
        system=system, workers=workers, suite=suite, progress=tell,
    )  # fmt: skip


def _starts(tasks: Sequence[Task], samples: int, seed: int) -> list[Start]:
    return [
        Start(task, (seed << 40) + (place << 20) + sample, tasks)
        for place, task in enumerate(tasks)
        for sample in range(samples)
    ]


def _sampling(config: EvaluationConfig, rollout: RolloutConfig) -> Sampling:
    return Sampling(
        config.temperature, config.top_p, rollout.max_new_tokens, config.top_k, config.min_p, config.stop
    )  # fmt: skip


def outcomes_of(episodes: Sequence[Episode]) -> list[Outcome]:
    """What the metrics count. An episode the sandbox failed on has no score; one cut short has what it reached."""
    return [
        Outcome(
            task=episode.task,
            seed=episode.seed,
            passed_by_turn=episode.passed_by_turn or (False,),
            failed=episode.sandbox_failure,
            public_passed=bool(episode.turns) and (episode.passed or episode.turns[-1].public_passed),
        )
        for episode in episodes
    ]
