"""Asserts read, not run: `assert f(literals) == literal` says what a call test says, and a call test cannot be forged.

Whatever an assert says in another form stays test code (`tasks.asserting`).
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tasks.task import CallTest

_NUMBERS = {"inf": float("inf"), "nan": float("nan")}


def module(name: str, source: str) -> ast.Module:
    """The syntax tree of a field. Raises `ValueError` that names the field when it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in the texts of others
            return ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(f"field {name}: not Python ({error})") from error


def literal(node: ast.expr) -> Any:
    """The value of a literal, `inf` and `nan` included. Raises `ValueError` when the node is none."""
    if isinstance(node, ast.Name) and node.id in _NUMBERS:
        return _NUMBERS[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Name):
        return -literal(node.operand)
    if isinstance(node, ast.List | ast.Tuple):
        kind: Callable[[list[Any]], Any] = list if isinstance(node, ast.List) else tuple
        return kind([literal(item) for item in node.elts])
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {literal(key): literal(item) for key, item in zip(node.keys, node.values, strict=True) if key}
    try:
        return ast.literal_eval(node)
    except (TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(str(error)) from error


def equality(statement: ast.stmt) -> tuple[ast.expr, ast.expr] | None:
    """Both sides of `assert left == right`; None for another statement."""
    test = statement.test if isinstance(statement, ast.Assert) else None
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq | ast.Is):
        if isinstance(test.ops[0], ast.Is) and not _is_constant(test.comparators[0]):
            return None
        return test.left, test.comparators[0]
    return None


def called(node: ast.expr, name: str) -> ast.Call | None:
    """The node, if it is a call of the function `name`."""
    good = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    return node if good else None  # type: ignore[return-value]


def positional(
    call: ast.Call, parameters: Sequence[str], value: Callable[[ast.expr], Any] = literal
) -> tuple[Any, ...]:
    """Arguments of a call in the order of the function's parameters, keywords included. Raises `ValueError`."""
    given = [value(argument) for argument in call.args]
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    for parameter in parameters[len(given) :]:
        if parameter not in named:
            break
        given.append(value(named.pop(parameter)))
    if named:
        raise ValueError("its keywords are not the function's first parameters")
    return tuple(given)


def call_test(statement: ast.stmt, name: str, parameters: Sequence[str] = ()) -> CallTest | None:
    """The call test that an assert about the function `name` amounts to; None when it says something else."""
    sides = equality(statement)
    call = called(sides[0], name) if sides else None
    if call is None or sides is None:
        return None
    try:
        return CallTest(positional(call, parameters), literal(sides[1]))
    except ValueError:
        return None


def parameters_of(tree: ast.AST, name: str) -> list[str]:
    """Names of a function's positional parameters, `self` left out; empty when it is not defined."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return [arg.arg for arg in (*node.args.posonlyargs, *node.args.args) if arg.arg != "self"]
    return []


def defines(tree: ast.Module, name: str) -> bool:
    """Whether a module has a function of this name."""
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body)


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))
