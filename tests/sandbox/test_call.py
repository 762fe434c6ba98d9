"""Functions called in a slot: values are plain data, and no lying object, forged reply or early exit is one."""

import pytest

from sandbox import Limits, Program, SandboxError, Status

MIRROR = Program("def mirror(*given): return list(given)")


def test_values_and_arguments_are_plain_data(any_box):
    cases = [
        [1, -(2**70), 0.1, float("inf"), True, None],
        ["é🙂\ud800", b"\0\xff", (1, [2, {3: (4,)}]), {1, 2}, frozenset({("a", 1.5)}), 1j],
        [],
    ]
    runs = any_box.call(MIRROR, "mirror", cases)
    assert [run.value for run in runs] == cases
    assert [type(part) for part in runs[1].value] == [str, bytes, tuple, set, frozenset, complex]


def test_methods_are_called_on_a_new_instance(any_box):
    source = "class Solution:\n    def add(self, a, b): return a + b\n    @staticmethod\n    def neg(a): return -a"
    assert [run.value for run in any_box.call(Program(source), "Solution.add", [[1, 2], ["a", "b"]])] == [3, "ab"]
    assert any_box.call(Program(source), "Solution.neg", [[1]])[0].value == -1


def test_every_call_meets_a_fresh_process(any_box):
    source = "seen = []\ndef f(x):\n    seen.append(x)\n    print('said', x)\n    return seen"
    runs = any_box.call(Program(source), "f", [[1], [2], [3]])
    assert [run.value for run in runs] == [[1], [2], [3]]
    assert [run.stdout for run in runs] == [b"said 1\n", b"said 2\n", b"said 3\n"]


def test_the_main_block_does_not_run(any_box):
    source = "def f(): return __name__\nif __name__ == '__main__': print(f(), input())"
    [run] = any_box.call(Program(source), "f", [[]])
    assert (run.status, run.value, run.stdout) == (Status.OK, "solution", b"")


def test_arguments_are_not_on_standard_input(any_box):
    [run] = any_box.call(Program("import sys\ndef f(x): return sys.stdin.read()"), "f", [["secret"]])
    assert run.value == ""


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ("return 1 / 0", Status.RUNTIME_ERROR, "ZeroDivisionError"),
        ("return g()", Status.RUNTIME_ERROR, "NameError"),
        ("return object()", Status.RUNTIME_ERROR, "object is not plain data"),
        ("return lambda: 1", Status.RUNTIME_ERROR, "function is not plain data"),
        ("yield 1", Status.RUNTIME_ERROR, "generator is not plain data"),
        (
            "return type('Always', (int,), {'__eq__': lambda a, b: True})(1)",
            Status.RUNTIME_ERROR,
            "Always is not",
        ),
        ("a = []; a.append(a); return a", Status.RUNTIME_ERROR, "deeper than"),
        ("return [0] * 10**6", Status.RUNTIME_ERROR, "more than"),
        ("import sys; sys.exit(0)", Status.RUNTIME_ERROR, "did not return"),
        ("raise SystemExit", Status.RUNTIME_ERROR, "did not return"),
        ("import os; os._exit(0)", Status.RUNTIME_ERROR, "did not return"),
        ("import os; os.execv('/bin/true', ['true'])", Status.RUNTIME_ERROR, "did not return"),
        ("import os; os.closerange(3, 99); return 1", Status.RUNTIME_ERROR, "Bad file descriptor"),
        ("while True: pass", Status.TIME_LIMIT, "time limit"),
        ("return bytearray(300 << 20)", Status.MEMORY_LIMIT, "memory limit"),
    ],
)
def test_no_value_is_an_error_of_the_program(any_box, body, status, word):
    limits = Limits(cpu_s=1.0, memory_mb=200)
    [run] = any_box.call(Program(f"def f():\n    {body}"), "f", [[]], limits)
    assert (run.status, run.value) == (status, None), run
    assert word in run.detail or word in run.stderr.decode()


def test_a_forged_reply_is_worth_no_more_than_a_returned_one(any_box):
    forge = "import os\nfor fd in range(3, 64):\n    try: os.write(fd, {!r})\n    except OSError: pass\n"
    for reply, value in ((b"V7", 7), (b"V[]", [])):
        [run] = any_box.call(Program(forge.format(reply) + "os._exit(0)"), "f", [[]])
        assert (run.status, run.value) == (Status.OK, value)
    for reply in (b"V", b"V{", b"V" + b"[" * 10_000, b"V9.5", b"R", b"\xff" * 100, b"E"):
        [run] = any_box.call(Program(forge.format(reply) + "os._exit(0)"), "f", [[]])
        assert (run.status, run.value) == (Status.RUNTIME_ERROR, None)
    [run] = any_box.call(Program(forge.format(b"V7") + "def f(): return 8"), "f", [[]])
    assert (run.status, run.value) == (Status.RUNTIME_ERROR, None)


def test_entries_that_are_not_there(any_box):
    for entry in ("g", "Solution.f", "f.g"):
        [run] = any_box.call(Program("def f(): pass"), entry, [[]])
        assert run.status is Status.RUNTIME_ERROR
        assert b"Error: " in run.stderr
        assert b"/opt/" not in run.stderr


def test_what_does_not_compile_is_not_called(any_box):
    runs = any_box.call(Program("def f(:"), "f", [[], []])
    assert [run.status for run in runs] == [Status.COMPILE_ERROR] * 2


def test_mistakes_of_the_caller(any_box):
    with pytest.raises(SandboxError, match="python only"):
        any_box.call(Program("", "cpp"), "f", [[]])
    with pytest.raises(SandboxError, match="not the name"):
        any_box.call(MIRROR, "mirror(); evil", [[]])
    with pytest.raises(SandboxError, match="object is not plain data"):
        any_box.call(MIRROR, "mirror", [[object()]])
