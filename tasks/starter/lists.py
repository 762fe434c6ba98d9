"""Families over a line of integers: one reduction (L1), filter or map then reduce (L1), all three (L2)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tasks.starter import inputs
from tasks.starter.family import Family, Op, slip

Values = list[int]


def _where(test: Callable[[int], bool]) -> Callable[[Values], Values]:
    return lambda a: [x for x in a if test(x)]


def _filter(name: str, phrase: str, code: str, test: Callable[[int], bool], *slips: Op) -> Op:
    return Op(f"filter:{name}", phrase, f"a if {code}", _where(test), slips)


def _near(code: str, test: Callable[[int], bool]) -> Op:
    return slip(f"a if {code}", _where(test))


FILTERS = (
    _filter("even", "even numbers", "x % 2 == 0", lambda x: x % 2 == 0),
    _filter("odd", "odd numbers", "x % 2 == 1", lambda x: x % 2 == 1),
    _filter("positive", "positive numbers", "x > 0", lambda x: x > 0, _near("x > 1", lambda x: x > 1)),
    _filter("negative", "negative numbers", "x < 0", lambda x: x < 0, _near("x < -1", lambda x: x < -1)),
    _filter("above-5", "numbers greater than 5", "x > 5", lambda x: x > 5, _near("x >= 5", lambda x: x >= 5)),
    _filter("below-5", "numbers less than 5", "x < 5", lambda x: x < 5, _near("x <= 5", lambda x: x <= 5)),
    _filter(
        "multiple-of-3",
        "multiples of 3",
        "x % 3 == 0",
        lambda x: x % 3 == 0,
        _near("x % 3 == 0 and x > 0", lambda x: x % 3 == 0 and x > 0),
    ),
    Op(
        "filter:every-second",
        "numbers at odd positions (1st, 3rd, ...)",
        "a[::2]",
        lambda a: a[::2],
        (slip("a[1::2]", lambda a: a[1::2]),),
    ),
)


def _map(name: str, phrase: str, code: str, change: Callable[[int], int], *slips: Op) -> Op:
    return Op(f"map:{name}", phrase, code, lambda a: [change(x) for x in a], slips)


MAPS = (
    _map("square", "square each one", "x * x", lambda x: x * x),
    _map("double", "double each one", "x * 2", lambda x: x * 2),
    _map("negate", "flip the sign of each one", "-x", lambda x: -x),
    _map("plus-1", "add 1 to each one", "x + 1", lambda x: x + 1),
    _map("minus-2", "subtract 2 from each one", "x - 2", lambda x: x - 2),
    _map("absolute", "take the absolute value of each one", "abs(x)", abs),
    _map(
        "last-digit",
        "take the last digit of each one",
        "abs(x) % 10",
        lambda x: abs(x) % 10,
        slip("x % 10", lambda a: [x % 10 for x in a]),
    ),
    _map("mod-3", "take each one modulo 3 (0, 1 or 2)", "x % 3", lambda x: x % 3),
)


def _show(values: Any) -> str:
    return " ".join(map(str, values))


SUM = Op("reduce:sum", "the sum", "sum(b)", lambda b: str(sum(b)))
MAX = Op(
    "reduce:max",
    "the largest (0 if none)",
    "max(b, default=0)",
    lambda b: str(max(b, default=0)),
    (slip("max(b)", lambda b: str(max(b))),),
)
MIN = Op(
    "reduce:min",
    "the smallest (0 if none)",
    "min(b, default=0)",
    lambda b: str(min(b, default=0)),
    (slip("min(b)", lambda b: str(min(b))),),
)
COUNT = Op("reduce:count", "how many there are", "len(b)", lambda b: str(len(b)))
DISTINCT = Op("reduce:distinct", "how many different values there are", "len(set(b))", lambda b: str(len(set(b))))
JOIN = Op("reduce:join", "them in order", "*b", _show)
SORTED = Op("reduce:sorted", "them sorted", "*sorted(b)", lambda b: _show(sorted(b)))


def _read(text: str) -> Values:
    return [int(word) for word in text.split()]


READ = "a = list(map(int, input().split()))\n"
FILTER_REDUCE = Family(
    name="filter-reduce",
    level=1,
    axes=(FILTERS, (SUM, MAX, MIN, COUNT, DISTINCT, JOIN)),
    templates=(
        "Read a line of integers. Keep only the {0} and print {1}.",
        "Integers are given on one line. Take the {0} and print {1}.",
        "From the integers on the input line select the {0}; output {1}.",
    ),
    program=lambda f, r: f"{READ}b = [x for x in {f.code}]\nprint({r.code})",
    solve=lambda text, f, r: r.run(f.run(_read(text))),
    draw=inputs.integers,
    edges=inputs.INTEGER_EDGES,
)

MAP_REDUCE = Family(
    name="map-reduce",
    level=1,
    axes=(MAPS, (SUM, MAX, MIN, DISTINCT, JOIN, SORTED)),
    templates=(
        "Read a line of integers. {0} (all of them) and print {1}.",
        "Integers are given on one line. For all of them: {0}, then print {1}.",
        "Take the integers on the input line, {0}, and output {1}.",
    ),
    program=lambda m, r: f"{READ}b = [{m.code} for x in a]\nprint({r.code})",
    solve=lambda text, m, r: r.run(m.run(_read(text))),
    draw=inputs.integers,
    edges=inputs.INTEGER_EDGES,
)

FILTER_MAP_REDUCE = Family(
    name="filter-map-reduce",
    level=2,
    axes=(FILTERS, MAPS, (SUM, MAX, MIN, DISTINCT, JOIN, SORTED)),
    templates=(
        "Read a line of integers. Keep only the {0}, {1} and print {2}.",
        "Integers are given on one line. Take the {0}, {1}, then print {2}.",
        "From the integers on the input line select the {0}, {1}, and output {2}.",
    ),
    program=lambda f, m, r: f"{READ}b = [{m.code} for x in {f.code}]\nprint({r.code})",
    solve=lambda text, f, m, r: r.run(m.run(f.run(_read(text)))),
    draw=inputs.integers,
    edges=inputs.INTEGER_EDGES,
    keep=lambda f, m, r: (f.name, m.name) != ("filter:multiple-of-3", "map:mod-3"),  # always 0
    quota={"train": 100, "validation": 8, "test": 26},
)


def _layout(name: str, phrase: str, code: str, read: Callable[[str], Values]) -> Op:
    return Op(f"layout:{name}", phrase, code, read)


def _counted(text: str) -> Values:
    first, second = text.split("\n")
    if int(first) != len(second.split()):
        raise ValueError(first)
    return _read(second)


LAYOUTS = (
    _layout("line", "Integers are given on one line", READ, _read),
    _layout(
        "commas",
        "Integers separated by commas are given on one line",
        'a = list(map(int, input().split(",")))\n',
        lambda text: [int(x) for x in text.split(",")],
    ),
    _layout("counted", "The first line holds n, the second n integers", f"n = int(input())\n{READ}", _counted),
)
LISTS = (
    Op("list:sum", "their sum", "sum(a)", lambda a: str(sum(a)), (slip("sum(a[1:])", lambda a: str(sum(a[1:]))),)),
    Op("list:max", "the largest", "max(a)", lambda a: str(max(a))),
    Op("list:min", "the smallest", "min(a)", lambda a: str(min(a))),
    Op(
        "list:count",
        "how many there are",
        "len(a)",
        lambda a: str(len(a)),
        (slip("len(set(a))", lambda a: str(len(set(a)))),),
    ),
    Op("list:distinct", "how many different ones there are", "len(set(a))", lambda a: str(len(set(a)))),
    Op(
        "list:sorted",
        "them sorted",
        "*sorted(a)",
        lambda a: _show(sorted(a)),
        (slip("*sorted(set(a))", lambda a: _show(sorted(set(a)))),),
    ),
    Op("list:descending", "them from largest to smallest", "*sorted(a)[::-1]", lambda a: _show(sorted(a)[::-1])),
    Op("list:reversed", "them in reverse order", "*a[::-1]", lambda a: _show(a[::-1])),
    Op("list:spread", "the largest minus the smallest", "max(a) - min(a)", lambda a: str(max(a) - min(a))),
    Op("list:last", "the last one", "a[-1]", lambda a: str(a[-1])),
    Op("list:ends", "the first plus the last", "a[0] + a[-1]", lambda a: str(a[0] + a[-1])),
    Op(
        "list:mean",
        "their sum divided by their count, rounded down",
        "sum(a) // len(a)",
        lambda a: str(sum(a) // len(a)),
        (slip("sum(a) / len(a)", lambda a: str(sum(a) / len(a))),),
    ),
)


def _reduce(layout: Op, join: Callable[[list[str]], str]) -> Family:
    def draw(rng: Random, small: bool) -> str:
        return join(inputs.integers(rng, small).split())

    return Family(
        name="reduce",
        level=1,
        axes=((layout,), LISTS),
        templates=("{0}. Print {1}.", "{0}. Read them and print {1}.", "{0}. Output {1}."),
        program=lambda lay, r: f"{lay.code}print({r.code})",
        solve=lambda text, lay, r: r.run(lay.run(text)),
        draw=draw,
        edges=tuple(join(edge.split()) for edge in inputs.INTEGER_EDGES if edge),
    )


FAMILIES = (
    _reduce(LAYOUTS[0], " ".join),
    _reduce(LAYOUTS[1], ",".join),
    _reduce(LAYOUTS[2], lambda words: f"{len(words)}\n{' '.join(words)}"),
    FILTER_REDUCE,
    MAP_REDUCE,
    FILTER_MAP_REDUCE,
)
