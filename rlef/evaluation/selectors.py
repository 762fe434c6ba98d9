"""Selection at test time: which of a task's samples are handed in, when the private tests cannot be asked.

A selector is a function over a task's episodes: it returns their places in order of preference, and the first n are
submitted (n@k). Anything with an opinion fits: public tests, likelihood, agreement of outputs, a verifier's score
(`by_score`). Random choices come from the generator it is given, so that a seed settles them.

The kernels beneath work on plain lists of scores, verdicts and clusters, and know no episodes; best-of-k of a verifier
(`rlef.verifiers.measures`) is computed with the same ones.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import combinations
from random import Random

import numpy as np

from rlef.episode import Episode
from rlef.evaluation.intervals import Scores

Selector = Callable[[Sequence[Episode], Random], Sequence[int]]
DRAWS = 1000


def at_random(episodes: Sequence[Episode], random: Random) -> list[int]:
    """Any order."""
    return random.sample(range(len(episodes)), len(episodes))


def public_first(episodes: Sequence[Episode], random: Random) -> list[int]:
    """Answers that pass the public tests before those that do not, each at random (AlphaCode's filter)."""
    return sorted(at_random(episodes, random), key=lambda place: not _public_passed(episodes[place]))


def by_score(score: Callable[[Episode], float], public: bool = False) -> Selector:
    """The highest score first, equal ones at random.

    With `public`, answers that pass the public tests come before those that do not, whatever their scores (µCode's
    PT+LV, arXiv 2502.20380).
    """

    def select(episodes: Sequence[Episode], random: Random) -> list[int]:
        passed = [public and _public_passed(episode) for episode in episodes]
        ranks = public_ranks(passed, [score(episode) for episode in episodes])
        return sorted(at_random(episodes, random), key=lambda place: -ranks[place])

    return select


def likelihood(episode: Episode) -> float:
    """Mean log-probability of the last answer's tokens; -inf where none were recorded."""
    logprobs = episode.turns[-1].logprobs if episode.turns else ()
    return sum(logprobs) / len(logprobs) if logprobs else -math.inf


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


def public_ranks(public_passed: Sequence[bool], scores: Sequence[float]) -> list[float]:
    """Ranks by public tests, then by score, 0 for the worst; equal only where both are."""
    keys = list(zip(public_passed, scores, strict=True))
    place = {key: float(rank) for rank, key in enumerate(sorted(set(keys)))}
    return [place[key] for key in keys]


def vote(clusters: Sequence[Hashable], weights: Sequence[float], scores: Sequence[float]) -> int:
    """Place of the best-scored member of the heaviest cluster; equal clusters are decided by that member's score.

    With weights of 1 this is the majority; with V(y|x) each answer weighs what the verifier gives it.
    """
    total: dict[Hashable, float] = defaultdict(float)
    for cluster, weight in zip(clusters, weights, strict=True):
        total[cluster] += weight
    return max(range(len(scores)), key=lambda place: (total[clusters[place]], scores[place], -place))


def likelihood_weights(scores: Sequence[float]) -> list[float]:
    """V(y|x) up to a factor, from log-likelihoods; -inf weighs nothing."""
    values = np.asarray(scores, dtype=np.float64)
    top = values.max()
    return [float(weight) for weight in np.exp(values - top)] if np.isfinite(top) else [0.0] * len(values)


def selected_n_at_k(
    episodes: Sequence[Episode], selector: Selector, n: int, rollouts: int, draws: int = DRAWS, seed: int = 0
) -> Scores:
    """n@k per task under a selector: the share of draws of `rollouts` episodes whose n first choices hold a right one.

    Where there are at most `draws` subsets all are tried, each as often as that allows (a selector may decide between
    equals by chance), else so many at random. Tasks with fewer rollouts
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
    if times := draws // math.comb(len(group), size):
        return (subset for _ in range(times) for subset in combinations(group, size))
    return (random.sample(group, size) for _ in range(draws))


def _public_passed(episode: Episode) -> bool:
    return bool(episode.turns) and (episode.passed or episode.turns[-1].public_passed)
