"""Levels 0 to 2 of the starter suite as data: determinism, hold-out, tests kept apart, mutants told apart."""

import json
import os
import pickle
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from itertools import combinations

import pytest

from tasks import StdioTest, TaskError, load_suite
from tasks.starter import build, pair_split, split_of

SUITE = load_suite("starter:L0-L2")
TASKS = list(SUITE)
PUBLISHED = "5fba625dab276c1afaca6a7160ec829ac9f99d5c73845894a4ab26447512a717"
FINGERPRINT = """
import sys
from hashlib import sha256
from tasks import load_suite
tasks = list(load_suite("starter:L0-L2"))
print(sha256(repr(tasks).encode()).hexdigest(), "numpy" in sys.modules or "torch" in sys.modules)
"""


def pairs(task):
    return {frozenset(pair) for pair in combinations(task.metadata["operations"], 2)}


def test_published_numbers_were_measured_on_these_tasks():
    """Keys, statements, tests, splits and their order: with another digest, results can no longer be compared."""
    rows = [
        [
            split,
            task.key,
            task.statement,
            *([test.input, test.output] for test in (*task.public_tests, *task.private_tests)),
        ]
        for split, tasks in SUITE.splits.items()
        for task in tasks
    ]
    assert sha256(json.dumps(rows).encode()).hexdigest() == PUBLISHED


def test_size_and_balance():
    levels = {split: Counter(task.metadata["level"] for task in tasks) for split, tasks in SUITE.splits.items()}
    assert len({task.key for task in TASKS}) == len(TASKS) >= 400
    assert len({task.statement for task in TASKS}) == len(TASKS)
    assert 90 <= len(SUITE["test"]) <= 120
    assert 30 <= len(SUITE["validation"]) <= 50
    assert all(set(counts) == {0, 1, 2} for counts in levels.values())
    assert all(counts[0] < counts[1] < counts[2] for counts in levels.values())


@pytest.mark.parametrize("seed", ["0", "1"])
def test_same_tasks_in_every_process_and_no_heavy_import(seed):
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    run = subprocess.run(
        [sys.executable, "-c", FINGERPRINT], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [sha256(repr(TASKS).encode()).hexdigest(), "False"]


def test_lazy_tasks_pickle_and_slice():
    tasks = SUITE["train"]
    again = pickle.loads(pickle.dumps(tasks[3:5]))
    assert list(again) == [tasks[3], tasks[4]]
    assert build(tasks[0].key) == tasks[0]
    with pytest.raises(TaskError, match="no task"):
        build("L9/none/none")


def test_held_out_pairs_never_meet_in_training():
    trained = set().union(*map(pairs, SUITE["train"]))
    tuned = set().union(*map(pairs, SUITE["validation"]))
    for split in ("validation", "test"):
        for task in SUITE[split]:
            fresh = [pair for pair in pairs(task) if pair_split(*pair) == split]
            assert fresh, task.key
            assert not trained.intersection(fresh)
            if split == "test":
                assert not tuned.intersection(fresh)


def test_every_single_operation_is_met_in_training():
    trained = {name for task in SUITE["train"] for name in task.metadata["operations"]}
    assert {name for task in TASKS for name in task.metadata["operations"]} <= trained


def test_the_split_ignores_the_order_of_operations():
    for task in TASKS:
        names = task.metadata["operations"]
        assert len(names) >= 2
        assert split_of(names) == split_of(names[::-1])


@pytest.mark.parametrize("family", sorted({task.metadata["family"] for task in TASKS}))
def test_tests_are_apart_and_telling(family):
    for task in (task for task in TASKS if task.metadata["family"] == family):
        shown = [test.input for test in task.public_tests]
        hidden = [test.input for test in task.private_tests]
        assert all(isinstance(test, StdioTest) for test in (*task.public_tests, *task.private_tests))
        assert len(shown) == 2
        assert len(hidden) >= 10
        assert len({*shown, *hidden}) == len(shown) + len(hidden), task.key
        assert len({test.output for test in task.public_tests}) == 2
        example = task.public_tests[0]
        assert task.statement.endswith(f"input:\n{example.input}Example output:\n{example.output}".rstrip("\n"))
        assert len(task.statement) < 350
        assert 1 <= task.references[0].source.count("\n") + 1 <= 4
        assert len(task.mutants) >= 2
        assert task.references[0] not in task.mutants
        assert "\n\n" not in task.statement


def test_paraphrases_are_used():
    for family in ("filter-reduce", "text-pairs", "decide"):
        assert len({task.statement.split()[0] for task in TASKS if task.metadata["family"] == family}) >= 2


def test_metadata_is_plain_data():
    for task in TASKS:
        json.dumps(dict(task.metadata))
