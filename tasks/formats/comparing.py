"""How outputs are to be compared, read off a statement and its answers, for formats that do not say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sandbox.program import Limits
from tasks.formats.rows import checked
from tasks.task import StdioTest

SLOWER = 3.0
"""Time limits of contests are set for compiled programs; a Python program gets so many times as much."""
_ERROR = re.compile(
    r"\b(?:relative|absolute)\s+(?:or\s+\w+\s+)?(?:error|precision|difference)"
    r"|\berror\s+(?:of|is|should|must|does|at)\b[^.]{0,60}10|\bprecision\s+of\b",
    re.IGNORECASE,
)
_POWER = re.compile(
    r"\b1e\s*[-−–]\s*(\d{1,2})\b|\b10\s*\^?\s*[{(]?\s*[-−–]\s*(\d{1,2})\b|\b0\.(0{1,11})1\b", re.IGNORECASE
)
_ANY_CASE = re.compile(
    r"\b(?:any|either|upper\s+or\s+lower|lower\s+or\s+upper)[ -](?:case|register)\b|\bcase[ -]insensitive\b",
    re.IGNORECASE,
)
_WORDS = frozenset({"yes", "no", "possible", "impossible", "true", "false"})


def checker_for(statement: str, tests: Iterable[StdioTest]) -> str:
    """A Kattis comparison: numbers with tolerance where the statement grants one, any case where it or the answers do.

    Case does not count when the statement says so, or when the only words in the answers are those of yes and no.
    """
    flags = []
    if not _ANY_CASE.search(statement) and not _only_yes_and_no(tests):
        flags.append("case_sensitive")
    if _ERROR.search(statement):
        flags.append(f"float_tolerance {tolerance(statement)}")
    return " ".join(["kattis", *flags])


def tolerance(statement: str) -> str:
    """The error a statement allows: the first small power of ten after it speaks of one; 1e-6 when there is none."""
    about = _ERROR.search(statement)
    found = _POWER.search(statement, about.start() if about else 0)
    digits = next((int(part) for part in found.groups()[:2] if part), 0) if found else 0
    if found and found[3]:
        digits = len(found[3]) + 1
    return f"1e-{digits}" if 1 <= digits <= 12 else "1e-6"


def limits_of(seconds: float | None, memory_bytes: int | None) -> Limits:
    """Limits for a Python program from those of a contest; unknown ones (None or 0) get generous defaults."""
    cpu = min(max(seconds * SLOWER, 3.0), 60.0) if seconds else 10.0
    memory = min(max(memory_bytes >> 20, 256), 1024) if memory_bytes else 1024
    return Limits(wall_s=3 * cpu, cpu_s=cpu, memory_mb=memory, output_bytes=4 << 20)


def _only_yes_and_no(tests: Iterable[StdioTest]) -> bool:
    words = {word.lower() for test in tests for word in re.findall(r"[^\W\d_]+", test.output[:10_000])}
    return bool(words) and words <= _WORDS


def stdio_tests(name: str, inputs: Sequence[object], outputs: Sequence[object]) -> list[StdioTest]:
    """Tests of parallel lists. An input or output may be a list of lines; every input ends with a newline.

    Raises ValueError when the lists differ in length or hold something else.
    """
    if len(inputs) != len(outputs):
        raise ValueError(f"field {name}: {len(inputs)} inputs but {len(outputs)} outputs; each input needs its output")
    return [
        StdioTest(_ended(_lines(f"{name} input {i}", a)), _ended(_lines(f"{name} output {i}", b)))
        for i, (a, b) in enumerate(zip(inputs, outputs, strict=True), 1)
    ]


def _lines(name: str, value: object) -> str:
    if isinstance(value, list):
        value = "\n".join(_lines(name, line) for line in value)
    return checked(name, value)


def _ended(text: str) -> str:
    text = text.replace("\r\n", "\n")
    return text if text.endswith("\n") or not text else text + "\n"
