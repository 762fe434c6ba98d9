"""A look at the episodes of a run: how they end early and late in training, and a few of each kind to read.

`episodes.jsonl` may be huge, so only its first and last fifth are read, line by line, and a seeded reservoir keeps the
few episodes shown. Nothing is trusted: half a line, a line that is not JSON or one of absurd length is passed over.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

LONGEST_LINE = 8 << 20
"""Bytes; an episode longer than this is not looked at."""

KINDS = ("solved at the first attempt", "repaired", "not solved", "sandbox failure")


@dataclass
class Part:
    """Episodes of one stretch of a run."""

    name: str
    episodes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    shown: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def share(self, count: int) -> float:
        """Part of this stretch's episodes, in percent."""
        return 100 * count / max(1, self.episodes)


def sample_episodes(path: Path, per_kind: int = 2, seed: int = 0) -> list[Part]:
    """The first and the last fifth of an episodes file: counts, and up to `per_kind` episodes of each kind.

    A file too short to have two such stretches gives one part with all of it, a missing one gives none.
    """
    if not path.exists():
        return []
    size = path.stat().st_size
    with path.open("rb") as file:
        parts = [
            _gather("first fifth of training", file, 0, size // 5, per_kind, seed),
            _gather("last fifth of training", file, size - size // 5, size, per_kind, seed),
        ]
        if min(part.episodes for part in parts) < 5:
            parts = [_gather("all episodes", file, 0, size, per_kind, seed)]
    return [part for part in parts if part.episodes]


def kind_of(episode: Mapping[str, Any]) -> str:
    """Which of `KINDS` an episode is."""
    if episode.get("sandbox_failure"):
        return KINDS[3]
    if not episode.get("passed"):
        return KINDS[2]
    return KINDS[0] if len(turns_of(episode)) == 1 else KINDS[1]


def ending_of(episode: Mapping[str, Any]) -> str:
    """How the last program fared: the first verdict that is not "accepted", and where it was given."""
    turns = turns_of(episode)
    if not turns:
        return "no turn"
    if turns[-1].get("program") is None:
        return "no program in the answer"
    for where in ("public", "private"):
        for verdict in verdicts_of(turns[-1], where):
            if verdict != "accepted":
                return f"{verdict.replace('_', ' ')} ({where} test)"
    return "accepted"


def turns_of(episode: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The turns of an episode that have the shape of one."""
    turns = episode.get("turns")
    return [turn for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []


def verdicts_of(turn: Mapping[str, Any], where: str) -> list[str]:
    """Verdicts of a turn on its "public" or "private" tests."""
    verdicts = turn.get(where)
    return [str(verdict).lower() for verdict in verdicts] if isinstance(verdicts, list) else []


def _gather(name: str, file: BinaryIO, start: int, end: int, per_kind: int, seed: int) -> Part:
    part = Part(name)
    random_source = random.Random(seed)
    for episode in _episodes(file, start, end):
        kind = kind_of(episode)
        part.episodes += 1
        part.kinds[kind] += 1
        part.endings[ending_of(episode)] += 1
        shown = part.shown.setdefault(kind, [])
        if len(shown) < per_kind:
            shown.append(episode)
        elif (place := random_source.randrange(part.kinds[kind])) < per_kind:
            shown[place] = episode
    return part


def _episodes(file: BinaryIO, start: int, end: int) -> Iterator[dict[str, Any]]:
    """Episodes on the lines that begin in [start, end)."""
    file.seek(max(0, start - 1))
    if start:
        _skip_line(file)  # from the byte before: a line that begins right at `start` is kept
    while file.tell() < end:
        line = file.readline(LONGEST_LINE)
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            _skip_line(file)
            continue
        try:
            episode = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(episode, dict):
            yield episode


def _skip_line(file: BinaryIO) -> None:
    while (piece := file.readline(LONGEST_LINE)) and not piece.endswith(b"\n"):
        pass
