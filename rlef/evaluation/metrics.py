"""Numbers over held-out tasks: first attempt, n@k, pass@k, repair rate, their intervals and paired comparisons.

Everything here is pure arithmetic on `Outcome`s, so each estimator can be checked against enumeration. All of them end
as `Scores`, one weighted number per problem, because the problem is the unit of resampling: rollouts of one problem are
correlated, and an interval over rollouts would be too narrow. Rollouts the sandbox failed on are nobody's score: they
are left out here and counted by `sandbox_failures`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
LEVEL = 0.95
DRAWS = 2000


@dataclass(frozen=True)
class Outcome:
    """What became of one rollout on one task.

    An episode stops when the public tests pass, so `passed_by_turn` may be shorter than the turn limit; its last
    element is the final answer.
    """

    task: str
    seed: int
    passed_by_turn: tuple[bool, ...]
    """Whether the program of each turn passes all tests, public and private."""
    failed: bool = False
    """The sandbox failed: no score, only a count."""
    public_passed: bool | None = None
    """Whether the final answer passes the public tests; only the selection in `n_at_k` over several rollouts asks."""

    def __post_init__(self) -> None:
        if not self.failed and not self.passed_by_turn:
            raise ValueError(f"{self.task}, seed {self.seed}: a rollout needs at least one turn")
        if not self.failed and self.passed_by_turn[-1] and self.public_passed is False:
            raise ValueError(f"{self.task}, seed {self.seed}: passes all tests but not the public ones")


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


# ---------------------------------------------------------------- estimators from counts


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased chance that one of k samples passes: 1 - C(n-c, k) / C(n, k), as a product that cannot overflow.

    Source: Chen et al. 2021 (arXiv 2107.03374), equation 1 and figure 3.
    """
    _check_counts(samples, correct, k)
    if samples - correct < k:
        return 1.0
    return 1.0 - float(np.prod(1.0 - k / np.arange(samples - correct + 1, samples + 1)))


def n_at_k(samples: int, correct: int, public_only: int, n: int, k: int) -> float:
    """Chance that one of n submissions, chosen from k samples, passes all tests.

    k of the samples are drawn without replacement; of those, n that pass the public tests are submitted, drawn at
    random where there are more. `correct` samples pass all tests, `public_only` pass the public tests and fail a
    private one. A sample that fails a public test cannot pass all tests, so it never decides the outcome.

    Source: Li et al. 2022 (AlphaCode, arXiv 2203.07814), n@k with filtering; RLEF (arXiv 2410.02089) section 3.2.
    """
    _check_counts(samples, correct, k)
    if public_only < 0 or correct + public_only > samples:
        raise ValueError("correct + public_only must lie between 0 and samples")
    if n < 1:
        raise ValueError("n must be at least 1")
    rest = samples - correct - public_only
    chance = 0.0
    for right in range(1, min(correct, k) + 1):
        for wrong in range(max(0, k - right - rest), min(public_only, k - right) + 1):
            hits = math.comb(correct, right) * math.comb(public_only, wrong) * math.comb(rest, k - right - wrong)
            submitted = min(n, right + wrong)
            missed = math.comb(wrong, submitted) / math.comb(right + wrong, submitted)
            chance += hits / math.comb(samples, k) * (1 - missed)
    return min(chance, 1.0)


# ---------------------------------------------------------------- scores from outcomes


def solved_first(outcomes: Iterable[Outcome]) -> Scores:
    """Share of rollouts whose first program passes all tests, per problem (1@1)."""
    return _per_task(outcomes, lambda group: (_share(o.passed_by_turn[0] for o in group), 1.0))


def solved_final(outcomes: Iterable[Outcome]) -> Scores:
    """Share of rollouts whose final answer passes all tests, per problem: 1@k for rollouts of at most k turns."""
    return _per_task(outcomes, lambda group: (_share(o.passed_by_turn[-1] for o in group), 1.0))


