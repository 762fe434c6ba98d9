"""What a rollout needs of whatever answers: an `Engine` speaks in tokens, a `Speaker` in text.

Training needs tokens, exactly as sampled and with their log-probabilities, so it takes an `Engine`. To evaluate, text
is enough: a served chat model and a file of written answers are `Speaker`s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rlef.policies.engine import Request, Sample, Sampling

Message = dict[str, str]
"""`role` ("system", "user" or "assistant") and `content`."""


class ContextFull(Exception):
    """The conversation is longer than the model's context: the episode ends as truncated."""


class Engine(Protocol):
    """Continues prompts of token ids."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Sample]:
        """One sample per request, in order. The same seed and prompt give the same sample whatever else is asked."""
        ...

    def forget(self) -> None:
        """Dialogues so far are over: whatever was kept for their next turns may go."""
        ...


class Speaker(Protocol):
    """Answers dialogues in text."""

    def reply(self, task: str, messages: Sequence[Message], seed: tuple[int, ...], sampling: Sampling) -> str:
        """The next message of the dialogue about the task with this key. Called from several threads.

        Raises:
            ContextFull: the dialogue does not fit any more.
        """
        ...
