"""The judge: runs programs on their tasks' tests in the sandbox and decides outside of it.

Expected outputs stay here; the sandbox sees programs and inputs. A special judge is shown them, in a run of its own
after the candidate is through.

A report is `forgeable` when the code of an assert test had to run in the candidate's own process
(`tasks.asserting`), else `sound`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol

from sandbox.program import Execution, Limits, Program, Status, Submission
from tasks import asserting, special
from tasks.checkers import VALUE_ONLY, checker, share_of_cases
from tasks.errors import TaskError
from tasks.report import OURS, PrivateResult, Report, TestResult, Trust, Verdict, group_credit, test_credit
from tasks.signals import signals
from tasks.task import AssertTest, CallTest, StdioTest, Task, Test
from tasks.values import right_value

__all__ = [
    "OURS", "Box", "PrivateResult", "Report", "TestResult", "Trust", "Verdict", "Which", "group_credit", "judge",
    "judge_many", "test_credit",
]  # fmt: skip

Which = Literal["public", "private", "all"]
ADAPTED = "adapted"
"""What a task's adapter defines."""
FIRST_WAVE = 16
"""Tests that run before the first look at who has failed, with `stop_on_failure`; then eight times as many."""
_CALLERS = 32


class Box(asserting.Box, Protocol):
    """What the judge needs of a `sandbox.Sandbox`. Everything is used from several threads at once."""

    def call(
        self, program: Program, entry_point: str, arguments: Sequence[Sequence[Any]], limits: Limits
    ) -> list[Execution]:
        """Call a function of the program, once per list of arguments."""


def judge(task: Task, program: Program, box: Box, tests: Which = "all", stop_on_failure: bool = False) -> Report:
    """Judge one program; see `judge_many`."""
    return judge_many([(task, program)], box, tests, stop_on_failure)[0]


def judge_many(
    pairs: Sequence[tuple[Task, Program]], box: Box, tests: Which = "all", stop_on_failure: bool = False
) -> list[Report]:
    """Judge programs in one batch over the slots of `box`; reports come in the order of `pairs`.

    Args:
        tests: "public", "private" or "all".
        stop_on_failure: leave out a program's private tests after its first failing one; tests run in waves, so a
            program that fails early costs little. Public tests all run.

    Raises:
        TaskError: a task names an unknown checker, lacks an entry point, or asserts about a program not in Python.
    """
    for task, program in pairs:
        _validate(task, program)
    public = [task.public_tests if tests != "private" else () for task, _ in pairs]
    private = [task.private_tests if tests != "public" else () for task, _ in pairs]
    if stop_on_failure:
        shown = _run(pairs, public, box)
        hidden = _run_in_waves(pairs, private, box)
    else:
        both = _run(pairs, [(*a, *b) for a, b in zip(public, private, strict=True)], box)
        shown = [results[: len(a)] for results, a in zip(both, public, strict=True)]
        hidden = [results[len(a) :] for results, a in zip(both, public, strict=True)]
    return [_report(*one) for one in zip(pairs, shown, hidden, strict=True)]


class _Outcome(NamedTuple):
    test: Test
    verdict: Verdict
    share: float
    run: Execution
    trust: Trust = "sound"


def _report(pair: tuple[Task, Program], shown: Sequence[_Outcome], hidden: Sequence[_Outcome]) -> Report:
    public_passed = all(one.verdict is Verdict.ACCEPTED for one in shown)
    return Report(
        tuple(TestResult(one.verdict, one.test, one.run) for one in shown),
        tuple(PrivateResult(one.verdict, one.run.cpu_s, one.run.wall_s, one.run.peak_mb, one.share) for one in hidden),
        "forgeable" if any(one.trust == "forgeable" for one in (*shown, *hidden)) else "sound",
        signals(*pair, [(one.test, one.verdict, one.run) for one in hidden]) if public_passed else (),
    )


@dataclass(frozen=True)
class _Job:
    """A submission and the tests it answers."""

    owner: int
    """Index of the pair."""
    places: list[int]
    """Indices of its tests, in the order of the inputs."""
    submission: Submission


def _jobs(owner: int, task: Task, program: Program, tests: Sequence[Test]) -> Iterator[_Job]:
    stdio = {j: test for j, test in enumerate(tests) if isinstance(test, StdioTest)}
    if stdio:
        inputs = [_bytes(test.input) for test in stdio.values()]
        yield _Job(owner, list(stdio), Submission(program, inputs, task.limits))


def _run_in_waves(
    pairs: Sequence[tuple[Task, Program]], tests: Sequence[Sequence[Test]], box: Box
) -> list[list[_Outcome]]:
    """Outcomes of each program's tests up to its first failing one."""
    found: list[list[_Outcome]] = [[] for _ in pairs]
    left = [i for i, waiting in enumerate(tests) if waiting]
    wave = FIRST_WAVE
    while left:
        part = [tests[i][len(found[i]) : len(found[i]) + wave] for i in left]
        for i, outcomes in zip(left, _run([pairs[i] for i in left], part, box, True), strict=True):
            failing = next((k for k, one in enumerate(outcomes) if one.verdict is not Verdict.ACCEPTED), len(outcomes))
            found[i] += outcomes[: failing + 1]
        left = [i for i in left if found[i][-1].verdict is Verdict.ACCEPTED and len(found[i]) < len(tests[i])]
        wave *= 8
    return found


