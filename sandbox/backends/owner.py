"""Who a slot belongs to, and whether that process is still there.

Everything a backend leaves outside its own process (a container, a control group, a folder) carries the label of its
owner. Only what belongs to a process that is certainly gone may be removed by somebody else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

_FOLDERS = "rlef-sandbox-"
_NAME = ".owner"


def owner_label(pid: int | str = "self") -> str:
    """Who a process is, for ever: boot, namespace of its pid, pid, start time. Raises OSError if there is none."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    number, _, text = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    facts = text.split()
    if facts[0] in "ZX":
        raise ProcessLookupError(f"process {pid} is dead and not yet buried")
    return f"{boot}:{_pid_namespace()}:{number.split()[0]}:{facts[19]}"


def abandoned(label: str, running: bool) -> bool:
    """Whether what carries this label belongs to a process that is no more, as far as can be seen from here."""
    boot, _, rest = label.partition(":")
    namespace, _, rest = rest.partition(":")
    mine = owner_label().split(":")
    if boot != mine[0]:
        return not running  # nothing survives a restart of the machine but what does not run
    if namespace != mine[1]:
        return False  # its owner cannot be seen from here; a runner whose owner is gone ends by itself
    try:
        return owner_label(rest.partition(":")[0]) != label
    except OSError:
        return True


def make_folder() -> Path:
    """A private folder that says whose it is."""
    folder = Path(tempfile.mkdtemp(prefix=_FOLDERS))
    (folder / _NAME).write_text(owner_label())
    return folder


def prune_folders() -> list[str]:
    """Remove the folders of owners that are gone, of this user; returns their paths."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*"):
        with contextlib.suppress(OSError):
            mark = folder / _NAME
            ours = {folder.lstat().st_uid, mark.lstat().st_uid} == {os.geteuid()}
            if ours and abandoned(mark.read_text(), running=False):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(str(folder))
    return removed


def _pid_namespace() -> str:
    return os.readlink("/proc/self/ns/pid").strip("pid:[]")
