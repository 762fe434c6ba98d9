"""What a verifier is worth, for the page: best-of-k beside oracle, chance and votes, and which programs it mistakes.

The numbers are those of `rlef.verifiers.result`: the result of `rlef vstar`, or the part "selection" of an evaluation
in which a verifier chose. Nothing in them is trusted; what is no number shows as a dash.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rlef.report import table
from rlef.report.reading import RunFolder
from rlef.report.rows import Card, Table

DRAWN = {
    "verifier": "verifier", "public_tests+verifier": "public tests, then verifier", "majority": "majority of outputs",
    "random": "random", "oracle": "oracle (pass@k)",
}  # fmt: skip
"""Selectors that are drawn, and how they are called; the table has all."""
DASHED = ("majority", "random", "oracle")
"""Selectors to compare with."""


def found(run: RunFolder) -> Mapping[str, Any]:
    """A verifier's measures in a result, or nothing."""
    block = run.result.get("selection", run.result)
    return block if isinstance(block, Mapping) and _mapping(block, "best_of_k") else {}


def charts(runs: Sequence[RunFolder]) -> list[dict[str, Any]]:
    """Best-of-k against k with intervals, a chart for each run that has a verifier's result."""
    drawn = []
    for number, run in enumerate(runs):
        curves = _mapping(found(run), "best_of_k")
        series = [
            {"label": label, "run": number, "dash": name in DASHED, "points": points}
            for name, label in DRAWN.items()
            if (points := _points(_mapping(curves, name)))
        ]
        if series:
            drawn.append({
                "id": f"selection-{number}", "title": "Best of k", "unit": "share of tasks solved by the chosen answer",
                "percent": True, "axis": "k", "apart": True, "series": series,
            })  # fmt: skip
    return drawn


def cards(run: RunFolder) -> list[Card]:
    """Best-of-k of the verifier, from pass@1 and with what it gains; and what an oracle would reach."""
    block = found(run)
    k = str(block.get("k"))
    at = {name: _mapping(_mapping(_mapping(block, "best_of_k"), name), k) for name in ("verifier", "oracle")}
    if not at["verifier"]:
        return []
    gain = table.change({"difference_k": block.get(f"verifier_minus_pass@1_at_{k}")}, "k")
    return [
        Card(f"best of {k}, chosen by the verifier", _mean(block.get("pass@1")), _mean(at["verifier"]), gain),
        Card(f"best of {k}, chosen by an oracle", "", _mean(at["oracle"]), f"pass@{k}: no selector reaches more"),
    ]


def selectors(run: RunFolder) -> Table:
    """Every selector at the k of the headline: share solved, and how much less than the verifier."""
    block = found(run)
    k = str(block.get("k"))
    behind = _mapping(block, f"verifier_minus_other_at_{k}") | {"random": block.get(f"verifier_minus_pass@1_at_{k}")}
    rows = [
        [name.replace("_", " "), table.interval(_mapping(points, k)),
         "" if name == "verifier" else table.change({"difference_k": behind.get(name)}, "k")]
        for name, points in _mapping(block, "best_of_k").items()
    ]  # fmt: skip
    return Table(["selector", f"best of {k}", "verifier minus this one"], rows)


def rankings(run: RunFolder) -> Table:
    """AUC within tasks of every score: over all, by the wrong program's failure, by which program is longer."""
    scorers = {name: one for name, one in _mapping(found(run), "scorers").items() if isinstance(one, Mapping)}
    parts = {name: _mapping(one, "auc_by") for name, one in scorers.items()}
    names = dict.fromkeys(part for by in parts.values() for part in by)
    rows = [["all", *(table.interval(one.get("auc")) for one in scorers.values())]]
    rows += [[_words(part), *(table.interval(by.get(part)) for by in parts.values())] for part in names]
    rows.append(["rank correlation with length", *(_number(one.get("length_correlation")) for one in scorers.values())])
    rows.append(
        ["calibration error", *(_number(_mapping(one, "calibration").get("ece"), "") for one in scorers.values())]
    )
    return Table(["couples ranked right", *(name.replace("_", " ") for name in scorers)], rows if scorers else [])


def counts(run: RunFolder) -> str:
    """What the numbers rest on."""
    block = found(run)
    parts = [f"{block.get(name)} {words}" for name, words in
             (("tasks", "tasks"), ("candidates", "candidates"), ("no_program", "of them without a program"))
             if isinstance(block.get(name), int)]  # fmt: skip
    return ", ".join(parts) + ". Intervals: 95\u00a0%, bootstrap over tasks."


def _points(curve: Mapping[str, Any]) -> list[list[float | None]]:
    points = []
    for k, value in curve.items():
        numbers = [_finite(value.get(name)) for name in ("mean", "low", "high")] if isinstance(value, Mapping) else []
        if str(k).isdecimal() and len(str(k)) < 7 and numbers and numbers[0] is not None:
            points.append([float(k), *numbers])
    return sorted(points, key=lambda point: point[0] or 0.0)


def _words(part: str) -> str:
    kind = part.removeprefix("failure:").replace("_", " ")
    return f"wrong one: {kind}" if part.startswith("failure:") else kind


def _mean(value: Any) -> str:
    return table.interval(value).split(" (")[0]


def _number(value: Any, sign: str = "+") -> str:
    known = _finite(value)
    return table.MISSING if known is None else f"{known:{sign}.2f}"


def _finite(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


def _mapping(value: Any, key: str) -> dict[str, Any]:
    inner = value.get(key) if isinstance(value, Mapping) else None
    return dict(inner) if isinstance(inner, Mapping) else {}
