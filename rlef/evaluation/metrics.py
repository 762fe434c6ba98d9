"""Numbers over held-out tasks: first attempt, n@k, pass@k, pass^k, repair rate.

Everything here is pure arithmetic on `Outcome`s and ends as `Scores`, one weighted number per problem. Rollouts the
sandbox failed on are nobody's score: they are left out here and counted by `sandbox_failures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlef.episode import Episode
from rlef.evaluation.estimators import n_at_k, pass_at_k, pass_hat_k
from rlef.evaluation.intervals import DRAWS, Scores, bootstrap, compare

__all__ = [
    "Outcome", "bootstrap", "compare", "outcomes_of", "repair_rate", "sandbox_failures", "solved_final", "solved_first",
    "solved_n_at_k", "solved_pass_at_k", "solved_pass_hat_k", "summary",
]  # fmt: skip


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


def outcomes_of(episodes: Sequence[Episode]) -> list[Outcome]:
    """What the metrics count. An episode the sandbox failed on has no score; one cut short has what it reached."""
    return [
        Outcome(
            task=episode.task,
            seed=episode.seed,
            passed_by_turn=episode.passed_by_turn or (False,),
            failed=episode.sandbox_failure,
            public_passed=bool(episode.turns) and (episode.passed or episode.turns[-1].public_passed),
        )
        for episode in episodes
    ]


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


def solved_pass_hat_k(outcomes: Iterable[Outcome], k: int) -> Scores:
    """pass^k per problem over the final answers of its rollouts: the chance that all of k pass."""
    return _per_task(outcomes, lambda group: (pass_hat_k(len(group), sum(o.passed_by_turn[-1] for o in group), k), 1.0))


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


def summary(
    outcomes: Sequence[Outcome], turn_limit: int, draws: int = DRAWS, seed: int = 0, answers: int = 0
) -> dict[str, Any]:
    """The block of `result.json` for one model: first attempt, final answer and repair rate with intervals, counts.

    Args:
        answers: those a rollout may cost, where a turn costs several; as many as turns when 0.
    """
    final = solved_final(outcomes)
    return {
        "solved_first": bootstrap(solved_first(outcomes), draws, seed).as_dict(),
        f"solved_1@{answers or turn_limit}": bootstrap(final, draws, seed).as_dict(),
        "repair_rate": bootstrap(repair_rate(outcomes), draws, seed).as_dict(),
        "repair_rate_by_turn": {
            str(turn): bootstrap(repair_rate(outcomes, turn), draws, seed).as_dict()
            for turn in range(2, turn_limit + 1)
        },
        "sandbox_failures": sandbox_failures(outcomes),
        "tasks": len(final.tasks),
        "rollouts_per_task": len(outcomes) / max(1, len({o.task for o in outcomes})),
    }


def _per_task(outcomes: Iterable[Outcome], score: Callable[[Sequence[Outcome]], tuple[float, float]]) -> Scores:
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.failed:
            groups.setdefault(outcome.task, []).append(outcome)
    return Scores.of({task: score(group) for task, group in groups.items()})


def _share(passed: Iterable[bool]) -> float:
    return float(np.mean([bool(p) for p in passed]))
