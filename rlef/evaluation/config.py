"""The configuration of `rlef eval`: its flags, its help, and the TOML file an evaluation keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rlef.config import EvaluationConfig, FeedbackConfig, PPOConfig, RolloutConfig, TrainConfig, check
from rlef.errors import RlefError
from rlef.policies.endpoint import EndpointConfig


@dataclass(frozen=True)
class EvalConfig:
    """Evaluation of one model."""

    suite: str = "starter:L0-L2"
    """Task suite: a name, "name:path" or a path; the flag may be given several times."""
    seed: int = 0
    """Seed of the sampling."""
    out: str = "runs"
    """Folder the result is written under."""
    system: str = "You write Python programs."
    """System message; the chat template's own when empty."""
    turn_limit: int = 3
    """Answers per episode."""
    slots: int = 2
    """Programs that run at the same time."""
    max_new_tokens: int = 64
    """Longest answer in tokens."""
    context: int = 1024
    """Longest conversation in tokens."""
    metrics: str = ""
    """Measures besides the first attempt, the final answer and repair: "1@3,10@100,pass@1,pass^2"."""
    select: str = "public"
    """Which samples n@k submits: "public" (what passes the public tests), "random", "likelihood", "verifier:PATH" (a
    verifier's highest scores), "public+likelihood", "public+verifier:PATH" or "clusters" (of outputs on `inputs`)."""
    best_of: int = 1
    """Answers sampled at each turn, all counted; what `select` (public tests, a verifier) prefers is repaired next."""
    inputs: str = ""
    """File of inputs for the clusters, one JSON object a line: {"task": KEY, "inputs": [TEXT, ...]}."""
    single_turn: bool = False
    """Also sample single turns at the same number of samples, turns counted, and compare."""
    since: str = ""
    """First day of publication of the tasks, YYYY-MM-DD; open when empty."""
    until: str = ""
    """Last day of publication of the tasks."""
    minutes: float = 0.0
    """No batch is begun later than this; no limit when 0. What is missing is played when the command is given again."""
    feedback: FeedbackConfig = field(default_factory=FeedbackConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    engine: Literal["transformers", "vllm"] = "transformers"
    """What samples from a model that is loaded here; vLLM wants an accelerator and `pip install rlef[vllm]`."""
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)

    @staticmethod
    def of(config: TrainConfig) -> EvalConfig:
        """What a run evaluated its models with."""
        return EvalConfig(
            config.suite, config.seed, config.out, config.system, config.turn_limit, config.slots,
            config.rollout.max_new_tokens, config.rollout.context, feedback=config.feedback,
            evaluation=config.evaluation,
        )  # fmt: skip


def check_eval(config: EvalConfig) -> None:
    """Raise RlefError for values that cannot be meant."""
    check(
        TrainConfig(
            seed=config.seed, turn_limit=config.turn_limit, slots=config.slots, feedback=config.feedback,
            rollout=RolloutConfig(max_new_tokens=config.max_new_tokens, context=config.context),
            ppo=PPOConfig(token_budget=max(config.context, 1)), evaluation=config.evaluation,
        )
    )  # fmt: skip
    for name, least in (("concurrency", 1), ("timeout_s", 0.1), ("retries", 0)):
        if (value := getattr(config.endpoint, name)) < least:
            raise RlefError(f"endpoint.{name} = {value!r}: must be at least {least}")
    if config.minutes < 0:
        raise RlefError(f"minutes = {config.minutes!r}: must be 0 (no limit) or more")
    from rlef.evaluation.selection import check_select

    check_select(config)
