"""What an attack is: a small program that tries something, the defences that stop it, how to see that it got through.

`off` names the defences a row tests. Its control runs the same program with those left out and must succeed, which
shows that the program is a real attack and that the defence is what stops it. Rows without a control are stopped by the
container as a whole, or by two filters at once, and say so.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandbox.program import Execution, Limits, Status

SMALL = Limits(wall_s=5.0, memory_mb=64, output_bytes=10_000, processes=16)
LEAVE, LOOK = b"leave\n", b"look\n"


def text(indented: str) -> str:
    """A program that stands indented in a table."""
    return textwrap.dedent(indented).lstrip("\n")


def says_escaped(executions: Sequence[Execution]) -> bool:
    """The program says that it got through."""
    return any(b"ESCAPED" in execution.stdout for execution in executions)


def slot_lost(executions: Sequence[Execution]) -> bool:
    """The program took its slots down: no signal ended it, the pool did without it."""
    lost = (Status.SANDBOX_FAILURE, Status.SECURITY_VIOLATION)
    return any(execution.status in lost and execution.signal is None for execution in executions)


def passes_as_ok(executions: Sequence[Execution]) -> bool:
    """A program that never ends is reported to have ended well."""
    return any(execution.status is Status.OK for execution in executions)


@dataclass(frozen=True)
class Attack:
    """One row of the corpus."""

    name: str
    source: str
    off: tuple[str, ...] = ()
    """Defences left out in the control; empty where no control is possible, and `no_control` says why."""
    no_control: str = ""
    inputs: tuple[bytes, ...] = (b"",)
    limits: Limits = SMALL
    succeeded: Callable[[Sequence[Execution]], bool] = says_escaped
