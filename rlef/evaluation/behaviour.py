"""What a policy does from turn to turn: how programs fail, what a failure becomes, how much a program is changed.

Pure functions of `Episode`s. Rates come as `Scores`, one weighted number per task, so that they take the same intervals
as the solve rates. Source of the questions: RLEF (arXiv 2410.02089) section 3.3 and figure 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from rlef.episode import Episode, Turn
from rlef.evaluation.estimators import distinct_at_k
from rlef.evaluation.intervals import Scores

ACCEPTED = "accepted"
PUBLIC_ONLY = "passes public tests only"
NO_PROGRAM = "no program"
OURS = ("sandbox failure", "checker failure")
ENDINGS = (
    ACCEPTED, PUBLIC_ONLY, "wrong answer", "runtime error", "time limit", "memory limit", "output limit",
    "compile error", "security violation", NO_PROGRAM, *OURS,
)  # fmt: skip
"""How a turn can end, best first; the last two are nobody's score."""


def ending(turn: Turn) -> str:
    """Which of `ENDINGS` a turn is: the first verdict that is not "accepted", public tests before private ones."""
    if turn.program is None:
        return NO_PROGRAM
    for verdicts, hidden in ((turn.public, False), (turn.private or (), True)):
        for verdict in verdicts:
            if verdict != "accepted":
                name = str(verdict).replace("_", " ")
                if name in OURS or not (hidden and turn.public):
                    return name
                return PUBLIC_ONLY
    return ACCEPTED if turn.passed else PUBLIC_ONLY


def transitions(episodes: Iterable[Episode]) -> Counter[tuple[int, str, str]]:
    """How often a turn (1, 2, ...) that ended one way was followed by one that ended another."""
    return Counter(
        (number, ending(before), ending(after))
        for episode in episodes
        if not episode.sandbox_failure
        for number, (before, after) in enumerate(pairwise(episode.turns), 1)
    )


def repeats(episodes: Iterable[Episode]) -> Scores:
    """Of the answers after feedback, the share that is the program before once more."""
    return _over_pairs(episodes, lambda before, after: float(before == after))


def similarity(episodes: Iterable[Episode]) -> Scores:
    """Mean chrF between each program and the one before it; 1 is the same program."""
    return _over_pairs(episodes, lambda before, after: chrf(after, before))


def diversity(episodes: Iterable[Episode], k: int) -> Scores:
    """Expected share of different programs among k first answers to a task, white space apart; 1 is all different."""
    groups: dict[str, Counter[str]] = {}
    for episode in episodes:
        if episode.turns and not episode.sandbox_failure:
            groups.setdefault(episode.task, Counter())[" ".join((episode.turns[0].program or "").split())] += 1
    groups = {task: counts for task, counts in groups.items() if counts.total() >= k}
    return Scores.of({task: (distinct_at_k(list(c.values()), k) / k, 1.0) for task, c in groups.items()})


def chrf(hypothesis: str, reference: str, order: int = 6, beta: float = 2.0) -> float:
    """Character n-gram F-score of two texts, in [0, 1], white space left out.

    Precision and recall are averaged over the orders 1 to `order` that both texts are long enough for. Texts without
    a character in common, and a text beside an empty one, have 0; two empty texts are the same, 1.

    Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation"; numbers as of sacreBLEU.
    """
    one, two = ("".join(text.split()) for text in (hypothesis, reference))
    if one == two:
        return 1.0
    precision = recall = orders = 0.0
    for n in range(1, min(order, len(one), len(two)) + 1):
        ours, theirs = (Counter(text[i : i + n] for i in range(len(text) - n + 1)) for text in (one, two))
        common = (ours & theirs).total()
        precision, recall, orders = precision + common / ours.total(), recall + common / theirs.total(), orders + 1
    if not precision:
        return 0.0
    precision, recall = precision / orders, recall / orders
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def _over_pairs(episodes: Iterable[Episode], measure: Callable[[str, str], float]) -> Scores:
    """Mean of a measure over consecutive turns that both hold a program, pooled over tasks."""
    groups: dict[str, list[float]] = {}
    for episode in episodes:
        if not episode.sandbox_failure:
            groups.setdefault(episode.task, []).extend(
                measure(before, after) for before, after in _pairs(episode.turns)
            )
    return Scores.of({task: (sum(values), float(len(values))) for task, values in groups.items()})


def _pairs(turns: Sequence[Turn]) -> Iterable[tuple[str, str]]:
    for before, after in pairwise(turns):
        if before.program is not None and after.program is not None:
            yield before.program, after.program
