"""APPS (Hendrycks et al. 2021, arXiv 2105.09938) and the family of its columns (TACO): programs and functions.

Two layouts: the original folders (`NNNN/question.txt`, `input_output.json`, ...) and rows in the columns of
`codeparrot/apps` (JSON lines, Parquet, Arrow), where tests and solutions are JSON texts that may be empty. With
`fn_name` a row calls a function, a method of `Solution` when it is LeetCode's; expected values are often wrapped in a
list of one, so both are right. Nothing is kept apart: examples in the statement are public, the others private.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.program import Limits, Program
from tasks.formats import adapters
from tasks.formats.comparing import checker_for, limits_of, stdio_tests
from tasks.formats.rows import MAX_LINE, OnProblem, Row, parse_json, read_tasks, report
from tasks.formats.splitting import marked, split_of_name, split_tests, unscored
from tasks.task import CallTest, Task

HOME = "hendrycks/apps, or codeparrot/apps on the Hugging Face hub"
DEFAULT_SPLIT = "train"
PROGRAMS = 3
LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=1024)
_FOLDER = ("question.txt", "input_output.json", "solutions.json", "metadata.json", "starter_code.py")


def read(path: Path, on_problem: OnProblem | None = None) -> Iterator[Task]:
    """The tasks of a file, of a folder of files, or of a folder of problem folders, in order.

    See `tasks.formats.rows.read_tasks`. A problem folder counts as a row; its name is the key.
    """
    folders = sorted({file.parent for file in path.rglob("question.txt")}) if path.is_dir() else []
    if not folders:
        yield from read_tasks(path, _task, on_problem, HOME, "problem_id")
        return
    seen: set[str] = set()
    for folder in folders:
        try:
            task = _task(Row(_of_folder(folder), folder))
            if task.key in seen:
                raise ValueError(f'key "{task.key}" occurs twice; read the splits one by one')
        except (ValueError, RecursionError, OSError) as error:
            report(str(folder), error, on_problem)
            continue
        seen.add(task.key)
        yield task


def _of_folder(folder: Path) -> dict[str, Any]:
    """The fields of a problem folder. Raises `ValueError` for a file that is too large or no text."""
    texts = {}
    for name in _FOLDER:
        file = folder / name
        if not file.is_file():
            continue
        if file.resolve().parent != folder.resolve():
            raise ValueError(f"file {name}: a link to elsewhere; put the file itself there")
        if file.stat().st_size > MAX_LINE:
            raise ValueError(f"file {name}: more than {MAX_LINE >> 20} MiB; leave the problem out")
        try:
            texts[name.partition(".")[0]] = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"file {name}: not UTF-8 ({error}); mend it") from error
    more = _json("metadata", texts.pop("metadata", "")) or {}
    if not isinstance(more, dict):
        raise ValueError("file metadata.json: an object is expected")
    return {**more, **texts, "problem_id": folder.name}


def _task(row: Row) -> Task:
    key = row.fields.get("problem_id", row.fields.get("id"))
    if type(key) not in (int, str):
        raise ValueError("field problem_id: missing, or neither a number nor a text; every task needs a key")
    statement, starter = row.text("question").strip(), row.text("starter_code", "").rstrip()
    given = _json("input_output", row.text("input_output", "")) or {}
    if not isinstance(given, dict):
        raise ValueError("field input_output: a JSON object with inputs and outputs is expected")
    inputs, outputs, name = given.get("inputs"), given.get("outputs"), given.get("fn_name")
    if not isinstance(inputs, list) or not isinstance(outputs, list) or not inputs:
        raise ValueError("field input_output: holds no test; leave the row out")
    solutions = _json("solutions", row.text("solutions", "")) or []
    texts = solutions if isinstance(solutions, list) else []
    sources = [text.replace("\r\n", "\n") for text in texts if isinstance(text, str) and _compiles(text)]
    metadata = {
        "suite": "apps",
        **{field: row.fields[field] for field in ("difficulty", "url", "source") if row.fields.get(field)},
        **split_of_name(row.path),
        **_python_list(row, "tags"),
    }
    if not isinstance(name, str):
        tests = stdio_tests("input_output", inputs, outputs)
        public, private = split_tests(statement, tests)
        task = Task(
            str(key), statement, public, private, limits_of(None, None), checker_for(statement, tests),
            references=tuple(map(Program, sources[:PROGRAMS])), metadata=metadata,
        )  # fmt: skip
        return marked(task, unscored(statement, tests, private))
    calls = _calls(inputs, outputs)
    shown, hidden = split_tests(statement, calls)
    entry = f"Solution.{name}" if "class Solution" in "\n".join([starter, *sources[:1]]) else name
    if not all(part.isidentifier() for part in entry.split(".")):
        raise ValueError(f"field input_output: fn_name {name[:80]!r} is not the name of a function")
    task = Task(
        key=str(key),
        statement=f"{statement}\n\nStart from this code:\n{starter}" if starter else statement,
        public_tests=shown,
        private_tests=hidden,
        limits=LIMITS,
        checker="json",
        entry_point=entry,
        prelude=adapters.IMPORTS,
        adapter=adapters.plain(entry),
        references=tuple(map(Program, sources[:PROGRAMS])),
        metadata=metadata,
    )
    return marked(task, unscored(statement, calls, hidden))


def _calls(inputs: list[Any], outputs: list[Any]) -> list[CallTest]:
    """Call tests of lists of arguments; a value in a list of one is right without the list as well."""
    if len(inputs) != len(outputs):
        raise ValueError(f"field input_output: {len(inputs)} inputs but {len(outputs)} outputs; each needs the other")
    tests = []
    for i, (given, wanted) in enumerate(zip(inputs, outputs, strict=True), 1):
        if not isinstance(given, list):
            raise ValueError(f"field input_output: input {i} is no list of arguments")
        inner = (wanted[0],) if isinstance(wanted, list) and len(wanted) == 1 else ()
        tests.append(CallTest(tuple(given), wanted, inner))
    return tests


def _json(name: str, text: str) -> Any:
    if not text.strip():
        return None
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"field {name}: not JSON ({error}); a JSON text is expected") from error


def _python_list(row: Row, name: str) -> dict[str, list[str]]:
    """TACO writes lists as Python literals."""
    value = row.fields.get(name)
    if isinstance(value, str) and len(value) < 10_000:
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return {}
    return {name: value} if isinstance(value, list) and all(isinstance(one, str) for one in value) and value else {}


def _compiles(source: str) -> bool:
    """Some solutions were run inside a function and `return` at top level; they are no programs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in the texts of others
            compile(source, "solution.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True
