"""Which checkpoints stay beside the latest one: the last few, and the best; and a warning when it is not the latest.

    checkpoints/latest  checkpoints/step-8  checkpoints/step-12  checkpoints/best

A kept checkpoint is the folder of the latest one as it was, by hard links where the file system has them, so it costs
disk space but no time. It is complete: put in the place of `latest`, `rlef train --resume` goes on from there.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from rlef.run import finish_replacing, guard, replacing

SCORE = "rollout/solved_final"


def keep(run: Path, step: int, every: int, last: int, best: bool) -> None:
    """Keep `checkpoints/latest`, made after update `step`, as far as it is wanted. Doing it twice is doing it once.

    Args:
        run: the run folder.
        every: updates between checkpoints; the score of one is the share of episodes solved in that many before it.
        last: checkpoints kept beside the latest.
        best: keep the one of the highest score too, the earliest of equals.
    """
    folder = run / "checkpoints"
    with guard(run):
        finish_replacing(folder / "best")
        if last:
            if not (folder / f"step-{step}").exists():
                _copy(folder / "latest", folder / f"step-{step}", {"step": step})
            steps = sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-*[0-9]"))
            stay = [number for number in steps if number <= step][-last - 1 :]  # the latest is one and does not count
            for number in set(steps) - set(stay):
                shutil.rmtree(folder / f"step-{number}")
        if best:
            recent = [score for at, score in _scores(run) if step - every < at <= step]
            score = sum(recent) / len(recent) if recent else float("-inf")
            if score > _best(folder):
                _copy(folder / "latest", folder / "best", {"step": step, SCORE: score})


def decline(run: Path, step: int, window: int = 4) -> str:
    """A warning when training solves less than half of what it did at its best, over `window` updates; else ""."""
    known = [score for at, score in _scores(run) if at <= step]
    scores = [sum(known[end - window : end]) / window for end in range(window, len(known) + 1)]
    if not scores or max(scores) < 0.1 or scores[-1] >= max(scores) / 2:
        return ""
    return (
        f"the policy declines: {scores[-1]:.0%} of the last episodes solved, {max(scores):.0%} at its best; lower "
        "ppo.learning_rate or raise ppo.kl, and see that keep_best is on"
    )


def _scores(run: Path) -> list[tuple[int, float]]:
    """Updates and the share of their episodes that was solved, in order."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line[SCORE]) for line in lines if SCORE in line]


def _best(folder: Path) -> float:
    path = folder / "best" / "score.json"
    return float(json.loads(path.read_text())[SCORE]) if path.exists() else float("-inf")


def _copy(source: Path, target: Path, facts: dict[str, float]) -> None:
    with replacing(target) as part:
        shutil.copytree(source, part, copy_function=_link)
        (part / "score.json").write_text(json.dumps(facts) + "\n")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
