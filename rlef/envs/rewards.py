"""Rewards: small named functions of what a turn came to. Failures of ours never get here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """What is known when a turn is over."""

    final: bool
    """The dialogue ends with this turn."""
    passed: bool
    """The program passes all tests, public and private."""
    has_code: bool
    """The answer holds a program that compiles."""


Reward = Callable[[Facts], float]


def execution(facts: Facts) -> float:
    """+1 for a final program that passes all tests, -1 for one that does not, -0.2 for a turn without valid code.

    Source: RLEF (arXiv 2410.02089) section 2.2. The three cases exclude each other; a final answer without code is -1.
    """
    if facts.final:
        return 1.0 if facts.passed else -1.0
    return 0.0 if facts.has_code else -0.2


def outcome(facts: Facts) -> float:
    """As `execution` without the penalty for invalid code: the single-turn baseline of RLEF section 3.4.2."""
    return (1.0 if facts.passed else -1.0) if facts.final else 0.0


REWARDS: dict[str, Reward] = {"execution": execution, "outcome": outcome}
