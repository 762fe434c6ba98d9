"""Is this sandbox fit for use? Programs whose end is known, the versions it stands on, what protects it.

A sandbox that refuses good programs spoils rewards as surely as one that lets bad ones through, so both kinds run:
each case says the one status and output it must end in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.pool import Sandbox
from sandbox.program import Execution, Limits, Program, Status, Submission
from sandbox.vulnerabilities import warnings

_SUM = '#include <cstdio>\nint main() { int a, b; return scanf("%d %d", &a, &b) == 2 && printf("%d\\n", a + b) < 1; }'
_SMALL = Limits(wall_s=20.0, memory_mb=128, output_bytes=1 << 16)
_SHORT = Limits(wall_s=1.0, memory_mb=64, output_bytes=1 << 16)


@dataclass(frozen=True)
class Case:
    """A program and how it must end. With `entry`, `expected` is the value of a call, else the standard output."""

    name: str
    source: str
    status: Status = Status.OK
    expected: Any = b"42\n"
    language: str = "python"
    entry: str | None = None
    limits: Limits = _SMALL


CASES: tuple[Case, ...] = (
    Case("sum", "print(sum(map(int, input().split())))"),
    Case("exit", "import sys; print(42); sys.exit(0)"),
    Case("buffers", "import sys; sys.stdout.buffer.write(b'%d\\n' % sum(map(int, sys.stdin.buffer.read().split())))"),
    Case("open-0", "print(sum(map(int, open(0).read().split())))"),
    Case("os-read", "import os; print(sum(map(int, os.read(0, 100).split())))"),
    Case("end-of-file", "input()\ntry: input()\nexcept EOFError: print(42)"),
    Case("threads", "import threading\nt = threading.Thread(target=print, args=(42,)); t.start(); t.join()"),
    Case("recursion",
         "import sys; sys.setrecursionlimit(99999)\ndef f(n): return n and 1 + f(n - 1)\nprint(f(42000) // 1000)"),
    Case("own-equality", "class A:\n    def __eq__(self, other): return True\nprint(42 if A() == 1 else 0)"),
    Case("cpp", _SUM, language="cpp"),
    Case("c", _SUM.replace("cstdio", "stdio.h"), language="c"),
    Case("call", "def add(a, b): return a + b", expected=42, entry="add"),
    Case("exception", "1 / 0", Status.RUNTIME_ERROR, b""),
    Case("syntax", "def f(:", Status.COMPILE_ERROR, b""),
    Case("cpp-syntax", "int main() {", Status.COMPILE_ERROR, b"", "cpp"),
    Case("endless", "while True: pass", Status.TIME_LIMIT, b"", limits=_SHORT),
    Case("sleep", "import time; time.sleep(60)", Status.TIME_LIMIT, b"", limits=_SHORT),
    Case("memory", "a = []\nwhile True: a.append(bytes(1 << 20))", Status.MEMORY_LIMIT, b"", limits=_SMALL),
    Case("output", "while True: print('x' * 99)", Status.OUTPUT_LIMIT, None),
    Case("early-exit", "import sys\ndef add(a, b): sys.exit(0)", Status.RUNTIME_ERROR, None, entry="add"),
    Case("lying-value", "class A(int):\n    def __eq__(s, o): return True\ndef add(a, b): return A(1)",
         Status.RUNTIME_ERROR, None, entry="add"),
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One case, whether it ended as it must, and how it did end when not."""

    name: str
    passed: bool
    detail: str


def self_test(box: Sandbox) -> Iterator[Finding]:
    """Run every case."""
    for case in CASES:
        program = Program(case.source, case.language)
        if case.entry:
            [run] = box.call(program, case.entry, [[20, 22]], case.limits)
        else:
            [[run]] = box.run_many([Submission(program, [b"20 22\n"], case.limits)])
        passed = run.status is case.status and (case.expected is None or _output(case, run) == case.expected)
        yield Finding(case.name, passed, "" if passed else f"must end as {case.status}, was {_told(run)}")


def examine(box: Sandbox) -> dict[str, Any]:
    """What this sandbox is: backend, what protects a slot, versions, warnings about known holes."""
    versions = {"kernel": os.uname().release, **box.backend.versions()}
    return {
        "backend": box.backend.name,
        "passed_over": dict(box.passed_over),
        "protections": {key: value for key, value in box.protections().items() if key not in ("op", "version")},
        "versions": versions,
        "warnings": warnings(versions),
    }


def _output(case: Case, run: Execution) -> Any:
    return run.value if case.entry else run.stdout


def _told(run: Execution) -> str:
    text = run.detail or run.stderr.decode(errors="replace").strip() or repr(run.stdout[:80])
    return f"{run.status}: {' '.join(text.split())[:200]}"
