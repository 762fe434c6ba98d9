"""Suites by name: built in, from installed packages (entry points "rlef.suites"), registered, or read from files.

A loader takes the path after the colon (None without one) and returns a `Suite`. Nothing is imported or read before a
suite is asked for. A reader's tasks are kept on disk, and those that a verdict would say little about (several right
answers and no checker, nothing private) are in a split of their own, "unscored", which nothing takes by default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from itertools import chain
from pathlib import Path
from typing import Any

from sandbox import Execution, Limits, Program, Sandbox, SandboxError, Submission
from tasks.errors import TaskError
from tasks.formats import FORMATS, NEEDS_BOX
from tasks.formats.detect import format_of
from tasks.hub import PREFIX, fetched
from tasks.spool import Spool
from tasks.task import Task

ENTRY_POINTS = "rlef.suites"
UNSCORED = "unscored"


@dataclass(frozen=True)
class Suite:
    """Named splits of tasks. `suite["train"]` is a sequence; it may build its tasks when they are asked for."""

    name: str
    splits: Mapping[str, Sequence[Task]]
    problems: tuple[str, ...] = ()
    """Rows that could not be read, each with file, row, field and reason."""

    def __getitem__(self, split: str) -> Sequence[Task]:
        """The tasks of a split. Raises `TaskError` for an unknown one."""
        if split not in self.splits:
            raise TaskError(f'suite "{self.name}" has no split "{split}"; it has: {", ".join(self.splits)}')
        return self.splits[split]

    def __iter__(self) -> Iterator[Task]:
        """All tasks, split after split."""
        return chain.from_iterable(self.splits.values())

    def __len__(self) -> int:
        return sum(map(len, self.splits.values()))

    def keys(self) -> list[str]:
        """The key of every task."""
        return [key for tasks in self.splits.values() for key in _keys(tasks)]

    def find(self, key: str) -> Task:
        """The task with this key. Raises `TaskError` when there is none."""
        for tasks in self.splits.values():
            if key in (known := _keys(tasks)):
                return tasks[known.index(key)]
        raise TaskError(f'suite "{self.name}" has no task "{key}"{_nearest(key, self.keys())}')


def _keys(tasks: Sequence[Task]) -> Sequence[str]:
    """The keys of a split. One that makes its tasks when they are asked for has them as `keys`."""
    known: Sequence[str] | None = getattr(tasks, "keys", None)
    return [task.key for task in tasks] if known is None else known


Loader = Callable[[Path | None], Suite]


def _starter(path: Path | None) -> Suite:
    from tasks import starter

    if path is None:
        return Suite("starter", starter.splits())
    return Suite(f"starter:{path}", starter.splits(starter.levels_of(str(path))))


def _of_format(name: str) -> Loader:
    """A loader of files in an original format. Tasks that mean little when scored get a split of their own."""

    def load(path: Path | None) -> Suite:
        module = import_module(f"tasks.formats.{name}")
        if path is None:
            raise TaskError(f'suite "{name}" needs its file: "{name}:PATH"; it comes from {module.HOME}')
        problems: list[str] = []
        splits: dict[str, Spool] = {}
        with ExitStack() as stack:
            more = {"box": stack.enter_context(_LateBox())} if name in NEEDS_BOX else {}
            for task in module.read(path, problems.append, **more):
                split = UNSCORED if task.metadata.get("unscored") else task.metadata.get("split", module.DEFAULT_SPLIT)
                splits.setdefault(split, Spool()).extend([task])
        if not splits:
            raise TaskError(problems[0] if problems else f"{path}: holds no task; it is to come from {module.HOME}")
        return Suite(name, splits, tuple(problems))

    return load


class _LateBox:
    """A sandbox that starts when a reader first needs one."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._box: Sandbox | None = None

    def _started(self) -> Sandbox:
        if self._box is None:
            try:
                self._box = self._stack.enter_context(Sandbox())
            except SandboxError as error:
                raise TaskError(f"this format runs programs of its file in the sandbox: {error}") from error
        return self._box

    def call(
        self, program: Program, entry_point: str, arguments: Sequence[Sequence[Any]], limits: Limits
    ) -> list[Execution]:
        return self._started().call(program, entry_point, arguments, limits)

    def run_many(self, submissions: Sequence[Submission], stop_on_failure: bool = False) -> list[list[Execution]]:
        return self._started().run_many(submissions, stop_on_failure)

    def __enter__(self) -> _LateBox:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


_loaders: dict[str, Loader] = {"starter": _starter, **{name: _of_format(name) for name in FORMATS}}


def register_suite(name: str, loader: Loader) -> None:
    """Make `load_suite(name)` call `loader`. Names are unique."""
    if not name or ":" in name or "/" in name:
        raise TaskError(f'"{name}" cannot name a suite; use letters, digits and dashes')
    if name in _loaders:
        raise TaskError(f'there is a suite "{name}" already; choose another name')
    _loaders[name] = loader


def list_suites() -> list[str]:
    """Names that `load_suite` knows, those of installed packages included."""
    return sorted({*_loaders, *_installed()})


def load_suite(spec: str | Path) -> Suite:
    """Load "name", "name:path" or a path whose content tells the format. Raises `TaskError` with the remedy.

    In place of a path "hf:OWNER/NAME" is a data set on the Hugging Face hub; see `tasks.hub`.
    """
    text = str(spec)
    if text.startswith(PREFIX):
        return load_suite(fetched(text.removeprefix(PREFIX)))
    name, _, rest = text.partition(":")
    if isinstance(spec, Path) or (name not in list_suites() and ("/" in text or os.path.exists(text))):
        return _load(_format_of(Path(spec)), Path(spec))
    if name not in list_suites():
        raise TaskError(f'unknown suite "{name}"{_nearest(name, list_suites())}; known: {", ".join(list_suites())}')
    if rest.startswith(PREFIX):
        return _load(name, fetched(rest.removeprefix(PREFIX)))
    return _load(name, Path(rest) if rest else None)


def _load(name: str, path: Path | None) -> Suite:
    if path is not None and name != "starter" and not path.exists():  # what follows "starter:" are levels
        raise TaskError(f'{path}: no such file; check the path after "{name}:"')
    if name in _loaders:
        return _loaders[name](path)
    point = _installed()[name]
    try:
        loader = point.load()
    except (ImportError, AttributeError) as error:
        raise TaskError(
            f'suite "{name}" cannot be imported from {point.value}: {error}; reinstall its package'
        ) from error
    suite = loader(path)
    if not isinstance(suite, Suite):
        raise TaskError(
            f'suite "{name}": {point.value} returned {type(suite).__name__}, not a tasks.Suite; mend its loader'
        )
    return suite


def _format_of(path: Path) -> str:
    if not path.exists():
        raise TaskError(f"{path}: no such file; check the path")
    found = format_of(path)
    if found is None:
        raise TaskError(
            f'{path}: its content does not tell the format; write "FORMAT:{path}", FORMAT one of {", ".join(FORMATS)}'
        )
    return found


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f'; did you mean "{close[0]}"?' if close else ""
