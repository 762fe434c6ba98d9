"""How fast the sandbox is, as ratios: against the same runs without any isolation, measured in turns on one machine.

Two things are measured beside it. A bare fork-server, an interpreter with the same modules loaded that forks, compiles
and runs the text and waits, is what one would write who needs no sandbox. A new `python3 -I -S` for every run is what a
plain `subprocess` costs. Both run our own trivial program only; nothing a model wrote ever runs there.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.errors import SandboxError
from sandbox.pool import Sandbox
from sandbox.program import Execution, Limits, Program, Status, Submission
from sandbox.runner import python_main

ADD = "a, b = map(int, input().split())\nprint(a + b)\n"
ADD_CPP = (
    '#include <cstdio>\nint main() { int a, b; return scanf("%d %d", &a, &b) == 2 && printf("%d\\n", a + b) < 1; }\n'
)
_INPUT, _OUTPUT = b"20 22\n", b"42\n"
_LIMITS = Limits(wall_s=10.0, memory_mb=256)
_ROUNDS = 5
_BATCH = 20
"""Inputs of one submission, as a task with that many tests has."""
_PYTHON = "/usr/bin/python3"
_FORK_SERVER = """
import gc, json, os, sys
for name in json.loads(sys.stdin.buffer.readline()): __import__(name)
gc.freeze()
while line := sys.stdin.buffer.readline():
    request = json.loads(line)
    pid = os.fork()
    if pid == 0:
        read, write = os.pipe()
        os.write(write, request["input"].encode()); os.close(write); os.dup2(read, 0)
        sys.stdin = open(0)
        exec(compile(request["source"], "solution.py", "exec"), {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(pid, 0)
"""


def measure(backend: str = "auto", runs: int = 200, mode: str = "strict") -> dict[str, Any]:
    """Tests per second on one slot of one kind, beside runs without isolation; latencies in milliseconds.

    `runs` is the number of runs of each kind, spread over rounds in which every kind has its turn.
    """
    each = max(runs // _ROUNDS, 1)
    with Sandbox(backend, 1, mode=mode) as box, fork_server(ADD, _INPUT, _OUTPUT) as fork_once:
        kinds: dict[str, Callable[[int], None]] = {
            "sandbox": lambda count: _batches(box, Program(ADD), count),
            "fork_server": lambda count: _repeat(fork_once, count),
            "subprocess": lambda count: _repeat(_plain, count),
        }
        seconds: dict[str, list[float]] = {name: [] for name in kinds}
        for kind in kinds.values():
            kind(min(each, _BATCH))  # warm-up: the slot starts, the compiler's work is done
        singles: list[tuple[float, Execution]] = []
        compiled: list[tuple[float, float]] = []
        for _ in range(_ROUNDS):
            for name, kind in kinds.items():
                started = time.perf_counter()
                kind(each)
                seconds[name].append(time.perf_counter() - started)
            compiled.append((_timed_cpp(box, 1), _timed_cpp(box, 1 + each)))
            singles += [_single(box) for _ in range(each)]
        rates = {name: each / statistics.median(taken) for name, taken in seconds.items()}
        cpp = statistics.median(many - one for one, many in compiled)
        if cpp > 0:  # with few runs on a busy machine the compiler's time hides theirs
            rates["sandbox_cpp"] = each / cpp
        return {
            "backend": box.backend.name,
            "mode": box.protections()["mode"],
            "cgroup": box.protections()["cgroup"],
            "runs": each * _ROUNDS,
            "load_average": os.getloadavg()[0],
            "per_second": {name: round(rate, 1) for name, rate in rates.items()},
            "ratio_to_fork_server": round(rates["sandbox"] / rates["fork_server"], 3),
            "ratio_to_subprocess": round(rates["sandbox"] / rates["subprocess"], 3),
            "compile_cpp_ms": round(statistics.median(one for one, _ in compiled) * 1000, 1),
            "latency_ms": _latencies([taken for taken, _ in singles]),
            "one_run_ms": _shares(singles),
        }


def table(result: dict[str, Any]) -> str:
    """The result for people."""
    rates, latency, shares = result["per_second"], result["latency_ms"], result["one_run_ms"]
    cpp = rates.get("sandbox_cpp", "-")
    return "\n".join(
        (
            f"backend {result['backend']}, {result['mode']} mode, {result['runs']} runs of each kind on one slot",
            f"  python in the sandbox    {rates['sandbox']:8} a second",
            f"  c++ in the sandbox       {cpp:>8} a second, compiled in {result['compile_cpp_ms']} ms",
            f"  bare fork-server         {rates['fork_server']:8} a second: ratio {result['ratio_to_fork_server']}",
            f"  python3 -I -S each time  {rates['subprocess']:8} a second: ratio {result['ratio_to_subprocess']}",
            "  one run alone            " + ", ".join(f"{name} {value} ms" for name, value in latency.items()),
            "  where its time goes      " + ", ".join(f"{name} {value} ms" for name, value in shares.items()),
        )
    )


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def _latencies(seconds: list[float]) -> dict[str, float]:
    return {f"p{share}": round(percentile(seconds, share / 100) * 1000, 3) for share in (50, 95, 99)}


def _shares(singles: list[tuple[float, Execution]]) -> dict[str, float]:
    """Medians: processor time of the run (its isolation included), the rest of the run, and what lies around it."""

    def middle(values: list[float]) -> float:
        return round(statistics.median(values) * 1000, 3)

    return {
        "processor time of the run": middle([run.cpu_s for _, run in singles]),
        "waiting within the run": middle([max(run.wall_s - run.cpu_s, 0.0) for _, run in singles]),
        "transport, preparation, clean-up": middle([taken - run.wall_s for taken, run in singles]),
    }


def _batches(box: Sandbox, program: Program, count: int) -> None:
    while count > 0:
        [results] = box.run_many([Submission(program, [_INPUT] * min(count, _BATCH), _LIMITS)])
        for run in results:
            _expect(run.status is Status.OK and run.stdout == _OUTPUT, f"{run.status}: {run.detail}")
        count -= len(results)


def _timed_cpp(box: Sandbox, count: int) -> float:
    """Seconds for one C++ submission with that many inputs; the difference of two has no compiler in it."""
    started = time.perf_counter()
    for run in box.run(Program(ADD_CPP, "cpp"), [_INPUT] * count, _LIMITS):
        _expect(run.status is Status.OK and run.stdout == _OUTPUT, f"{run.status}: {run.detail}")
    return time.perf_counter() - started


def _single(box: Sandbox) -> tuple[float, Execution]:
    started = time.perf_counter()
    [run] = box.run(Program(ADD), [_INPUT], _LIMITS)
    return time.perf_counter() - started, run


def _repeat(once: Callable[[], None], count: int) -> None:
    for _ in range(count):
        once()


def _plain() -> None:
    done = subprocess.run([_PYTHON, "-I", "-S", "-c", ADD], input=_INPUT, capture_output=True)
    _expect(done.stdout == _OUTPUT, done.stderr.decode(errors="replace"))


@contextlib.contextmanager
def fork_server(source: str, given: bytes, expected: bytes) -> Iterator[Callable[[], None]]:
    """Runs `source` on `given` once per call, without any isolation: for programs of ours only.

    Raises SandboxError when it does not print `expected`.
    """
    request = json.dumps({"source": source, "input": given.decode()}).encode() + b"\n"
    with subprocess.Popen(
        [_PYTHON if os.path.exists(_PYTHON) else sys.executable, "-s", "-B", "-c", _FORK_SERVER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as server:  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        requests, answers = server.stdin, server.stdout
        requests.write(json.dumps(python_main.PRELOAD).encode() + b"\n")

        def once() -> None:
            requests.write(request)
            requests.flush()
            _expect(answers.readline() == expected, "the fork-server gave another answer")

        yield once
        requests.close()


def _expect(good: bool, what: str) -> None:
    if not good:
        raise SandboxError(f"a measured run did not end as it must: {what}; run `rlef sandbox check`")
