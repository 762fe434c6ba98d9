"""What goes into the sandbox and what comes out of it.

A `Program` is source text in a language, `Limits` bound one run of it, an `Execution` says what happened. There is no
word for an expected output here: programs are run in this package and judged in `tasks`, so an answer cannot leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How one run ended. `SANDBOX_FAILURE` is a failure of ours and says nothing about the program."""

    OK = "ok"
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    COMPILE_ERROR = "compile_error"
    SECURITY_VIOLATION = "security_violation"
    SANDBOX_FAILURE = "sandbox_failure"


@dataclass(frozen=True)
class Program:
    """Source text and the language it is written in (a key of `sandbox.languages.LANGUAGES`)."""

    source: str
    language: str = "python"


@dataclass(frozen=True)
class Limits:
    """Bounds on one run. Times are in seconds, sizes in mebibytes unless the name says bytes."""

    wall_s: float = 10.0
    """Time on the clock, measured inside the sandbox."""
    cpu_s: float | None = None
    """Processor time over all processes of the run; the wall limit when None."""
    memory_mb: int = 1024
    """Memory of all processes of the run together."""
    output_bytes: int = 1 << 20
    """Bytes of standard output before the run is stopped; standard error is cut there without a verdict."""
    processes: int = 64
    """Processes and threads alive at the same time."""


@dataclass(frozen=True)
class Submission:
    """One program and all its inputs: the unit of scheduling. It is compiled once and stays in one slot."""

    program: Program
    inputs: Sequence[bytes]
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Execution:
    """What one run did. `exit_code` is None when a signal ended the run, `signal` is None when it exited."""

    status: Status
    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int | None = None
    signal: int | None = None
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    detail: str = ""
    """One line for people: which limit was hit, or what went wrong on our side."""
    value: Any = None
    """What a called function returned, as plain data; None when nothing was called."""
