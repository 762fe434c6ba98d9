"""The episodes the page shows, as data: each text once, each program with its colours and its changes.

An episode is {run, from, step, task, seed, kind, turns}; a turn names its texts by their place in `texts`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rlef.episode import Episode, Turn
from rlef.evaluation.behaviour import NO_PROGRAM, ending
from rlef.report.signals import signals_of
from rlef.report.tally import Tally
from rlef.report.texts import CLASSES, changes, clip, colours, language_of, visible

EPISODES = 400
"""Episodes shown in all."""
CHARACTERS = 4_000_000
"""Characters of text in all; when they are used up no further episode is added."""
_FENCED = re.compile(r"```.*?(```|$)", re.S)


class _Texts:
    """Each text once, made visible and cut."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self.characters = 0
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        shown = visible(clip(text))
        if shown not in self._places:
            self._places[shown] = len(self.all)
            self.all.append(shown)
            self.characters += len(shown)
        return self._places[shown]


def episodes(tallies: Sequence[dict[str, Tally]]) -> dict[str, Any]:
    """A sample of all runs' episodes: {classes, texts, colours, episodes}; `colours` by a program's place."""
    texts, coloured = _Texts(), dict[int, list[int]]()
    sources = [(run, label, tally) for run, by_label in enumerate(tallies) for label, tally in by_label.items()]
    shown: list[dict[str, Any]] = []
    for run, label, tally in sources:
        for episode in tally.sample(EPISODES // max(1, len(sources))):
            if texts.characters < CHARACTERS:
                shown.append(_episode(run, label, episode, texts, coloured))
    shown.sort(key=lambda episode: episode["kind"] != "repaired")  # what the reader came for first
    return {"classes": CLASSES, "texts": texts.all, "colours": coloured, "episodes": shown}


def _episode(run: int, label: str, episode: Episode, texts: _Texts, coloured: dict[int, list[int]]) -> dict[str, Any]:
    turns = []
    before: Turn | None = None
    for turn in episode.turns:
        turns.append(_turn(turn, before, texts, coloured))
        before = turn
    if episode.sandbox_failure:
        kind = "sandbox failure"
    elif episode.passed:
        kind = "solved at first" if len(turns) == 1 else "repaired"
    else:
        kind = "not solved"
    return {
        "run": run, "from": label, "step": episode.step + 1 if label == "training" else 0,
        "task": visible(clip(episode.task, 200)), "seed": str(episode.seed)[:40], "kind": kind,
        "cut": bool(episode.truncated), "turns": turns,
    }  # fmt: skip


def _turn(turn: Turn, before: Turn | None, texts: _Texts, coloured: dict[int, list[int]]) -> dict[str, Any]:
    end = ending(turn)
    row: dict[str, Any] = {
        "told": texts.place(turn.observation),
        "end": visible(clip(end, 80)),
        "public": [visible(clip(verdict, 60)) for verdict in turn.public[:40]],
        "private": [visible(clip(verdict, 60)) for verdict in (turn.private or ())[:40]],
        "reward": round(float(turn.reward), 4),
        "signals": signals_of(turn),
    }
    if end == NO_PROGRAM or turn.program is None or len(_FENCED.sub("", turn.response).strip()) > 20:
        row["answer"] = texts.place(turn.response)  # more than the program was said
    if turn.program is not None:
        place = texts.place(turn.program)
        row["program"] = place
        if place not in coloured:
            coloured[place] = colours(texts.all[place], language_of(turn.response))
        if before is not None and before.program is not None:
            row["changes"] = changes(texts.all[texts.place(before.program)], texts.all[place])
    return row
