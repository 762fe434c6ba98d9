"""Memory and time to read a suite of the size of CodeContests: python benchmarks/large_suite.py [--problems 13000].

Writes a file in the columns of CodeContests to a temporary folder (100 kB of tests a problem), reads it row by row and
loads it as a suite, each in a process of its own, and prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

READ = """
import json, re, sys, time
from pathlib import Path
from tasks import load_suite
from tasks.formats import code_contests
start = time.perf_counter()
if sys.argv[2] == "read":
    tasks = code_contests.read(Path(sys.argv[1]))
    next(tasks)
    first = time.perf_counter() - start
    count = 1 + sum(1 for _ in tasks)
else:
    suite = load_suite(f"code_contests:{sys.argv[1]}")
    first, count = None, len(suite)
# Not ru_maxrss, which counts what the process that started this one held.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
print(json.dumps({"tasks": count, "first_task_s": first, "seconds": time.perf_counter() - start, "peak_mb": peak}))
"""


def write(path: Path, problems: int) -> None:
    """A file of problems; only their names and first tests differ."""
    tests = {"input": ["1 2 3\n" * 1000] * 12, "output": ["6\n" * 1000] * 12}
    with open(path, "w", encoding="utf-8") as file:
        for number in range(problems):
            public = {"input": [f"{number}\n"], "output": [f"{number}\n"]}
            tests["input"][0] = f"{number} {number}\n"
            row = {"name": f"p{number}", "description": f"Problem {number}.", "public_tests": public,
                   "private_tests": {"input": [], "output": []}, "generated_tests": tests}  # fmt: skip
            file.write(json.dumps(row) + "\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=13_000)
    problems = parser.parse_args().problems
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.jsonl"
        write(path, problems)
        found = {"problems": problems, "file_mb": path.stat().st_size >> 20}
        for how in ("read", "suite"):
            run = subprocess.run([sys.executable, "-c", READ, path, how], capture_output=True, text=True, check=True)
            found[how] = json.loads(run.stdout)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
