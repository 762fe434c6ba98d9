"""Runs a policy over tasks.

Two models are compared on the same tasks with the same seeds: the seed of an episode depends on the task's place and
the sample's number and on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from rlef.config import EvaluationConfig, RolloutConfig
from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.evaluation.intervals import bootstrap
from rlef.evaluation.ledger import Ledger
from rlef.evaluation.metrics import outcomes_of, solved_final
from rlef.policies.chat import Chat
from rlef.policies.interface import Engine, Sampling, Speaker
from rlef.rollout import Start, collect
from rlef.text_rollout import converse
from tasks import Suite, Task
from tasks.judge import Box

EPISODES_AT_ONCE = 128
"""Between two looks at the clock; four times as many where time is not limited, which keeps an engine full."""
Progress = Callable[[int, str], None]
"""Takes the number of episodes that ended and a note."""


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
    progress: Progress = lambda done, note: None, ledger: Ledger | None = None, minutes: float = 0,
) -> list[Episode]:  # fmt: skip
    """`config.samples` episodes for every task, in order; `progress` gets what ended and the running rate.

    Args:
        ledger: episodes it holds are not played again, new ones are added as they end.
        minutes: no batch is begun later than this; every task then has its first samples before any has its last ones.
    """
    sampling = _sampling(config, rollout)

    def play(batch: Sequence[Start]) -> list[Episode]:
        asked = {start.seed: start.task for start in batch}

        def ended(episodes: Sequence[Episode]) -> None:
            progress(len(episodes), "")
            if ledger:
                ledger.add([asked[episode.seed] for episode in episodes], episodes)

        return collect(
            batch, engine, chat, box, sampling=sampling, settings=settings, context=rollout.context, suite=suite,
            progress=ended,
        )  # fmt: skip

    return _missing(_starts(tasks, config.samples, seed), play, progress, ledger, minutes)


def evaluate_text(
    speaker: Speaker, tasks: Sequence[Task], box: Box, config: EvaluationConfig, settings: DialogueSettings,
    rollout: RolloutConfig, *, system: str, seed: int, workers: int, suite: str = "",
    progress: Progress = lambda done, note: None, ledger: Ledger | None = None, minutes: float = 0,
) -> list[Episode]:  # fmt: skip
    """The same for a policy that speaks text, with `workers` dialogues at a time; the ledger gets each as it ends."""
    sampling = _sampling(config, rollout)

    def play(batch: Sequence[Start]) -> list[Episode]:
        asked = {start.seed: start.task for start in batch}

        def ended(episode: Episode) -> None:
            progress(1, "")
            if ledger:
                ledger.add([asked[episode.seed]], [episode])

        return converse(
            batch, speaker, box, sampling=sampling, settings=settings, system=system, workers=workers, suite=suite,
            progress=ended,
        )  # fmt: skip

    return _missing(_starts(tasks, config.samples, seed), play, progress, ledger, minutes)


def _missing(
    starts: Sequence[Start], play: Callable[[Sequence[Start]], list[Episode]], progress: Progress,
    ledger: Ledger | None, minutes: float,
) -> list[Episode]:  # fmt: skip
    """Episodes of the starts, in order: those the ledger holds, the others played in batches."""
    known = {start.seed: ledger.get(start.task, start.seed) for start in starts} if ledger else {}
    episodes = {number: episode for number, episode in known.items() if episode}
    progress(len(episodes), _so_far(episodes.values()))
    missing = [start for start in starts if start.seed not in episodes]
    if minutes:  # the last bits of a seed are the sample's number
        missing.sort(key=lambda start: start.seed & 0xFFFFF)
    until = monotonic() + 60 * minutes
    at_once = EPISODES_AT_ONCE if minutes else 4 * EPISODES_AT_ONCE
    for first in range(0, len(missing), at_once):
        if minutes and monotonic() > until:
            break
        episodes |= {episode.seed: episode for episode in play(missing[first : first + at_once])}
        progress(0, _so_far(episodes.values()))
    return [episodes[start.seed] for start in starts if start.seed in episodes]


def _so_far(episodes: Iterable[Episode]) -> str:
    """The running estimate with its interval."""
    now = bootstrap(solved_final(outcomes_of(list(episodes))), draws=200)
    return f"solved {now.mean:.1%} ({now.low:.1%} to {now.high:.1%}) so far" if not math.isnan(now.mean) else ""


def _starts(tasks: Sequence[Task], samples: int, seed: int) -> list[Start]:
    return [
        Start(task, (seed << 40) + (place << 20) + sample, tasks)
        for place, task in enumerate(tasks)
        for sample in range(samples)
    ]


def task_of(seed: int, tasks: Sequence[Task]) -> Task:
    """The task an episode of an evaluation is about, by its seed: see `_starts`."""
    return tasks[seed >> 20 & 0xFFFFF]


def _sampling(config: EvaluationConfig, rollout: RolloutConfig) -> Sampling:
    return Sampling(
        config.temperature, config.top_p, rollout.max_new_tokens, config.top_k, config.min_p, config.stop
    )  # fmt: skip
