"""When are two programs the same? Programs are text here: they are parsed, and never run."""

from __future__ import annotations

import ast
import builtins
import warnings

BUILTINS = frozenset(dir(builtins))
LOOKS_UP = frozenset({"eval", "exec", "globals", "locals", "vars"})


def normalised(source: str) -> str:
    """The same text for Python programs that differ in layout, comments, docstrings and names of variables only.

    Variables become v0, v1, ... in the order they appear. Names that something else may refer to stay: functions and
    classes (an entry point, a method), what a class body binds, keywords of calls, builtins, modules, attributes; and
    all names of a program that looks names up by their text. Text that is no Python, or nested too deep to parse, keeps
    its words, with single spaces.

    Source: the de-duplication of rejection-sampling fine-tuning (arXiv 2308.01825), which there compares lists of
    equations, on syntax trees.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes are the author's business
            tree = ast.parse(source)
        _Rename(_variables(tree)).visit(tree)
        return ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return " ".join(source.split())


def _variables(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    others: set[str] = set(BUILTINS)
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if name in LOOKS_UP:
                return set()
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
            case ast.alias(asname=str(name)):
                names.add(name)
            case ast.keyword(arg=str(name)):
                others.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                others.add(name)
            case ast.ClassDef(name=name, body=body):
                inner = (part for statement in body for part in ast.walk(statement))
                others |= {name} | {part.id for part in inner if isinstance(part, ast.Name)}
    return names - others


class _Rename(ast.NodeTransformer):
    """One new name for each old one, everywhere: two programs that come out the same were the same but for names."""

    def __init__(self, bound: set[str]) -> None:
        self._bound, self._names = bound, dict[str, str]()

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("id", "arg", "name", "asname"):
            name = getattr(node, field, None)
            if isinstance(name, str) and name in self._bound and not (isinstance(node, ast.alias) and field == "name"):
                setattr(node, field, self._names.setdefault(name, f"v{len(self._names)}"))
        match node:
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                node.names = [
                    self._names.setdefault(n, f"v{len(self._names)}") if n in self._bound else n for n in names
                ]
            case ast.Module(body=body) | ast.FunctionDef(body=body) | ast.ClassDef(body=body):
                kept = [statement for statement in body if not _is_remark(statement)]
                node.body = kept or [ast.Pass()]
        return super().generic_visit(node)


def _is_remark(statement: ast.stmt) -> bool:
    """A string that stands alone: a docstring, or a comment in disguise."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False
