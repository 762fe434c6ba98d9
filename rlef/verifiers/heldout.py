"""The verifier on held-out tasks: candidates of the generator, their scores, clusters of what they say."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rlef.evaluation.outputs import numbered_clusters
from rlef.rollout import starts
from rlef.verifiers.pool import Candidate, answers_of
from rlef.verifiers.result import VERIFIER
from rlef.verifiers.score import Score, load_likelihood, load_scores
from rlef.verifiers.stages import Stages
from rlef.verifiers.train import Kind
from tasks import Task

Answers = dict[str, list[Candidate]]


def candidates(stages: Stages, tasks: Sequence[Task], generator: str) -> Answers:
    """Single answers of the generator to held-out tasks."""
    selection = stages.config.selection
    begun = starts(tasks, selection.samples, f"candidates {stages.config.seed}", tasks)
    path = stages.run.folder / "evaluation" / "candidates.jsonl"
    once = replace(stages.settings, turn_limit=1)
    return answers_of(stages.sample(path, begun, generator, selection.temperature, once, 0))


def scores(
    stages: Stages, answers: Answers, folders: Mapping[Kind, Path], generator: str
) -> dict[str, dict[str, list[float]]]:
    """By scorer and task, one number per candidate; -inf for an answer without a program."""
    loads: dict[str, Callable[[], dict[str, Score]]] = {
        VERIFIER: lambda: _renamed(load_scores(folders["dpo"]), likelihood=VERIFIER),
        "generator_likelihood": lambda: {"generator_likelihood": load_likelihood(generator, stages.config.system)},
        "shortest": lambda: {"shortest": lambda items: [-float(len(program)) for _, program in items]},
    }
    for kind in (kind for kind in folders if kind != "dpo"):
        loads[kind] = lambda kind=kind: _renamed(load_scores(folders[kind]), reward=kind)  # type: ignore[misc]
    items = [(one.observation, one.program) for group in answers.values() for one in group if one.program]
    columns: dict[str, dict[str, list[float]]] = {}
    for name, load in loads.items():
        path = stages.run.folder / "evaluation" / f"scores-{name}.json"
        if not path.exists():
            stages.display.say(f"scoring {len(items)} programs: {name.replace('_', ' ')}")
            with stages.run.timed("scoring"):
                found = {one: score(items) for one, score in load().items()}
            stages.write(path, found)
        for one, values in json.loads(path.read_text()).items():
            rest = iter(values)
            columns[one] = {
                task: [next(rest) if candidate.program else float("-inf") for candidate in group]
                for task, group in answers.items()
            }
    return columns


def clusters(stages: Stages, answers: Answers, tasks: Sequence[Task]) -> dict[str, list[Hashable]]:
    """By task, a number for what each candidate says on the public inputs; None without a program."""
    path = stages.run.folder / "evaluation" / "clusters.json"
    if not path.exists():
        programs = {task: [one.program for one in group] for task, group in answers.items()}
        with stages.run.timed("clusters"):
            found = numbered_clusters(programs, tasks, stages.box)
        stages.write(path, found)
    read: dict[str, list[Hashable]] = json.loads(path.read_text())
    return read


def _renamed(scores: dict[str, Score], **names: str) -> dict[str, Score]:
    return {names.get(name, name): score for name, score in scores.items()}
