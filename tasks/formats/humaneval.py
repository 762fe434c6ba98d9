"""HumanEval (Chen et al. 2021, arXiv 2107.03374): `HumanEval.jsonl.gz`, one function to complete per line.

Public tests are the examples of the docstring whose two sides are plain literals, but for the few that the references
contradict; the private test is the row's `check(candidate)`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.program import Limits, Program
from tasks.formats.asserts import module
from tasks.formats.rows import OnProblem, Row, read_tasks
from tasks.task import AssertTest, CallTest, Task

HOME = "the repository openai/human-eval"
DEFAULT_SPLIT = "test"
LIMITS = Limits(wall_s=10.0, cpu_s=5.0, memory_mb=512)
_LONGEST_DOCSTRING, _LONGEST_LINE = 10_000, 400
_ARROW = re.compile(r"\s*(?:#\s*)?(?:[-=]+>|==|➞|→|=|(?:should |will |would )?returns?|should be(?: equal to)?|is)\s*")
# Examples of the published docstrings that the published tests and references contradict; feedback from them misleads.
_CONTRADICTED: dict[str, tuple[tuple[Any, ...], ...]] = {
    "HumanEval/47": (([-10, 4, 6, 1000, 10, 20],),),
    "HumanEval/116": (([1, 5, 2, 3, 4],), ([-2, -3, -4, -5, -6],)),
    "HumanEval/130": ((1,), (2,), (4,)),
    "HumanEval/148": (("Earth", "Mercury"),),
}


def read(path: Path, on_problem: OnProblem | None = None) -> Iterator[Task]:
    """The tasks of a file, in its order.

    Args:
        path: `HumanEval.jsonl` or `HumanEval.jsonl.gz`.
        on_problem: receives one line (file, row, field, reason, remedy) for each row that cannot be read; without it
            the first such row raises.

    Raises:
        TaskError: the file cannot be opened or is cut off.
    """
    return read_tasks(path, _task, on_problem, HOME, "task_id")


def docstring_examples(key: str, docstring: str, name: str) -> list[CallTest]:
    """Examples of a docstring, but for those that the references contradict."""
    wrong = _CONTRADICTED.get(key, ())
    return [test for test in _examples(docstring, name) if test.arguments not in wrong]


def _task(row: Row) -> Task:
    """The task of a row. Raises `ValueError` with field, reason and remedy."""
    prompt, name, solution = row.text("prompt"), row.text("entry_point"), row.text("canonical_solution")
    key, test = row.text("task_id"), row.text("test")
    if not name.isidentifier():
        raise ValueError(f"field entry_point: {name!r} is not the name of a function")
    tree = module("prompt or canonical_solution", prompt + solution)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not functions:
        raise ValueError(f"field entry_point: {name} is not defined by the prompt")
    start = functions[-1].lineno - 1
    before = "".join(prompt.splitlines(keepends=True)[:start])  # imports and helpers, which some checks use
    return Task(
        key=key,
        statement=prompt.strip("\n"),
        public_tests=tuple(docstring_examples(key, ast.get_docstring(functions[-1]) or "", name)),
        private_tests=(AssertTest(f"{before}\n{test}\n\ncheck({name})"),),
        limits=LIMITS,
        entry_point=name,
        references=(Program(prompt + solution),),
        metadata={"suite": "humaneval"},
    )


def _examples(docstring: str, name: str) -> Iterator[CallTest]:
    """Examples `name(literals)` with a literal result after an arrow, or on the next line after `>>>`."""
    lines = docstring[:_LONGEST_DOCSTRING].split("\n")
    seen: list[tuple[Any, ...]] = []
    for number, line in enumerate(lines):
        if len(line) > _LONGEST_LINE:
            continue
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
