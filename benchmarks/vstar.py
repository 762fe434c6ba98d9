"""The verifier with several seeds: does choosing among eight answers pay, and does DPO beat simpler scores?

    python benchmarks/vstar.py              # three runs of `rlef vstar`
    python benchmarks/vstar.py --tiny       # one seed at a size that only shows that the command works
    python benchmarks/vstar.py RUN RUN ...  # run folders that are there already

Writes vstar.json next to this file (vstar-tiny.json with --tiny) after every run: for every seed the whole result, and
over the seeds the verifier's best-of-8 minus pass@1 and minus every other selector, in points with lowest and highest
seed. Seeds of earlier calls at the same size stay in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from summary import earlier, machine, spread, write

# Two cores and three hours for three seeds: fewer tasks and samples than the paper's 16 a task.
SIZE = [
    "--tasks", "160", "--samples", "8", "--iterations", "3", "--verifier.pairs_per_task", "4", "--verifier.epochs", "1",
    "--selection.samples", "16",
]  # fmt: skip
TINY = [
    "--tasks", "4", "--samples", "2", "--iterations", "2", "--sft.programs", "4", "--sft.epochs", "2",
    "--verifier.pairs_per_task", "1", "--verifier.epochs", "1", "--selection.tasks", "4", "--selection.samples", "2",
]  # fmt: skip


def main() -> None:
    """Run what is not given, then summarise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="finished run folders")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--tiny", action="store_true", help="one seed, a few tasks")
    options = parser.parse_args()
    wanted, size = ([0], TINY) if options.tiny else (options.seeds, SIZE)
    out = Path(__file__).with_name("vstar-tiny.json" if options.tiny else "vstar.json")
    seeds = earlier(out, size, "seeds")
    for run in options.runs or (run_seed(seed, size) for seed in wanted):
        result = json.loads((run / "result.json").read_text())
        seeds[str(result["seed"])] = {"machine": machine(), **{k: v for k, v in result.items() if k != "generator"}}
        summary = {
            "command": "python benchmarks/vstar.py" + (" --tiny" if options.tiny else ""),
            "settings": size,
            "over_seeds": over_seeds(list(seeds.values())),
            "seeds": dict(sorted(seeds.items())),
        }
        write(out, summary)
        print(json.dumps(summary["over_seeds"], indent=2))


def run_seed(seed: int, size: list[str]) -> Path:
    """One `rlef vstar`; its run folder."""
    out = Path(tempfile.mkdtemp(prefix=f"rlef-vstar-{seed}-"))
    command = [sys.executable, "-m", "rlef", "vstar", "--seed", str(seed), "--out", str(out), *size]
    subprocess.run(command, check=True)
    [run] = out.iterdir()
    return run


def over_seeds(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean, lowest and highest seed."""
    k = results[0]["k"]
    others = [result[f"verifier_minus_other_at_{k}"] for result in results]
    return {
        "pass@1": spread([result["pass@1"]["mean"] for result in results]),
        f"verifier_best_of_{k}": spread([result["best_of_k"]["verifier"][str(k)]["mean"] for result in results]),
        f"oracle_pass@{k}": spread([result["best_of_k"]["oracle"][str(k)]["mean"] for result in results]),
        "minus_pass@1": spread([result[f"verifier_minus_pass@1_at_{k}"]["mean"] for result in results]),
        "minus": {name: spread([other[name]["mean"] for other in others]) for name in others[0]},
        "minutes": spread([sum(result["minutes"].values()) for result in results]),
    }


if __name__ == "__main__":
    main()
