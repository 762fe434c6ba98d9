"""Flags taken by hand, for commands that have few."""

from __future__ import annotations

from rlef.errors import RlefError


def take(given: list[str], flag: str) -> tuple[str | None, list[str]]:
    """The value of a flag and the arguments without it."""
    for place, word in enumerate(given):
        if word == flag:
            if place + 1 == len(given):
                raise RlefError(f"{flag} needs a value")
            return given[place + 1], given[:place] + given[place + 2 :]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2], given[:place] + given[place + 1 :]
    return None, given


def take_all(given: list[str], flag: str) -> tuple[list[str], list[str]]:
    """All values of a flag that may be repeated, and the arguments without them."""
    values: list[str] = []
    while True:
        value, given = take(given, flag)
        if value is None:
            return values, given
        values.append(value)
