"""What a submission is to the runner: program text, input and compiled binary, in files that have no path."""

from __future__ import annotations

import fcntl
import os
import stat

from sandbox.runner.isolation import AREA_BYTES


def memory_file(data: bytes, name: str, sealed: bool = True) -> int:
    """A file without a path that holds `data`."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    if sealed:
        seal(fd)
    return fd


def seal(fd: int) -> None:
    """Make a memory file immutable."""
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)


def collect(folder: int, name: str, artefact: int) -> None:
    """Copy what the compiler made in the run's own folder."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return
    try:
        facts = os.fstat(fd)
        if stat.S_ISREG(facts.st_mode) and facts.st_size <= AREA_BYTES:
            done = 0
            while copied := os.sendfile(artefact, fd, done, facts.st_size - done):  # 0 at the end, wherever that is
                done += copied
    finally:
        os.close(fd)
