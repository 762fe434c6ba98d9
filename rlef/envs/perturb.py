"""A wrong version of an expected output that looks like a right one: one digit or letter is another."""

from __future__ import annotations

import random
import string

_ALPHABETS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
_WORDS = {"true": "false", "yes": "no"}
_WORDS |= {other: word for word, other in _WORDS.items()}


def changed(text: str, rng: random.Random, observed: str = "") -> str:
    """A text that is neither `text` nor `observed`: yes becomes no; of other texts one character is drawn anew."""
    if opposite := _WORDS.get(text.strip().lower()):
        text = text.strip()
        other = opposite.upper() if text.isupper() else opposite.capitalize() if text[0].isupper() else opposite
        if other != observed.strip():
            return other
    places = [(i, alphabet) for i, letter in enumerate(text) for alphabet in _ALPHABETS if letter in alphabet]
    digits = [place for place in places if place[1] is string.digits]
    if not places:
        return f"{text}0" if f"{text}0".strip() != observed.strip() else f"{text}1"
    i, alphabet = rng.choice(digits or places)
    letters = [letter for letter in alphabet if letter not in ("0", text[i])]  # a leading zero would look odd
    options = [text[:i] + letter + text[i + 1 :] for letter in letters]
    return rng.choice([option for option in options if option.strip() != observed.strip()])
