"""Which tasks an update draws: all in turn, or rather those whose samples differ.

Samples that are all solved or all failed teach nothing by comparison, and the failed ones cost the most turns. How
often that happens is a matter of the kind of task, so what other tasks of the family have shown counts as well.

Prioritising by the variance of success, p (1 - p), is the "learnability" of Rutherford et al. (arXiv 2408.15099).
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

from rlef.episode import Episode
from tasks import Task

MEMORY = 0.9
"""Weight of what was seen an update earlier: the policy changes."""


def in_turn(tasks: Sequence[Task], count: int, seed: int, number: int) -> list[Task]:
    """The tasks of update `number`: all of them in random order, and again in another one when they have been."""
    chosen = []
    for place in range(number * count, (number + 1) * count):
        epoch, offset = divmod(place, len(tasks))
        order = random.Random(f"tasks {seed} {epoch}").sample(range(len(tasks)), len(tasks))
        chosen.append(tasks[order[offset]])
    return chosen


class Learnability:
    """What the samples of a run say about where there is something to learn."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        self._family = {task.key: task.kind for task in tasks}
        self._spread: defaultdict[str, float] = defaultdict(float)
        self._count: defaultdict[str, float] = defaultdict(float)

    def see(self, episodes: Sequence[Episode]) -> None:
        """Take in the episodes of one update, several of each task; those the sandbox failed on say nothing."""
        for known in (self._spread, self._count):
            for task in known:
                known[task] *= MEMORY
        good = [one for one in episodes if one.turns and not one.sandbox_failure and one.task in self._family]
        sampled, solved = Counter(one.task for one in good), Counter(one.task for one in good if one.passed)
        for task, samples in sampled.items():
            if samples > 1:
                self._spread[task] += success_variance(solved[task], samples)
                self._count[task] += 1

    def replay(self, episodes: Iterable[Episode]) -> None:
        """Take in the record of a run, update by update."""
        for _, update in groupby(episodes, key=lambda episode: episode.step):
            self.see(list(update))

    def weights(self) -> list[float]:
        """The expected success variance of every task.

        A task that was seen little is taken for an average one of its family, a family that was seen little for an
        average one: each of the two averages counts as one update in which the task, or one of the family, was seen.
        """
        spread: defaultdict[str, float] = defaultdict(float)
        count: defaultdict[str, float] = defaultdict(float)
        for task, seen in self._count.items():
            spread[self._family[task]] += self._spread[task]
            count[self._family[task]] += seen
        average = sum(spread.values()) / sum(count.values()) if count else 0.0
        if not average:
            return [1.0] * len(self._tasks)
        family = {name: (spread[name] + average) / (count[name] + 1) for name in set(self._family.values())}
        return [
            (self._spread.get(task.key, 0.0) + family[self._family[task.key]]) / (self._count.get(task.key, 0.0) + 1)
            for task in self._tasks
        ]

    def draw(self, count: int, seed: int, number: int) -> list[Task]:
        """Different tasks for update `number`, each the likelier the larger its weight.

        More than there are: all of them, again and again.
        """
        rng = random.Random(f"tasks {seed} {number}")
        # The largest of log(u) / w: weighted sampling without replacement (Efraimidis and Spirakis 2006).
        ranked = sorted(
            ((math.log(1 - rng.random()) / weight, place) for place, weight in enumerate(self.weights())), reverse=True
        )
        return [self._tasks[ranked[i % len(ranked)][1]] for i in range(count)]


def success_variance(solved: int, samples: int) -> float:
    """Unbiased estimate of p (1 - p) from `solved` of `samples` (at least 2), between 0 and 1/2."""
    return solved * (samples - solved) / (samples * (samples - 1))
