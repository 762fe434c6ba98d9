"""Levels 3 to 5 of the starter suite: whole families held out, tasks that differ, fresh tests, speed, special judges.

What is asked of every cell is asked of its oracle, which is cheap; programs run for one cell of each family.
"""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations
from random import Random

import pytest

from tasks import StdioTest, TaskError, Verdict, judge, judge_many, load_suite
from tasks.doctor import lazy_programs
from tasks.starter import FAMILIES, build, fresh_tests, pair_split, statements
from tasks.starter.measures import measures

SUITE = load_suite("starter")
SPLIT = {key: split for split, tasks in SUITE.splits.items() for key in tasks.keys}
CELLS = {family.key(ops): (family, ops) for family in FAMILIES for ops in family.cells()}
NEW = [family for family in FAMILIES if family.level > 2]
HELD_OUT = {family.name for family in NEW if family.held_out}
JUDGED = [family for family in NEW if family.judge]
TIMED = [family for family in NEW if family.slow]


def name(family):
    return family.name


def keys_of(family, count=None):
    """Keys of a family that are in the suite; some of them, spread over its grid, when a count is given."""
    keys = [key for key in SPLIT if CELLS[key][0] is family]
    return keys if count is None else keys[:: max(1, len(keys) // count)][:count]


def pairs(key):
    return {frozenset(pair) for pair in combinations([op.name for op in CELLS[key][1]], 2)}


def test_size_and_levels():
    levels = Counter(CELLS[key][0].level for key in SPLIT)
    assert len(SPLIT) == len(SUITE) >= 2000
    assert set(levels) == set(range(6))
    assert min(levels[level] for level in (3, 4, 5)) >= 300
    assert [level for level in range(6) if len(load_suite(f"starter:L{level}")) != levels[level]] == []


def test_the_published_levels_come_first_in_every_split():
    for split, tasks in load_suite("starter:L0-L2").splits.items():
        assert SUITE[split].keys[: len(tasks)] == tasks.keys


def test_families_are_held_out_as_a_whole_at_every_new_level():
    assert {family.level for family in NEW if family.held_out} == {3, 4, 5}
    for family in NEW:
        found = {SPLIT[key] for key in keys_of(family)}
        assert found == ({"test"} if family.held_out else {"train", "validation", "test"}), family.name


def test_held_out_pairs_never_meet_in_training():
    by_split = defaultdict(set)
    for key, split in SPLIT.items():
        by_split[split] |= pairs(key)
    for key, split in SPLIT.items():
        if split != "train" and CELLS[key][0].name not in HELD_OUT:
            fresh = {pair for pair in pairs(key) if pair_split(*pair) == split}
            assert fresh, key
            assert not fresh & by_split["train"]
            assert split == "validation" or not fresh & by_split["validation"]


def test_every_operation_of_a_trained_family_is_met_in_training():
    trained = {op.name for key, split in SPLIT.items() if split == "train" for op in CELLS[key][1]}
    missing = {op.name for key in SPLIT for op in CELLS[key][1] if CELLS[key][0].name not in HELD_OUT} - trained
    assert missing == set()


def test_an_operation_has_one_name_and_one_wording():
    wordings = defaultdict(set)
    for family in FAMILIES:
        for op in (op for axis in family.axes for op in axis):
            wordings[op.name].add((op.phrase, op.code))
    assert [name for name, found in wordings.items() if len(found) > 1] == []


@pytest.mark.parametrize("family", NEW, ids=name)
def test_no_two_tasks_ask_for_the_same(family):
    """By what their oracles say about common inputs."""
    rng = Random(5)
    texts = [*family.edges, *(family.draw(rng, small) for small in [False] * 20 + [True] * 6)]
    same = defaultdict(list)
    for key in keys_of(family):
        same[tuple(family.solve(text, *CELLS[key][1]) for text in texts)].append(key)
    assert [keys for keys in same.values() if len(keys) > 1] == []


@pytest.mark.parametrize("family", NEW, ids=name)
def test_tests_are_apart_and_telling(family):
    for task in map(build, keys_of(family, 2)):
        shown, hidden = ([test.input for test in tests] for tests in (task.public_tests, task.private_tests))
        assert len(shown) == 2
        assert len(hidden) >= 10
        assert len({*shown, *hidden}) == len(shown) + len(hidden), task.key
        assert len({test.output for test in task.public_tests}) == 2
        assert 2 <= len(task.mutants) <= 4
        assert task.references[0] not in task.mutants
        assert len(task.statement) < 700
        assert "{" not in task.statement.split("\nExample")[0].replace("{}", "")
        every = statements(task.key)
        assert len(set(every)) == len(every) >= 2
        assert task.statement in every
        assert all(text.endswith(task.statement[task.statement.index("\nExample input:") :]) for text in every)
        json.dumps(dict(task.metadata))


@pytest.mark.parametrize("family", NEW, ids=name)
def test_references_pass_mutants_and_lazy_programs_fail(box, family):
    """On the task's own tests, and the reference on fresh ones as well."""
    [task] = map(build, keys_of(family, 1))
    fresh = replace(task, public_tests=(), private_tests=fresh_tests(task.key, 1, 10))
    wrong = [*task.mutants[:2], *(program for _, program in lazy_programs(task))]
    trials = [(task, task.references[0]), (fresh, task.references[0]), *((task, program) for program in wrong)]
    reports = judge_many(trials, box, stop_on_failure=True)
    assert not any(report.sandbox_failed for report in reports)
    assert [report.passed for report in reports] == [True, True, *[False] * len(wrong)], task.key


def test_fresh_tests_are_new_different_and_the_same_again():
    key = "L1/filter-reduce/even.sum"
    task, tests = build(key), fresh_tests(key, 7, 200)
    assert len({test.input for test in tests}) == 200
    assert not {test.input for test in (*task.public_tests, *task.private_tests)} & {test.input for test in tests}
    assert fresh_tests(key, 7, 200) == tests
    assert not set(fresh_tests(key, 8, 200)) & set(tests[:50])
    assert fresh_tests(key, 7, 0) == ()
    with pytest.raises(TaskError, match="no 100 different new inputs"):
        fresh_tests("L2/fizzbuzz/2.5", 0, 100)  # its input is one number below 61


@pytest.mark.parametrize("family", TIMED, ids=name)
def test_a_slow_program_is_right_and_too_slow(box, family):
    """Without the large input it is accepted: the time is all that is wrong with it."""
    [task] = map(build, keys_of(family, 1))
    slow, large = task.mutants[0], task.private_tests[-1]
    assert len(large.input) > 100 * len(task.private_tests[0].input)
    assert len(fresh_tests(task.key, 3, 2)[0].input) > len(large.input) // 2
    hurried, easy = replace(task, private_tests=(large,)), replace(task, private_tests=task.private_tests[:-1])
    reports = judge_many([(hurried, slow), (easy, slow), (hurried, task.references[0])], box)
    assert [report.verdict for report in reports] == [Verdict.TIME_LIMIT, Verdict.ACCEPTED, Verdict.ACCEPTED]


@pytest.mark.parametrize("family", JUDGED, ids=name)
def test_special_judges_decide_what_the_family_accepts(box, family):
    """Right answers, other right answers, wrong ones and nonsense, each printed by a program."""
    from sandbox import Program

    [task] = map(build, keys_of(family, 1))
    ops = CELLS[task.key][1]
    test = task.public_tests[0]
    right = test.output.split()
    given = [
        test.output, " ".join(right[::-1]), " ".join([*right, *right]), " ".join(right[:-1]), "1 2", "2 1 3", "0 0", "",
        "none", "-1", "x", "\u00b2", "9" * 5000, "1e3 2", "1 " * 40, "2 3 4", "1 3", "1 4", "2 4", "3 5",
    ]  # fmt: skip
    asked = replace(task, public_tests=(), private_tests=(test,))
    reports = judge_many([(asked, Program(f"print({text!r})")) for text in given], box)
    assert Verdict.CHECKER_FAILURE not in {report.verdict for report in reports}
    text = test.input.removesuffix("\n")
    assert [report.passed for report in reports] == [family.accepts(text, output, *ops) for output in given]
    assert reports[0].passed
    assert not all(report.passed for report in reports)


def test_another_right_answer_is_accepted(box):
    from sandbox import Program

    key = next(key for key in SPLIT if key.startswith("L5/any-pair/multiple.from-1"))
    task = replace(build(key), public_tests=(), private_tests=(StdioTest("2\n1 1 4 6\n", "1 2\n"),))
    answers = {"1 2": True, "3 4": True, "1 3": False, "2 1": False}
    reports = [judge(task, Program(f"print({text!r})"), box) for text in answers]
    assert [report.passed for report in reports] == [*answers.values()]


def test_measures_of_a_program():
    source = "n = int(input())\n\nfor i in range(n):\n    if i % 2 and i:\n        print([j for j in range(i) if j])\n"
    assert measures(source) == {"lines": 4, "branches": 3, "loop_depth": 2}
    assert measures("print(1)") == {"lines": 1, "branches": 0, "loop_depth": 0}
    assert build("L0/two-numbers/same-line.sum").metadata["measures"]["loop_depth"] == 0
