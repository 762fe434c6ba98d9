"""One pass over a file of episodes: counts per update for every picture of the report, and the episodes to show.

Memory grows with the number of updates and tasks, never with the number of episodes, so a file of any size will do.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from rlef.episode import Episode
from rlef.evaluation.behaviour import ending
from rlef.evaluation.intervals import Scores
from rlef.report.signals import signals_of

KEPT = 40
"""Episodes remembered of each way to end; more are drawn from than are shown."""


@dataclass
class TaskCount:
    """Rollouts of one task within a stretch."""

    rollouts: int = 0
    solved_by: Counter[int] = field(default_factory=Counter)
    """Turn: rollouts whose final program is that turn's and passes all tests."""

    @property
    def solved(self) -> int:
        return self.solved_by.total()

    def add(self, other: TaskCount) -> None:
        self.rollouts += other.rollouts
        self.solved_by.update(other.solved_by)


@dataclass
class Stretch:
    """Counts over some updates, or over a whole evaluation."""

    first: int = 0
    last: int = 0
    """Updates from `first` to `last`, counted from 1."""
    episodes: int = 0
    lost: int = 0
    """Episodes the sandbox failed on; in no other count."""
    truncated: int = 0
    reward: float = 0.0
    tasks: defaultdict[str, TaskCount] = field(default_factory=lambda: defaultdict(TaskCount))
    endings: Counter[tuple[int, str]] = field(default_factory=Counter)
    """(turn, ending): turns."""
    flows: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    """(turn, its ending, the next turn's ending): pairs of turns."""
    signals: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    pairs: int = 0

    def see(self, episode: Episode) -> None:
        """Count an episode."""
        self.episodes += 1
        self.truncated += episode.truncated and not episode.sandbox_failure
        if episode.sandbox_failure:
            self.lost += 1
            return
        self.reward += episode.reward
        count = self.tasks[episode.task]
        count.rollouts += 1
        if episode.passed:
            count.solved_by[len(episode.turns)] += 1
        ends = [ending(turn) for turn in episode.turns]
        self.endings.update(enumerate(ends, 1))
        self.flows.update((number, *pair) for number, pair in enumerate(pairwise(ends), 1))
        self.signals.update(name for turn in episode.turns for name in signals_of(turn))
        for before, after in pairwise(episode.turns):
            if before.program is not None and after.program is not None:
                self.pairs += 1
                self.repeated += before.program == after.program

    def add(self, other: Stretch) -> None:
        """Count what another stretch counted; it must lie behind this one."""
        self.first, self.last = self.first or other.first, max(self.last, other.last)
        for name in ("episodes", "lost", "truncated", "reward", "repeated", "pairs"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for task, count in other.tasks.items():
            self.tasks[task].add(count)
        for name in ("endings", "flows", "signals"):
            getattr(self, name).update(getattr(other, name))

    @property
    def turns(self) -> int:
        """Turns with a score."""
        return self.endings.total()

    @property
    def turn_limit(self) -> int:
        """The longest episode."""
        return max((turn for turn, _ in self.endings), default=0)

    def scores(self, solved: Callable[[TaskCount], float], of: Callable[[TaskCount], float] | None = None) -> Scores:
        """A rate over tasks: the mean of their shares, or pooled over what `of` counts."""
        if of is not None:
            return Scores.of({task: (solved(count), of(count)) for task, count in self.tasks.items()})
        return Scores.of({task: (solved(count) / count.rollouts, 1.0) for task, count in self.tasks.items()})

    def solved_by(self, turn: int) -> Scores:
        """Share of rollouts solved at this turn or before."""
        return self.scores(lambda count: sum(n for at, n in count.solved_by.items() if at <= turn))

    def repair_rate(self) -> Scores:
        """Of the rollouts whose first program failed, the share solved later."""
        return self.scores(
            lambda count: count.solved - count.solved_by[1], lambda count: count.rollouts - count.solved_by[1]
        )


class Tally:
    """Stretches of a file, and a seeded sample of its episodes that holds every way to end."""

    def __init__(self, episodes: Iterable[Episode], seed: int = 0) -> None:
        self._steps: dict[int, Stretch] = {}
        self._kept: dict[tuple[str, int], list[tuple[int, Episode]]] = {}
        self.seen = 0
        draw, seen = random.Random(seed), Counter[tuple[str, int]]()
        for place, episode in enumerate(episodes):
            self.seen += 1
            step = episode.step + 1
            self._steps.setdefault(step, Stretch(step, step)).see(episode)
            kind = (_kind(episode), len(episode.turns))
            seen[kind] += 1
            kept = self._kept.setdefault(kind, [])
            if len(kept) < KEPT:
                kept.append((place, episode))
            elif (at := draw.randrange(seen[kind])) < KEPT:
                kept[at] = (place, episode)

    @property
    def steps(self) -> list[int]:
        """Updates there are episodes of."""
        return sorted(self._steps)

    def stretch(self, first: float = 0.0, last: float = 1.0) -> Stretch:
        """The updates between two shares of the run, at least one."""
        steps = self.steps
        start = min(round(first * len(steps)), max(0, len(steps) - 1))
        return self._sum(steps[start : max(start + 1, round(last * len(steps)))])

    def stretches(self, most: int = 40) -> list[Stretch]:
        """The run in at most so many stretches of equally many updates."""
        steps, size = self.steps, -(-len(self._steps) // most)
        return [self._sum(steps[at : at + size]) for at in range(0, len(steps), size or 1)]

    def sample(self, most: int) -> list[Episode]:
        """At most so many episodes, as many of each way to end as there are, in the order of the file."""
        draw = random.Random(0)
        groups = [draw.sample(kept, len(kept)) for kept in self._kept.values()]
        chosen = [group[row] for row in range(KEPT) for group in groups if row < len(group)][:most]
        return [episode for _, episode in sorted(chosen, key=lambda one: one[0])]

    def _sum(self, steps: Iterable[int]) -> Stretch:
        whole = Stretch()
        for step in steps:
            whole.add(self._steps[step])
        return whole


def _kind(episode: Episode) -> str:
    if episode.sandbox_failure:
        return "sandbox failure"
    return ending(episode.turns[-1]) if episode.turns else "no turn"
