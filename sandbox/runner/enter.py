"""Turns a process of root into the runner of a slot: namespaces, a root of its own, few capabilities.

Usage: python3 -m sandbox.runner.enter SPECIFICATION, a JSON object that the backend `namespaces` makes. It runs
outside, before there is a slot, waits for the runner and ends with its exit code. Whatever fails ends it with one
line.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import socket
import struct
import sys
from pathlib import Path
from typing import Any, NoReturn

from sandbox.runner import kernel

_FLAGS = kernel.MS_NOSUID | kernel.MS_NODEV
_READ_ONLY = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | _FLAGS
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _UP = 0x8913, 0x8914, 1


def enter(specification: dict[str, Any]) -> NoReturn:
    """Become the slot's first process. `specification` has groups, root, binds, links, hidden, devices, areas,
    capabilities, environment and command."""
    for group in specification["groups"]:
        Path(group, "cgroup.procs").write_text(str(os.getpid()))
    kernel.unshare(
        kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS
        | kernel.CLONE_NEWCGROUP
    )  # fmt: skip
    socket.sethostname("sandbox")
    _loopback_up()
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    build_root(specification)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    kernel.keep_capabilities(specification["capabilities"])
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    os.umask(0o022)
    command = specification["command"]
    os.execve(command[0], command, specification["environment"])


def build_root(specification: dict[str, Any]) -> None:
    """A root on a file system in memory, all of it read-only but the areas, and nothing else of the machine."""
    root = specification["root"]
    kernel.mount("tmpfs", root, "tmpfs", _FLAGS, "mode=0755,size=1m")
    for here, there in specification["binds"]:
        _bind(here, root + there, _READ_ONLY)
    for name in specification["devices"]:
        _bind(f"/dev/{name}", f"{root}/dev/{name}", _READ_ONLY & ~kernel.MS_NODEV & ~kernel.MS_RDONLY)
    for target, name in specification["links"]:
        _parent(root + name)
        os.symlink(target, root + name)
    for name in specification["hidden"]:
        kernel.mount("tmpfs", root + name, "tmpfs", _FLAGS | kernel.MS_RDONLY, "mode=0755,size=4k")
    for name, options in specification["areas"]:
        os.makedirs(root + name, exist_ok=True)
        kernel.mount("tmpfs", root + name, "tmpfs", _FLAGS, options)
    os.makedirs(f"{root}/proc")
    kernel.mount("proc", f"{root}/proc", "proc", _FLAGS | kernel.MS_NOEXEC)
    os.chdir(root)
    kernel.pivot_root(".", ".")
    kernel.unmount(".")
    os.chdir("/")
    kernel.mount("none", "/", "", _READ_ONLY)


def _bind(here: str, there: str, flags: int) -> None:
    if os.path.isdir(here):
        os.makedirs(there, exist_ok=True)
    else:
        _parent(there)
        Path(there).touch()
    kernel.mount(here, there, "", kernel.MS_BIND)
    kernel.mount("none", there, "", flags)


def _parent(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


if __name__ == "__main__":
    try:
        enter(json.loads(sys.argv[1]))
    except OSError as error:
        sys.exit(f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else ""))
