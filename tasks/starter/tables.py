"""Level-3 families with two loops: turning and reading a matrix, looking at pairs of numbers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tasks.starter.family import Family, Op, slip

Matrix = list[list[int]]


def _turn(name: str, phrase: str, code: str, run: Callable[[Matrix], Matrix], *slips: Op) -> Op:
    return Op(f"turn:{name}", phrase, code, run, slips)


def _at(m: Matrix, height: int, width: int, old: Callable[[int, int], tuple[int, int]]) -> Matrix:
    places = [[old(i, j) for j in range(width)] for i in range(height)]
    return [[m[i][j] for i, j in row] for row in places]


def _right(m: Matrix) -> Matrix:
    return _at(m, len(m[0]), len(m), lambda i, j: (len(m) - 1 - j, i))


def _left(m: Matrix) -> Matrix:
    return _at(m, len(m[0]), len(m), lambda i, j: (j, len(m[0]) - 1 - i))


TURNS = (
    _turn("transpose", "transpose it (rows become columns)", "list(zip(*m))",
          lambda m: _at(m, len(m[0]), len(m), lambda i, j: (j, i))),
    _turn("right", "turn it by 90 degrees to the right", "list(zip(*m[::-1]))", _right,
          slip("list(zip(*m))[::-1]", _left)),
    _turn("left", "turn it by 90 degrees to the left", "list(zip(*m))[::-1]", _left,
          slip("list(zip(*m[::-1]))", _right)),
    _turn("half", "turn it by 180 degrees", "[row[::-1] for row in m[::-1]]",
          lambda m: _at(m, len(m), len(m[0]), lambda i, j: (len(m) - 1 - i, len(m[0]) - 1 - j)),
          slip("m[::-1]", lambda m: m[::-1])),
    _turn("mirror", "mirror every row", "[row[::-1] for row in m]",
          lambda m: _at(m, len(m), len(m[0]), lambda i, j: (i, len(m[0]) - 1 - j))),
    _turn("flip", "put its rows in reverse order", "m[::-1]",
          lambda m: _at(m, len(m), len(m[0]), lambda i, j: (len(m) - 1 - i, j))),
)  # fmt: skip


def _change(name: str, phrase: str, code: str, run: Callable[[int], int], *slips: Op) -> Op:
    return Op(f"change:{name}", phrase, code, run, slips)


CHANGES = (
    _change("none", "leave the numbers as they are", "x", lambda x: x),
    _change("double", "double every number", "x * 2", lambda x: x + x),
    _change("floor", "replace negative numbers by 0", "max(x, 0)", lambda x: x if x > 0 else 0),
    _change("parity", "replace even numbers by 0 and odd ones by 1", "x % 2", lambda x: x & 1),
)


def _spiral(m: Any) -> list[int]:
    found: list[int] = []
    while m and m[0]:
        found += m[0]
        m = [list(row) for row in zip(*m[1:], strict=True)][::-1]
    return found


SHOWN = (
    Op("shown:rows", "all rows, one a line", "for row in m:\n    print(*row)",
       lambda m: "\n".join(" ".join(map(str, row)) for row in m)),
    Op("shown:row-sums", "the sum of each row, on one line", "print(*(sum(row) for row in m))",
       lambda m: " ".join(str(sum(row)) for row in m)),
    Op("shown:column-maxima", "the largest number of each column, on one line", "print(*(max(c) for c in zip(*m)))",
       lambda m: " ".join(str(max(row[j] for row in m)) for j in range(len(m[0])))),
    Op("shown:diagonal", "the numbers on the diagonal that starts top left, on one line",
       "print(*(m[i][i] for i in range(min(len(m), len(m[0])))))",
       lambda m: " ".join(str(x) for i, row in enumerate(m) for j, x in enumerate(row) if i == j)),
    Op("shown:spiral", "all numbers in a spiral: from top left to the right and round inwards, on one line",
       "s = []\nwhile m:\n    s += m[0]\n    m = list(zip(*m[1:]))[::-1]\nprint(*s)",
       lambda m: " ".join(map(str, _spiral(m)))),
    Op("shown:weighted", "the sum of all numbers, each times (10 * its row + its column), both from 0",
       "print(sum((10 * i + j) * x for i, row in enumerate(m) for j, x in enumerate(row)))",
       lambda m: str(sum((10 * i + j) * m[i][j] for j in range(len(m[0])) for i in range(len(m)))),
       (slip("print(sum((10 * i + j) * x for i, row in enumerate(m, 1) for j, x in enumerate(row, 1)))",
             lambda m: str(sum((10 * i + j + 11) * m[i][j] for j in range(len(m[0])) for i in range(len(m))))),)),
    Op("shown:last-first", "the last row, then on a line of its own the first row", "print(*m[-1])\nprint(*m[0])",
       lambda m: "\n".join(" ".join(map(str, row)) for row in (m[-1], m[0]))),
)  # fmt: skip


UNSEEN = {
    *(("shown:row-sums", turn) for turn in ("turn:right", "turn:half")),
    *(("shown:column-maxima", turn) for turn in ("turn:left", "turn:half")),
    *(("shown:diagonal", turn) for turn in ("turn:left", "turn:right")),
}
"""What shows the same as after another turn."""


def _matrix(rng: Random, small: bool) -> str:
    height, width = (rng.randint(2, 3), rng.randint(2, 3)) if small else (rng.randint(1, 5), rng.randint(1, 5))
    rows = [" ".join(str(rng.randint(-9, 20)) for _ in range(width)) for _ in range(height)]
    return "\n".join([str(height), *rows])


def _solve_matrix(text: str, turn: Op, change: Op, shown: Op) -> str:
    m = [[change.run(int(word)) for word in line.split()] for line in text.split("\n")[1:]]
    return str(shown.run(turn.run(m)))


MATRIX = Family(
    name="matrix",
    level=3,
    axes=(TURNS, CHANGES, SHOWN),
    templates=(
        "The first line is n; n lines with the rows of a matrix of integers follow. Take the matrix, {0} and {1}. "
        "Print {2}.",
        "Read n, then the n rows of a matrix. First {0}, then {1}. Output {2}.",
    ),
    program=lambda turn, change, shown: (
        f"n = int(input())\nm = [list(map(int, input().split())) for _ in range(n)]\nm = {turn.code}\n"
        f"m = [[{change.code} for x in row] for row in m]\n{shown.code}"
    ),
    solve=_solve_matrix,
    draw=_matrix,
    edges=(
        "1\n7",
        "1\n1 -2 3",
        "3\n4\n-5\n6",
        "2\n1 2\n3 4",
        "3\n1 2 3\n4 5 6\n7 8 9",
        "2\n0 0 1\n-1 0 0",
        "4\n1 2\n3 4\n5 6\n7 8",
        "3\n10 -20 30 -40\n5 -6 7 8\n-1 1 -1 2",
    ),
    keep=lambda turn, change, shown: (shown.name, turn.name) not in UNSEEN,
    quota={"train": 60, "validation": 8, "test": 24},
)


def _which(name: str, phrase: str, code: str, run: Callable[[int, int], bool], *slips: Op) -> Op:
    return Op(f"which:{name}", phrase, code, run, slips)


WHICH = (
    _which("even-sum", "with an even sum", "(x + y) % 2 == 0", lambda x, y: x % 2 == y % 2),
    _which("close", "that differ by at most 2", "abs(x - y) <= 2", lambda x, y: -2 <= x - y <= 2,
           slip("abs(x - y) < 2", lambda x, y: abs(x - y) < 2)),
    _which("falling", "whose first number is greater than the second", "x > y", lambda x, y: x > y,
           slip("x >= y", lambda x, y: x >= y)),
    _which("opposite", "of numbers with different signs (0 has none)", "x * y < 0", lambda x, y: x < 0 < y or y < 0 < x,
           slip("x * y <= 0", lambda x, y: x * y <= 0)),
    _which("sum-10", "with a sum greater than 10", "x + y > 10", lambda x, y: x > 10 - y,
           slip("x + y >= 10", lambda x, y: x + y >= 10)),
    _which("by-3", "whose sum is a multiple of 3", "(x + y) % 3 == 0", lambda x, y: (x + y) % 3 == 0),
)  # fmt: skip
PAIRS = (
    Op("pairs:any-two", "two numbers at different positions",
       "for i in range(len(a)):\n    for j in range(i + 1, len(a)):\n        x, y = a[i], a[j]\n",
       lambda a: [(a[i], a[j]) for j in range(len(a)) for i in range(j)],
       (slip("for i in range(len(a)):\n    for j in range(i, len(a)):\n        x, y = a[i], a[j]\n",
             lambda a: [(a[i], a[j]) for j in range(len(a)) for i in range(j + 1)]),)),
    Op("pairs:apart", "two numbers at least two positions apart, as the 1st and the 3rd",
       "for i in range(len(a)):\n    for j in range(i + 2, len(a)):\n        x, y = a[i], a[j]\n",
       lambda a: [(a[i], a[j]) for j in range(len(a)) for i in range(j - 1)]),
    Op("pairs:near", "two numbers at most three positions apart, as the 1st and the 4th",
       "for i in range(len(a)):\n    for j in range(i + 1, min(i + 4, len(a))):\n        x, y = a[i], a[j]\n",
       lambda a: [(a[i], a[j]) for j in range(len(a)) for i in range(max(0, j - 3), j)],
       (slip("for i in range(len(a)):\n    for j in range(i + 1, min(i + 3, len(a))):\n        x, y = a[i], a[j]\n",
             lambda a: [(a[i], a[j]) for j in range(len(a)) for i in range(max(0, j - 2), j)]),)),
)  # fmt: skip
OVER_PAIRS = (
    Op("of-pairs:count", "the number of such pairs", "len(b)", lambda b: str(len(b))),
    Op("of-pairs:largest-sum", "the largest sum of such a pair (0 if there is none)",
       "max((x + y for x, y in b), default=0)",
       lambda b: str(max(map(sum, b))) if b else "0",
       (slip("max([0] + [x + y for x, y in b])", lambda b: str(max([0, *map(sum, b)]))),)),
    Op("of-pairs:products", "the sum of their products", "sum(x * y for x, y in b)",
       lambda b: str(sum(x * y for x, y in b))),
    Op("of-pairs:distinct", "how many different sums these pairs have", "len({x + y for x, y in b})",
       lambda b: str(len(set(map(sum, b))))),
)  # fmt: skip

PAIR_LOOPS = Family(
    name="pair-loops",
    level=3,
    axes=(WHICH, PAIRS, OVER_PAIRS),
    templates=(
        "Read a line of integers. {1} make a pair, the earlier one first. Take the pairs {0} and print {2}.",
        "Integers are given on one line. {1} are called a pair, the earlier one first. Of the pairs {0}, output {2}.",
    ),
    program=lambda which, pairs, over: (
        f"a = list(map(int, input().split()))\nb = []\n{pairs.code}        if {which.code}:\n"
        f"            b.append((x, y))\nprint({over.code})"
    ),
    solve=lambda text, which, pairs, over: over.run(
        [pair for pair in pairs.run([int(word) for word in text.split()]) if which.run(*pair)]
    ),
    draw=lambda rng, small: " ".join(
        str(rng.randint(-9, 15)) for _ in range(rng.randint(5, 6) if small else rng.randint(5, 12))
    ),
    edges=("3", "4 4", "5 5 5 5 5", "-3 -8 -1 -8", "0 0 7 -7", "1 2 3 4 5 6 7 8", "9 7 5 3 1 -1", "6 -5 4 10 0 11"),
)

FAMILIES = (MATRIX, PAIR_LOOPS)
