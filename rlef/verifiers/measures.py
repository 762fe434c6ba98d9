"""What a verifier is worth: best-of-k against oracle and baselines; AUC, calibration, accuracy by kind and length.

Everything is arithmetic on the candidates' scores and verdicts, task by task, and ends as `Scores`, so that intervals
are the bootstrap over tasks that all of evaluation uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlef.evaluation.estimators import pass_at_k
from rlef.evaluation.intervals import FloatArray, Interval, Scores, bootstrap
from rlef.verifiers.pool import Candidate


@dataclass(frozen=True)
class Ranked:
    """One task's candidates with the scores of one selector, both of length n."""

    task: str
    candidates: tuple[Candidate, ...]
    scores: tuple[float, ...]

    @property
    def correct(self) -> FloatArray:
        """(n,) 1 where all tests pass."""
        return np.array([one.passed for one in self.candidates], dtype=np.float64)


def verifier_at_k(scores: Sequence[float], correct: Sequence[float] | FloatArray, k: int) -> float:
    """Expected correctness of the best-scored of k candidates, drawn from n without replacement.

    sum_i C(n-i-1, k-1) a_i / C(n, k) over candidates sorted by falling score (V-STaR, arXiv 2402.06457).
    Equal scores are decided at random: each candidate of such a run has the run's mean correctness.

    Raises:
        ValueError: k is not between 1 and n.
    """
    values, right = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    n = len(values)
    if not 1 <= k <= n:
        raise ValueError(f"k={k} must lie between 1 and the number of candidates, {n}")
    _, run = np.unique(-values, return_inverse=True)  # 0 for the highest score
    mean = np.bincount(run, weights=right) / np.bincount(run)
    ordered = mean[np.sort(run)]
    return sum(math.comb(n - i - 1, k - 1) / math.comb(n, k) * float(ordered[i]) for i in range(n - k + 1))


def best_of_k(ranked: Iterable[Ranked], k: int) -> Scores:
    """Verifier@k per task; tasks with fewer than k judged candidates are left out."""
    return _per_task((one.task, verifier_at_k(one.scores, one.correct, k), 1.0) for one in ranked if _enough(one, k))


def oracle_at_k(ranked: Iterable[Ranked], k: int) -> Scores:
    """pass@k of the same candidates: what a perfect selector reaches."""
    return _per_task(
        (one.task, pass_at_k(len(one.scores), int(one.correct.sum()), k), 1.0) for one in ranked if _enough(one, k)
    )


def chosen_at_k(
    ranked: Iterable[Ranked], k: int, choose: Callable[[Ranked, list[int]], int], draws: int, seed: int
) -> Scores:
    """Mean correctness of `choose` over `draws` random subsets of k candidates: for votes, which are no ranking.

    `choose` gets the task and the places of the subset, and returns one of these places.
    """

    def share(one: Ranked) -> float:
        n, right = len(one.scores), one.correct
        if k == n:
            return float(right[choose(one, list(range(n)))])
        rng = np.random.default_rng([seed, k, *one.task.encode()])
        drawn = (sorted(map(int, rng.choice(n, k, replace=False))) for _ in range(draws))
        return float(np.mean([right[choose(one, places)] for places in drawn]))

    return _per_task((one.task, share(one), 1.0) for one in ranked if _enough(one, k))


Facts = tuple[float, Candidate, Candidate]
"""1 for a correct program scored above an incorrect one of the same task, 1/2 for equals, else 0; the two."""


def comparisons(one: Ranked) -> list[Facts]:
    """All (correct, incorrect) couples of a task's candidates."""
    both = list(zip(one.scores, one.candidates, strict=True))
    return [
        (1.0 if a > b else 0.5 if a == b else 0.0, right, wrong)
        for a, right in both
        if right.passed
        for b, wrong in both
        if not wrong.passed
    ]


def auc(ranked: Iterable[Ranked], keep: Callable[[Candidate, Candidate], bool] = lambda right, wrong: True) -> Scores:
    """Share of (correct, incorrect) couples within a task that are ranked right, of those `keep` wants.

    Within tasks, because a selector never compares programs of different tasks. Every task with a couple weighs the
    same, however many couples it has.
    """
    rows = []
    for one in ranked:
        won = [win for win, right, wrong in comparisons(one) if keep(right, wrong)]
        if won:
            rows.append((one.task, float(np.mean(won)), 1.0))
    return _per_task(rows)


