"""Selectors for n@k: which n of k samples are handed in, when the private tests cannot be asked.

A selector is a function over a task's episodes: it returns their places in order of preference, and the first n are
submitted. Anything with an opinion fits: public tests, likelihood, agreement of outputs, a verifier's score
(`by_score`). Random choices come from the generator it is given, so that a seed settles them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import combinations
from random import Random

from rlef.episode import Episode
from rlef.evaluation.intervals import Scores
from sandbox import Program, Status, Submission
from tasks.judge import Box

Selector = Callable[[Sequence[Episode], Random], Sequence[int]]
DRAWS = 1000


def at_random(episodes: Sequence[Episode], random: Random) -> list[int]:
    """Any order."""
    return random.sample(range(len(episodes)), len(episodes))


def public_first(episodes: Sequence[Episode], random: Random) -> list[int]:
    """Answers that pass the public tests before those that do not, each at random (AlphaCode's filter)."""
    return sorted(at_random(episodes, random), key=lambda place: not _public_passed(episodes[place]))


def by_score(score: Callable[[Episode], float]) -> Selector:
    """The highest score first; equal ones, and those whose score is NaN, at random, the latter last."""

    def select(episodes: Sequence[Episode], random: Random) -> list[int]:
        values = [score(episode) for episode in episodes]
        return sorted(at_random(episodes, random), key=lambda p: math.inf if math.isnan(values[p]) else -values[p])

    return select


def likelihood(episode: Episode) -> float:
    """Mean log-probability of the last answer's tokens; NaN where none were recorded."""
    logprobs = episode.turns[-1].logprobs if episode.turns else ()
    return sum(logprobs) / len(logprobs) if logprobs else math.nan


by_likelihood = by_score(likelihood)
"""The likeliest last answer first."""


def by_clusters(said: Callable[[Episode], Hashable]) -> Selector:
    """One answer from each cluster of those that pass the public tests, largest cluster first, then the next of each.

    `said` tells what an episode's last program answers on inputs beyond the public ones: equal values are one cluster,
    None is a cluster of its own. Source: AlphaCode (arXiv 2203.07814) section 4.6.
    """

    def select(episodes: Sequence[Episode], random: Random) -> list[int]:
        order = public_first(episodes, random)
        names = [said(episode) if _public_passed(episode) else None for episode in episodes]
        clusters: list[Hashable] = [("alone", place) if name is None else name for place, name in enumerate(names)]
        sizes, rank, taken = Counter(clusters), dict[int, int](), Counter[Hashable]()
        for place in order:
            rank[place] = taken[clusters[place]]
            taken[clusters[place]] += 1
        return sorted(
            order, key=lambda p: (not _public_passed(episodes[p]), rank[p], -sizes[clusters[p]])
        )  # stable: equal clusters stay in random order

    return select


def outputs(
    episodes: Sequence[Episode], inputs: Mapping[str, Sequence[str]], box: Box, language: str = "python"
) -> Callable[[Episode], Hashable]:
    """What each last program answers on its task's inputs (standard input), white space apart, for `by_clusters`.

    Each program is run once, in the sandbox. None where a task has no inputs, nothing was run, or the sandbox failed.
    """
    programs = {
        (episode.task, episode.turns[-1].program): None
        for episode in episodes
        if episode.turns and episode.turns[-1].program is not None and inputs.get(episode.task)
    }
    jobs = [Submission(Program(str(source), language), [text.encode() for text in inputs[task]])
            for task, source in programs]  # fmt: skip
    said: dict[tuple[str, str | None], Hashable] = {}
    for name, runs in zip(programs, box.run_many(jobs), strict=True):
        failed = any(run.status is Status.SANDBOX_FAILURE for run in runs)
        said[name] = None if failed else tuple((run.status.value, b" ".join(run.stdout.split())) for run in runs)
    return lambda episode: said.get((episode.task, episode.turns[-1].program)) if episode.turns else None


def selected_n_at_k(
    episodes: Sequence[Episode], selector: Selector, n: int, rollouts: int, draws: int = DRAWS, seed: int = 0
) -> Scores:
    """n@k per task under a selector: the share of draws of `rollouts` episodes whose n first choices hold a right one.

    All subsets are tried where there are at most `draws` of them, else so many at random. Tasks with fewer rollouts
    are left out, and so are episodes the sandbox failed on.
    """
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        if not episode.sandbox_failure:
            groups.setdefault(episode.task, []).append(episode)
    shares = {}
    for task, group in groups.items():
        if len(group) >= rollouts:
            random = Random(f"{seed} {task}")
            hits = [
                any(drawn[place].passed for place in selector(drawn, random)[:n])
                for drawn in _draws(group, rollouts, draws, random)
            ]
            shares[task] = (sum(hits) / len(hits), 1.0)
    return Scores.of(shares)


def _draws(group: Sequence[Episode], size: int, draws: int, random: Random) -> Iterator[Sequence[Episode]]:
    if math.comb(len(group), size) <= draws:
        return combinations(group, size)
    return (random.sample(group, size) for _ in range(draws))


def _public_passed(episode: Episode) -> bool:
    return bool(episode.turns) and (episode.passed or episode.turns[-1].public_passed)
