"""The memory of evaluations: every finished episode, kept by model, settings, task and seed.

An evaluation that was killed, or is asked for again with more samples, plays only what is missing. Episodes the sandbox
failed on are not kept, so they are tried again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlef.episode import Episode
from rlef.evaluation.config import EvalConfig
from rlef.evaluation.lines import Lines
from tasks import Task

UNIMPORTANT = (
    "out",
    "slots",
    "seed",
    "metrics",
    "select",
    "inputs",
    "single_turn",
    "minutes",
    "suite",
    "since",
    "until",
)
"""Fields of a configuration that change which episodes are played or what is computed, not what one comes to."""
WEIGHTS = (".safetensors", ".bin", ".json", ".jsonl", ".jinja", ".model", ".txt")


class Ledger:
    """A file of episodes that are never played twice. One process at a time."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)
        self._known: dict[str, Episode] = {}
        for row in self._lines.read():
            try:
                self._known[row["key"]] = Episode.from_json(row["episode"])
            except (ValueError, KeyError, TypeError):
                continue  # of another version of the record: played again

    def get(self, task: Task, seed: int) -> Episode | None:
        """The finished episode of a task with a seed."""
        return self._known.get(key_of(task, seed))

    def add(self, tasks: Sequence[Task], episodes: Sequence[Episode]) -> None:
        """Keep the episodes of these tasks, in order; they are on the disk when this returns."""
        rows = []
        for task, episode in zip(tasks, episodes, strict=True):
            if not episode.sandbox_failure:
                key = key_of(task, episode.seed)
                self._known[key] = episode
                rows.append({"key": key, "episode": episode.to_json()})
        self._lines.append(rows)

    def close(self) -> None:
        """Let another process at it."""
        self._lines.close()


def key_of(task: Task, seed: int) -> str:
    """Names an episode by what the task asks and how it is judged, so an edited task is played again."""
    asked = dataclasses.replace(task, references=(), mutants=(), metadata={})
    return digest([repr(asked), str(seed)])


def ledger_path(config: EvalConfig, model: str, suite: str) -> Path:
    """Where episodes of a model under these settings are kept. `model` is its digest or its name."""
    values: dict[str, Any] = dataclasses.asdict(config)
    for name in UNIMPORTANT:
        values.pop(name, None)
    for name in ("tasks", "samples", "split"):
        values["evaluation"].pop(name)
    for name in ("concurrency", "timeout_s", "retries"):
        values["endpoint"].pop(name)
    wording = config.feedback.wording
    values["wording"] = Path(wording).read_text(encoding="utf-8") if wording else ""
    return Path(config.out) / "cache" / f"{digest([json.dumps(values, sort_keys=True), model, suite])}.jsonl"


def model_digest(name: str) -> str:
    """What a model is: a digest of a folder's files or of a file of answers, else its name."""
    if not Path(name).exists():
        return name
    digest = hashlib.sha256()
    for path in sorted(Path(name).iterdir()) if Path(name).is_dir() else [Path(name)]:
        if path.suffix in WEIGHTS:
            with path.open("rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def digest(parts: Sequence[str]) -> str:
    """A short name for texts."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]
