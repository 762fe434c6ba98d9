"""What the judge says: verdicts, costs, trust, and how much of a task a program solved.

The public part of a `Report` holds everything feedback needs (test, output, trace); the private part holds verdicts,
costs and shares only, so that nothing built from a report can leak a private test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sandbox.program import Execution
from tasks.task import Group, Task, Test

Trust = Literal["sound", "forgeable"]


class Verdict(StrEnum):
    """The outcome of a test. The last two are failures of ours: they carry no reward and enter no metric."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    COMPILE_ERROR = "compile_error"
    SECURITY_VIOLATION = "security_violation"
    CHECKER_FAILURE = "checker_failure"
    SANDBOX_FAILURE = "sandbox_failure"


OURS = frozenset({Verdict.CHECKER_FAILURE, Verdict.SANDBOX_FAILURE})


@dataclass(frozen=True)
class TestResult:
    """A public test and what the program did on it: the material of feedback."""

    __test__ = False  # not a pytest class
    verdict: Verdict
    test: Test
    execution: Execution


@dataclass(frozen=True)
class PrivateResult:
    """A private test's verdict and cost. It has no place for an input or an output."""

    verdict: Verdict
    cpu_s: float
    wall_s: float
    peak_mb: float
    share: float = 0.0
    """How much of the answer is right, from 0 to 1; between the two only under a checker "cases ..."."""


@dataclass(frozen=True)
class Report:
    """Verdicts of one program on one task. Tests that were not asked for, or not reached, are absent."""

    public: tuple[TestResult, ...] = ()
    private: tuple[PrivateResult, ...] = ()
    trust: Trust = "sound"
    signals: tuple[str, ...] = ()
    """Signs of cheating (`tasks.signals`); they change no verdict. Public tests that did not run count as passed
    here."""

    @property
    def results(self) -> tuple[TestResult | PrivateResult, ...]:
        """Public results, then private ones."""
        return (*self.public, *self.private)

    @property
    def verdict(self) -> Verdict:
        """A failure of ours if there is one, else the first failing verdict, else ACCEPTED."""
        failing = [result.verdict for result in self.results if result.verdict is not Verdict.ACCEPTED]
        return next((verdict for verdict in failing if verdict in OURS), failing[0] if failing else Verdict.ACCEPTED)

    @property
    def passed(self) -> bool:
        """Whether something ran and all of it was accepted."""
        return bool(self.results) and self.verdict is Verdict.ACCEPTED

    @property
    def public_passed(self) -> bool:
        """Whether public tests ran and all of them were accepted."""
        return bool(self.public) and all(result.verdict is Verdict.ACCEPTED for result in self.public)

    @property
    def sandbox_failed(self) -> bool:
        """Whether a failure of ours leaves the program without a verdict."""
        return any(result.verdict in OURS for result in self.results)


def test_credit(task: Task, report: Report) -> float | None:
    """The share of the private tests that were accepted, from 0 to 1; single cases count under "cases ...".

    None when a failure of ours leaves it open, or when the task has no private test. Tests not reached earn nothing.
    """
    if not task.private_tests or any(result.verdict in OURS for result in report.private):
        return None
    return sum(result.share for result in report.private) / len(task.private_tests)


test_credit.__test__ = False  # type: ignore[attr-defined]


def group_credit(task: Task, report: Report) -> float | None:
    """Points earned over points there are, from 0 to 1, as in an olympiad; `test_credit` for a task without groups."""
    if not task.groups:
        return test_credit(task, report)
    if any(result.verdict in OURS for result in report.private):
        return None
    best = sum(group.points * (len(group.tests) if group.per_test else 1) for group in task.groups)
    return sum(_points(group, report) for group in task.groups) / best if best else 0.0


def _points(group: Group, report: Report) -> float:
    right = sum(
        index < len(report.private) and report.private[index].verdict is Verdict.ACCEPTED for index in group.tests
    )
    if group.per_test:
        return group.points * right
    return group.points if group.tests and right == len(group.tests) else 0.0
