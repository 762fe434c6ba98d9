"""The batches of episodes that a run learns from, in order: sampled when one is wanted, or while the one before it is
being learned from.

The second way keeps sampler and learner busy side by side, and the weights that sampled a batch are then those before
the update under way: RLEF's training is asynchronous (arXiv 2410.02089, appendix A.1). What is drawn does not depend on
who is faster, so such a run too has the same numbers each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from rlef.config import TrainConfig
from rlef.curriculum import Learnability, in_turn
from rlef.episode import Episode
from rlef.processes import Processes
from rlef.rollout import Start, starts
from tasks import Task

Sample = Callable[[int, Sequence[Start]], list[Episode]]
"""From the number of the update and what this process is to begin, its episodes."""


@dataclass(frozen=True)
class Rollout:
    """One batch, how many seconds its sampling took, and how many updates its weights are behind those that learn."""

    episodes: list[Episode]
    seconds: float = 0.0
    staleness: int = 0

    @property
    def tokens(self) -> int:
        """Sampled ones."""
        return sum(len(turn.response_ids) for episode in self.episodes for turn in episode.turns)


class Batches:
    """Draws tasks and has them sampled. Several processes ask for the same batches in the same order.

    Args:
        seen: episodes of the updates before, which say where there is something to learn.
        ahead: a batch that was sampled and not learned from before the run was stopped.
    """

    def __init__(
        self, tasks: Sequence[Task], config: TrainConfig, processes: Processes, sample: Sample,
        seen: Iterable[Episode] = (), ahead: Sequence[Episode] = (),
    ) -> None:  # fmt: skip
        self._tasks, self._config, self._processes, self._sample = tasks, config, processes, sample
        self._learnability = Learnability(tasks)
        self._learns = config.rollout.draw == "learnable"
        if self._learns:
            self._learnability.replay(seen)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="rollout")
        self._coming: Future[Rollout] | None = None
        self._ahead = Rollout(list(ahead), staleness=1) if ahead else None

    def take(self, number: int) -> Rollout:
        """The batch of update `number`, waited for if it is being sampled, else sampled now."""
        batch = self.ahead() or self._whole(self._run(number, self._draw(number), 0))
        self._ahead = None
        if self._learns:
            self._learnability.see(batch.episodes)
        return batch

    def begin(self, number: int) -> None:
        """Have the batch of update `number` sampled while this thread goes on; the sampler's weights must stay."""
        self._coming = self._worker.submit(self._run, number, self._draw(number), 1)

    def ahead(self) -> Rollout | None:
        """The batch that was begun, waited for; None when there is none. `take` still gives it."""
        if self._coming:
            self._ahead, self._coming = self._whole(self._coming.result()), None
        return self._ahead

    @property
    def under_way(self) -> bool:
        """Whether a batch is being sampled."""
        return self._coming is not None

    def close(self) -> None:
        """Begin nothing more."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _draw(self, number: int) -> list[Start]:
        """What this process begins for update `number`."""
        rollout, seed = self._config.rollout, self._config.seed
        if self._learns:
            chosen = self._learnability.draw(rollout.tasks, seed, number)
        else:
            chosen = in_turn(self._tasks, rollout.tasks, seed, number)
        return self._processes.share(starts(chosen, rollout.samples, f"episodes {seed} {number}", self._tasks))

    def _run(self, number: int, begun: Sequence[Start], staleness: int) -> Rollout:
        started = time.monotonic()
        episodes = self._sample(number, begun)
        return Rollout(episodes, time.monotonic() - started, staleness)

    def _whole(self, own: Rollout) -> Rollout:
        """With the episodes of the other processes."""
        return Rollout(self._processes.gather(own.episodes), own.seconds, own.staleness)
