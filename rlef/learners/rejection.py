"""Rejection-sampling fine-tuning: learn from what passed, every distinct program of a task once.

Source: Yuan et al. 2023, arXiv 2308.01825: sample from a model, keep what is right, drop what is the same, fine-tune.
What is learned from are episode records, of `rlef eval` or of a training run; the answers are those of RLEF's own
supervised baseline (arXiv 2410.02089, section 3.4.1): the passing one only, or all of the dialogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from rlef.episode import Episode, Turn
from rlef.errors import RlefError
from rlef.policies.chat import Chat
from rlef.ppo_config import LoraConfig, check_lora
from rlef.programs import normalised


@dataclass(frozen=True)
class SftConfig:
    """Supervised learning from episode records. Values in brackets are of RLEF's supervised baseline."""

    answers: Literal["last", "all"] = "last"
    """Answers learned from: the passing one [last], or all of a dialogue, each with what was said before it."""
    distinct: int = 0
    """Most programs per task, distinct ones; 0: all."""
    epochs: int = 2
    """Passes over the records [2 to 3]."""
    learning_rate: float = 2e-5
    """AdamW's step size [2e-6 to 5e-6]."""
    batch: int = 16
    """Answers per step [64]."""
    weight_decay: float = 0.1
    """AdamW's weight decay [0.1]."""
    seed: int = 0
    """Seed of the order."""
    token_budget: int = 2048
    """Tokens of a micro-batch with its padding; longer dialogues are left out."""
    gradient_checkpointing: bool = False
    """Layers compute their activations again in the backward pass: less memory, more time."""
    system: str = "You write Python programs."
    """System message, where a record has no tokens of this model; the chat template's own when empty."""
    out: str = "runs"
    """Folder that the model's folder is made in."""
    lora: LoraConfig = field(default_factory=LoraConfig)


def check_sft(config: SftConfig) -> None:
    """Raise RlefError for values that cannot be meant."""
    for name, least in (("distinct", 0), ("seed", 0), ("weight_decay", 0), ("epochs", 1), ("batch", 1)):
        if getattr(config, name) < least:
            raise RlefError(f"{name} = {getattr(config, name)!r}: must be {least} or more")
    for name in ("learning_rate", "token_budget"):
        if getattr(config, name) <= 0:
            raise RlefError(f"{name} = {getattr(config, name)!r}: must be above 0")
    check_lora(config.lora)


def accepted(episodes: Iterable[Episode], distinct: int = 0) -> list[Episode]:
    """Episodes whose last program passes all tests, one for every distinct program of a task, the first one said.

    A repair and a first answer that come to the same program teach different things, so both stay.

    Args:
        distinct: most of a task's programs; 0 for all.
    """
    seen: dict[str, set[tuple[bool, str]]] = {}
    kept = []
    for episode in episodes:
        if not episode.passed or episode.turns[-1].program is None:
            continue
        known = seen.setdefault(f"{episode.suite} {episode.task}", set())
        key = (len(episode.turns) > 1, normalised(episode.turns[-1].program))
        if key not in known and (not distinct or len(known) < distinct):
            known.add(key)
            kept.append(episode)
    return kept


def beginnings(episodes: Iterable[Episode]) -> Iterator[Episode]:
    """Every dialogue up to each of its answers: the last answers of these are all answers of those."""
    for episode in episodes:
        for end in range(1, len(episode.turns) + 1):
            yield replace(episode, turns=episode.turns[:end])


def with_tokens(episodes: Sequence[Episode], chat: Chat) -> list[Episode]:
    """Episodes with the tokens of this tokenizer: as sampled where they are its own, else the text is encoded.

    Tokens are its own where all of them decode to the text of the record.
    """
    size = len(chat.tokenizer)
    ready = []
    for episode in episodes:
        own = all(
            turn.response_ids and max((*turn.prompt_ids, *turn.response_ids)) < size
            and chat.text(turn.response_ids) == turn.response
            for turn in episode.turns
        )  # fmt: skip
        ready.append(episode if own else _encoded(episode, chat))
    return ready


def _encoded(episode: Episode, chat: Chat) -> Episode:
    turns: list[Turn] = []
    for turn in episode.turns:
        prompt, answer = tuple(chat.prompt(turns, turn.observation)), tuple(chat.answer(turn.response))
        own = not chat.append_only
        turns.append(replace(turn, prompt_ids=prompt, response_ids=answer, logprobs=(), whole_prompt=own))
    return replace(episode, turns=tuple(turns))


def length(episode: Episode) -> int:
    """Tokens of the dialogue."""
    return sum(len(turn.prompt_ids) + len(turn.response_ids) for turn in episode.turns)
