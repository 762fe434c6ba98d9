"""What a run shows while it works: a bar per stage, and during training rewards and pass rates as they come.

On a terminal the bars move; in a log file each stage and each update is one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Tick = Callable[[int, str], None]


class Display:
    """The terminal of one run."""

    def __init__(self, folder: Path, console: Console | None = None) -> None:
        self._folder = folder
        self.console = console or Console()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
            console=self.console, disable=not self.console.is_terminal,
        )  # fmt: skip

    def __enter__(self) -> Display:
        self.say(f"run folder: {self._folder}")
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(escape(text), highlight=False, soft_wrap=True)

    def show(self, table: Any) -> None:
        """A table that stays."""
        self._progress.stop()
        self.console.print(table)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Tick]:
        """A bar for something with `total` steps; the tick takes steps done and a note."""
        if not self.console.is_terminal:
            self.say(f"{name} ...")
        bar = self._progress.add_task(name, total=total, note="")
        last = ""

        def tick(steps: int, note: str = "") -> None:
            nonlocal last
            last = note or last
            self._progress.update(bar, advance=steps, note=escape(last))

        yield tick
        if not self.console.is_terminal:
            self.say(f"{name}: done {last}")

    @contextmanager
    def training(self, total: int, done: int) -> Iterator[TrainingView]:
        """The bars of training."""
        view = TrainingView(self, self._progress, total, done)
        yield view
        view.end()

    def end(self, table: Any, page: Path) -> None:
        """The table at the end and where to look on."""
        self._progress.stop()
        self.console.print()
        self.console.print(table)
        self.say(f"report: {page}")
        self.say(f"all files: {self._folder}")


class TrainingView:
    """Bars of updates, of rollout and learner, which may go on side by side, and the numbers of the last update."""

    def __init__(self, display: Display, progress: Progress, total: int, done: int) -> None:
        self._display, self._progress, self._total, self._done = display, progress, total, done
        self._updates = progress.add_task("RLEF updates", total=total, completed=done, note="")
        self._rollout = progress.add_task("  rollout", total=1, note="")
        self._learning = progress.add_task("  learning", total=100, note="")

    def end(self) -> None:
        """Take the bars of the parts away."""
        for part in (self._rollout, self._learning):
            self._progress.remove_task(part)

    def rollout(self, episodes: int) -> Callable[[Sequence[Any]], None]:
        """A callback for episodes that ended."""
        self._progress.reset(self._rollout, total=episodes)
        return lambda ended: self._progress.update(self._rollout, advance=len(ended))

    def learning(self) -> Callable[[float], None]:
        """A callback for the share of the update that is done."""
        self._progress.reset(self._learning)
        return lambda share: self._progress.update(self._learning, completed=round(100 * share))

    def update(self, metrics: Mapping[str, float]) -> None:
        """An update is over."""
        self._done += 1
        note = (
            f"reward {metrics['rollout/reward']:+.2f}  first {metrics['rollout/solved_first']:.0%}  "
            f"final {metrics['rollout/solved_final']:.0%}"
        )
        if not metrics["learn/episodes"]:
            note += "  nothing to learn from: all samples of every task earned the same"
        self._progress.update(self._updates, advance=1, note=note)
        if not self._display.console.is_terminal:
            seconds = metrics["time/rollout_s"], metrics["time/learn_s"]
            self._display.say(
                f"update {self._done}/{self._total}: {note}  KL {metrics.get('kl/reference', 0):+.3f}  "
                f"({seconds[0]:.0f} s rollout, {seconds[1]:.0f} s learning)"
            )
