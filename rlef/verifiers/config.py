"""Configuration of `rlef vstar`: what is trained, and how it is measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal

from rlef.config import FeedbackConfig
from rlef.errors import RlefError

Loss = Literal["sigmoid", "apo_zero", "apo_down"]


@dataclass(frozen=True)
class GeneratorConfig:
    """Supervised learning of the generators: on references at first, then on every correct program."""

    programs: int = 32
    """Training tasks whose reference is shown, D_SFT."""
    epochs: int = 4
    """Passes over the programs."""
    learning_rate: float = 5e-5
    """AdamW's step size."""
    batch: int = 4
    """Programs per optimiser step."""


@dataclass(frozen=True)
class VerifierConfig:
    """Pairs, and DPO on them."""

    pairs_per_task: int = 8
    """At most so many pairs of correct and incorrect programs per task [m, not stated in the paper]."""
    loss: Loss = "sigmoid"
    """"sigmoid" is DPO's, as in the paper; "apo_zero" also pushes the correct program up, "apo_down" both down."""
    beta: float = 0.1
    """How far the verifier may move from its reference: less for larger values."""
    epochs: int = 2
    """Passes over the pairs."""
    learning_rate: float = 1e-5
    """AdamW's step size; about 2e-4 with LoRA."""
    reward_learning_rate: float = 3e-5
    """The same for the two reward models, whose head starts from nothing."""
    warmup: int = 4
    """Optimiser steps until the step size is reached; it falls to 0 from there."""
    batch: int = 8
    """Pairs per optimiser step."""
    micro_batch: int = 4
    """Pairs in memory at once; `batch` is a multiple of it."""
    lora_rank: int = 0
    """Rank of LoRA adapters on all linear layers; all weights are trained when 0."""
    max_length: int = 1024
    """Longest prompt with program in tokens. Longer pairs are refused, never cut."""


@dataclass(frozen=True)
class SelectionConfig:
    """How the verifier is measured on held-out tasks."""

    split: str = "test"
    """Split of the suite."""
    tasks: int = 0
    """First so many tasks of the split; all when 0."""
    samples: int = 16
    """Candidates per task; best-of-k is reported for 1, 2, 4, ... up to it."""
    temperature: float = 0.7
    """Sampling temperature of the candidates."""
    draws: int = 200
    """Random subsets per task and k for the votes, which have no closed form."""


@dataclass(frozen=True)
class VStarConfig:
    """V-STaR: a generator taught by its own correct programs, and a verifier taught by all of them."""

    model: str = "embedded"
    """Base model: folder, Hugging Face id, or "embedded" (SmolLM2-135M-Instruct)."""
    episodes: tuple[str, ...] = ()
    """Run folders of `rlef train` whose episodes are the pool. Nothing is sampled on training tasks then: the verifier
    starts from the first run's warm start, and the candidates come from its trained model."""
    suite: str = "starter:L0-L2"
    """Task suite: a name, "name:path" or a path. It needs the splits "train" and the one measured on."""
    seed: int = 0
    """Seed of everything random."""
    out: str = "runs"
    """Folder that run folders are made in."""
    system: str = "You write Python programs."
    """System message; the chat template's own when empty."""
    iterations: int = 3
    """Rounds of sampling [3]."""
    samples: int = 16
    """Programs per training task and iteration [16]."""
    tasks: int = 0
    """So many training tasks are sampled on, those of D_SFT and others drawn with the seed; all when 0."""
    temperature: float = 0.7
    """Sampling temperature on training tasks."""
    turn_limit: int = 1
    """Answers per sample [1]; with 2 or more, repairs after feedback join the pool."""
    max_new_tokens: int = 64
    """Longest answer in tokens."""
    context: int = 1024
    """Longest conversation in tokens."""
    slots: int = 2
    """Programs that run at the same time."""
    baselines: bool = True
    """Also train two reward models on the same pairs (Bradley-Terry, binary cross-entropy), to compare with."""
    feedback: FeedbackConfig = field(default_factory=lambda: FeedbackConfig(tests=1))
    sft: GeneratorConfig = field(default_factory=GeneratorConfig)
    verifier: VerifierConfig = field(default_factory=VerifierConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)


MINIMA = {
    "seed": 0, "iterations": 1, "samples": 1, "tasks": 0, "turn_limit": 1, "max_new_tokens": 1, "slots": 1,
    "feedback.tests": 1, "feedback.characters": 16, "sft.programs": 1, "sft.epochs": 1, "sft.batch": 1,
    "verifier.pairs_per_task": 1, "verifier.epochs": 1,
    "verifier.warmup": 0, "verifier.batch": 1, "verifier.micro_batch": 1, "verifier.lora_rank": 0,
    "verifier.max_length": 1, "selection.tasks": 0, "selection.samples": 1, "selection.draws": 1,
}  # fmt: skip
ABOVE_ZERO = (
    "temperature", "selection.temperature", "sft.learning_rate", "verifier.learning_rate",
    "verifier.reward_learning_rate", "verifier.beta",
)  # fmt: skip


def check_vstar(config: VStarConfig) -> None:
    """Raise RlefError for values that cannot be meant."""

    def need(good: bool, name: str, what: str) -> None:
        if not good:
            raise RlefError(f"{name} = {attrgetter(name)(config)!r}: must be {what}")

    for name, least in MINIMA.items():
        need(attrgetter(name)(config) >= least, name, f"at least {least}")
    for name in ABOVE_ZERO:
        need(attrgetter(name)(config) > 0, name, "above 0")
    need(config.context > config.max_new_tokens, "context", "larger than max_new_tokens")
    fits = config.verifier.batch % min(config.verifier.batch, config.verifier.micro_batch) == 0
    need(fits, "verifier.batch", "a multiple of verifier.micro_batch")
    need(config.selection.split != "train", "selection.split", "a split the verifier was not trained on")
