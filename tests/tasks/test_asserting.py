"""Assert tests: honest programs get the verdict they always got, and what cheats beside the asserts fails across."""

import dataclasses

import pytest

from sandbox import Driven, Status
from sandbox.program import Execution, Limits, Program
from tasks import AssertTest, Task, Verdict, asserting, judge

CHECK = "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(20, 22) == 42\n\ncheck(add)"
RIGHT = "def add(a, b):\n    return a + b\n"
LIMITS = Limits(wall_s=20.0, memory_mb=256)


def about(test, references=(RIGHT,), **more):
    programs = tuple(map(Program, references))
    return Task("t", "s", (), (AssertTest(test),), LIMITS, entry_point="add", references=programs, **more)


def verdict(box, source, test=CHECK, **more):
    report = judge(about(test, **more), Program(source), box)
    return report.verdict, report.trust


HONEST = {
    "right": (RIGHT, Verdict.ACCEPTED),
    "wrong": ("def add(a, b): return a - b", Verdict.WRONG_ANSWER),
    "raises": ("def add(a, b): return a / 0", Verdict.RUNTIME_ERROR),
    "asserts itself": ("def add(a, b): assert a > 100", Verdict.WRONG_ANSWER),
    "not there": ("def sub(a, b): return a - b", Verdict.RUNTIME_ERROR),
    "does not compile": ("def add(a, b:", Verdict.COMPILE_ERROR),
    "never ends": ("def add(a, b):\n    while True: pass", Verdict.TIME_LIMIT),
    "takes memory": ("def add(a, b): return bytearray(1 << 29)", Verdict.MEMORY_LIMIT),
    "a float": ("def add(a, b): return float(a + b)", Verdict.ACCEPTED),
    "own subclass": ("class N(int): pass\ndef add(a, b): return N(a + b)", Verdict.ACCEPTED),
    "returns nothing": ("def add(a, b): print(a + b)", Verdict.WRONG_ANSWER),
    "loud": ("def add(a, b):\n    print('adding')\n    return a + b", Verdict.ACCEPTED),
}


@pytest.mark.parametrize("name", HONEST)
def test_verdicts_are_those_of_the_same_process(box, name):
    source, expected = HONEST[name]
    task = dataclasses.replace(about(CHECK), limits=Limits(wall_s=3.0, memory_mb=256))
    report = judge(task, Program(source), box)
    assert (report.verdict, report.trust) == (expected, "sound")
    beside = asserting._beside(task, task.private_tests[0], Program(source), box)
    assert (beside.status is Status.OK) is (expected is Verdict.ACCEPTED)


