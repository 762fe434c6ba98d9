"""HumanEval+ and MBPP+ (Liu et al. 2023, arXiv 2305.01210): the same functions with many more tests.

Three layouts are told apart by their fields. `HumanEvalPlus-OriginFmt`: the inputs and results stand in the text of
`test` and are read off it, not run; public are the examples of the docstring. `HumanEvalPlus-NoExtreme` and its
siblings hold inputs only (`base_input` public, `plus_input` private); the answers are what the canonical solution
returns, so a sandbox is needed. `MbppPlus-OriginFmt`: `test_list` is public, the inputs and results of `test` private.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.program import Limits, Program
from tasks.formats import adapters
from tasks.formats.asserts import literal, module
from tasks.formats.humaneval import docstring_examples
from tasks.formats.mbpp import clean, mbpp_task, split_of
from tasks.formats.oracle import answered
from tasks.formats.rows import OnProblem, Row, read_tasks
from tasks.formats.splitting import distinct, marked
from tasks.judge import Box
from tasks.task import CallTest, Task

HOME = "evalplus/humanevalplus_release or evalplus/mbppplus_release"
DEFAULT_SPLIT = "test"
LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=1024)


def read(path: Path, on_problem: OnProblem | None = None, box: Box | None = None) -> Iterator[Task]:
    """The tasks of a file, in order; see `tasks.formats.rows.read_tasks`.

    `box` answers inputs that come without results; without it such rows are problems.
    """
    return read_tasks(path, partial(_task, box=box), on_problem, HOME, "task_id")


def _task(row: Row, box: Box | None) -> Task:
    if "test_list" in row:
        return _mbpp(row, box)
    prompt, name, solution = row.text("prompt"), row.text("entry_point"), row.text("canonical_solution")
    program = Program(prompt + solution)
    tree = module("prompt or canonical_solution", program.source)
    function = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name), None)
    if function is None:
        raise ValueError(f"field entry_point: {name[:80]} is not defined by the prompt")
    before = "".join(prompt.splitlines(keepends=True)[: function.lineno - 1])
    if "plus_input" in row:
        cases = [_arguments(row, field) for field in ("base_input", "plus_input")]
        shown, hidden = (answered(program, name, inputs, box, LIMITS, "plus_input") for inputs in cases)
        absolute = row.fields.get("atol") or 0
    else:
        hidden, absolute = _read_off(row, name, program, box)
        shown = docstring_examples(row.text("task_id"), ast.get_docstring(function) or "", name)
    public, private = distinct(shown, hidden)
    task = Task(
        key=row.text("task_id"),
        statement=prompt.strip("\n"),
        public_tests=public,
        private_tests=private,
        limits=LIMITS,
        checker=_checker(absolute),
        entry_point=name,
        prelude=before.strip("\n"),
        adapter=adapters.plain(name),
        references=(program,),
        metadata={"suite": "evalplus"},
    )
    return marked(task, "" if private else "no private test")


def _mbpp(row: Row, box: Box | None) -> Task:
    value = row.fields.get("task_id")
    number = value if isinstance(value, int) else int(re.sub(r"\D", "", row.text("task_id")) or 0)
    code = clean(row.text("code"))
    asserts = row.texts("test_list")
    setup = clean("\n".join(row.texts("test_imports", []))).strip()
    base = mbpp_task(f"MBPP/{number}", row.text("prompt").strip(), code, asserts, setup, {"suite": "evalplus"})
    if not base.entry_point:
        raise ValueError("field test_list: calls no function")
    more, absolute = _read_off(row, base.entry_point, Program(code), box)
    public, private = distinct((*base.public_tests, *base.private_tests), more)
    shown = "\n".join(text.strip() for text in asserts)
    task = Task(
        **{name: getattr(base, name) for name in ("key", "entry_point", "prelude", "adapter", "references")},
        statement=base.statement.replace(f"this test:\n{asserts[0].strip()}", f"these tests:\n{shown}"),
        public_tests=public,
        private_tests=private,
        limits=LIMITS,
        checker=_checker(absolute, as_sets="out = set(out)" in row.text("test")),
        metadata={"suite": "evalplus", "mbpp_split": split_of(number)},
    )
    return marked(task, "" if private else "no private test")


def _read_off(row: Row, name: str, program: Program, box: Box | None) -> tuple[list[CallTest], float]:
    """Tests and absolute tolerance in the text of `test`, which assigns inputs and results as literals."""
    found: dict[str, Any] = {}
    absolute = 0.0
    for node in ast.walk(module("test", row.text("test"))):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target = node.targets[0].id
            if target in ("inputs", "results"):
                try:
                    found[target] = literal(node.value)
                except ValueError as error:
                    raise ValueError(f"field test: its {target} are no literals ({error})") from error
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "assertion" and len(node.args) == 3:
            tolerance = node.args[2]
            absolute = tolerance.value if isinstance(tolerance, ast.Constant) else 0.0  # type: ignore[assignment]
    inputs = found.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(one, list | tuple) for one in inputs):
        raise ValueError("field test: assigns no list of inputs; is the row in another layout?")
    if "results" not in found:  # a few rows compare with a reference function instead
        return answered(program, name, inputs, box, LIMITS, "test"), absolute
    if not isinstance(found["results"], list) or len(found["results"]) != len(inputs):
        raise ValueError("field test: inputs and results differ in length")
    return [CallTest(tuple(a), b) for a, b in zip(inputs, found["results"], strict=True)], absolute


def _arguments(row: Row, name: str) -> list[Any]:
    cases = row.items(name)
    if not all(isinstance(case, list) for case in cases):
        raise ValueError(f"field {name}: a list of lists of arguments is expected")
    return cases


def _checker(absolute: Any, as_sets: bool = False) -> str:
    """Evalplus compares floats with 1e-6 at least, and results of some tasks as sets."""
    value = absolute if isinstance(absolute, int | float) and 0 < absolute <= 1 else 1e-6
    return "set" if as_sets else f"floats {value:g}"
