"""Level-3 families that take text apart: matching brackets, counting words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tasks.starter import inputs
from tasks.starter.family import Family, Op, slip


@dataclass(frozen=True)
class Scan:
    """What there is to say about the brackets of a text. `wrong` is the position of the first that does not fit."""

    wrong: int
    depth: int
    closed: int
    missing: str


def _scan(text: str, pairs: str) -> Scan:
    """By taking neighbouring pairs out of every prefix until none is left."""
    depth = closed = 0
    rest = ""
    for end in range(1, len(text) + 1):
        rest = "".join(c for c in text[:end] if c in pairs)
        while (
            shorter := re.sub("|".join(re.escape(pairs[i : i + 2]) for i in range(0, len(pairs), 2)), "", rest)
        ) != rest:
            rest = shorter
        if set(rest) & set(pairs[1::2]):
            return Scan(end, depth, closed, "error")
        depth = max(depth, len(rest))
        closed += text[end - 1] in pairs[1::2]
    return Scan(0, depth, closed, rest[::-1].translate(str.maketrans(pairs[::2], pairs[1::2])) or "none")


def _kinds(name: str, pairs: str) -> Op:
    shown = " and ".join(pairs[i : i + 2] for i in range(0, len(pairs), 2))
    table = ", ".join(f'"{pairs[i]}": "{pairs[i + 1]}"' for i in range(0, len(pairs), 2))
    return Op(f"kinds:{name}", shown, f"{{{table}}}", lambda text: _scan(text, pairs))


KINDS = (_kinds("round", "()"), _kinds("two", "()[]"), _kinds("three", "()[]{}"), _kinds("angle", "()<>"))
LOOKED = (
    Op("looked:line", "the line", "", lambda s: s),
    Op("looked:comment", 'the line up to its first "#" (all of it if there is none)', '.split("#")[0]',
       lambda s: s[: s.index("#")] if "#" in s else s, (slip('.replace("#", "")', lambda s: s.replace("#", "")),)),
    Op("looked:no-x", 'the line after every "x" and the character behind it are taken out',
       '\nimport re\ns = re.sub("x.?", "", s)', lambda s: "".join(c[1:] for c in ("_" + s).split("x")) if s else s,
       (slip('.replace("x", "")', lambda s: s.replace("x", "")),)),
    Op("looked:second", "the part of the line behind its first space (all of it if there is none)",
       '.split(" ", 1)[-1]', lambda s: s[s.find(" ") + 1 :], (slip(".split()[-1]", lambda s: s.split()[-1]),)),
)  # fmt: skip
VERDICTS = (
    Op("brackets:balanced", '"yes" if every bracket has its partner, in the right order, and "no" otherwise',
       '"no" if wrong or stack else "yes"', lambda b: "no" if b.wrong or b.missing != "none" else "yes",
       (slip('"no" if wrong else "yes"', lambda b: "no" if b.wrong else "yes"),)),
    Op("brackets:first-wrong", "the position (from 1, in what is looked at) of the first closing bracket that does not "
       "close the bracket opened last, or 0", "wrong", lambda b: str(b.wrong),
       (slip("max(wrong - 1, 0)", lambda b: str(max(b.wrong - 1, 0))),)),
    Op("brackets:depth", "the largest number of brackets that are open at the same time, before any closing bracket "
       "that does not close the one opened last", "depth", lambda b: str(b.depth)),
    Op("brackets:closed", "how many brackets are closed, before any closing bracket that does not close the one opened "
       "last", "closed", lambda b: str(b.closed),
       (slip("closed + (wrong > 0)", lambda b: str(b.closed + (b.wrong > 0))),)),
    Op("brackets:missing", 'the closing brackets that are missing at its end, in order ("none" if there is none, '
       '"error" if a closing bracket does not close the one opened last)',
       '"error" if wrong else "".join(stack[::-1]) or "none"', lambda b: b.missing,
       (slip('"error" if wrong else "".join(stack) or "none"',
             lambda b: b.missing if b.wrong or b.missing == "none" else b.missing[::-1]),)),
)  # fmt: skip


def _bracket_line(rng: Random, small: bool) -> str:
    line, stack = "", ""
    for _ in range(rng.randint(5, 8) if small else rng.randint(4, 24)):
        if stack and rng.random() < 0.5:
            line, stack = line + (stack[-1] if rng.random() < 0.93 else rng.choice(")]}>")), stack[:-1]
        elif rng.random() < 0.75:
            opened = rng.choice("((([[{<")
            line, stack = line + opened, stack + dict(zip("([{<", ")]}>", strict=True))[opened]
        else:
            more = rng.choice("ab+x# ")
            line += "a" if more == "x" and line.endswith("x") else more  # "xx" could be read in two ways
    return (line + stack[::-1] if rng.random() < 0.6 else line).strip() or "()"


BRACKETS = Family(
    name="brackets",
    level=3,
    axes=(KINDS, LOOKED, VERDICTS),
    templates=(
        "Read a line. Look at the brackets {0} in {1}; all other characters mean nothing. Print {2}.",
        "A line is given. Only the brackets {0} count, and only in {1}. Output {2}.",
    ),
    program=lambda kinds, looked, verdict: (
        f"pairs = {kinds.code}\ns = input(){looked.code}\nstack = []\nwrong = depth = closed = 0\n"
        "for i, c in enumerate(s, 1):\n    if c in pairs:\n        stack.append(pairs[c])\n"
        "        depth = max(depth, len(stack))\n    elif c in pairs.values():\n"
        "        if not stack or stack.pop() != c:\n            wrong = i\n            break\n        closed += 1\n"
        f"print({verdict.code})"
    ),
    solve=lambda text, kinds, looked, verdict: verdict.run(kinds.run(looked.run(text))),
    draw=_bracket_line,
    edges=(
        "a", "()", ")", "(", "([)]", "x(() ()", "((a)#))", "<([{}])>", "{[<(x))", "((( [[[ {{{ <<<",
        "(]a)#(b x[", "() ())( []", "a {(})",
    ),
    held_out=True,
)  # fmt: skip

Words = list[str]
Counts = list[tuple[str, int]]
CLEAN = (
    Op("clean:as-is", "words", "w", lambda w: w, (slip("w.lower()", str.lower),)),
    Op("clean:lower", "words in lower case", "w.lower()", str.lower, (slip("w", lambda w: w),)),
    Op("clean:start", "words cut to their first two letters", "w[:2]", lambda w: w[:2],
       (slip("w[0]", lambda w: w[0]),)),
    Op("clean:letters", "words with their letters sorted", '"".join(sorted(w))', lambda w: "".join(sorted(w))),
)  # fmt: skip


def _order(name: str, phrase: str, code: str, run: Callable[[Counts], Counts], *slips: Op) -> Op:
    return Op(f"order-by:{name}", phrase, code, run, slips)


ORDERS = (
    _order("most", "from the most to the least frequent, equally frequent ones in alphabetical order "
           "(capitals before small letters)",
           "sorted(count, key=lambda w: (-count[w], w))", lambda c: sorted(sorted(c), key=lambda one: -one[1]),
           slip("sorted(count, key=lambda w: -count[w])", lambda c: sorted(c, key=lambda one: -one[1]))),
    _order("least", "from the least to the most frequent, equally frequent ones in alphabetical order "
           "(capitals before small letters)",
           "sorted(count, key=lambda w: (count[w], w))", lambda c: sorted(sorted(c), key=lambda one: one[1]),
           slip("sorted(count, key=count.get)", lambda c: sorted(c, key=lambda one: one[1]))),
    _order("seen", "in the order in which they first occur", "list(count)", lambda c: c),
    _order("alphabet", "in alphabetical order (capitals before small letters)", "sorted(count)", sorted,
           slip("sorted(count, key=str.lower)", lambda c: sorted(c, key=lambda one: one[0].lower()))),
)  # fmt: skip
LISTED = (
    Op("listed:top", "the first three, or all if they are fewer, each on a line with its number of occurrences",
       "for w in order[:3]:\n    print(w, count[w])", lambda c: "\n".join(f"{w} {n}" for w, n in c[:3]),
       (slip("for w in order[:2]:\n    print(w, count[w])", lambda c: "\n".join(f"{w} {n}" for w, n in c[:2])),)),
    Op("listed:once", 'those that occur once, on one line, or "none"',
       'print(*[w for w in order if count[w] == 1] or ["none"])',
       lambda c: " ".join(w for w, n in c if n == 1) or "none"),
    Op("listed:repeated", 'those that occur at least twice, on one line, or "none"',
       'print(*[w for w in order if count[w] > 1] or ["none"])',
       lambda c: " ".join(w for w, n in c if n > 1) or "none",
       (slip('print(*[w for w in order if count[w] > 2] or ["none"])',
             lambda c: " ".join(w for w, n in c if n > 2) or "none"),)),
    Op("listed:numbers", "only the numbers of occurrences, on one line", "print(*(count[w] for w in order))",
       lambda c: " ".join(str(n) for _, n in c)),
    Op("listed:last", "the last one and its number of occurrences", "print(order[-1], count[order[-1]])",
       lambda c: f"{c[-1][0]} {c[-1][1]}"),
)  # fmt: skip


def _page(rng: Random, small: bool) -> str:
    some = rng.sample(inputs.WORDS, 3 if small else 6)
    some += [some[0].capitalize(), some[1][::-1], some[2][:2] + "x"]
    lines = [
        " ".join(rng.choice(some) for _ in range(rng.randint(2, 4))) for _ in range(2 if small else rng.randint(2, 6))
    ]
    return "\n".join([str(len(lines)), *lines])


def _count(words: Words) -> Counts:
    return [(w, words.count(w)) for i, w in enumerate(words) if w not in words[:i]]


FREQUENCIES = Family(
    name="word-frequencies",
    level=3,
    axes=(CLEAN, ORDERS, LISTED),
    templates=(
        "The first line is n; n lines of text follow. Count the different {0} in all lines together. Put them {1}, and "
        "print {2}.",
        "Read n and then n lines of words. How often do the {0} occur? Sort the different ones {1}; output {2}.",
    ),
    program=lambda clean, order, listed: (
        "count = {}\nfor i in range(int(input())):\n    for w in input().split():\n"
        f"        w = {clean.code}\n        count[w] = count.get(w, 0) + 1\norder = {order.code}\n{listed.code}"
    ),
    solve=lambda text, clean, order, listed: listed.run(
        order.run(_count([clean.run(word) for word in text.split("\n", 1)[1].split()]))
    ),
    draw=_page,
    keep=lambda clean, order, listed: (
        listed.name != "listed:once" or order.name in ("order-by:seen", "order-by:alphabet")
    ),
    edges=(
        "1\nstone", "1\nSea sea", "2\nb a\na b", "2\nnoon noon\nmoon", "3\nabc cab\nbca Abc\nabd",
        "1\ntree tree tree bell bell eve",
        "4\nz\ny\nz\nx", "2\nArea area AREA\narea eve", "3\nb b\na a\nc C",
    ),
)  # fmt: skip

FAMILIES = (BRACKETS, FREQUENCIES)
