"""`rlef sft`: supervised learning from episode records; a new model folder and what it was made of."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from rlef.config import WarmStartConfig
from rlef.episode import read_episodes
from rlef.errors import RlefError
from rlef.evaluation.command import model_of
from rlef.learners.optimiser import use_gradient_checkpointing
from rlef.learners.rejection import SftConfig, accepted, beginnings, length, with_tokens
from rlef.learners.sft import warm_start
from rlef.policies.load import load_policy
from rlef.policies.lora import add_adapter, merge
from rlef.progress import Display
from rlef.run import claimed, guard, replacing


def run_sft(model: str, records: Sequence[str], config: SftConfig) -> Path:
    """Fine-tune `model` on what passed in `records`; returns the folder of the new model.

    Args:
        model: folder, run folder, Hugging Face id, or "embedded".
        records: files of episodes, or folders that hold an `episodes.jsonl`.

    Raises:
        RlefError: a file that is no record, or nothing passed in any of them.
    """
    files = [_file(name) for name in records]
    every = [episode for file in files for episode in read_episodes(file)]
    passed = sum(episode.passed for episode in every)
    chosen = accepted(every, config.distinct)
    if not chosen:
        raise RlefError(
            f"{', '.join(map(str, files))}: none of {len(every)} episodes passed all tests; sample more of them, with "
            "rlef eval --evaluation.split train --evaluation.samples 16 --evaluation.temperature 1"
        )
    policy = load_policy(model_of(model), config.system)
    chosen = with_tokens(chosen, policy.chat)
    shown = list(beginnings(chosen)) if config.answers == "all" else chosen
    limit = min(config.token_budget, policy.context)
    fitting = [episode for episode in shown if length(episode) <= limit]
    if not fitting:
        raise RlefError(f"token_budget = {config.token_budget}: every dialogue is longer than {limit} tokens; raise it")
    settings = WarmStartConfig(
        epochs=config.epochs, learning_rate=config.learning_rate, batch=config.batch, weight_decay=config.weight_decay
    )
    steps = config.epochs * -(-len(fitting) // config.batch)
    with claimed(config.out, "sft") as folder, Display(folder) as display:
        display.say(
            f"{len(every)} episodes, {passed} passed, {len(chosen)} distinct; {len(fitting)} answers to learn from, "
            f"{len(shown) - len(fitting)} too long"
        )
        add_adapter(policy.model, config.lora, config.seed)
        if config.gradient_checkpointing:
            use_gradient_checkpointing(policy.model)
        torch.manual_seed(config.seed)
        with display.stage("supervised learning", steps) as tick:
            losses = warm_start(
                policy.model, fitting, settings, config.seed, config.token_budget,
                lambda step, loss: tick(1, f"loss {loss:.3f}"),
            )  # fmt: skip
        merge(policy.model)
        facts = {
            "model": model, "records": [str(file) for file in files], "episodes": len(every), "passed": passed,
            "distinct": len(chosen), "answers": len(fitting), "too_long": len(shown) - len(fitting), "losses": losses,
            "config": dataclasses.asdict(config),
        }  # fmt: skip
        with guard(folder, resume=False), replacing(folder) as part:
            policy.model.save_pretrained(part)
            policy.tokenizer.save_pretrained(part)
            (part / "sft.json").write_text(json.dumps(facts, indent=2) + "\n")
        display.say(f"go on with: rlef eval {folder}")
    return folder


def _file(name: str) -> Path:
    path = Path(name) / "episodes.jsonl" if Path(name).is_dir() else Path(name)
    if not path.is_file():
        raise RlefError(f"{path}: no such file; name a file of episodes, or a folder with an episodes.jsonl")
    return path
