"""Scores of problems, their bootstrap intervals, and paired comparisons of two runs.

The problem is the unit of resampling: rollouts of one problem are correlated, and an interval over rollouts would be
too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
LEVEL = 0.95
DRAWS = 2000


@dataclass(frozen=True)
class Scores:
    """One number per problem: `total[i] / weight[i]`, both of shape (problems,).

    The score of a suite is `sum(total) / sum(weight)`: the mean over problems where every weight is 1, a pooled rate
    where weights count episodes (repair rate).
    """

    tasks: tuple[str, ...]
    total: FloatArray
    weight: FloatArray

    def __post_init__(self) -> None:
        if not (self.total.shape == self.weight.shape == (len(self.tasks),)):
            raise ValueError("total and weight need one number per task")

    @staticmethod
    def of(pairs: Mapping[str, tuple[float, float]]) -> Scores:
        """Scores from (total, weight) by task."""
        both = np.array(list(pairs.values()), dtype=np.float64).reshape(-1, 2)
        return Scores(tuple(pairs), both[:, 0], both[:, 1])

    @property
    def mean(self) -> float:
        """The score of the suite; NaN where nothing was weighed."""
        return float(_ratio(self.total.sum(), self.weight.sum()))


@dataclass(frozen=True)
class Interval:
    """An estimate and its two-sided bootstrap interval."""

    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """For JSON, which knows neither NaN nor infinity: those become None."""
        return {key: value if math.isfinite(value) else None for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same problems: after - before, after / before, and a two-sided p-value for no difference."""

    difference: Interval
    ratio: Interval
    p_value: float
    tasks: int
    """Problems both runs have a score for."""


def bootstrap(scores: Scores, draws: int = DRAWS, seed: int = 0, level: float = LEVEL) -> Interval:
    """Percentile interval of a suite's score. Problems are resampled with replacement, each with all its rollouts.

    Where every problem scores 0, or every one 1, all resamples agree and say nothing about other problems. The interval
    then ends where that outcome would have a chance of (1 - level) / 2: at 1 - ((1 - level) / 2)^(1 / n) for n problems
    with score 0. It holds for any scores in [0, 1], whose mean is at most their chance of not being 0.
    """
    far = 1 - ((1 - level) / 2) ** (1 / max(1, int(np.count_nonzero(scores.weight))))
    if scores.weight.any() and not scores.total.any():
        return Interval(0.0, 0.0, far)
    if scores.weight.any() and (scores.total == scores.weight).all():
        return Interval(1.0, 1 - far, 1.0)
    counts = _resamples(len(scores.tasks), draws, seed)
    return _interval(scores.mean, _ratio(counts @ scores.total, counts @ scores.weight), level)


def compare(before: Scores, after: Scores, draws: int = DRAWS, seed: int = 0, level: float = LEVEL) -> Comparison:
    """Paired comparison on the problems both runs have a score for.

    Difference and ratio are resampled over problems, both runs with the same problems in each draw. The p-value is that
    of a permutation test: under no difference the two runs' results on a problem may change places (for plain means, a
    sign flip of the problem's difference). All exchanges are tried where there are at most `draws`, else a random part.

    Raises:
        ValueError: the runs share no problem.
    """
    common = sorted(set(before.tasks) & set(after.tasks))
    if not common:
        raise ValueError("the two runs have no task in common")
    old, new = _take(before, common), _take(after, common)
    counts = _resamples(len(common), draws, seed)
    olds = _ratio(counts @ old.total, counts @ old.weight)
    news = _ratio(counts @ new.total, counts @ new.weight)
    return Comparison(
        difference=_interval(new.mean - old.mean, news - olds, level),
        ratio=_interval(float(_ratio(new.mean, old.mean)), _ratio(news, olds), level),
        p_value=_exchange_test(old, new, draws, seed),
        tasks=len(common),
    )


def tasks_needed(difference: float, deviation: float, power: float = 0.8, level: float = LEVEL) -> int:
    """Problems a paired comparison needs to see a difference in means with this power.

    n = ((z(1 - alpha/2) + z(power)) * deviation / difference)^2, the normal approximation of a paired test.

    Args:
        difference: the difference to be seen, such as 0.02 for two points.
        deviation: standard deviation over problems of a problem's own difference; measure it with `paired_deviation`
            on two runs at hand. More rollouts per problem make it smaller.
    """
    if not difference or deviation < 0 or not 0 < power < 1 or not 0 < level < 1:
        raise ValueError("difference must not be 0, deviation not be negative, power and level lie between 0 and 1")
    z = NormalDist().inv_cdf
    return max(2, math.ceil(((z((1 + level) / 2) + z(power)) * deviation / difference) ** 2))


def paired_deviation(before: Scores, after: Scores) -> float:
    """Standard deviation over common problems of the difference between two runs' scores; NaN for fewer than two."""
    common = sorted(set(before.tasks) & set(after.tasks))
    old, new = _take(before, common), _take(after, common)
    gaps = _ratio(new.total, new.weight) - _ratio(old.total, old.weight)
    gaps = gaps[~np.isnan(gaps)]
    return float(np.std(gaps, ddof=1)) if len(gaps) > 1 else math.nan


def _exchange_test(old: Scores, new: Scores, draws: int, seed: int) -> float:
    problems = len(old.tasks)
    exact = problems < 40 and 2**problems <= draws
    if exact:
        swap = (np.arange(2**problems)[:, None] >> np.arange(problems)) & 1
    else:
        swap = np.random.default_rng([seed, 1]).integers(0, 2, size=(draws, problems))
    swap = swap.astype(np.float64)

    def mixed(first: FloatArray, second: FloatArray) -> FloatArray:
        return np.asarray(first.sum() + swap @ (second - first))

    after = _ratio(mixed(new.total, old.total), mixed(new.weight, old.weight))
    before = _ratio(mixed(old.total, new.total), mixed(old.weight, new.weight))
    observed = abs(new.mean - old.mean)
    # Equal up to rounding is "as extreme": sums in another order differ in the last bit.
    extreme = int(np.sum(np.abs(after - before) >= observed - 1e-12))
    return extreme / 2**problems if exact else (extreme + 1) / (draws + 1)


def _resamples(problems: int, draws: int, seed: int) -> FloatArray:
    """How often each problem occurs in each draw; shape (draws, problems)."""
    if not problems:
        return np.zeros((draws, 0))
    rng = np.random.default_rng([seed, 0])
    return rng.multinomial(problems, np.full(problems, 1 / problems), size=draws).astype(np.float64)


def _interval(mean: float, drawn: FloatArray, level: float) -> Interval:
    drawn = drawn[~np.isnan(drawn)]
    if math.isnan(mean) or not len(drawn):
        return Interval(mean, math.nan, math.nan)
    # A drawn value is returned, never one between two: a ratio may be infinite in some draws.
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return Interval(mean, float(low), float(high))


def _ratio(total: Any, weight: Any) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(total, weight), dtype=np.float64)


def _take(scores: Scores, tasks: Sequence[str]) -> Scores:
    rows = {task: row for row, task in enumerate(scores.tasks)}
    order = [rows[task] for task in tasks]
    return Scores(tuple(tasks), scores.total[order], scores.weight[order])
