"""Level-4 families of things that grow together: groups that are joined, intervals that are merged."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tasks.starter.family import Family, Op, slip

Group = set[int]


def _rule(name: str, phrase: str, code: str, may: Callable[[int, int, Group, Group], bool], *slips: Op) -> Op:
    return Op(f"join-if:{name}", phrase, code, may, slips)


RULES = (
    _rule("always", "joins the groups of a and b", "True", lambda a, b, g, h: True),
    _rule("small", "joins the groups of a and b, unless they would have more than 4 members together",
          "size[x] + size[y] <= 4", lambda a, b, g, h: len(g | h) <= 4,
          slip("size[x] + size[y] < 4", lambda a, b, g, h: len(g | h) < 4)),
    _rule("near", "joins the groups of a and b if a and b differ by at most 3", "abs(a - b) <= 3",
          lambda a, b, g, h: -3 <= a - b <= 3, slip("abs(a - b) < 3", lambda a, b, g, h: -3 < a - b < 3)),
    _rule("unequal", "joins the groups of a and b if these have different sizes or have one member each",
          "size[x] != size[y] or size[x] == 1", lambda a, b, g, h: len(g) != len(h) or len(g) == 1,
          slip("size[x] != size[y]", lambda a, b, g, h: len(g) != len(h))),
)  # fmt: skip
QUESTIONS = (
    Op("question:same", "1 if a and b are in the same group and 0 if not", "int(x == y)",
       lambda g, h, all: int(g == h)),
    Op("question:size", "the number of members of the group of a", "size[x]", lambda g, h, all: len(g),
       (slip("size[y]", lambda g, h, all: len(h)),)),
    Op("question:both", "the number of members of the two groups of a and b together (of one group, if it is the same)",
       "size[x] + size[y] * (x != y)", lambda g, h, all: len(g | h),
       (slip("size[x] + size[y]", lambda g, h, all: len(g) + len(h)),)),
    Op("question:groups", "the number of all groups, those with one member included",
       "len({find(i) for i in range(1, n + 1)})", lambda g, h, all: len(all)),
    Op("question:smallest", "the smallest member of the group of b",
       "min(i for i in range(1, n + 1) if find(i) == y)", lambda g, h, all: min(h),
       (slip("min(i for i in range(1, n + 1) if find(i) == x)", lambda g, h, all: min(g)),)),
)  # fmt: skip
TOLD = (
    Op("told:each", "the answers, each on a line", '"\\n".join(map(str, told))', lambda t: "\n".join(map(str, t))),
    Op("told:sum", "the sum of the answers", "sum(told)", lambda t: str(sum(t))),
    Op("told:last", "the last answer", "told[-1]", lambda t: str(t[-1])),
    Op("told:changes", "how often an answer differs from the one before it",
       "sum(p != q for p, q in zip(told, told[1:]))",
       lambda t: str(len([i for i in range(1, len(t)) if t[i] != t[i - 1]]))),
)  # fmt: skip


def _lines(rng: Random, small: bool) -> str:
    n, q = (rng.randint(4, 6), rng.randint(5, 7)) if small else (rng.randint(4, 9), rng.randint(6, 20))
    lines = [f"{rng.choice('++?')} {' '.join(map(str, rng.sample(range(1, n + 1), 2)))}" for _ in range(q)]
    lines[-1] = "?" + lines[-1][1:]
    return "\n".join([f"{n} {q}", *lines])


def _solve_groups(text: str, rule: Op, question: Op, told: Op) -> str:
    first, *lines = text.split("\n")
    groups: list[Group] = [{i} for i in range(1, int(first.split()[0]) + 1)]
    answers = []
    for sign, left, right in (line.split() for line in lines):
        a, b = int(left), int(right)
        g, h = next(g for g in groups if a in g), next(g for g in groups if b in g)
        if sign == "?":
            answers.append(question.run(g, h, groups))
        elif g is not h and rule.run(a, b, g, h):
            groups = [group for group in groups if group not in (g, h)] + [g | h]
    return str(told.run(answers))


UNION_FIND = Family(
    name="union-find",
    level=4,
    axes=(RULES, QUESTIONS, TOLD),
    templates=(
        'The first line holds n and q. At first each of the numbers 1 to n is a group of its own. Of the q lines that '
        'follow, "+ a b" {0} (if they are not one group already), and "? a b" asks for {1}. Print {2}.',
        'Read n and q, then q lines. The numbers from 1 to n start as n groups. A line "+ a b" {0}, when it is not one '
        'group already; the answer to a line "? a b" is {1}. Output {2}.',
    ),
    program=lambda rule, question, told: (
        "n, q = map(int, input().split())\nboss = list(range(n + 1))\nsize = [1] * (n + 1)\ntold = []\n\n"
        "def find(i):\n    while boss[i] != i:\n        boss[i] = boss[boss[i]]\n        i = boss[i]\n    return i\n\n"
        "for i in range(q):\n    sign, a, b = input().split()\n    a, b = int(a), int(b)\n    x, y = find(a), find(b)\n"
        f'    if sign == "?":\n        told.append({question.code})\n    elif x != y and ({rule.code}):\n'
        f"        boss[x] = y\n        size[y] += size[x]\nprint({told.code})"
    ),
    solve=_solve_groups,
    draw=_lines,
    edges=(
        "2 1\n? 1 2", "2 2\n+ 1 2\n? 2 1", "5 5\n? 1 5\n+ 1 5\n? 5 1\n+ 4 1\n? 4 3",
        "6 8\n+ 1 2\n+ 3 4\n? 1 4\n+ 2 3\n? 4 1\n+ 5 2\n? 5 6\n? 1 2",
        "8 9\n+ 8 7\n+ 7 6\n+ 6 5\n+ 5 4\n? 8 4\n+ 1 3\n+ 3 8\n? 1 8\n? 2 3",
        "7 6\n+ 1 7\n+ 1 7\n? 7 1\n+ 2 7\n? 2 1\n? 3 4",
    ),
)  # fmt: skip

Spans = list[tuple[int, int]]
MEANINGS = (
    Op("meaning:ends", "the ends of an interval, in any order", "min(a, b), max(a, b)",
       lambda a, b: (a, b) if a < b else (b, a), (slip("a, b", lambda a, b: (a, b)),)),
    Op("meaning:length", "the start of an interval and its length", "a, a + b", lambda a, b: (a, a + b)),
    Op("meaning:middle", "the middle of an interval and how far it reaches to each side", "a - b, a + b",
       lambda a, b: (a - b, a + b), (slip("a - b // 2, a + b // 2", lambda a, b: (a - b // 2, a + b // 2)),)),
)  # fmt: skip


def _merge(near: Callable[[int, int], bool]) -> Callable[[Spans], Spans]:
    """Of every two that belong together one is made, until there are none."""

    def merge(spans: Spans) -> Spans:
        left = list(spans)
        while pair := next(
            ((p, q) for i, p in enumerate(left) for q in left[i + 1 :] if near(p[1], q[0]) and near(q[1], p[0])), None
        ):
            for span in pair:
                left.remove(span)
            left.append((min(p for p, _ in pair), max(q for _, q in pair)))
        return sorted(left)

    return merge


def _joining(name: str, phrase: str, code: str, near: Callable[[int, int], bool], *slips: Op) -> Op:
    return Op(f"joining:{name}", phrase, code, _merge(near), slips)


JOINING = (
    _joining("touch", "overlap or touch", "p <= kept[-1][1]", lambda end, start: start <= end),
    _joining("overlap", "overlap (to touch is not enough)", "p < kept[-1][1]", lambda end, start: start < end,
             slip("p <= kept[-1][1]", _merge(lambda end, start: start <= end))),
    _joining("gap", "overlap, touch, or leave a gap of at most 2", "p <= kept[-1][1] + 2",
             lambda end, start: start <= end + 2,
             slip("p < kept[-1][1] + 2", _merge(lambda end, start: start < end + 2))),
)  # fmt: skip
MERGED = (
    Op("merged:all", "what results, from left to right, each as start and end on a line of its own",
       '"\\n".join(f"{p} {q}" for p, q in kept)', lambda s: "\n".join(f"{p} {q}" for p, q in s)),
    Op("merged:count", "how many there are then", "len(kept)", lambda s: str(len(s))),
    Op("merged:total", "the sum of their lengths then", "sum(q - p for p, q in kept)",
       lambda s: str(sum(q - p for p, q in s)),
       (slip("kept[-1][1] - kept[0][0]", lambda s: str(s[-1][1] - s[0][0])),)),
    Op("merged:gap", "the largest gap that is left between two neighbours (0 if there is one interval only)",
       "max((b[0] - a[1] for a, b in zip(kept, kept[1:])), default=0)",
       lambda s: str(max([s[i][0] - s[i - 1][1] for i in range(1, len(s))] or [0]))),
    Op("merged:longest", "the length of the longest one then", "max(q - p for p, q in kept)",
       lambda s: str(max(q - p for p, q in s)), (slip("kept[0][1] - kept[0][0]", lambda s: str(s[0][1] - s[0][0])),)),
    Op("merged:last", "start and end of the last one then, on one line", "*kept[-1]",
       lambda s: f"{s[-1][0]} {s[-1][1]}"),
)  # fmt: skip


def _spans(rng: Random, small: bool) -> str:
    count = rng.randint(3, 4) if small else rng.randint(2, 9)
    starts = [rng.randint(1, 25 if small else 60) for _ in range(count)]
    near = rng.random() < 0.5  # second numbers that are ends, or lengths
    rows = []
    for a in starts:
        b = max(1, a + rng.randint(-6, 6)) if near else rng.randint(1, 9)
        rows.append(f"{a} {b + (b == a)}")  # whether an interval without length overlaps another is a matter of taste
    return "\n".join([str(count), *rows])


INTERVALS = Family(
    name="intervals",
    level=4,
    axes=(MEANINGS, JOINING, MERGED),
    templates=(
        "The first line is n; n lines with two numbers follow: {0}. Merge intervals that {1}, until there are none "
        "left to merge. Print {2}.",
        "Read n, then n pairs of numbers, each {0}. As long as two intervals {1}, make one of them. Output {2}.",
    ),
    program=lambda meaning, joining, merged: (
        "spans = []\nfor i in range(int(input())):\n    a, b = map(int, input().split())\n"
        f"    spans.append(({meaning.code}))\nkept = []\nfor p, q in sorted(spans):\n"
        f"    if kept and {joining.code}:\n        kept[-1] = kept[-1][0], max(kept[-1][1], q)\n    else:\n"
        f"        kept.append((p, q))\nprint({merged.code})"
    ),
    solve=lambda text, meaning, joining, merged: merged.run(
        joining.run([meaning.run(*map(int, line.split())) for line in text.split("\n")[1:]])
    ),
    draw=_spans,
    edges=(
        "1\n3 8", "2\n1 4\n5 4", "2\n9 2\n2 5", "3\n0 2\n2 3\n9 1", "3\n10 1\n10 1\n10 2", "4\n1 2\n5 3\n11 4\n19 1",
        "5\n20 9\n1 2\n5 2\n8 9\n30 7", "2\n3 1\n7 2",
    ),
    keep=lambda meaning, joining, merged: (
        joining.name != "joining:overlap" or merged.name not in ("merged:total", "merged:gap")
    ),
    held_out=True,
)  # fmt: skip

FAMILIES = (UNION_FIND, INTERVALS)
