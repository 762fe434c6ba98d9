"""Level-4 families of dynamic programming: filling a bag, comparing two words, chains within a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random

from tasks.starter import inputs
from tasks.starter.family import Family, Op, slip

Item = tuple[int, int]
Filling = tuple[int, int, int]
"""Weight, value and number of the items in a bag."""
USES = (
    Op("use:once", "Each item can be taken once", "1", lambda room, w: 1,
       (slip("capacity // w", lambda room, w: room // w),)),
    Op("use:twice", "Each item can be taken up to two times", "2", lambda room, w: 2),
    Op("use:any", "Each item can be taken any number of times", "capacity // w", lambda room, w: room // w),
)  # fmt: skip
ITEMS = (
    Op("items:all", "all items", "", lambda w, room: True),
    Op("items:odd", "items of odd weight only", " if w % 2 == 1", lambda w, room: w % 2 == 1),
    Op("items:light", "items only that weigh at most half of the capacity", " if 2 * w <= capacity",
       lambda w, room: w <= room / 2, (slip(" if 2 * w < capacity", lambda w, room: w < room / 2),)),
    Op("items:heavy", "items only that weigh 3 or more", " if w >= 3", lambda w, room: w > 2,
       (slip(" if w > 3", lambda w, room: w > 3),)),
)  # fmt: skip
FILLINGS = (
    Op("filling:value", "the largest value of items that fit into the bag together", "max(t[c][1] for c in t)",
       lambda f, room: max(v for _, v, _ in f)),
    Op("filling:ways", "in how many ways the bag can be filled exactly to its capacity (a way says how often each item "
       "is taken)", "t[capacity][0] if capacity in t else 0", lambda f, room: len([w for w, _, _ in f if w == room])),
    Op("filling:fewest", "the smallest number of items that fill the bag exactly to its capacity (-1 if none do)",
       "t[capacity][2] if capacity in t else -1",
       lambda f, room: min((n for w, _, n in f if w == room), default=-1),
       (slip("t[capacity][2] if capacity in t else 0",
             lambda f, room: min((n for w, _, n in f if w == room), default=0)),)),
    Op("filling:weights", "how many different weights the filled bag can have (0 for the empty bag is one of them)",
       "len(t)", lambda f, room: len({w for w, _, _ in f}),
       (slip("len(t) - 1", lambda f, room: len({w for w, _, _ in f}) - 1),)),
    Op("filling:room", "how much of the capacity is left at least", "capacity - max(t)",
       lambda f, room: room - max(w for w, _, _ in f)),
)  # fmt: skip


def _fillings(items: list[Item], room: int, times: Callable[[int, int], int], total: int) -> Iterator[Filling]:
    """Everything that fits, one by one."""
    if not items:
        yield 0, 0, 0
        return
    (w, v), *rest = items
    for count in range(min(times(total, w), room // w) + 1):
        for weight, value, number in _fillings(rest, room - count * w, times, total):
            yield weight + count * w, value + count * v, number + count


def _solve_bag(text: str, use: Op, items: Op, filling: Op) -> str:
    (room,), *lines = [[int(word) for word in line.split()] for line in text.split("\n")]
    chosen = [(w, v) for w, v in zip(*lines, strict=True) if items.run(w, room)]
    return str(filling.run(list(_fillings(chosen, room, use.run, room)), room))


def _bag(rng: Random, small: bool) -> str:
    n = 3 if small else rng.randint(3, 5)
    weights = sorted(rng.sample(range(2, 7 if small else 11), n), key=lambda _: rng.random())
    lines = [weights, [rng.randint(1, 20) for _ in range(n)]]
    return "\n".join([str(rng.randint(8, 14 if small else 22)), *(" ".join(map(str, line)) for line in lines)])


KNAPSACK = Family(
    name="knapsack",
    level=4,
    axes=(USES, ITEMS, FILLINGS),
    templates=(
        "The first line is the capacity of a bag, the second the weights of some items, the third their values. {0}, "
        "and {1} may be taken. Print {2}.",
        "Read the capacity of a bag, a line with the weights of items and a line with their values. {0}; {1} count. "
        "Output {2}.",
    ),
    program=lambda use, items, filling: (
        "capacity = int(input())\nweights = map(int, input().split())\nvalues = map(int, input().split())\n"
        "t = {0: (1, 0, 0)}  # by weight: ways, largest value, fewest items\n"
        f"for w, v in [(w, v) for w, v in zip(weights, values){items.code}]:\n    new = {{}}\n"
        "    for c, (ways, value, count) in t.items():\n"
        f"        for k in range(min({use.code}, (capacity - c) // w) + 1):\n"
        "            old = new.get(c + k * w, (0, 0, 1000))\n"
        "            new[c + k * w] = (old[0] + ways, max(old[1], value + k * v), min(old[2], count + k))\n"
        f"    t = new\nprint({filling.code})"
    ),
    solve=_solve_bag,
    draw=_bag,
    edges=(
        "1\n2\n5", "6\n3\n4", "7\n7 3\n1 9", "10\n2 3 5\n1 1 1", "12\n4 6 8 5\n3 9 9 2", "9\n3 9 4\n5 14 6",
        "11\n3 4 5 7\n10 1 2 12", "20\n10 5 9 2\n11 5 10 1",
    ),
)  # fmt: skip

VOWELS = "aeiou"
READY = (
    Op("ready:as-is", "two words", "a, b = input(), input()", lambda a, b: (a, b)),
    Op("ready:reversed", "two words, the second one read backwards", "a, b = input(), input()[::-1]",
       lambda a, b: (a, "".join(reversed(b)))),
    Op("ready:consonants", "two words without their vowels (aeiou)",
       'a, b = ["".join(c for c in input() if c not in "aeiou") for i in range(2)]',
       lambda a, b: tuple("".join(set(VOWELS).isdisjoint(c) * c for c in word) for word in (a, b))),
    Op("ready:ends", "two words without their first letters", "a, b = input()[1:], input()[1:]",
       lambda a, b: (a[1:], b[1:]), (slip("a, b = input()[1:], input()", lambda a, b: (a[1:], b)),)),
)  # fmt: skip


@lru_cache(1 << 14)
def _common(a: str, b: str) -> int:
    if not (a and b):
        return 0
    return 1 + _common(a[1:], b[1:]) if a[0] == b[0] else max(_common(a[1:], b), _common(a, b[1:]))


@lru_cache(1 << 14)
def _edits(a: str, b: str) -> int:
    if not (a and b):
        return len(a + b)
    return _edits(a[1:], b[1:]) if a[0] == b[0] else 1 + min(_edits(a[1:], b), _edits(a, b[1:]), _edits(a[1:], b[1:]))


def _shared(a: str, b: str) -> int:
    return max(j - i for i in range(len(a) + 1) for j in range(i, len(a) + 1) if a[i:j] in b)


def _alignment(name: str, phrase: str, edge: str, equal: str, other: str, answer: str,
               run: Callable[[str, str], int], *slips: Op) -> Op:  # fmt: skip
    """`edge` is the value next to an empty word of the other of length k; `equal` and `other` those after a letter."""
    code = (
        f"t = [[{edge.replace('k', 'i + j')} for j in range(len(b) + 1)] for i in range(len(a) + 1)]\n"
        "for i in range(1, len(a) + 1):\n    for j in range(1, len(b) + 1):\n"
        f"        t[i][j] = {equal} if a[i - 1] == b[j - 1] else {other}\nn = {answer}"
    )
    return Op(f"alignment:{name}", phrase, code, run, slips)


LONGER = "max(t[i - 1][j], t[i][j - 1])"
FEWER = "1 + min(t[i - 1][j], t[i][j - 1], t[i - 1][j - 1])"
ALIGNMENTS = (
    _alignment("common", "the length of the longest sequence of letters that can be got from both by deleting letters",
               "0", "t[i - 1][j - 1] + 1", LONGER, "t[-1][-1]", _common),
    _alignment("substring", "the length of the longest text that is a part of both, without gaps",
               "0", "t[i - 1][j - 1] + 1", "0", "max(map(max, t))", _shared),
    _alignment("edits", "the smallest number of letters to insert, delete or replace that makes one the other",
               "k", "t[i - 1][j - 1]", FEWER, "t[-1][-1]", _edits),
    _alignment("deletions", "the smallest number of letters to delete, in both together, that makes them equal",
               "k", "t[i - 1][j - 1]", "1 + min(t[i - 1][j], t[i][j - 1])", "t[-1][-1]",
               lambda a, b: len(a) + len(b) - 2 * _common(a, b)),
    _alignment("superstring", "the length of the shortest text from which both can be got by deleting letters",
               "k", "t[i - 1][j - 1] + 1", "1 + min(t[i - 1][j], t[i][j - 1])", "t[-1][-1]",
               lambda a, b: len(a) + len(b) - _common(a, b)),
)  # fmt: skip
GIVEN = (
    Op("given:plain", "it", "n", lambda n, a, b: n),
    Op("given:lengths", "it plus ten times the length that the longer of the two then has",
       "n + 10 * max(len(a), len(b))",
       lambda n, a, b: n + 10 * max(len(a), len(b)),
       (slip("n + 10 * len(a)", lambda n, a, b: n + 10 * len(a)),)),
    Op("given:square", "its square", "n * n", lambda n, a, b: n**2, (slip("n * 2", lambda n, a, b: n * 2),)),
)  # fmt: skip


def _two_words(rng: Random, small: bool) -> str:
    first = rng.choice(inputs.WORDS)
    if small:
        return f"{first}\n{rng.choice(inputs.WORDS)}"
    letters = list(first + rng.choice(("", first[::-1])))
    for _ in range(rng.randint(1, 6)):
        letters.insert(rng.randrange(len(letters) + 1), rng.choice("aeinrst"))
        del letters[rng.randrange(len(letters))]
    return f"{first + rng.choice(('', rng.choice(inputs.WORDS)))}\n{''.join(letters)}"


WORD_PAIRS = Family(
    name="word-pairs",
    level=4,
    axes=(READY, ALIGNMENTS, GIVEN),
    templates=(
        "Two lines hold a word each. Take the {0}, and find {1}. Print {2}.",
        "Read two words, one a line. For the {0}: what is {1}? Output {2}.",
    ),
    program=lambda ready, alignment, given: f"{ready.code}\n{alignment.code}\nprint({given.code})",
    solve=lambda text, ready, alignment, given: str(
        given.run(alignment.run(*(words := ready.run(*text.split("\n")))), *words)
    ),
    draw=_two_words,
    edges=("a\na", "ab\nba", "abc\nxyz", "aeiou\neat", "noon\nnoons", "street\ntrees", "abcabcabc\ncba",
        "z\nzebrazebra"),
)  # fmt: skip


def _chain(name: str, phrase: str, code: str, follows: Callable[[int, int], bool], *slips: Op) -> Op:
    return Op(f"chain:{name}", phrase, code, follows, slips)


CHAINS = (
    _chain("rising", "greater than the one before it", "x > y", lambda x, y: x > y,
           slip("x >= y", lambda x, y: x >= y)),
    _chain("level", "at least as large as the one before it", "x >= y", lambda x, y: x >= y,
           slip("x > y", lambda x, y: x > y)),
    _chain("falling", "less than the one before it", "x < y", lambda x, y: x < y,
           slip("x <= y", lambda x, y: x <= y)),
    _chain("close", "different from the one before it, by 3 at most", "0 < abs(x - y) <= 3",
           lambda x, y: x != y and -3 <= x - y <= 3, slip("abs(x - y) <= 3", lambda x, y: -3 <= x - y <= 3)),
    _chain("parity", "even if the one before it is odd, and odd if that is even", "(x + y) % 2 == 1",
           lambda x, y: x % 2 != y % 2),
)  # fmt: skip
LIST_FORMS = (
    Op("form-of-list:given", "the numbers", "x", lambda i, x: x),
    Op("form-of-list:digit-sums", "the sums of the digits of the numbers", "sum(map(int, str(x)))",
       lambda i, x: sum(int(c) for c in str(x))),
    Op("form-of-list:last-digits", "the last digits of the numbers", "x % 10", lambda i, x: int(str(x)[-1])),
    Op("form-of-list:shifted", "the numbers, each plus its position (1, 2, ...)", "x + i", lambda i, x: x + i,
       (slip("x + i - 1", lambda i, x: x + i - 1),)),
)  # fmt: skip
BEST = (
    Op("best:length", "the length of a longest one",
       "1 + max((best[j] for j in before), default=0)\nmax(best)", lambda s, a: max(map(len, s)),
       (slip("1 + max((best[j] for j in before), default=0)\nbest[-1]",
             lambda s, a: max(len(one) for one in s if one[-1][0] == len(a) - 1)),)),
    Op("best:sum", "the largest sum of one",
       "x + max((best[j] for j in before), default=0)\nmax(best)",
       lambda s, a: max(sum(x for _, x in one) for one in s)),
    Op("best:count", "how many there are (equal numbers at different positions are different)",
       "1 + sum(best[j] for j in before)\nsum(best)", lambda s, a: len(s)),
    Op("best:left-out", "how many of all numbers are not in a longest one",
       "1 + max((best[j] for j in before), default=0)\nlen(a) - max(best)", lambda s, a: len(a) - max(map(len, s))),
)  # fmt: skip


def _solve_chains(text: str, chain: Op, form: Op, best: Op) -> str:
    a = [form.run(i, int(word)) for i, word in enumerate(text.split(), 1)]
    found: list[list[tuple[int, int]]] = []  # every selection, as positions and numbers
    for i, x in enumerate(a):
        found += [[*one, (i, x)] for one in [[], *found] if not one or chain.run(x, one[-1][1])]
    return str(best.run(found, a))


def _chain_program(chain: Op, form: Op, best: Op) -> str:
    step, answer = best.code.split("\n")
    return (
        f"a = [{form.code} for i, x in enumerate(map(int, input().split()), 1)]\nbest = []\n"
        f"for i, x in enumerate(a):\n    before = [j for j, y in enumerate(a[:i]) if {chain.code}]\n"
        f"    best.append({step})\nprint({answer})"
    )


CHAIN_LISTS = Family(
    name="subsequences",
    level=4,
    axes=(CHAINS, LIST_FORMS, BEST),
    templates=(
        "Read a line of positive integers. Take {1}. A selection of one or more of them in their order counts if each "
        "number in it, except the first, is {0} in the selection. Print {2}.",
        "Positive integers are given on one line. From {1} some can be left out (not all) so that each that remains is "
        "{0}. Of all such selections output {2}.",
    ),
    program=_chain_program,
    solve=_solve_chains,
    draw=lambda rng, small: " ".join(
        str(rng.randint(1, 40)) for _ in range(rng.randint(4, 6) if small else rng.randint(5, 9))
    ),
    keep=lambda chain, form, best: (chain.name, form.name) != ("chain:parity", "form-of-list:last-digits"),
    edges=(
        "7",
        "3 3",
        "9 8",
        "1 2 3 4 5",
        "5 5 5 5",
        "40 31 22 13 4",
        "10 3 12 5 14 7",
        "8 1 6 2 7 3 9",
        "19 28 37 11 2",
    ),
)

FAMILIES = (KNAPSACK, WORD_PAIRS, CHAIN_LISTS)
