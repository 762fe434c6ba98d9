"""Comparisons of a program's output with the expected one. Outputs are hostile bytes: strict, bounded, never evaluated.

A comparison is named by a text: its name and its parameters, as in "floats 1e-4" or "kattis case_sensitive". Nothing
here decodes an output, turns an unbounded token into a number, or keeps more than one token at a time, so a line of
50 MB, a NUL, a NaN or a number of a million digits costs one pass and is simply right or wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Context, Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cache, partial
from itertools import zip_longest
from typing import Any

from tasks.errors import TaskError

Checker = Callable[[bytes, bytes], bool]
"""(expected, observed) -> accepted."""

TOLERANCE = Decimal("1e-6")
_DECIMAL = re.compile(rb"[+-]?(?:[0-9]{1,350}(?:\.[0-9]{0,350})?|\.[0-9]{1,350})(?:[eE][+-]?[0-9]{1,3})?")
_EXACT = Context(prec=2100)  # enough for the difference of any two numbers that _DECIMAL lets through
_SPACE = rb" \t\n\v\f\r"
_CASE = re.compile(rb"(?m)^[ \t]*Case #(\d{1,9}):")
_KATTIS_TOLERANCES = {
    "float_tolerance": ("absolute", "relative"),
    "float_absolute_tolerance": ("absolute",),
    "float_relative_tolerance": ("relative",),
}


def exact(expected: bytes, observed: bytes) -> bool:
    """Byte for byte."""
    return expected == observed


def tokens(expected: bytes, observed: bytes) -> bool:
    """The same words in the same order, whatever the white space between them; case counts."""
    return all(a == b for a, b in zip_longest(_words(expected), _words(observed)))


def floats(expected: bytes, observed: bytes, tolerance: Decimal = TOLERANCE) -> bool:
    """As `tokens`, but a number may be off by `tolerance`, absolute or relative to the expected one.

    The relative tolerance is for expected numbers with a point or an exponent: a large integer is right or wrong.
    """
    near = partial(_close, absolute=tolerance, relative=tolerance)
    return all(a == b or near(a, b) for a, b in zip_longest(_words(expected), _words(observed)))


def kattis(
    expected: bytes,
    observed: bytes,
    case_sensitive: bool = False,
    space_change_sensitive: bool = False,
    absolute: Decimal | None = None,
    relative: Decimal | None = None,
) -> bool:
    """The rules of Kattis' default validator: words in order; case and white space count only when asked.

    With a tolerance, a number may be off by it. Two deliberate differences from the program of record
    (`problemtools`): the relative tolerance is not for expected integers, since a large wrong integer would pass; and
    `nan`, `inf` and hexadecimal digits are words, not numbers.
    """

    def same(a: bytes | None, b: bytes | None) -> bool:
        if a is None or b is None:
            return a is b
        return a == b or (not case_sensitive and a.lower() == b.lower()) or _close(a, b, absolute, relative)

    if space_change_sensitive and not all(a == b for a, b in zip_longest(_gaps(expected), _gaps(observed))):
        return False
    return all(same(a, b) for a, b in zip_longest(_words(expected), _words(observed)))


CHECKERS: dict[str, Checker] = {"tokens": tokens, "exact": exact, "floats": floats, "kattis": kattis}
VALUE_ONLY = ("json", "set")
"""Comparisons of returned values (`tasks.values`) that do not apply to printed output."""


@cache
def checker(spec: str) -> Checker:
    """The comparison a text names. Raises `TaskError` for an unknown one or a bad parameter."""
    name, *parameters = spec.split() or [""]
    if name == "cases":
        return checker(" ".join(parameters) or "tokens")
    if name in VALUE_ONLY:
        tolerance_of(spec)
        return tokens
    if name not in CHECKERS:
        known = [*CHECKERS, *VALUE_ONLY, "cases"]
        close = get_close_matches(name, known, 1)
        hint = f'; did you mean "{close[0]}"?' if close else ""
        raise TaskError(f'unknown checker "{name}"{hint}; known: {", ".join(known)}')
    if name == "kattis":
        return partial(kattis, **_kattis_flags(parameters))
    if name == "floats":
        return partial(floats, tolerance=tolerance_of(spec))
    if parameters:
        raise TaskError(f'checker "{spec}": {name} takes no parameter; write "{name}"')
    return CHECKERS[name]


def tolerance_of(spec: str) -> Decimal:
    """The tolerance in "floats 1e-4"; 1e-6 when there is none."""
    name, *parameters = spec.split()
    if len(parameters) > 1:
        raise TaskError(f'checker "{spec}": one tolerance is enough; write "{name} {parameters[0]}"')
    return _tolerance(spec, parameters[0]) if parameters else TOLERANCE


def share_of_cases(spec: str, expected: bytes, observed: bytes) -> float:
    """For a checker "cases ...": the share of the expected "Case #k:" answers that the output has right, from 0 to 1.

    1 only when the whole output is right. A case that the output gives twice is wrong. Other checkers: 1 or 0.
    """
    if checker(spec)(expected, observed):
        return 1.0
    name, _, rest = spec.partition(" ")
    wanted = _cases(expected) if name == "cases" else {}
    if not wanted:
        return 0.0
    compare, given = checker(rest or "tokens"), _cases(observed, set(wanted))
    right = sum(bool(text) and compare(text, given.get(number, b"")) for number, text in wanted.items())
    return min(right, len(wanted) - 1) / len(wanted)


def _cases(text: bytes, wanted: set[int] | None = None) -> dict[int, bytes]:
    """Text of each case by number; repeated ones are empty. At most those `wanted` are kept."""
    found: dict[int, bytes] = {}
    begun: tuple[int, int] | None = None
    for match in (*_CASE.finditer(text), None):
        if begun is not None:
            number, start = begun
            found[number] = b"" if number in found else text[start : match.start() if match else len(text)]
        begun = None
        if match and (wanted is None or int(match[1]) in wanted):
            begun = int(match[1]), match.start()
    return found


def _words(data: bytes) -> Iterator[bytes]:
    return (match.group() for match in re.finditer(rb"[^" + _SPACE + rb"]+", data))


def _gaps(data: bytes) -> Iterator[bytes]:
    return (match.group() for match in re.finditer(rb"^[" + _SPACE + rb"]*|[" + _SPACE + rb"]+", data))


def _close(expected: bytes | None, observed: bytes | None, absolute: Decimal | None, relative: Decimal | None) -> bool:
    if expected is None or observed is None or (absolute is None and relative is None):
        return False
    if not (_DECIMAL.fullmatch(expected) and _DECIMAL.fullmatch(observed)):
        return False
    right, given = Decimal(expected.decode()), Decimal(observed.decode())
    off = _EXACT.abs(_EXACT.subtract(right, given))
    if off == 0 or (absolute is not None and off <= absolute):
        return True
    decimal = re.search(rb"[.eE]", expected) is not None
    return decimal and relative is not None and off <= _EXACT.multiply(relative, _EXACT.abs(right))


def _kattis_flags(flags: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    rest = iter(flags)
    for flag in rest:
        if flag in ("case_sensitive", "space_change_sensitive"):
            found[flag] = True
        elif flag in _KATTIS_TOLERANCES:
            value = _tolerance(f"kattis {' '.join(flags)}", next(rest, ""))
            found |= dict.fromkeys(_KATTIS_TOLERANCES[flag], value)
        else:
            known = ", ".join(["case_sensitive", "space_change_sensitive", *_KATTIS_TOLERANCES])
            raise TaskError(f'unknown validator flag "{flag}"; known: {known}')
    return found


def _tolerance(spec: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not (len(text) < 40 and value.is_finite() and 0 <= value <= 1):
        raise TaskError(f'checker "{spec}": "{text[:40]}" is no tolerance; write a number from 0 to 1, such as 1e-6')
    return value
