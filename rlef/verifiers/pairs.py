"""Preference pairs: for each task correct x incorrect programs, at most so many, chosen to teach something.

Source: V-STaR (arXiv 2402.06457): pairs are from the Cartesian product of a problem's correct and incorrect
solutions. Which of the product are taken is ours: programs that pass the public tests and fail a private one come
first, then the other kinds of failure in turn; a program that was repaired in the next turn meets its repair, a minimal
edit that a test has verified (what CLAIR, arXiv 2408.06266, pays a reviser for); else the partner is chosen so that
over all pairs the correct program is the longer one as often as the shorter one.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rlef.envs.answers import answer_of
from rlef.errors import RlefError
from rlef.verifiers.pool import Candidate, Pool
from rlef.verifiers.programs import edit_distance, normal_form

Kind = Literal["product", "repair"]


@dataclass(frozen=True)
class Pair:
    """A correct and an incorrect program of one task."""

    task: str
    observation: str
    chosen: str
    rejected: str
    kind: Kind
    failure: str
    """Verdict of the incorrect program's first failing test."""
    hard: bool
    """The incorrect program passes the public tests."""
    edit_distance: int
    """Characters, Levenshtein."""


@dataclass
class _Group:
    """Distinct programs of one task."""

    correct: list[Candidate]
    incorrect: list[Candidate]
    repair_of: dict[str, str]
    """Normal form of a wrong program to that of its repair."""


def distinct(candidates: Iterable[Candidate]) -> tuple[list[Candidate], int]:
    """One candidate for each program of each task, and how many programs were left out for their verdicts disagree."""
    found: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        found[candidate.task, normal_form(candidate.program)].append(candidate)
    stable = [same for same in found.values() if len({one.passed for one in same}) == 1]
    # The choice among equals does not depend on the order of sampling.
    return [
        min(same, key=lambda one: (len(one.program), one.program, not one.hard, one.failure)) for same in stable
    ], len(found) - len(stable)


def make_pairs(pool: Pool, per_task: int, seed: int) -> list[Pair]:
    """At most `per_task` pairs for each task, in the order of the tasks' keys.

    Raises:
        RlefError: there is no correct or no incorrect program, or no task has both.
    """
    groups = _groups(pool)
    _check(groups, pool)
    pairs: list[Pair] = []
    balance = 0  # pairs whose correct program is the longer one, minus those where it is the shorter one
    for task in sorted(groups):
        group = groups[task]
        rng = random.Random(f"pairs {seed} {task}")
        used: Counter[str] = Counter()
        taken: set[tuple[str, str]] = set()
        for wrong in _in_turn(group, rng):
            if len(taken) == min(per_task, len(group.correct) * len(group.incorrect)):
                break
            name = normal_form(wrong.program)
            free = {normal_form(one.program): one for one in group.correct}
            free = {form: one for form, one in free.items() if (form, name) not in taken}
            if not free:
                continue
            form = group.repair_of.get(name, "")
            kind: Kind = "repair" if form in free else "product"
            if kind == "product":
                order = rng.sample(sorted(free), len(free))
                weights = {f: (abs(balance + _longer(free[f], wrong)), used[f]) for f in order}
                form = min(order, key=weights.__getitem__)
            taken.add((form, name))
            used[form] += 1
            balance += _longer(free[form], wrong)
            pairs.append(_pair(free[form], wrong, kind))
    return pairs


def _groups(pool: Pool) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for candidate in distinct(pool.candidates)[0]:
        group = groups.setdefault(candidate.task, _Group([], [], {}))
        (group.correct if candidate.passed else group.incorrect).append(candidate)
    # The smallest edit where a program was repaired in several ways.
    for wrong, right in sorted(pool.repairs, key=lambda two: (edit_distance(two[0].program, two[1].program), str(two))):
        if wrong.task in groups:
            groups[wrong.task].repair_of.setdefault(normal_form(wrong.program), normal_form(right.program))
    return groups


