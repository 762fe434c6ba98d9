"""LeetCodeDataset (Xia et al. 2025, arXiv 2504.14655): methods of `Solution`, with linked lists and trees.

`prompt` comes first: imports, `ListNode`, `TreeNode` and their helpers. Asserts call with keywords; they are read off
and become call tests with plain arguments, lists and trees being built and taken apart by a few lines around the
candidate. The asserts are the statement's own examples and `query` leaves them out, so the first is public and the
others private: five at most, so hard-coding pays and more inputs are worth making.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.program import Limits, Program
from tasks.formats import adapters
from tasks.formats.asserts import called, equality, literal, module, parameters_of, positional
from tasks.formats.rows import OnProblem, Row, read_tasks
from tasks.formats.splitting import distinct, marked, split_of_name, unscored
from tasks.task import AssertTest, CallTest, Task

HOME = "newfacade/LeetCodeDataset"
DEFAULT_SPLIT = "train"
LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=1024)
_MAKERS = {"tree_node": "tree", "list_node": "list"}
_SAME = {"is_same_tree": "tree", "is_same_list": "list"}


def read(path: Path, on_problem: OnProblem | None = None) -> Iterator[Task]:
    """The tasks of a file, in order; see `tasks.formats.rows.read_tasks`."""
    return read_tasks(path, _task, on_problem, HOME, "task_id")


def _task(row: Row) -> Task:
    prompt, completion = row.text("prompt"), row.text("completion")
    entry = row.text("entry_point").replace("()", "")
    if not all(part.isidentifier() for part in entry.split(".")) or entry.count(".") > 1:
        raise ValueError(f"field entry_point: {entry[:80]!r} is no function and no method of a class")
    tree = module("completion", completion)
    parameters = parameters_of(tree, entry.rpartition(".")[2])
    asserts = [node for node in ast.walk(module("test", row.text("test"))) if isinstance(node, ast.Assert)]
    if not asserts:
        raise ValueError("field test: no assert in it; leave the row out")
    read_off = [_call(node, parameters) for node in asserts]
    kinds = {(makers, result) for makers, result, _ in filter(None, read_off)}
    adapter = adapters.plain(entry)
    tests: list[CallTest | AssertTest] = []
    if None in read_off or len(kinds) != 1:  # asserts of another form must run next to the candidate
        call = adapters.call_of(entry)
        tests = [AssertTest(f"candidate = {call}\n{ast.unparse(node)}") for node in asserts]
    else:
        ((makers, result),) = kinds
        tests = [one[2] for one in read_off if one]
        if result or any(makers):
            adapter = adapters.nodes(entry, makers, result)
    statement = row.text("query")
    public, private = distinct(tests[:1], tests[1:])
    meta = row.table("meta", {})
    difficulty = row.fields.get("difficulty", meta.get("difficulty"))
    metadata: dict[str, Any] = {"suite": "leetcode", **split_of_name(row.path)}
    if isinstance(difficulty, str):
        metadata["difficulty"] = difficulty.replace("Meidum", "Medium")  # as some files of record have it
    task = Task(
        key=row.text("task_id"),
        statement=statement,
        public_tests=public,
        private_tests=private,
        limits=LIMITS,
        checker="json",
        entry_point=entry,
        prelude=prompt.strip("\n"),
        adapter=adapter,
        references=(Program(completion),),
        metadata=metadata,
    )
    whole = meta.get("question_title")
    told = statement + "\n" + whole if isinstance(whole, str) else statement
    return marked(task, unscored(told, public, private))


def _call(node: ast.Assert, parameters: list[str]) -> tuple[tuple[str, ...], str, CallTest] | None:
    """Who makes each argument, the kind of the value, and the test in plain data; None for another form."""
    left, result = node.test, ""
    sides = equality(node)
    if sides:
        left, right = sides
    elif isinstance(left, ast.Call) and getattr(left.func, "id", "") in _SAME and len(left.args) == 2:
        result = _SAME[getattr(left.func, "id", "")]
        left, right = left.args
        maker = _maker(right)
        if maker and _MAKERS[maker] == result:
            right = right.args[0]  # type: ignore[attr-defined]
        elif not (isinstance(right, ast.Constant) and right.value is None):
            return None
        else:
            right = ast.List([], ast.Load())
    else:
        return None
    call = called(left, "candidate")
    if call is None:
        return None
    makers: dict[int, str] = {}

    def plain(argument: ast.expr) -> Any:
        maker = _maker(argument)
        makers[id(argument)] = maker
        return literal(argument.args[0]) if maker else literal(argument)  # type: ignore[attr-defined]

    try:
        arguments = positional(call, parameters, plain)
        return tuple(makers.values()), result, CallTest(arguments, literal(right))
    except (ValueError, IndexError):
        return None


def _maker(node: ast.expr) -> str:
    """The prelude's function that makes a list or a tree here; empty for a plain argument."""
    good = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKERS
    return node.func.id if good and len(node.args) == 1 else ""  # type: ignore[attr-defined]
