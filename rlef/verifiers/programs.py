"""A program as a verifier sees it: what makes two the same, how far apart two are, which tokens it is shown as."""

from __future__ import annotations

from functools import lru_cache

from rlef.envs.answers import answer_of
from rlef.policies.chat import Chat
from rlef.programs import normalised

normal_form = lru_cache(maxsize=1 << 16)(normalised)
"""Equal for programs that differ in layout, comments and names only."""


def edit_distance(first: str, second: str) -> int:
    """Levenshtein distance in characters."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(first, second))


def encode(chat: Chat, observation: str, program: str) -> tuple[list[int], list[int]]:
    """Token ids of the task's prompt, and of the program as a closed answer to it."""
    return chat.start(observation), chat.answer(answer_of(program))
