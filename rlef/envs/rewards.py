"""Rewards: small named functions of what a turn came to. Failures of ours never get here.

A reward is named by a specification, a reward and any number of gates: "execution", "fraction * sound", "mine:reward".
A gate multiplies what is gained and never adds, so nothing but tests passed can ever be worth something (CGPO, arXiv
2409.20370, equation 8: a reward counts only where every judge agrees).

What private tests tell goes into the reward and, if asked for, to a critic; facts hold verdicts and no input or output.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from rlef.errors import RlefError

When = Literal["deciding", "last", "every"]
"""Which private tests run: "deciding", those of a program that passes the public ones, up to the first failure; "last",
all of them on the program that ends the dialogue; "every", all of them on every program."""


@dataclass(frozen=True)
class Facts:
    """What is known when a turn is over."""

    final: bool
    """The dialogue ends with this turn."""
    passed: bool
    """The program passes all tests, public and private."""
    has_code: bool
    """The answer holds a program that compiles."""
    public: tuple[str, ...] = ()
    """Verdicts on the public tests."""
    private: tuple[str, ...] = ()
    """Verdicts on the private tests that ran."""
    rates: tuple[float, ...] = ()
    """For grouped rewards: share of the programs judged together that pass each private test, smoothed into (0, 1)."""
    trust: str = "sound"
    program: str | None = None
    previous: Facts | None = None
    """Those of the turn before (whose own `previous` is None)."""


Pay = Callable[[Facts], float]


@dataclass(frozen=True)
class Reward:
    """A function of facts, and what has to be known for it."""

    pay: Pay
    private: When = "deciding"
    grouped: bool = False
    """Needs `Facts.rates`, so all private tests: `private` is another than "deciding" then."""

    def __post_init__(self) -> None:
        if self.grouped and self.private == "deciding":
            raise RlefError('a grouped reward compares all private tests: Reward(..., private="last", grouped=True)')


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


def attempt(facts: Facts) -> float:
    """1 for a program that passes all tests, 0 for one that does not, at every turn: FC-SWE's trajectory-local reward.

    For `ppo.gamma = 0`, where a turn's return is its own reward and a later success is no credit to an earlier failure.
    """
    return float(facts.passed)


def fraction(facts: Facts) -> float:
    """Share of the private tests the program passes, in [0, 1]; 0 without a program."""
    return sum(verdict == "accepted" for verdict in facts.private) / max(1, len(facts.private))


def difficulty(facts: Facts) -> float:
    """As `fraction`, a test weighing 1 - its pass rate in the group, in [0, 1].

    Source: VeRPO (arXiv 2601.03525): weights from the empirical pass rate, so that what few programs pass counts more.
    VeRPO adds the global outcome; here passing everything is what makes 1.
    """
    weights = [1.0 - rate for rate in facts.rates]
    passed = [w for w, verdict in zip(weights, facts.private, strict=True) if verdict == "accepted"]
    return sum(passed) / sum(weights) if passed else 0.0


def at_the_end(score: Pay) -> Pay:
    """The score of the last program, and nothing before."""
    return lambda facts: score(facts) if facts.final else 0.0


def local(score: Pay) -> Pay:
    """Every turn has its own program's score. Trajectory-local, so for `ppo.gamma = 0`: summed, long dialogues gain."""
    return score


def gain(score: Pay) -> Pay:
    """Every turn has what the score rose by. For return-to-go: with gamma 1 the sum is the last program's score."""
    return lambda facts: score(facts) - (score(facts.previous) if facts.previous else 0.0)


REWARDS: dict[str, Reward] = {
    "execution": Reward(execution),
    "outcome": Reward(outcome),
    "attempt": Reward(attempt),
    "fraction": Reward(at_the_end(fraction), "last"),
    "fraction_local": Reward(local(fraction), "every"),
    "fraction_gain": Reward(gain(fraction), "every"),
    "difficulty": Reward(at_the_end(difficulty), "last", grouped=True),
    "difficulty_local": Reward(local(difficulty), "every", grouped=True),
    "difficulty_gain": Reward(gain(difficulty), "every", grouped=True),
}


def sound(facts: Facts) -> float:
    """0 where the program could have forged its verdicts."""
    return float(facts.trust == "sound")


def public(facts: Facts) -> float:
    """0 unless all public tests pass."""
    return float(all(verdict == "accepted" for verdict in facts.public))


def fresh(facts: Facts) -> float:
    """0 for the program of the turn before."""
    return float(facts.previous is None or facts.program != facts.previous.program)


GATES: dict[str, Pay] = {"sound": sound, "public": public, "fresh": fresh}


@cache
def reward_of(specification: str) -> Reward:
    """The reward of "NAME", "NAME * GATE * ..."; a name may be your own, "module:name", a function of `Facts` or (for
    a reward that needs more private tests run) a `Reward`.

    Raises:
        RlefError: there is no such name, or later, one's own function raises or returns no finite number.
    """
    check_names(specification)
    first, *others = _parts(specification)
    reward = REWARDS[first] if first in REWARDS else _imported(first)
    if not isinstance(reward, Reward):
        reward = Reward(reward)
    gates = [GATES[name] if name in GATES else _imported(name) for name in others]

    def pay(facts: Facts) -> float:
        value = _number(reward.pay, facts, first)
        for name, gate in zip(others, gates, strict=True):
            share = _number(gate, facts, name)
            if not 0 <= share <= 1:
                raise RlefError(f"gate {name!r} returned {share!r}; a gate is between 0 and 1")
            if value > 0:
                value *= share
        return value

    return Reward(pay, reward.private, reward.grouped)


def check_names(specification: str) -> None:
    """Raise RlefError for a name there is not. Nothing is imported: a file of somebody's may hold the specification."""
    for place, name in enumerate(_parts(specification)):
        what, known = ("gate", list(GATES)) if place else ("reward", list(REWARDS))
        if name not in known and ":" not in name:
            raise RlefError(f'unknown {what} {name!r}; there are: {", ".join(known)}, or your own as "module:function"')


def _parts(specification: str) -> list[str]:
    return [part.strip() for part in specification.split("*")]


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a module of the user's may fail in any way
        raise RlefError(
            f"{name!r} cannot be imported ({type(error).__name__}: {error}); is {module!r} on PYTHONPATH?"
        ) from error
    if not callable(found) and not isinstance(found, Reward):
        raise RlefError(f"{name!r} is {type(found).__name__}; it must be a function of Facts")
    return found


def _number(function: Pay, facts: Facts, name: str) -> float:
    try:
        value = float(function(facts))
    except Exception as error:
        raise RlefError(f"{name!r} failed on a turn ({type(error).__name__}: {error}); mend it") from error
    if not math.isfinite(value):
        raise RlefError(f"{name!r} returned {value}; a reward is a finite number")
    return value
