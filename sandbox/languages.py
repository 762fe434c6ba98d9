"""How each language is compiled and started.

A language is one row: its source file, how to compile it (or not), how to start it, how long the compiler may take. Add
a row and the toolchain in the image, nothing else changes. `{source}` and `{binary}` are paths
inside the slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Language:
    """One row of the table. `run` is None for Python, whose interpreter the runner starts itself."""

    file_name: str
    compile: tuple[str, ...] | None = None
    run: tuple[str, ...] | None = None
    compile_wall_s: float = 30.0
    compile_memory_mb: int = 1024
    stack_mb: int | None = None
    """Stack of the main thread in mebibytes; as much as the memory limit leaves room for when None."""

    def spec(self) -> dict[str, Any]:
        """The row as plain data for the runner."""
        return dict(vars(self))


LANGUAGES: dict[str, Language] = {
    "python": Language(file_name="solution.py", stack_mb=64),
    # The image holds bits/stdc++.h compiled ahead with these flags (docker/Dockerfile, docker/image.sh).
    "cpp": Language(
        file_name="solution.cpp",
        compile=("/usr/bin/g++", "-std=c++17", "-O2", "-pipe", "-o", "{binary}", "{source}"),
        run=("{binary}",),
    ),
    "c": Language(
        file_name="solution.c",
        compile=("/usr/bin/gcc", "-std=c17", "-O2", "-pipe", "-o", "{binary}", "{source}", "-lm"),
        run=("{binary}",),
    ),
}
