"""Answers by running a reference, for formats that bring inputs and a solution. It runs in the sandbox only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.errors import SandboxError
from sandbox.program import Execution, Limits, Program, Status
from tasks.formats import adapters
from tasks.judge import ADAPTED, Box
from tasks.task import CallTest


def answered(
    program: Program,
    entry_point: str,
    inputs: Sequence[Sequence[Any]],
    box: Box | None,
    limits: Limits,
    field: str,
    adapter: str = "",
) -> list[CallTest]:
    """A call test for each input the program answers. Inputs it fails on are left out.

    `adapter` is the task's; without one values are made plain.

    Raises:
        ValueError: there is no box, or the program answers none of them; names `field`.
    """
    if not inputs:
        return []
    if box is None:
        raise ValueError(f"field {field}: holds inputs without results; give a sandbox to run the solution in")
    whole = Program(f"{program.source}\n{adapter or adapters.plain(entry_point)}", program.language)
    try:
        runs = box.call(whole, ADAPTED, [list(case) for case in inputs], limits)
    except SandboxError as error:
        raise ValueError(f"field {field}: {error}") from error
    tests = [
        CallTest(tuple(case), run.value) for case, run in zip(inputs, runs, strict=True) if run.status is Status.OK
    ]
    if not tests:
        raise ValueError(f"field {field}: the solution answers none of the inputs ({runs[0].status}: {why(runs[0])})")
    return tests


def why(run: Execution) -> str:
    """What a run that failed said last, in printable characters, else how it ended."""
    last = run.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
    return "".join(c if c.isprintable() else " " for c in last) or run.detail
