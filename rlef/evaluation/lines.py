"""Files of JSON lines that only grow: what keeps an evaluation from doing anything twice.

Lines are on the disk before `append` returns. Half a line, which a killed process may leave, is cut off when the file
is opened again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rlef.errors import RlefError
from rlef.run import guard


class Lines:
    """A file that one process at a time adds to.

    Raises:
        RlefError: another process has it.
    """

    def __init__(self, path: Path) -> None:
        with guard(path.parent, resume=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        self._path = path
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise RlefError(f"another evaluation of this model is at work on {path}; wait for it") from error

    def read(self) -> list[Any]:
        """All rows; a line that is no JSON is left out, half a line at the end is cut off."""
        rows: list[Any] = []
        whole = 0
        self._file.seek(0)
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
        self._file.truncate(whole)
        return rows

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows; they are on the disk when this returns."""
        with guard(self._path.parent, resume=False):
            self._file.writelines(json.dumps(row).encode() + b"\n" for row in rows)
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let another process at it."""
        with guard(self._path.parent, resume=False):  # what a full disk did not take is tried once more
            self._file.close()
