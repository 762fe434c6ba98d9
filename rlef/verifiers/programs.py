"""A program as a verifier sees it: what makes two the same, how far apart two are, which tokens it is shown as.

Programs are text here. They are parsed to compare them and never run.
"""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache

from rlef.policies.chat import Chat


@lru_cache(maxsize=1 << 16)
def normal_form(source: str) -> str:
    """Equal for programs that differ in layout and comments only.

    The dump of the syntax tree; for text that is no Python (or too deep to parse) its words with single spaces.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes and the like are the author's business
            return "tree " + ast.dump(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "text " + " ".join(source.split())


def edit_distance(first: str, second: str) -> int:
    """Levenshtein distance in characters."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(first, second))


def answer_of(program: str) -> str:
    """The answer a program is judged in: one fenced block, without the prose a model may have put around it."""
    newline = "\n"
    return f"```python\n{program.strip(newline)}\n```"


def encode(chat: Chat, observation: str, program: str) -> tuple[list[int], list[int]]:
    """Token ids of the task's prompt, and of the program as a closed answer to it."""
    return chat.start(observation), chat.answer(answer_of(program))
