"""Tasks that say nearly the same: twins within a suite, and contamination between two.

Statements are compared by their word n-grams (as Brown et al. 2020, arXiv 2005.14165, appendix C, do to find test sets
in training data): the share of the shorter statement's n-grams that the longer one has too. Numbers and punctuation
count, case does not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zlib import crc32

from tasks.task import Task

WORDS = 8
SHARE = 0.8
_COMMON = 50
"""An n-gram in more statements than this is a phrase of the trade and says nothing."""


@dataclass(frozen=True)
class Twins:
    """Two tasks with much the same statement."""

    first: str
    second: str
    share: float
    """Of the n-grams of the shorter statement, how many the other has, from 0 to 1."""


def twins(tasks: Iterable[Task], others: Iterable[Task] = (), share: float = SHARE) -> list[Twins]:
    """Pairs within `tasks`, and of a task with one of `others`, in the order of the tasks.

    `first` is the earlier task, or the one of `others`. A task of `others` with the same key is another task.
    """
    names: list[str] = []
    sizes: list[int] = []
    owners: defaultdict[int, list[int]] = defaultdict(list)
    found: list[Twins] = []
    for is_other, task in _tagged(others, tasks):
        grams = ngrams(task.statement)
        if not is_other:
            shared = Counter(owner for gram in grams for owner in owners[gram] if len(owners[gram]) <= _COMMON)
            for owner, count in sorted(shared.items()):
                part = count / max(1, min(len(grams), sizes[owner]))
                if part >= share:
                    found.append(Twins(names[owner], task.key, round(part, 3)))
        for gram in grams:
            if len(owners[gram]) <= _COMMON:
                owners[gram].append(len(names))
        names.append(task.key)
        sizes.append(len(grams))
    return found


def ngrams(statement: str) -> set[int]:
    """Hashes of a statement's word n-grams; a shorter statement is one n-gram."""
    words = re.findall(r"\w+|[^\w\s]", statement.lower())
    count = max(1, len(words) - WORDS + 1)
    return {crc32(" ".join(words[i : i + WORDS]).encode()) for i in range(count)}


def _tagged(others: Iterable[Task], tasks: Iterable[Task]) -> Iterator[tuple[bool, Task]]:
    yield from ((True, task) for task in others)
    yield from ((False, task) for task in tasks)
