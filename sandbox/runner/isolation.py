"""The fences around one run, built by the process itself between fork and the first line of the program.

Those that are the same for every program are built while it waits for one: `enter_namespaces` (strict mode) gives it
mounts and IPC of its own and fresh writable areas, `confine` a session, a uid and a system call filter. `limit` comes
with the request, and takes descriptors away. Nothing here runs after hostile code has started. `without` names defences
to leave out; only the attack corpus uses it, to prove that each one matters.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Collection
from typing import Any

from sandbox.runner import kernel
from sandbox.runner.seccomp import Filter

BOX = "/box"
WRITABLE = (BOX, "/tmp", "/dev/shm")
AREA_BYTES = 64 << 20
AREA_INODES = 4096
OPEN_FILES = 512
_NOT_FOR_RUNS = ("/sys/fs/cgroup", "/run/channel", *WRITABLE)
"""Mounts of the slot that runs have no use for: each would be copied for every run."""


def has_other_users() -> bool:
    """Whether this slot has users to give to programs. In the user namespace of an ordinary user there is only one."""
    with open("/proc/self/uid_map") as file:
        return sum(int(line.split()[2]) for line in file) > 1


def settle() -> int | None:
    """Make the calling process, the first of the pid namespace of all runs, at home in it.

    Returns a descriptor of the namespace's pid counter. It is set back before every run, which else could tell the next
    one something by the number of processes it starts. None on a kernel without CONFIG_CHECKPOINT_RESTORE.
    """
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    for place in _NOT_FOR_RUNS:
        with contextlib.suppress(OSError):  # there is none, or it belongs to another user namespace
            kernel.unmount(place)
    # In a user namespace there can be a new one only where there is one already.
    kernel.mount("proc", BOX, "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, "hidepid=2")
    with contextlib.suppress(OSError):
        kernel.unmount("/proc")
    kernel.mount(BOX, "/proc", "", kernel.MS_MOVE)
    with contextlib.suppress(FileNotFoundError):
        return os.open("/proc/sys/kernel/ns_last_pid", os.O_WRONLY | os.O_CLOEXEC)
    return None


def enter_namespaces(owner: int) -> None:
    """Private mounts and IPC for this process and its children, with fresh writable areas that belong to `owner`."""
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC)
    options = f"size={AREA_BYTES},nr_inodes={AREA_INODES},mode=0700,uid={owner},gid={owner}"
    for area in WRITABLE:
        kernel.mount("tmpfs", area, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)


def redirect(stdin: int, stdout: int, stderr: int) -> None:
    """Put the run's streams on descriptors 0, 1 and 2."""
    for target, fd in enumerate((stdin, stdout, stderr)):
        os.dup2(fd, target)


def place_file(name: str, content: bytes) -> None:
    """Put a file of the run's own into the box, before anything hostile runs there."""
    how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(f"{BOX}/{name}", how, 0o600)
    try:
        while content:
            content = content[os.write(fd, content) :]
    finally:
        os.close(fd)


def confine(uid: int, owner: int, system_calls: Filter | None, without: Collection[str]) -> None:
    """Make the calling process a candidate: after this it has no way back. Its `limit` is still to come."""
    os.setsid()
    wish = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(wish, b"1000")
    os.close(wish)
    os.umask(0o077)
    os.chdir(BOX)
    if "uid" not in without:
        _become(uid, owner)
        # After a change of uid /proc/self belongs to root and open("/dev/stdin") fails. Nobody can trace us anyway.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if system_calls is not None and "seccomp" not in without:
        system_calls.install()


def _become(uid: int, owner: int) -> None:
    """Be a user that never was in this slot before, without capabilities.

    `owner` is whose the run's files are: that user, or, where the slot has only one, that one, seen from a user
    namespace of the run's own in which it has the new number and nothing else exists.
    """
    if uid == owner:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        return
    group = os.getgid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {owner} 1"), ("gid_map", f"{uid} {group} 1")):
        with open(f"/proc/self/{name}", "wb", buffering=0) as file:
            file.write(line.encode())
    kernel.keep_capabilities(())


def limit(request: dict[str, Any], keep: Collection[int]) -> None:
    """Bound what this process may use, and close every descriptor from 3 on that is not in `keep`."""
    without = request["without"]
    if "descriptors" not in without:
        _close_all_but(keep)
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_FSIZE: AREA_BYTES,
        resource.RLIMIT_MEMLOCK: 1 << 16,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: 1024,
        resource.RLIMIT_CPU: int(request["cpu_s"]) + 2,
        resource.RLIMIT_STACK: request["stack_bytes"],
    }
    if "processes" not in without:
        limits[resource.RLIMIT_NPROC] = request["processes"]
    for which, value in limits.items():
        hard = resource.getrlimit(which)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(which, (value, value))


def _close_all_but(keep: Collection[int]) -> None:
    start = 3
    for fd in sorted(keep):
        os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
