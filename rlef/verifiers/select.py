"""Test-time selection: which of a task's candidates is handed in when the private tests are not there.

All but the votes rank the candidates one by one, so their best-of-k has a closed form (`rlef.verifiers.measures`).
Votes need clusters: programs that say the same on the public inputs, the only inputs known at test time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from rlef.verifiers.programs import normal_form
from sandbox import Program
from tasks import Task, judge_many
from tasks.judge import Box


def best_of(scores: Sequence[float]) -> int:
    """Place of the highest score, the first of equals."""
    return max(range(len(scores)), key=lambda place: (scores[place], -place))


def public_first(public_passed: Sequence[bool], scores: Sequence[float]) -> list[float]:
    """Ranks by public tests, then by score (µCode's PT+LV, arXiv 2502.20380); equal only where both are."""
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


def output_clusters(programs: Sequence[tuple[Task, str]], box: Box, language: str = "python") -> list[Hashable]:
    """For each program what it says on its task's public inputs: equal values are one cluster.

    Each distinct program is run once, in the sandbox. A failure of the sandbox makes a cluster of its own.
    """
    names = [(task.key, normal_form(source)) for task, source in programs]
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    places = list(first.values())
    jobs = [(programs[place][0], Program(programs[place][1], language)) for place in places]
    said: dict[tuple[str, str], Hashable] = {}
    for place, report in zip(places, judge_many(jobs, box, "public") if jobs else [], strict=True):
        runs = [result.execution for result in report.public]
        words = tuple((run.status.value, b" ".join(run.stdout.split()), repr(run.value)) for run in runs)
        said[names[place]] = ("failed", place) if report.sandbox_failed else words
    return [said[name] for name in names]
