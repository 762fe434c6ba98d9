"""Which tasks an update draws."""

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
    a, b, c = (known.weights()[i] for i in (0, 4, 8))
    assert known.weights()[:4] == [a] * 4
    # By hand: a saw 1/3 and b 0, the mean of the two groups is 1/6, and each family has one group of it on top.
    assert (a, b, c) == (pytest.approx((1 / 3 + 1 / 6) / 2), pytest.approx(1 / 12), pytest.approx(1 / 6))
    drawn = [task.key[0] for number in range(400) for task in known.draw(1, 0, number)]
    shares = [drawn.count(family) / 400 for family in "abc"]
    assert shares == [pytest.approx(w / (a + b + c), abs=0.08) for w in (a, b, c)]


def test_what_was_seen_fades():
    known = Learnability(TASKS)
    known.see(group("a0", True, False))
    for _ in range(2):
        known.see(group("b0", False, False))
    spread, count = MEMORY**2 / 2, MEMORY**2
    prior = spread / (count + MEMORY + 1)
    assert known.weights()[0] == pytest.approx((spread + prior) / (count + 1))


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
    assert known.weights()[0] > known.weights()[1]
