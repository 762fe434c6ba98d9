"""How hard is the starter suite? A model answers some tasks of every family; what it solves, by level and family.

    python benchmarks/starter_levels.py                               # the embedded model: 8 tasks a family, 4 answers
    python benchmarks/starter_levels.py --model runs/NAME --tasks 20  # any model that `rlef eval` takes
    python benchmarks/starter_levels.py --levels L3-L5 --tasks 1 --samples 1 --tokens 64 --out tiny.json

Tasks are spread over the grid of a family and come from all splits: --split takes one. Each answer is a first attempt;
--turns gives the model more. Writes starter_levels.json next to this file: for every level and family the rate solved
with its 95 % interval (tasks are resampled), beside what can be counted in the reference programs. What has been
answered is kept under --runs, so the same command goes on where a killed one stopped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rlef.config import EvaluationConfig
from rlef.episode import Episode
from rlef.evaluation.command import model_of
from rlef.evaluation.config import EvalConfig
from rlef.evaluation.intervals import bootstrap
from rlef.evaluation.ledger import Ledger, ledger_path
from rlef.evaluation.metrics import outcomes_of, solved_final, solved_first
from rlef.evaluation.players import players
from sandbox import Sandbox
from tasks import Suite, Task
from tasks.starter import build, levels_of, splits

MEASURES = ("lines", "branches", "loop_depth")


def main() -> None:
    """Answer, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded", help="folder, run, Hugging Face id or http://host:port/v1")
    parser.add_argument("--levels", default="L0-L5")
    parser.add_argument("--split", choices=("train", "validation", "test"), help="all when left out")
    parser.add_argument("--tasks", type=int, default=8, help="tasks of each family")
    parser.add_argument("--samples", type=int, default=4, help="answers to each task")
    parser.add_argument("--turns", type=int, default=1, help="attempts in each answer")
    parser.add_argument("--tokens", type=int, default=384, help="longest attempt")
    parser.add_argument("--temperature", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", default="runs", help="folder of what has been answered")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    tasks = chosen(options.levels, options.split, options.tasks)
    evaluation = EvaluationConfig(split="chosen", samples=options.samples, temperature=options.temperature)
    config = EvalConfig(
        suite=f"starter:{options.levels}", seed=options.seed, out=options.runs, turn_limit=options.turns,
        max_new_tokens=options.tokens, context=1024 + options.turns * options.tokens, evaluation=evaluation,
    )  # fmt: skip
    [who] = players(model_of(options.model), config, [Suite(config.suite, {"chosen": tasks})])
    with (
        Sandbox(slots=config.slots) as box,
        closing(Ledger(ledger_path(config, who.identity, config.suite))) as ledger,
    ):
        print(f"{len(tasks)} tasks, {len(tasks) * options.samples} answers")
        episodes = who.play(config, box, lambda done, note: None, ledger)
    by_family: defaultdict[tuple[int, str], list[Task]] = defaultdict(list)
    for task in tasks:
        by_family[task.metadata["level"], task.metadata["family"]].append(task)
    levels = sorted({level for level, _ in by_family})
    settings = {name: str(value) if name == "out" else value for name, value in vars(options).items()}
    result: dict[str, Any] = {
        "command": f"python benchmarks/starter_levels.py {' '.join(sys.argv[1:])}".strip(),
        "settings": settings,
        "levels": {
            f"L{level}": rates([task for task in tasks if task.metadata["level"] == level], episodes)
            for level in levels
        },
        "families": {f"L{level}/{name}": rates(some, episodes) for (level, name), some in by_family.items()},
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    for name, block in (*result["levels"].items(), *result["families"].items()):
        solved = block["solved_first"]
        print(f"{name:28s} {block['tasks']:4d} tasks  {solved['mean']}  [{solved['low']}, {solved['high']}]")


def chosen(levels: str, split: str | None, count: int) -> list[Task]:
    """`count` tasks of each family, or all if there are fewer, at even distances in the order of the suite."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, tasks in splits(levels_of(levels)).items():
        if split in (None, name):
            for key in tasks.keys:
                found[key.rpartition("/")[0]].append(key)
    return [
        build(keys[place * len(keys) // min(count, len(keys))])
        for keys in found.values()
        for place in range(min(count, len(keys)))
    ]


def rates(tasks: Sequence[Task], episodes: Sequence[Episode]) -> dict[str, Any]:
    """What was solved of these tasks, and the means of what their references measure."""
    keys = {task.key for task in tasks}
    outcomes = outcomes_of([episode for episode in episodes if episode.task in keys])
    counted = [task.metadata["measures"] for task in tasks]
    return {
        "tasks": len(tasks),
        "solved_first": bootstrap(solved_first(outcomes)).as_dict(),
        "solved_final": bootstrap(solved_final(outcomes)).as_dict(),
        "reference": {name: statistics.mean(one[name] for one in counted) for name in MEASURES},
    }


if __name__ == "__main__":
    main()
