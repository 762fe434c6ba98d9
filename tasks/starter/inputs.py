"""Random inputs and forced edge cases of the starter suite: a line of integers, a line of text, or a few numbers."""

from __future__ import annotations

from random import Random

WORDS = (
    *("apple", "river", "stone", "level", "cloud", "green", "table", "mouse", "radio", "ocean", "noon", "tiger"),
    *("paper", "eve", "light", "music", "onion", "banana", "kayak", "letter", "bottle", "summer", "coffee", "giraffe"),
    *("sea", "area", "tree", "bell", "moon", "deed", "civic", "yellow", "street", "hello"),
)


def integers(rng: Random, small: bool) -> str:
    """A line of integers, negative ones and repetitions among them."""
    if small:
        return " ".join(str(rng.randint(-9, 15)) for _ in range(rng.randint(4, 6)))
    return " ".join(str(rng.randint(-60, 60)) for _ in range(rng.randint(5, 12)))


INTEGER_EDGES = ("", "0", "5", "-4", "7 7 7", "-3 -8 -1 -8", "2 4 6 10 12", "1 9 5 3 5 6 4", "12 -15 30 6 100 -100")
"""Empty, zero, single, negative, repeated, all even, boundary values, large."""


def pair(rng: Random, small: bool) -> str:
    """Two different integers on a line."""
    low, high = (-9, 20) if small else (-200, 200)
    a, b = rng.sample(range(low, high), 2)
    return f"{a} {b}"


PAIR_EDGES = ("0 0", "5 5", "-3 -7", "-7 -3", "0 9", "9 0", "-5 5", "1000000 1", "1 1000000")


def natural(rng: Random, small: bool) -> str:
    """One number that is not negative."""
    return str(rng.randint(10, 999) if small else rng.randint(0, 10**7))


def text(rng: Random, small: bool) -> str:
    """A line of words, some with capitals or digits."""
    words = [rng.choice(WORDS) for _ in range(rng.randint(2, 3) if small else rng.randint(1, 7))]
    i = rng.randrange(len(words))
    words[i] = rng.choice((words[i].capitalize(), words[i].upper(), words[i] + str(rng.randint(1, 99))))
    return " ".join(words)


TEXT_EDGES = ("a", "Z", "ab", "AAA aaa", "b cd efg", "aeiou AEIOU", "7", "x1 y22 Z333", "noon level eve")


def word(rng: Random, small: bool) -> str:
    """One lower-case word."""
    if small:
        return rng.choice(WORDS)
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 15)))


WORD_EDGES = ("a", "z", "zz", "xyz", "abc", "abcdefghijklmnopqrstuvwxyz", "aaaa", "mnop")