def breakdown(ranked: Sequence[Ranked]) -> dict[str, dict[str, float | None]]:
    """AUC by the incorrect program's failure, and by which program is longer: a verifier that only likes short programs
    is near 1 where the correct one is shorter and near 0 where it is longer."""
    kinds = sorted({one.failure for row in ranked for one in row.candidates if not one.passed})
    tests: dict[str, Callable[[Candidate, Candidate], bool]] = {
        f"failure:{kind}": lambda right, wrong, kind=kind: wrong.failure == kind and not wrong.hard  # type: ignore[misc]
        for kind in kinds
    }
    tests["failure:private_tests_only"] = lambda right, wrong: wrong.hard
    tests["correct_is_shorter"] = lambda right, wrong: len(right.program) < len(wrong.program)
    tests["correct_is_longer"] = lambda right, wrong: len(right.program) > len(wrong.program)
    found = {name: auc(ranked, keep) for name, keep in tests.items()}
    return {name: {**bootstrap(s).as_dict(), "tasks": len(s.tasks)} for name, s in found.items() if s.tasks}


def calibration(ranked: Sequence[Ranked], bins: int = 10) -> dict[str, Any]:
    """How far scores, turned into probabilities, can be believed.

    A score is no probability, so a logistic curve is fitted (Platt 1999) on every other task and read off on the rest,
    and the other way round. `ece` is the mean distance of stated and true share over bins of equal size, `brier` the
    mean squared error; `base_brier` is that of always saying the share of correct programs.
    """
    if len(ranked) < 2:
        return {}
    halves = [ranked[0::2], ranked[1::2]]
    stated, truth = [], []
    for fit, read in (halves, halves[::-1]):
        curve = _platt(*_flat(fit))
        scores, right = _flat(read)
        stated.append(curve(scores))
        truth.append(right)
    chance, right = np.concatenate(stated), np.concatenate(truth)
    order = np.argsort(chance, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    table = [(float(chance[part].mean()), float(right[part].mean()), len(part)) for part in parts]
    return {
        "ece": sum(abs(said - true) * count for said, true, count in table) / len(chance),
        "brier": float(np.mean((chance - right) ** 2)),
        "base_brier": float(right.mean() * (1 - right.mean())),
        "bins": [{"stated": said, "true": true, "programs": count} for said, true, count in table],
    }


def _flat(ranked: Sequence[Ranked]) -> tuple[FloatArray, FloatArray]:
    return np.concatenate([np.array(one.scores) for one in ranked]), np.concatenate([one.correct for one in ranked])


def _platt(scores: FloatArray, right: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Logistic curve by Newton's method, with Platt's smoothed targets so that separable data stay finite."""
    centre, width = scores.mean(), scores.std() or 1.0
    positive, negative = right.sum(), (1 - right).sum()
    targets = np.where(right > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))
    inputs = np.stack([np.ones_like(scores), (scores - centre) / width], 1)
    weights = np.zeros(2)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (targets - chance) - 1e-3 * weights
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + 1e-3 * np.eye(2)
        weights = weights + np.clip(np.linalg.solve(curvature, slope), -2, 2)
    return lambda values: 1 / (1 + np.exp(-(weights[0] + weights[1] * (values - centre) / width)))


def length_correlation(ranked: Sequence[Ranked]) -> float:
    """Mean over tasks of the rank correlation of score and length in characters; NaN where neither varies."""
    found = []
    for one in ranked:
        score, length = (_ranks(v) for v in (one.scores, [len(c.program) for c in one.candidates]))
        if score.std() and length.std():
            found.append(float(np.corrcoef(score, length)[0, 1]))
    return float(np.mean(found)) if found else math.nan


def _ranks(values: Sequence[float]) -> FloatArray:
    """Ranks, the mean one for equals."""
    _, place, count = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return np.asarray((ends - (count - 1) / 2)[place], dtype=np.float64)


def curve(ks: Sequence[int], at: Callable[[int], Scores]) -> dict[str, dict[str, float | None]]:
    """Best-of-k with intervals for each k."""
    intervals: Mapping[int, Interval] = {k: bootstrap(at(k)) for k in ks}
    return {str(k): interval.as_dict() for k, interval in intervals.items()}


def _enough(one: Ranked, k: int) -> bool:
    return len(one.scores) >= k


def _per_task(rows: Iterable[tuple[str, float, float]]) -> Scores:
    return Scores.of({task: (total, weight) for task, total, weight in rows})
