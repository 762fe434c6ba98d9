"""Comparison of a returned value with the expected one. Only exact built-in types are compared, so no method of a
foreign object is ever called; depth is bounded.

The checker of a task says how close values must be: by default as Python's `==` has it; "floats 1e-6" lets floats be
off; "set" asks for the same elements in any order; "json" also takes a tuple for a list and the text of a number for a
key, as a detour through JSON would.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import repeat
from typing import Any

from tasks.checkers import tolerance_of

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_SEQUENCES = (list, tuple)


def same_value(expected: Any, observed: Any, depth: int = 64, *, tolerance: float = 0.0, json: bool = False) -> bool:
    """Whether a returned value equals the expected one, on plain built-in data.

    `tolerance` is for floats, absolute or relative to the expected one. `json` takes tuples for lists and `1` for the
    key `"1"`.
    """
    if depth == 0:
        return False
    deeper = partial(same_value, tolerance=tolerance, json=json)
    if type(expected) in _PLAIN and type(observed) in _PLAIN:
        return bool(expected == observed) or (tolerance > 0 and _close(expected, observed, tolerance))
    if type(expected) in _SEQUENCES and type(observed) in _SEQUENCES and (json or type(expected) is type(observed)):
        return len(expected) == len(observed) and all(map(deeper, expected, observed, repeat(depth - 1)))
    if type(expected) is not type(observed):
        return False
    if type(expected) is dict:
        if json:
            expected, observed = _keys_as_text(expected), _keys_as_text(observed)
        return expected.keys() == observed.keys() and all(
            deeper(value, observed[key], depth - 1) for key, value in expected.items()
        )
    return type(expected) in (set, frozenset) and all(map(_hashable, observed)) and expected == observed


def _hashable(value: Any, depth: int = 8) -> bool:
    """Whether an element of a set is of exact built-in types."""
    if type(value) in (tuple, frozenset):
        return depth > 0 and all(map(_hashable, value, repeat(depth - 1)))
    return type(value) in _PLAIN


def right_value(spec: str, expected: Any, observed: Any) -> bool:
    """Whether a value is right under a task's checker."""
    name, *_ = spec.split()
    if name == "set":
        return _as_set(expected) is not None and same_value(_as_set(expected), _as_set(observed))
    if name not in ("floats", "json"):
        return same_value(expected, observed)
    return same_value(expected, observed, tolerance=float(tolerance_of(spec)), json=name == "json")


def _as_set(value: Any) -> set[Any] | None:
    """A collection as a set; None when it is none or holds what no set can."""
    plain = type(value) in (list, tuple, set, frozenset) and all(map(_hashable, value))
    return set(value) if plain else None


def _close(expected: Any, observed: Any, tolerance: float) -> bool:
    if float not in (type(expected), type(observed)) or not all(type(x) in (int, float) for x in (expected, observed)):
        return False
    try:
        if math.isnan(expected) and math.isnan(observed):
            return True
        return math.isfinite(expected) and abs(expected - observed) <= tolerance * max(1.0, abs(expected))
    except OverflowError:
        return False


def _keys_as_text(value: dict[Any, Any]) -> dict[Any, Any]:
    """Keys as JSON has them; those that it cannot have stay as they are."""
    return {_key_as_text(key): item for key, item in value.items()}


def _key_as_text(key: Any) -> Any:
    if type(key) in (bool, type(None)):
        return {True: "true", False: "false", None: "null"}[key]
    if type(key) is int:
        return str(key) if abs(key) < 1 << 4096 else key  # longer ones take too long to write
    return repr(key) if type(key) is float else key
