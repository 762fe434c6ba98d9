"""Level 0: two numbers, one decision, one line echoed, one word repeated."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tasks.starter import inputs
from tasks.starter.family import Family, Op, slip


def _arithmetic(name: str, phrase: str, code: str, run: Callable[[int, int], int], *slips: Op) -> Op:
    return Op(f"arithmetic:{name}", phrase, code, run, slips)


ARITHMETIC = (
    _arithmetic("sum", "their sum", "a + b", lambda a, b: a + b),
    _arithmetic("difference", "the first minus the second", "a - b", lambda a, b: a - b),
    _arithmetic("product", "their product", "a * b", lambda a, b: a * b),
    _arithmetic("larger", "the larger one", "max(a, b)", max),
    _arithmetic("smaller", "the smaller one", "min(a, b)", min),
    _arithmetic("distance", "their absolute difference", "abs(a - b)", lambda a, b: abs(a - b)),
    _arithmetic("squares", "the sum of their squares", "a * a + b * b", lambda a, b: a * a + b * b),
    _arithmetic("weighted", "the first plus twice the second", "a + 2 * b", lambda a, b: a + 2 * b),
)
LINE, LINES = "a, b = map(int, input().split())\n", "a = int(input())\nb = int(input())\n"
LAYOUTS = (
    Op("layout:same-line", "on one line", LINE, str.split),
    Op("layout:two-lines", "on two lines", LINES, str.split),
)


def _numbers(layout: Op, separator: str) -> Family:
    def draw(rng: Random, small: bool) -> str:
        return inputs.pair(rng, small).replace(" ", separator)

    return Family(
        name="two-numbers",
        level=0,
        axes=((layout,), ARITHMETIC),
        templates=(
            "Two integers are given {0}. Print {1}.",
            "Read two integers {0} and print {1}.",
            "Given two integers {0}, output {1}.",
        ),
        program=lambda lay, op: f"{lay.code}print({op.code})",
        solve=lambda text, lay, op: str(op.run(*map(int, text.split()))),
        draw=draw,
        edges=tuple(edge.replace(" ", separator) for edge in inputs.PAIR_EDGES),
    )


THEN = (
    Op("then:plus-1", "plus 1", "{} + 1", lambda x: x + 1),
    Op("then:minus-3", "minus 3", "{} - 3", lambda x: x - 3),
    Op("then:times-2", "times 2", "2 * {}", lambda x: x * 2),
)
TWO_THEN = Family(
    name="two-numbers-then",
    level=0,
    axes=(ARITHMETIC[:6], THEN),
    templates=(
        "Two integers are given on one line. Print {0}, {1}.",
        "Read two integers from a line and print {0}, {1}.",
        "Given two integers on one line, output {0}, {1}.",
    ),
    program=lambda op, then: f"{LINE}print({then.code.format(op.code if op.code.endswith(')') else f'({op.code})')})",
    solve=lambda text, op, then: str(then.run(op.run(*map(int, text.split())))),
    draw=inputs.pair,
    edges=inputs.PAIR_EDGES,
)

PREDICATES = (
    Op("is:even", "it is even", "n % 2 == 0", lambda n: n % 2 == 0),
    Op("is:positive", "it is greater than 0", "n > 0", lambda n: n > 0, (slip("n >= 0", lambda n: n >= 0),)),
    Op("is:negative", "it is less than 0", "n < 0", lambda n: n < 0, (slip("n <= 0", lambda n: n <= 0),)),
    Op("is:multiple-of-3", "it is divisible by 3", "n % 3 == 0", lambda n: n % 3 == 0),
    Op("is:above-10", "it is greater than 10", "n > 10", lambda n: n > 10, (slip("n >= 10", lambda n: n >= 10),)),
    Op("is:at-most-5", "it is at most 5", "n <= 5", lambda n: n <= 5, (slip("n < 5", lambda n: n < 5),)),
)


def _answer(yes: str, no: str) -> Op:
    return Op(f"answer:{yes}", f'"{yes}" or "{no}"', f'"{yes}" if {{}} else "{no}"', lambda b: yes if b else no)


ANSWERS = (_answer("yes", "no"), _answer("YES", "NO"), _answer("True", "False"), _answer("1", "0"))


def _integer(rng: Random, small: bool) -> str:
    return str(rng.randint(-9, 30) if small else rng.randint(-1000, 1000))


DECIDE = Family(
    name="decide",
    level=0,
    axes=(PREDICATES, ANSWERS),
    templates=(
        "Read an integer. Print {1}: whether {0}.",
        "An integer is given. Output {1} depending on whether {0}.",
        "For the input integer, print {1} to say whether {0}.",
    ),
    program=lambda p, a: f"n = int(input())\nprint({a.code.format(p.code)})",
    solve=lambda text, p, a: a.run(p.run(int(text))),
    draw=_integer,
    edges=("0", "1", "-1", "2", "10", "5", "-3", "11", "6"),
)

PARTS = (
    Op("part:line", "the line", "s", lambda s: s),
    Op("part:first", "its first character", "s[0]", lambda s: s[0], (slip("s[1]", lambda s: s[1]),)),
    Op("part:last", "its last character", "s[-1]", lambda s: s[-1]),
    Op("part:upper", "the line in upper case", "s.upper()", str.upper),
    Op("part:lower", "the line in lower case", "s.lower()", str.lower),
    Op(
        "part:length",
        "its length",
        "str(len(s))",
        lambda s: str(len(s)),
        (slip("str(len(s.split()))", lambda s: str(len(s.split()))),),
    ),
)
FRAMES = (
    Op("frame:shout", 'followed by "!"', '{} + "!"', "{}!".format),
    Op("frame:hello", 'after "Hello, "', '"Hello, " + {}', "Hello, {}".format),
    Op("frame:brackets", 'in square brackets "[" and "]"', '"[" + {} + "]"', "[{}]".format),
    Op("frame:twice", 'twice with "-" between', '{0} + "-" + {0}', "{0}-{0}".format),
)
ECHO = Family(
    name="echo",
    level=0,
    axes=(PARTS, FRAMES),
    templates=(
        "Read a line of text. Print {0} {1}.",
        "A line of text is given. Output {0} {1}.",
        "Take the input line and print {0} {1}.",
    ),
    program=lambda p, f: f"s = input()\nprint({f.code.format(p.code)})",
    solve=lambda text, p, f: f.run(p.run(text)),
    draw=inputs.text,
    edges=inputs.TEXT_EDGES,
)

TIMES = (
    Op("times:n", "n times", "n", lambda n: n, (slip("(n - 1)", lambda n: n - 1),)),
    Op("times:n-plus-1", "n + 1 times", "(n + 1)", lambda n: n + 1),
    Op("times:double", "2 * n times", "(2 * n)", lambda n: 2 * n),
)
SEPARATORS = (
    Op("separator:space", "separated by spaces", '" ".join([s] * {})', lambda s, n: " ".join([s] * n)),
    Op("separator:none", "without separator", "s * {}", lambda s, n: s * n),
    Op("separator:dash", 'separated by "-"', '"-".join([s] * {})', lambda s, n: "-".join([s] * n)),
    Op("separator:comma", 'separated by ","', '",".join([s] * {})', lambda s, n: ",".join([s] * n)),
)


def _repeat_input(rng: Random, small: bool) -> str:
    return f"{inputs.word(rng, small)}\n{rng.randint(2, 4) if small else rng.randint(1, 12)}"


REPEAT = Family(
    name="repeat",
    level=0,
    axes=(TIMES, SEPARATORS),
    templates=(
        "The first line is a word, the second a number n. Print the word {0}, {1}.",
        "Read a word and, on the next line, n. Output the word {0}, {1}.",
    ),
    program=lambda t, p: f"s = input()\nn = int(input())\nprint({p.code.format(t.code)})",
    solve=lambda text, t, p: p.run(text.split()[0], t.run(int(text.split()[1]))),
    draw=_repeat_input,
    edges=("a\n1", "hi\n1", "word\n2", "x\n10", "zz\n3", "abc\n7"),
)

FAMILIES = (
    _numbers(LAYOUTS[0], " "),
    _numbers(LAYOUTS[1], "\n"),
    TWO_THEN,
    DECIDE,
    ECHO,
    REPEAT,
)
