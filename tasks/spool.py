"""Tasks on disk: a sequence that keeps a large suite out of memory.

A CodeContests row holds megabytes of tests and there are thirteen thousand of them. Tasks are written to a temporary
file without a name as they are read, and come back one at a time; the file goes when the sequence does.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, overload

from tasks.task import Task


class Spool(Sequence[Task]):
    """A sequence of tasks that can only grow. Equal to another that holds the same tasks; pickles as its tasks."""

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the object
        self._ends = [0]
        self.extend(tasks)

    def extend(self, tasks: Iterable[Task]) -> None:
        """Add tasks at the end."""
        for task in tasks:
            # Only what was written here is ever loaded from here.
            self._ends.append(self._ends[-1] + self._file.write(pickle.dumps(task, pickle.HIGHEST_PROTOCOL)))
        self._file.flush()

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> list[Task]: ...
    def __getitem__(self, index: int | slice) -> Task | list[Task]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        start, end = self._ends[place : place + 2]
        task: Task = pickle.loads(os.pread(self._file.fileno(), end - start, start))
        return task

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spool):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return Spool, (list(self),)
