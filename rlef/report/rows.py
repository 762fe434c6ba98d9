"""The tables of the report: metrics with intervals, tasks, signals of reward hacking, health of the sandbox.

Every table is a heading and rows of strings, ready to be escaped and printed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from rlef.evaluation.behaviour import diversity, repeats, similarity
from rlef.evaluation.intervals import bootstrap
from rlef.report import table
from rlef.report.reading import RunFolder
from rlef.report.signals import SIGNALS
from rlef.report.tally import Stretch, Tally

DRAWS = 400


class Table(NamedTuple):
    """A heading and rows; the first cell of a row names it."""

    headings: list[str]
    rows: list[list[str]]


def metrics(run: RunFolder) -> Table:
    """Everything measured on held-out tasks, one column for each model."""
    blocks = run.blocks()
    if not blocks:
        return Table([], [])
    columns = [table.measures(block) for block in blocks.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[name, *(table.interval(column.get(name)) for column in columns)] for name in names]
    files = {file.label: file for file in run.episodes}
    for name, scores in (
        ("same program again after feedback", repeats),
        ("similarity to the program before (chrF)", similarity),
        ("different programs among 2 first answers", lambda episodes: diversity(episodes, 2)),
    ):
        measured = [bootstrap(scores(files.get(label, ())), DRAWS).as_dict() for label in blocks]
        rows.append([name, *map(table.interval, measured)])
    if len(blocks) == 2:
        compared = {key.removeprefix("difference_") for key in run.result if key.startswith("difference_")}
        changes = {table.name_of(f"solved_{measure}"): table.change(run.result, measure) for measure in compared}
        return Table(["held-out tasks", *blocks, "change"], [[*row, changes.get(row[0], "")] for row in rows])
    return Table(["held-out tasks", *blocks], rows)


def kinds(run: RunFolder) -> Table:
    """What each model solves of each kind of task: most gained first, or most solved where there is one model."""
    found = run.result.get("by_kind")
    named = found.items() if isinstance(found, Mapping) else ()
    blocks = {kind: block for kind, block in named if isinstance(block, Mapping)}
    if not blocks:
        return Table([], [])
    pair = any("difference" in one for one in blocks.values())
    models = {"warm_start": "warm start", "trained": "trained"} if pair else {"evaluation": "solved"}

    def order(kind: str) -> float:
        value = blocks[kind].get("difference" if pair else "evaluation")
        mean = value.get("mean") if isinstance(value, Mapping) else None
        return -mean if isinstance(mean, int | float) else math.inf

    rows = [
        [str(kind), str(blocks[kind].get("tasks", table.MISSING)),
         *(table.interval(blocks[kind].get(name)) for name in models),
         *([table.points(blocks[kind].get("difference"))] if pair else [])]
        for kind in sorted(blocks, key=order)
    ]  # fmt: skip
    return Table(["kind", "tasks", *models.values(), *(["change"] if pair else [])], rows)


class Card(NamedTuple):
    """A headline: a number, what it was before, what to know about it."""

    label: str
    before: str
    after: str
    note: str


def cards(run: RunFolder) -> list[Card]:
    """The three numbers a reader looks for, before and after where there are both."""
    blocks = list(run.blocks().values())
    if not blocks:
        return []
    found = []
    final = next((key for key in blocks[-1] if key.startswith("solved_1@")), "solved_final")
    for key in (final, "solved_first", "repair_rate"):
        before, after = (table.interval(block.get(key)).split(" (")[0] for block in (blocks[0], blocks[-1]))
        change = table.change(run.result, final.removeprefix("solved_")) if key == final else ""
        note = change if change not in ("", table.MISSING) else f"95 % interval {_range(blocks[-1].get(key))}"
        found.append(Card(table.name_of(key), before if len(blocks) > 1 else "", after, note))
    return found


def tasks(tally: Mapping[str, Tally], most: int = 12) -> tuple[str, str, Table, Table]:
    """The hardest tasks and the ones that improved most: (what is compared, how many are not solved, both tables)."""
    if "warm start" in tally and "trained" in tally:
        about, before, after = "held-out tasks", tally["warm start"].stretch(), tally["trained"].stretch()
    elif "training" in tally:
        about = "training tasks, first and last third of the updates"
        before, after = tally["training"].stretch(0, 1 / 3), tally["training"].stretch(2 / 3, 1)
    elif "evaluation" in tally:
        about, before, after = "tasks", Stretch(), tally["evaluation"].stretch()
    else:
        return "", "", Table([], []), Table([], [])

    def share(part: Stretch, task: str) -> float:
        count = part.tasks.get(task)
        return count.solved / count.rollouts if count else -1.0

    def row(task: str) -> list[str]:
        return [task, *(_solved(part, task) for part in (before, after))]

    hardest = sorted(after.tasks, key=lambda task: (share(after, task), share(before, task)))
    both = [task for task in after.tasks if task in before.tasks]
    gains = sorted(both, key=lambda task: share(before, task) - share(after, task))
    improved = [task for task in gains if share(after, task) > share(before, task)]
    headings = ["task", "before", "after"]
    never = sum(not count.solved for count in after.tasks.values())
    return (
        about,
        f"{never} of {len(after.tasks)} never solved afterwards",
        Table(headings, [row(task) for task in hardest[:most]]),
        Table(headings, [row(task) for task in improved[:most]]),
    )


def hacking(tally: Mapping[str, Tally]) -> Table:
    """How often each signal shows, at the beginning and the end of training, or in the evaluations."""
    parts = _ends(tally)
    rows = []
    for name, (meaning, _) in SIGNALS.items():
        counts = [part.signals[name] for _, part in parts]
        cells = [f"{n} of {part.turns} ({_percent(n, part.turns)})" for n, (_, part) in zip(counts, parts, strict=True)]
        rows.append([name, meaning, *cells])
    cells = [f"{part.repeated} of {part.pairs} ({_percent(part.repeated, part.pairs)})" for _, part in parts]
    rows.append(["same again", "the program before once more, in spite of feedback", *cells])
    return Table(["signal", "meaning", *(label for label, _ in parts)], rows) if parts else Table([], [])


def health(run: RunFolder, tally: Mapping[str, Tally]) -> Table:
    """Episodes, what the sandbox cost, what was cut short, lines that could not be read."""
    rows = []
    for file in run.episodes:
        part = tally[file.label].stretch() if tally[file.label].seen else Stretch()
        rows.append([
            file.label, str(part.episodes), f"{part.lost} ({_percent(part.lost, part.episodes)})",
            f"{part.truncated} ({_percent(part.truncated, part.episodes)})", str(file.skipped),
        ])  # fmt: skip
    return Table(["episodes", "number", "sandbox failures", "cut short", "lines not read"], rows)


def _ends(tally: Mapping[str, Tally]) -> list[tuple[str, Stretch]]:
    if "training" in tally:
        whole = tally["training"]
        return [("first fifth", whole.stretch(0, 0.2)), ("last fifth", whole.stretch(0.8, 1))]
    return [(label, whole.stretch()) for label, whole in tally.items()]


def _solved(part: Stretch, task: str) -> str:
    count = part.tasks.get(task)
    return f"{count.solved} of {count.rollouts}" if count else table.MISSING


def _percent(count: int, of: int) -> str:
    return f"{100 * count / of:.1f}\u00a0%" if of else table.MISSING


def _range(value: Any) -> str:
    return table.interval(value).partition("(")[2].rstrip(")") or table.MISSING


def flat(value: Any) -> dict[str, str]:
    """A mapping for a two-column list, numbers rounded."""
    if not isinstance(value, Mapping):
        return {}
    return {str(key): f"{item:.3g}" if isinstance(item, float) else str(item) for key, item in value.items()}
