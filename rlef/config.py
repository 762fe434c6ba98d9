"""Configuration: dataclasses that are the TOML file, the command line's flags and its help at once.

A run starts from a TOML file (the shipped `configs/starter.toml` when none is named); flags change single fields. The
file that a run folder keeps is complete, so the run can be repeated from it.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rlef.errors import RlefError
from rlef.ppo_config import LoraConfig, PPOConfig, check_lora, check_ppo

STARTER = Path(__file__).parent / "configs" / "starter.toml"


@dataclass(frozen=True)
class WarmStartConfig:
    """Supervised learning on a few demonstrations before RL: first answers, then repairs."""

    programs: int = 16
    """Tasks of the train split whose reference is shown as a first answer."""
    repairs: int = 16
    """Tasks of the train split shown as a repair, at most: the model's own wrong program, its real feedback,
    reference. The model tries twice as many tasks, those it solves are left out."""
    epochs: int = 3
    """Passes over the demonstrations, in each of the two stages."""
    learning_rate: float = 2e-5
    """AdamW's step size."""
    batch: int = 4
    """Demonstrations per step."""
    weight_decay: float = 0.0
    """AdamW's weight decay."""


@dataclass(frozen=True)
class FeedbackConfig:
    """What the policy is told about a program that failed."""

    tests: int = 8
    """Failing public tests that are shown."""
    characters: int = 512
    """Longest input, output or trace; more is cut in the middle."""
    wording: str = ""
    """Path of a template to use instead of the built-in `wording.jinja`."""
    mode: Literal["true", "none", "random", "stale", "one_test", "perturbed"] = "true"
    """Ablations: nothing, another problem's failure, the previous program's, one failing test, wrong expected outputs
    [true; none and random in its ablations]."""


@dataclass(frozen=True)
class RolloutConfig:
    """How episodes are sampled in training."""

    tasks: int = 16
    """Tasks per update."""
    samples: int = 4
    """Episodes per task and update."""
    draw: Literal["in_turn", "learnable"] = "in_turn"
    """Which tasks: all in random order, or rather those of families whose samples were neither all solved nor all
    failed."""
    temperature: float = 1.0
    """Sampling temperature [1]."""
    max_new_tokens: int = 64
    """Longest answer in tokens."""
    context: int = 1024
    """Longest conversation in tokens; an episode that outgrows it is truncated."""
    staleness: Literal[0, 1] = 0
    """Updates by which the weights that sample are behind those that learn. With 1 the next batch is sampled while
    this one is learned from, which pays where the two do not share a processor [asynchronous]."""


@dataclass(frozen=True)
class EvaluationConfig:
    """How the warm start and the trained model are compared on held-out tasks."""

    split: str = "test"
    """Split of the suite."""
    tasks: int = 0
    """First so many tasks of the split; all when 0."""
    samples: int = 4
    """Episodes per task."""
    temperature: float = 0.2
    """Sampling temperature [0.2 for 1@3]."""
    top_p: float = 0.95
    """Nucleus [0.95]."""
    top_k: int = 0
    """Only so many of the likeliest tokens are sampled; all when 0."""
    min_p: float = 0.0
    """Only tokens with this share of the likeliest one's probability are sampled."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer, besides the model's own end of turn."""