def _run(
    pairs: Sequence[tuple[Task, Program]], tests: Sequence[Sequence[Test]], box: Box, stop_on_failure: bool = False
) -> list[list[_Outcome]]:
    """Outcomes of each program's tests, in order; `stop_on_failure` leaves out runs after one that did not end well."""
    outcomes: list[dict[int, _Outcome]] = [{} for _ in pairs]

    def note(owner: int, place: int, run: Execution, trust: Trust = "sound") -> None:
        test = tests[owner][place]
        outcomes[owner][place] = _Outcome(test, *_decide(pairs[owner][0], test, run), run, trust)

    calls = [
        (owner, places)
        for owner in range(len(pairs))
        if (places := [j for j, test in enumerate(tests[owner]) if isinstance(test, CallTest)])
    ]
    asserts = [
        (owner, place, test)
        for owner in range(len(pairs))
        for place, test in enumerate(tests[owner])
        if isinstance(test, AssertTest)
    ]
    if calls or asserts:
        with ThreadPoolExecutor(min(_CALLERS, len(calls) + len(asserts)), thread_name_prefix="judge") as callers:
            runs = callers.map(lambda one: _call(pairs[one[0]], [tests[one[0]][j] for j in one[1]], box), calls)
            for (owner, places), executions in zip(calls, runs, strict=True):
                for place, run in zip(places, executions, strict=True):
                    note(owner, place, run)
            asserted = callers.map(lambda one: _assert(pairs[one[0]], one[2], box), asserts)
            for (owner, place, _), (run, trust) in zip(asserts, asserted, strict=True):
                note(owner, place, run, trust)
    jobs = [job for owner, pair in enumerate(pairs) for job in _jobs(owner, *pair, tests[owner])]
    batch = box.run_many([job.submission for job in jobs], stop_on_failure=stop_on_failure) if jobs else []
    for job, executions in zip(jobs, batch, strict=True):
        for place, run in zip(job.places, executions, strict=not stop_on_failure):
            note(job.owner, place, run)
    _ask_special_judges(pairs, outcomes, box)
    return [[found[j] for j in sorted(found)] for found in outcomes]


def _call(pair: tuple[Task, Program], tests: Sequence[Any], box: Box) -> list[Execution]:
    task, program = pair
    entry = ADAPTED if task.adapter else task.entry_point
    return box.call(_around(task, program), str(entry), [list(test.arguments) for test in tests], task.limits)


def _assert(pair: tuple[Task, Program], test: AssertTest, box: Box) -> asserting.Asserted:
    task, program = pair
    references = [_around(task, reference) for reference in task.references if reference.language == "python"]
    return asserting.run_assert(task, test, _around(task, program), references, box)


def _ask_special_judges(
    pairs: Sequence[tuple[Task, Program]], outcomes: Sequence[dict[int, _Outcome]], box: Box
) -> None:
    """Replace the verdicts on outputs that a special judge decides about."""
    waiting, asked = [], []
    for (task, _), found in zip(pairs, outcomes, strict=True):
        for place, (test, _, _, run, _) in found.items():
            if task.special_judge and isinstance(test, StdioTest) and run.status is Status.OK:
                parts = _bytes(test.input), _bytes(test.output), run.stdout
                if sum(map(len, parts)) < special.MAX_FRAME_BYTES - 100:
                    waiting.append((task.special_judge, found, place))
                    asked.append(special.submission(task.special_judge, *parts))
    for (program, found, place), runs in zip(waiting, box.run_many(asked) if asked else [], strict=True):
        said = special.verdict(program, runs)
        found[place] = found[place]._replace(verdict=said, share=float(said is Verdict.ACCEPTED))


def _decide(task: Task, test: Test, run: Execution) -> tuple[Verdict, float]:
    """Verdict and share of one run. What a special judge is to decide is CHECKER_FAILURE until it has spoken."""
    failed = isinstance(test, AssertTest) and run.status is Status.RUNTIME_ERROR
    if failed and _last_line(run.stderr).startswith(b"AssertionError"):
        return Verdict.WRONG_ANSWER, 0.0
    if run.status is not Status.OK:
        return Verdict(run.status.value), 0.0
    share = 1.0
    if isinstance(test, StdioTest):
        if task.special_judge:
            return Verdict.CHECKER_FAILURE, 0.0
        right = (test.output, *test.alternatives)
        share = max(share_of_cases(task.checker, _bytes(answer), run.stdout) for answer in right)
    elif isinstance(test, CallTest):
        value = getattr(run, "value", None)
        spec = test.checker or task.checker
        share = float(any(right_value(spec, answer, value) for answer in (test.expected, *test.alternatives)))
    return Verdict.ACCEPTED if share == 1.0 else Verdict.WRONG_ANSWER, share


def _around(task: Task, program: Program) -> Program:
    """The program between the task's prelude and adapter."""
    if not (task.prelude or task.adapter) or program.language != "python":
        return program
    return replace(program, source="\n".join(filter(None, (task.prelude, program.source, task.adapter))))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _last_line(data: bytes) -> bytes:
    return data.rstrip().rpartition(b"\n")[2]


def _validate(task: Task, program: Program) -> None:
    checker(task.checker)
    if task.special_judge:
        special.wrapped(task.special_judge)
    for test in (*task.public_tests, *task.private_tests):
        if isinstance(test, StdioTest):
            if task.checker.split()[0] in VALUE_ONLY:
                raise TaskError(f'{task.key}: checker "{task.checker}" is for values; tests with output need another')
            continue
        if isinstance(test, CallTest) and test.checker:
            checker(test.checker)
        if isinstance(test, CallTest) and not task.entry_point:
            raise TaskError(f"{task.key}: tests that call a function need the task's entry_point; set it")
        if program.language != "python":
            kind = "assert tests are" if isinstance(test, AssertTest) else "functions are called in"
            raise TaskError(f"{task.key}: {kind} Python; a {program.language} program cannot be judged by them")
