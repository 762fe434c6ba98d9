"""Comparisons of a program's output with the expected one. Outputs are hostile bytes: strict, bounded, never evaluated.

Nothing here decodes an output, turns an unbounded token into a number, or keeps more than one token at a time, so a
line of 50 MB, a NUL, a NaN or a number of a million digits costs one pass and is simply right or wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Context, Decimal
from difflib import get_close_matches
from itertools import zip_longest
from typing import Any

from tasks.errors import TaskError

Checker = Callable[[bytes, bytes], bool]
"""(expected, observed) -> accepted."""

TOLERANCE = Decimal("1e-6")
_DECIMAL = re.compile(rb"[+-]?(?:[0-9]{1,350}(?:\.[0-9]{0,350})?|\.[0-9]{1,350})(?:[eE][+-]?[0-9]{1,3})?")
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_EXACT = Context(prec=2100)  # enough for the difference of any two numbers that _DECIMAL lets through


def exact(expected: bytes, observed: bytes) -> bool:
    """Byte for byte."""
    return expected == observed


def tokens(expected: bytes, observed: bytes) -> bool:
    """The same words in the same order, whatever the white space between them; case counts."""
    return all(a == b for a, b in zip_longest(_words(expected), _words(observed)))


def floats(expected: bytes, observed: bytes) -> bool:
    """As `tokens`, but a number may be off by 1e-6, absolute or relative to the expected one.

    The relative tolerance is for expected numbers with a point or an exponent: a large integer is right or wrong.
    """
    return all(a == b or _close(a, b) for a, b in zip_longest(_words(expected), _words(observed)))


CHECKERS: dict[str, Checker] = {"tokens": tokens, "exact": exact, "floats": floats}


def checker(name: str) -> Checker:
    """The comparison of this name. Raises `TaskError` for an unknown one."""
    if name not in CHECKERS:
        close = get_close_matches(name, CHECKERS, 1)
        hint = f'; did you mean "{close[0]}"?' if close else ""
        raise TaskError(f'unknown checker "{name}"{hint}; known: {", ".join(CHECKERS)}')
    return CHECKERS[name]


def same_value(expected: Any, observed: Any, depth: int = 64) -> bool:
    """Whether a returned value equals the expected one, as Python's `==` has it on plain built-in data.

    Only exact built-in types are compared, so no method of a foreign object is ever called.
    """
    if depth == 0:
        return False
    if type(expected) in _PLAIN and type(observed) in _PLAIN:
        return bool(expected == observed)
    if type(expected) is not type(observed):
        return False
    if type(expected) in (list, tuple):
        return len(expected) == len(observed) and all(map(same_value, expected, observed, [depth - 1] * len(expected)))
    if type(expected) is dict:
        return expected.keys() == observed.keys() and all(
            same_value(value, observed[key], depth - 1) for key, value in expected.items()
        )
    return type(expected) in (set, frozenset) and all(type(x) in _PLAIN for x in observed) and expected == observed


def _words(data: bytes) -> Iterator[bytes]:
    return (match.group() for match in re.finditer(rb"[^ \t\n\v\f\r]+", data))


def _close(expected: bytes | None, observed: bytes | None) -> bool:
    if expected is None or observed is None or not (_DECIMAL.fullmatch(expected) and _DECIMAL.fullmatch(observed)):
        return False
    right, given = Decimal(expected.decode()), Decimal(observed.decode())
    scale = max(abs(right), Decimal(1)) if re.search(rb"[.eE]", expected) else Decimal(1)
    return _EXACT.abs(_EXACT.subtract(right, given)) <= _EXACT.multiply(TOLERANCE, scale)
