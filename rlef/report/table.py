"""The headline of a run, `result.json`, as a table: for the terminal, as Markdown for a paper, as rows for the page.

A run that was stopped early has half a result; whatever is missing shows as a dash.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table

MISSING = "–"


class Row(NamedTuple):
    """One line of the table, every cell ready to print."""

    name: str
    before: str
    after: str
    change: str


HEADINGS = Row("held-out tasks", "warm start", "after RLEF", "change")


def rows(result: Mapping[str, Any]) -> list[Row]:
    """First attempt, final answer and repair rate, before and after training."""
    before, after = _block(result, "warm_start"), _block(result, "trained")
    final = next((key for key in (*after, *before) if key.startswith("solved_1@")), "solved_1@3")
    measure = final.removeprefix("solved_")
    names = {
        "solved_first": "solved at the first attempt",
        final: f"solved ({measure})",
        "repair_rate": "repaired after feedback",
    }
    return [
        Row(name, interval(before.get(key)), interval(after.get(key)), change(result, measure) if key == final else "")
        for key, name in names.items()
    ]


def interval(value: Any) -> str:
    """{"mean", "low", "high"} as "30.2 % (27.0–33.5)"."""
    return _with_range(value, "{:.1f} %", "{:.1f}–{:.1f}")


def points(value: Any) -> str:
    """A difference {"mean", "low", "high"} as "+9.6 points (+2.4 to +16.8)"."""
    return _with_range(value, "{:+.1f} points", "{:+.1f} to {:+.1f}")


def _with_range(value: Any, mean: str, ends: str) -> str:
    if not isinstance(value, Mapping) or not _finite(value.get("mean")):
        return MISSING
    text = mean.format(100 * value["mean"])
    if _finite(value.get("low")) and _finite(value.get("high")):
        text += f" ({ends.format(100 * value['low'], 100 * value['high'])})"
    return text


def change(result: Mapping[str, Any], measure: str) -> str:
    """Difference in points with its interval and p-value, and the ratio."""
    difference, ratio = _block(result, f"difference_{measure}"), _block(result, f"ratio_{measure}")
    parts = [points(difference)] if _finite(difference.get("mean")) else []
    if _finite(ratio.get("mean")):
        parts.append(f"{ratio['mean']:.2f} ×")
    if _finite(difference.get("p_value")):
        parts.append("p < 0.001" if difference["p_value"] < 0.001 else f"p = {difference['p_value']:.3f}")
    return ", ".join(parts) or MISSING


def counts(result: Mapping[str, Any]) -> str:
    """What the numbers rest on, in one line: suite, problems, rollouts, and what the sandbox cost."""
    stages = [block for key in ("warm_start", "trained") if (block := _block(result, key))] or [result]
    block = stages[-1]
    parts = [f"suite {result.get('suite', MISSING)}, split {result.get('split', MISSING)}"]
    if _finite(block.get("tasks")):
        parts.append(f"{block['tasks']:g} tasks × {block.get('rollouts_per_task', 0):g} rollouts")
    if result.get("unscored"):
        parts.append(f"{result['unscored']} tasks without a sound check, left out")
    lost = [stage["sandbox_failures"] for stage in stages if _finite(stage.get("sandbox_failures"))]
    if lost:
        parts.append(f"sandbox failures, left out: {' and '.join(f'{number:g}' for number in lost)}")
    return "; ".join(parts) + ". Intervals: 95\u00a0%, bootstrap over tasks."


def result_table(result: Mapping[str, Any]) -> Table:
    """The table for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(*HEADINGS, caption=escape(counts(result)), caption_justify="left")
    for row in rows(result):
        table.add_row(*row)
    return table


def interval_table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    """Every measure of an evaluation by suite, for the terminal; the suites are a column where there are several."""
    from rich.markup import escape
    from rich.table import Table

    several = len(results) > 1
    notes = [f"{suite}: {counts(result)}" if several else counts(result) for suite, result in results.items()]
    table = Table(*(["suite"] if several else []), "measure", "held-out tasks", caption_justify="left",
                  caption=escape("\n".join(notes)))  # fmt: skip
    for suite, result in results.items():
        for name, value in measures(result).items():
            table.add_row(*([escape(suite)] if several else []), name, interval(value))
        table.add_section()
    return table


def measures(result: Mapping[str, Any]) -> dict[str, Any]:
    """The intervals of one model by the name they are printed under."""
    named = {name_of(key): value for key, value in result.items() if isinstance(value, Mapping) and "mean" in value}
    named |= {f"… at turn {turn}": value for turn, value in _block(result, "repair_rate_by_turn").items()}
    return named | dict(_block(result, "metrics"))


def name_of(key: str) -> str:
    """A key of a result in words."""
    known = {"solved_first": "solved at the first attempt", "repair_rate": "repaired after feedback"}
    return known.get(key, f"solved ({key.removeprefix('solved_')})" if key.startswith("solved_") else key)


def markdown_table(result: Mapping[str, Any]) -> str:
    """The same as a Markdown table, with the counts beneath."""
    lines = [HEADINGS, Row(*["---"] * len(HEADINGS)), *rows(result)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{counts(result)}\n"


def _block(result: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = result.get(key)
    return value if isinstance(value, Mapping) else {}


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
