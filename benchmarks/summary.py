"""What the benchmarks' JSON files have in common: the machine, the spread over seeds, and what an earlier call found.

Some benchmarks take hours. They write after every run, and what their file has of other seeds with the same settings
stays in it, so that the runs need not be of one day or one machine; each says which it was.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rlef.policies.engine import sampling_dtype


def machine() -> dict[str, Any]:
    """Cores this process may use, processor, precision of matrix products on it, system."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), ""),
        "dtype": str(sampling_dtype(torch.device("cpu"))).removeprefix("torch."),
        "system": platform.platform(),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, lowest and highest seed."""
    return {"mean": statistics.mean(values), "min": min(values), "max": max(values)}


def earlier(path: Path, settings: Any, block: str) -> dict[str, Any]:
    """`block` of what an earlier call with the same settings has written; empty where there is none."""
    written = json.loads(path.read_text()) if path.exists() else {}
    return dict(written[block]) if written.get("settings") == settings else {}


def write(path: Path, summary: dict[str, Any]) -> None:
    """One JSON file, whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(summary, indent=2) + "\n")
    new.replace(path)
