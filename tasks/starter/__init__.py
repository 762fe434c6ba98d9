"""The built-in suite: graded families, every task a pure function of its key, made when first asked for.

Splits hold out whole pairs of operations. Each unordered pair of operations belongs to one split by a hash of the two
names; a task belongs to "test" or "validation" when one of its pairs does, to "train" when all its pairs do, and is
left out when its pairs point to both held-out splits. So a held-out task combines operations that training has shown
one by one but never together. From level 3 on, one or two families of each level are held out as a whole besides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from itertools import combinations
from typing import overload

from tasks.errors import TaskError
from tasks.starter import (
    basics,
    chains,
    choices,
    dynamic,
    graphs,
    groups,
    lists,
    numbers,
    parsing,
    primes,
    puzzles,
    ranges,
    simulation,
    stories,
    strings,
    tables,
    timed,
)
from tasks.starter.family import Family, Op
from tasks.task import StdioTest, Task

FAMILIES: tuple[Family, ...] = (
    *basics.FAMILIES,
    *lists.FAMILIES,
    *strings.FAMILIES,
    *puzzles.FAMILIES,
    *numbers.FAMILIES,
    *chains.FAMILIES,
    *ranges.FAMILIES,
    *tables.FAMILIES,
    *simulation.FAMILIES,
    *parsing.FAMILIES,
    *primes.FAMILIES,
    *graphs.FAMILIES,
    *groups.FAMILIES,
    *dynamic.FAMILIES,
    *timed.FAMILIES,
    *stories.FAMILIES,
    *choices.FAMILIES,
)
LEVELS = range(6)
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
    _cell(key)
    return _build(key)


def fresh_tests(key: str, seed: int, count: int) -> tuple[StdioTest, ...]:
    """`count` new tests of a task, a pure function of the arguments: no input twice, none that the task has.

    In a family that asks for speed the first one is large.

    Raises:
        TaskError: there is no such task, or its inputs are too few (a number below 60, say).
    """
    family, ops = _cell(key)
    return family.fresh(ops, seed, count)


def statements(key: str) -> tuple[str, ...]:
    """All paraphrases of a task's statement, with its example; the task has one of them."""
    family, ops = _cell(key)
    return family.statements(ops)


def levels_of(text: str) -> range:
    """The levels that "L3" or "L0-L2" names. Raises `TaskError` for anything else."""
    found = re.fullmatch(r"L(\d)(?:-L(\d))?", text)
    levels = range(int(found[1]), int(found[2] or found[1]) + 1) if found else range(0)
    if not levels or levels[-1] not in LEVELS:
        raise TaskError(
            f'suite "starter" is built in: it takes levels and no path, not "{text}"; write "starter:L0-L2"'
        )
    return levels


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


def splits(levels: range = LEVELS) -> dict[str, Tasks]:
    """The tasks of each split."""
    cells, chosen = _catalogue()
    return {name: Tasks([key for key in keys if cells[key][0].level in levels]) for name, keys in chosen.items()}


def _cell(key: str) -> tuple[Family, tuple[Op, ...]]:
    cells = _catalogue()[0]
    if key not in cells:
        raise TaskError(f'no task "{key}" in suite "starter"; load_suite("starter").keys() lists them')
    return cells[key]


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
            split = "test" if family.held_out else split_of([op.name for op in ops])
            if split is None or taken[split] >= family.quota.get(split, taken[split] + 1):
                continue
            taken[split] += 1
            cells[family.key(ops)] = family, ops
            chosen[split].append(family.key(ops))
    return cells, chosen


def _fraction(*names: str) -> float:
    return int.from_bytes(sha256("\n".join((SALT, *names)).encode()).digest()[:8], "big") / 2**64
