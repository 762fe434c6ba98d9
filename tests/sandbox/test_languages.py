"""C in a real slot, the third row of the table of languages, and a row without its compiler."""

import pytest

from sandbox import Limits, Program, SandboxError, Status
from sandbox.languages import LANGUAGES, Language

C = r"""
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int deep(volatile int n) { return n ? 1 + deep(n - 1) : 0; }
int main(void) {
    switch (getchar()) {
        case 'o': { double x; if (scanf("%lf", &x) == 1) printf("%.3f\n", sqrt(x)); return 0; }
        case 'r': return 7;
        case 'a': abort();
        case 'd': printf("%d\n", deep(1000000)); return 0;
        case 't': for (volatile int i = 0;; i = 1) {}
        case 'f': for (;;) puts("x");
        case 'm': for (;;) memset(malloc(1 << 20), 1, 1 << 20);
    }
    return 0;
}
"""
CASES = {
    b"o 2": (Status.OK, 0),
    b"r": (Status.RUNTIME_ERROR, 7),
    b"a": (Status.RUNTIME_ERROR, -6),
    b"d": (Status.OK, 0),
    b"t": (Status.TIME_LIMIT, -9),
    b"f": (Status.OUTPUT_LIMIT, -9),
    b"m": (Status.MEMORY_LIMIT, -9),
}


def test_c_ends_in_every_way_a_program_can(lone_box):
    runs = lone_box.run(Program(C, "c"), list(CASES), Limits(cpu_s=1, memory_mb=100, output_bytes=1000))
    ends = [(run.status, run.exit_code if run.signal is None else -run.signal) for run in runs]
    assert dict(zip(CASES, ends, strict=True)) == CASES
    assert [run.stdout for run in runs if run.status is Status.OK] == [b"1.414\n", b"1000000\n"]


@pytest.mark.parametrize(
    "source", ["int main() {", "#include <iostream>\nint main() {}", "int main() { return undefined(); }"]
)
def test_c_that_does_not_compile(lone_box, source):
    [run] = lone_box.run(Program(source, "c"), [b""])
    assert run.status is Status.COMPILE_ERROR
    assert run.detail == "the compiler refused the program"


def test_a_missing_compiler_is_no_verdict_on_the_program(lone_box, monkeypatch):
    row = Language(file_name="solution.x", compile=("/usr/bin/nowhere", "{source}"), run=("{binary}",))
    monkeypatch.setitem(LANGUAGES, "x", row)
    with pytest.raises(SandboxError, match="no /usr/bin/nowhere in a slot; add it to the image"):
        lone_box.run(Program("x", "x"), [b"", b""])
    assert lone_box.run(Program("print(input())"), [b"fine\n"])[0].stdout == b"fine\n"
