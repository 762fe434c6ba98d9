"""QuixBugs (Lin et al. 2017): one small algorithm a file, `[[arguments...], expected]` a line.

The `.json` files of `json_testcases/` hold JSON lines. A checkout of the whole repository has the programs too: the
faulty one (`python_programs/`) becomes part of the statement and a mutant, the mended one (`correct_python_programs/`)
the reference. The first line is public, the others are private. Some programs are generators; a list of what they
yield is what is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.program import Limits, Program
from tasks.errors import TaskError
from tasks.formats import adapters
from tasks.formats.rows import OnProblem, lines, parse_json, report
from tasks.formats.splitting import distinct, marked
from tasks.task import CallTest, Task

HOME = "jkoppel/QuixBugs"
DEFAULT_SPLIT = "test"
LIMITS = Limits(wall_s=20.0, cpu_s=5.0, memory_mb=512)
_ABOUT = {
    "flatten": "Yield the items of a list that is nested to any depth, from left to right.",
    "kheapsort": "Yield the items of a list in order; each is at most k places from where it belongs.",
}


def read(path: Path, on_problem: OnProblem | None = None) -> Iterator[Task]:
    """The tasks of a file, of `json_testcases/`, or of a checkout. A file counts as a row."""
    if not path.exists():
        raise TaskError(f"{path}: no such file; it comes from {HOME}")
    if path.is_dir():
        found = sorted((path / "json_testcases" if (path / "json_testcases").is_dir() else path).glob("*.json"))
        if not found:
            raise TaskError(f"{path}: holds no .json file; name the folder json_testcases of {HOME}")
    else:
        found = [path]
    for file in found:
        try:
            yield _task(file)
        except (ValueError, RecursionError, OSError, EOFError) as error:
            report(str(file), error, on_problem)


def _task(file: Path) -> Task:
    name = file.stem
    if not name.isidentifier():
        raise ValueError("the name of the file is to be that of the function")
    tests = []
    for number, line in enumerate(lines(file), 1):
        if isinstance(line, ValueError):
            raise ValueError(f"row {number}: {line}")
        if not line.strip():
            continue
        try:
            value = parse_json(line)
        except ValueError as error:
            raise ValueError(f"row {number}: not JSON ({error}); [[arguments...], expected] is expected") from error
        if not isinstance(value, list) or len(value) != 2:
            raise ValueError(f"row {number}: [[arguments...], expected] is expected")
        arguments = value[0] if isinstance(value[0], list) else [value[0]]
        tests.append(CallTest(tuple(arguments), value[1], checker=_tolerance(name, arguments)))
    if not tests:
        raise ValueError("row 1: no test; leave the file out")
    public, private = distinct(tests[:1], tests[1:])
    faulty, mended = (_program(file, folder) for folder in ("python_programs", "correct_python_programs"))
    asked = ", ".join(map(repr, public[0].arguments))
    statement = f"{_ABOUT.get(name, '')}\n\n`{name}({asked})` is to be `{public[0].expected!r}`.".strip()
    if faulty:
        statement += f"\n\nThis program has a fault in one line. Mend it:\n\n{faulty.strip()}"
    task = Task(
        key=f"quixbugs/{name}",
        statement=statement,
        public_tests=public,
        private_tests=private,
        limits=LIMITS,
        checker="json",
        entry_point=name,
        adapter=adapters.plain(name, generators=True),
        references=(Program(mended),) if mended else (),
        mutants=(Program(faulty),) if faulty else (),
        metadata={"suite": "quixbugs"},
    )
    if not faulty:
        return marked(task, "the program to mend is not here; read a whole checkout")
    return marked(task, "" if private else "no private test")


def _tolerance(name: str, arguments: list[Any]) -> str:
    """`sqrt` is asked for a value that is off by its second argument at the most."""
    if name == "sqrt" and len(arguments) == 2 and isinstance(arguments[1], float) and 0 < arguments[1] <= 1:
        return f"json {arguments[1]}"
    return ""


def _program(file: Path, folder: str) -> str:
    source = file.parent.parent / folder / f"{file.stem}.py"
    if not source.is_file() or source.is_symlink() or source.stat().st_size > 1 << 20:
        return ""
    return source.read_text(encoding="utf-8", errors="replace")