CLOSE = "import math, unittest\nt = unittest.TestCase()\n"
ATTACKS = {
    "equal to everything": ("class A:\n    def __eq__(self, o): return True\ndef add(a, b): return A()", CHECK),
    "int equal to everything": (
        "class A(int):\n    def __eq__(self, o): return True\ndef add(a, b): return A(7)",
        CHECK,
    ),
    "list that hides one": (
        "class A:\n    def __eq__(self, o): return True\ndef add(a, b): return [A()]",
        "assert add(1, 2) == [3]",
    ),
    "reads the caller's constants": (
        "import sys\ndef add(a, b):\n    known = sys._getframe(1).f_code.co_consts\n"
        "    return known[known.index(b) + 1] if b in known else 0",
        CHECK,
    ),
    "reads the test's text": (
        "import re\ndef add(a, b):\n    for name in ('solution.py', 'test.py', '/proc/self/cmdline'):\n"
        "        try: found = re.search(rf'candidate.{a}, {b}. == (\\d+)', open(name).read())\n"
        "        except OSError: continue\n        if found: return int(found[1])\n    return 0",
        CHECK,
    ),
    "searches all objects": (
        "import gc, types\ndef add(a, b):\n    for thing in gc.get_objects():\n"
        "        if isinstance(thing, types.FunctionType) and thing.__name__ == 'check':\n"
        "            known = thing.__code__.co_consts\n            return known[known.index(b) + 1]\n    return 0",
        CHECK,
    ),
    "patches unittest": (
        "import unittest\nunittest.TestCase.assertEqual = lambda *given: None\ndef add(a, b): return 0",
        CLOSE + "t.assertEqual(add(1, 2), 3)",
    ),
    "patches math": (
        "import math\nmath.isclose = lambda *given, **named: True\ndef add(a, b): return 0",
        CLOSE + "assert math.isclose(add(1, 2), 3)",
    ),
    "patches built-in names": (
        "import builtins\nbuiltins.abs = lambda x: 0\ndef add(a, b): return 0",
        "assert abs(add(1, 2) - 3) < 1e-6",
    ),
    "patches the error": (
        "import builtins\nclass Quiet(BaseException): pass\nbuiltins.AssertionError = Quiet\ndef add(a, b): return 0",
        "try:\n    if add(1, 2) != 3: raise AssertionError\nexcept Exception: raise\nexcept BaseException: pass",
    ),
    "exits with the word": (
        "import os, sys\nprint(sys.stdin.readline(), end='', flush=True)\nos._exit(0)\ndef add(a, b): return 0",
        CHECK,
    ),
    "exits politely with the word": (
        "import sys\ndef add(a, b):\n    print(sys.stdin.readline(), end='')\n    sys.exit(0)",
        CHECK,
    ),
    "changes what it was given to compare": (
        "class A:\n    def __eq__(self, o): return True\ndef add(a, b):\n    a[:] = [A(), A()]\n    return a",
        "given = [3, 1]\nassert add(given, 0) == [1, 3] and given == [1, 3]",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_work_beside_the_asserts_and_fail_across(box, name):
    source, test = ATTACKS[name]
    references = ("def add(a, b):\n    if a == [3, 1]: a.sort()\n    return a if b == 0 else a + b\n",)
    if test.startswith("assert add(1, 2) == ["):
        references = ("def add(a, b): return [a + b]",)
    task = about(test, references)
    assert asserting._beside(task, task.private_tests[0], Program(source), box).status is Status.OK, "no attack"
    report = judge(task, Program(source), box)
    assert not report.passed
    assert report.trust == "sound"
    assert judge(task, task.references[0], box).passed


NODE = "class Node:\n    def __init__(self, a): self.a = a\n"
SIDE = {
    "an object as argument": ("assert add(Node(1), 2) == 3", "def add(n, b): return n.a + b", NODE),
    "an attribute": ("assert add.__doc__ == 'adds'", "def add(a, b):\n    'adds'", ""),
    "a generator": ("assert list(add(1, 2)) == [3]", "def add(a, b): yield a + b", ""),
    "an instance": ("assert add(1, 2).a == 3", "class Own:\n    a = 3\ndef add(a, b): return Own()", ""),
    "a name the program imports": ("assert isclose(add(1, 2), 3)", "from math import isclose\n" + RIGHT, ""),
    "patched from outside": ("add.cache = {}\nassert add(1, 2) == 3", RIGHT, ""),
}


@pytest.mark.parametrize("name", SIDE)
def test_what_cannot_cross_runs_beside_and_says_so(box, name):
    test, source, prelude = SIDE[name]
    assert verdict(box, source, test, references=(source,), prelude=prelude) == (Verdict.ACCEPTED, "forgeable")
    assert verdict(box, source, test, references=(), prelude=prelude) == (Verdict.ACCEPTED, "forgeable")


def test_a_value_that_cannot_cross_counts_against_a_program_whose_references_need_no_such_thing(box):
    lazy = "def add(a, b): yield a + b"
    test = "assert list(add(1, 2)) == [3]"
    assert verdict(box, lazy, test, references=("def add(a, b): return [a + b]",)) == (Verdict.RUNTIME_ERROR, "sound")
    bad = "def add(a, b): return [0]"  # a reference that fails for another reason is no way around
    assert verdict(box, lazy, test, references=(bad,)) == (Verdict.RUNTIME_ERROR, "sound")
    assert verdict(box, lazy, test, references=(lazy,)) == (Verdict.ACCEPTED, "forgeable")


def test_a_program_does_not_get_beside_the_test_by_a_value_that_cannot_go_back(box):
    """What it returns may go, and what the test makes of it may not; in the same process it would then lie."""
    test = "assert add([add(1, 2)], 0) == 3"
    trick = "class A:\n    def __eq__(self, o): return True\nimport __main__\n"
    trick += "def add(a, b): return A() if hasattr(__main__, 'add') else " + "[" * 64 + "]" * 64
    right = "def add(a, b): return a[0] if b == 0 else a + b"
    task = about(test, (right,))
    assert asserting._beside(task, task.private_tests[0], Program(trick), box).status is Status.OK, "no trick"
    assert box.drive(asserting._driver(task, task.private_tests[0]), Program(trick), LIMITS).not_plain == "driver"
    assert verdict(box, trick, test, references=(right,)) == (Verdict.RUNTIME_ERROR, "sound")
    assert verdict(box, right, test, references=(right,)) == (Verdict.ACCEPTED, "sound")


def test_names_of_the_prelude_are_the_tests_own_but_for_the_entry_point(box):
    """A program cannot put its own comparison in place of the task's, nor the task's function in place of its own."""
    prelude = "from operator import add\ndef same(a, b): return a == b"
    cheat = "def same(a, b): return True\ndef add(a, b): return 0"
    test = "assert same(add(1, 2), 3)"
    assert verdict(box, cheat, test, prelude=prelude) == (Verdict.WRONG_ANSWER, "sound")
    assert verdict(box, RIGHT, test, prelude=prelude) == (Verdict.ACCEPTED, "sound")


CANARY = "5f1e0c7a93d84be2a6d1c0ffee123456"
SEARCH = """
def add(a, b):
    first, second = (part[::-1].encode() for part in ("2eb48d39a7c0e1f5", "654321eeff0c1d6a"))  # never whole in here
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if line.split()[1][0] == "r" and start < 1 << 47:
                try:
                    memory.seek(start)
                    text = memory.read(end - start)
                except OSError:
                    continue
                place = text.find(first)
                while place >= 0:
                    if text[place + 16 : place + 32] == second: return "found"
                    place = text.find(first, place + 1)
    return "nothing"
"""


def test_the_test_is_nowhere_in_the_programs_memory(box):
    test = f"assert add(1, 2) == 'found', '{CANARY}'"
    task = about(test)
    assert asserting._beside(task, task.private_tests[0], Program(SEARCH), box).status is Status.OK, "no search"
    assert verdict(box, SEARCH, test) == (Verdict.WRONG_ANSWER, "sound")
    assert verdict(box, SEARCH, test.replace("'found'", "'nothing'")) == (Verdict.ACCEPTED, "sound")


class ScriptedBox:
    """Says of every program what `ends` has for its source; keeps what it was asked."""

    def __init__(self, **ends):
        self.ends = ends
        self.asked = []

    def drive(self, driver, program, limits):
        self.asked.append(program.source)
        return Driven(*self.ends[program.source])

    def run_many(self, submissions, stop_on_failure=False):
        self.asked += ["beside"] * len(submissions)
        return [[Execution(Status.OK, submission.inputs[0])] for submission in submissions]


FINE, BAD = (Execution(Status.OK),), (Execution(Status.RUNTIME_ERROR),)
STRANGE, LOST = (Execution(Status.RUNTIME_ERROR), "program"), (Execution(Status.SANDBOX_FAILURE),)


@pytest.mark.parametrize(
    ("known", "expected", "asked"),
    [
        ({}, (Verdict.ACCEPTED, "forgeable"), ["x", "beside"]),
        ({"a": FINE}, (Verdict.RUNTIME_ERROR, "sound"), ["x", "a"]),
        ({"a": STRANGE, "b": BAD, "c": FINE}, (Verdict.RUNTIME_ERROR, "sound"), ["x", "a", "b"]),
        ({"a": STRANGE, "b": STRANGE}, (Verdict.ACCEPTED, "forgeable"), ["x", "a", "b", "beside"]),
        ({"a": LOST}, (Verdict.SANDBOX_FAILURE, "sound"), ["x", "a"]),
    ],
)
def test_references_decide_whether_a_value_has_to_cross(known, expected, asked):
    box = ScriptedBox(x=STRANGE, **known)
    assert verdict(box, "x", references=known) == expected
    assert box.asked == asked


def test_a_failure_of_ours_is_nobodys_score():
    report = judge(about(CHECK), Program("x"), ScriptedBox(x=LOST))
    assert report.verdict is Verdict.SANDBOX_FAILURE


def test_the_word_of_a_test_that_runs_beside_differs_and_is_not_in_the_program():
    seen = []

    class Box(ScriptedBox):
        def run_many(self, submissions, stop_on_failure=False):
            seen.extend(submissions)
            return super().run_many(submissions)

    for _ in range(20):
        judge(about(CHECK, ()), Program("x"), Box(x=STRANGE))
    words = {submission.inputs[0].strip() for submission in seen}
    assert len(words) == 20
    assert not any(word.decode() in submission.program.source for word in words for submission in seen)


def test_the_asserts_are_not_in_what_the_candidates_slot_gets():
    box = ScriptedBox(x=FINE)
    assert judge(about(f"assert add(1) == '{CANARY}'"), Program("x"), box).passed
    assert box.asked == ["x"]
