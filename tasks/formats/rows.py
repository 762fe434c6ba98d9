"""Rows of a file of record, one at a time: JSON lines (packed or not), a JSON array or object, Parquet, Arrow.

Files are hostile. What a file is is read off its content, since names lie; a line is bounded, a row is checked when a
field is asked for, and every complaint names file, row, field and remedy. Nothing in a file is ever run.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tasks.errors import TaskError
from tasks.task import Task

MAX_LINE = 64 << 20
"""Bytes of one line, or of a file that is one JSON value."""
_SIDE_FILES = ("dataset_info.json", "state.json", "dataset_dict.json", "dataset_infos.json")
_ENDINGS = (".jsonl", ".json", ".gz", ".parquet", ".arrow")
_DIGITS = 4300
"""Digits that Python turns into a number at once."""

OnProblem = Callable[[str], None]


class Row:
    """One row: its fields, asked for by name and type. Raises `ValueError` that names the field and the remedy."""

    def __init__(self, fields: dict[str, Any], path: Path) -> None:
        self.fields = fields
        self.path = path

    def __contains__(self, name: str) -> bool:
        return self.fields.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A text of valid Unicode."""
        value = self._get(name, str, "a text", default)
        checked(name, value)
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        return self._get(name, int, "a whole number", default)

    def items(self, name: str, default: list[Any] | None = None) -> list[Any]:
        """A list."""
        return self._get(name, list, "a list", default)

    def table(self, name: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """An object."""
        return self._get(name, dict, "an object", default)

    def texts(self, name: str, default: list[str] | None = None) -> list[str]:
        """A list of texts."""
        return [checked(f"{name}[{i}]", value) for i, value in enumerate(self.items(name, default))]

    def _get(self, name: str, kind: type, what: str, default: Any) -> Any:
        value = self.fields.get(name)
        if value is None and default is not None:
            return default
        if type(value) is not kind:
            found = "missing" if name not in self.fields else f"of type {type(value).__name__}"
            raise ValueError(f"field {name}: {found}; {what} is expected")
        return value


def checked(name: str, value: Any) -> str:
    """The value, if it is a text of valid Unicode. Raises `ValueError` that names the field."""
    if type(value) is not str:
        raise ValueError(f"field {name}: of type {type(value).__name__}; a text is expected")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"field {name}: not valid Unicode; remove lone surrogates") from error
    return value


def read_tasks(
    path: Path, build: Callable[[Row], Task], on_problem: OnProblem | None, home: str, key: str
) -> Iterator[Task]:
    """The tasks of a file, or of all row files in a folder, in order.

    Args:
        build: makes a task of a row; raises `ValueError` with field, reason and remedy.
        on_problem: receives one line (file, row, field, reason, remedy) for each row that cannot be read; without it
            the first such row raises.
        home: where the file comes from, for the message when it is missing.
        key: the field that keys are made of, for the message when they are not unique.

    Raises:
        TaskError: a file cannot be opened or is cut off.
    """
    seen: set[str] = set()
    for file in files(path, home):
        for number, fields in rows(file):
            where = f"{file}: row {number}"
            try:
                if isinstance(fields, ValueError):
                    raise fields
                task = build(Row(fields, file))
                if not task.key:
                    raise ValueError(f"field {key}: empty; every task needs a key")
                if task.key in seen:
                    raise ValueError(f'field {key}: "{task.key}" occurs twice; remove one of the rows')
            except (ValueError, RecursionError, OverflowError, MemoryError) as error:
                report(where, error, on_problem)
                continue
            seen.add(task.key)
            yield task


def report(where: str, error: BaseException, on_problem: OnProblem | None) -> None:
    """Hand a problem on as one line, or raise it."""
    problem = f"{where}: {' '.join(str(error).split())[:400] or type(error).__name__}"
    if on_problem is None:
        raise TaskError(problem) from error
    on_problem(problem)


def files(path: Path, home: str) -> list[Path]:
    """The file itself, or the row files of a folder at any depth, sorted."""
    if not path.exists():
        raise TaskError(f"{path}: no such file; it comes from {home}")
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if file.name.lower().endswith(_ENDINGS) and file.name not in _SIDE_FILES and file.is_file()
    )
    if not found:
        raise TaskError(f"{path}: holds no {', '.join(_ENDINGS)} file; it comes from {home}")
    return found


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | ValueError]]:
    """Rows of a file with their numbers from 1; a row that cannot be read is the `ValueError` that says why."""
    try:
        with open(path, "rb") as raw:
            head = raw.read(8)
        if head[:4] == b"PAR1":
            yield from _parquet(path)
        elif head[:6] == b"ARROW1" or head[:4] == b"\xff\xff\xff\xff":
            yield from _arrow(path, head[:6] == b"ARROW1")
        else:
            yield from _json(path)
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"{path}: cannot be read to its end ({error}); fetch it again") from error


