"""What a rollout needs of whatever answers: an `Engine` speaks in tokens, a `Speaker` in text.

Training needs tokens, exactly as sampled and with their log-probabilities, so it takes an `Engine`. To evaluate, text
is enough: a served chat model and a file of written answers are `Speaker`s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Message = dict[str, str]
"""`role` ("system", "user" or "assistant") and `content`."""


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn."""

    temperature: float = 1.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    """Smallest set of tokens with at least this probability is drawn from."""
    max_new_tokens: int = 96
    top_k: int = 0
    """Only so many of the likeliest tokens are drawn from; all when 0. Applied before top-p."""
    min_p: float = 0.0
    """Only tokens with this share of the likeliest one's probability are drawn from. Applied after top-p."""
    stop: tuple[str, ...] = ()
    """A response ends as soon as it holds one of these texts. The tokens that complete it are kept."""


@dataclass(frozen=True)
class Request:
    """A prompt to continue. `key` names the dialogue, so that its earlier turns need not be computed again."""

    key: tuple[int, ...]
    ids: Sequence[int]
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """A response: ids as sampled (with the stop token if one was drawn) and their log-probabilities."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Under the distribution that was drawn from (temperature, top-k, top-p and min-p applied)."""
    value: float | None
    """The critic at the last prompt token; None without a critic."""


Follow = Callable[[Sequence[tuple[Request, Sample]]], Sequence[Request]]
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
