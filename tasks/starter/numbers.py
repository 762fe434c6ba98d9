"""Level-2 families over numbers: digits, ranges, FizzBuzz, multiplication tables, bases, several lines of integers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tasks.starter import inputs
from tasks.starter.family import Family, Op, slip


def _digit(name: str, phrase: str, code: str, test: Callable[[int], bool], *slips: Op) -> Op:
    return Op(f"digit:{name}", phrase, f" if {code}", lambda d: [x for x in d if test(x)], slips)


DIGITS = (
    Op("digit:all", "digits", "", lambda d: d),
    _digit(
        "even",
        "even digits",
        "x % 2 == 0",
        lambda x: x % 2 == 0,
        slip(" if x % 2 == 0 and x", lambda d: [x for x in d if x % 2 == 0 and x]),
    ),
    _digit("odd", "odd digits", "x % 2 == 1", lambda x: x % 2 == 1),
    _digit(
        "above-4",
        "digits greater than 4",
        "x > 4",
        lambda x: x > 4,
        slip(" if x >= 4", lambda d: [x for x in d if x >= 4]),
    ),
    _digit(
        "below-7",
        "digits less than 7",
        "x < 7",
        lambda x: x < 7,
        slip(" if x <= 7", lambda d: [x for x in d if x <= 7]),
    ),
)
OVER_DIGITS = (
    Op("of-digits:sum", "the sum of the", "sum(d)", lambda d: str(sum(d))),
    Op("of-digits:count", "the number of", "len(d)", lambda d: str(len(d))),
    Op("of-digits:distinct", "the number of different", "len(set(d))", lambda d: str(len(set(d)))),
    Op(
        "of-digits:max",
        "the largest (0 if none) of the",
        "max(d, default=0)",
        lambda d: str(max(d, default=0)),
        (slip("max(d)", lambda d: str(max(d))),),
    ),
    Op("of-digits:reversed", "in reverse order the", "*d[::-1]", lambda d: " ".join(map(str, d[::-1]))),
)
DIGIT_LOOP = Family(
    name="digits",
    level=2,
    axes=(DIGITS, OVER_DIGITS),
    templates=(
        "Read a number n. Print {1} {0} of n.",
        "A number is given. Output {1} {0} in it.",
        "For the input number, print {1} {0}.",
    ),
    program=lambda f, r: f"d = [int(x) for x in input()]\nd = [x for x in d{f.code}]\nprint({r.code})",
    solve=lambda text, f, r: r.run(f.run([int(c) for c in text])),
    draw=inputs.natural,
    edges=("0", "7", "4", "10", "100", "222", "13579", "2468", "9075341286"),
)


def _small(rng: Random, small: bool) -> str:
    return str(rng.randint(6, 12) if small else rng.randint(13, 60))


SMALL_EDGES = ("1", "2", "3", "4", "5", "15", "30")
BOUNDS = (
    Op(
        "bounds:to-n",
        "from 1 to n",
        "range(1, n + 1)",
        lambda n: range(1, n + 1),
        (slip("range(1, n)", lambda n: range(1, n)),),
    ),
    Op(
        "bounds:below-2n",
        "from n to 2 * n",
        "range(n, 2 * n + 1)",
        lambda n: range(n, 2 * n + 1),
        (slip("range(n, 2 * n)", lambda n: range(n, 2 * n)),),
    ),
)


def _condition(name: str, phrase: str, code: str, test: Callable[[int], bool]) -> Op:
    return Op(f"condition:{name}", phrase, code, lambda values: [i for i in values if test(i)])


CONDITIONS = (
    _condition("even", "even numbers", "i % 2 == 0", lambda i: i % 2 == 0),
    _condition("odd", "odd numbers", "i % 2 == 1", lambda i: i % 2 == 1),
    _condition("by-3", "multiples of 3", "i % 3 == 0", lambda i: i % 3 == 0),
    _condition("not-by-3", "numbers not divisible by 3", "i % 3 != 0", lambda i: i % 3 != 0),
    _condition("divisors-of-60", "divisors of 60", "60 % i == 0", lambda i: 60 % i == 0),
)
OVER_RANGE = (
    Op("of-range:sum", "the sum of the", "sum(b)", lambda b: str(sum(b))),
    Op("of-range:count", "how many numbers are", "len(b)", lambda b: str(len(b))),
    Op("of-range:list", "all", "*b", lambda b: " ".join(map(str, b))),
    Op(
        "of-range:squares",
        "the sum of the squares of the",
        "sum(i * i for i in b)",
        lambda b: str(sum(i * i for i in b)),
    ),
)
RANGE_LOOP = Family(
    name="range",
    level=2,
    axes=(BOUNDS, CONDITIONS, OVER_RANGE),
    templates=(
        "Read n. Print {2} {1} {0} (both included).",
        "A positive integer n is given. Output {2} {1} {0}, ends included.",
    ),
    program=lambda r, c, o: f"n = int(input())\nb = [i for i in {r.code} if {c.code}]\nprint({o.code})",
    solve=lambda text, r, c, o: o.run(c.run(r.run(int(text)))),
    draw=_small,
    edges=SMALL_EDGES,
)


def _divides(kind: str, k: int) -> Op:
    return Op(f"{kind}:{k}", str(k), f"i % {k} == 0", lambda i: i % k == 0)


def _fizz_buzz(text: str, a: Op, b: Op) -> str:
    return "\n".join("Fizz" * a.run(i) + "Buzz" * b.run(i) or str(i) for i in range(1, int(text) + 1))


FIZZ_BUZZ = Family(
    name="fizzbuzz",
    level=2,
    axes=(tuple(_divides("fizz", k) for k in (2, 3, 4)), tuple(_divides("buzz", k) for k in (5, 6, 7, 9))),
    templates=(
        "For every i from 1 to n print Fizz if i is a multiple of {0}, Buzz if of {1}, FizzBuzz if of both, else i.",
        "Read n and count from 1 to n: multiples of {0} become Fizz, multiples of {1} Buzz, of both FizzBuzz.",
    ),
    program=lambda a, b: (
        f'for i in range(1, int(input()) + 1):\n    s = "Fizz" * ({a.code}) + "Buzz" * ({b.code})\n    print(s or i)'
    ),
    solve=_fizz_buzz,
    draw=_small,
    edges=("1", "2", "3", "4", "5", "14", "20", "36", "45"),
)

UP_TO = tuple(
    Op(
        f"rows:{k}",
        str(k),
        f"range(1, {k + 1})",
        lambda n, k=k: range(1, k + 1),
        (slip(f"range({k})", lambda n, k=k: range(k)),),
    )
    for k in (3, 4, 5)
)
CELLS = (
    Op("cell:equation", '"n x i = p"', 'n, "x", i, "=", n * i', lambda n, i: f"{n} x {i} = {n * i}"),
    Op("cell:tight", '"n*i=p"', 'f"{n}*{i}={n * i}"', lambda n, i: f"{n}*{i}={n * i}"),
    Op("cell:colon", '"i: p"', 'f"{i}: {n * i}"', lambda n, i: f"{i}: {n * i}"),
    Op("cell:product", '"p"', "n * i", lambda n, i: str(n * i)),
)
TABLE = Family(
    name="table",
    level=2,
    axes=(UP_TO, CELLS),
    templates=(
        "Read n. For i from 1 to {0} print a line {1}, where p is n times i.",
        "Print the multiplication table of the input n: for i = 1 to {0} a line {1} with p = n * i.",
    ),
    program=lambda k, c: f"n = int(input())\nfor i in {k.code}:\n    print({c.code})",
    solve=lambda text, k, c: "\n".join(c.run(int(text), i) for i in k.run(int(text))),
    draw=lambda rng, small: str(rng.randint(2, 12) if small else rng.randint(13, 500)),
    edges=("0", "1", "-1", "-12", "100", "1000000"),
)

BASES = (
    Op("base:2", "in binary", 'format(n, "b")', "{:b}".format),
    Op("base:8", "in octal", 'format(n, "o")', "{:o}".format),
    Op("base:16", "in lower-case hexadecimal", 'format(n, "x")', "{:x}".format),
)
OVER_TEXT = (
    Op("of-text:as-is", "it", "s", lambda s: s),
    Op("of-text:length", "the number of its digits", "len(s)", lambda s: str(len(s))),
    Op("of-text:reversed", "its digits in reverse order", "s[::-1]", lambda s: s[::-1]),
    Op("of-text:ones", "how many of its digits are 1", 's.count("1")', lambda s: str(s.count("1"))),
    Op("of-text:spaced", "its digits separated by spaces", "*s", lambda s: " ".join(s)),
)
TO_BASE = Family(
    name="to-base",
    level=2,
    axes=(BASES, OVER_TEXT),
    templates=("Read a number, write it {0} and print {1}.", "Convert the input number (at least 0): {0}. Output {1}."),
    program=lambda b, o: f"n = int(input())\ns = {b.code}\nprint({o.code})",
    solve=lambda text, b, o: o.run(b.run(int(text))),
    draw=inputs.natural,
    edges=("0", "1", "2", "7", "8", "15", "16", "255", "1024"),
)

FROM = tuple(Op(f"from:{k}", str(k), str(k), lambda s, k=k: int(s, k)) for k in (2, 3, 4, 8))
VALUE = (
    Op("value:plain", "", "n", lambda n: n),
    Op("value:plus-1", " plus 1", "n + 1", lambda n: n + 1),
    Op("value:doubled", " times 2", "n * 2", lambda n: n * 2),
    Op("value:mod-7", " modulo 7", "n % 7", lambda n: n % 7),
)
FROM_BASE = Family(
    name="from-base",
    level=2,
    axes=(FROM, VALUE),
    templates=(
        "Read a number written in base {0}. Print its decimal value{1}.",
        "The input is a number in base {0}. Output its value in decimal{1}.",
    ),
    program=lambda b, v: f"n = int(input(), {b.code})\nprint({v.code})",
    solve=lambda text, b, v: str(v.run(b.run(text))),
    draw=lambda rng, small: (
        "1" + "".join(rng.choice("01") for _ in range(rng.randint(2, 4) if small else rng.randint(5, 20)))
    ),
    edges=("0", "1", "10", "11", "00", "0101", "1000000000"),
)


def _row(name: str, phrase: str, code: str, run: Callable[[list[int]], int]) -> Op:
    return Op(f"row:{name}", phrase, code, lambda rows: [run(r) for r in rows])


ROWS = (
    _row("sum", "sum", "sum(r)", sum),
    _row("max", "maximum", "max(r)", max),
    _row("min", "minimum", "min(r)", min),
    _row("product", "product of first and last number", "r[0] * r[-1]", lambda r: r[0] * r[-1]),
    _row("difference", "difference of first and last number", "r[0] - r[-1]", lambda r: r[0] - r[-1]),
)
OVER_ROWS = (
    Op("of-rows:each", "them all", "*b", lambda b: " ".join(map(str, b))),
    Op("of-rows:sum", "their total", "sum(b)", lambda b: str(sum(b))),
    Op("of-rows:max", "the largest", "max(b)", lambda b: str(max(b))),
    Op("of-rows:min", "the smallest", "min(b)", lambda b: str(min(b))),
)


def _rows(rng: Random, small: bool) -> str:
    count = rng.randint(2, 3) if small else rng.randint(2, 7)
    rows = [inputs.integers(rng, small).split()[: rng.randint(2, 3)] for _ in range(count)]
    return "\n".join([str(count), *map(" ".join, rows)])


def _solve_rows(text: str, row: Op, over: Op) -> str:
    lines = text.split("\n")
    rows: Any = [[int(x) for x in line.split()] for line in lines[1:]]
    return str(over.run(row.run(rows)))


CASES = Family(
    name="cases",
    level=2,
    axes=(ROWS, OVER_ROWS),
    templates=(
        "The first line is t; t lines of integers follow. Take the {0} of every line and print {1}.",
        "Read t, then t lines of integers. Find the {0} of each line; output {1}.",
    ),
    program=lambda row, over: (
        f"t = int(input())\na = [list(map(int, input().split())) for _ in range(t)]\n"
        f"b = [{row.code} for r in a]\nprint({over.code})"
    ),
    solve=_solve_rows,
    draw=_rows,
    edges=(
        "1\n0",
        "1\n-5",
        "1\n1 2",
        "2\n3 3\n3 3",
        "2\n-1 -2\n-3 -4",
        "3\n1\n1\n1",
        "2\n9 1 4\n2 8 2",
        "2\n10\n-10 5",
    ),
)

FAMILIES = (DIGIT_LOOP, RANGE_LOOP, FIZZ_BUZZ, TABLE, TO_BASE, FROM_BASE, CASES)