def solved_n_at_k(outcomes: Iterable[Outcome], n: int, k: int, turn_limit: int) -> Scores:
    """n@k per problem, where each turn counts as a sample: k samples are k // turn_limit rollouts.

    Only a rollout's final answer can be submitted: had an earlier one passed the public tests, the rollout would have
    ended with it. 1@3 over three turns is one rollout's final answer; 1@3 over single turns chooses among three
    independent samples and needs `Outcome.public_passed`.

    Source: RLEF (arXiv 2410.02089) section 3.2: "each turn counts as a sample", 10@100 is 33 rollouts of three turns.
    """
    rollouts = k // turn_limit
    if rollouts < 1:
        raise ValueError(f"k={k} is less than one rollout of {turn_limit} turns")

    def score(group: Sequence[Outcome]) -> tuple[float, float]:
        if rollouts > 1 and any(o.public_passed is None for o in group):
            raise ValueError(f"{group[0].task}: choosing among {rollouts} rollouts needs Outcome.public_passed")
        correct = sum(o.passed_by_turn[-1] for o in group)
        public_only = sum(bool(o.public_passed) and not o.passed_by_turn[-1] for o in group)
        return n_at_k(len(group), correct, public_only, n, rollouts), 1.0

    return _per_task(outcomes, score)


def solved_pass_at_k(outcomes: Iterable[Outcome], k: int) -> Scores:
    """pass@k per problem over the final answers of its rollouts."""
    return _per_task(outcomes, lambda group: (pass_at_k(len(group), sum(o.passed_by_turn[-1] for o in group), k), 1.0))


def repair_rate(outcomes: Iterable[Outcome], turn: int | None = None) -> Scores:
    """Of the rollouts whose first program failed, the share whose final answer passes all tests.

    With `turn` (2, 3, ...) only answers given at that turn count; the rates of all turns add up to the whole. A rollout
    whose first program passed the public tests only has failed, had no second turn, and counts as not repaired.
    """
    if turn is not None and turn < 2:
        raise ValueError("a repair happens at turn 2 or later")

    def score(group: Sequence[Outcome]) -> tuple[float, float]:
        failed_first = [o for o in group if not o.passed_by_turn[0]]
        repaired = [o for o in failed_first if o.passed_by_turn[-1] and turn in (None, len(o.passed_by_turn))]
        return float(len(repaired)), float(len(failed_first))

    return _per_task(outcomes, score)


def sandbox_failures(outcomes: Iterable[Outcome]) -> int:
    """How many rollouts carry no score because the sandbox failed on them."""
    return sum(o.failed for o in outcomes)


def summary(outcomes: Sequence[Outcome], turn_limit: int, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """The block of `result.json` for one model: first attempt, final answer and repair rate with intervals, counts."""
    final = solved_final(outcomes)
    return {
        "solved_first": bootstrap(solved_first(outcomes), draws, seed).as_dict(),
        f"solved_1@{turn_limit}": bootstrap(final, draws, seed).as_dict(),
        "repair_rate": bootstrap(repair_rate(outcomes), draws, seed).as_dict(),
        "repair_rate_by_turn": {
            str(turn): bootstrap(repair_rate(outcomes, turn), draws, seed).as_dict()
            for turn in range(2, turn_limit + 1)
        },
        "sandbox_failures": sandbox_failures(outcomes),
        "tasks": len(final.tasks),
        "rollouts_per_task": len(outcomes) / max(1, len({o.task for o in outcomes})),
    }


# ---------------------------------------------------------------- intervals and comparisons


def bootstrap(scores: Scores, draws: int = DRAWS, seed: int = 0, level: float = LEVEL) -> Interval:
    """Percentile interval of a suite's score. Problems are resampled with replacement, each with all its rollouts."""
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


def _per_task(outcomes: Iterable[Outcome], score: Callable[[Sequence[Outcome]], tuple[float, float]]) -> Scores:
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.failed:
            groups.setdefault(outcome.task, []).append(outcome)
    pairs = np.array([score(group) for group in groups.values()], dtype=np.float64).reshape(-1, 2)
    return Scores(tuple(groups), pairs[:, 0], pairs[:, 1])


def _take(scores: Scores, tasks: Sequence[str]) -> Scores:
    rows = {task: row for row, task in enumerate(scores.tasks)}
    order = [rows[task] for task in tasks]
    return Scores(tuple(tasks), scores.total[order], scores.weight[order])


def _share(passed: Iterable[bool]) -> float:
    return float(np.mean([bool(p) for p in passed]))


def _check_counts(samples: int, correct: int, k: int) -> None:
    if not 1 <= k <= samples:
        raise ValueError(f"k={k} must lie between 1 and the number of samples, {samples}")
    if not 0 <= correct <= samples:
        raise ValueError(f"correct={correct} must lie between 0 and the number of samples, {samples}")
