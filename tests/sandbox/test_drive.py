"""A driver and the program it calls, each in a slot of its own: what crosses, how either may end, who is to blame."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import Limits, Program, SandboxError, Status
from sandbox.runner import talk, values
from tests.sandbox.scripted import echo, result

LIMITS = Limits(wall_s=20.0, memory_mb=200)
SAME = "def f(*given, **named): return named or (given[0] if len(given) == 1 else list(given))"


def drive(box, driver, program=SAME, limits=LIMITS):
    return box.drive(Program(f"f = __function__('f')\n{driver}"), Program(program), limits)


CROSS = {
    "values": (
        "for x in (1, -2**70, 0.1, -0.0, float('inf'), True, None, 'é\\ud800', b'\\xff', (1, [{3: (4,)}]), {1}, 1j):\n"
        "    y = f(x)\n    assert repr(y) == repr(x) and type(y) is type(x), (x, y)",
        SAME,
    ),
    "keywords": ("assert f(a=1, b=[2]) == {'a': 1, 'b': [2]}", SAME),
    "state stays": ("assert [f(), f(), f()] == [1, 2, 3]", "n = 0\ndef f():\n    global n; n += 1; return n"),
    "subclasses": (
        "assert f(0) == {'a': 2} and f(1) == (1, 2) and f(2) == 7 and f(3) == ['x'] and type(f(2)) is int",
        "from collections import *\nfrom enum import *\nclass E(IntEnum): A = 7\nclass S(str, Enum): X = 'x'\n"
        "def f(n): return [Counter('aa'), namedtuple('P', 'a b')(1, 2), E.A, [S.X]][n]",
    ),
    "arguments": (
        "l, d, s, t, k = [3, 1], {1: 2}, {1}, ([2],), [[2, 1]]\nsame = l\nassert f(l, d, s, t, k) is None\n"
        "assert l == [1, 3] and same is l and d == {5: 6} and s == {1, 9} and t == ([2, 7],) and k == [[1, 2]]",
        "def f(l, d, s, t, k):\n    l.sort(); d.clear(); d[5] = 6; s.add(9); t[0].append(7); k[0].sort()",
    ),
    "arguments by name": ("l = [3, 1]\nf(l=l)\nassert l == [1, 3]", "def f(l): l.sort()"),
    "one list twice": ("l = [3, 1]\nassert f(l, l) == 8", "def f(a, b): return sum(a) + sum(b)"),
    "exceptions": (
        "for n, kind, text in ((0, ZeroDivisionError, 'division by zero'), (1, KeyError, \"'k'\"),\n"
        "         (2, ValueError, 'own'), (3, SystemExit, '3'), (4, NameError, \"name 'g' is not defined\")):\n"
        "    try: __function__('g')() if n == 4 else f(n)\n"
        "    except BaseException as e: assert type(e) is kind and str(e) == text, repr(e)\n"
        "    else: assert False",
        "import sys\nclass Own(ValueError): pass\ndef f(n):\n    if n == 0: 1 / 0\n    if n == 1: {}['k']\n"
        "    if n == 2: raise Own('own')\n    sys.exit(3)",
    ),
    "several functions": (
        "a, b = map(__function__, 'ab')\nassert b(a(1)) == 1",
        "def a(x): return [x]\ndef b(x): return x[0]",
    ),
    "a built-in name": ("sum = __function__('sum')\nassert sum(1) == 'mine'", "def sum(x): return 'mine'"),
    "higher order": (
        "import functools, threading\nassert sorted([2, 1], key=f) == [1, 2] and list(map(f, [1])) == [1]\n"
        "t = threading.Thread(target=f, args=(1,)); t.start(); t.join()\nassert callable(f) and f == f and hash(f)",
        SAME,
    ),
    "a large value": ("assert len(f([0] * 200_000)) == 200_000", SAME),
    "the driver's own names": ("def helper(): return 1\nassert f(helper()) == 1", SAME + "\ndef helper(): return 2"),
    "no main block": ("assert f(1) == 1", SAME + "\nif __name__ == '__main__': raise SystemExit(1)"),
}  # fmt: skip


@pytest.mark.parametrize("name", CROSS)
def test_calls_cross(any_box, name):
    driven = drive(any_box, *CROSS[name])
    assert (driven.execution.status, driven.not_plain) == (Status.OK, ""), driven


NOT_PLAIN = {
    "an object": ("f(object())", SAME, "driver"),
    "a function": ("f(len)", SAME, "driver"),
    "an attribute": ("f.cache_clear()", SAME, "driver"),
    "a constant": ("assert __function__('X') == 3", "X = 3", "driver"),
    "a name of the program's": ("assert isclose(f(1), 2)", SAME + "\ndef isclose(a, b): return True", "driver"),
    "a name nobody has": ("try: unicode\nexcept NameError: pass", SAME, "driver"),
    "a value that is too deep to go back": ("f(f())", "def f(*x): return " + "[" * 64 + "]" * 64, "driver"),
    "whatever the driver catches": ("try: f(len)\nexcept BaseException: pass", SAME, "driver"),
    "one list twice, changed": ("l = [3, 1]\nf(l, l)", "def f(a, b): a.sort()", "driver"),
    "an instance": ("f()", "class A: pass\ndef f(): return A()", "program"),
    "a class": ("__function__('A')().x", "class A: pass", "program"),
    "a generator": ("list(f())", "def f(): yield 1", "program"),
    "equal to everything": ("assert f() == 1", "class A:\n def __eq__(s, o): return 1\ndef f(): return A()", "program"),
    "an argument made strange": ("f([])", "def f(x): x.append(f)", "program"),
    "too large": ("f()", "def f(): return 'x' * (5 << 20)", "program"),
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_cannot_cross_is_told_with_whose_doing_it_is(any_box, name):
    *texts, whose = NOT_PLAIN[name]
    driven = drive(any_box, *texts)
    assert (driven.execution.status, driven.not_plain) == (Status.RUNTIME_ERROR, whose), driven
    assert "cannot cross" in driven.execution.detail


FORGE = "import os\nfor fd in range(3, 64):\n    try: os.write(fd, {!r})\n    except OSError: pass\n"
ENDS = {
    "assert": ("assert f(1) == 2", SAME, Status.RUNTIME_ERROR, "AssertionError"),
    "driver exits": ("import sys; f(1); sys.exit(0)", SAME, Status.RUNTIME_ERROR, ""),
    "driver is made to exit": ("f(1)", "def f(x): raise SystemExit(0)", Status.RUNTIME_ERROR, ""),
    "driver never ends": ("f(1)\nwhile True: pass", SAME, Status.TIME_LIMIT, ""),
    "driver's loop is made to end": ("assert all(map(lambda x: f(x) == x, [1]))", "def f(x): raise StopIteration",
                                     Status.RUNTIME_ERROR, "StopIteration"),
    "program exits": ("f(1)", "import os\ndef f(x): os._exit(0)", Status.RUNTIME_ERROR, ""),
    "program exits first": ("f(1)", "import sys; sys.exit(0)", Status.RUNTIME_ERROR, ""),
    "program exits uncalled": ("pass", "import os; os._exit(1)", Status.RUNTIME_ERROR, ""),
    "program does not compile": ("f(1)", "def f(:", Status.COMPILE_ERROR, "SyntaxError"),
    "program raises": ("f(1)", "1 / 0", Status.RUNTIME_ERROR, "ZeroDivisionError"),
    "program never ends": ("f(1)", "def f(x):\n    while True: pass", Status.TIME_LIMIT, ""),
    "program never answers": ("f(1)", "import os, time\ndef f(x):\n    os.closerange(3, 99); time.sleep(99)",
                              Status.TIME_LIMIT, ""),
    "program takes memory": ("f(1)", "def f(x): return bytearray(300 << 20)", Status.MEMORY_LIMIT, ""),
    "program floods": ("f(1)", "def f(x):\n    while True: print('x' * 9999)", Status.OUTPUT_LIMIT, ""),
    "does not stop after the call": ("f(1)", "import threading\ndef f(x):\n    def g():\n        while True: pass\n"
                                     "    threading.Thread(target=g).start()", Status.TIME_LIMIT, ""),
    "answers out of turn": ("assert f(1) == 1", FORGE.format(b"\0\0\0\x09V[2,null]") + "def f(x): return 1",
                            Status.RUNTIME_ERROR, "AssertionError"),
    "the driver's last word": ("assert f(1) == 2", FORGE.format(b"\0\0\0\x01D" * 9) + SAME, Status.RUNTIME_ERROR, ""),
    "a message without end": ("f(1)", FORGE.format(b"\xff" * 9) + SAME, Status.RUNTIME_ERROR, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_either_may_end_badly_and_the_other_does_not_wait(any_box, name):
    *texts, status, word = ENDS[name]
    driven = drive(any_box, *texts, limits=Limits(wall_s=3.0, memory_mb=200, output_bytes=1 << 20))
    assert driven.execution.status is status, driven
    assert word in driven.execution.stderr.decode()
    assert drive(any_box, "assert f(1) == 1").execution.status is Status.OK


def test_forged_answers_are_the_programs_own_values_at_most(any_box):
    for reply in (b"V", b"V[1]", b"V[1,[2,3]]", b"X[]", b'X["len",[1],""]', b'X["ValueError",1,""]', b"C", b"\xff"):
        forged = FORGE.format(len(reply).to_bytes(4) + reply) + "import time; time.sleep(99)"
        driven = drive(any_box, "try: f([1])\nexcept BaseException: pass", forged, Limits(wall_s=0.5, memory_mb=200))
        assert driven.execution.status is not Status.OK
        assert driven.not_plain != "driver"


def test_both_have_their_traces_and_their_output(any_box):
    driven = drive(
        any_box, "print('d')\ndef check():\n    f(0)\ncheck()", "def f(x):\n    print('p')\n    return 1 / x"
    )
    assert driven.execution.stdout == b"p\nd\n"
    lines = [
        line.strip() for line in driven.execution.stderr.decode().splitlines() if "^" not in line and "~" not in line
    ]
    assert lines == [
        "Traceback (most recent call last):",
        'File "solution.py", line 3, in f',
        "return 1 / x",
        "ZeroDivisionError: division by zero",
        "Traceback (most recent call last):",
        'File "test.py", line 5, in <module>',
        "check()",
        'File "test.py", line 4, in check',
        "f(0)",
        "ZeroDivisionError: division by zero",
    ]


def test_drivers_have_slots_of_their_own_so_one_slot_is_enough(any_box):
    with ThreadPoolExecutor(8) as callers:
        results = list(
            callers.map(lambda n: drive(any_box, f"assert [f(i) for i in range(9)][-1] == 8, {n}"), range(24))
        )
    assert {driven.execution.status for driven in results} == {Status.OK}
    pids = "import os\ndef f(): return sorted(map(ord, os.uname().nodename)), os.listdir('/box')"
    assert drive(any_box, "assert f()[1] == ['solution.py'], f()", pids).execution.status is Status.OK


def test_what_brings_down_two_slots_is_to_blame(scripted):
    box, _ = scripted(lambda header, data: None if data == b"" else result(header, data))
    driven = drive(box, "f(1)")
    assert driven.execution.status is Status.SECURITY_VIOLATION
    assert "two slots" in driven.execution.detail
    box, _ = scripted(lambda header, data: None)
    assert drive(box, "f(1)").execution.status is Status.SANDBOX_FAILURE


def test_a_driver_that_only_ends_is_not_through(scripted):
    box, _ = scripted(echo)
    assert drive(box, "f(1)").execution.status is Status.RUNTIME_ERROR


def test_mistakes_of_the_caller(any_box):
    with pytest.raises(SandboxError, match="python only"):
        any_box.drive(Program("f()"), Program("", "cpp"))
    with pytest.raises(SandboxError, match="the driver: source code cannot contain null bytes"):
        drive(any_box, "\0")
    assert drive(any_box, "f()", "\0").execution.status is Status.COMPILE_ERROR


def test_a_call_that_comes_together_with_the_request_is_answered_at_once(box):
    """Nothing in the socket says then that there is a call: not the next sign of life may be what brings it up."""
    with box._places.leased() as slot:
        write, slot._write_now = slot._write_now, lambda: None
        slot.begin(Program(SAME), Limits(wall_s=2.0), "functions")
        slot.tell(talk.CALL + values.dumps(["f", [7], {}]))
        together = b"".join(slot._unsent)
        slot._unsent.clear()
        slot._unsent.append(memoryview(together))
        slot._write_now = write
        slot._write_now()
        assert slot.hear() == talk.VALUE + values.dumps([7, None])
        slot.tell(None)
        assert slot.hear().status is Status.OK
