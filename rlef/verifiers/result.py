"""The numbers of `rlef vstar`: every selector's best-of-k beside pass@1 and the oracle, and what each scorer knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rlef.evaluation.metrics import Scores, bootstrap, compare
from rlef.evaluation.selectors import likelihood_weights, public_ranks, vote
from rlef.report.table import interval
from rlef.verifiers.measures import (
    Ranked,
    auc,
    best_of_k,
    breakdown,
    calibration,
    chosen_at_k,
    curve,
    length_correlation,
    oracle_at_k,
)
from rlef.verifiers.pool import Candidate

if TYPE_CHECKING:
    from rich.table import Table

VERIFIER = "verifier"
"""The paper's selector: likelihood under the DPO model."""
HEADLINE = 8
"""k of the comparisons, or the number of samples if that is smaller."""

Answers = Mapping[str, Sequence[Candidate]]
Columns = Mapping[str, Sequence[float]]
"""A scorer's numbers by task, in the order of the task's candidates; -inf for an answer without a program."""


def measure(
    answers: Answers, scorers: Mapping[str, Columns], clusters: Mapping[str, Sequence[Hashable]], samples: int,
    draws: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """The measures of `result.json`.

    Args:
        scorers: by name; VERIFIER is one of them.
        clusters: by task, what each candidate says on the public inputs.
    """
    ks = sorted({2**i for i in range(samples.bit_length())} & set(range(1, samples + 1)) | {samples})
    k = min(HEADLINE, samples)
    plain = {name: _ranked(answers, columns) for name, columns in scorers.items()}
    at: dict[str, Callable[[int], Scores]] = {"oracle": lambda k: oracle_at_k(plain[VERIFIER], k)}
    passed = {task: [float(one.public_passed) for one in group] for task, group in answers.items()}
    rankings = {"random": _ranked(answers, {task: [0.0] * len(group) for task, group in answers.items()})}
    rankings |= {"public_tests": _ranked(answers, passed)} | plain
    rankings |= {f"public_tests+{name}": _public(ranked) for name, ranked in plain.items()}
    at |= {name: lambda k, ranked=ranked: best_of_k(ranked, k) for name, ranked in rankings.items()}  # type: ignore[misc]
    for name, weighted in (("majority", False), ("weighted_vote", True)):
        choose = _voter(clusters, weighted)
        at[name] = lambda k, choose=choose: chosen_at_k(plain[VERIFIER], k, choose, draws, seed)  # type: ignore[misc]
    best = at[VERIFIER](k)
    first = at["random"](1)
    return {
        "k": k,
        "tasks": len(answers),
        "candidates": sum(map(len, answers.values())),
        "no_program": sum(not one.program for group in answers.values() for one in group),
        "pass@1": bootstrap(first).as_dict(),
        "best_of_k": {name: curve(ks, of) for name, of in at.items()},
        f"verifier_minus_pass@1_at_{k}": _difference(first, best),
        f"verifier_minus_other_at_{k}": {
            name: _difference(of(k), best) for name, of in at.items() if name not in (VERIFIER, "random")
        },
        "scorers": {name: _facts(_programs_only(ranked)) for name, ranked in plain.items()},
    }


def _facts(ranked: Sequence[Ranked]) -> dict[str, Any]:
    correlation = length_correlation(ranked)
    return {
        "auc": bootstrap(auc(ranked)).as_dict(),
        "auc_by": breakdown(ranked),
        "length_correlation": correlation if math.isfinite(correlation) else None,
        "calibration": calibration(ranked),
    }


def _difference(before: Scores, after: Scores) -> dict[str, Any]:
    if not set(before.tasks) & set(after.tasks):
        return {}
    found = compare(before, after)
    return {**found.difference.as_dict(), "p_value": found.p_value, "tasks": found.tasks}


def _ranked(answers: Answers, columns: Columns) -> list[Ranked]:
    return [Ranked(task, tuple(group), tuple(columns[task])) for task, group in answers.items() if group]


def _public(ranked: Sequence[Ranked]) -> list[Ranked]:
    ranks = [public_ranks([c.public_passed for c in one.candidates], one.scores) for one in ranked]
    return [Ranked(one.task, one.candidates, tuple(rank)) for one, rank in zip(ranked, ranks, strict=True)]


def _programs_only(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Answers without a program are no test of a scorer."""
    kept = []
    for one in ranked:
        rows = [(c, score) for c, score in zip(one.candidates, one.scores, strict=True) if c.program]
        if rows:
            kept.append(Ranked(one.task, tuple(c for c, _ in rows), tuple(score for _, score in rows)))
    return kept


def _voter(clusters: Mapping[str, Sequence[Hashable]], weighted: bool) -> Callable[[Ranked, list[int]], int]:
    """The majority of output clusters, or the vote in which each candidate weighs its likelihood."""

    def choose(one: Ranked, places: list[int]) -> int:
        scores = [one.scores[place] for place in places]
        here = [clusters[one.task][place] for place in places]
        weights = likelihood_weights(scores) if weighted else [float(math.isfinite(score)) for score in scores]
        return places[vote(here, weights, scores if weighted else [0.0] * len(places))]

    return choose


def result_table(result: Mapping[str, Any]) -> Table:
    """Best-of-k of every selector for the terminal."""
    from rich.table import Table

    k = str(result["k"])
    table = Table(
        "selector", f"best of {k}", "AUC within tasks",
        caption=f"{result['tasks']} tasks, {result['candidates']} candidates. 95\u00a0% bootstrap over tasks.",
        caption_justify="left",
    )  # fmt: skip
    for name, points in result["best_of_k"].items():
        known = result["scorers"].get(name)
        table.add_row(name.replace("_", " "), interval(points[k]), interval(known["auc"]) if known else "")
    return table
