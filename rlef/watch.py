"""`rlef watch RUN`: the picture of the report live in the terminal, while the run goes on in another one.

It reads the growing files of the run folder and never writes. What a model wrote is shown with its control characters
made visible, as on the page. It ends with the run, or with Ctrl-C; where there is no terminal it prints once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.evaluation.behaviour import ACCEPTED, ENDINGS, ending
from rlef.report.curves import read_metrics
from rlef.report.reading import read_run
from rlef.report.table import result_table
from rlef.report.tally import Stretch
from rlef.report.texts import clip, visible

SHOWN = {
    "rollout/reward": "reward", "rollout/solved_first": "solved at first", "rollout/solved_final": "solved",
    "rollout/repair_rate": "repaired", "kl/reference": "KL to start", "losses/explained_variance": "value function",
    "rollout/sandbox_failures": "sandbox failures",
}  # fmt: skip
BARS = "▁▂▃▄▅▆▇█"
COLOURS = ("green", "yellow", "dark_orange", "red", "purple", "blue", "cyan", "rosy_brown", "white", "grey50")


def command(given: list[str]) -> None:
    """`rlef watch`."""
    if len(given) != 1 or given[0].startswith("-"):
        raise RlefError("usage: rlef watch RUN")
    watch(Path(given[0]))


def watch(run: Path, console: Console | None = None, seconds: float = 2.0) -> None:
    """Show a run until it has its result. Raises RlefError when the folder holds none."""
    read_run(run)  # says what is wrong with the folder
    console = console or Console()
    follow = Follower(run)
    if not console.is_terminal:
        console.print(view(follow.read(), run))
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(view(follow.read(), run), refresh=True)
            if (run / "result.json").exists():
                break
            time.sleep(seconds)
    console.print(view(follow, run))
    console.print(result_table(read_run(run).result))


class Follower:
    """What has been read of a run so far: metrics, counts of the last update, the last repair."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._at = {"metrics.jsonl": 0, "episodes.jsonl": 0}
        self._lines: list[str] = []
        self.metrics: list[dict[str, Any]] = []
        self.last = Stretch()
        self.repair: Episode | None = None

    def read(self) -> Follower:
        """Read what was added; a resumed run may have cut its files, then all is read again."""
        for name, at in self._at.items():
            path = self._run / name
            if path.exists() and path.stat().st_size < at:
                self.__init__(self._run)  # type: ignore[misc]
                break
        self._lines += self._new("metrics.jsonl")
        self.metrics = read_metrics(self._lines)
        for line in self._new("episodes.jsonl"):
            try:
                episode = Episode.from_json(line)
            except (ValueError, KeyError, TypeError):
                continue
            if episode.step + 1 != self.last.first:
                self.last = Stretch(episode.step + 1, episode.step + 1)
            self.last.see(episode)
            if episode.passed and len(episode.turns) > 1:
                self.repair = episode
        return self

    def _new(self, name: str) -> Iterator[str]:
        """Whole lines that were added."""
        path = self._run / name
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._at[name])
            for line in file:
                if line.endswith(b"\n"):
                    self._at[name] += len(line)
                    yield line.decode("utf-8", "replace")


def view(seen: Follower, run: Path) -> RenderableType:
    """The picture."""
    parts: list[RenderableType] = [Text(visible(run.resolve().name), style="bold")]
    if not seen.metrics and not seen.last.episodes:
        return Group(*parts, Text("nothing yet: the first update has not ended"))
    table = Table("", "last", "", box=None, padding=(0, 2, 0, 0))
    for key, name in SHOWN.items():
        values = [row[key] for row in seen.metrics if isinstance(row.get(key), int | float) and isfinite(row[key])]
        if values:
            table.add_row(name, f"{values[-1]:.3g}", Text(sparkline(values), style="cyan"))
    steps = [row["step"] for row in seen.metrics]
    parts.append(Panel(table, title=f"update {max(steps, default=0)}", title_align="left"))
    if seen.last.episodes:
        parts.append(Panel(_endings(seen.last), title=f"how the turns of update {seen.last.first} ended",
                           title_align="left"))  # fmt: skip
    if seen.repair:
        title = f"last repair: {visible(clip(seen.repair.task, 60))}"
        parts.append(Panel(_repair(seen.repair), title=Text(title), title_align="left"))
    return Group(*parts)


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The last values as bars from their least to their greatest."""
    shown = values[-width:]
    low, high = min(shown), max(shown)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0
    return "".join(BARS[round((value - low) * scale)] for value in shown)


def _endings(part: Stretch, width: int = 40) -> RenderableType:
    """A stacked bar for each turn, and what its parts are."""
    table = Table("turn", "answers", "", "", box=None, padding=(0, 2, 0, 0))
    for turn in range(1, part.turn_limit + 1):
        counts = {end: part.endings[turn, end] for end in ENDINGS if part.endings[turn, end]}
        total = sum(counts.values())
        bar, words = Text(), Text()
        for end, count in counts.items():
            style = COLOURS[min(ENDINGS.index(end), len(COLOURS) - 1)]
            bar.append("█" * max(1, round(width * count / total)), style)
            words.append(f"{end} {count / total:.0%}  ", style)
        table.add_row(str(turn), str(total), bar, words)
    return table


def _repair(episode: Episode) -> RenderableType:
    """What was changed between the last two programs."""
    from difflib import unified_diff

    before, after = list(pairwise(episode.turns))[-1]
    text = Text(f"{ending(before)} became {ACCEPTED}\n", style="bold")
    old, new = (visible(clip(turn.program or "", 2000)).split("\n") for turn in (before, after))
    for line in list(unified_diff(old, new, n=2, lineterm=""))[2:24]:
        text.append(line + "\n", {"+": "green", "-": "red"}.get(line[:1], ""))
    return text
