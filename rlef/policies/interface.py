"""What a rollout needs of whatever answers: an `Engine` speaks in tokens, a `Speaker` in text.

Training needs tokens, exactly as sampled and with their log-probabilities, so it takes an `Engine`. To evaluate, text
is enough: a served chat model and a file of written answers are `Speaker`s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rlef.policies.engine import Request, Sample, Sampling

Message = dict[str, str]
"""`role` ("system", "user" or "assistant") and `content`."""

Follow = Callable[[Sequence[tuple["Request", "Sample"]]], Sequence["Request"]]
"""Takes responses that have ended and gives what is to be answered next, the next turns of their dialogues first."""


class ContextFull(Exception):
    """The conversation is longer than the model's context: the episode ends as truncated."""


class Engine(Protocol):
    """Continues prompts of token ids."""

    def run(self, requests: Sequence[Request], sampling: Sampling, follow: Follow) -> None:
        """Answer the requests, and what `follow` asks for as they end, until nothing is left.

        `follow` gets every response once, some at a time. The same seed and prompt give the same sample whatever else
        is asked. A request that has the key of one that `follow` was just given is the same dialogue's next turn.
        """
        ...


def in_rounds(
    generate: Callable[[Sequence[Request], Sampling], Sequence[Sample]], requests: Sequence[Request],
    sampling: Sampling, follow: Follow,
) -> None:  # fmt: skip
    """`Engine.run` of what answers all it is asked before anything else: a round of requests after the other."""
    while requests:
        samples = generate(requests, sampling)
        requests = follow(list(zip(requests, samples, strict=True)))


class Speaker(Protocol):
    """Answers dialogues in text."""

    def reply(self, task: str, messages: Sequence[Message], seed: tuple[int, ...], sampling: Sampling) -> str:
        """The next message of the dialogue about the task with this key. Called from several threads.

        Raises:
            ContextFull: the dialogue does not fit any more.
        """
        ...
