"""`rlef compare RUN_A RUN_B`: two runs on the same tasks, paired, with p-values.

A run is the folder of `rlef train` (its trained model), of `rlef eval`, or a file of episodes. Only tasks that both
have are compared; how many that are is printed, and so are settings that differ, because then the difference is theirs
as well.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlef.arguments import take
from rlef.episode import Episode, read_episodes
from rlef.errors import RlefError
from rlef.evaluation.intervals import Comparison, Interval, bootstrap, compare, paired_deviation, tasks_needed
from rlef.evaluation.measures import Measure, parse_measures
from rlef.evaluation.selectors import Selector
from rlef.report.table import interval

if TYPE_CHECKING:
    from rich.table import Table

DEFAULT = "first,final,repair"


@dataclass(frozen=True)
class Compared:
    """The episodes of one side and what they were played with."""

    name: str
    episodes: list[Episode]
    turn_limit: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One measure of two runs."""

    name: str
    before: Interval
    after: Interval
    comparison: Comparison
    needed: int | None
    """Tasks that would show a difference of this size with 80 % power; None where there is none."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "measure": self.name, "a": self.before.as_dict(), "b": self.after.as_dict(),
            "difference": self.comparison.difference.as_dict(), "ratio": self.comparison.ratio.as_dict(),
            "p_value": self.comparison.p_value, "tasks": self.comparison.tasks, "tasks_needed": self.needed,
        }  # fmt: skip


def load_side(path: Path) -> Compared:
    """One side of a comparison. Raises RlefError when there are no evaluated episodes."""
    if path.is_file():
        file, settings = path, {}
    else:
        choices = (path / "evaluation" / "trained.jsonl", path / "episodes.jsonl")
        evaluated = [choices[0], *([choices[1]] if (path / "eval.toml").exists() else [])]
        file = next((choice for choice in evaluated if choice.exists()), Path())
        if file == Path():
            raise RlefError(f"{path} holds no finished evaluation; run: rlef eval {path}")
        settings = _settings(path)
    episodes = list(read_episodes(file))
    limit = settings.get("turn_limit") or max((len(episode.turns) for episode in episodes), default=1)
    return Compared(path.name, episodes, limit, settings)


def compare_runs(a: Compared, b: Compared, measures: str = DEFAULT) -> list[Row]:
    """The rows of a comparison, b against a. Raises RlefError when there is nothing to compare."""
    if not {episode.task for episode in a.episodes} & {episode.task for episode in b.episodes}:
        raise RlefError(f"{a.name} and {b.name} have no task in common; evaluate both on one suite and split")
    before, after = (parse_measures(measures, side.turn_limit * (side.settings.get("best_of") or 1)) for side in (a, b))
    return compare_measures(a.episodes, b.episodes, before, after, a.turn_limit, b.turn_limit)


def compare_measures(
    before: Sequence[Episode], after: Sequence[Episode], measures: Sequence[Measure], others: Sequence[Measure],
    turns: int, other_turns: int, selector: Selector | None = None,
) -> list[Row]:  # fmt: skip
    """Each measure of two lists of episodes, with the measure at each side's own turn limit."""
    rows = []
    for measure, other in zip(measures, others, strict=True):
        old, new = measure.scores(before, turns, selector), other.scores(after, other_turns, selector)
        if not set(old.tasks) & set(new.tasks):
            raise RlefError(f"{measure.name}: no task has enough rollouts in both runs ({measure.rollouts} and "
                            f"{other.rollouts}); evaluate with more samples")  # fmt: skip
        found = compare(old, new)
        gap, deviation = found.difference.mean, paired_deviation(old, new)
        needed = tasks_needed(gap, deviation) if gap and deviation > 0 else None
        rows.append(Row(measure.name, bootstrap(old), bootstrap(new), found, needed))
    return rows


def differences(a: Compared, b: Compared) -> list[str]:
    """Settings of the evaluations that are not the same."""
    found = []
    for name in sorted({*a.settings, *b.settings}):
        one, two = a.settings.get(name), b.settings.get(name)
        if one != two and None not in (one, two):
            found.append(f"{name}: {one} and {two}")
    return found


def command(given: list[str]) -> None:
    """`rlef compare`."""
    measures, given = take(given, "--metrics")
    runs = [word for word in given if word != "--json"]
    if len(runs) != 2 or any(word.startswith("-") for word in runs):
        raise RlefError("usage: rlef compare RUN_A RUN_B [--metrics LIST] [--json]")
    print_comparison(Path(runs[0]), Path(runs[1]), measures or DEFAULT, "--json" in given)


def print_comparison(first: Path, second: Path, measures: str, as_json: bool) -> None:
    """What `rlef compare` prints: a table, or JSON."""
    a, b = load_side(first), load_side(second)
    rows, different = compare_runs(a, b, measures), differences(a, b)
    if as_json:
        print(json.dumps({"a": str(first), "b": str(second), "settings_that_differ": different,
                          "measures": [row.as_dict() for row in rows]}, indent=2))  # fmt: skip
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    console.print(comparison_table(rows, a.name, b.name))
    if different:
        console.print(escape(f"not played alike: {'; '.join(different)}"), highlight=False)


def comparison_table(rows: Sequence[Row], before: str, after: str) -> Table:
    """The table for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("", escape(before), escape(after), "difference", "p", "tasks", "needed")
    for row in rows:
        cells = [interval(row.before.as_dict()), interval(row.after.as_dict()), _points(row.comparison.difference)]
        table.add_row(
            row.name, *cells, p_text(row.comparison.p_value), str(row.comparison.tasks), str(row.needed or "–")
        )
    table.caption = (
        "95\u00a0% intervals, bootstrap over tasks; p: paired permutation test, each row by itself; needed: tasks that "
        "would show such a difference in 8 of 10 comparisons."
    )
    table.caption_justify = "left"
    return table


def p_text(value: float) -> str:
    """A p-value as it is printed."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _points(value: Interval) -> str:
    return f"{100 * value.mean:+.1f} ({100 * value.low:+.1f} to {100 * value.high:+.1f})"


def _settings(path: Path) -> dict[str, Any]:
    """What the episodes were played with: the turn limit, the evaluation's and the feedback's fields."""
    for name in ("eval.toml", "config.toml"):
        if (path / name).exists():
            try:
                data = tomllib.loads((path / name).read_text(encoding="utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise RlefError(f"{path / name}: not a TOML file: {error}") from error
            known = {"suite": data.get("suite"), "turn_limit": data.get("turn_limit"), "seed": data.get("seed"),
                     "best_of": data.get("best_of")}  # fmt: skip
            for table in ("evaluation", "feedback"):
                known |= {f"{table}.{key}": value for key, value in (data.get(table) or {}).items()}
            return known
    return {}
