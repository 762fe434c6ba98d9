"""Speed of the sandbox on this machine, as ratios in one run; see `sandbox/bench.py` for what is measured.

    python benchmarks/sandbox_speed.py                        # every backend and mode that works here
    python benchmarks/sandbox_speed.py --runs 50              # a quick look
    python benchmarks/sandbox_speed.py --peers evalplus       # beside graders from PyPI

Writes sandbox_speed.json next to this file. Nothing else should run: the load average is in the result. A program
that a peer does not isolate runs in a container of the sandbox image, never on this machine itself.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from peers import PEERS, Absent, ask

from sandbox import SandboxError
from sandbox.bench import measure, table

OUT = Path(__file__).with_suffix(".json")
PLACES = (
    ("docker", "strict"), ("docker", "basic"), ("namespaces", "strict"), ("namespaces", "basic"),
    ("bubblewrap", "strict"),
)  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="runs of each kind")
    parser.add_argument("--peers", nargs="*", default=[], choices=sorted(PEERS), help="graders from PyPI")
    options = parser.parse_args()
    results, absent = [], {}
    for backend, mode in PLACES:
        try:
            results.append(measure(backend, options.runs, mode))
        except SandboxError as error:
            absent[f"{backend} {mode}"] = str(error)
            continue
        print(table(results[-1]), flush=True)
    peers = {}
    for name in options.peers:
        try:
            peers[name] = round(ask(name, "speed", count=max(options.runs // 20, 5))["per_second"], 1)
        except Absent as error:
            absent[name] = str(error)
            continue
        print(f"{name}: {peers[name]} a second")
    for name, reason in absent.items():
        print(f"{name} was not measured: {reason}")
    summary = {
        "command": "python benchmarks/sandbox_speed.py " + " ".join(sys.argv[1:]),
        "cores": len(os.sched_getaffinity(0)),
        "results": results,
        "peers_per_second": peers,
        "absent": absent,
    }
    OUT.write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    main()
