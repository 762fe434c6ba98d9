"""What a run folder holds, read for the report. Nothing is trusted: a line that is no episode is counted and left out.

A folder made by `rlef train` has training episodes, evaluations before and after, metrics and a result; one made by
`rlef eval` has episodes and a result, one made by `rlef vstar` candidates and a result. Files may be missing, half
written or huge, so episodes are only ever streamed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.report.curves import read_metrics

LONGEST_LINE = 8 << 20
"""Bytes; an episode longer than this is not looked at."""
KNOWN = ("result.json", "metrics.jsonl", "episodes.jsonl", "config.toml", "eval.toml")


@dataclass
class EpisodeFile:
    """A file of episodes; iterating streams them. `skipped` counts the lines of the last pass that were none."""

    label: str
    """"training", "warm start", "trained", "evaluation" or "candidates"."""
    path: Path
    skipped: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Episode]:
        self.skipped = 0
        with self.path.open("rb") as file:
            while line := file.readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    while (piece := file.readline(LONGEST_LINE)) and not piece.endswith(b"\n"):
                        pass
                    self.skipped += 1
                    continue
                try:
                    yield _checked(Episode.from_json(line.decode("utf-8", "replace")))
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    self.skipped += 1


@dataclass(frozen=True)
class RunFolder:
    """A run as the report sees it."""

    path: Path
    name: str
    config: str
    result: Mapping[str, Any]
    metrics: list[dict[str, Any]]
    episodes: tuple[EpisodeFile, ...]
    """In the order of the run: warm start, training, trained; or the one evaluation, or a verifier's candidates."""

    def blocks(self) -> dict[str, Mapping[str, Any]]:
        """Blocks of `result.json` by the label of the episodes they were computed from."""
        named = {"warm start": self.result.get("warm_start"), "trained": self.result.get("trained")}
        if "model" in self.result:
            named["evaluation"] = self.result
        return {label: block for label, block in named.items() if isinstance(block, Mapping)}


def read_run(path: Path) -> RunFolder:
    """Look into a run folder. Raises RlefError when it is none, or its result is not JSON."""
    if not any((path / name).exists() for name in KNOWN):
        raise RlefError(
            f"{path} holds none of {', '.join(KNOWN)}; "
            "name a folder that `rlef train`, `rlef eval` or `rlef vstar` made"
        )
    result = _result(path / "result.json")
    own = "evaluation" if "model" in result else "training"
    files = [
        EpisodeFile("warm start", path / "evaluation" / "warm_start.jsonl"),
        EpisodeFile(own, path / "episodes.jsonl"),
        EpisodeFile("trained", path / "evaluation" / "trained.jsonl"),
        EpisodeFile("candidates", path / "evaluation" / "candidates.jsonl"),
    ]
    metrics: list[dict[str, Any]] = []
    if (path / "metrics.jsonl").exists():
        with (path / "metrics.jsonl").open(encoding="utf-8", errors="replace") as lines:
            metrics = read_metrics(lines)
    present = tuple(file for file in files if file.path.exists() and file.path.stat().st_size)
    return RunFolder(
        path, path.resolve().name, _text(path / "config.toml") or _text(path / "eval.toml"), result, metrics, present
    )


def _checked(episode: Episode) -> Episode:
    """Raise TypeError where a field the report computes with has the wrong type."""
    good = isinstance(episode.task, str) and type(episode.step) is int
    for turn in episode.turns:
        good = good and isinstance(turn.observation, str) and isinstance(turn.response, str)
        good = good and (turn.program is None or isinstance(turn.program, str))
        good = good and isinstance(turn.public, tuple) and (turn.private is None or isinstance(turn.private, tuple))
        good = good and isinstance(turn.reward, int | float)
    if not good:
        raise TypeError("a field has the wrong type")
    return episode


def _result(path: Path) -> Mapping[str, Any]:
    try:
        result = json.loads(_text(path) or "{}")
    except ValueError as error:
        raise RlefError(f"{path} is not JSON ({error}); remove it, or run the evaluation again") from error
    return result if isinstance(result, dict) else {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
