"""Twins: found within a suite and between two, however large they are."""

from hypothesis import given
from hypothesis import strategies as st

from tasks import Task
from tasks.overlap import Twins, ngrams, twins

STORY = "Alice has n apples and wants to give them to her k friends so that nobody gets more than anybody else does"


def task(key, statement):
    return Task(key, statement, (), ())


def test_twins_within_and_between():
    mine = [
        task("a", STORY),
        task("b", "Print the number of even numbers in a list of n."),
        task("c", f"{STORY}. Print it."),
    ]
    theirs = [task("x", STORY.upper()), task("y", "Something else altogether, longer than eight words in any case.")]
    assert twins(mine) == [Twins("a", "c", 1.0)]
    assert twins(mine, theirs) == [Twins("x", "a", 1.0), Twins("x", "c", 1.0), Twins("a", "c", 1.0)]
    assert twins([], theirs) == []


def test_short_and_empty_statements():
    assert twins([task("a", "Add."), task("b", "add ."), task("c", "Subtract.")]) == [Twins("a", "b", 1.0)]
    assert len(ngrams("")) == 1


@given(st.lists(st.text("abc ", max_size=40), max_size=8))
def test_brute_force(statements):
    tasks = [task(str(i), text) for i, text in enumerate(statements)]
    expected = []
    for i, one in enumerate(tasks):
        for other in tasks[:i]:
            a, b = ngrams(one.statement), ngrams(other.statement)
            share = len(a & b) / min(len(a), len(b))
            if share >= 0.8:
                expected.append(Twins(other.key, one.key, round(share, 3)))
    assert sorted(twins(tasks), key=str) == sorted(expected, key=str)
