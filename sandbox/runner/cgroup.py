"""What a run used, measured by the kernel over all its processes.

`OwnGroupV1` and `OwnGroupV2` (strict mode) are a control group of the runs inside the slot's own: exact peak, hard
limits, the kernel's word on out-of-memory kills. `SlotGroup` reads the slot's own group where no group can be
made, and `Processes` adds up the run's processes where there is none to read: the peak is then sampled and the
supervisor does the killing. Never `ru_maxrss`, which counts the parent's memory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from typing import NamedTuple

from sandbox.runner import kernel

_MOUNT_POINT = "/tmp/.cgroup"


class Usage(NamedTuple):
    """Since `begin`: seconds of processor time, bytes at the peak, processes the kernel killed for memory."""

    cpu_s: float
    peak_bytes: int
    memory_kills: int


def _read(path: str, directory: int | None = None) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return os.read(fd, 4096).decode()
    finally:
        os.close(fd)


def _write(path: str, text: str, directory: int | None = None) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _field(text: str, name: str) -> int:
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


class Group:
    """Measures one run at a time."""

    name = "none"
    enforces_memory = False

    def begin(self, memory_bytes: int, processes: int) -> None:
        """Set the limits and start counting."""

    def usage(self) -> Usage:
        """What has been used since `begin`."""
        raise NotImplementedError


class OwnGroupV1(Group):
    """Version 1: one group per controller, mounted by us, kept as directory descriptors and hidden again."""

    name = "v1"
    enforces_memory = True

    def __init__(self, spawner: int) -> None:
        self._group: dict[str, int] = {}
        for controller in ("memory", "cpuacct", "pids"):
            os.makedirs(_MOUNT_POINT, exist_ok=True)
            kernel.mount("cgroup", _MOUNT_POINT, "cgroup", 14, controller)
            try:
                path = f"{_MOUNT_POINT}/run"
                os.makedirs(path, exist_ok=True)
                self._group[controller] = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            finally:
                kernel.unmount(_MOUNT_POINT)
            _write("cgroup.procs", str(spawner), self._group[controller])
        os.rmdir(_MOUNT_POINT)
        self._kills = 0
        self._base = 0

    def begin(self, memory_bytes: int, processes: int) -> None:
        memory = self._group["memory"]
        self._base = int(_read("memory.usage_in_bytes", memory))
        _write("memory.limit_in_bytes", str(self._base + memory_bytes), memory)
        _write("memory.max_usage_in_bytes", "0", memory)
        _write("cpuacct.usage", "0", self._group["cpuacct"])
        _write("pids.max", str(processes + 1), self._group["pids"])  # and the spawner
        self._kills = self._memory_kills()

    def _memory_kills(self) -> int:
        return _field(_read("memory.oom_control", self._group["memory"]), "oom_kill")

    def usage(self) -> Usage:
        peak = int(_read("memory.max_usage_in_bytes", self._group["memory"])) - self._base
        cpu_s = int(_read("cpuacct.usage", self._group["cpuacct"])) / 1e9
        return Usage(cpu_s, max(peak, 0), self._memory_kills() - self._kills)


class OwnGroupV2(Group):
    """Version 2: `/init` for the runner, `/run` for the runs.

    The peak is the kernel's where it can be reset (Linux 6.12); on older kernels it is the highest of the samples.
    `root` is a mounted hierarchy; the slot's own is mounted, and hidden again, when it is None.
    """

    name = "v2"
    enforces_memory = True

    def __init__(self, spawner: int, root: str | None = None) -> None:
        mounted = root is None
        root = root or _MOUNT_POINT
        if mounted:
            os.makedirs(root, exist_ok=True)
            kernel.mount("cgroup2", root, "cgroup2", 14)
        try:
            for name in ("init", "run"):
                os.makedirs(f"{root}/{name}", exist_ok=True)
            for pid in (os.getpid(), spawner):  # a group with controllers for its children may hold no process itself
                _write(f"{root}/init/cgroup.procs", str(pid))
            _write(f"{root}/cgroup.subtree_control", "+memory +pids +cpu")
            _write(f"{root}/run/cgroup.procs", str(spawner))
            self._group = os.open(f"{root}/run", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            if mounted:
                kernel.unmount(root)
        if mounted:
            os.rmdir(root)
        self._base = self._cpu = self._kills = self._sampled = self._limit = 0
        # Writing to this descriptor resets the peak as seen through it, so it stays open.
        self._peak: int | None = None
        try:
            self._peak = os.open("memory.peak", os.O_RDWR | os.O_CLOEXEC, dir_fd=self._group)
            os.pwrite(self._peak, b"0", 0)
        except OSError:
            self._peak = None

    def begin(self, memory_bytes: int, processes: int) -> None:
        self._limit, self._sampled = memory_bytes, 0
        self._base = int(_read("memory.current", self._group))
        _write("memory.max", str(self._base + memory_bytes), self._group)
        _write("pids.max", str(processes + 1), self._group)  # and the spawner
        if self._peak is not None:
            os.pwrite(self._peak, b"0", 0)
        self._cpu = _field(_read("cpu.stat", self._group), "usage_usec")
        self._kills = _field(_read("memory.events", self._group), "oom_kill")

    def usage(self) -> Usage:
        cpu_s = (_field(_read("cpu.stat", self._group), "usage_usec") - self._cpu) / 1e6
        kills = _field(_read("memory.events", self._group), "oom_kill") - self._kills
        if self._peak is not None:
            peak = int(os.pread(self._peak, 64, 0)) - self._base
        else:
            self._sampled = max(self._sampled, int(_read("memory.current", self._group)) - self._base)
            peak = self._limit if kills else self._sampled
        return Usage(cpu_s, max(peak, 0), kills)


class SlotGroup(Group):
    """The slot's own group, read only: the peak is the highest of the samples, our own use is taken off."""

    name = "slot"

    def __init__(self, root: str = "/sys/fs/cgroup") -> None:
        v1, v2 = f"{root}/memory/memory.usage_in_bytes", f"{root}/memory.current"
        self._memory = v1 if os.path.exists(v1) else v2
        self._v1 = self._memory == v1
        self._cpu_file = f"{root}/cpuacct/cpuacct.usage" if self._v1 else f"{root}/cpu.stat"
        self._kill_file = f"{root}/memory/memory.oom_control" if self._v1 else f"{root}/memory.events"
        self._base, self._peak, self._kills, self._cpu_base = 0, 0, 0, 0.0
        self.begin(0, 0)

    def _cpu(self) -> float:
        text = _read(self._cpu_file)
        total = int(text) / 1e9 if self._v1 else _field(text, "usage_usec") / 1e6
        times = os.times()
        return total - times.user - times.system

    def begin(self, memory_bytes: int, processes: int) -> None:
        self._base, self._peak = int(_read(self._memory)), 0
        self._kills = _field(_read(self._kill_file), "oom_kill")
        self._cpu_base = self._cpu()

    def usage(self) -> Usage:
        self._peak = max(self._peak, int(_read(self._memory)) - self._base)
        kills = _field(_read(self._kill_file), "oom_kill") - self._kills
        return Usage(max(self._cpu() - self._cpu_base, 0.0), self._peak, kills)


