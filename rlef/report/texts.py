"""Hostile text made ready for the page: what acts is made visible, what is long is cut, what is a program is coloured.

The page receives plain strings and lengths, never markup: the browser turns them into text nodes. Colours are runs of
(length, class) over a program; a comparison of two programs is a list of runs of equal, removed and added lines.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import cache
from typing import Any

LONGEST_TEXT = 6000
"""Characters of one program or message that are shown."""
MOST_LINES = 300
"""Programs with more lines are not compared."""
CLASSES = ("", "keyword", "name", "string", "number", "comment", "operator")

# Control characters (tab and newline stay), lone surrogates, and what reorders or hides text around it.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_FENCE = re.compile(r"```[ \t]*([A-Za-z+]{1,12})")


def visible(text: str) -> str:
    """Text in which nothing acts: an escape becomes "␛", other control and direction characters "\\u202e"."""

    def shown(match: re.Match[str]) -> str:
        code = ord(match[0])
        if code < 0x20:
            return chr(0x2400 + code)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    return _UNSAFE.sub(shown, text.replace("\r\n", "\n"))


def clip(text: Any, limit: int = LONGEST_TEXT) -> str:
    """The beginning and the end of a long text, and how much is missing between."""
    text = str(text)
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}\n… {len(text) - limit} characters left out …\n{text[-limit // 2 :]}"


def language_of(response: str) -> str:
    """The language an answer's first code block names; "python" when it names none."""
    match = _FENCE.search(response)
    return match[1].lower() if match else "python"


def colours(program: str, language: str = "python") -> list[int]:
    """Runs over a program as [length, class, length, class, ...], a class being a place in `CLASSES`.

    The lengths add up to the program's. A language that is not known is one run without a class.
    """
    from pygments import token
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    kinds = (
        (token.Comment, 5), (token.String, 3), (token.Number, 4), (token.Keyword, 1), (token.Operator.Word, 1),
        (token.Name.Builtin, 2), (token.Name.Function, 2), (token.Name.Class, 2), (token.Operator, 6),
    )  # fmt: skip

    @cache
    def class_of(kind: Any) -> int:
        return next((number for ancestor, number in kinds if kind in ancestor), 0)

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return [len(program), 0] if program else []
    runs: list[int] = []
    for kind, text in lexer.get_tokens(program):
        if runs and runs[-1] == class_of(kind):
            runs[-2] += len(text)
        elif text:
            runs += [len(text), class_of(kind)]
    return runs if sum(runs[::2]) == len(program) else [len(program), 0]


def changes(before: str, after: str) -> list[list[int]] | None:
    """What became of a program's lines: [from, to, from, to] in the old and the new one, for runs that differ.

    Lines between two runs are equal. None when there is too much to compare.
    """
    old, new = before.split("\n"), after.split("\n")
    if max(len(old), len(new)) > MOST_LINES:
        return None
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [[a, b, c, d] for tag, a, b, c, d in codes if tag != "equal"]