def lines(path: Path) -> Iterator[bytes | ValueError]:
    """Lines of a file, packed or not, split at "\\n" only; one that is too long is the `ValueError` that says so."""
    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else open(path, "rb") as file:
        while line := file.readline(MAX_LINE + 1):
            if len(line) <= MAX_LINE:
                yield line
                continue
            while line and not line.endswith(b"\n"):
                line = file.readline(1 << 20)
            yield ValueError(f"a line of more than {MAX_LINE >> 20} MiB; split the row, or leave it out")


def parse_json(text: bytes | str) -> Any:
    """A JSON value. Raises `ValueError` for anything else and for a key that occurs twice.

    Integers of up to a million digits are read.
    """
    try:
        return json.loads(text, object_pairs_hook=_no_twins, parse_int=_integer)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply; flatten it") from error


def _json(path: Path) -> Iterator[tuple[int, dict[str, Any] | ValueError]]:
    start = b""
    for line in lines(path):
        start = line.strip() if isinstance(line, bytes) else b"{"
        if start:
            break
    if start[:1] == b"[" or start == b"{":
        try:
            value = parse_json(whole(path))
        except ValueError as error:
            yield 1, ValueError(f"not JSON ({error}); the file is to be one array, or one object per line")
            return
        if isinstance(value, dict) or not all(isinstance(item, dict) for item in value):
            value = [value]
        yield from ((number, _as_object(item)) for number, item in enumerate(value, 1))
        return
    for number, line in enumerate(lines(path), 1):
        if isinstance(line, ValueError):
            yield number, line
        elif line.strip():
            try:
                yield number, _as_object(parse_json(line))
            except ValueError as error:
                yield number, ValueError(f"not JSON ({error}); one object per line is expected")


def whole(path: Path) -> bytes:
    """The content of a file, packed or not. Raises `TaskError` when it is larger than a row may be."""
    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else open(path, "rb") as file:
        content = file.read(MAX_LINE + 1)
    if len(content) > MAX_LINE:
        raise TaskError(f"{path}: one JSON value of more than {MAX_LINE >> 20} MiB; write one object per line instead")
    return content


def _as_object(value: Any) -> dict[str, Any] | ValueError:
    return value if isinstance(value, dict) else ValueError(f"a JSON {type(value).__name__}; an object is expected")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise ValueError(f"field {twice}: occurs twice in one object; remove one")
    return found


def _integer(text: str) -> int:
    """An integer of any length; Python itself refuses more than 4,300 digits."""
    if len(text) <= _DIGITS:
        return int(text)
    if len(text) > 1_000_000:
        raise ValueError("an integer of more than a million digits; write it as a text")
    if text[0] == "-":
        return -_integer(text[1:])
    half = len(text) // 2
    return _integer(text[:-half]) * 10**half + _integer(text[-half:])


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any] | ValueError]]:
    pyarrow = _pyarrow(path)
    try:
        yield from _of_batches(pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=32))
    except pyarrow.ArrowException as error:
        raise TaskError(f"{path}: not a sound Parquet file ({str(error).splitlines()[0]}); fetch it again") from error


def _arrow(path: Path, random_access: bool) -> Iterator[tuple[int, dict[str, Any] | ValueError]]:
    pyarrow = _pyarrow(path)
    try:
        with pyarrow.memory_map(str(path)) as source:
            if random_access:
                file = pyarrow.ipc.open_file(source)
                yield from _of_batches(file.get_batch(i) for i in range(file.num_record_batches))
            else:
                yield from _of_batches(pyarrow.ipc.open_stream(source))
    except pyarrow.ArrowException as error:
        raise TaskError(f"{path}: not a sound Arrow file ({str(error).splitlines()[0]}); fetch it again") from error


def _of_batches(batches: Iterable[Any]) -> Iterator[tuple[int, dict[str, Any] | ValueError]]:
    number = 0
    for batch in batches:
        batch.validate(full=True)  # offsets that point elsewhere
        for place in range(batch.num_rows):
            number += 1
            try:
                yield number, batch.slice(place, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                yield number, ValueError(f"a text that is not UTF-8 ({error}); mend the row")


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise TaskError(f"{path}: Parquet and Arrow files need pyarrow; pip install 'rlef[arrow]'") from error
    return pyarrow
