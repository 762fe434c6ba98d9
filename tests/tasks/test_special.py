"""Judging in the real sandbox: special judges, adapters, shares and signals."""

import dataclasses

import pytest

from sandbox import Limits, Program
from tasks import CallTest, SpecialJudge, StdioTest, Task, TaskError, Verdict, judge, judge_many
from tasks.judge import test_credit

TASK = Task("t", "s", (StdioTest("3\n", "5\n"),), (StdioTest("4\n", "6\n"), StdioTest("7\n", "8\n")))
# Right is any number above the input; the judge reads all three files.
KATTIS_PY = """import sys
given, answer = int(open(sys.argv[1]).read()), int(open(sys.argv[2]).read())
open(sys.argv[3] + "judgemessage.txt", "w").write("seen")
sys.exit(42 if int(input()) > given and answer > given else 43)
"""
TESTLIB_PY = """import sys
given, said = (int(open(name).read()) for name in sys.argv[1:3])
sys.exit(0 if said > given else 1)
"""
KATTIS_CPP = """#include <fstream>
#include <iostream>
int main(int argc, char **argv) {
  int given, said;
  std::ifstream(argv[1]) >> given;
  return argc == 5 && std::string(argv[4]) == "flag" && std::cin >> said && said > given ? 42 : 43;
}
"""
TESTLIB_CPP = """#include <fstream>
int main(int argc, char **argv) {
  int given, said;
  std::ifstream(argv[1]) >> given;
  std::ifstream(argv[2]) >> said;
  return said > given ? 0 : 2;
}
"""
ABOVE = Program("print(int(input()) + 100)")
BELOW = Program("print(int(input()) - 100)")


@pytest.mark.parametrize(
    "special",
    [
        SpecialJudge(Program(KATTIS_PY)),
        SpecialJudge(Program(TESTLIB_PY), "testlib"),
        SpecialJudge(Program(KATTIS_CPP, "cpp"), "kattis", ("flag",)),
        SpecialJudge(Program(TESTLIB_CPP, "cpp"), "testlib"),
    ],
    ids=["kattis-py", "testlib-py", "kattis-cpp", "testlib-cpp"],
)
def test_a_special_judge_decides(box, special):
    task = dataclasses.replace(TASK, special_judge=special)
    right, wrong = judge_many([(task, ABOVE), (task, BELOW)], box)
    assert right.passed
    assert {result.verdict for result in wrong.results} == {Verdict.WRONG_ANSWER}
    assert judge(TASK, ABOVE, box).verdict is Verdict.WRONG_ANSWER, "the control: the checker knows one answer only"


@pytest.mark.parametrize(
    "source",
    ["1 / 0", "import sys; sys.exit(1)", "import sys; sys.exit(0)", "while True: pass", "syntax error",
     "import os; os.kill(os.getpid(), 9)", "raise KeyboardInterrupt", "import sys; sys.exit('no')"],
)  # fmt: skip
def test_a_judge_that_fails_is_our_failure(box, source, monkeypatch):
    monkeypatch.setattr("tasks.special.LIMITS", Limits(wall_s=3.0, cpu_s=1.0, memory_mb=256))
    task = dataclasses.replace(TASK, private_tests=(), special_judge=SpecialJudge(Program(source)))
    report = judge(task, ABOVE, box)
    assert report.verdict is Verdict.CHECKER_FAILURE
    assert report.sandbox_failed
    assert not report.passed


@pytest.mark.parametrize("style", ["kattis", "testlib"])
def test_a_crash_is_no_wrong_answer_in_either_style(box, style):
    """Python's exit code for a crash is 1, which testlib reads as "wrong answer"."""
    task = dataclasses.replace(TASK, special_judge=SpecialJudge(Program("int('x')"), style))
    assert judge(task, ABOVE, box).verdict is Verdict.CHECKER_FAILURE


