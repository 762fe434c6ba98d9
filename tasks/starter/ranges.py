"""Level-3 families over parts of a list: sums of ranges, windows of a fixed length, stretches found by two pointers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tasks.starter.family import Family, Op, slip

Values = list[int]


def _rows(text: str) -> list[Values]:
    return [[int(word) for word in line.split()] for line in text.split("\n")]


COUNTED = (
    Op("counted:value", "sum of the numbers", "x", lambda x: x),
    Op("counted:square", "sum of the squares of the numbers", "x * x", lambda x: x * x),
    Op("counted:even", "number of even numbers", "x % 2 == 0", lambda x: int(x % 2 == 0)),
    Op(
        "counted:positive",
        "number of positive numbers",
        "x > 0",
        lambda x: int(x > 0),
        (slip("x >= 0", lambda x: int(x >= 0)),),
    ),
    Op(
        "counted:digit",
        "number of numbers from 0 to 9",
        "0 <= x < 10",
        lambda x: int(0 <= x < 10),
        (slip("0 < x < 10", lambda x: int(0 < x < 10)),),
    ),
    Op("counted:absolute", "sum of the absolute values", "abs(x)", abs),
)


def _bounds(name: str, phrase: str, first: str, last: str, shift: tuple[int, int], *slips: Op) -> Op:
    """Bounds that make a[l + shift[0] : r + shift[1]]."""
    return Op(
        f"bounds:{name}",
        phrase,
        f"p[{last}] - p[{first}]",
        lambda a, low, high: a[low + shift[0] : high + shift[1]],
        slips,
    )


BOUNDS = (
    _bounds(
        "from-1",
        "from position l to position r, both included, the first position being 1",
        "l - 1",
        "r",
        (-1, 0),
        slip("p[r] - p[l]", lambda a, low, high: a[low:high]),
    ),
    _bounds(
        "from-0",
        "from position l to position r, both included, the first position being 0",
        "l",
        "r + 1",
        (0, 1),
        slip("p[r] - p[l]", lambda a, low, high: a[low:high]),
    ),
    _bounds("half-open", "from position l up to but without position r, the first position being 0", "l", "r", (0, 0)),
)
ANSWERS = (
    Op("answers:each", "the answers, each on a line", '"\\n".join(map(str, b))', lambda b: "\n".join(map(str, b))),
    Op("answers:max", "the largest answer", "max(b)", lambda b: str(max(b))),
    Op("answers:sum", "the sum of all answers", "sum(b)", lambda b: str(sum(b))),
    Op("answers:min", "the smallest answer", "min(b)", lambda b: str(min(b))),
)


def _queries(rng: Random, small: bool) -> str:
    n, q = (rng.randint(4, 6), rng.randint(2, 3)) if small else (rng.randint(5, 14), rng.randint(2, 8))
    # A last position that every kind of bounds allows, so a neighbour's program gives an answer, a wrong one.
    asked = [sorted(rng.sample(range(1, n), 2)) for _ in range(q)]
    return "\n".join(
        [" ".join(str(rng.randint(-20, 20)) for _ in range(n)), str(q), *(f"{low} {high}" for low, high in asked)]
    )


def _solve_queries(text: str, counted: Op, bounds: Op, over: Op) -> str:
    a, _, *asked = _rows(text)
    return str(over.run([sum(counted.run(x) for x in bounds.run(a, low, high)) for low, high in asked]))


PREFIX_SUMS = Family(
    name="prefix-sums",
    level=3,
    axes=(COUNTED, BOUNDS, ANSWERS),
    templates=(
        "The first line holds integers, the second a number q; q lines with two numbers l and r follow. The answer to "
        "such a line is the {0} {1}. Print {2}.",
        'Read a line of integers, then q, then q queries "l r". A query asks for the {0} {1}. Output {2}.',
    ),
    program=lambda c, b, o: (
        f"a = list(map(int, input().split()))\np = [0]\nfor x in a:\n    p.append(p[-1] + ({c.code}))\nb = []\n"
        f"for i in range(int(input())):\n    l, r = map(int, input().split())\n    b.append({b.code})\nprint({o.code})"
    ),
    solve=_solve_queries,
    draw=_queries,
    edges=(
        "5 -5 0\n1\n1 2",
        "0 0 0 0\n2\n1 3\n2 3",
        "7 -2 0 9 10 -1\n3\n1 5\n2 4\n1 1",
        "1 2 3 4 5 6 7 8\n4\n1 7\n1 7\n3 4\n6 6",
        "-3 -1 -4 -1 -5\n2\n2 4\n1 4",
    ),
)


def _window(name: str, phrase: str, code: str, run: Callable[[Values], int], *slips: Op) -> Op:
    return Op(f"window:{name}", phrase, code, run, slips)


WINDOW = (
    _window("sum", "sum", "sum(w)", sum),
    _window("max", "maximum", "max(w)", max),
    _window("min", "minimum", "min(w)", min),
    _window("distinct", "number of different values", "len(set(w))", lambda w: len(set(w))),
    _window("spread", "maximum minus minimum", "max(w) - min(w)", lambda w: max(w) - min(w)),
    _window("ends", "sum of first and last number", "w[0] + w[-1]", lambda w: w[0] + w[-1]),
)
PLACES = (
    Op(
        "places:all",
        "every window of k neighbouring numbers",
        "range(len(a) - k + 1)",
        lambda a, k: [a[i : i + k] for i in range(len(a) - k + 1)],
        (slip("range(len(a) - k)", lambda a, k: [a[i : i + k] for i in range(len(a) - k)]),),
    ),
    Op(
        "places:blocks",
        "every block of k numbers (the list is cut from its start; a shorter rest is left out)",
        "range(0, len(a) - k + 1, k)",
        lambda a, k: [a[i * k : i * k + k] for i in range(len(a) // k)],
        (slip("range(0, len(a), k)", lambda a, k: [a[i : i + k] for i in range(0, len(a), k)]),),
    ),
    Op(
        "places:every-second",
        "every second window of k neighbouring numbers, beginning with the first window",
        "range(0, len(a) - k + 1, 2)",
        lambda a, k: [a[i : i + k] for i in range(len(a) - k + 1) if i % 2 == 0],
    ),
)
OVER_WINDOWS = (
    Op("of-windows:list", "all results in order", "*b", lambda b: " ".join(map(str, b))),
    Op("of-windows:max", "the largest result", "max(b)", lambda b: str(max(b))),
    Op("of-windows:min", "the smallest result", "min(b)", lambda b: str(min(b))),
    Op("of-windows:sum", "the sum of the results", "sum(b)", lambda b: str(sum(b))),
)


def _windows(rng: Random, small: bool) -> str:
    n = rng.randint(5, 7) if small else rng.randint(6, 15)
    return (
        f"{rng.randint(2, 3) if small else rng.randint(1, 5)}\n{' '.join(str(rng.randint(-9, 20)) for _ in range(n))}"
    )


def _solve_windows(text: str, window: Op, places: Op, over: Op) -> str:
    (k,), a = _rows(text)
    return str(over.run([window.run(part) for part in places.run(a, k)]))


WINDOWS = Family(
    name="windows",
    level=3,
    axes=(WINDOW, PLACES, OVER_WINDOWS),
    templates=(
        "The first line is k, the second a list of integers. Take the {0} of {1}. Print {2}.",
        "Read k, then a line of integers. For {1} find its {0}; output {2}.",
    ),
    program=lambda w, p, o: (
        f"k = int(input())\na = list(map(int, input().split()))\nb = []\nfor i in {p.code}:\n    w = a[i : i + k]\n"
        f"    b.append({w.code})\nprint({o.code})"
    ),
    solve=_solve_windows,
    draw=_windows,
    edges=(
        "1\n5",
        "2\n3 3",
        "3\n1 2 3 4 5 6 7",
        "2\n-1 -2 -3 -4 -5",
        "1\n4 0 4 -4",
        "4\n9 8 7 6 5 4 3 2 1",
        "2\n4 4 5 5",
        "2\n4 5 5 6",
    ),
)

RULES = (
    Op("rule:sum", "whose sum is at most k", "sum(w) <= k", lambda w, k: sum(w) <= k, (
        slip("sum(w) < k", lambda w, k: sum(w) < k),
    )),
    Op("rule:distinct", "with at most k different values", "len(set(w)) <= k", lambda w, k: len(set(w)) <= k),
    Op("rule:odd", "with at most k odd numbers", "sum(x % 2 for x in w) <= k", lambda w, k: sum(x % 2 for x in w) <= k),
    Op("rule:spread", "whose maximum and minimum differ by at most k", "max(w) - min(w) <= k",
       lambda w, k: max(w) - min(w) <= k, (slip("max(w) - min(w) < k", lambda w, k: max(w) - min(w) < k),)),
    Op("rule:large", "with at most k numbers greater than 5", "sum(x > 5 for x in w) <= k",
       lambda w, k: sum(x > 5 for x in w) <= k, (
           slip("sum(x >= 5 for x in w) <= k", lambda w, k: sum(x >= 5 for x in w) <= k),
       )),
    Op("rule:jumps", "in which neighbours differ by at most k", "all(abs(x - y) <= k for x, y in zip(w, w[1:]))",
       lambda w, k: all(abs(w[i] - w[i - 1]) <= k for i in range(1, len(w)))),
)  # fmt: skip
ORDER = (
    Op("order:given", "the list", "", lambda a: a),
    Op("order:reversed", "the reversed list", "[::-1]", lambda a: a[::-1]),
    Op("order:doubled", "the list written twice in a row", " * 2", lambda a: a + a),
)
FOUND = (
    Op("found:length", "the length of the longest one (0 if there is none)", "best",
       lambda s: str(max((len(w) for _, w in s), default=0))),
    Op("found:count", "how many there are", "count", lambda s: str(len(s)),
       (slip("best * (best + 1) // 2", lambda s: str(sum(range(max((len(w) for _, w in s), default=0) + 1)))),)),
    Op("found:start", "at which position the first of the longest ones begins (positions count from 1; 0 if there is "
       "none)", "start", lambda s: str(max(s, key=lambda one: (len(one[1]), -one[0]), default=(-1, []))[0] + 1),
       (slip("start - 1", lambda s: str(max(s, key=lambda one: (len(one[1]), -one[0]), default=(-1, []))[0])),)),
    Op("found:total", "the sum of the first of the longest ones (0 if there is none)",
       "sum(a[start - 1 : start - 1 + best])",
       lambda s: str(sum(max(s, key=lambda one: (len(one[1]), -one[0]), default=(0, []))[1]))),
)  # fmt: skip

UNCHANGED = {
    *(("order:reversed", found) for found in ("found:length", "found:count")),
    ("order:doubled", "found:start"),
}
"""What asks for the same as the list in its given order does, always or nearly so."""


def _stretches(rng: Random, small: bool) -> str:
    n = rng.randint(4, 6) if small else rng.randint(5, 12)
    return f"{rng.randint(1, 6) if small else rng.randint(0, 15)}\n{' '.join(str(rng.randint(1, 9)) for _ in range(n))}"


def _solve_stretches(text: str, rule: Op, order: Op, found: Op) -> str:
    (k,), given = _rows(text)
    a = order.run(given)
    parts: Any = [(i, a[i:j]) for i in range(len(a)) for j in range(i + 1, len(a) + 1)]
    return str(found.run([part for part in parts if rule.run(part[1], k)]))


STRETCHES = Family(
    name="stretches",
    level=3,
    axes=(RULES, ORDER, FOUND),
    templates=(
        "The first line is k, the second a list of positive integers. Look at the stretches of neighbouring numbers in "
        "{1} {0}. Print {2}.",
        "Read k and then a line of positive integers. Among all runs of one or more neighbours in {1} {0}, output {2}.",
    ),
    program=lambda rule, order, found: (
        f"k = int(input())\na = list(map(int, input().split())){order.code}\ni = best = start = count = 0\n"
        "for j in range(len(a)):\n    while i <= j:\n        w = a[i : j + 1]\n"
        f"        if {rule.code}:\n            break\n        i += 1\n    count += j + 1 - i\n"
        "    if j + 1 - i > best:\n        best, start = j + 1 - i, i + 1\n"
        f"print({found.code})"
    ),
    solve=_solve_stretches,
    draw=_stretches,
    keep=lambda rule, order, found: (order.name, found.name) not in UNCHANGED,
    edges=(
        "0\n1 2 9 3 4",
        "0\n1",
        "0\n2 4",
        "3\n3",
        "9\n1 1 1 1 1",
        "5\n6 7 8 9",
        "2\n1 2 1 3 1 4 4",
        "10\n5 5 1 9 5 6 4",
        "1\n8 8 8 2",
    ),
)

FAMILIES = (PREFIX_SUMS, WINDOWS, STRETCHES)
