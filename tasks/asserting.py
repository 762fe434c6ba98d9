"""Assert tests: code that asserts things about the program's functions, out of the program's reach.

The test runs in a slot of its own and calls the program through the host; what crosses is plain data. So the program
can neither read the asserts nor return something that only claims to be equal.

Where that cannot work the test runs in the program's own process and the verdict is labelled `forgeable`: it is
believed when a random word, read from standard input after the asserts, ends the output, and a program that reads
standard input first can forge that. Whether it can work shows when it is tried: something had to cross that is no
plain data. A program could bring that about to get here; so a reference for which the test works across settles that
it is the program's error.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from sandbox import Driven
from sandbox.program import Execution, Limits, Program, Status, Submission
from tasks.report import Trust
from tasks.task import AssertTest, Task

_REFERENCES = 3
"""How many references are asked."""


class Box(Protocol):
    """What is needed of a `sandbox.Sandbox`."""

    def run_many(self, submissions: Sequence[Submission], stop_on_failure: bool = ...) -> list[list[Execution]]:
        """Run each program on each of its inputs, order kept."""

    def drive(self, driver: Program, program: Program, limits: Limits) -> Driven:
        """Run a driver that calls functions of a program in another slot."""


class Asserted(NamedTuple):
    """How the test ended: `OK` when all of it held."""

    run: Execution
    trust: Trust


def run_assert(task: Task, test: AssertTest, program: Program, references: Sequence[Program], box: Box) -> Asserted:
    """Run one test about a program; both it and the references come with the task's prelude and adapter."""
    driver = _driver(task, test)
    driven = box.drive(driver, program, task.limits)
    if not driven.not_plain:
        return Asserted(driven.execution, "sound")
    for reference in references[:_REFERENCES]:
        known = box.drive(driver, reference, task.limits)
        if known.execution.status is Status.SANDBOX_FAILURE:
            return Asserted(known.execution, "sound")
        if not known.not_plain:  # the test works across, whatever the reference made of it
            return Asserted(driven.execution, "sound")
    return Asserted(_beside(task, test, program, box), "forgeable")


def _driver(task: Task, test: AssertTest) -> Program:
    """The test's code. Names of the prelude are the test's own, but for the entry point."""
    head = (task.entry_point or "").partition(".")[0]
    entry = f"{head} = __function__({head!r})" if head else ""
    return Program("\n\n".join(filter(None, (task.prelude, entry, test.source))))


def _beside(task: Task, test: AssertTest, program: Program, box: Box) -> Execution:
    """The program, the test's code in the same process, and a last line that repeats the word on standard input."""
    word = f"{secrets.token_hex(16)}\n".encode()
    last = "import sys as _sys\n_sys.stdout.write(_sys.stdin.readline())\n"
    whole = Program(f"{program.source}\n\n{test.source}\n\n{last}", program.language)
    run = box.run_many([Submission(whole, [word], task.limits)])[0][0]
    if run.status is Status.OK and not run.stdout.endswith(word):
        return replace(run, status=Status.RUNTIME_ERROR, detail="it left before the asserts were through")
    return run
