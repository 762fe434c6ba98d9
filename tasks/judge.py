"""The judge: runs programs on their tasks' tests in the sandbox and decides outside of it.

Expected outputs stay here; the sandbox sees programs and inputs. A special judge is shown them, in a run of its own
after the candidate is through.

One kind of test is weaker: an `AssertTest` brings code that must run next to the candidate. It runs in the candidate's
process and is believed when a random word, read from standard input after the asserts, ends the output. A candidate
that reads standard input first can forge that, hence `trust="forgeable"`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol

from sandbox.program import Execution, Limits, Program, Status, Submission
from tasks import special
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


class Box(Protocol):
    """What the judge needs of a `sandbox.Sandbox`. `call` is used from several threads at once."""

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


def _report(pair: tuple[Task, Program], shown: Sequence[_Outcome], hidden: Sequence[_Outcome]) -> Report:
    public_passed = all(one.verdict is Verdict.ACCEPTED for one in shown)
    return Report(
        tuple(TestResult(one.verdict, one.test, one.run) for one in shown),
        tuple(PrivateResult(one.verdict, one.run.cpu_s, one.run.wall_s, one.run.peak_mb, one.share) for one in hidden),
        "forgeable" if any(isinstance(one.test, AssertTest) for one in (*shown, *hidden)) else "sound",
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
    word: str = ""
    """What the output of an assert test must end with."""


def _jobs(owner: int, task: Task, program: Program, tests: Sequence[Test]) -> Iterator[_Job]:
    stdio = {j: test for j, test in enumerate(tests) if isinstance(test, StdioTest)}
    if stdio:
        inputs = [_bytes(test.input) for test in stdio.values()]
        yield _Job(owner, list(stdio), Submission(program, inputs, task.limits))
    for j, test in enumerate(tests):
        if isinstance(test, AssertTest):
            word = secrets.token_hex(16)
            whole = _with_asserts(_around(task, program), test)
            yield _Job(owner, [j], Submission(whole, [f"{word}\n".encode()], task.limits), word)


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

    def note(owner: int, place: int, run: Execution, word: str = "") -> None:
        test = tests[owner][place]
        outcomes[owner][place] = _Outcome(test, *_decide(pairs[owner][0], test, run, word))

    calls = [
        (owner, places)
        for owner in range(len(pairs))
        if (places := [j for j, test in enumerate(tests[owner]) if isinstance(test, CallTest)])
    ]
    if calls:
        with ThreadPoolExecutor(min(_CALLERS, len(calls)), thread_name_prefix="judge") as callers:
            runs = callers.map(lambda one: _call(pairs[one[0]], [tests[one[0]][j] for j in one[1]], box), calls)
            for (owner, places), executions in zip(calls, runs, strict=True):
                for place, run in zip(places, executions, strict=True):
                    note(owner, place, run)
    jobs = [job for owner, pair in enumerate(pairs) for job in _jobs(owner, *pair, tests[owner])]
    batch = box.run_many([job.submission for job in jobs], stop_on_failure=stop_on_failure) if jobs else []
    for job, executions in zip(jobs, batch, strict=True):
        for place, run in zip(job.places, executions, strict=not stop_on_failure):
            note(job.owner, place, run, job.word)
    _ask_special_judges(pairs, outcomes, box)
    return [[found[j] for j in sorted(found)] for found in outcomes]


def _call(pair: tuple[Task, Program], tests: Sequence[Any], box: Box) -> list[Execution]:
    task, program = pair
    entry = ADAPTED if task.adapter else task.entry_point
    return box.call(_around(task, program), str(entry), [list(test.arguments) for test in tests], task.limits)


def _ask_special_judges(
    pairs: Sequence[tuple[Task, Program]], outcomes: Sequence[dict[int, _Outcome]], box: Box
) -> None:
    """Replace the verdicts on outputs that a special judge decides about."""
    waiting, asked = [], []
    for (task, _), found in zip(pairs, outcomes, strict=True):
        for place, (test, _, _, run) in found.items():
            if task.special_judge and isinstance(test, StdioTest) and run.status is Status.OK:
                parts = _bytes(test.input), _bytes(test.output), run.stdout
                if sum(map(len, parts)) < special.MAX_FRAME_BYTES - 100:
                    waiting.append((task.special_judge, found, place))
                    asked.append(special.submission(task.special_judge, *parts))
    for (program, found, place), runs in zip(waiting, box.run_many(asked) if asked else [], strict=True):
        said = special.verdict(program, runs)
        found[place] = found[place]._replace(verdict=said, share=float(said is Verdict.ACCEPTED))


def _decide(task: Task, test: Test, run: Execution, word: str) -> tuple[Verdict, float, Execution]:
    """Verdict and share of one run. What a special judge is to decide is CHECKER_FAILURE until it has spoken."""
    if isinstance(test, AssertTest):
        if run.status is Status.RUNTIME_ERROR and _last_line(run.stderr).startswith(b"AssertionError"):
            return Verdict.WRONG_ANSWER, 0.0, run
        if run.status is Status.OK and not run.stdout.endswith(f"{word}\n".encode()):
            return Verdict.RUNTIME_ERROR, 0.0, run  # it left before the asserts were through
    if run.status is not Status.OK:
        return Verdict(run.status.value), 0.0, run
    share = 1.0
    if isinstance(test, StdioTest):
        if task.special_judge:
            return Verdict.CHECKER_FAILURE, 0.0, run
        right = (test.output, *test.alternatives)
        share = max(share_of_cases(task.checker, _bytes(answer), run.stdout) for answer in right)
    elif isinstance(test, CallTest):
        value = getattr(run, "value", None)
        spec = test.checker or task.checker
        share = float(any(right_value(spec, answer, value) for answer in (test.expected, *test.alternatives)))
    return Verdict.ACCEPTED if share == 1.0 else Verdict.WRONG_ANSWER, share, run


def _around(task: Task, program: Program) -> Program:
    """The program between the task's prelude and adapter."""
    if not (task.prelude or task.adapter) or program.language != "python":
        return program
    return replace(program, source="\n".join(filter(None, (task.prelude, program.source, task.adapter))))


def _with_asserts(program: Program, test: AssertTest) -> Program:
    """The candidate, the test's code, and a last line that repeats the word waiting on standard input."""
    return Program(
        f"{program.source}\n\n{test.source}\n\nimport sys as _sys\n_sys.stdout.write(_sys.stdin.readline())\n",
        program.language,
    )


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
