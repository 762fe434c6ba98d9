"""`rlef eval`: one model on one suite, as a table, JSON and the episodes themselves."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from rlef.config import EvalConfig
from rlef.episode import append_episodes
from rlef.errors import RlefError
from rlef.evaluation.evaluate import outcomes_of
from rlef.evaluation.metrics import summary
from rlef.evaluation.players import player, transcript
from rlef.progress import Display
from rlef.report.table import interval
from rlef.run import finish_replacing, guard
from sandbox import Sandbox
from tasks import load_suite


def run_evaluation(model: str, config: EvalConfig) -> Path:
    """Evaluate and write `result.json` and `episodes.jsonl` to a new folder, which is returned."""
    suite = load_suite(config.suite)
    count, play = player(model_of(model), config, suite)
    folder = Path(config.out) / f"{datetime.now():%Y%m%d-%H%M%S}-eval"
    with Sandbox(slots=config.slots) as box, Display(folder) as display:
        with display.stage(f"evaluation of {model}", count) as tick:
            episodes = play(box, tick)
        with guard(folder, resume=False):
            folder.mkdir(parents=True)
            append_episodes(folder / "episodes.jsonl", episodes)
        block = summary(outcomes_of(episodes), config.turn_limit)
        result = {"model": model, "suite": suite.name, "split": config.evaluation.split, "seed": config.seed, **block}
        with guard(folder, resume=False):
            (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
        if model.endswith(".jsonl"):
            display.say(transcript(episodes))
        for key in ("solved_first", f"solved_1@{config.turn_limit}", "repair_rate"):
            display.say(f"{key:14s} {interval(block[key])}")
        display.say(f"{block['tasks']} tasks, {block['rollouts_per_task']:g} rollouts each, "
                    f"{block['sandbox_failures']} sandbox failures left out")  # fmt: skip
    return folder


def model_of(name: str) -> str:
    """A run folder stands for its trained model."""
    final = Path(name) / "checkpoints"
    if not final.is_dir():
        return name
    finish_replacing(final / "latest")
    for choice in ("latest", "warm-start"):
        if (final / choice / "config.json").exists():
            return str(final / choice)
    raise RlefError(f"{name}: no checkpoint yet; go on with: rlef train --resume {name}")
