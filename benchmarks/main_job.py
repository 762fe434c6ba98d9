"""The main job with several seeds: is the gain there with every one of them?

    python benchmarks/main_job.py              # three runs of `rlef train`, about half an hour each on two cores
    python benchmarks/main_job.py RUN RUN ...  # runs that are there already

Writes main_job.json next to this file: for every seed first attempt, 1@3 and repair rate of the warm start and of the
trained model with 95 % intervals, their paired difference and ratio, and minutes by stage. All seeds given are in it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

OUT = Path(__file__).with_suffix(".json")


def main() -> None:
    """Run what is not given, then summarise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="finished run folders")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    runs = options.runs or [run_seed(seed) for seed in options.seeds]
    results = [json.loads((run / "result.json").read_text()) for run in runs]
    summary = {
        "command": f"python benchmarks/main_job.py --seeds {' '.join(str(result['seed']) for result in results)}",
        "machine": {"cores": len(os.sched_getaffinity(0)), "processor": processor(), "system": platform.platform()},
        "seeds": {str(result["seed"]): {k: v for k, v in result.items() if k != "seed"} for result in results},
        "over_seeds": {
            "ratio_1@3": spread([result["ratio_1@3"]["mean"] for result in results]),
            "difference_1@3": spread([result["difference_1@3"]["mean"] for result in results]),
            "minutes": spread([sum(result["minutes"].values()) for result in results]),
        },
    }
    OUT.write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary["over_seeds"], indent=2))


def run_seed(seed: int) -> Path:
    """One `rlef train` with the starter configuration; its run folder."""
    out = Path(tempfile.mkdtemp(prefix=f"rlef-main-job-{seed}-"))
    subprocess.run([sys.executable, "-m", "rlef", "train", "--seed", str(seed), "--out", str(out)], check=True)
    [run] = out.iterdir()
    return run


def spread(values: list[float]) -> dict[str, float]:
    """Mean, lowest and highest."""
    return {"mean": statistics.mean(values), "min": min(values), "max": max(values)}


def processor() -> str:
    """Its name as the kernel has it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
