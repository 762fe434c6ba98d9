"""Measures by name: "1@3", "10@100", "pass@5", "pass^2", "first", "final", "repair".

A measure knows how many rollouts of a task it needs. Tasks with fewer (the sandbox failed on some, the time was up)
are left out of it and counted, never guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.evaluation.intervals import Scores
from rlef.evaluation.metrics import (
    Outcome,
    outcomes_of,
    repair_rate,
    solved_final,
    solved_first,
    solved_n_at_k,
    solved_pass_at_k,
    solved_pass_hat_k,
)
from rlef.evaluation.selectors import Selector, selected_n_at_k

PLAIN: dict[str, Callable[[Sequence[Outcome]], Scores]] = {
    "first": solved_first, "final": solved_final, "repair": repair_rate,
}  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """One measure at a turn limit."""

    name: str
    rollouts: int
    """Rollouts a task needs."""
    kind: str
    """"plain", "n@k", "pass@k" or "pass^k"."""
    n: int = 0
    """Submissions, for n@k."""

    def scores(self, episodes: Sequence[Episode], turn_limit: int, selector: Selector | None = None) -> Scores:
        """Its scores by task. Without a selector n@k submits at random what passes the public tests, exactly."""
        if self.kind == "n@k" and selector is not None:
            return selected_n_at_k(episodes, selector, self.n, self.rollouts)
        outcomes = [outcome for outcome in outcomes_of(episodes) if not outcome.failed]
        enough = Counter(outcome.task for outcome in outcomes)
        outcomes = [outcome for outcome in outcomes if enough[outcome.task] >= self.rollouts]
        if self.kind == "n@k":
            return solved_n_at_k(outcomes, self.n, self.rollouts * turn_limit, turn_limit)
        if self.kind == "plain":
            return PLAIN[self.name](outcomes)
        return (solved_pass_at_k if self.kind == "pass@k" else solved_pass_hat_k)(outcomes, self.rollouts)


def parse_measures(text: str, answers: int) -> list[Measure]:
    """The measures of a list such as "1@3,10@100,pass@1", for rollouts of so many answers at most.

    Raises:
        RlefError: a word that is no measure, or n@k with a k below one rollout.
    """
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word in PLAIN:
            found.append(Measure(word, 1, "plain"))
        elif match := re.fullmatch(r"(pass[@^])([1-9]\d*)", word):
            found.append(Measure(word, int(match[2]), f"{match[1]}k"))
        elif match := re.fullmatch(r"([1-9]\d*)@([1-9]\d*)", word):
            rollouts = int(match[2]) // answers
            if not rollouts:
                raise RlefError(f"{word}: {match[2]} samples are less than one rollout of {answers} answers")
            found.append(Measure(word, rollouts, "n@k", int(match[1])))
        else:
            raise RlefError(f'"{word}" is no measure; there are: first, final, repair, n@k (10@100), pass@k, pass^k')
    return found


def check_samples(measures: Sequence[Measure], samples: int) -> None:
    """Raise RlefError when a measure needs more rollouts of each task than there will be."""
    for measure in measures:
        if measure.rollouts > samples:
            raise RlefError(
                f"{measure.name} needs {measure.rollouts} rollouts of each task and there are {samples}; "
                f"use --evaluation.samples {measure.rollouts} or more"
            )
