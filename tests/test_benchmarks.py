"""Benchmarks run rarely; that they still load is seen at every change."""

import importlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOAD = """
import importlib, pathlib, sys
folder = pathlib.Path(sys.argv[1])
sys.path[:1] = [str(folder)]  # as for a script that is run from there
for path in sorted(folder.glob("*.py")):
    importlib.import_module(path.stem)
    print(path.stem)
"""


def test_every_benchmark_loads():
    found = subprocess.run(
        [sys.executable, "-c", LOAD, str(ROOT / "benchmarks")], capture_output=True, text=True, check=False, cwd="/"
    )
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.split()) == len(list((ROOT / "benchmarks").glob("*.py"))) > 10


def test_runs_of_an_earlier_call_stay_unless_the_settings_were_others(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    summary = importlib.import_module("summary")
    out = tmp_path / "result.json"
    assert summary.earlier(out, ["--updates", "2"], "seeds") == {}
    summary.write(out, {"settings": ["--updates", "2"], "seeds": {"0": 0.5}})
    assert summary.earlier(out, ["--updates", "2"], "seeds") == {"0": 0.5}
    assert summary.earlier(out, ["--updates", "3"], "seeds") == {}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
