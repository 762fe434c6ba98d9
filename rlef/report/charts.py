"""The charts of the report as plain data: titles, series, points with their intervals. The browser draws them.

A chart is {id, title, unit, kind, percent, about, series}; a series is {label, run, dash, points}, a point
[x, y, low, high] with null for what is not known. `run` is the run's number, which decides the colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from rlef.evaluation.behaviour import ENDINGS
from rlef.evaluation.intervals import Interval, Scores, bootstrap
from rlef.report.reading import RunFolder
from rlef.report.tally import Stretch, Tally

DRAWS = 400
Point = list[float | None]

LOGGED = {
    "kl/reference": ("KL to the start policy", "mean token log-ratio"),
    "losses/approx_kl": ("KL of one update", "approximate KL"),
    "losses/clipfrac": ("Clip fraction", "share of ratios clipped"),
    "losses/entropy": ("Entropy", "nats per token"),
    "losses/explained_variance": ("Value function", "explained variance"),
    "learn/grad_norm": ("Gradient norm", "before clipping"),
    "rollout/response_tokens": ("Length of an answer", "tokens"),
}
"""Metrics that are drawn as they were logged: title and unit."""


def curves(runs: Sequence[RunFolder], tallies: Sequence[dict[str, Tally]]) -> list[dict[str, Any]]:
    """Learning curves: solve rates and repair with intervals over tasks, and what the learner logged."""
    parts = [
        [(stretch, (stretch.first + stretch.last) / 2) for stretch in tally["training"].stretches()]
        if "training" in tally else []
        for tally in tallies
    ]  # fmt: skip

    def over_updates(label: str, run: int, scores: Callable[[Stretch], Scores], dash: bool = False) -> dict[str, Any]:
        return _series(label, run, [_point(at, bootstrap(scores(part), DRAWS)) for part, at in parts[run]], dash)

    numbers = range(len(runs))
    solved = [over_updates("final answer", run, lambda part: part.solved_by(part.turn_limit)) for run in numbers]
    first = [over_updates("first attempt", run, lambda part: part.solved_by(1), dash=True) for run in numbers]
    repair = [over_updates("", run, lambda part: part.repair_rate()) for run in numbers]
    reward = [
        _series("", run, [[at, part.reward / max(1, part.episodes - part.lost), None, None] for part, at in parts[run]])
        for run in numbers
    ]
    charts = [
        _chart("solved", "Solved in training", "share of episodes", [*solved, *first], percent=True),
        _chart("held-out", "Solved on held-out tasks", "share of episodes", _held_out(runs, tallies), percent=True),
        _chart("repair", "Repaired after feedback", "share of failed first attempts", repair, percent=True),
        _chart("reward", "Reward", "mean of an episode", reward),
    ]
    for key, (title, unit) in LOGGED.items():
        logged = [_series("", run, _logged(runs[run], key)) for run in numbers]
        charts.append(_chart(key.replace("/", "-"), title, unit, logged))
    return [chart for chart in charts if chart["series"]]


def by_turn(tallies: Sequence[dict[str, Tally]]) -> dict[str, Any] | None:
    """Share of held-out episodes solved by each turn, before and after training; without evaluations, in training."""
    series = []
    for run, tally in enumerate(tallies):
        parts: list[tuple[str, Stretch]]
        held_out = [label for label in ("warm start", "evaluation", "trained") if label in tally]
        parts = [(label, tally[label].stretch()) for label in held_out]
        if not parts and "training" in tally:
            parts = [("first fifth of training", tally["training"].stretch(0, 0.2)),
                     ("last fifth of training", tally["training"].stretch(0.8, 1))]  # fmt: skip
        for label, part in parts:
            points = [_point(turn, bootstrap(part.solved_by(turn), DRAWS)) for turn in range(1, part.turn_limit + 1)]
            series.append(_series(label, run, points, label in ("warm start", "first fifth of training")))
    chart = _chart("by-turn", "Solved by turn", "share of episodes", series, percent=True)
    return chart | {"axis": "turn"} if series else None


def mixes(tally: dict[str, Tally]) -> list[dict[str, Any]]:
    """For each turn, how it ended as training went on: {turn, x, endings: [[ending, shares]]}, shares of its turns."""
    if "training" not in tally:
        return []
    parts = tally["training"].stretches(24)
    found = []
    for turn in range(1, max((part.turn_limit for part in parts), default=0) + 1):
        totals = [sum(n for (at, _), n in part.endings.items() if at == turn) for part in parts]
        shares = {
            end: [part.endings[turn, end] / total if total else 0 for part, total in zip(parts, totals, strict=True)]
            for end in _endings(part.endings for part in parts)
        }
        found.append({
            "turn": turn,
            "x": [str(part.first) if part.first == part.last else f"{part.first}–{part.last}" for part in parts],
            "turns": totals,
            "endings": [[end, _rounded(values)] for end, values in shares.items() if any(values)],
        })  # fmt: skip
    return found


def flows(tally: dict[str, Tally]) -> list[dict[str, Any]]:
    """What each kind of failure became in the next turn: {label, flows: [[turn, from, to, count]]} by stage."""
    stages: list[tuple[str, Stretch]] = []
    for label, whole in tally.items():
        if label == "training" and len(whole.steps) > 1:
            stages += [("first fifth of training", whole.stretch(0, 0.2)),
                       ("last fifth of training", whole.stretch(0.8, 1))]  # fmt: skip
        else:
            stages.append((label, whole.stretch()))
    return [
        {"label": label, "flows": [[*key, count] for key, count in sorted(part.flows.items())]}
        for label, part in stages
        if part.flows
    ]


def _held_out(runs: Sequence[RunFolder], tallies: Sequence[dict[str, Tally]]) -> list[dict[str, Any]]:
    """Evaluations at the update they were made at: warm start at 0, trained at the last one logged."""
    series = []
    for run, tally in enumerate(tallies):
        last = max((row["step"] for row in runs[run].metrics), default=0) or 1
        at = [(label, place) for label, place in (("warm start", 0), ("trained", last)) if label in tally]
        for label, turn, dash in (("final answer", None, False), ("first attempt", 1, True)):
            points = []
            for stage, place in at:
                part = tally[stage].stretch()
                points.append(_point(place, bootstrap(part.solved_by(turn or part.turn_limit), DRAWS)))
            series.append(_series(label, run, points, dash))
    return [one | {"marks": True} for one in series]


def _logged(run: RunFolder, key: str) -> list[Point]:
    values = [(row["step"], row.get(key)) for row in run.metrics]
    good = [
        (step, value) for step, value in values
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    ]  # fmt: skip
    size = -(-len(good) // 400) or 1  # more points than pixels are thinned
    return [[step, _round(value), None, None] for step, value in good[::size]]


def _chart(name: str, title: str, unit: str, series: list[dict[str, Any]], percent: bool = False) -> dict[str, Any]:
    drawn = [one for one in series if one["points"]]
    return {"id": name, "title": title, "unit": unit, "percent": percent, "axis": "update", "series": drawn}


def _series(label: str, run: int, points: list[Point], dash: bool = False) -> dict[str, Any]:
    return {"label": label, "run": run, "dash": dash, "points": [point for point in points if point[1] is not None]}


def _point(x: float, value: Interval) -> Point:
    return [x, *(_round(number) if math.isfinite(number) else None for number in (value.mean, value.low, value.high))]


def _endings(counters: Any) -> list[str]:
    """The endings that occur, best first, unknown ones last."""
    seen = {end for counter in counters for _, end in counter}
    return [end for end in ENDINGS if end in seen] + sorted(seen - set(ENDINGS))


def _rounded(values: list[float]) -> list[float]:
    return [_round(value) for value in values]


def _round(value: float) -> float:
    return float(f"{value:.4g}")