class Processes(Group):
    """No group: what the processes that are not ours hold at the moment, and the files in their writable areas.

    What is freed between two samples, and what the kernel holds for a program (sockets, pipes), is not seen.
    """

    name = "processes"
    _AREAS = ("box", "tmp", "dev/shm")

    def __init__(self, known: Collection[int]) -> None:
        self._known = frozenset(known)
        self._tick = os.sysconf("SC_CLK_TCK")
        self._cpu_s, self._peak = 0.0, 0

    def begin(self, memory_bytes: int, processes: int) -> None:
        self._cpu_s, self._peak = 0.0, 0

    def usage(self) -> Usage:
        pids = sorted(pid for name in os.listdir("/proc") if name.isdecimal() and (pid := int(name)) not in self._known)
        ticks = memory = 0
        for pid in pids:
            with contextlib.suppress(OSError, ValueError, IndexError):
                # user and system time, its own and that of children it has waited for
                ticks += sum(map(int, _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[11:15]))
                memory += _field(_read(f"/proc/{pid}/smaps_rollup").replace(" kB", ""), "Pss:") << 10
        for area in self._AREAS if pids else ():
            with contextlib.suppress(OSError):
                facts = os.statvfs(f"/proc/{pids[0]}/root/{area}")
                memory += (facts.f_blocks - facts.f_bfree) * facts.f_frsize
        self._cpu_s, self._peak = max(self._cpu_s, ticks / self._tick), max(self._peak, memory)
        return Usage(self._cpu_s, self._peak, 0)


def best_group(spawner: int) -> Group:
    """The strongest group this slot may have."""
    for own in (OwnGroupV1, OwnGroupV2):
        try:
            return own(spawner)
        except (OSError, ValueError):
            continue
    try:
        return SlotGroup()
    except (OSError, ValueError):
        return Processes((os.getpid(), spawner))
