"""What is asked: a task is a statement and two kept-apart sets of tests.

Public tests feed the observations a policy sees; private tests decide the reward and appear nowhere else. Both are
plain data. Comparing outputs is the judge's work (`tasks.judge`), outside the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.program import Limits, Program


@dataclass(frozen=True)
class StdioTest:
    """Standard input and the output expected for it."""

    input: str
    output: str


@dataclass(frozen=True)
class CallTest:
    """Arguments for the task's entry point and the value expected back (plain data)."""

    arguments: tuple[Any, ...]
    expected: Any


@dataclass(frozen=True)
class AssertTest:
    """Test code that asserts things about the entry point. `source` runs after the candidate is defined."""

    source: str


Test = StdioTest | CallTest | AssertTest


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
    """Name of a comparison in `tasks.checkers`."""
    entry_point: str | None = None
    """Function to define when the tests call one; None for programs that read standard input."""
    references: tuple[Program, ...] = ()
    """Programs known to be right."""
    mutants: tuple[Program, ...] = ()
    """Programs known to be wrong in a way that is easy to miss: they test the tests."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Family, level, source and the like; never an answer."""
