"""C++ in a real slot: compiled once, run on every input, and a compiler that is fenced in like a program."""

from pathlib import Path

import pytest

from sandbox import Limits, Program, Status
from sandbox.languages import LANGUAGES

CPP = r"""
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
static int deep(volatile int n) { return n ? 1 + deep(n - 1) : 0; }
static int endless(volatile int n) { return n + endless(n + 1) * 2; }
int main() {
    switch (getchar()) {
        case 'o': { int a, b; if (scanf("%d %d", &a, &b) == 2) printf("%d\n", a + b); return 0; }
        case 'r': return 7;
        case 's': *(volatile int *)8 = 1; return 0;
        case 'a': abort();
        case 'd': printf("%d\n", deep(1000000)); return 0;
        case 'e': return endless(1);
        case 't': for (volatile int i = 0;; i = 1) {}
        case 'f': for (;;) puts("x");
        case 'm': for (;;) memset(malloc(1 << 20), 1, 1 << 20);
        case 'p': { int n = 0; std::thread t([&] { n = 42; }); t.join(); printf("%d\n", n); return 0; }
    }
}
"""
CPP_CASES = {
    b"o 1 2": (Status.OK, 0),
    b"r": (Status.RUNTIME_ERROR, 7),
    b"s": (Status.RUNTIME_ERROR, -11),
    b"a": (Status.RUNTIME_ERROR, -6),
    b"d": (Status.OK, 0),
    b"e": (Status.RUNTIME_ERROR, -11),
    b"t": (Status.TIME_LIMIT, -9),
    b"f": (Status.OUTPUT_LIMIT, -9),
    b"m": (Status.MEMORY_LIMIT, -9),
    b"p": (Status.OK, 0),
}


def test_cpp_is_compiled_once_and_run_on_every_input(any_box):
    runs = any_box.run(Program(CPP, "cpp"), list(CPP_CASES), Limits(cpu_s=2, memory_mb=100, output_bytes=1000))
    ends = [(run.status, run.exit_code if run.signal is None else -run.signal) for run in runs]
    assert dict(zip(CPP_CASES, ends, strict=True)) == CPP_CASES
    assert [run.stdout for run in runs if run.status is Status.OK] == [b"3\n", b"1000000\n", b"42\n"]


def test_cpp_that_does_not_compile(any_box):
    runs = any_box.run(Program("int main() {", "cpp"), [b"1", b"2"])
    assert [run.status for run in runs] == [Status.COMPILE_ERROR] * 2
    assert b"solution.cpp:1" in runs[0].stderr
    assert runs[0].stdout == b""
    assert runs[0].detail == "the compiler refused the program"


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ('#include "/dev/stdin"\nint main() {}', None),
        ('#include "/proc/1/environ"\nint main() {}', "environ"),
        ("template <int n> struct A : A<n + 1> {};\nA<0> a;\nint main() {}", "template"),
        ('asm(".incbin \\"/etc/shadow\\"");\nint main() {}', "shadow"),
        ("int x = ;\n" * 5000, "error"),
    ],
    ids=["stdin", "environ", "templates", "incbin", "errors"],
)
def test_compilers_read_nothing_they_should_not(any_box, source, word):
    [run] = any_box.run(Program(source, "cpp"), [b"secret"])
    assert b"secret" not in run.stderr
    assert b"PYTHONPATH" not in run.stderr
    assert len(run.stderr) <= 1 << 16
    if word:
        assert run.status is Status.COMPILE_ERROR
        assert word in run.stderr.decode(errors="replace")


def test_the_header_compiled_ahead_has_the_flags_of_the_language():
    """Under any others the compiler would pass it over without a word."""
    flags = " ".join(word for word in LANGUAGES["cpp"].compile if word.startswith(("-std", "-O", "-f", "-m", "-D")))
    for name in ("Dockerfile", "image.sh"):
        text = (Path(__file__).parents[2] / "docker" / name).read_text(encoding="utf-8")
        assert f"g++ {flags} -x c++-header" in text


SUM = "#include <bits/stdc++.h>\nusing namespace std;\nint main() { int a, b; cin >> a >> b; cout << a + b << endl; }\n"
WAYS = {
    "alone": SUM,
    "after pragmas": '#pragma GCC optimize("O3,unroll-loops")\n#pragma GCC target("popcnt")\n' + SUM,
    "after macros": "#define NDEBUG\n#define _GLIBCXX_DEBUG\n" + SUM,
    "after another header": "#include <vector>\n" + SUM,
}


@pytest.mark.parametrize("way", WAYS)
def test_the_header_of_everything_may_be_included_in_any_way(box, way):
    [run] = box.run(Program(WAYS[way], "cpp"), [b"20 22\n"])
    assert (run.status, run.stdout, run.stderr) == (Status.OK, b"42\n", b"")


def test_the_image_holds_the_header_compiled_ahead(box):
    source = '#include <cstdio>\n#if __has_include(<bits/stdc++.h.gch>)\nint main() { puts("yes"); }\n#else\n'
    source += 'int main() { puts("no"); }\n#endif\n'
    [run] = box.run(Program(source, "cpp"), [b""])
    if run.stdout == b"no\n":
        pytest.skip("the image in use is older; run: sh docker/image.sh")
    assert run.stdout == b"yes\n"
