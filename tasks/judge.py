"""The judge: runs a program on a task's tests in the sandbox and decides outside of it.

Expected outputs stay here; the sandbox sees programs and inputs. What comes back is a `Report` whose public part holds
everything feedback needs (test, output, trace) and whose private part holds verdicts and costs only, so that nothing
built from a report can leak a private test.

One kind of test is weaker: an `AssertTest` brings code that must run next to the candidate. It runs in the candidate's
process and is believed when a random word, read from standard input after the asserts, ends the output. A candidate
that reads standard input first can forge that, hence `trust="forgeable"`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol

from sandbox.program import Execution, Limits, Program, Status, Submission
from tasks.checkers import checker, same_value
from tasks.errors import TaskError
from tasks.task import AssertTest, CallTest, StdioTest, Task, Test

Which = Literal["public", "private", "all"]
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


@dataclass(frozen=True)
class Report:
    """Verdicts of one program on one task. Tests that were not asked for, or not reached, are absent."""

    public: tuple[TestResult, ...] = ()
    private: tuple[PrivateResult, ...] = ()
    trust: Trust = "sound"

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


class Box(Protocol):
    """What the judge needs of a `sandbox.Sandbox`."""

    def run_many(self, submissions: Sequence[Submission], stop_on_failure: bool = ...) -> list[list[Execution]]:
        """Run each program on each of its inputs, order kept."""

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
        stop_on_failure: leave out a program's private tests after its first failing one. Public tests all run.

    Raises:
        TaskError: a task names an unknown checker, lacks an entry point, or asserts about a program not in Python.
    """
    for task, program in pairs:
        _validate(task, program)
    public = [task.public_tests if tests != "private" else () for task, _ in pairs]
    private = [task.private_tests if tests != "public" else () for task, _ in pairs]
    if stop_on_failure:
        shown = _run(pairs, public, box, False)
        hidden = _run(pairs, private, box, True)
    else:
        both = _run(pairs, [(*a, *b) for a, b in zip(public, private, strict=True)], box, False)
        shown = [results[: len(a)] for results, a in zip(both, public, strict=True)]
        hidden = [results[len(a) :] for results, a in zip(both, public, strict=True)]
    return [
        Report(
            tuple(TestResult(verdict, test, run) for test, verdict, run in seen),
            tuple(PrivateResult(verdict, run.cpu_s, run.wall_s, run.peak_mb) for _, verdict, run in unseen),
            "forgeable" if any(isinstance(test, AssertTest) for test, _, _ in (*seen, *unseen)) else "sound",
        )
        for seen, unseen in zip(shown, hidden, strict=True)
    ]


_Outcome = tuple[Test, Verdict, Execution]


@dataclass(frozen=True)
class _Job:
    """A submission and the tests it answers."""

    owner: int
    """Index of the pair."""
    places: list[int]
    """Indices of its tests, in the order of the inputs."""
    submission: Submission
    word: str = ""
    """What the output of an assert test must end with."""


def _jobs(owner: int, task: Task, program: Program, tests: Sequence[Test]) -> Iterator[_Job]:
    stdio = {j: test for j, test in enumerate(tests) if isinstance(test, StdioTest)}
    if stdio:
        inputs = [test.input.encode(errors="surrogatepass") for test in stdio.values()]
        yield _Job(owner, list(stdio), Submission(program, inputs, task.limits))
    for j, test in enumerate(tests):
        if isinstance(test, AssertTest):
            word = secrets.token_hex(16)
            yield _Job(owner, [j], Submission(_with_asserts(program, test), [f"{word}\n".encode()], task.limits), word)


def _run(
    pairs: Sequence[tuple[Task, Program]], tests: Sequence[Sequence[Test]], box: Box, stop_on_failure: bool
) -> list[list[_Outcome]]:
    """Outcomes of each program's tests, in order; with `stop_on_failure` only up to the first failing one."""
    outcomes: list[dict[int, _Outcome]] = [{} for _ in pairs]

    def note(owner: int, place: int, execution: Execution, word: str = "") -> None:
        test = tests[owner][place]
        outcomes[owner][place] = test, _decide(pairs[owner][0], test, execution, word), execution

    for owner, (task, program) in enumerate(pairs):
        calls = {j: list(test.arguments) for j, test in enumerate(tests[owner]) if isinstance(test, CallTest)}
        if calls and task.entry_point:
            runs = box.call(program, task.entry_point, list(calls.values()), task.limits)
            for place, execution in zip(calls, runs, strict=True):
                note(owner, place, execution)
    jobs = [job for owner, pair in enumerate(pairs) for job in _jobs(owner, *pair, tests[owner])]
    batch = box.run_many([job.submission for job in jobs], stop_on_failure=stop_on_failure) if jobs else []
    for job, executions in zip(jobs, batch, strict=True):
        for place, execution in zip(job.places, executions, strict=not stop_on_failure):
            note(job.owner, place, execution, job.word)
    return [_in_order(found, stop_on_failure) for found in outcomes]


def _in_order(found: dict[int, _Outcome], stop_on_failure: bool) -> list[_Outcome]:
    ordered = [found[j] for j in sorted(found)]
    failing = next((k for k, (_, verdict, _) in enumerate(ordered) if verdict is not Verdict.ACCEPTED), len(ordered))
    return ordered[: failing + 1] if stop_on_failure else ordered


def _decide(task: Task, test: Test, run: Execution, word: str) -> Verdict:
    if isinstance(test, AssertTest):
        if run.status is Status.RUNTIME_ERROR and _last_line(run.stderr).startswith(b"AssertionError"):
            return Verdict.WRONG_ANSWER
        if run.status is Status.OK and not run.stdout.endswith(f"{word}\n".encode()):
            return Verdict.RUNTIME_ERROR  # it left before the asserts were through
    if run.status is not Status.OK:
        return Verdict(run.status.value)
    if isinstance(test, StdioTest):
        right = checker(task.checker)(test.output.encode(errors="surrogatepass"), run.stdout)
    elif isinstance(test, CallTest):
        right = same_value(test.expected, getattr(run, "value", None))
    else:
        right = True
    return Verdict.ACCEPTED if right else Verdict.WRONG_ANSWER


def _with_asserts(program: Program, test: AssertTest) -> Program:
    """The candidate, the test's code, and a last line that repeats the word waiting on standard input."""
    return Program(
        f"{program.source}\n\n{test.source}\n\nimport sys as _sys\n_sys.stdout.write(_sys.stdin.readline())\n",
        program.language,
    )


def _last_line(data: bytes) -> bytes:
    return data.rstrip().rpartition(b"\n")[2]


def _validate(task: Task, program: Program) -> None:
    checker(task.checker)
    for test in (*task.public_tests, *task.private_tests):
        if isinstance(test, CallTest) and not task.entry_point:
            raise TaskError(f"{task.key}: tests that call a function need the task's entry_point; set it")
        if isinstance(test, AssertTest) and program.language != "python":
            raise TaskError(
                f"{task.key}: assert tests are Python; a {program.language} program cannot be judged by them"
            )
