"""The doctor finds what is planted, and the starter suite is sound in the real sandbox."""

import dataclasses
from hashlib import sha256

import pytest

from sandbox import Program
from tasks import StdioTest, Task, Verdict, judge_many, load_suite
from tasks.doctor import check_suite, lazy_programs

SAMPLE = 150
DOUBLE = Task(
    "double",
    "Print twice the number.",
    (StdioTest("2\n", "4\n"),),
    (StdioTest("0\n", "0\n"), StdioTest("-3\n", "-6\n")),
    references=(Program("print(2 * int(input()))"),),
    mutants=(Program("print(int(input()) ** 2)"), Program("print(2 * abs(int(input())))")),
)


def sample():
    """Tasks spread over all families, the same ones every time."""
    return sorted(load_suite("starter:L0-L2"), key=lambda task: sha256(task.key.encode()).digest())[:SAMPLE]


def test_a_sound_task_has_no_findings(box):
    checkup = check_suite([DOUBLE], box)
    assert checkup.sound, checkup
    assert (checkup.tasks, checkup.programs) == (1, 1 + 2 + 3)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"statement": " "}, "statement is empty"),
        ({"private_tests": ()}, "no private test"),
        ({"references": ()}, "no reference"),
        ({"references": (Program("print(1)"),)}, "reference 1: wrong_answer"),
        ({"references": (Program("1 / 0"),)}, "reference 1: runtime_error"),
        ({"mutants": DOUBLE.references}, "mutant 1: accepted"),
        ({"private_tests": (StdioTest("2\n", "4\n"),)}, "private test 1 has the input of public test 1"),
        ({"private_tests": (StdioTest("5\n", "10\n"),) * 2}, "private test 2 repeats"),
        ({"private_tests": (StdioTest("02\n", "4\n"),)}, "program that prints the public answer: accepted"),
        ({"public_tests": (), "private_tests": (StdioTest("0\n", "0\n"),)}, "program that prints its input: accepted"),
        ({"private_tests": (StdioTest("", ""),), "public_tests": ()}, "program that prints nothing: accepted"),
    ],
)
def test_planted_flaws_are_found(box, change, problem):
    checkup = check_suite([dataclasses.replace(DOUBLE, **change)], box)
    assert not checkup.sound
    assert any(problem in finding.problem for finding in checkup.findings), checkup


def test_two_tasks_with_one_key_are_found(box):
    assert any("two tasks" in finding.problem for finding in check_suite([DOUBLE, DOUBLE], box).findings)


def test_references_of_the_starter_suite_agree_with_the_oracles(box):
    tasks = sample()
    reports = judge_many([(task, task.references[0]) for task in tasks], box)
    assert not any(report.sandbox_failed for report in reports)
    assert [task.key for task, report in zip(tasks, reports, strict=True) if not report.passed] == []


def test_mutants_and_lazy_programs_fail_in_the_starter_suite(box):
    pairs = [(task, program) for task in sample() for program in task.mutants[:2]]
    pairs += [(task, program) for task in sample()[:40] for _, program in lazy_programs(task)]
    reports = judge_many(pairs, box, tests="private", stop_on_failure=True)
    assert not any(report.sandbox_failed for report in reports)
    assert [task.key for (task, _), report in zip(pairs, reports, strict=True) if report.passed] == []


def test_asserts_run_next_to_the_candidate(box):
    from tasks import AssertTest

    task = Task("add", "s", (), (AssertTest("def check(f):\n    assert f(1, 2) == 3\ncheck(add)"),), entry_point="add")
    programs = {
        "def add(a, b):\n    return a + b": Verdict.ACCEPTED,
        "def add(a, b):\n    return a - b": Verdict.WRONG_ANSWER,
        "def sub(a, b):\n    return a - b": Verdict.RUNTIME_ERROR,
        "import os\nos._exit(0)": Verdict.RUNTIME_ERROR,
        "raise SystemExit": Verdict.RUNTIME_ERROR,
        "def add(a, b):\n    raise SystemExit": Verdict.RUNTIME_ERROR,
    }
    reports = judge_many([(task, Program(source)) for source in programs], box)
    assert [report.verdict for report in reports] == list(programs.values())


def test_a_reference_whose_verdict_changes_is_found(box):
    """It runs twice, with nothing remembered in between: a coin decides."""
    coin = Program("import random\nn = int(input())\nprint(2 * n + (random.random() < 0.2))")
    many = tuple(StdioTest(f"{i}\n", f"{2 * i}\n") for i in range(3))
    tasks = [
        dataclasses.replace(DOUBLE, key=f"coin {i}", private_tests=many[:1], references=(coin,)) for i in range(40)
    ]
    found = check_suite(tasks, box).findings
    assert any("its verdict must not change" in finding.problem for finding in found)


def test_unscored_tasks_are_counted_and_not_judged(box):
    task = dataclasses.replace(DOUBLE, references=(Program("1 / 0"),), metadata={"unscored": "several answers"})
    checkup = check_suite([task], box)
    assert (checkup.tasks, checkup.usable, checkup.programs, checkup.sound) == (1, 0, 0, True)
    assert checkup.unscored == {"several answers": 1}
