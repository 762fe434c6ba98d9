"""How a run ended, from what the supervisor saw of it.

The order when several things hold: what the supervisor stopped it for, time, a forbidden call, the program's own end.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any


class SlotBroken(Exception):
    """Something is left of a run, or our own machinery failed: this slot must not be used again."""


@dataclass
class Run:
    """How one run ended; the names are those of `sandbox.Execution`."""

    status: str
    stdout: bytes = b""
    stderr: bytes = b""
    report: bytes = b""
    exit_code: int | None = None
    signal: int | None = None
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    detail: str = ""


def conclude(run: Run, request: dict[str, Any], verdict: str, detail: str, status: int) -> None:
    """Fill in how it ended: our verdict if we stopped it, else what the wait status and the report say."""
    stage = run.report[:1]
    if stage == b"S" and not verdict:
        raise SlotBroken("the fences could not be built: " + run.report[1:].decode(errors="replace"))
    if os.WIFSIGNALED(status):
        run.signal = os.WTERMSIG(status)
    else:
        run.exit_code = os.waitstatus_to_exitcode(status)
    run.status, run.detail = verdict, detail
    if verdict:
        return
    overspent = run.cpu_s > request["cpu_s"] and "time" not in request["without"]
    if overspent or run.signal == signal.SIGXCPU:
        run.status, run.detail = "time_limit", f"processor time limit of {request['cpu_s']:g} s"
    elif run.signal == signal.SIGSYS:
        run.status, run.detail = "security_violation", "killed at a forbidden system call"
    elif stage == b"C":
        run.status, run.detail = "compile_error", run.report[1:].decode(errors="replace")
    elif run.signal is not None:
        name = signal.Signals(run.signal).name if run.signal in set(signal.Signals) else str(run.signal)
        kind = "runtime_error" if stage == b"R" else "compile_error"
        run.status, run.detail = kind, f"killed by signal {name}"
    elif run.exit_code and request["python"] and _last_line(run.stderr).startswith(b"MemoryError"):
        run.status, run.detail = "memory_limit", "MemoryError"
    elif run.exit_code and request["python"] and not stage:
        raise SlotBroken("an interpreter does not start: " + run.stderr[-400:].decode(errors="replace"))
    elif run.exit_code:
        run.status, run.detail = "runtime_error", f"exit code {run.exit_code}"
    else:
        run.status = "ok"


def _last_line(text: bytes) -> bytes:
    return text[-4096:].rstrip(b"\n").rpartition(b"\n")[2]
