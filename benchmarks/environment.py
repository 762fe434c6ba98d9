"""What the environment costs beyond the programs themselves, and whether a wide vector step keeps the machine busy.

    python benchmarks/environment.py                        # a few minutes on two cores that do nothing else
    python benchmarks/environment.py --steps 20 --width 8 --rounds 1 --out /dev/stdout

Writes environment.json next to this file:
- `step`: one environment, programs that end at once. Milliseconds of a step, of the same program in a bare fork-server
  (`sandbox.bench`) in turns with it, and of the step beyond the time its programs ran, as the sandbox measures that.
  Target: 2 ms beyond the program, either way. `beyond_per_bare` is the same per time of the bare fork-server, which
  follows the machine less. `environment_ms` is what is left when the sandbox's calls are taken away.
- `vector`: programs that compute; share of the time that the slots run programs, over whole steps. Target: 90 %.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium

import rlef.envs  # noqa: F401 - registers the environment
from sandbox import Sandbox
from sandbox.bench import fork_server
from sandbox.program import Execution, Submission
from tasks import StdioTest, Task

TASK = Task("double", "Print twice the number.", (StdioTest("2\n", "4\n"),), (StdioTest("7\n", "14\n"),))
QUICK = "```python\nprint(0)\n```"
COMPUTES = "```python\nn = 0\nfor i in range({}):\n    n += i * i\nprint(n)\n```"


class Timed:
    """A sandbox that notes how long its calls take."""

    def __init__(self, box: Sandbox) -> None:
        self.box, self.seconds = box, 0.0

    def run_many(self, submissions: Sequence[Submission], stop_on_failure: bool = False) -> list[list[Execution]]:
        """As the sandbox's."""
        started = time.perf_counter()
        try:
            return self.box.run_many(submissions, stop_on_failure)
        finally:
            self.seconds += time.perf_counter() - started


def step_overhead(box: Sandbox, steps: int) -> dict[str, Any]:
    """Steps of one environment with programs that end at once, in turns with the same program run bare."""
    timed = Timed(box)
    env = gymnasium.make("rlef/CodeRepair-v0", suite=[TASK], box=timed, turn_limit=steps + 10)
    env.reset(seed=0)
    for _ in range(10):
        env.step(QUICK)
    whole, bare, beyond, own = [], [], [], []
    with fork_server("print(0)", b"2\n", b"0\n") as fork_once:
        for _ in range(steps):
            timed.seconds, started = 0.0, time.perf_counter()
            info = env.step(QUICK)[4]
            took = time.perf_counter() - started
            fork_once()
            bare.append(1000 * (time.perf_counter() - started - took))
            whole.append(1000 * took)
            beyond.append(1000 * (took - info["wall_s"]))
            own.append(1000 * (took - timed.seconds))
    more = statistics.median(whole) - statistics.median(bare)
    return {
        "steps": steps, "step_ms": spread(whole), "bare_ms": spread(bare),
        "beyond_bare_ms": more, "beyond_per_bare": more / statistics.median(bare),
        "beyond_programs_ms": spread(beyond), "environment_ms": spread(own),
    }  # fmt: skip


def vector_busyness(box: Sandbox, slots: int, width: int, rounds: int, loops: int) -> dict[str, Any]:
    """Steps of many environments with programs that compute."""
    env = gymnasium.make_vec("rlef/CodeRepair-v0", num_envs=width, suite=[TASK], box=box, turn_limit=rounds + 2)
    env.reset(seed=0)
    env.step([QUICK] * width)
    shares = []
    for _ in range(rounds):
        started = time.perf_counter()
        infos = env.step([COMPUTES.format(loops)] * width)[4]
        shares.append(float(sum(infos["wall_s"])) / (slots * (time.perf_counter() - started)))
    return {"width": width, "slots": slots, "loops": loops, "busy": spread(shares)}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, and what one in twenty exceeds."""
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]}


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--loops", type=int, default=1_000_000, help="work of a program, about 0.1 s")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    slots = len(os.sched_getaffinity(0))
    with Sandbox(slots=slots) as box:
        result = {
            "machine": {"cores": slots, "system": platform.platform(), "load": os.getloadavg()[0]},
            "step": step_overhead(box, options.steps),
            "vector": vector_busyness(box, slots, options.width, options.rounds, options.loops),
        }
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
