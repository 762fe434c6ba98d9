"""Level-3 families of three operations in a row: over a line of integers, and over a line of text."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from tasks.starter import inputs
from tasks.starter.family import Family, Op, slip
from tasks.starter.lists import DISTINCT, FILTERS, JOIN, MAPS, MAX, MIN, READ, SORTED, SUM, Values
from tasks.starter.strings import TEXT


def _step(name: str, phrase: str, code: str, run: Callable[[Values], Values], *slips: Op) -> Op:
    return Op(f"step:{name}", phrase, code, run, slips)


STEPS = (
    _step(
        "running-sums",
        "replace them by their running sums",
        "[sum(b[: i + 1]) for i in range(len(b))]",
        lambda b: list(accumulate(b)),
        slip("[sum(b[:i]) for i in range(len(b))]", lambda b: list(accumulate([0, *b[:-1]]))),
    ),
    _step(
        "running-maxima",
        "replace each one by the largest so far",
        "[max(b[: i + 1]) for i in range(len(b))]",
        lambda b: list(accumulate(b, max)),
    ),
    _step(
        "differences",
        "replace them by the differences of neighbours (each one minus the one before it)",
        "[y - x for x, y in zip(b, b[1:])]",
        lambda b: [b[i] - b[i - 1] for i in range(1, len(b))],
        slip("[x - y for x, y in zip(b, b[1:])]", lambda b: [b[i - 1] - b[i] for i in range(1, len(b))]),
    ),
    _step(
        "products",
        "replace them by the products of neighbours",
        "[x * y for x, y in zip(b, b[1:])]",
        lambda b: [b[i] * b[i - 1] for i in range(1, len(b))],
        slip(
            "[x * y for x, y in zip(b, b[1:] + b[:1])]", lambda b: [b[i] * b[(i + 1) % len(b)] for i in range(len(b))]
        ),
    ),
    _step(
        "mirrored",
        "add to each one its mirror (the first goes with the last)",
        "[x + y for x, y in zip(b, b[::-1])]",
        lambda b: [b[i] + b[-1 - i] for i in range(len(b))],
    ),
    _step(
        "without-extremes",
        "sort them and drop the first and the last",
        "sorted(b)[1:-1]",
        lambda b: sorted(b)[1 : len(b) - 1] if len(b) > 1 else [],
        slip("b[1:-1]", lambda b: b[1:-1]),
    ),
    _step(
        "once-each",
        "keep only the first of equal ones",
        "list(dict.fromkeys(b))",
        lambda b: [x for i, x in enumerate(b) if x not in b[:i]],
        slip("sorted(set(b))", lambda b: sorted(set(b))),
    ),
)
REDUCES = (SUM, MAX, MIN, DISTINCT, JOIN, SORTED)
SAME = {
    *(("step:running-maxima", reduce) for reduce in ("reduce:sorted", "reduce:max")),
    *(("step:once-each", reduce) for reduce in ("reduce:distinct", "reduce:max", "reduce:min")),
    ("step:without-extremes", "reduce:sorted"),
}
"""What says the same as another cell: running maxima are sorted, and so on."""
ONE_TO_ONE = ("map:double", "map:negate", "map:plus-1", "map:minus-2", "map:square")
"""Maps that do not show in a number of different values; squares show no more than absolute values do."""

MAP_STEP_REDUCE = Family(
    name="map-step-reduce",
    level=3,
    axes=(MAPS, STEPS, REDUCES),
    templates=(
        "Read a line of integers. {0}, then {1}, and print {2}.",
        "Integers are given on one line. In this order: {0}, {1}, print {2}.",
        "Take the integers on the input line: {0}; {1}; output {2}.",
    ),
    program=lambda m, s, r: f"{READ}b = [{m.code} for x in a]\nb = {s.code}\nprint({r.code})",
    solve=lambda text, m, s, r: r.run(s.run(m.run([int(word) for word in text.split()]))),
    draw=inputs.integers,
    edges=inputs.INTEGER_EDGES,
    keep=lambda m, s, r: (
        (s.name, r.name) not in SAME
        and not (
            (m.name in ONE_TO_ONE and r is DISTINCT)
            or (m.name in ("map:plus-1", "map:minus-2") and s.name == "step:differences")
        )
    ),
    quota={"train": 80, "validation": 8, "test": 20},
)

FILTER_STEP_REDUCE = Family(
    name="filter-step-reduce",
    level=3,
    axes=(FILTERS, STEPS, REDUCES),
    templates=(
        "Read a line of integers. Keep only the {0}, {1}, and print {2}.",
        "Integers are given on one line. Take the {0}, {1}, then print {2}.",
        "From the integers on the input line select the {0}; {1}; output {2}.",
    ),
    program=lambda f, s, r: f"{READ}b = [x for x in {f.code}]\nb = {s.code}\nprint({r.code})",
    solve=lambda text, f, s, r: r.run(s.run(f.run([int(word) for word in text.split()]))),
    draw=inputs.integers,
    edges=inputs.INTEGER_EDGES,
    keep=lambda f, s, r: (s.name, r.name) not in SAME,
    quota={"train": 80, "validation": 8, "test": 20},
)


def _in_order(f: Op, g: Op) -> bool:
    """Whether this order is the one to ask for: of two that come to the same, that of the table."""
    return TEXT.index(f) < TEXT.index(g) or not _commute(f, g)


def _commute(f: Op, g: Op) -> bool:
    texts = (*inputs.TEXT_EDGES, "Area 51 aAbB", "banana 7Eve", "xyz")
    return all(g.run(f.run(text)) == f.run(g.run(text)) for text in texts)


NOTHING_LEFT = {("text:upper", "text:stars"), ("text:no-vowels", "text:stars"), ("text:swap-case", "text:upper"),
                ("text:double", "text:every-second")}  # fmt: skip
"""Steps of which the second, or the first, changes nothing."""


TEXT_TRIPLES = Family(
    name="text-triples",
    level=3,
    axes=(TEXT, TEXT, TEXT),
    templates=(
        "Read a line of text, {0}, then {1}, then {2}, and print it.",
        "Take the input line. First {0}, then {1}, at last {2}. Print the result.",
        "A line of text is given: {0}, then {1}, then {2}. Output the result.",
    ),
    program=lambda f, g, h: f"s = input()\ns = {f.code}\ns = {g.code}\ns = {h.code}\nprint(s)",
    solve=lambda text, f, g, h: h.run(g.run(f.run(text))),
    draw=inputs.text,
    edges=inputs.TEXT_EDGES,
    keep=lambda f, g, h: (
        len({f.name, g.name, h.name}) == 3
        and not NOTHING_LEFT & {(f.name, g.name), (g.name, h.name)}
        and _in_order(f, g)
        and _in_order(g, h)
        and not (TEXT.index(h) < TEXT.index(f) and _commute(f, h) and _commute(g, h))
    ),
    quota={"train": 60, "validation": 6, "test": 16},
)

FAMILIES = (MAP_STEP_REDUCE, FILTER_STEP_REDUCE, TEXT_TRIPLES)
