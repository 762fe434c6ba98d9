"""Families over text: counting in a part of the line (L1), pairs of string operations, words (L2)."""

from __future__ import annotations

from collections.abc import Callable

from tasks.starter import inputs
from tasks.starter.family import Family, Op, slip

SELECT = (
    Op("select:line", "the line", "s = input()", lambda s: s),
    Op(
        "select:first-word",
        "the first word of the line",
        "s = input().split()[0]",
        lambda s: s.split()[0],
        (slip("s = input()[0]", lambda s: s[0]),),
    ),
    Op(
        "select:last-word",
        "the last word of the line",
        "s = input().split()[-1]",
        lambda s: s.split()[-1],
        (slip("s = input()[-1]", lambda s: s[-1]),),
    ),
)


def _count(name: str, phrase: str, code: str, test: Callable[[str], bool], *slips: Op) -> Op:
    return Op(f"count:{name}", phrase, f"sum({code} for c in s)", lambda s: sum(map(test, s)), slips)


COUNTS = (
    _count(
        "vowels",
        "vowels (aeiou, any case)",
        'c in "aeiouAEIOU"',
        lambda c: c in "aeiouAEIOU",
        slip('sum(c in "aeiou" for c in s)', lambda s: sum(c in "aeiou" for c in s)),
    ),
    _count(
        "letter-a",
        'letters "a"',
        'c == "a"',
        lambda c: c == "a",
        slip('s.lower().count("a")', lambda s: s.lower().count("a")),
    ),
    _count(
        "letter-e",
        'letters "e"',
        'c == "e"',
        lambda c: c == "e",
        slip('s.lower().count("e")', lambda s: s.lower().count("e")),
    ),
    _count("capitals", "capital letters", "c.isupper()", str.isupper),
    _count("digits", "digits", "c.isdigit()", str.isdigit),
    Op("count:characters", "characters", "len(s)", len),
    Op(
        "count:distinct",
        "different characters",
        "len(set(s))",
        lambda s: len(set(s)),
        (slip("len(set(s.lower()))", lambda s: len(set(s.lower()))),),
    ),
)
COUNT_IN = Family(
    name="count-in",
    level=1,
    axes=(SELECT, COUNTS),
    templates=(
        "Read a line of text. Print the number of {1} in {0}.",
        "A line of text is given. How many {1} are in {0}?",
        "Count the {1} in {0} given as input and print the count.",
    ),
    program=lambda sel, c: f"{sel.code}\nprint({c.code})",
    solve=lambda text, sel, c: str(c.run(sel.run(text))),
    draw=inputs.text,
    edges=inputs.TEXT_EDGES,
)


def _text(name: str, phrase: str, code: str, run: Callable[[str], str], *slips: Op) -> Op:
    return Op(f"text:{name}", phrase, code, run, slips)


TEXT = (
    _text("upper", "turn it into upper case", "s.upper()", str.upper),
    _text("swap-case", "swap upper and lower case", "s.swapcase()", str.swapcase),
    _text("reverse", "reverse it", "s[::-1]", lambda s: s[::-1]),
    _text(
        "no-vowels",
        "remove the vowels (aeiou, any case)",
        '"".join(c for c in s if c not in "aeiouAEIOU")',
        lambda s: "".join(c for c in s if c not in "aeiouAEIOU"),
        slip('"".join(c for c in s if c not in "aeiou")', lambda s: "".join(c for c in s if c not in "aeiou")),
    ),
    _text("dashes", 'replace spaces by "-"', 's.replace(" ", "-")', lambda s: s.replace(" ", "-")),
    _text(
        "stars",
        'replace every "a" by "*"',
        's.replace("a", "*")',
        lambda s: s.replace("a", "*"),
        slip('s.replace("A", "*").replace("a", "*")', lambda s: s.replace("A", "*").replace("a", "*")),
    ),
    _text("double", "double every character", '"".join(c * 2 for c in s)', lambda s: "".join(c * 2 for c in s)),
    _text(
        "every-second",
        "keep the characters at positions 1, 3, 5, ...",
        "s[::2]",
        lambda s: s[::2],
        slip("s[1::2]", lambda s: s[1::2]),
    ),
    _text(
        "without-ends",
        "drop its first and last character",
        "s[1:-1]",
        lambda s: s[1:-1],
        slip("s[1:]", lambda s: s[1:]),
    ),
    _text(
        "no-digits",
        "remove the digits",
        '"".join(c for c in s if not c.isdigit())',
        lambda s: "".join(c for c in s if not c.isdigit()),
    ),
)
TEXT_PAIRS = Family(
    name="text-pairs",
    level=2,
    axes=(TEXT, TEXT),
    templates=(
        "Read a line of text, {0}, then {1}, and print it.",
        "Take the input line. First {0}, then {1}. Print the result.",
        "A line of text is given: {0}, then {1}. Output the result.",
    ),
    program=lambda f, g: f"s = input()\ns = {f.code}\ns = {g.code}\nprint(s)",
    solve=lambda text, f, g: g.run(f.run(text)),
    draw=inputs.text,
    edges=inputs.TEXT_EDGES,
    keep=lambda f, g: f.name != g.name and (f.name, g.name) != ("text:double", "text:every-second"),
    quota={"train": 46, "validation": 4, "test": 12},
)


def _word(name: str, phrase: str, code: str, run: Callable[[str], str]) -> Op:
    return Op(f"word:{name}", phrase, code, lambda words: [run(x) for x in words])


WORDS = (
    _word("reverse", "reversed", "x[::-1]", lambda x: x[::-1]),
    _word("upper", "in upper case", "x.upper()", str.upper),
    _word("capitalize", "capitalized", "x.capitalize()", str.capitalize),
    _word("first", "cut to its first letter", "x[0]", lambda x: x[0]),
    _word("last-2", "cut to its last two letters", "x[-2:]", lambda x: x[-2:]),
    _word("shout", 'followed by "!"', 'x + "!"', lambda x: x + "!"),
)
ARRANGE = (
    Op("arrange:same", "in the same order", "*w", lambda w: " ".join(w)),
    Op("arrange:reversed", "in reverse order", "*w[::-1]", lambda w: " ".join(w[::-1])),
    Op("arrange:sorted", "sorted", "*sorted(w)", lambda w: " ".join(sorted(w))),
    Op("arrange:dashes", 'joined by "-"', '"-".join(w)', lambda w: "-".join(w)),
)
BY_WORD = Family(
    name="words",
    level=2,
    axes=(WORDS, ARRANGE),
    templates=(
        "Read a line of words. Print every word {0}, the results {1}.",
        "Words are given on a line. Output each word {0}, the results {1}.",
    ),
    program=lambda m, a: f"w = [{m.code} for x in input().split()]\nprint({a.code})",
    solve=lambda text, m, a: a.run(m.run(text.split())),
    draw=inputs.text,
    edges=inputs.TEXT_EDGES,
)


FAMILIES = (COUNT_IN, TEXT_PAIRS, BY_WORD)
