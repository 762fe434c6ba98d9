"""What the backends without an engine share: a root made of this machine's own programs, and a cell that is a process.

The root holds /usr and what belongs to it, read-only and without set-user-id; /etc, /home, /root, /usr/local and the
rest of the machine are not there. With `image`, the same folders of another root file system are taken, /usr/local too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from sandbox.errors import SandboxError

PACKAGE = Path(str(resources.files("sandbox"))).resolve()
RUNNER = ("runner", "protocol.py")
"""What of our package is in a slot."""
INSIDE = "/opt/rlef/sandbox"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": "/opt/rlef"}
DEVICES = ("null", "zero", "full", "random", "urandom")
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_CONFIGURATION = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d")
_PYTHON = "/usr/bin/python3"
_PROBE = "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'python3 is older than 3.11')"
_PROBE_S = 60
_DIES_WITHIN_S = 10


class Layout:
    """What a slot's root is made of: `binds` (here, there), `links` (target, name), `hidden` folders."""

    def __init__(self, image: str | None) -> None:
        root = Path(image or "/")
        if not (root / "usr").is_dir():
            raise SandboxError(f"{root} holds no root file system; name a folder with a usr/bin/python3 in it")
        self.binds = [(str(root / "usr"), "/usr")]
        self.links: list[tuple[str, str]] = []
        for name in _SYSTEM:
            here = root / name
            if here.is_symlink():
                self.links.append((os.readlink(here), f"/{name}"))
            elif here.is_dir():
                self.binds.append((str(here), f"/{name}"))
        self.binds += [
            (str(root / "etc" / name), f"/etc/{name}") for name in _CONFIGURATION if (root / "etc" / name).exists()
        ]
        self.binds += [(str(PACKAGE / name), f"{INSIDE}/{name}") for name in RUNNER]
        self.links += [("/proc/self/fd", "/dev/fd")]
        self.links += [(f"/proc/self/fd/{fd}", f"/dev/{name}") for fd, name in enumerate(("stdin", "stdout", "stderr"))]
        self.hidden = ["/usr/local"] if image is None and Path("/usr/local").is_dir() else []


class LocalCell:
    """A runner that is a process of this machine, in a process group of its own."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self.channel = channel
        self.process = process

    def destroy(self) -> None:
        """Close the channel, which ends the runner, and kill it in case it did not."""
        self.channel.close()
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_DIES_WITHIN_S)


def runner_command(channel: int, uid_base: int) -> list[str]:
    """How the runner starts inside, with the channel on a descriptor it inherits."""
    return [_PYTHON, "-s", "-B", "-m", "sandbox.runner", str(channel), str(uid_base)]


def start_process(
    command: Sequence[str], channel: socket.socket, environment: Mapping[str, str], uid: int | None = None
) -> subprocess.Popen[bytes]:
    """Start what leads to a runner; `uid` is who it runs as when that is not us. Raises OSError."""
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        pass_fds=[channel.fileno()], start_new_session=True, env=dict(environment),
        user=uid, group=uid, extra_groups=None if uid is None else [],
    )  # fmt: skip


def probe(
    command: Sequence[str], environment: Mapping[str, str], backend: str, remedy: str, uid: int | None = None
) -> None:
    """Run a small program where runners will run. Raises SandboxError with what went wrong and the remedy."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_S, cwd="/", env=dict(environment),
            user=uid, group=uid, extra_groups=None if uid is None else [],
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"backend {backend} does not work here: {error}; {remedy}") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise SandboxError(f"backend {backend} does not work here: {lines[-1][:300]}; {remedy}")


def probe_command() -> list[str]:
    """A program that ends well where a runner could run."""
    return [_PYTHON, "-s", "-B", "-c", _PROBE]
