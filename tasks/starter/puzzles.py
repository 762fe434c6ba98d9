"""Level-2 families with a rule of their own over text: run-length encoding, palindromes, Caesar shift."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from random import Random

from tasks.starter import inputs
from tasks.starter.family import Family, Op, slip


def _runs(join: Callable[[str, int], str]) -> Callable[[str], str]:
    return lambda s: "".join(join(c, len(list(run))) for c, run in groupby(s))


PREPARE = (
    Op("prepare:as-is", "of the word", "s = input()", lambda s: s),
    Op("prepare:lower", "of the word in lower case", "s = input().lower()", str.lower),
    Op("prepare:reversed", "of the reversed word", "s = input()[::-1]", lambda s: s[::-1]),
    Op("prepare:sorted", "of the word with its letters sorted", "s = sorted(input())", lambda s: "".join(sorted(s))),
)
RUNS = (
    Op(
        "runs:letter-first",
        '("aab" gives "a2b1")',
        "c + str(n)",
        _runs(lambda c, n: f"{c}{n}"),
        (slip("c + str(n) if n > 1 else c", _runs(lambda c, n: c + str(n) * (n > 1))),),
    ),
    Op("runs:count-first", '("aab" gives "2a1b")', "str(n) + c", _runs(lambda c, n: f"{n}{c}")),
    Op("runs:only-long", '("aab" gives "a2b": no 1)', "c + str(n) * (n > 1)", _runs(lambda c, n: c + str(n) * (n > 1))),
)


def _run_word(rng: Random, small: bool) -> str:
    return "".join(
        rng.choice("abABc") * rng.randint(1, 3) for _ in range(rng.randint(3, 4) if small else rng.randint(4, 12))
    )


RUN_LENGTH = Family(
    name="run-length",
    level=2,
    axes=(PREPARE, RUNS),
    templates=(
        "Read a word. Print the run-length encoding {0} {1}.",
        "Output the run-length encoding {0} on the input line {1}.",
    ),
    program=lambda p, r: (
        f"from itertools import groupby\n{p.code}\nr = [(c, len(list(g))) for c, g in groupby(s)]\n"
        f'print("".join({r.code} for c, n in r))'
    ),
    solve=lambda text, p, r: r.run(p.run(text)),
    draw=_run_word,
    edges=("a", "aa", "ab", "Aa", "aaaaaaaaaaaa", "abab", "aaAAaa", "cba", "BBBa"),
)

VIEW = (
    Op("view:as-is", "it", "s = input()", lambda s: s),
    Op("view:any-case", "it (ignoring case)", "s = input().lower()", str.lower),
    Op("view:no-spaces", "it (ignoring spaces)", 's = input().replace(" ", "")', lambda s: s.replace(" ", "")),
    Op("view:words", "its list of words", "s = input().split()", str.split),
)


def _reply(yes: str, no: str) -> Op:
    return Op(f"reply:{yes}", f'"{yes}" or "{no}"', f'"{yes}" if s == s[::-1] else "{no}"', lambda b: yes if b else no)


REPLIES = (_reply("yes", "no"), _reply("YES", "NO"), _reply("palindrome", "different"))


def _mirror(rng: Random, small: bool) -> str:
    words = [rng.choice(inputs.WORDS)[:5] for _ in range(rng.randint(1, 2) if small else rng.randint(1, 4))]
    kind = rng.randrange(5)
    if kind == 0:
        return " ".join(words)
    if kind == 1:
        return " ".join(words + words[-2::-1])
    line = " ".join(words)
    line += line[-2::-1] if kind < 4 else " " + line[::-1]
    return line.capitalize() if kind == 3 else line


PALINDROME = Family(
    name="palindrome",
    level=2,
    axes=(VIEW, REPLIES),
    templates=(
        "Read a line. Print {1}: whether {0} reads the same backwards.",
        "A line is given. Output {1} depending on whether {0} reads the same in both directions.",
    ),
    program=lambda v, r: f"{v.code}\nprint({r.code})",
    solve=lambda text, v, r: r.run(v.run(text) == v.run(text)[::-1]),
    draw=_mirror,
    edges=("a", "ab", "aa", "Aa", "Noon", "no on", "to be to", "ab Ba", "level level"),
)


def _shift(k: int) -> Op:
    def run(s: str) -> str:
        return "".join(chr((ord(c) - 97 + k) % 26 + 97) for c in s)

    def no_wrap(s: str) -> str:
        return "".join(chr(ord(c) + k) for c in s)

    words = f"{abs(k)} place{'s' * (abs(k) > 1)} {'forward' if k > 0 else 'back'}"
    return Op(
        f"shift:{k}",
        words,
        f"chr((ord(c) - 97 + {k}) % 26 + 97)".replace("+ -", "- "),
        run,
        (slip(f"chr(ord(c) + {k})".replace("+ -", "- "), no_wrap),),
    )


FINISH = (
    Op("finish:plain", "", "t", lambda t: t),
    Op("finish:reversed", " reversed", "t[::-1]", lambda t: t[::-1]),
    Op("finish:upper", " in upper case", "t.upper()", str.upper),
)
CAESAR = Family(
    name="caesar",
    level=2,
    axes=(tuple(_shift(k) for k in (1, 2, 3, 5, 13, -1)), FINISH),
    templates=(
        "Read a lower-case word. Shift each letter {0} in the alphabet (z is followed by a). Print the result{1}.",
        "Caesar cipher: move every letter of the lower-case input word {0}, wrapping around. Output the result{1}.",
    ),
    program=lambda k, f: f't = "".join({k.code} for c in input())\nprint({f.code})',
    solve=lambda text, k, f: f.run(k.run(text)),
    draw=inputs.word,
    edges=inputs.WORD_EDGES,
)

FAMILIES = (RUN_LENGTH, PALINDROME, CAESAR)
