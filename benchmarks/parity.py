"""Do honest programs get the same verdict however they are run: preforked or anew, again, and on a busy machine?

    RLEF_DATA=folder python benchmarks/parity.py              # at least 400 programs, 20 repeats; hours on two cores
    RLEF_DATA=folder python benchmarks/parity.py --each 2 --repeats 1 --load 1

Programs are references of the starter suite and of the data sets in RLEF_DATA (HumanEval, MBPP, APPS, LeetCodeDataset,
codeio), and programs that use what sandboxes often break (`tests/sandbox/programs.py`). Each is judged with `fork` and
`exec`, alone and with `--load` times as many spinning processes as there are processors, `--repeats` times each, on the
first `--tests` of its tests. A flip is a verdict that is not the program's most frequent one. Writes parity.json next
to this file after each of the four: verdicts that differ between them, flips and their rate, programs that are refused,
failures of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from itertools import islice, product
from pathlib import Path
from typing import Any

from rich.progress import Progress

sys.path.insert(1, str(Path(__file__).parents[1]))  # for tests/, which is not installed

from sandbox import Execution, Limits, Program, Sandbox, Submission
from tasks import Task, judge_many, load_suite
from tasks.formats import codeio
from tests.sandbox.programs import DATA, PROGRAMS

OUT = Path(__file__).with_suffix(".json")
SUITES = {
    "starter": "",
    "humaneval": "humaneval/HumanEval.jsonl.gz",
    "mbpp": "mbpp/mbpp.jsonl",
    "apps": "apps/codechain_mini_val",
    "leetcode": "leetcode/LeetCodeDataset-v0.2.0-train.jsonl.gz",
    "codeio": "codeio/codeio.jsonl.gz",
}
"""Files below RLEF_DATA."""
LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=512, output_bytes=4 << 20)


def main() -> None:
    """Judge, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=80, help="programs of each suite")
    parser.add_argument("--tests", type=int, default=4, help="tests of each program")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--load", type=int, default=4)
    parser.add_argument("--backend", default="auto")
    options = parser.parse_args()
    pairs, absent = collect(options.each, options.tests)
    names = [f"{suite}:{task.key}" for suite, task in pairs] + [f"special:{source}" for source in PROGRAMS]
    verdicts: dict[str, list[list[str]]] = {}
    with Progress() as progress:
        for interpreter, load in product(("fork", "exec"), (0, options.load)):
            key = f"{interpreter} under load" if load else interpreter
            with Sandbox(options.backend, interpreter=interpreter) as box, busy(load):
                repeats = progress.track(range(options.repeats), description=f"{len(names)} programs, {key}")
                verdicts[key] = [once(box, [task for _, task in pairs]) for _ in repeats]
                backend = box.backend.name
            result = {
                "command": "python benchmarks/parity.py " + " ".join(sys.argv[1:]),
                "backend": backend,
                "cores": len(os.sched_getaffinity(0)),
                "programs": dict(Counter(name.partition(":")[0] for name in names)),
                "repeats": {way: len(done) for way, done in verdicts.items()},
                "absent": absent,
                **compare(names, verdicts),
            }
            OUT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "flips"}, indent=2))


def collect(each: int, tests: int) -> tuple[list[tuple[str, Task]], dict[str, str]]:
    """Tasks with a reference, spread over each suite, and why a suite is not there."""
    data = os.environ.get("RLEF_DATA", "")
    found: list[tuple[str, Task]] = []
    absent: dict[str, str] = {}
    for name, file in SUITES.items():
        path = Path(data, file)
        if file and not (data and path.exists()):
            absent[name] = f"no {path}; set RLEF_DATA"
        else:
            found += [(name, first(task, tests)) for task in sample(name, path, each)]
    return found, absent


def sample(name: str, path: Path, each: int) -> list[Task]:
    """`each` tasks of one suite. Inputs of codeio are drawn in the sandbox, so only as many rows are read as needed."""
    if name == "codeio":
        with Sandbox() as box:
            return list(islice(codeio.read(path, lambda problem: None, box), each))
    suite = load_suite(name if name == "starter" else f"{name}:{path}")
    splits = [tasks for split, tasks in suite.splits.items() if split != "unscored"]
    tasks = [task for tasks in splits for task in tasks if task.references]
    return tasks[:: max(1, len(tasks) // each)][:each]


def first(task: Task, tests: int) -> Task:
    """The task with the first of its tests only; at least one private test stays."""
    shown = task.public_tests[: tests - 1]
    return replace(task, public_tests=shown, private_tests=task.private_tests[: tests - len(shown)])


def once(box: Sandbox, tasks: list[Task]) -> list[str]:
    """One verdict per program, in order; for a special program, how it ended and what it wrote."""
    reports = judge_many([(task, task.references[0]) for task in tasks], box)
    submissions = [Submission(Program(source), [DATA.encode("latin1")], LIMITS) for source in PROGRAMS]
    ends = [end(run) for [run] in box.run_many(submissions)]
    return [report.verdict.value for report in reports] + ends


def end(run: Execution) -> str:
    """Status, exit and the standard output, without what differs between any two processes."""
    out = b" ".join(word for word in run.stdout.split() if not word.startswith(b"0x"))
    return f"{run.status.value} {run.exit_code} {run.signal} {hash_of(out)}"


def hash_of(data: bytes) -> str:
    """A short name for an output."""
    return sha256(data).hexdigest()[:12]


@contextmanager
def busy(load: int) -> Iterator[None]:
    """Processes that do nothing but take processor time."""
    count = load * len(os.sched_getaffinity(0))
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def compare(names: list[str], verdicts: dict[str, list[list[str]]]) -> dict[str, Any]:
    """Where verdicts differ between ways to run and between repeats."""
    usual: dict[str, list[str]] = {}
    flips: dict[str, dict[str, dict[str, int]]] = {}
    rates = {}
    for way, repeats in verdicts.items():
        counts = [Counter(column) for column in zip(*repeats, strict=True)]
        usual[way] = [count.most_common(1)[0][0] for count in counts]
        odd = [sum(count.values()) - max(count.values()) for count in counts]
        rates[way] = sum(odd) / (len(names) * len(repeats))
        flips[way] = {name: dict(count) for name, count, n in zip(names, counts, odd, strict=True) if n}
    differ = {
        name: dict(zip(usual, row, strict=True))
        for name, row in zip(names, zip(*usual.values(), strict=True), strict=True)
        if len(set(row)) > 1
    }
    judged = zip(names, usual["fork"], strict=True)
    refused = {name: verdict for name, verdict in judged if not name.startswith("special:") and verdict != "accepted"}
    ours = sum("sandbox_failure" in verdict for repeats in verdicts.values() for one in repeats for verdict in one)
    return {"flip_rate": rates, "differ": differ, "refused": refused, "our_failures": ours, "flips": flips}


if __name__ == "__main__":
    main()
