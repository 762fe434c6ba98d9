"""Source put after a candidate that turns its value into plain data, as `==` in a data set's assert would see it.

It runs in the candidate's process and knows no answer, so a candidate that tampers with it can only change its own
value. The comparison stays outside.
"""

from __future__ import annotations

from collections.abc import Sequence

IMPORTS = """\
from typing import *
from functools import *
from collections import *
from itertools import *
from heapq import *
from bisect import *
from string import *
from operator import *
from math import *
import bisect, collections, copy, datetime, functools, heapq, itertools, math, operator, random, re, string, sys
inf = float("inf")
"""
"""What LeetCode puts before every program; its starter code takes it for granted."""

_PLAIN = """
def _plain(value, depth=64):
    if depth and isinstance(value, dict):
        return {_plain(key, depth - 1): _plain(item, depth - 1) for key, item in value.items()}
    for kind in (list, tuple, set, frozenset):
        if depth and isinstance(value, kind):
            return kind(_plain(item, depth - 1) for item in value)
    for kind in (int, float, str, bytes):
        if isinstance(value, kind) and type(value) not in (kind, bool):
            return kind(value)
    return value
"""
_NODES = """
def _values(node):
    found = []
    while node is not None and len(found) < 100000:
        found.append(_plain(node.val))
        node = node.next
    return found
def _levels(root):
    found, queue = [], [root] if root is not None else []
    for node in queue:
        found.append(None if node is None else _plain(node.val))
        if node is not None and len(queue) < 200000:
            queue += [node.left, node.right]
    while found and found[-1] is None:
        found.pop()
    return found
"""


def plain(entry_point: str, generators: bool = False) -> str:
    """An adapter that makes built-in values of their subclasses (`Counter`, named tuples); lists of generators."""
    value = f"{call_of(entry_point)}(*arguments)"
    body = f"    value = {value}\n"
    if generators:
        body += "    if hasattr(value, '__next__'):\n        value = list(value)\n"
    return f"{_PLAIN}def adapted(*arguments):\n{body}    return _plain(value)\n"


def nodes(entry_point: str, makers: Sequence[str], result: str) -> str:
    """An adapter for functions of linked lists and trees.

    Args:
        makers: for each argument, the prelude's function that makes it of a list ("" for a plain argument).
        result: "list", "tree", or "" for a plain value.
    """
    names = [f"a{i}" for i in range(len(makers))]
    given = ", ".join(f"{maker}({name})" if maker else name for name, maker in zip(names, makers, strict=True))
    turn = {"list": "_values", "tree": "_levels", "": "_plain"}[result]
    value = f"{turn}({call_of(entry_point)}({given}))"
    return f"{_PLAIN}{_NODES}def adapted({', '.join(names)}):\n    return {value}\n"


def call_of(entry_point: str) -> str:
    """The expression that is called: "Solution().f" for "Solution.f"."""
    head, _, method = entry_point.rpartition(".")
    return f"{head}().{method}" if head else method
