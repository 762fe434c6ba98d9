"""What an attack is: a small program that tries something, the defences that stop it, how to see that it got through.

`off` names the defences a row tests. Its control runs the same program with those left out and must succeed, which
shows that the program is a real attack and that the defence is what stops it. Rows without a control are stopped by the
slot as a whole, or by two filters at once, and say so. Where a row or its control cannot run, it says why.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.program import Execution, Limits, Status

SMALL = Limits(wall_s=5.0, memory_mb=64, output_bytes=10_000, processes=16)
LEAVE, LOOK = b"leave\n", b"look\n"
HOST_SOCKET = "\0rlef-attack"
"""An abstract socket of this machine that listens while an attack runs."""


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


def has_value(executions: Sequence[Execution]) -> bool:
    """A function that never returned plain data is said to have returned."""
    return any(execution.status is Status.OK for execution in executions)


def never(protections: Mapping[str, Any]) -> str:
    """The row runs wherever there is a sandbox."""
    return ""


def not_on_x86(protections: Mapping[str, Any]) -> str:
    """Why a program in machine code of x86-64 does not run."""
    return "" if os.uname().machine == "x86_64" else f"it is machine code of x86-64, and this is {os.uname().machine}"


def not_strict(protections: Mapping[str, Any]) -> str:
    """Why a control that needs the runner's power to mount does not run."""
    return "" if protections["mode"] == "strict" else "the runner itself may not do this in basic mode"


def passes_as_ok(executions: Sequence[Execution]) -> bool:
    """A program that never ends is reported to have ended well."""
    return any(execution.status is Status.OK for execution in executions)


@dataclass(frozen=True)
class Attack:
    """One row of the corpus."""

    name: str
    source: str
    """The program; with `entry`, the module whose function of that name is called without arguments."""
    off: tuple[str, ...] = ()
    """Defences left out in the control; empty where no control is possible, and `no_control` says why."""
    no_control: str = ""
    inputs: tuple[bytes, ...] = (b"",)
    limits: Limits = SMALL
    succeeded: Callable[[Sequence[Execution]], bool] = says_escaped
    language: str = "python"
    entry: str | None = None
    skip: Callable[[Mapping[str, Any]], str] = never
    """From what protects the slot to why the row cannot run here; empty where it can."""
    skip_control: Callable[[Mapping[str, Any]], str] = never