def test_hostile_output_reaches_the_judge_as_data(box):
    """The candidate's output pretends to be the rest of a frame and the judge's yes. A judge that runs it says yes."""
    attack = Program("print('__import__(\"os\")._exit(0)')")
    reads = "import sys\ntext = open(sys.argv[2]).read()\n"
    honest = SpecialJudge(Program(reads + "sys.exit(0 if text.strip() == '5' else 1)"), "testlib")
    fooled = SpecialJudge(Program(reads + "eval(text)\nsys.exit(1)"), "testlib")
    assert judge(dataclasses.replace(TASK, special_judge=honest), attack, box).verdict is Verdict.WRONG_ANSWER
    assert judge(dataclasses.replace(TASK, special_judge=fooled), attack, box).passed


def test_candidates_that_fail_are_not_shown_to_the_judge(box):
    task = dataclasses.replace(TASK, special_judge=SpecialJudge(Program("import sys; sys.exit(42)")))
    assert judge(task, Program("1 / 0"), box).verdict is Verdict.RUNTIME_ERROR


def test_judges_in_other_languages_are_refused(box):
    with pytest.raises(TaskError, match="python and cpp"):
        judge(dataclasses.replace(TASK, special_judge=SpecialJudge(Program("x", "rust"))), ABOVE, box)


def test_any_of_several_answers(box):
    task = dataclasses.replace(TASK, private_tests=(StdioTest("4\n", "6\n", ("104\n", "7\n")),))
    assert judge(task, Program("n = int(input())\nprint(n + 2 if n == 3 else 104)"), box).passed
    call = Task("c", "s", (), (CallTest((1,), [1, 2], ([2, 1],)),), entry_point="f")
    values = {"[2, 1]": True, "[1, 2]": True, "(2, 1)": False, "[1]": False}
    reports = judge_many([(call, Program(f"def f(n):\n    return {text}")) for text in values], box)
    assert [report.passed for report in reports] == list(values.values())


def test_prelude_and_adapter_surround_the_program(box):
    task = Task(
        "p", "s", (), (CallTest(([1, 2],), 3),), entry_point="total", prelude="from collections import namedtuple",
        adapter="def adapted(values):\n    return total(namedtuple('P', 'a b')(*values))",
    )  # fmt: skip
    assert judge(task, Program("def total(p):\n    namedtuple\n    return p.a + p.b"), box).passed


SIGNALS = {
    "constant": ("print(5)", {"constant_output", "repeats_public_answers"}),
    "table": ("n = int(input())\nprint(5 if n == 3 else n)", set()),
    "honest": ("n = int(input())\nprint(n + 2)", set()),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_of_cheating(box, name):
    source, expected = SIGNALS[name]
    task = dataclasses.replace(
        TASK, private_tests=(StdioTest("4\n", "6\n"), StdioTest("5\n", "7\n"), StdioTest("9\n", "11\n"))
    )
    assert set(judge(task, Program(source), box).signals) == expected


def test_a_public_answer_in_the_source_is_a_signal(box):
    task = Task("w", "s", (StdioTest("2\n", "a long answer\n"),), (StdioTest("3\n", "another answer\n"),))
    cheat = Program("print('a long answer' if input() == '2' else 'something')")
    report = judge(task, cheat, box)
    assert report.public_passed
    assert report.signals == ("public_answer_in_source",)
    assert judge(task, Program("print('something')"), box).signals == (), "it does not even pass the public test"


def test_stop_at_first_failure_saves_runs(box):
    tests = tuple(StdioTest(f"{i}\n", f"{i}\n") for i in range(300))
    task = Task("long", "s", (), tests)
    right, early, late = (
        judge(task, Program(source), box, stop_on_failure=True)
        for source in ("print(input())", "print(0)", "n = int(input())\nprint(n if n < 20 else 0)")
    )
    assert right.passed
    assert len(right.private) == 300
    assert len(early.private) == 2
    assert len(late.private) == 21
    assert test_credit(task, late) == pytest.approx(20 / 300)
