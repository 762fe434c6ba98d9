"""Families of number theory: a sieve and chains of greatest common divisors (L3), powers modulo a number (L4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from random import Random

from tasks.starter.family import Family, Op, slip


@cache
def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, math.isqrt(n) + 1))


def _select(name: str, phrase: str, code: str, test: Callable[[int], bool], *slips: Op) -> Op:
    return Op(f"select-number:{name}", phrase, code, test, slips)


NUMBERS = (
    _select("prime", "prime numbers", "prime[i]", _is_prime),
    _select("twin", "prime numbers p for which p + 2 is prime too", "prime[i] and prime[i + 2]",
            lambda i: _is_prime(i) and _is_prime(i + 2)),
    _select("ending-3", "prime numbers whose last digit is 3", "prime[i] and i % 10 == 3",
            lambda i: _is_prime(i) and str(i)[-1] == "3"),
    _select("digit-sum", "prime numbers with an even sum of digits", "prime[i] and sum(map(int, str(i))) % 2 == 0",
            lambda i: _is_prime(i) and sum(int(c) for c in str(i)) % 2 == 0),
    _select("palindrome", "prime numbers that read the same backwards", "prime[i] and str(i) == str(i)[::-1]",
            lambda i: _is_prime(i) and str(i) == "".join(reversed(str(i)))),
    _select("odd-composite", "odd numbers that are not prime (1 is one of them)", "i % 2 == 1 and not prime[i]",
            lambda i: i % 2 == 1 and not _is_prime(i),
            slip("i > 1 and i % 2 == 1 and not prime[i]", lambda i: i > 1 and i % 2 == 1 and not _is_prime(i))),
    _select("double", "numbers that are twice a prime number", "i % 2 == 0 and prime[i // 2]",
            lambda i: i % 2 == 0 and _is_prime(i // 2), slip("prime[i // 2]", lambda i: _is_prime(i // 2))),
)  # fmt: skip
SPANS = (
    Op("span:to-n", "from 1 to n", "range(1, n + 1)", lambda n: range(1, n + 1),
       (slip("range(1, n)", lambda n: range(1, n)),)),
    Op("span:to-2n", "from n to 2 * n", "range(n, 2 * n + 1)", lambda n: range(n, 2 * n + 1),
       (slip("range(n, 2 * n)", lambda n: range(n, 2 * n)),)),
    Op("span:around", "from 1 to n + 20 that are greater than n - 20", "range(max(1, n - 19), n + 21)",
       lambda n: [i for i in range(1, n + 21) if i > n - 20],
       (slip("range(max(1, n - 20), n + 21)", lambda n: [i for i in range(1, n + 21) if i >= n - 20]),)),
)  # fmt: skip
OVER_NUMBERS = (
    Op("of-numbers:count", "how many there are", "len(b)", lambda b: str(len(b))),
    Op("of-numbers:sum", "their sum", "sum(b)", lambda b: str(sum(b))),
    Op("of-numbers:largest", "the largest (0 if none)", "max(b, default=0)", lambda b: str(b[-1] if b else 0)),
    Op("of-numbers:first", 'the first five of them, or all if they are fewer ("none" if none)', '*b[:5] or ["none"]',
       lambda b: " ".join(map(str, b[:5])) or "none", (slip("*b[:5]", lambda b: " ".join(map(str, b[:5]))),)),
    Op("of-numbers:gap", "the largest difference of two that follow each other (0 if there are not two)",
       "max((y - x for x, y in zip(b, b[1:])), default=0)",
       lambda b: str(max([b[i] - b[i - 1] for i in range(1, len(b))] or [0])),
       (slip("max(y - x for x, y in zip(b, b[1:]))", lambda b: str(max(b[i] - b[i - 1] for i in range(1, len(b))))),)),
)  # fmt: skip

SIEVE = Family(
    name="sieve",
    level=3,
    axes=(NUMBERS, SPANS, OVER_NUMBERS),
    templates=(
        "Read a number n. Take the {0} {1} and print {2}.",
        "A number n is given. Of the {0} {1} output {2}.",
        "For the input number n find the {0} {1}. Print {2}.",
    ),
    program=lambda number, span, over: (
        "n = int(input())\nprime = [False, False] + [True] * (2 * n + 40)\nfor i in range(2, len(prime)):\n"
        "    if prime[i]:\n        for j in range(i * i, len(prime), i):\n            prime[j] = False\n"
        f"b = [i for i in {span.code} if {number.code}]\nprint({over.code})"
    ),
    solve=lambda text, number, span, over: over.run([i for i in span.run(int(text)) if number.run(i)]),
    draw=lambda rng, small: str(rng.randint(12, 200) if small else rng.randint(60, 2500)),
    edges=("1", "2", "3", "7", "10", "11", "23", "100", "131"),
    keep=lambda number, span, over: (span.name, over.name) != ("span:to-n", "of-numbers:first"),  # nearly constant
    quota={"train": 50, "validation": 8, "test": 20},
)

PICKED = (
    Op("picked:all", "the numbers", "a", lambda a: a),
    Op("picked:odd-places", "the numbers at odd positions (1st, 3rd, ...)", "a[::2]", lambda a: a[::2],
       (slip("a[1::2]", lambda a: a[1::2]),)),
    Op("picked:sums", "the sums of neighbours (one number less than there are)", "[x + y for x, y in zip(a, a[1:])]",
       lambda a: [a[i] + a[i + 1] for i in range(len(a) - 1)]),
    Op("picked:weighted", "the numbers, each multiplied by its position (1, 2, ...)",
       "[i * x for i, x in enumerate(a, 1)]", lambda a: [a[i] * (i + 1) for i in range(len(a))],
       (slip("[i * x for i, x in enumerate(a)]", lambda a: [a[i] * i for i in range(len(a))]),)),
)  # fmt: skip
FOLDS = (
    Op("fold:gcd", "the greatest common divisor of all (0 if there is none)", "g = 0\nfor x in b:\n    g = gcd(g, x)",
       lambda b: math.gcd(*b), (slip("g = b[0]\nfor x in b:\n    g = gcd(g, x)", lambda b: math.gcd(*b, b[0])),)),
    Op("fold:lcm", "the least common multiple of all (1 if there is none)",
       "g = 1\nfor x in b:\n    g = g * x // gcd(g, x)", lambda b: math.lcm(*b),
       (slip("g = 1\nfor x in b:\n    g *= x", math.prod),)),
    Op("fold:coprime", "the number of neighbours among them with no common divisor above 1",
       "g = sum(gcd(x, y) == 1 for x, y in zip(b, b[1:]))",
       lambda b: sum(math.gcd(b[i], b[i + 1]) == 1 for i in range(len(b) - 1))),
    Op("fold:largest", "the largest greatest common divisor of two neighbours among them (0 if there are not two)",
       "g = max((gcd(x, y) for x, y in zip(b, b[1:])), default=0)",
       lambda b: max([math.gcd(b[i], b[i + 1]) for i in range(len(b) - 1)] or [0])),
)  # fmt: skip
VALUES = (
    Op("number:plain", "it", "g", lambda g: str(g)),
    Op("number:mod-97", "its remainder modulo 97", "g % 97", lambda g: str(g % 97)),
    Op("number:digit-sum", "the sum of its digits", "sum(map(int, str(g)))",
       lambda g: str(sum(int(c) for c in str(g)))),
    Op("number:divisors", "how many of the numbers from 1 to 30 divide it", "sum(g % i == 0 for i in range(1, 31))",
       lambda g: str(len([i for i in range(1, 31) if g % i == 0])),
       (slip("sum(g % i == 0 for i in range(1, 30))", lambda g: str(len([i for i in range(1, 30) if g % i == 0]))),)),
    Op("number:binary", "it in binary", "bin(g)[2:]", lambda g: f"{g:b}", (slip("bin(g)", lambda g: bin(g)),)),
)  # fmt: skip


def _multiples(rng: Random, small: bool) -> str:
    factor = rng.choice((1, 2, 6, 10, 12))
    return " ".join(str(factor * rng.randint(1, 20)) for _ in range(rng.randint(3, 5) if small else rng.randint(3, 9)))


GCD_CHAINS = Family(
    name="gcd-chains",
    level=3,
    axes=(PICKED, FOLDS, VALUES),
    templates=(
        "Read a line of positive integers. Take {0} and find {1}. Print {2}.",
        "Positive integers are given on one line. For {0}, compute {1}; output {2}.",
    ),
    program=lambda picked, fold, value: (
        "def gcd(x, y):\n    while y:\n        x, y = y, x % y\n    return x\n\n"
        f"a = list(map(int, input().split()))\nb = {picked.code}\n{fold.code}\nprint({value.code})"
    ),
    solve=lambda text, picked, fold, value: value.run(fold.run(picked.run([int(word) for word in text.split()]))),
    draw=_multiples,
    keep=lambda picked, fold, value: (
        fold.name != "fold:coprime" or value.name not in ("number:mod-97", "number:digit-sum")  # a small number
    ),
    edges=("1", "12", "7 7", "4 6", "6 4 9", "30 42 70 105", "97 194 291", "2 3 5 7 11 13", "64 16 4 2 8 32"),
)


def _form(name: str, phrase: str, code: str, run: Callable[[int, int, int], int], *slips: Op) -> Op:
    return Op(f"form:{name}", phrase, code, run, slips)


def _geometric(a: int, b: int, m: int) -> int:
    return (b + 1) % m if a == 1 else (pow(a, b + 1, m * (a - 1)) - 1) // (a - 1) % m


def _recurrence(a: int, b: int, m: int) -> int:
    """f(b) with f(0) = 0, f(1) = 1, f(i) = a f(i - 1) + f(i - 2), by powers of the matrix (a 1; 1 0)."""
    x, y, z = 1, 0, 1  # the matrix (x y; y z), from the highest bit of b down
    for bit in bin(b)[2:]:
        x, y, z = (x * x + y * y) % m, y * (x + z) % m, (y * y + z * z) % m
        if bit == "1":
            x, y, z = (a * x + y) % m, x, y
    return y % m


GEOMETRIC = (
    "def f(a, b):\n    if b == 0:\n        return 1\n    if b % 2:\n        return (1 + a) * f(a * a % m, b // 2) % m\n"
    "    return (1 + a * f(a, b - 1)) % m\n"
)
RECURRENCE = (
    "def f(a, b):\n    def double(n):\n        if n == 0:\n            return 0, 1\n        x, y = double(n // 2)\n"
    "        x, y = x * (2 * y - a * x) % m, (x * x + y * y) % m\n"
    "        return (y, (a * y + x) % m) if n % 2 else (x, y)\n"
    "    return double(b)[0] % m\n"
)
FORMS = (
    _form("power", "a to the power b", "def f(a, b):\n    return pow(a, b, m)\n", lambda a, b, m: pow(a, b, m),
          slip("def f(a, b):\n    return a * b % m\n", lambda a, b, m: a * b % m)),
    _form("both-ways", "a to the power b plus b to the power a",
          "def f(a, b):\n    return (pow(a, b, m) + pow(b, a, m)) % m\n",
          lambda a, b, m: (pow(a, b, m) + pow(b, a, m)) % m,
          slip("def f(a, b):\n    return pow(a, b, m) + pow(b, a, m)\n", lambda a, b, m: pow(a, b, m) + pow(b, a, m))),
    _form("squared", "a to the power of the square of b", "def f(a, b):\n    return pow(a, b * b, m)\n",
          lambda a, b, m: pow(pow(a, b, m), b, m),
          slip("def f(a, b):\n    return pow(a, b, m) ** 2 % m\n", lambda a, b, m: pow(a, 2 * b, m))),
    _form("sum", "the sum of the powers of a with the exponents 0 to b", GEOMETRIC, _geometric,
          slip(GEOMETRIC.replace("return 1\n", "return 0\n", 1), lambda a, b, m: _geometric(a, b - 1, m))),
    _form("recurrence", "f(b), where f(0) = 0, f(1) = 1 and f(i) = a * f(i - 1) + f(i - 2)", RECURRENCE, _recurrence),
)  # fmt: skip
MODULI = tuple(
    Op(f"modulus:{name}", shown, shown, lambda n=n: n)
    for name, shown, n in (("97", "97", 97), ("1000", "1000", 1000), ("prime", "1000000007", 10**9 + 7))
)
OVER_POWERS = (
    Op("of-powers:each", "the results, each on a line", '"\\n".join(map(str, b))', lambda b: "\n".join(map(str, b))),
    Op("of-powers:sum", "the sum of the results", "sum(b)", lambda b: str(sum(b))),
    Op("of-powers:largest", "the largest result", "max(b)", lambda b: str(max(b))),
    Op("of-powers:smallest", "the smallest result", "min(b)", lambda b: str(min(b))),
)  # fmt: skip


def _exponents(rng: Random, small: bool) -> str:
    count = rng.randint(2, 3) if small else rng.randint(2, 8)
    rows = [f"{rng.randint(2, 30)} {rng.randint(3, 40 if small else 10**12)}" for _ in range(count)]
    return "\n".join([str(count), *rows])


MOD_POWER = Family(
    name="mod-power",
    level=4,
    axes=(FORMS, MODULI, OVER_POWERS),
    templates=(
        "The first line is t; t lines with two positive integers a and b (up to 1000000000000) follow. For each line "
        "compute {0}, modulo {1}. Print {2}.",
        "Read t, then t lines \"a b\" of positive integers; b may be a million millions. The result of a line is {0}, "
        "modulo {1}. Output {2}.",
    ),
    program=lambda form, modulus, over: (
        f"m = {modulus.code}\n{form.code}b = []\nfor i in range(int(input())):\n"
        f"    b.append(f(*map(int, input().split())))\nprint({over.code})"
    ),
    solve=lambda text, form, modulus, over: over.run(
        [form.run(*map(int, line.split()), modulus.run()) for line in text.split("\n")[1:]]
    ),
    draw=_exponents,
    edges=(
        "1\n1 1", "1\n2 1", "1\n7 999999999999", "2\n97 5\n98 1000", "3\n2 10\n2 11\n2 12", "2\n1 1000000000000\n3 4",
        "4\n10 3\n10 4\n5 1\n12 2",
    ),
)  # fmt: skip

FAMILIES = (SIEVE, GCD_CHAINS, MOD_POWER)
