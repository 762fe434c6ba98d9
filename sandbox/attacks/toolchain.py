"""Attacks through the compiler and in machine code: what is read, written and taken before a program even runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.attacks.attack import Attack, text
from sandbox.program import Execution, Limits, Status


def _shows_users(executions: Sequence[Execution]) -> bool:
    return any(b"root:" in execution.stdout + execution.stderr for execution in executions)


def _no_such_file(protections: Mapping[str, Any]) -> str:
    return "" if protections["backend"] == "docker" else "the root of this slot has no file that only root may read"


def _reads_the_input(executions: Sequence[Execution]) -> bool:
    return any(b"5f1e0c7a93d84be2" in execution.stdout + execution.stderr for execution in executions)


def _compiled(executions: Sequence[Execution]) -> bool:
    return any(execution.status is not Status.COMPILE_ERROR for execution in executions)


TOOLCHAIN: tuple[Attack, ...] = (
    Attack(
        "compiler-reads-a-private-file",
        '#include "/etc/shadow"\nint main() {}\n',
        off=("uid",),
        succeeded=_shows_users,
        skip_control=_no_such_file,
        language="cpp",
    ),
    Attack(
        "compiler-reads-the-input",
        '#include "/dev/stdin"\nint main() {}\n',
        no_control="an input reaches a slot's runner only, and the compiler's own input is empty",
        inputs=(b"5f1e0c7a93d84be2\n",),
        succeeded=_reads_the_input,
        language="cpp",
    ),
    Attack(
        "compiler-writes-a-huge-file",
        text("""
            asm(".data; .fill 400000000, 1, 1; .text");
            int main() {}
        """),
        no_control="the areas are file systems of fixed size",
        succeeded=_compiled,
        language="cpp",
    ),
    Attack(
        "huge-static-array",
        text("""
            #include <cstdio>
            #include <cstring>
            static char field[400 << 20];
            int main() { memset(field, 1, sizeof field); puts("ESCAPED"); }
        """),
        off=("memory",),
        limits=Limits(wall_s=5.0, memory_mb=64),
        language="cpp",
    ),
    Attack(
        "program-that-changes-itself",
        text("""
            #include <cstdio>
            #include <fcntl.h>
            #include <unistd.h>
            int main() {
                int fd = open("/proc/self/exe", O_RDWR);
                if (fd >= 0 && write(fd, "x", 1) == 1) puts("ESCAPED");
                if (truncate("/proc/self/exe", 0) == 0) puts("ESCAPED");
            }
        """),
        no_control="the binary is a sealed file in memory",
        language="cpp",
    ),
)
