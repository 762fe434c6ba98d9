"""Which kinds of tasks are solved: the mean over all of them hides that training won some and lost others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from rlef.evaluation.intervals import Scores, bootstrap, compare
from rlef.evaluation.metrics import Outcome, solved_final
from tasks import Task

DRAWS = 2000


def by_kind(tasks: Iterable[Task], models: Mapping[str, Sequence[Outcome]]) -> dict[str, dict[str, Any]]:
    """The block of `result.json`: for each kind of task its number and the share solved at the end by each model.

    Of two models also the paired difference, second minus first. Intervals are 95 %, bootstrapped over the tasks of the
    kind. A kind without a task that all have a score for is left out; empty where the suite does not tell kinds apart.
    """
    kinds: dict[str, set[str]] = {}
    for task in tasks:
        kinds.setdefault(task.kind, set()).add(task.key)
    if len(kinds) < 2:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for kind, keys in kinds.items():
        scores = {name: _of(keys, outcomes) for name, outcomes in models.items()}
        if not set.intersection(*(set(score.tasks) for score in scores.values())):
            continue
        block: dict[str, Any] = {"tasks": len(keys)}
        block |= {name: bootstrap(score, DRAWS).as_dict() for name, score in scores.items()}
        if len(scores) == 2:
            first, second = scores.values()
            block["difference"] = compare(first, second, DRAWS).difference.as_dict()
        found[kind or "other"] = block
    return found


def _of(keys: Set[str], outcomes: Sequence[Outcome]) -> Scores:
    """Solved at the end, of these tasks only."""
    return solved_final([outcome for outcome in outcomes if outcome.task in keys])
