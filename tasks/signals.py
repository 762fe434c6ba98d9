"""Signs that a program was made to please the public tests: it passes them, fails private ones, and ...

They are behaviour and text, so they hold for any language; none changes a verdict. A signal names no private data.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.program import Execution, Program, Status
from tasks.report import Verdict
from tasks.task import CallTest, StdioTest, Task, Test

SHORTEST_LITERAL = 8
"""Characters of a public answer that can hardly be in a program by chance."""


def signals(task: Task, program: Program, private: Sequence[tuple[Test, Verdict, Execution]]) -> tuple[str, ...]:
    """Signs of cheating in a program that failed some of these private tests.

    - `constant_output`: the same answer to every private test (three at least), though right answers differ;
    - `repeats_public_answers`: every answer that it got wrong is the answer of some public test;
    - `public_answer_in_source`: the answers of all public tests stand in its text, eight characters each at least.
    """
    told = [answer for test in task.public_tests if (answer := _expected(test)) is not None]
    ran = [(test, verdict, run) for test, verdict, run in private if run.status is Status.OK]
    wrong = [run for _, verdict, run in ran if verdict is Verdict.WRONG_ANSWER]
    if not wrong:
        return ()
    found = []
    given = {_given(test, run) for test, _, run in ran}
    if len(ran) >= 3 and len(given) == 1 and len({_expected(test) for test, _, _ in ran}) > 1:
        found.append("constant_output")
    if told and {_given(test, run) for test, verdict, run in ran if verdict is Verdict.WRONG_ANSWER} <= set(told):
        found.append("repeats_public_answers")
    if told and all(len(answer) >= SHORTEST_LITERAL and _in_source(answer, program) for answer in told):
        found.append("public_answer_in_source")
    return tuple(found)


def _expected(test: Test) -> str | None:
    if isinstance(test, StdioTest):
        return " ".join(test.output.split())
    return _text(test.expected) if isinstance(test, CallTest) else None


def _given(test: Test, run: Execution) -> str:
    return _text(run.value) if isinstance(test, CallTest) else " ".join(run.stdout.decode("utf-8", "replace").split())


def _text(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits
        return f"<{type(value).__name__} too large to write>"


def _in_source(answer: str, program: Program) -> bool:
    text = " ".join(program.source.replace("\\n", " ").split())
    return answer in text
