"""Slots without root and without an engine: bubblewrap in a user namespace, for clusters and shared machines.

The runner has power over its own namespaces only, and no second user to give to programs: each run gets a user
namespace of its own instead. No control group may be made, so memory is sampled; `docs/sandbox.md` says what that
leaves open. When root asks for it, every slot runs as an unprivileged user nobody else has.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess

from sandbox.backends import Cell
from sandbox.backends.local import (
    DEVICES,
    ENVIRONMENT,
    Layout,
    LocalCell,
    probe,
    probe_command,
    runner_command,
    start_process,
)
from sandbox.errors import SandboxError

_INNER_UID = 1000
_REMEDY = (
    "ordinary users must be allowed user namespaces (sysctl user.max_user_namespaces, AppArmor); or use another backend"
)


class BubblewrapBackend:
    """Starts runners with bwrap. `image` names a root file system other than this machine's own."""

    name = "bubblewrap"

    def __init__(self, image: str | None, memory_mb: int, mode: str) -> None:
        program = shutil.which("bwrap")
        if program is None:
            raise SandboxError("backend bubblewrap needs bwrap; install the package bubblewrap")
        if mode != "strict":
            raise SandboxError("backend bubblewrap has no basic mode: programs could reach the runner")
        self._program = program
        self._layout = Layout(image)

    def check(self) -> None:
        """Start a small program the way a slot starts."""
        probe(self._command(probe_command()), {}, self.name, _REMEDY, _other_user())

    def start(self) -> Cell:
        """A new runner."""
        ours, theirs = socket.socketpair()
        try:
            command = self._command(runner_command(theirs.fileno(), (1 << 29) + (secrets.randbelow(1 << 14) << 16)))
            return LocalCell(start_process(command, theirs, {}, _other_user()), ours)
        except OSError as error:
            ours.close()
            raise SandboxError(f"a slot does not start: {error}") from error
        finally:
            theirs.close()

    def versions(self) -> dict[str, str]:
        """The program that makes the namespaces."""
        done = subprocess.run([self._program, "--version"], capture_output=True, text=True)
        return {"bubblewrap": done.stdout.split()[-1] if done.stdout else "unknown"}

    def close(self) -> None:
        """Nothing is held."""

    def _command(self, command: list[str]) -> list[str]:
        words = [
            "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-net", "--unshare-uts", "--as-pid-1",
            "--uid", str(_INNER_UID), "--gid", str(_INNER_UID), "--hostname", "sandbox", "--clearenv",
            "--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SYS_PTRACE",
        ]  # fmt: skip
        for name, value in ENVIRONMENT.items():
            words += ["--setenv", name, value]
        for here, there in self._layout.binds:
            words += ["--ro-bind", here, there]
        for name in self._layout.hidden:
            words += ["--tmpfs", name, "--remount-ro", name]
        for name in DEVICES:
            words += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
        for target, name in self._layout.links:
            words += ["--symlink", target, name]
        for name in ("/box", "/tmp", "/dev/shm"):
            words += ["--tmpfs", name]
        return [self._program, *words, "--proc", "/proc", "--remount-ro", "/", "--chdir", "/", "--", *command]


def _other_user() -> int | None:
    """Root must not own the namespace of a slot: its runner would be root outside as well."""
    return None if os.geteuid() else (1 << 30) + secrets.randbelow(1 << 29)
