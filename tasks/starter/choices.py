"""Level-5 families with several right answers: a pair, an order, a selection. A special judge decides."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from random import Random

from tasks.starter.family import Family, Op, slip

NONE = tuple(
    Op(f"otherwise:{word}", f'"{word}" if there is none', repr(word), lambda word=word: word)
    for word in ("none", "impossible", "-1")
)


def _judge(reading: str, check: str, nothing: Op) -> str:
    """A validator: `reading` sets up the input, `check` is about `out`, the words of the output as numbers."""
    return (
        "import re\nimport sys\n\ntext = open(sys.argv[1]).read()\nanswer = open(sys.argv[2]).read().split()\n"
        f"words = sys.stdin.read().split()\nif {nothing.code} in (*answer, *words):\n"
        "    sys.exit(42 if words == answer else 43)\n"
        'if not all(re.fullmatch("-?[0-9]{1,9}", word) for word in words):\n    sys.exit(43)\n'
        f"out = list(map(int, words))\n{reading}\ntry:\n    right = {check}\nexcept (IndexError, ValueError):\n"
        "    right = False\nsys.exit(42 if right else 43)\n"
    )


def _numbers(output: str) -> list[int] | None:
    try:
        return [int(word) for word in output.split()]
    except ValueError:
        return None


Pair = Callable[[int, int, int], bool]


def _fits(name: str, phrase: str, code: str, fits: Pair, *slips: Op) -> Op:
    return Op(f"match:{name}", phrase, code, fits, slips)


FITS = (
    _fits("sum", "whose sum is k", "x + y == k", lambda x, y, k: x + y == k),
    _fits("difference", "of which the later one is the earlier one plus k", "y - x == k", lambda x, y, k: y == x + k,
          slip("abs(y - x) == k", lambda x, y, k: abs(y - x) == k)),
    _fits("product", "whose product is k", "x * y == k", lambda x, y, k: x * y == k),
    _fits("multiple", "whose sum is a multiple of k", "(x + y) % k == 0", lambda x, y, k: (x + y) % k == 0),
    _fits("far", "that differ by more than k", "abs(x - y) > k", lambda x, y, k: abs(x - y) > k,
          slip("abs(x - y) >= k", lambda x, y, k: abs(x - y) >= k)),
)  # fmt: skip
SHOWN = (
    Op("printed:from-1", "their two positions, the smaller one first; positions count from 1", "i + 1, j + 1",
       lambda a, i, j: (i + 1, j + 1), (slip("i, j", lambda a, i, j: (i, j)),)),
    Op("printed:from-0", "their two positions, the smaller one first; positions count from 0", "i, j",
       lambda a, i, j: (i, j), (slip("i + 1, j + 1", lambda a, i, j: (i + 1, j + 1)),)),
    Op("printed:values", "the two numbers, the earlier one first", "a[i], a[j]", lambda a, i, j: (a[i], a[j]),
       (slip("a[j], a[i]", lambda a, i, j: (a[j], a[i])),)),
)  # fmt: skip


def _found_pairs(text: str, fits: Op, shown: Op) -> list[tuple[int, ...]]:
    (k,), a = ([int(word) for word in line.split()] for line in text.split("\n"))
    return [shown.run(a, i, j) for i, j in combinations(range(len(a)), 2) if fits.run(a[i], a[j], k)]


def _pair_program(fits: Op, shown: Op, nothing: Op) -> str:
    return (
        "k = int(input())\na = list(map(int, input().split()))\n"
        f"found = [({shown.code}) for i, x in enumerate(a) for j, y in enumerate(a) if i < j and {fits.code}]\n"
        f"print(*(found[0] if found else [{nothing.code}]))"
    )


def _pair_judge(fits: Op, shown: Op, nothing: Op) -> str:
    reading = (
        "k, *a = map(int, text.split())\nn = range(len(a))\n"
        f"right_ones = {{({shown.code}) for i in n for j in n for x, y in [(a[i], a[j])] if i < j and {fits.code}}}"
    )
    return _judge(reading, "tuple(out) in right_ones", nothing)


def _pair_input(rng: Random, small: bool) -> str:
    n = rng.randint(5, 7) if small else rng.randint(3, 12)
    return f"{rng.randint(2, 16)}\n{' '.join(str(rng.randint(1, 9 if small else 15)) for _ in range(n))}"


ANY_PAIR = Family(
    name="any-pair",
    level=5,
    axes=(FITS, SHOWN, NONE),
    templates=(
        "The first line is k, the second a list of positive integers. Find two of them, at different positions, {0}. "
        "Print {1}. If several pairs fit, any of them is right; print {2}.",
        "Read k and a line of positive integers. Look for two at different positions {0} and output {1}. Every such "
        "pair is a right answer; output {2}.",
    ),
    program=_pair_program,
    solve=lambda text, fits, shown, nothing: " ".join(
        map(str, next(iter(_found_pairs(text, fits, shown)), (nothing.run(),)))
    ),
    judge=_pair_judge,
    accepts=lambda text, output, fits, shown, nothing: (
        tuple(_numbers(output) or ()) in found
        if (found := _found_pairs(text, fits, shown))
        else output.split() == [nothing.run()]
    ),
    draw=_pair_input,
    edges=("2\n1", "6\n3", "3\n4 4", "10\n5 5", "6\n2 3", "4\n9 5", "4\n5 9", "7\n1 1 1 1", "20\n1 4 5 20",
        "16\n2 4 8 8 1 16"),
)  # fmt: skip

Edges = list[tuple[int, int]]
RULES = (
    Op("rule-of-order:before", "a must come before b", "a, b", lambda a, b: (a, b),
       (slip("b, a", lambda a, b: (b, a)),)),
    Op("rule-of-order:after", "a must come after b", "b, a", lambda a, b: (b, a)),
    Op("rule-of-order:even", "the even one must come before the odd one; if both are even or both odd, a must come "
       "before b", "(b, a) if a % 2 > b % 2 else (a, b)", lambda a, b: (b, a) if a % 2 > b % 2 else (a, b)),
    Op("rule-of-order:small", "a must come before b, but the smaller one must come first if they differ by 1",
       "(b, a) if a == b + 1 else (a, b)", lambda a, b: (b, a) if a - b == 1 else (a, b)),
)  # fmt: skip
MEMBERS = (
    Op("members:all", "all numbers from 1 to n", "set(range(1, n + 1))", lambda n, used: set(range(1, n + 1))),
    Op("members:used", "the numbers that occur in the rules", "used", lambda n, used: used,
       (slip("set(range(1, n + 1))", lambda n, used: set(range(1, n + 1))),)),
    Op("members:inner", "the numbers from 2 to n - 1 (rules with 1 or n mean nothing)", "set(range(2, n))",
       lambda n, used: set(range(2, n)), (slip("set(range(2, n + 1))", lambda n, used: set(range(2, n + 1))),)),
)  # fmt: skip


def _rules_of(text: str, rule: Op, members: Op) -> tuple[set[int], Edges]:
    (n, _), *lines = [[int(word) for word in line.split()] for line in text.split("\n")]
    chosen = members.run(n, {x for line in lines for x in line})
    return chosen, [pair for pair in (rule.run(*line) for line in lines) if set(pair) <= chosen]


def _solve_order(text: str, rule: Op, members: Op, nothing: Op) -> str:
    left, rules = _rules_of(text, rule, members)
    order: list[int] = []
    while left:
        ready = [x for x in left if not any(b == x and a in left for a, b in rules)]
        if not ready:
            return str(nothing.run())
        order.append(min(ready))
        left = left - {min(ready)}
    return " ".join(map(str, order))


def _order_accepts(text: str, output: str, rule: Op, members: Op, nothing: Op) -> bool:
    right = _solve_order(text, rule, members, nothing)
    if nothing.run() in (right, *output.split()):
        return output.split() == right.split()
    order, (chosen, rules) = _numbers(output), _rules_of(text, rule, members)
    return (
        order is not None and sorted(order) == sorted(chosen) and all(order.index(a) < order.index(b) for a, b in rules)
    )


READ_RULES = "rules = [tuple(map(int, line.split())) for line in lines]\nused = {x for pair in rules for x in pair}\n"


def _order_setup(rule: Op, members: Op) -> str:
    return (
        f"{READ_RULES}left = {members.code}\nrules = [({rule.code}) for a, b in rules]\n"
        "rules = [(a, b) for a, b in rules if a in left and b in left]"
    )


def _order_program(rule: Op, members: Op, nothing: Op) -> str:
    return (
        f"n, m = map(int, input().split())\nlines = [input() for i in range(m)]\n{_order_setup(rule, members)}\n"
        "order = []\nwhile left:\n    ready = left - {b for a, b in rules if a in left}\n    if not ready:\n"
        "        break\n    order.append(min(ready))\n    left.remove(min(ready))\n"
        f"print(*([{nothing.code}] if left else order))"
    )


def _order_judge(rule: Op, members: Op, nothing: Op) -> str:
    reading = f"first, *lines = text.splitlines()\nn = int(first.split()[0])\n{_order_setup(rule, members)}"
    check = "sorted(out) == sorted(left) and all(out.index(a) < out.index(b) for a, b in rules)"
    return _judge(reading, check, nothing)


def _order_input(rng: Random, small: bool) -> str:
    n, m = (rng.randint(4, 5), rng.randint(3, 4)) if small else (rng.randint(4, 9), rng.randint(3, 10))
    place = rng.sample(range(1, n + 1), n)  # a hidden order that most rules keep to
    pairs = [sorted(rng.sample(range(n), 2), reverse=rng.random() < 0.06) for _ in range(m)]
    return "\n".join([f"{n} {m}", *(f"{place[i]} {place[j]}" for i, j in pairs)])


ANY_ORDER = Family(
    name="any-order",
    level=5,
    axes=(RULES, MEMBERS, NONE),
    templates=(
        "The first line holds n and m; m lines with two different numbers a and b follow, each a rule: {0}. Put {1} in "
        "an order that keeps all rules and print it on one line. Any such order is right; print {2}.",
        "Read n, m and m rules \"a b\". A rule says: {0}. Output {1} in any order that follows the rules, and {2}.",
    ),
    program=_order_program,
    solve=_solve_order,
    judge=_order_judge,
    accepts=_order_accepts,
    draw=_order_input,
    edges=(
        "3 1\n3 2", "4 2\n1 4\n4 1", "4 3\n2 3\n3 2\n1 4", "5 4\n5 4\n4 3\n3 2\n2 1", "6 3\n2 4\n4 5\n5 2",
        "5 5\n1 2\n1 2\n2 5\n3 4\n5 3", "7 4\n7 2\n3 6\n6 5\n5 1", "6 4\n6 2\n4 3\n2 5\n3 6",
    ),
)  # fmt: skip

AIMS = (
    Op("aim:exact", "their sum is k", "sum(s) == k", lambda s, k: sum(s) == k),
    Op("aim:multiple", "their sum is a multiple of k", "sum(s) % k == 0", lambda s, k: sum(s) % k == 0),
    Op("aim:spread", "the largest of them is the smallest plus k", "max(s) - min(s) == k",
       lambda s, k: max(s) - min(s) == k, (slip("max(s) - min(s) >= k", lambda s, k: max(s) - min(s) >= k),)),
    Op("aim:ends", "the first of them plus the last of them is k (of one number alone, twice the number)",
       "s[0] + s[-1] == k", lambda s, k: s[0] + s[-1] == k,
       (slip("sum(s) == k", lambda s, k: sum(s) == k),)),
)  # fmt: skip
KINDS = (
    Op("selection:any", "one or more", "True", lambda p: True),
    Op("selection:three", "three or more", "len(p) >= 3", lambda p: len(p) >= 3,
       (slip("len(p) >= 2", lambda p: len(p) >= 2),)),
    Op("selection:apart", "two or more, no two of them neighbours,",
       "len(p) >= 2 and all(j - i > 1 for i, j in zip(p, p[1:]))",
       lambda p: len(p) >= 2 and all(p[i] - p[i - 1] > 1 for i in range(1, len(p))),
       (slip("len(p) >= 2", lambda p: len(p) >= 2),)),
)  # fmt: skip


def _selection_fits(text: str, positions: list[int], aim: Op, kind: Op) -> bool:
    k, *a = map(int, text.split())
    known = positions == sorted(set(positions)) and bool(positions) and positions[0] >= 1 and positions[-1] <= len(a)
    return known and bool(kind.run(positions)) and bool(aim.run([a[i - 1] for i in positions], k))


def _solve_selection(text: str, aim: Op, kind: Op, nothing: Op) -> str:
    n = range(1, len(text.split()))
    every = (list(positions) for size in n for positions in combinations(n, size))
    return " ".join(map(str, next((p for p in every if _selection_fits(text, p, aim, kind)), [nothing.run()])))


def _selection_accepts(text: str, output: str, aim: Op, kind: Op, nothing: Op) -> bool:
    right = _solve_selection(text, aim, kind, nothing)
    if nothing.run() in (right, *output.split()):
        return output.split() == right.split()
    return _selection_fits(text, _numbers(output) or [], aim, kind)


def _selection_program(aim: Op, kind: Op, nothing: Op) -> str:
    return (
        "from itertools import combinations\nk = int(input())\na = list(map(int, input().split()))\nn = len(a)\n"
        f"found = [{nothing.code}]\nfor size in range(n, 0, -1):\n    for p in combinations(range(1, n + 1), size):\n"
        f"        s = [a[i - 1] for i in p]\n        if ({kind.code}) and {aim.code}:\n            found = p\n"
        "print(*found)"
    )


def _selection_judge(aim: Op, kind: Op, nothing: Op) -> str:
    known = "out == sorted(set(out)) and out[0] >= 1 and out[-1] <= len(a)"
    reading = f"k, *a = map(int, text.split())\np = out\ns = [a[i - 1] for i in p] if out and {known} else []"
    return _judge(reading, f"s and ({kind.code}) and {aim.code}", nothing)


def _selection_input(rng: Random, small: bool) -> str:
    n = rng.randint(4, 6 if small else 9)
    return f"{rng.randint(3, 16)}\n{' '.join(str(rng.randint(1, 12)) for _ in range(n))}"


ANY_SELECTION = Family(
    name="any-selection",
    level=5,
    axes=(AIMS, KINDS, NONE),
    templates=(
        "The first line is k, the second a list of at most 9 positive integers. Select {1} of them so that {0}. Print "
        "the positions of a selection in rising order, the first position being 1. Any selection that fits is right; "
        "print {2}.",
        "Read k and a line of up to 9 positive integers. Choose {1} of the numbers such that {0}. Output their "
        "positions (from 1) in rising order; every choice that fits is accepted. Output {2}.",
    ),
    program=_selection_program,
    solve=_solve_selection,
    judge=_selection_judge,
    accepts=_selection_accepts,
    draw=_selection_input,
    keep=lambda aim, kind, nothing: (aim.name, kind.name) != ("aim:ends", "selection:apart"),  # nearly as "aim:exact"
    edges=("3\n3", "5\n4", "6\n3 3", "7\n2 2 3", "9\n8 8 8", "4\n1 9 5", "2\n7 1 9 3", "11\n5 6 1 1 9",
        "10\n10 20 30", "8\n4 4 4 4"),
)  # fmt: skip

FAMILIES = (ANY_PAIR, ANY_ORDER, ANY_SELECTION)