def _in_turn(group: _Group, rng: random.Random) -> Iterator[Candidate]:
    """Wrong programs: hard ones first, then one of each kind of failure in turn, those with a repair ahead; again and
    again, once for each correct program."""
    kinds: dict[str, list[Candidate]] = defaultdict(list)
    ordered = sorted(group.incorrect, key=lambda one: normal_form(one.program))
    for wrong in sorted(
        rng.sample(ordered, len(ordered)), key=lambda one: normal_form(one.program) not in group.repair_of
    ):
        kinds["" if wrong.hard else wrong.failure].append(wrong)
    queue = kinds.pop("", [])
    names = rng.sample(sorted(kinds), len(kinds))
    for depth in range(max(map(len, kinds.values()), default=0)):
        queue += [kinds[name][depth] for name in names if depth < len(kinds[name])]
    for _ in group.correct:
        yield from queue


def _longer(right: Candidate, wrong: Candidate) -> int:
    return (len(right.program) > len(wrong.program)) - (len(right.program) < len(wrong.program))


def _pair(right: Candidate, wrong: Candidate, kind: Kind) -> Pair:
    distance = edit_distance(wrong.program, right.program)
    return Pair(right.task, right.observation, right.program, wrong.program, kind, wrong.failure, wrong.hard, distance)


def _check(groups: dict[str, _Group], pool: Pool) -> None:
    left_out = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(pool.excluded.items()))
    programs = f"the {len(pool.candidates)} judged programs" + (f" (left out: {left_out})" if left_out else "")
    if not any(group.correct for group in groups.values()):
        raise RlefError(
            f"no pairs: none of {programs} is correct; start from a better model (more sft.programs), sample "
            "more (samples), or take easier tasks"
        )
    if not any(group.incorrect for group in groups.values()):
        raise RlefError(
            f"no pairs: none of {programs} is wrong; take harder tasks, or a higher temperature: a verifier needs both"
        )
    if not any(group.correct and group.incorrect for group in groups.values()):
        raise RlefError(
            f"no pairs: no task has both a correct and an incorrect program among {programs}; sample more per task "
            "(samples), or at a higher temperature"
        )


def describe(pairs: Sequence[Pair], pool: Pool) -> dict[str, Any]:
    """Counts that say what the pairs are made of."""
    groups = _groups(pool)
    return {
        "pairs": len(pairs),
        "tasks": len({pair.task for pair in pairs}),
        "tasks_without_correct": sum(not group.correct for group in groups.values()),
        "tasks_without_incorrect": sum(not group.incorrect for group in groups.values()),
        "programs": len(pool.candidates),
        "distinct_correct": sum(len(group.correct) for group in groups.values()),
        "distinct_incorrect": sum(len(group.incorrect) for group in groups.values()),
        "unstable_verdict": distinct(pool.candidates)[1],
        "excluded": dict(sorted(pool.excluded.items())),
        "repair": sum(pair.kind == "repair" for pair in pairs),
        "hard": sum(pair.hard for pair in pairs),
        "failures": dict(sorted(Counter(pair.failure for pair in pairs).items())),
        "chosen_longer": sum(len(pair.chosen) > len(pair.rejected) for pair in pairs),
        "chosen_shorter": sum(len(pair.chosen) < len(pair.rejected) for pair in pairs),
    }


def write_pairs(path: Path, pairs: Iterable[Pair], system: str) -> None:
    """One JSON object a line, prompt and answers as chat messages: what `datasets` and TRL read."""
    before = [{"role": "system", "content": system}] if system else []
    with path.open("w", encoding="utf-8") as file:
        for pair in pairs:
            row = {
                "prompt": [*before, {"role": "user", "content": pair.observation}],
                "chosen": [{"role": "assistant", "content": answer_of(pair.chosen)}],
                "rejected": [{"role": "assistant", "content": answer_of(pair.rejected)}],
                "task": pair.task,
                "kind": pair.kind,
                "failure": pair.failure,
                "hard": pair.hard,
                "edit_distance": pair.edit_distance,
                "chosen_program": pair.chosen,
                "rejected_program": pair.rejected,
            }
            file.write(json.dumps(row, ensure_ascii=True) + "\n")


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file. Raises RlefError naming the line that is none."""
    pairs = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                pairs.append(
                    Pair(
                        row["task"], row["prompt"][-1]["content"], row["chosen_program"], row["rejected_program"],
                        row["kind"], row["failure"], row["hard"], row["edit_distance"],
                    )
                )  # fmt: skip
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise RlefError(f"{path}, line {number}: not a pair ({error!r}); remove the line") from error
    return pairs
