"""What programs say: those that print the same on the same inputs are one cluster, whatever their text.

At test time the public inputs are the only ones that are known; a file of further inputs may be given (`--inputs`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

from rlef.episode import Episode
from rlef.programs import normalised
from sandbox import Program
from tasks import StdioTest, Task, judge_many
from tasks.judge import Box


def output_clusters(programs: Sequence[tuple[Task, str]], box: Box, language: str = "python") -> list[Hashable]:
    """For each program what it says on its task's public inputs, white space apart: equal values are one cluster.

    Each distinct program is run once, in the sandbox. A failure of the sandbox makes a cluster of its own.
    """
    names = [(task.key, normalised(source)) for task, source in programs]
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    places = list(first.values())
    jobs = [(programs[place][0], Program(programs[place][1], language)) for place in places]
    said: dict[tuple[str, str], Hashable] = {}
    for place, report in zip(places, judge_many(jobs, box, "public") if jobs else [], strict=True):
        runs = [result.execution for result in report.public]
        words = tuple((run.status.value, b" ".join(run.stdout.split()), repr(run.value)) for run in runs)
        said[names[place]] = ("failed", place) if report.sandbox_failed else words
    return [said[name] for name in names]


def numbered_clusters(
    programs: Mapping[str, Sequence[str]], tasks: Sequence[Task], box: Box
) -> dict[str, list[int | None]]:
    """By task, a number for what each of its programs says on the public inputs; None for the empty program."""
    by_key = {task.key: task for task in tasks}
    said = iter(output_clusters([(by_key[key], one) for key, group in programs.items() for one in group if one], box))
    found: dict[str, list[int | None]] = {}
    for key, group in programs.items():
        known: dict[Hashable, int] = {}
        found[key] = [known.setdefault(next(said), len(known)) if one else None for one in group]
    return found


def outputs(episodes: Sequence[Episode], tasks: Sequence[Task], box: Box) -> Callable[[Episode], Hashable]:
    """The cluster of each episode's last program; None without a program, or where its task is not among `tasks`."""
    by_key = {task.key: task for task in tasks}
    found = [(by_key[episode.task], program) for episode in episodes
             if episode.task in by_key and (program := last_program(episode)) is not None]  # fmt: skip
    said = {(task.key, program): words
            for (task, program), words in zip(found, output_clusters(found, box), strict=True)}  # fmt: skip
    return lambda episode: said.get((episode.task, last_program(episode) or ""))


def with_inputs(tasks: Sequence[Task], inputs: Mapping[str, Sequence[str]]) -> list[Task]:
    """The tasks that have inputs (standard input), with these in place of their public ones; nothing is expected."""
    return [
        Task(task.key, task.statement, tuple(StdioTest(text, "") for text in inputs[task.key]), (), task.limits,
             prelude=task.prelude)
        for task in tasks
        if inputs.get(task.key)
    ]  # fmt: skip


def last_program(episode: Episode) -> str | None:
    """The program that would be handed in."""
    return episode.turns[-1].program if episode.turns else None
