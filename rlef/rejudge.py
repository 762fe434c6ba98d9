"""`rlef rejudge RUN`: judges recorded programs again, maybe by another checker, limits or version of the suite.

Nothing changed and verdicts differ all the same: those tests are flaky, or the limits too tight. Something changed:
this is what it does to the scores, without a model.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from rlef.episode import Turn
from rlef.recorded import Recorded, language_of
from sandbox import Program
from tasks import Report, Task, judge_many
from tasks.judge import Box

AT_ONCE = 64
_SHOWN = 50


@dataclass(frozen=True)
class RejudgeConfig:
    """What to judge by."""

    suite: str = ""
    """Suite to take the tasks from, by key; the run's own when empty."""
    checker: str = ""
    """Comparison of outputs for all tasks; each task's own when empty."""
    wall_s: float = 0.0
    """Time limit for all tasks, in seconds; each task's own when 0."""
    memory_mb: int = 0
    """Memory limit for all tasks, in mebibytes; each task's own when 0."""
    slots: int = 2
    """Programs that run at the same time."""

    def task(self, task: Task) -> Task:
        """A task as it is judged now."""
        limits = task.limits
        if self.wall_s:
            limits = replace(limits, wall_s=self.wall_s, cpu_s=None)
        if self.memory_mb:
            limits = replace(limits, memory_mb=self.memory_mb)
        return replace(task, checker=self.checker or task.checker, limits=limits)


@dataclass
class Changes:
    """What judging again changed."""

    episodes: int = 0
    turns: int = 0
    """Answers with a program that had a verdict and has one now."""
    verdicts: int = 0
    """Verdicts compared."""
    flips: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """Times by (task, test, verdict then, verdict now)."""
    other_tests: set[str] = field(default_factory=set)
    """Tasks that have another number of tests now."""
    no_task: int = 0
    """Episodes whose task the suite does not have."""
    unjudged: int = 0
    """Answers without a verdict, then or now, for failures of the sandbox."""
    judged: int = 0
    """Episodes whose last program had a verdict and has one now."""
    solved_then: int = 0
    solved_now: int = 0
    gained: int = 0
    """Episodes that were not solved and are now."""
    lost: int = 0

    def lines(self) -> list[str]:
        """The report, for people."""
        tests = {(task, test) for task, test, _, _ in self.flips}
        lines = [
            f'task "{task}", {test} test: {then} -> {now}, {times} times'
            for (task, test, then, now), times in self.flips.most_common(_SHOWN)
        ]
        if len(self.flips) > _SHOWN:
            lines.append(f"... and {len(self.flips) - _SHOWN} more")
        lines += [f'task "{task}" has another number of tests now' for task in sorted(self.other_tests)[:_SHOWN]]
        lines.append(
            f"{self.episodes} episodes, {self.turns} programs judged again: {self.flips.total()} of {self.verdicts} "
            f"verdicts changed, on {len(tests)} tests"
        )
        if self.judged:
            lines.append(
                f"solved: {self.solved_then / self.judged:.1%} then, {self.solved_now / self.judged:.1%} now "
                f"({self.gained} episodes gained, {self.lost} lost)"
            )
        if self.no_task:
            lines.append(f"{self.no_task} episodes left out: the suite has not got their task")
        if self.unjudged:
            lines.append(f"{self.unjudged} programs left out: the sandbox failed, then or now")
        return lines


def rejudge(target: Path, box: Box, config: RejudgeConfig) -> Changes:
    """Judge every program of a run folder or file again; equal programs for a task once per `AT_ONCE` episodes.

    Raises:
        RlefError, TaskError: there are no episodes, or the suite or the checker is unknown.
    """
    recorded = Recorded(target, config.suite)
    changes = Changes()
    for chunk in recorded.chunks(AT_ONCE):
        tasks: dict[str, Task] = {}
        wanted: dict[tuple[str, Program], bool] = {}  # whether private tests ran then
        programs: list[list[tuple[Turn, Program]]] = []
        for entry in chunk:
            episode = entry.episode
            changes.episodes += 1
            task = recorded.tasks.find(episode.task)
            if task is None:
                changes.no_task += 1
                programs.append([])
                continue
            tasks[task.key] = config.task(task)
            language = language_of(episode)
            programs.append([(turn, Program(turn.program, language)) for turn in episode.turns if turn.program])
            for turn, program in programs[-1]:
                wanted[task.key, program] = wanted.get((task.key, program), False) or turn.private is not None
        reports = _judge(tasks, wanted, box)
        for entry, turns in zip(chunk, programs, strict=True):
            for turn, program in turns:
                _compare(changes, tasks[entry.episode.task], turn, reports[entry.episode.task, program])
            if entry.episode.task in tasks and not entry.episode.sandbox_failure:
                last = reports[entry.episode.task, turns[-1][1]] if turns and entry.episode.turns[-1].program else None
                _outcome(changes, entry.episode.passed, last)
    return changes


def _judge(
    tasks: dict[str, Task], wanted: dict[tuple[str, Program], bool], box: Box
) -> dict[tuple[str, Program], Report]:
    """Public tests of every program; all private ones where they ran then or the public ones pass now."""
    pairs = {one: (tasks[one[0]], one[1]) for one in wanted}
    reports = dict(zip(pairs, judge_many(list(pairs.values()), box, "public"), strict=True))
    through = [one for one, before in wanted.items() if before or reports[one].public_passed]
    hidden = judge_many([pairs[one] for one in through], box, "private")
    for one, report in zip(through, hidden, strict=True):
        reports[one] = replace(reports[one], private=report.private)
    return reports


def _compare(changes: Changes, task: Task, turn: Turn, report: Report) -> None:
    then = {"public": turn.public, "private": turn.private or ()}
    now = {name: tuple(r.verdict.value for r in getattr(report, name)) for name in then}
    if report.sandbox_failed or {"sandbox_failure", "checker_failure"} & {*turn.public, *(turn.private or ())}:
        changes.unjudged += 1
        return
    changes.turns += 1
    if len(turn.public) != len(task.public_tests) or len(then["private"]) > len(task.private_tests):
        changes.other_tests.add(task.key)
    for name in then:
        for number, (before, after) in enumerate(zip(then[name], now[name], strict=False), 1):
            changes.verdicts += 1
            if before != after:
                changes.flips[task.key, f"{name} {number}", before, after] += 1


def _outcome(changes: Changes, passed_then: bool, report: Report | None) -> None:
    """Whether the last program solved the task, then and now. No report: there was no program."""
    if report is not None and report.sandbox_failed:
        return
    passed = report is not None and report.passed and bool(report.private)
    changes.judged += 1
    changes.solved_then += passed_then
    changes.solved_now += passed
    changes.gained += passed and not passed_then
    changes.lost += passed_then and not passed
