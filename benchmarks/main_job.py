"""The main job with several seeds: is the gain there with every one of them?

    python benchmarks/main_job.py              # three runs of `rlef train`, about half an hour each on two cores
    python benchmarks/main_job.py --seeds 3 4  # more of them
    python benchmarks/main_job.py RUN RUN ...  # runs with that configuration that this machine has made already

Writes main_job.json next to this file after every run: for every seed first attempt, 1@3 and repair rate of the warm
start and of the trained model with 95 % intervals, their paired difference and ratio, and minutes by stage. All seeds
given are in it, and those of earlier calls with the same configuration.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from summary import earlier, machine, spread, write

OUT = Path(__file__).with_suffix(".json")
CONFIG = Path(__file__).parents[1] / "rlef" / "configs" / "starter.toml"


def main() -> None:
    """Run what is not given, then summarise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="finished run folders")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    settings = tomllib.loads(CONFIG.read_text())
    seeds = earlier(OUT, settings, "seeds")
    for run in options.runs or map(run_seed, options.seeds):
        result = json.loads((run / "result.json").read_text())
        seeds[str(result.pop("seed"))] = {"machine": machine(), **result}
        summary = {
            "command": f"python benchmarks/main_job.py --seeds {' '.join(sorted(seeds))}",
            "settings": settings,
            "over_seeds": over_seeds(list(seeds.values())),
            "seeds": dict(sorted(seeds.items())),
        }
        write(OUT, summary)
        print(json.dumps(summary["over_seeds"], indent=2))


def run_seed(seed: int) -> Path:
    """One `rlef train` with the starter configuration; its run folder."""
    out = Path(tempfile.mkdtemp(prefix=f"rlef-main-job-{seed}-"))
    subprocess.run([sys.executable, "-m", "rlef", "train", "--seed", str(seed), "--out", str(out)], check=True)
    [run] = out.iterdir()
    return run


def over_seeds(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Ratio and difference of trained model and warm start, and minutes in all."""
    return {
        "ratio_1@3": spread([result["ratio_1@3"]["mean"] for result in results]),
        "difference_1@3": spread([result["difference_1@3"]["mean"] for result in results]),
        "minutes": spread([sum(result["minutes"].values()) for result in results]),
    }


if __name__ == "__main__":
    main()
