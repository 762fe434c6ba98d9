"""Which checkpoints stay beside the latest one: the last few, and the best.

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
        old = sorted((int(path.name.removeprefix("step-")), path) for path in folder.glob("step-*[0-9]"))
        if last and not (folder / f"step-{step}").exists():
            _copy(folder / "latest", folder / f"step-{step}", {"step": step})
            old = [*((number, path) for number, path in old if number < step), (step, folder / f"step-{step}")]
        # The latest is one of them, and does not count.
        for _, path in old[: max(0, len(old) - last - 1)] if last else old:
            shutil.rmtree(path)
        if best:
            score = _score(run, step, every)
            if score is not None and score > _best(folder):
                _copy(folder / "latest", folder / "best", {"step": step, SCORE: score})


def _score(run: Path, step: int, every: int) -> float | None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scores = [line[SCORE] for line in lines if step - every < line["step"] <= step and SCORE in line]
    return sum(scores) / len(scores) if scores else None


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
