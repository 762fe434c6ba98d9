"""Methods at an equal budget of sampled answers: what does each solve of the held-out tasks?

    python benchmarks/learning.py                               # five methods, three seeds, starter suite
    python benchmarks/learning.py --methods rlef grpo --seeds 0 -- --ppo.updates 2 --rollout.tasks 2

What follows `--` goes to every `rlef train`. A method that answers once per episode gets three times as many episodes.
Every trained model is evaluated in dialogues of three turns on the same tasks with the same seeds. Runs that are
finished under --runs are not run again: other flags behind `--` want another folder. Writes learning.json (1@3 with
95 % intervals per method and seed, curves) and learning.png next to this file, after every run; what learning.json
has already, of other methods and seeds with the same flags, stays in it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from summary import earlier, machine, spread, write

HERE = Path(__file__).parent
TURNS = 3
GROUP = ["--ppo.baseline", "group", "--ppo.scale", "group"]
METHODS: dict[str, list[str]] = {
    "rlef": ["--ppo.baseline", "critic"],
    "rlef-leave-one-out": ["--ppo.baseline", "leave_one_out"],
    "single-turn": ["--ppo.baseline", "leave_one_out", "--turn_limit", "1"],
    "grpo": [*GROUP, "--ppo.average", "answer"],
    "sft": ["--ppo.updates", "0"],
}


def main() -> None:
    """Run what is not there, then summarise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=4, help="episodes per task and update, of three answers")
    parser.add_argument("--runs", type=Path, default=Path("runs/learning"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of learning.json and learning.png")
    given, more = sys.argv[1:], []
    if "--" in given:
        given, more = given[: given.index("--")], given[given.index("--") + 1 :]
    options = parser.parse_args(given)
    options.out.mkdir(parents=True, exist_ok=True)
    flags = ["--rollout.samples", str(options.samples), *more]
    written = earlier(options.out / "learning.json", flags, "methods")
    results: dict[str, dict[str, Any]] = {name: block["seeds"] for name, block in written.items()}
    for seed in options.seeds:
        for name in options.methods:
            results.setdefault(name, {})[str(seed)] = run(name, seed, options, more)
            summarise(results, flags, options.out)
    for name, seeds in results.items():
        print(f"{name:20s} 1@{TURNS} {over(seeds, f'solved_1@{TURNS}')}  first {over(seeds, 'solved_first')}")


def summarise(results: dict[str, dict[str, Any]], flags: list[str], out: Path) -> None:
    """learning.json and learning.png."""
    measures = (f"solved_1@{TURNS}", "solved_first", "repair_rate")
    summary = {
        "command": "python benchmarks/learning.py",
        "settings": flags,
        "methods": {
            name: {**{measure: over(seeds, measure) for measure in measures}, "seeds": dict(sorted(seeds.items()))}
            for name, seeds in results.items()
        },
    }
    write(out / "learning.json", summary)
    draw(results, out / "learning.png")


def run(name: str, seed: int, options: argparse.Namespace, more: list[str]) -> dict[str, Any]:
    """One training and the evaluation of its model; intervals, and the curve of training."""
    place = options.runs / f"{name}-seed{seed}"
    flags = list(METHODS[name])
    samples = options.samples * (TURNS if "--turn_limit" in flags else 1)
    rlef = [sys.executable, "-m", "rlef"]
    train = [*rlef, "train", "--seed", str(seed), "--rollout.samples", str(samples), *more, *flags]
    [folder] = [*place.glob("train/*-seed*")] or [None]
    if folder is None:
        subprocess.run([*train, "--out", str(place / "train")], check=True)
        [folder] = place.glob("train/*-seed*")
    elif not (folder / "result.json").exists():
        subprocess.run([*rlef, "train", "--resume", str(folder)], check=True)
    if not [*place.glob("eval/*/result.json")]:
        evaluate = [*rlef, "eval", str(folder), "--turn_limit", str(TURNS), "--out", str(place / "eval")]
        subprocess.run(evaluate, check=True)
    [result] = [json.loads(path.read_text()) for path in place.glob("eval/*/result.json")]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    curve = [
        {name: row.get(f"rollout/{name}") for name in ("solved_first", "solved_final", "reward")}
        for row in rows
        if "rollout/reward" in row
    ]
    measured = {key: result[key] for key in ("solved_first", f"solved_1@{TURNS}", "repair_rate")}
    return {"machine": machine(), **measured, "curve": curve}


def over(seeds: dict[str, Any], measure: str) -> dict[str, float]:
    """Mean, lowest and highest seed of a measure."""
    return spread([one[measure]["mean"] for one in seeds.values()])


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Share of training episodes solved at their end, by update: mean over seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name, seeds in results.items():
        curves = [[point["solved_final"] for point in one["curve"]] for one in seeds.values()]
        length = min(map(len, curves))
        if length:
            means = [statistics.mean(curve[step] for curve in curves) for step in range(length)]
            axes.plot(range(1, length + 1), means, label=name)
    axes.set(xlabel="update", ylabel="training episodes solved at their end", ylim=(0, 1))
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
