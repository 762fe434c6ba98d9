"""Plain data as text: how arguments go into a function under test and how its value comes back.

Only exact built-in types pass, so a subclass with its own `__eq__` cannot travel. Floats go as hexadecimal and large
integers as hexadecimal digits: both come back exactly. Depth and number of items are bounded on both sides, because one
of the sides is hostile.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

MAX_DEPTH = 64
MAX_ITEMS = 1_000_000
MAX_SAME_HASH = 1000
"""Keys of one set or dict with the same hash: their number squared is what it costs to look them up."""
_SMALL = 1 << 53
_TO_TAG: dict[type, str] = {tuple: "t", set: "s", frozenset: "z"}
_AS_ITSELF: dict[type, Callable[[Any], Any]] = {
    int: int.__int__, float: float.__float__, complex: complex.__complex__, str: str.__str__, bytes: bytes.__bytes__,
}  # fmt: skip
_FROM_TAG: dict[str, type] = {"t": tuple, "s": set, "z": frozenset}


class NotPlainData(ValueError):
    """The value holds something other than exact built-in types, or is too deep or too large."""


def dumps(value: Any) -> bytes:
    """Text for a value of None, bool, int, float, complex, str, bytes, list, tuple, set, frozenset and dict."""
    return json.dumps(_pack(value, 0, [MAX_ITEMS]), separators=(",", ":")).encode("ascii")


def loads(text: bytes) -> Any:
    """The value of a text made by `dumps`. Raises NotPlainData for anything else."""
    try:
        return _unpack(json.loads(text), 0, [MAX_ITEMS])
    except NotPlainData:
        raise
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as error:
        raise NotPlainData(f"not a value: {error}") from error


def exact(value: Any, depth: int = 0) -> Any:
    """The value with instances of subclasses made into those of the built-in types they extend."""
    if depth > MAX_DEPTH:
        raise NotPlainData(f"deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {exact(key, depth + 1): exact(item, depth + 1) for key, item in value.items()}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(exact(item, depth + 1) for item in value)
    for simple, as_itself in _AS_ITSELF.items():
        if isinstance(value, simple) and type(value) is not bool:
            return as_itself(value)
    return value


def _spend(depth: int, budget: list[int]) -> None:
    budget[0] -= 1
    if depth > MAX_DEPTH:
        raise NotPlainData(f"deeper than {MAX_DEPTH} levels")
    if budget[0] < 0:
        raise NotPlainData(f"more than {MAX_ITEMS} items")


def _pack(value: Any, depth: int, budget: list[int]) -> Any:
    _spend(depth, budget)
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -_SMALL <= value <= _SMALL else {"i": format(value, "x")}
    if kind is float:
        return {"f": value.hex()}
    if kind is complex:
        return {"c": [value.real.hex(), value.imag.hex()]}
    if kind is bytes:
        return {"b": value.hex()}
    if kind is list:
        return [_pack(item, depth + 1, budget) for item in value]
    if kind is dict:
        return {"d": [[_pack(k, depth + 1, budget), _pack(v, depth + 1, budget)] for k, v in value.items()]}
    if kind in _TO_TAG:
        return {_TO_TAG[kind]: [_pack(item, depth + 1, budget) for item in value]}
    raise NotPlainData(f"{kind.__name__} is not plain data")


def _unpack(value: Any, depth: int, budget: list[int]) -> Any:
    _spend(depth, budget)
    if value is None or type(value) in (bool, str, int):
        return value
    if type(value) is list:
        return [_unpack(item, depth + 1, budget) for item in value]
    if type(value) is not dict or len(value) != 1:
        raise NotPlainData("not a tagged value")
    ((tag, content),) = value.items()
    if tag == "i":
        return int(content, 16)
    if tag == "f":
        return float.fromhex(content)
    if tag == "c":
        return complex(float.fromhex(content[0]), float.fromhex(content[1]))
    if tag == "b":
        return bytes.fromhex(content)
    if tag == "d":
        pairs = [(_unpack(key, depth + 1, budget), _unpack(item, depth + 1, budget)) for key, item in content]
        _check_hashes(key for key, _ in pairs)
        return dict(pairs)
    items = [_unpack(item, depth + 1, budget) for item in content]
    if tag != "t":
        _check_hashes(items)
    return _FROM_TAG[tag](items)


def _check_hashes(keys: Iterable[Any]) -> None:
    hashes = Counter(map(hash, keys))
    if hashes and max(hashes.values()) > MAX_SAME_HASH:
        raise NotPlainData(f"more than {MAX_SAME_HASH} keys with the same hash")
