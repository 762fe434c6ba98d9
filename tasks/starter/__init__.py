"""The built-in suite: graded families, every task a pure function of its key, made when first asked for.

Splits hold out whole pairs of operations. Each unordered pair of operations belongs to one split by a hash of the two
names; a task belongs to "test" or "validation" when one of its pairs does, to "train" when all its pairs do, and is
left out when its pairs point to both held-out splits. So a held-out task combines operations that training has shown
one by one but never together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from itertools import combinations
from typing import overload

from tasks.errors import TaskError
from tasks.starter import basics, lists, numbers, puzzles, strings
from tasks.starter.family import Family, Op
from tasks.task import Task

FAMILIES: tuple[Family, ...] = (
    *basics.FAMILIES,
    *lists.FAMILIES,
    *strings.FAMILIES,
    *puzzles.FAMILIES,
    *numbers.FAMILIES,
)
SALT = "rlef-starter-30"  # the number was chosen so that every operation is met in train and every family in test
TEST_SHARE, VALIDATION_SHARE = 0.14, 0.06


def pair_split(first: str, second: str) -> str:
    """The split that owns a pair of operation names, whatever their order."""
    share = _fraction(*sorted((first, second)))
    return "test" if share < TEST_SHARE else "validation" if share < TEST_SHARE + VALIDATION_SHARE else "train"


def split_of(operations: Sequence[str]) -> str | None:
    """The split of a task with these operations; None when it is left out."""
    held_out = {pair_split(*pair) for pair in combinations(operations, 2)} - {"train"}
    return None if len(held_out) > 1 else next(iter(held_out), "train")


def build(key: str) -> Task:
    """The task of a key."""
    if key not in _catalogue()[0]:
        raise TaskError(f'no task "{key}" in suite "starter"; load_suite("starter").keys() lists them')
    return _build(key)


class Tasks(Sequence[Task]):
    """The tasks of some keys, each built when asked for. Pickles as its keys."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> Tasks: ...
    def __getitem__(self, index: int | slice) -> Task | Tasks:
        return Tasks(self.keys[index]) if isinstance(index, slice) else build(self.keys[index])


def splits() -> dict[str, Tasks]:
    """The tasks of each split."""
    return {name: Tasks(keys) for name, keys in _catalogue()[1].items()}


@cache
def _build(key: str) -> Task:
    family, ops = _catalogue()[0][key]
    return family.build(ops)


@cache
def _catalogue() -> tuple[dict[str, tuple[Family, tuple[Op, ...]]], dict[str, list[str]]]:
    cells: dict[str, tuple[Family, tuple[Op, ...]]] = {}
    chosen: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for family in FAMILIES:
        taken: Counter[str] = Counter()
        # A family with a quota gives the cells whose hash comes first, an even sample of its grid.
        for ops in (
            sorted(family.cells(), key=lambda ops: _fraction(family.key(ops))) if family.quota else family.cells()
        ):
            split = split_of([op.name for op in ops])
            if split is None or taken[split] >= family.quota.get(split, taken[split] + 1):
                continue
            taken[split] += 1
            cells[family.key(ops)] = family, ops
            chosen[split].append(family.key(ops))
    return cells, chosen


def _fraction(*names: str) -> float:
    return int.from_bytes(sha256("\n".join((SALT, *names)).encode()).digest()[:8], "big") / 2**64
