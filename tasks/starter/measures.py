"""How hard a program looks: what can be counted in its text. What a model makes of it is measured, not counted
(`benchmarks/starter_levels.py`)."""

from __future__ import annotations

import ast

BRANCHES = (ast.If, ast.IfExp, ast.While, ast.BoolOp)
LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def measures(source: str) -> dict[str, int]:
    """Lines, branches (conditions, those of comprehensions included) and depth of nested loops of a Python program."""
    tree = ast.parse(source)
    return {
        "lines": sum(bool(line.strip()) for line in source.split("\n")),
        "branches": sum(isinstance(n, BRANCHES) + len(getattr(n, "ifs", ())) for n in ast.walk(tree)),
        "loop_depth": _depth(tree),
    }


def _depth(node: ast.AST) -> int:
    inner = max(map(_depth, ast.iter_child_nodes(node)), default=0)
    return inner + isinstance(node, LOOPS)
