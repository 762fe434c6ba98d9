"""MBPP (Austin et al. 2021, arXiv 2108.07732): small functions; `mbpp.jsonl`, `sanitized-mbpp.json`.

The first assert is public and stands in the statement, since only asserts name the function; the others and the
challenge tests are private. Nearly all asserts compare a call with a literal and become call tests; the rest run next
to the candidate. Classes that tests use and only the reference defines are given in the statement and before the
tests. Splits are those of the paper: task ids 1-10 prompt, 11-510 test, 511-600 validation, 601-974 train.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandbox.program import Limits, Program
from tasks.formats import adapters
from tasks.formats.asserts import call_test, module
from tasks.formats.rows import OnProblem, Row, read_tasks
from tasks.formats.splitting import distinct, huge, marked
from tasks.task import AssertTest, CallTest, Task

HOME = "google-research/mbpp"
DEFAULT_SPLIT = "train"
LIMITS = Limits(wall_s=20.0, cpu_s=5.0, memory_mb=512)


def read(path: Path, on_problem: OnProblem | None = None) -> Iterator[Task]:
    """The tasks of a file, in order; see `tasks.formats.rows.read_tasks`."""
    return read_tasks(path, _task, on_problem, HOME, "task_id")


def split_of(number: int) -> str:
    """The paper's split of a task id."""
    return "prompt" if number <= 10 else "test" if number <= 510 else "validation" if number <= 600 else "train"


def _task(row: Row) -> Task:
    number = row.integer("task_id")
    wanted = row.text("text" if "text" in row else "prompt").strip()
    code = clean(row.text("code"))
    asserts = row.texts("test_list") + row.texts("challenge_test_list", [])
    setup = clean("\n".join([*row.texts("test_imports", []), row.text("test_setup_code", "")])).strip()
    return mbpp_task(f"MBPP/{number}", wanted, code, asserts, setup, {"suite": "mbpp", "split": split_of(number)})


def mbpp_task(
    key: str,
    wanted: str,
    code: str,
    asserts: Sequence[str],
    setup: str,
    metadata: dict[str, str],
    more: Sequence[CallTest] = (),
    checker: str = "tokens",
) -> Task:
    """A task from asserts; `more` are further private tests. Raises `ValueError` with field, reason and remedy."""
    tree = module("code", code)
    if not asserts:
        raise ValueError("field test_list: no assert in it; leave the row out")
    name = entry_point(tree, asserts)
    given = _given(tree, code, name, [*asserts, setup])
    tests = [_test(text, name, "\n\n".join(filter(None, (given, setup)))) for text in asserts]
    first = next((i for i, test in enumerate(tests) if not huge(test)), 0)
    public, private = distinct([tests[first]], [*tests[:first], *tests[first + 1 :], *more])
    statement = f"{wanted}\n\nYour function must pass this test:\n{asserts[first].strip()}"
    if given:
        statement += f"\n\nThis is defined already:\n{given}"
    task = Task(
        key=key,
        statement=statement,
        public_tests=public,
        private_tests=private,
        limits=LIMITS,
        checker=checker,
        entry_point=name,
        prelude=given,
        adapter=adapters.plain(name),
        references=(Program(code),),
        metadata=metadata,
    )
    return marked(task, "" if private else "no private test: the statement shows them all")


def clean(code: str) -> str:
    """Source with the line ends of Python; most of MBPP has those of Windows."""
    return code.replace("\r\n", "\n").replace("\r", "\n")


def entry_point(tree: ast.Module, asserts: Sequence[str]) -> str:
    """The function that the asserts call: the only place that names it."""
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    defined |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for text in asserts:
        for node in ast.walk(module("test_list", clean(text))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in defined:
                return node.func.id
    raise ValueError("field test_list: calls no function that field code defines; mend one of them")


def _test(text: str, name: str, setup: str) -> CallTest | AssertTest:
    body = module("test_list", clean(text)).body
    found = call_test(body[0], name) if len(body) == 1 and not setup else None
    return found or AssertTest("\n\n".join(filter(None, (setup, clean(text).strip()))))


def _given(tree: ast.Module, code: str, name: str, tests: Sequence[str]) -> str:
    """Source of what tests use besides the entry point and only the reference defines (`Pair`, `Node`)."""
    used = {
        node.id for text in tests for node in ast.walk(module("test_list", clean(text))) if isinstance(node, ast.Name)
    }
    used -= {name, *dir(builtins)}
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in used]
    return "\n\n".join(ast.get_source_segment(code, node) or "" for node in found)
