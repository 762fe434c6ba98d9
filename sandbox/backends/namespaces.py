"""Slots without an engine, for root: namespaces, control groups and a root file system made by our own launcher.

The same runner with the same capabilities as in a container, and the same limits on the slot as a whole. What is
missing against Docker is the engine's own filter of system calls around the runner; programs have ours in both.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from sandbox.backends import Cell
from sandbox.backends.local import (
    DEVICES,
    ENVIRONMENT,
    PACKAGE,
    RUNNER,
    Layout,
    LocalCell,
    probe,
    probe_command,
    runner_command,
    start_process,
)
from sandbox.backends.owner import abandoned, make_folder, owner_label, prune_folders
from sandbox.errors import SandboxError
from sandbox.runner.isolation import AREA_BYTES, AREA_INODES
from sandbox.runner.kernel import BASIC_CAPABILITIES, STRICT_CAPABILITIES

_PREFIX = "rlef-"
_PROCESSES = 1024
_CGROUPS = Path("/sys/fs/cgroup")
_EMPTY_WITHIN_S = 10
_REMEDY = "run as root on a machine that allows namespaces and control groups, or use another backend"


class NamespacesCell(LocalCell):
    """A runner in namespaces, and the control groups it is in."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket, groups: list[Path]) -> None:
        super().__init__(process, channel)
        self._groups = groups

    def destroy(self) -> None:
        """End the runner, then remove its groups."""
        super().destroy()
        for group in self._groups:
            remove_group(group)


class NamespacesBackend:
    """Starts runners as root. `image` names a root file system other than this machine's own."""

    name = "namespaces"

    def __init__(self, image: str | None, memory_mb: int, mode: str) -> None:
        if os.geteuid() != 0:
            raise SandboxError("backend namespaces needs root; without root use backend bubblewrap")
        self._layout = Layout(image)
        self._memory_mb = memory_mb
        self._capabilities = BASIC_CAPABILITIES if mode == "basic" else STRICT_CAPABILITIES
        self._folder = make_folder()
        (self._folder / "root").mkdir()
        # The launcher sees of our package what a runner sees, and so starts as fast.
        (self._folder / "sandbox").mkdir()
        for name in RUNNER:
            (self._folder / "sandbox" / name).symlink_to(PACKAGE / name)
        self._environment = {"PYTHONPATH": str(self._folder)}

    def check(self) -> None:
        """Start a small program the way a slot starts. What a killed owner left is removed."""
        prune_folders()
        prune_groups()
        groups: list[Path] = []
        try:
            groups = self._make_groups()
            probe(self._command(groups, probe_command()), self._environment, self.name, _REMEDY)
        except OSError as error:
            raise SandboxError(f"backend namespaces can make no control group: {error}; {_REMEDY}") from error
        finally:
            for group in groups:
                remove_group(group)

    def start(self) -> Cell:
        """A new runner."""
        groups: list[Path] = []
        ours, theirs = socket.socketpair()
        try:
            groups = self._make_groups()
            uid_base = (1 << 29) + (secrets.randbelow(1 << 14) << 16)
            command = self._command(groups, runner_command(theirs.fileno(), uid_base))
            return NamespacesCell(start_process(command, theirs, self._environment), ours, groups)
        except OSError as error:
            ours.close()
            for group in groups:
                remove_group(group)
            raise SandboxError(f"a slot does not start: {error}") from error
        finally:
            theirs.close()

    def versions(self) -> dict[str, str]:
        """Nothing but the kernel isolates these slots."""
        return {}

    def close(self) -> None:
        """Remove our folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make_groups(self) -> list[Path]:
        name = f"{_PREFIX}{owner_label()}.{secrets.token_hex(6)}"
        groups = [root / name for root in _roots()]
        try:
            for group in groups:
                group.mkdir()
                limit_group(group, self._memory_mb << 20, _PROCESSES)
        except OSError:
            for group in groups:
                remove_group(group)
            raise
        return groups

    def _command(self, groups: Iterable[Path], command: list[str]) -> list[str]:
        area = f"size={AREA_BYTES},nr_inodes={AREA_INODES},mode=1777"
        unified = len(_roots()) == 1
        shown = [(str(group), str(_CGROUPS if unified else _CGROUPS / group.parent.name)) for group in groups]
        specification = {
            "groups": [str(group) for group in groups],
            "root": str(self._folder / "root"),
            "binds": self._layout.binds + shown,
            "links": self._layout.links,
            "hidden": self._layout.hidden,
            "devices": DEVICES,
            "areas": [(name, area) for name in ("/box", "/tmp", "/dev/shm")],
            "capabilities": self._capabilities,
            "environment": ENVIRONMENT,
            "command": command,
        }
        return [sys.executable, "-S", "-s", "-B", "-m", "sandbox.runner.enter", json.dumps(specification)]


def _roots() -> list[Path]:
    """Where groups are made: one hierarchy (version 2), or one for each controller (version 1)."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [_CGROUPS / controller for controller in ("memory", "cpuacct", "pids")]


def prune_groups() -> list[str]:
    """Remove groups whose owner is gone, and end what still runs in them; returns their paths."""
    removed = []
    for root in _roots():
        for group in root.glob(f"{_PREFIX}*"):
            label = group.name.removeprefix(_PREFIX).rpartition(".")[0]
            if label.count(":") == 3 and abandoned(label, running=True):
                remove_group(group)
                removed.append(str(group))
    return removed


def limit_group(group: Path, memory_bytes: int, processes: int) -> None:
    """Bound a slot as a whole, whichever of these files its group has."""
    for name, value in (("memory.limit_in_bytes", memory_bytes), ("memory.max", memory_bytes), ("pids.max", processes)):
        if (group / name).exists():
            (group / name).write_text(str(value))


def remove_group(group: Path) -> None:
    """Kill what is in a group and in those below it, then remove them; whatever does not go stays for the next one."""
    deadline = time.monotonic() + _EMPTY_WITHIN_S
    while group.exists() and time.monotonic() < deadline:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                for pid in map(int, Path(folder, "cgroup.procs").read_text().split()):
                    if pid:  # 0 is a process that cannot be seen from here, and to kill(2) it is our own group
                        os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        if group.exists():
            time.sleep(0.02)
