"""P3, Python Programming Puzzles (Schuster et al. 2021, arXiv 2106.05784): `puzzles.json`, one checker per puzzle.

A puzzle is a program `sat`; a solution is a function `sol` without arguments whose value makes `sat` return True. The
checker stands in the statement, so it is the public test. The private one asks besides for a value of exactly the
puzzle's type, as P3 does. Both run in a slot of their own and see the value only.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from sandbox.program import Limits, Program
from tasks.formats.asserts import defines, module
from tasks.formats.rows import OnProblem, Row, read_tasks
from tasks.task import AssertTest, Task

HOME = "puzzles of microsoft/PythonProgrammingPuzzles"
DEFAULT_SPLIT = "train"
LIMITS = Limits(wall_s=20.0, cpu_s=5.0, memory_mb=512)
_HEAD = "from typing import *"
_DIGITS = "import sys\n\nsys.set_int_max_str_digits(0)"
"""Some checkers print numbers longer than Python does unasked."""
_TYPE = re.compile(r"(?:List\[)*(?:bool|float|int|str)\]*")
_FITS = """
def fits(value, kind):
    if kind.startswith("List["):
        return type(value) is list and all(fits(item, kind[5:-1]) for item in value)
    return type(value).__name__ == kind
"""


def read(path: Path, on_problem: OnProblem | None = None) -> Iterator[Task]:
    """The tasks of a file, in order; see `tasks.formats.rows.read_tasks`."""
    return read_tasks(path, _task, on_problem, HOME, "name")


def _task(row: Row) -> Task:
    """The task of a row. Raises `ValueError` with field, reason and remedy."""
    name, sat, kind = row.text("name"), row.text("sat").strip("\n"), row.text("ans_type")
    if not defines(module("sat", sat), "sat"):
        raise ValueError("field sat: defines no function sat; leave the row out")
    if not _TYPE.fullmatch(kind) or kind.count("[") != kind.count("]"):
        raise ValueError(f"field ans_type: {kind!r} is neither bool, float, int, str nor lists of them")
    quoted = row.text("sol_docstring", "").strip()
    header, asked = row.text("sol_header"), inspect.cleandoc(quoted.removeprefix('"""').removesuffix('"""'))
    programs = [f"{_HEAD}\n\n\n{header}\n{body}\n" for body in row.texts("sol_bodies", [])]
    for program in programs:
        if not defines(module("sol_header or sol_bodies", program), "sol"):
            raise ValueError("field sol_header: defines no function sol; leave the row out")
    checker = f"{_HEAD}\n{_DIGITS}\n\n\n{sat}\n"
    return Task(
        key=f"P3/{name}",
        statement=(
            f"{asked}\n\nWrite a function `sol` that can be called without arguments and returns a {kind} for which "
            f"`sat` returns True:\n\n{sat}"
        ).strip(),
        public_tests=(AssertTest(f"{checker}\nassert sat(sol()) is True"),),
        private_tests=(
            AssertTest(
                f"{checker}\n{_FITS}\nanswer = sol()\nassert fits(answer, {kind!r})\nassert sat(answer) is True"
            ),
        ),
        limits=LIMITS,
        entry_point="sol",
        references=tuple(Program(program) for program in programs),
        metadata={"suite": "p3", "family": row.text("module", "")},
    )