@dataclass(frozen=True)
class TrainConfig:
    """The main job: warm start, RLEF training by PPO, evaluation on held-out tasks."""

    model: str = "embedded"
    """Folder, Hugging Face id, or "embedded" (SmolLM2-135M-Instruct)."""
    suite: str = "starter:L0-L2"
    """Task suite: a name, "name:path" or a path. It needs the splits "train" and the one evaluated."""
    seed: int = 0
    """Seed of everything random."""
    out: str = "runs"
    """Folder that run folders are made in."""
    system: str = ""
    """System message; the chat template's own when empty."""
    turn_limit: int = 3
    """Answers per episode [3]."""
    reward: str = "execution"
    """A reward of `rlef.envs.rewards`, with gates if wanted ("fraction * sound"), or your own as "module:function"."""
    slots: int = 2
    """Programs that run at the same time."""
    checkpoint_every: int = 4
    """Updates between checkpoints."""
    keep_last: int = 0
    """Checkpoints that stay beside the latest one."""
    keep_best: bool = False
    """Whether the checkpoint that solved most tasks in training stays, as checkpoints/best."""
    feedback: FeedbackConfig = field(default_factory=FeedbackConfig)
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    ppo: PPOConfig = field(default_factory=PPOConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


def load_config(path: Path) -> TrainConfig:
    """Read a TOML file. Raises RlefError naming the file, the field and the remedy."""
    config: TrainConfig = read_config(TrainConfig, path)
    check(config)
    return config


def read_config(kind: Any, path: Path) -> Any:
    """Read a TOML file into a dataclass `kind`. Raises RlefError for unknown fields and values of another type."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RlefError(f"{path}: no such file; start from a copy of {STARTER}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RlefError(f"{path}: not a TOML file: {error}") from error
    return _build(kind, data, str(path), "")


def save_config(config: Any, path: Path) -> None:
    """Write the complete configuration as TOML."""
    import tomli_w

    path.write_text(tomli_w.dumps(dataclasses.asdict(config)), encoding="utf-8")


def check(config: TrainConfig) -> None:
    """Raise RlefError for values that cannot be meant."""
    from rlef.envs.rewards import check_names

    def need(good: bool, name: str, what: str) -> None:
        if not good:
            value: Any = config
            for part in name.split("."):
                value = getattr(value, part)
            raise RlefError(f"{name} = {value!r}: must be {what}")

    need(config.seed >= 0, "seed", "0 or more")
    for name in ("turn_limit", "slots", "checkpoint_every"):
        need(getattr(config, name) >= 1, name, "at least 1")
    need(config.keep_last >= 0, "keep_last", "0 or more")
    for name in ("tasks", "samples", "max_new_tokens"):
        need(getattr(config.rollout, name) >= 1, f"rollout.{name}", "at least 1")
    need(config.rollout.temperature > 0, "rollout.temperature", "above 0: training needs samples")
    need(
        config.rollout.context > config.rollout.max_new_tokens, "rollout.context", "larger than rollout.max_new_tokens"
    )
    check_ppo(config.ppo, config.rollout.samples, need)
    check_lora(config.lora)
    for name, taken in (
        ("ppo.compile", config.ppo.compile),
        ("lora.rank", config.lora.rank),
        ("rollout.staleness", config.rollout.staleness),
    ):
        need(not (config.ppo.shard and taken), name, "off with ppo.shard")
    check_names(config.reward)
    need(config.feedback.tests >= 1, "feedback.tests", "at least 1")
    need(config.feedback.characters >= 16, "feedback.characters", "at least 16")
    need(config.ppo.token_budget >= config.rollout.context, "ppo.token_budget", "at least rollout.context")
    need(config.evaluation.samples >= 1, "evaluation.samples", "at least 1")
    need(config.evaluation.tasks >= 0, "evaluation.tasks", "0 (all) or more")
    need(config.evaluation.temperature >= 0, "evaluation.temperature", "0 or more")
    need(0 < config.evaluation.top_p <= 1, "evaluation.top_p", "above 0, at most 1")
    need(config.evaluation.top_k >= 0, "evaluation.top_k", "0 (all) or more")
    need(0 <= config.evaluation.min_p < 1, "evaluation.min_p", "at least 0, below 1")
    need(all(config.evaluation.stop), "evaluation.stop", "texts that are not empty")
    for name in ("programs", "repairs", "epochs"):
        need(getattr(config.warm_start, name) >= 0, f"warm_start.{name}", "0 or more")
    need(config.warm_start.learning_rate > 0, "warm_start.learning_rate", "above 0")
    need(config.warm_start.weight_decay >= 0, "warm_start.weight_decay", "0 or more")
    need(config.warm_start.batch >= 1, "warm_start.batch", "at least 1")


def _build(kind: Any, data: Any, source: str, prefix: str) -> Any:
    if not isinstance(data, dict):
        raise RlefError(f"{source}: {prefix.rstrip('.')} must be a table, [{prefix.rstrip('.')}]")
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name not in hints:
            close = get_close_matches(name, hints, 1)
            hint = f'; did you mean "{prefix}{close[0]}"?' if close else f"; there are: {', '.join(hints)}"
            raise RlefError(f'{source}: unknown field "{prefix}{name}"{hint}')
        values[name] = _value(hints[name], value, source, f"{prefix}{name}")
    return kind(**values)


def _value(kind: Any, value: Any, source: str, name: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, source, f"{name}.")
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise RlefError(f"{source}: {name} = {value!r} must be a list of {get_args(kind)[0].__name__}")
        return tuple(_value(get_args(kind)[0], one, source, name) for one in value)
    kinds = get_args(kind) if get_origin(kind) in (Union, types.UnionType, Literal) else (kind,)
    if float in kinds and type(value) is int:
        return float(value)
    if get_origin(kind) is Literal:
        if value not in kinds:
            raise RlefError(f"{source}: {name} = {value!r} must be one of {', '.join(map(repr, kinds))}")
        return value
    if type(value) not in kinds:
        wanted = " or ".join(one.__name__ for one in kinds)
        raise RlefError(f"{source}: {name} = {value!r} is {type(value).__name__}; it must be {wanted}")
    return value
