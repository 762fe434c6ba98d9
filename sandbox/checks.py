"""What is refused before it reaches a slot, and whose mistake it is.

A caller's mistake (wrong types, limits that cannot be meant) is a `SandboxError` with the remedy. What a model may have
written, such as NUL bytes in a source, is a verdict on the program: a `COMPILE_ERROR` like any other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sandbox.errors import SandboxError
from sandbox.languages import LANGUAGES
from sandbox.program import Execution, Limits, Status, Submission

MAX_SOURCE_BYTES = 1 << 20
MAX_INPUT_BYTES = 32 << 20
MAX_OUTPUT_BYTES = 16 << 20
DEFENCES = frozenset(
    {"seccomp", "uid", "namespaces", "descriptors", "processes", "memory", "time", "output", "cleanup"}
)


def check_submission(submission: Submission, memory_mb: int) -> None:
    """Raise SandboxError for a submission that cannot be meant; `memory_mb` is the memory of a slot."""
    program = submission.program
    if program.language not in LANGUAGES:
        raise SandboxError(f"unknown language {program.language!r}; there are: {', '.join(sorted(LANGUAGES))}")
    if not isinstance(program.source, str):
        raise SandboxError(f"Program.source is {type(program.source).__name__}, not str; decode it first")
    if isinstance(submission.inputs, str | bytes):
        raise SandboxError(f"inputs is one {type(submission.inputs).__name__}; give a list of bytes, one per run")
    for data in submission.inputs:
        if not isinstance(data, bytes):
            raise SandboxError(f"an input is {type(data).__name__}, not bytes; encode it first")
        if len(data) > MAX_INPUT_BYTES:
            raise SandboxError(f"an input of {len(data)} bytes is larger than {MAX_INPUT_BYTES}")
    check_limits(submission.limits, memory_mb)


def check_limits(limits: Limits, memory_mb: int) -> None:
    """Raise SandboxError for limits that cannot be meant."""

    def need(good: bool, name: str, bounds: str) -> None:
        if not good:
            raise SandboxError(f"Limits.{name}={getattr(limits, name)!r} is not {bounds}")

    for name in ("wall_s", "cpu_s"):
        value = getattr(limits, name)
        if value is not None or name == "wall_s":
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            need(number and 0.01 <= value <= 3600, name, "a number of seconds between 0.01 and 3600")
    remedy = f"a whole number of mebibytes between 16 and {memory_mb} (give Sandbox a larger memory_mb for more)"
    need(type(limits.memory_mb) is int and 16 <= limits.memory_mb <= memory_mb, "memory_mb", remedy)
    for name, low, high in (("output_bytes", 0, MAX_OUTPUT_BYTES), ("processes", 1, 512)):
        value = getattr(limits, name)
        need(type(value) is int and low <= value <= high, name, f"a whole number from {low} to {high}")


def check_defences(off: Sequence[str]) -> None:
    """Raise SandboxError for the name of a defence there is not: a control that leaves nothing out proves nothing."""
    if unknown := set(off) - DEFENCES:
        known = ", ".join(sorted(DEFENCES))
        raise SandboxError(f"no defence is called {', '.join(sorted(unknown))}; there are: {known}")


def refuse(source: str) -> Execution | None:
    """The verdict on a source no compiler can even read; None for any other."""
    detail = ""
    if "\0" in source:
        detail = "source code cannot contain null bytes"
    elif len(source) > MAX_SOURCE_BYTES or len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
        detail = f"source code is longer than {MAX_SOURCE_BYTES} bytes"
    else:
        try:
            source.encode()
        except UnicodeEncodeError:
            detail = "source code cannot contain lone surrogates"
    return Execution(Status.COMPILE_ERROR, stderr=f"{detail}\n".encode(), detail=detail) if detail else None
