"""Level-5 families that ask for speed: comparing all with all is right and takes too long on the largest input."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Any

from sandbox.program import Limits
from tasks.starter.family import Family, Op, slip

LIMITS = Limits(wall_s=8.0, cpu_s=1.0, memory_mb=256, output_bytes=1 << 16, processes=8)
PAIRS, SCANNED = 20_000, 24_000
"""Numbers of the large inputs: the slow programs take several seconds of processor time on them."""
Values = list[int]


def _line(values: Any) -> str:
    return " ".join(map(str, values))


def _by_halves(a: Values, least: Callable[[int], int]) -> int:
    """Pairs of an earlier number e and a later one x with e >= least(x), by cutting the list in two."""
    if len(a) < 2:
        return 0
    left, right = a[: len(a) // 2], a[len(a) // 2 :]
    ordered = sorted(left)
    across = sum(len(ordered) - bisect_left(ordered, least(x)) for x in right)
    return across + _by_halves(left, least) + _by_halves(right, least)


def _by_values(matches: Callable[[int, int], list[int]]) -> Callable[[Values, int], int]:
    """Unordered pairs of a number and one that `matches` it, by counting equal numbers; no number matches itself."""

    def count(a: Values, k: int) -> int:
        seen = Counter(a)
        return sum(n * seen.get(y, 0) for x, n in seen.items() for y in matches(x, k)) // 2

    return count


def _sums(a: Values, k: int) -> int:
    seen = Counter(a)
    return sum(n * (seen.get(k - x, 0) - (2 * x == k)) for x, n in seen.items()) // 2


def _multiples(a: Values, k: int) -> int:
    seen = Counter(x % k for x in a)
    return sum(n * (seen.get(-r % k, 0) - (2 * r % k == 0)) for r, n in seen.items()) // 2


def _apart(a: Values, k: int) -> int:
    ordered = sorted(a)
    return sum(len(a) - bisect_right(ordered, x + k) for x in a)


ORDERED, TABLE = "insort(seen, x)\n[]", "seen[x] = seen.get(x, 0) + 1\n{}"


def _relation(name: str, phrase: str, check: str, count: str, keep: str,
              run: Callable[[Values, int], int], *slips: Op) -> Op:  # fmt: skip
    """`check` compares an earlier y with x; `count` counts all earlier ones at once in what `keep` keeps of them."""
    return Op(f"relation:{name}", phrase, f"{check}\n{count}\n{keep}", run, slips)


RELATIONS = (
    _relation("falling", "of which the earlier number is greater than the later one", "y > x",
              "len(seen) - bisect_right(seen, x)", ORDERED, lambda a, k: _by_halves(a, lambda x: x + 1),
              slip(f"y >= x\nlen(seen) - bisect_left(seen, x)\n{ORDERED}", lambda a, k: _by_halves(a, lambda x: x))),
    _relation("twice", "of which the earlier number is at least twice the later one", "y >= 2 * x",
              "len(seen) - bisect_left(seen, 2 * x)", ORDERED, lambda a, k: _by_halves(a, lambda x: 2 * x),
              slip(f"y > 2 * x\nlen(seen) - bisect_right(seen, 2 * x)\n{ORDERED}",
                   lambda a, k: _by_halves(a, lambda x: 2 * x + 1))),
    _relation("sum", "whose sum is k", "x + y == k", "seen.get(k - x, 0)", TABLE, _sums),
    _relation("difference", "that differ by exactly k", "abs(x - y) == k", "seen.get(x - k, 0) + seen.get(x + k, 0)",
              TABLE,
              _by_values(lambda x, k: [x - k, x + k]),
              slip(f"x - y == k\nseen.get(x - k, 0)\n{TABLE}",
                   lambda a, k: sum(a[:i].count(x - k) for i, x in enumerate(a)))),
    _relation("multiple", "whose sum is a multiple of k", "(x + y) % k == 0", "seen.get(-x % k, 0)",
              "seen[x % k] = seen.get(x % k, 0) + 1\n{}", _multiples),
    _relation("apart", "that differ by more than k", "abs(x - y) > k",
              "bisect_left(seen, x - k) + len(seen) - bisect_right(seen, x + k)", ORDERED, _apart,
              slip(f"abs(x - y) >= k\nbisect_right(seen, x - k) + len(seen) - bisect_left(seen, x + k)\n{ORDERED}",
                   lambda a, k: _apart(a, k - 1))),
)  # fmt: skip
SERIES = (
    Op("series:given", "the numbers", "a", lambda a: a),
    Op("series:sums", "their running sums (the first, the first two together, ...), each modulo 50",
       "[x % 50 for x in accumulate(a)]", lambda a: list(accumulate(a, lambda x, y: (x + y) % 50, initial=0))[1:],
       (slip("[0] + [x % 50 for x in accumulate(a)]", lambda a: [0, *(x % 50 for x in accumulate(a))]),)),
    Op("series:falling", "the numbers, each minus its position (1, 2, ...), or 0 if that is negative",
       "[max(x - i, 0) for i, x in enumerate(a, 1)]", lambda a: [max(a[i] - i - 1, 0) for i in range(len(a))],
       (slip("[max(x - i, 0) for i, x in enumerate(a)]", lambda a: [max(a[i] - i, 0) for i in range(len(a))]),)),
)  # fmt: skip
COUNTS = (
    Op("pair-count:plain", "the number of such pairs", "count", lambda n, size: n),
    Op("pair-count:mod-10", "the number of such pairs, modulo 10", "count % 10", lambda n, size: n % 10,
       (slip("count % 100", lambda n, size: n % 100),)),
    Op("pair-count:others", "the number of pairs that are not such pairs", "len(a) * (len(a) - 1) // 2 - count",
       lambda n, size: size * (size - 1) // 2 - n, (slip("len(a) ** 2 - count", lambda n, size: size**2 - n),)),
)  # fmt: skip


def _fast_pairs(relation: Op, series: Op, count: Op) -> str:
    _, found, keep, seen = relation.code.split("\n")
    return (
        "from bisect import bisect_left, bisect_right, insort\nfrom itertools import accumulate\n"
        f"k = int(input())\na = list(map(int, input().split()))\na = {series.code}\ncount = 0\nseen = {seen}\n"
        f"for x in a:\n    count += {found}\n    {keep}\nprint({count.code})"
    )


def _slow_pairs(relation: Op, series: Op, count: Op) -> str:
    return (
        f"from itertools import accumulate\nk = int(input())\na = list(map(int, input().split()))\na = {series.code}\n"
        "count = 0\nfor i, x in enumerate(a):\n    for y in a[:i]:\n"
        f"        count += {relation.code.split(chr(10))[0]}\nprint({count.code})"
    )


def _solve_pairs(text: str, relation: Op, series: Op, count: Op) -> str:
    k, line = text.split("\n")
    a = series.run([int(word) for word in line.split()])
    return str(count.run(relation.run(a, int(k)), len(a)))


def _pair_input(rng: Random, small: bool) -> str:
    n = rng.randint(5, 7) if small else rng.randint(8, 30)
    return f"{rng.randint(2, 9)}\n{_line(rng.randint(0, 9 if small else 20) for _ in range(n))}"


FAST_PAIRS = Family(
    name="fast-pairs",
    level=5,
    axes=(RELATIONS, SERIES, COUNTS),
    templates=(
        f"The first line is k (at least 1), the second a list of up to {PAIRS} integers, none negative. Take {{1}}. "
        "Look at the pairs of two positions {0}. Print {2}. You have one second.",
        f"Read k and then a line of at most {PAIRS} integers that are 0 or more. For {{1}}, consider all pairs at two "
        "different positions {0}; output {2}. One second must be enough.",
    ),
    program=_fast_pairs,
    slow=_slow_pairs,
    solve=_solve_pairs,
    draw=_pair_input,
    large=lambda rng: f"{rng.randint(50, 500)}\n{_line(rng.randint(0, 40_000) for _ in range(PAIRS))}",
    edges=("1\n5", "2\n1 1", "4\n2 2 2", "3\n6 3 0", "5\n9 8 7 6 5 4 3 2 1", "6\n0 6 12 18 24", "1\n0 1 0 1 0 1",
        "2\n1 0 0 0 0 0",
        "8\n4 4 12 20 8 2"),
    limits=LIMITS,
)  # fmt: skip


def _nearest(name: str, phrase: str, code: str, falling: bool, strict: bool) -> Op:
    """`falling` and `strict` say in which order values are looked at, and whether equal ones count."""
    return Op(f"nearest:{name}", phrase, code, lambda: (falling, strict))


NEAREST = (
    _nearest("greater", "greater than it", "{0} > {1}", True, True),
    _nearest("smaller", "smaller than it", "{0} < {1}", False, True),
    _nearest("not-smaller", "at least as large as it", "{0} >= {1}", True, False),
    _nearest("not-greater", "at most as large as it", "{0} <= {1}", False, False),
)
SIDES = (
    Op("side:before", "before it", "", lambda a: a),
    Op("side:after", "after it", "[::-1]", lambda a: a[::-1]),
    Op("side:round", "before it, where the list is a ring (before the first comes the last, and so on)", " * 2",
       lambda a: a + a, (slip("", lambda a: a),)),
)  # fmt: skip
FINDS = (
    Op("finds:distances", "the sum of the distances between their positions (nothing is added where there is none)",
       "sum(i - j for i, j in found if j >= 0)", lambda f, a: str(sum(i - j for i, j in f if j is not None))),
    Op("finds:farthest", "the largest distance between their positions (0 if there is no such pair)",
       "max((i - j for i, j in found if j >= 0), default=0)",
       lambda f, a: str(max([i - j for i, j in f if j is not None] or [0]))),
    Op("finds:values", "the sum of the numbers found (nothing is added where there is none)",
       "sum(a[j] for i, j in found if j >= 0)", lambda f, a: str(sum(a[j] for _, j in f if j is not None)),
       (slip("sum(a[j] for i, j in found)", lambda f, a: str(sum(a[-1 if j is None else j] for _, j in f))),)),
    Op("finds:none", "for how many numbers there is none", "sum(j < 0 for i, j in found)",
       lambda f, a: str(len([i for i, j in f if j is None]))),
)  # fmt: skip


def _solve_nearest(text: str, nearest: Op, side: Op, finds: Op) -> str:
    given = [int(word) for word in text.split()]
    a = side.run(given)
    falling, strict = nearest.run()
    where: dict[int, list[int]] = {}
    for i, x in enumerate(a):
        where.setdefault(x, []).append(i)
    known: list[int] = []  # positions of all values that count for the one looked at
    before: dict[int, int | None] = {}
    for value in sorted(where, reverse=falling):
        for i in () if strict else where[value]:
            insort(known, i)
        for i in where[value]:
            place = bisect_left(known, i)
            before[i] = known[place - 1] if place else None
        for i in where[value] if strict else ():
            insort(known, i)
    found = [(i, before[i]) for i in range(len(a) - len(given), len(a))]
    return str(finds.run(found, a))


def _fast_nearest(nearest: Op, side: Op, finds: Op) -> str:
    return (
        f"a = list(map(int, input().split()))\nn = len(a)\na = a{side.code}\nfound = []\nstack = []\n"
        f"for i, x in enumerate(a):\n    while stack and not ({nearest.code.format('a[stack[-1]]', 'x')}):\n"
        "        stack.pop()\n    found.append((i, stack[-1] if stack else -1))\n    stack.append(i)\n"
        f"found = found[-n:]\nprint({finds.code})"
    )


def _slow_nearest(nearest: Op, side: Op, finds: Op) -> str:
    return (
        f"a = list(map(int, input().split()))\nn = len(a)\na = a{side.code}\nfound = []\nfor i, x in enumerate(a):\n"
        f"    j = i - 1\n    while j >= 0 and not ({nearest.code.format('a[j]', 'x')}):\n        j -= 1\n"
        f"    found.append((i, j))\nfound = found[-n:]\nprint({finds.code})"
    )


def _hill(rng: Random) -> str:
    """Up and down again: there is nothing greater before the numbers on the way up, nothing smaller nearby later."""
    up = sorted(rng.sample(range(10, 40_000), SCANNED // 2))
    down = sorted(rng.sample(range(40_000), SCANNED // 2))
    return _line([*up, *down[::-1]])


FAST_NEAREST = Family(
    name="fast-nearest",
    level=5,
    axes=(NEAREST, SIDES, FINDS),
    templates=(
        f"Read a line of up to {SCANNED} integers. For each number look for the nearest one {{1}} that is {{0}}. Print "
        "{2}. You have one second.",
        f"At most {SCANNED} integers are given on one line. Each number is paired with the nearest one {{1}} that is "
        "{0}, if there is one. Output {2}. One second must be enough.",
    ),
    program=_fast_nearest,
    slow=_slow_nearest,
    solve=_solve_nearest,
    draw=lambda rng, small: _line(rng.randint(0, 9) for _ in range(rng.randint(5, 8) if small else rng.randint(8, 25))),
    large=_hill,
    keep=lambda nearest, side, finds: (
        side.name != "side:round" or nearest.name in ("nearest:greater", "nearest:smaller")
    ),
    edges=("4", "3 3", "1 2", "2 1", "5 5 5 5", "1 2 3 4 5 6", "6 5 4 3 2 1", "1 9 1 8 1 7 1", "7 0 3 0 7 3"),
    limits=LIMITS,
)

FAMILIES = (FAST_PAIRS, FAST_NEAREST)
