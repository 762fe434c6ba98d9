"""The doctor: is a suite sound? References must pass; mutants and programs that do no work must fail.

A suite whose tests accept the printed public answer teaches a policy to print it. So the doctor judges, for every task,
its own references and mutants and three lazy programs, all in the sandbox, and looks at the tests themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from sandbox.program import Program
from tasks.judge import Box, judge_many
from tasks.task import AssertTest, CallTest, StdioTest, Task, Test

BATCH = 100
HEADROOM = 3.0


@dataclass(frozen=True)
class Finding:
    """Something wrong with a task."""

    key: str
    problem: str


@dataclass(frozen=True)
class Checkup:
    """What the doctor saw."""

    tasks: int
    programs: int
    """Programs judged."""
    unjudged: int
    """Programs without a verdict because the sandbox failed; they prove nothing."""
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """No finding, and every program had its verdict."""
        return not self.findings and not self.unjudged


def check_suite(tasks: Iterable[Task], box: Box) -> Checkup:
    """Examine tasks: their tests, their references, their mutants, and lazy programs against them."""
    count = programs = unjudged = 0
    findings: list[Finding] = []
    keys: set[str] = set()
    trials: list[tuple[Task, Program, str, bool]] = []
    for task in tasks:
        count += 1
        findings += [Finding(task.key, problem) for problem in _flaws(task)]
        if task.key in keys:
            findings.append(Finding(task.key, "two tasks have this key"))
        keys.add(task.key)
        trials += _trials(task)
    todo = iter(trials)
    while batch := list(islice(todo, BATCH)):
        reports = judge_many([(task, program) for task, program, _, _ in batch], box, stop_on_failure=True)
        for (task, _, name, should_pass), report in zip(batch, reports, strict=True):
            programs += 1
            if report.sandbox_failed:
                unjudged += 1
            elif report.passed != should_pass:
                findings.append(Finding(task.key, f"{name}: {report.verdict}"))
            elif should_pass:
                slowest = max(result.execution.cpu_s for result in report.public) if report.public else 0.0
                slowest = max([slowest, *(result.cpu_s for result in report.private)])
                allowed = task.limits.cpu_s or task.limits.wall_s
                if slowest * HEADROOM > allowed:
                    findings.append(Finding(task.key, f"{name} takes {slowest:.2f} s of {allowed} s; allow more time"))
    return Checkup(count, programs, unjudged, tuple(findings))


def lazy_programs(task: Task) -> Iterator[tuple[str, Program]]:
    """Programs that do no work: nothing, the first public answer, the input itself."""
    public = task.public_tests[0] if task.public_tests else None
    if task.entry_point is None:
        yield "prints nothing", Program("pass\n")
        yield "prints its input", Program("import sys\nsys.stdout.write(sys.stdin.read())\n")
        if isinstance(public, StdioTest):
            yield "prints the public answer", Program(f"print({public.output!r}, end='')\n")
    else:
        head = f"def {task.entry_point}(*arguments):\n    return "
        yield "returns nothing", Program(f"{head}None\n")
        yield "returns its argument", Program(f"{head}arguments[0] if arguments else None\n")
        if isinstance(public, CallTest):
            yield "returns the public answer", Program(f"{head}{public.expected!r}\n")


def _trials(task: Task) -> Iterator[tuple[Task, Program, str, bool]]:
    for number, program in enumerate(task.references, 1):
        yield task, program, f"reference {number}", True
    for number, program in enumerate(task.mutants, 1):
        yield task, program, f"mutant {number}", False
    for name, program in lazy_programs(task):
        yield task, program, f"program that {name}", False


def _flaws(task: Task) -> Iterator[str]:
    if not task.statement.strip():
        yield "the statement is empty"
    if not task.private_tests:
        yield "no private test decides the reward"
    if not task.references:
        yield "no reference shows that the tests can be passed"
    shown = [_asked(test) for test in task.public_tests]
    hidden = [_asked(test) for test in task.private_tests]
    for number, asked in enumerate(hidden, 1):
        if asked in shown:
            yield f"private test {number} has the input of public test {shown.index(asked) + 1}"
        if asked in hidden[: number - 1]:
            yield f"private test {number} repeats an earlier one"


def _asked(test: Test) -> object:
    if isinstance(test, AssertTest):
        return test.source
    return test.input if isinstance(test, StdioTest) else repr(test.arguments)
