"""HumanEval (Chen et al. 2021, arXiv 2107.03374): `HumanEval.jsonl.gz`, one function to complete per line.

Public tests are the examples of the docstring whose two sides are plain literals, but for the few that the references
contradict; the private test is the row's
`check(candidate)`, which needs the candidate in its process and is therefore judged as forgeable.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sandbox.program import Limits, Program
from tasks.errors import TaskError
from tasks.task import AssertTest, CallTest, Task

FIELDS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
MAX_LINE = 16 << 20
LIMITS = Limits(wall_s=10.0, cpu_s=5.0, memory_mb=512)
_ARROW = re.compile(r"\s*(?:#\s*)?(?:[-=]+>|==|➞|→|=|(?:should |will |would )?returns?|should be(?: equal to)?|is)\s*")
# Examples of the published docstrings that the published tests and references contradict; feedback from them misleads.
_CONTRADICTED: dict[str, tuple[tuple[Any, ...], ...]] = {
    "HumanEval/47": (([-10, 4, 6, 1000, 10, 20],),),
    "HumanEval/116": (([1, 5, 2, 3, 4],), ([-2, -3, -4, -5, -6],)),
    "HumanEval/130": ((1,), (2,), (4,)),
    "HumanEval/148": (("Earth", "Mercury"),),
}


def read(path: Path, on_problem: Callable[[str], None] | None = None) -> Iterator[Task]:
    """The tasks of a file, in its order.

    Args:
        path: `HumanEval.jsonl` or `HumanEval.jsonl.gz`.
        on_problem: receives one line (file, row, field, reason, remedy) for each row that cannot be read; without it
            the first such row raises.

    Raises:
        TaskError: the file cannot be opened or is cut off.
    """
    seen: set[str] = set()
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            task = _task(line)
            if task.key in seen:
                raise ValueError(f'field task_id: "{task.key}" occurs twice; remove one')
        except (ValueError, RecursionError) as error:
            problem = f"{path}: row {number}: {error}"
            if on_problem is None:
                raise TaskError(problem) from error
            on_problem(problem)
            continue
        seen.add(task.key)
        yield task


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"  # by content: file names lie
        with gzip.open(path, "rb") if packed else open(path, "rb") as file:
            while line := file.readline(MAX_LINE):
                if len(line) == MAX_LINE:
                    raise TaskError(
                        f"{path}: holds a line of more than {MAX_LINE >> 20} MiB; it is not a HumanEval file"
                    )
                yield line
    except FileNotFoundError as error:
        raise TaskError(f"{path}: no such file; HumanEval.jsonl.gz is in the repository openai/human-eval") from error
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"{path}: cannot be read to its end ({error}); fetch it again") from error


def _task(line: bytes) -> Task:
    """The task of a row. Raises `ValueError` with field, reason and remedy."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"not JSON ({error}); one object per line is expected") from error
    if not isinstance(row, dict):
        raise ValueError(f"a JSON {type(row).__name__} where an object is expected")
    for field in FIELDS:
        if not isinstance(row.get(field), str):
            found = "missing" if field not in row else f"of type {type(row[field]).__name__}"
            raise ValueError(f"field {field}: {found}; a text is expected")
        if not _encodable(row[field]):
            raise ValueError(f"field {field}: not valid Unicode; remove lone surrogates")
    prompt, name = row["prompt"], row["entry_point"]
    if not row["task_id"]:
        raise ValueError("field task_id: empty; every task needs a key")
    if not name.isidentifier():
        raise ValueError(f"field entry_point: {name!r} is not the name of a function")
    try:
        module = ast.parse(prompt + row["canonical_solution"])
    except (SyntaxError, MemoryError) as error:
        raise ValueError(f"field prompt or canonical_solution: not Python together ({error})") from error
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not functions:
        raise ValueError(f"field entry_point: {name} is not defined by the prompt")
    start = functions[-1].lineno - 1
    before = "".join(prompt.splitlines(keepends=True)[:start])  # imports and helpers, which some checks use
    examples = _examples(ast.get_docstring(functions[-1]) or "", name)
    wrong = _CONTRADICTED.get(row["task_id"], ())
    return Task(
        key=row["task_id"],
        statement=prompt.strip("\n"),
        public_tests=tuple(test for test in examples if test.arguments not in wrong),
        private_tests=(AssertTest(f"{before}\n{row['test']}\n\ncheck({name})"),),
        limits=LIMITS,
        entry_point=name,
        references=(Program(prompt + row["canonical_solution"]),),
        metadata={"suite": "humaneval"},
    )


def _examples(docstring: str, name: str) -> Iterator[CallTest]:
    """Examples `name(literals)` with a literal result after an arrow, or on the next line after `>>>`."""
    lines = docstring.split("\n")
    seen: list[tuple[Any, ...]] = []
    for number, line in enumerate(lines):
        for match in re.finditer(rf"(?<![\w.]){name}\(", line):
            for end in (i + 1 for i, c in enumerate(line) if c == ")" and i >= match.end() - 1):
                arguments = _arguments(line[match.start() : end], name)
                if arguments is not None:
                    break
            else:
                continue
            arrow = _ARROW.match(line, end)
            if arrow:
                results = _prefix(line[arrow.end() :])
            elif line.lstrip().startswith(">>>") and not line[end:].strip() and number + 1 < len(lines):
                results = _literal(lines[number + 1])
            else:
                continue
            if results and arguments not in seen:
                seen.append(arguments)
                yield CallTest(arguments, results[0])


def _arguments(text: str, name: str) -> tuple[Any, ...] | None:
    """The literal arguments of a call, None when the text is not one."""
    try:
        call = ast.parse(text, mode="eval").body
        if (
            not isinstance(call, ast.Call)
            or call.keywords
            or not isinstance(call.func, ast.Name)
            or call.func.id != name
        ):
            return None
        return tuple(ast.literal_eval(argument) for argument in call.args)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _literal(text: str) -> tuple[Any] | None:
    try:
        return (ast.literal_eval(text.strip()),)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _prefix(text: str) -> tuple[Any] | None:
    """The literal a line starts with; what follows it must not continue it."""
    for end in range(len(text), 0, -1):
        value = _literal(text[:end])
        if value and (type(value[0]) is not tuple or text.startswith("(")):  # "[1], as lists are" is no tuple
            return value if re.match(r"\s*([.,;#(]|$|and\b|or\b)", text[end:]) else None
    return None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
