"""The doctor: is a suite sound? References must pass; mutants and programs that do no work must fail.

A suite whose tests accept the printed public answer teaches a policy to print it. So the doctor judges, for every task,
its own references (twice: a verdict must not change), its mutants and three lazy programs, all in the sandbox, and
looks at the tests and statements themselves. Tasks marked as unscored are counted, not judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sandbox.program import Program
from tasks.formats.splitting import asked
from tasks.judge import Box, Report, judge_many
from tasks.overlap import Twins
from tasks.task import CallTest, StdioTest, Task

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
    references: int = 0
    references_passed: int = 0
    unscored: Mapping[str, int] = field(default_factory=dict)
    """How many tasks are left out of scores, by reason."""
    twins: tuple[Twins, ...] = ()

    @property
    def usable(self) -> int:
        """Tasks whose verdicts mean something."""
        return self.tasks - sum(self.unscored.values())

    @property
    def sound(self) -> bool:
        """No finding, and every program had its verdict. Twins are for people to judge."""
        return not self.findings and not self.unjudged


class _Trial(NamedTuple):
    task: Task
    program: Program
    name: str
    should_pass: bool


def check_suite(tasks: Iterable[Task], box: Box) -> Checkup:
    """Examine tasks: their tests, their references, their mutants, and lazy programs against them."""
    count: Counter[str] = Counter()
    unscored: Counter[str] = Counter()
    findings: list[Finding] = []
    waiting: list[_Trial] = []
    keys: set[str] = set()
    for task in tasks:
        count["tasks"] += 1
        if task.key in keys:
            findings.append(Finding(task.key, "two tasks have this key"))
        keys.add(task.key)
        if reason := task.metadata.get("unscored"):
            unscored[reason] += 1
            continue
        findings += [Finding(task.key, problem) for problem in _flaws(task)]
        waiting += _trials(task)
        while len(waiting) >= BATCH:
            findings += _judged(waiting[:BATCH], box, count)
            del waiting[:BATCH]
    findings += _judged(waiting, box, count)
    return Checkup(
        count["tasks"], count["programs"], count["unjudged"], tuple(findings), count["references"],
        count["references passed"], dict(unscored.most_common()),
    )  # fmt: skip


def lazy_programs(task: Task) -> Iterator[tuple[str, Program]]:
    """Programs that do no work: nothing, the first public answer, the input itself."""
    public = task.public_tests[0] if task.public_tests else None
    if task.entry_point is None:
        yield "prints nothing", Program("pass\n")
        yield "prints its input", Program("import sys\nsys.stdout.write(sys.stdin.read())\n")
        if isinstance(public, StdioTest):
            yield "prints the public answer", Program(f"print({public.output!r}, end='')\n")
    else:
        yield "returns nothing", _returning(task.entry_point, "None")
        yield "returns its argument", _returning(task.entry_point, "arguments[0] if arguments else None")
        if isinstance(public, CallTest):
            yield "returns the public answer", _returning(task.entry_point, repr(public.expected))


def _returning(entry_point: str, value: str) -> Program:
    head, _, name = entry_point.rpartition(".")
    if head:
        return Program(f"class {head}:\n    def {name}(self, *arguments):\n        return {value}\n")
    return Program(f"def {name}(*arguments):\n    return {value}\n")


def _trials(task: Task) -> Iterator[_Trial]:
    for number, program in enumerate(task.references, 1):
        yield _Trial(task, program, f"reference {number}", True)
    for number, program in enumerate(task.mutants, 1):
        yield _Trial(task, program, f"mutant {number}", False)
    for name, program in lazy_programs(task):
        yield _Trial(task, program, f"program that {name}", False)


def _judged(trials: list[_Trial], box: Box, count: Counter[str]) -> Iterator[Finding]:
    """Findings about programs; `count` is kept up to date."""
    passed = []
    for trial, report in zip(trials, _reports(trials, box), strict=True):
        count["programs"] += 1
        count["references"] += trial.should_pass
        if report.sandbox_failed:
            count["unjudged"] += 1
        elif report.passed != trial.should_pass:
            yield Finding(trial.task.key, f"{trial.name}: {report.verdict}")
        elif trial.should_pass:
            passed.append(trial)
            count["references passed"] += 1
            yield from _slow(trial, report)
    for trial, report in zip(passed, _reports(passed, box), strict=True):
        if not report.passed and not report.sandbox_failed:
            yield Finding(trial.task.key, f"{trial.name}: accepted, then {report.verdict}; its verdict must not change")


def _reports(trials: list[_Trial], box: Box) -> list[Report]:
    return judge_many([(trial.task, trial.program) for trial in trials], box, stop_on_failure=True)


def _slow(trial: _Trial, report: Report) -> Iterator[Finding]:
    slowest = max(
        [*(result.execution.cpu_s for result in report.public), *(result.cpu_s for result in report.private)],
        default=0.0,
    )
    allowed = trial.task.limits.cpu_s or trial.task.limits.wall_s
    if slowest * HEADROOM > allowed:
        yield Finding(trial.task.key, f"{trial.name} takes {slowest:.2f} s of {allowed} s; allow more time")


def _flaws(task: Task) -> Iterator[str]:
    if not task.statement.strip():
        yield "the statement is empty"
    if not task.private_tests:
        yield "no private test decides the reward"
    if not task.references:
        yield "no reference shows that the tests can be passed"
    seen = {asked(test): f"has the input of public test {number}" for number, test in enumerate(task.public_tests, 1)}
    for number, test in enumerate(task.private_tests, 1):
        if asked(test) in seen:
            yield f"private test {number} {seen[asked(test)]}"
        seen.setdefault(asked(test), "repeats an earlier one")
