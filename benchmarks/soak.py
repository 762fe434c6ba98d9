"""Does the sandbox stay the same after many runs, some of them hostile?

    python benchmarks/soak.py                      # 100,000 runs, 5 % hostile; hours on two cores
    python benchmarks/soak.py --runs 2000          # a quick look

Writes soak.json next to this file: memory, descriptors and latency of each tenth of the soak (of one run alone, and as
a multiple of the same program's in a bare fork-server in turns with it, since a machine's own speed changes within
hours), answers that did not belong to their request, verdicts that were not as they must be, failures of ours, and what
is left at the end: processes, containers, control groups, descriptors, files.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.progress import Progress

from sandbox import Limits, Program, Sandbox, Status, Submission
from sandbox.attacks import CORPUS
from sandbox.attacks.attack import Attack, slot_lost
from sandbox.backends.owner import owner_label
from sandbox.bench import fork_server

OUT = Path(__file__).with_suffix(".json")
ECHO = Program("print(input()[::-1])")
BATCH = 200
ALONE = 5
"""Runs alone after every batch."""
LIMITS = Limits(wall_s=10.0, memory_mb=128)


def main() -> None:
    """Run, look, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--hostile", type=float, default=0.05, help="share of hostile runs")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--slots", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = soak(options.runs, options.hostile, options.backend, options.slots, options.seed)
    print(json.dumps(result, indent=2))
    OUT.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(0 if result["good"] else 1)


def soak(runs: int, hostile: float, backend: str, slots: int | None, seed: int) -> dict[str, Any]:
    """The whole soak; `good` when nothing leaked, nothing got through, and every answer is the right one's."""
    rng = random.Random(seed)
    counts = dict.fromkeys(("runs", "hostile", "mixed_up", "got_through", "our_failures", "wrong_status"), 0)
    before = left_overs()
    descriptors = _descriptors()
    seconds: list[float] = []
    times_a_fork: list[float] = []
    memory: list[float] = []
    held: list[float] = []
    with Sandbox(backend, slots) as box, fork_server(ECHO.source, b"x\n", b"x\n") as fork_once, Progress() as progress:
        bar = progress.add_task("runs", total=runs)
        box.run(ECHO, [b"warm\n"])
        attacks = [
            attack for attack in CORPUS
            if attack.language == "python" and not attack.entry and not attack.skip(box.protections())
        ]  # fmt: skip
        while counts["runs"] < runs:
            batch = [_one(rng, hostile, attacks) for _ in range(min(BATCH, runs - counts["runs"]))]
            results = box.run_many([submission for submission, _, _ in batch])
            for _ in range(ALONE):
                seconds.append(_timed(lambda: box.run(ECHO, [b"x\n"])))
                times_a_fork.append(seconds[-1] / _timed(fork_once))
            memory.append(_resident_mb())
            held.append(_descriptors())
            for (submission, word, attack), executions in zip(batch, results, strict=True):
                counts["runs"] += len(submission.inputs)
                _count(counts, word, attack, executions)
            progress.update(bar, completed=counts["runs"])
        about = {"backend": box.backend.name, "slots": len(box._places)}
    descriptors = _descriptors() - descriptors
    time.sleep(2)
    after = {name: value - before[name] for name, value in left_overs().items()}
    tenths = {
        "memory_mb": _by_tenths(memory),
        "descriptors": _by_tenths(held),
        "seconds_alone": _by_tenths(seconds),
        "times_a_fork_server": _by_tenths(times_a_fork),
    }
    bad = counts["mixed_up"] + counts["got_through"] + counts["our_failures"] + counts["wrong_status"]
    good = not bad and not any(after.values()) and descriptors <= 0
    return {**about, **counts, "left": {**after, "descriptors": descriptors}, "medians_of_tenths": tenths, "good": good}


def _one(rng: random.Random, hostile: float, attacks: list[Attack]) -> tuple[Submission, bytes, Attack | None]:
    """An honest run whose answer nobody else has, or an attack."""
    if rng.random() < hostile:
        attack = rng.choice(attacks)
        return Submission(Program(attack.source), attack.inputs, attack.limits), b"", attack
    word = f"{rng.getrandbits(64):016x}".encode()
    return Submission(ECHO, [word + b"\n"], LIMITS), word, None


def _count(counts: dict[str, int], word: bytes, attack: Attack | None, executions: list[Any]) -> None:
    if attack is not None:
        counts["hostile"] += len(executions)
        counts["got_through"] += attack.succeeded(executions) or slot_lost(executions)
        return
    [run] = executions
    counts["our_failures"] += run.status is Status.SANDBOX_FAILURE
    counts["wrong_status"] += run.status not in (Status.OK, Status.SANDBOX_FAILURE)
    counts["mixed_up"] += run.status is Status.OK and run.stdout != word[::-1] + b"\n"


def _by_tenths(values: list[float]) -> list[float]:
    ends = [len(values) * part // 10 for part in range(11)]
    parts = (values[start:end] for start, end in pairwise(ends))
    return [round(statistics.median(part), 5) for part in parts if part]


def _timed(what: Callable[[], Any]) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def left_overs() -> dict[str, int]:
    """What slots of this process could leave on this machine."""
    label = owner_label()
    try:
        listed = subprocess.run(["docker", "ps", "-aq", "--filter", f"label=rlef.owner={label}"], capture_output=True)
        containers = len(listed.stdout.split())
    except OSError:
        containers = 0
    runners = [1 for name in Path("/proc").glob("[0-9]*/environ") if _is_ours(name)]
    groups = len(list(Path("/sys/fs/cgroup").glob(f"**/rlef-{label}.*")))
    return {"containers": containers, "processes": len(runners), "groups": groups, "folders": _folders(label)}


def _is_ours(environ: Path) -> bool:
    try:
        parent = int((environ.parent / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return False
    return parent == os.getpid()


def _folders(label: str) -> int:
    marks = Path("/tmp").glob("rlef-sandbox-*/.owner")
    return sum(mark.read_text() == label for mark in marks if os.access(mark, os.R_OK))


if __name__ == "__main__":
    main()
