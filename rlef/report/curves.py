"""Learning curves of a run: `metrics.jsonl` in, `curves.png` out.

One panel per question a reader asks (does the reward rise, does repair rise, how far has the policy moved). A panel
whose metrics were not logged is left out, unknown metrics are ignored. matplotlib is imported when a picture is drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE = "#1f5fa8", "#c2570c"
SMOOTHING = 10
"""Steps in the running mean that is drawn over the raw values."""


class Panel(NamedTuple):
    """One pair of axes: its title, the unit of its vertical axis, and the metrics it shows with their legends."""

    title: str
    unit: str
    lines: Mapping[str, str]


PANELS = (
    Panel("Reward", "mean episode reward", {"rollout/reward": ""}),
    Panel(
        "Solved in training",
        "share of episodes",
        {"rollout/solved_first": "first attempt", "rollout/solved_final": "final answer"},
    ),
    Panel(
        "Solved on held-out tasks",
        "share of episodes",
        {"eval/solved_first": "first attempt", "eval/solved_final": "final answer"},
    ),
    Panel("Repair after feedback", "share of failed first attempts", {"rollout/repair_rate": ""}),
    Panel("KL to the start policy", "mean token log-ratio", {"kl/reference": ""}),
    Panel("KL of one update", "approximate KL", {"losses/approx_kl": ""}),
    Panel("Clip fraction", "share of ratios clipped", {"losses/clipfrac": ""}),
    Panel("Value function", "explained variance", {"losses/explained_variance": ""}),
)


def read_metrics(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of a `metrics.jsonl` by step. A resumed run may log a step twice: the later value of each metric counts.

    Lines that are not a JSON object with a whole "step" are skipped; a run that was killed leaves half a line.
    """
    rows: dict[int, dict[str, Any]] = {}
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.setdefault(row["step"], {}).update(row)
    return [rows[step] for step in sorted(rows)]


def draw_curves(run: Path) -> Path | None:
    """Draw `curves.png` of a run folder. Returns its path, None when nothing has been logged yet."""
    picture = render_curves(run)
    if picture is None:
        return None
    path = run / "curves.png"
    path.write_bytes(picture)
    return path


def render_curves(run: Path) -> bytes | None:
    """The curves of a run folder as PNG; None when nothing has been logged yet."""
    path = run / "metrics.jsonl"
    if not path.exists():
        return None
    with path.open(encoding="utf-8", errors="replace") as lines:
        rows = read_metrics(lines)
    panels = [panel for panel in PANELS if any(any(_series(rows, key)) for key in panel.lines)]
    if not panels:
        return None

    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    height = -(-len(panels) // columns)
    with style.context("default"):
        figure = Figure(figsize=(5.2 * columns, 2.9 * height), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        for place, panel in enumerate(panels, start=1):
            _draw(figure.add_subplot(height, columns, place), panel, rows)
        picture = BytesIO()
        figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def _draw(axes: Axes, panel: Panel, rows: list[dict[str, Any]]) -> None:
    from matplotlib.ticker import MaxNLocator

    for (key, label), colour in zip(panel.lines.items(), (BLUE, ORANGE), strict=False):
        points = list(_series(rows, key))
        if not points:
            continue
        steps, values = zip(*points, strict=True)
        if len(points) > 2 * SMOOTHING:
            axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.3)
            axes.plot(steps, _running_mean(values), color=colour, linewidth=1.8, label=label)
        else:
            axes.plot(steps, values, color=colour, linewidth=1.5, marker="o", markersize=3, label=label)
    axes.set_title(panel.title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("update")
    axes.set_ylabel(panel.unit)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if any(panel.lines.values()):
        axes.legend(frameon=False, fontsize=9)


def _series(rows: list[dict[str, Any]], key: str) -> Iterator[tuple[int, float]]:
    """(step, value) wherever a finite number was logged."""
    for row in rows:
        value = row.get(key)
        if isinstance(value, int | float) and math.isfinite(value):
            yield row["step"], float(value)


def _running_mean(values: tuple[float, ...]) -> list[float]:
    """Mean of the last `SMOOTHING` values at each place, so that no point looks into the future."""
    return [
        sum(window) / len(window)
        for window in (values[max(0, end - SMOOTHING) : end] for end in range(1, len(values) + 1))
    ]
