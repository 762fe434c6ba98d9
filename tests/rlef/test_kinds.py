"""Solved by kind of task, against a case worked by hand."""

import pytest

from rlef.evaluation.kinds import by_kind
from rlef.evaluation.metrics import Outcome
from tasks import StdioTest, Task


def task(key, **metadata):
    return Task(key, "Say it.", (StdioTest("", "1\n"),), (StdioTest("", "2\n"),), metadata=metadata)


def outcomes(**marks):
    """ "-+ +" by task: one rollout solved at its second turn, one at its first."""
    return [
        Outcome(key, seed, tuple(mark == "+" for mark in turns))
        for key, text in marks.items()
        for seed, turns in enumerate(text.split())
    ]


TASKS = [task("a", family="sums"), task("b", family="sums", difficulty="hard"), task("c", difficulty="easy"), task("d")]


def test_every_kind_has_its_share_and_its_own_difference():
    before = outcomes(a="+ +", b="-- --", c="-+ --", d="+ +")
    after = outcomes(a="-- --", b="-- --", c="+ -+", d="+ +")
    found = by_kind(TASKS, {"warm_start": before, "trained": after})
    assert {kind: one["tasks"] for kind, one in found.items()} == {"sums": 2, "easy": 1, "other": 1}
    assert [found[kind]["warm_start"]["mean"] for kind in found] == pytest.approx([0.5, 0.5, 1])
    assert [found[kind]["trained"]["mean"] for kind in found] == pytest.approx([0, 1, 1])
    assert [found[kind]["difference"]["mean"] for kind in found] == pytest.approx([-0.5, 0.5, 0])
    assert found["sums"]["difference"]["low"] <= -0.5 <= found["sums"]["difference"]["high"]


def test_one_model_has_no_difference_and_a_kind_without_a_score_is_left_out():
    found = by_kind(TASKS, {"evaluation": [*outcomes(a="+"), Outcome("c", 0, (), failed=True)]})
    assert list(found) == ["sums"]
    assert found["sums"] == {"tasks": 2, "evaluation": found["sums"]["evaluation"]}


def test_a_kind_of_which_the_models_share_no_task_is_left_out():
    before = [*outcomes(a="+", c="+"), Outcome("b", 0, (), failed=True)]
    after = [*outcomes(b="+", c="+"), Outcome("a", 0, (), failed=True)]
    assert list(by_kind(TASKS, {"warm_start": before, "trained": after})) == ["easy"]


def test_a_suite_that_tells_no_kinds_apart_has_none():
    assert by_kind([task("a"), task("b")], {"evaluation": outcomes(a="+", b="-")}) == {}
    assert by_kind([], {"evaluation": []}) == {}
