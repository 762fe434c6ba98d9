"""Which tasks an update draws."""

import dataclasses
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlef.curriculum import MEMORY, Learnability, in_turn, success_variance
from rlef.episode import Episode, Turn
from tasks import StdioTest, Task

TEST = StdioTest("1\n", "1\n")
TASKS = [Task(f"{family}{i}", "", (TEST,), (TEST,), metadata={"family": family}) for family in "abc" for i in range(4)]


def episode(task, solved, failure=False):
    verdicts = ("accepted",) if solved else ("wrong_answer",)
    return Episode(task, 0, (Turn("", "", "p", verdicts, verdicts),), sandbox_failure=failure)


def group(task, *solved):
    return [episode(task, one) for one in solved]


def test_the_variance_is_unbiased():
    for p, samples in product((0.1, 0.5, 0.8), (2, 4)):
        outcomes = list(product((0, 1), repeat=samples))
        mean = sum(
            success_variance(sum(one), samples) * p ** sum(one) * (1 - p) ** (samples - sum(one)) for one in outcomes
        )
        assert mean == pytest.approx(p * (1 - p))


@given(st.integers(1, 30), st.integers(0, 5), st.integers(0, 9))
def test_in_turn_every_task_comes_once_before_any_comes_again(count, seed, number):
    drawn = [task.key for update in range(number + 1) for task in in_turn(TASKS, count, seed, update)]
    for start in range(0, len(drawn) - len(TASKS) + 1, len(TASKS)):
        assert len(set(drawn[start : start + len(TASKS)])) == len(TASKS)


def test_a_family_whose_samples_differ_is_drawn_more_and_its_other_tasks_too():
    known = Learnability(TASKS)
    assert set(known.weights()) == {1.0}
    known.see(group("a0", True, False, True, False) + group("b0", False, False, False, False))
    # By hand: a saw 1/3 and b 0, so the average is 1/6, and each family has one group of it on top.
    a, b, c = (1 / 3 + 1 / 6) / 2, 1 / 12, 1 / 6
    seen = [(1 / 3 + a) / 2, b / 2]  # the two tasks that were seen, with one group of their family on top
    expected = [seen[0], a, a, a, seen[1], b, b, b, c, c, c, c]
    assert known.weights() == pytest.approx(expected)
    drawn = Counter(task.key[0] for number in range(600) for task in known.draw(1, 0, number))
    for start, name in enumerate("abc"):
        share = sum(expected[4 * start : 4 * start + 4]) / sum(expected)
        assert drawn[name] / 600 == pytest.approx(share, abs=0.08)


def test_what_was_seen_fades():
    known = Learnability(TASKS)
    known.see(group("a0", True, False))
    for _ in range(2):
        known.see(group("b0", False, False))
    spread, count = MEMORY**2 / 2, MEMORY**2
    average = spread / (count + MEMORY + 1)
    family = (spread + average) / (count + 1)
    assert known.weights()[:2] == pytest.approx([(spread + family) / (count + 1), family])


def test_a_run_that_is_resumed_knows_what_it_knew():
    updates = [group("a0", True, False) + group("b0", False, False), group("a0", True, True), group("c1", False, True)]
    known, again = Learnability(TASKS), Learnability(TASKS)
    for update in updates:
        known.see(update)
    again.replay(dataclasses.replace(one, step=step) for step, update in enumerate(updates) for one in update)
    assert again.weights() == known.weights() != Learnability(TASKS).weights()


def test_what_says_nothing_changes_nothing():
    known = Learnability(TASKS)
    known.see([episode("a0", True, failure=True), episode("a0", False), episode("elsewhere", True)])
    known.see([Episode("a1", 0, ()), Episode("a1", 1, ())])
    assert set(known.weights()) == {1.0}


def test_a_draw_is_of_different_tasks_and_more_than_there_are_is_all_of_them_again():
    known = Learnability(TASKS)
    known.see(group("a0", True, False))
    assert len({task.key for task in known.draw(12, 3, 1)}) == 12
    assert sorted(task.key for task in known.draw(24, 3, 1)) == sorted([task.key for task in TASKS] * 2)
    assert known.draw(5, 3, 1) == known.draw(5, 3, 1) != known.draw(5, 3, 2)


def test_without_families_each_task_speaks_for_itself():
    tasks = [Task(key, "", (TEST,), (TEST,)) for key in "xy"]
    known = Learnability(tasks)
    known.see(group("x", True, False) + group("y", True, True))
    assert known.weights() == pytest.approx([(1 / 2 + 1 / 4) / 2, (1 / 4) / 2])
