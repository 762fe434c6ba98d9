"""What is asked: a task is a statement and two kept-apart sets of tests.

Public tests feed the observations a policy sees; private tests decide the reward and appear nowhere else. Both are
plain data. Comparing outputs is the judge's work (`tasks.judge`), outside the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.program import Limits, Program


@dataclass(frozen=True)
class StdioTest:
    """Standard input and the output expected for it."""

    input: str
    output: str
    alternatives: tuple[str, ...] = ()
    """Other outputs that are right as well."""


@dataclass(frozen=True)
class CallTest:
    """Arguments for the task's entry point and the value expected back (plain data)."""

    arguments: tuple[Any, ...]
    expected: Any
    alternatives: tuple[Any, ...] = ()
    """Other values that are right as well."""
    checker: str = ""
    """How this value is to be compared, where that differs from the task's checker."""


@dataclass(frozen=True)
class AssertTest:
    """Test code that asserts things about the entry point. `source` runs after the candidate is defined."""

    source: str


Test = StdioTest | CallTest | AssertTest


@dataclass(frozen=True)
class Group:
    """Private tests that earn points together, as in an olympiad. Groups may share tests."""

    name: str
    points: float
    tests: tuple[int, ...]
    """Indices into the task's private tests."""
    per_test: bool = False
    """Each accepted test earns `points`; otherwise the group earns them when all its tests are accepted."""


@dataclass(frozen=True)
class SpecialJudge:
    """A program that decides whether an output is right; it has a run of its own, after the candidate's."""

    program: Program
    style: Literal["kattis", "testlib"] = "kattis"
    """Kattis: input, answer and folder as arguments, the output on standard input, exit code 42 or 43.
    testlib: input, output and answer as arguments, exit code 0 for right, 1, 2, 4 or 8 for wrong."""
    flags: tuple[str, ...] = ()
    """More arguments of a Kattis validator."""


@dataclass(frozen=True)
class Task:
    """One problem. Immutable; equal tasks have equal keys within a suite."""

    key: str
    """Stable identifier, unique in its suite."""
    statement: str
    """The problem text as the policy sees it."""
    public_tests: tuple[Test, ...]
    private_tests: tuple[Test, ...]
    limits: Limits = field(default_factory=Limits)
    checker: str = "tokens"
    """A comparison of `tasks.checkers`, with its parameters: "tokens", "floats 1e-4", "kattis case_sensitive"."""
    special_judge: SpecialJudge | None = None
    """Decides about outputs in place of the checker."""
    entry_point: str | None = None
    """Function (or `Class.method`) to define when tests call one; None for programs that read standard input."""
    prelude: str = ""
    """Python source put before every program: imports and classes that the statement takes for granted."""
    adapter: str = ""
    """Python source put after every program. It defines `adapted`, which is called in place of the entry point: it
    turns plain arguments into what the function takes (a tree, a linked list) and its value back into plain data."""
    groups: tuple[Group, ...] = ()
    """How private tests earn points; empty when they are not graded in parts."""
    references: tuple[Program, ...] = ()
    """Programs known to be right."""
    mutants: tuple[Program, ...] = ()
    """Programs known to be wrong in a way that is easy to miss: they test the tests."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Family, level, source and the like; never an answer. Two keys have a meaning: `split`, and `unscored`, why a
    verdict on this task would mean little (several right answers and no checker, nothing private)."""

    @property
    def kind(self) -> str:
        """What tasks are grouped by: the family, else the difficulty; empty where the source says neither."""
        return str(self.metadata.get("family") or self.metadata.get("difficulty") or "")
