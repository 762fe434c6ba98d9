"""After a run: kill what is left, wipe what was written, then look whether that is true.

In strict mode the spawner has killed, the files have gone with the run's mounts, and this only looks. In basic mode it
is done here. Whatever survives makes the slot unclean, and an unclean slot is destroyed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterator

AREAS = ("/box", "/tmp", "/dev/shm", "/dev/mqueue")


def strangers(known: Collection[int]) -> list[int]:
    """Processes in the slot that are not ours."""
    return [pid for name in os.listdir("/proc") if name.isdecimal() and (pid := int(name)) not in known]


def kill_all(uid: int, known: Collection[int]) -> bool:
    """Kill every process that is not ours; whether it worked. Reaps what became our child."""
    for _ in range(50):
        reap(known)
        left = strangers(known)
        if not left:
            return True
        # One call signals every process of the uid at once: a fork bomb cannot outrun it.
        helper = os.fork()
        if helper == 0:
            try:
                os.setresuid(uid, uid, uid)
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(helper, 0)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)
    return False


def reap(known: Collection[int]) -> None:
    """Collect orphans that ended; the spawner is the only child we expect."""
    while True:
        try:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if info is None or info.si_pid in known:
            return
        os.waitpid(info.si_pid, 0)


def leftovers() -> Iterator[str]:
    """Paths of files in the writable areas."""
    for area in AREAS:
        try:
            names = os.listdir(area)
        except FileNotFoundError:
            continue
        yield from (f"{area}/{name}" for name in names)


def wipe() -> bool:
    """Empty the writable areas; whether they are empty now. Never follows a link, never recurses on the stack."""
    for path in list(leftovers()):
        _remove_tree(path)
    return not any(leftovers())


def _remove_tree(path: str) -> None:
    """Remove a file or a tree of any depth, moving into it directory by directory."""
    try:
        os.unlink(path)
        return
    except IsADirectoryError:
        pass
    except OSError:
        return
    parent = os.path.dirname(path)
    # A tree deeper than a path can name is brought up one level at a time.
    stack = [path]
    count = 0
    while stack and count < 1_000_000:
        directory = stack[-1]
        try:
            entries = list(os.scandir(directory))
        except OSError:
            os.chmod(directory, 0o700)
            entries = list(os.scandir(directory))
        deeper = []
        for entry in entries:
            count += 1
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
            elif directory != path:
                raised = f"{parent}/.raised-{count}"
                os.rename(entry.path, raised)
                deeper.append(raised)
            else:
                deeper.append(entry.path)
        if deeper:
            stack.extend(deeper)
        else:
            os.rmdir(directory)
            stack.pop()
