"""Checkpoints that stay, and a run that dies twenty times and ends with the same parameters."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from rlef.checkpoints import decline, keep
from rlef.config import EvaluationConfig, PPOConfig, RolloutConfig, TrainConfig, WarmStartConfig
from rlef.run import Run

ROOT = Path(__file__).parents[2]


def made(run, step, score):
    """What training leaves after a checkpoint."""
    run.mkdir(exist_ok=True)
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": step, "rollout/solved_final": score}) + "\n")
    latest = run / "checkpoints" / "latest"
    latest.mkdir(parents=True, exist_ok=True)
    (latest / "model").unlink(missing_ok=True)  # replaced, never written into, as `replacing` does
    (latest / "model").write_text(str(step))


def kept(run):
    return {
        path.name: (path / "model").read_text()
        for path in (run / "checkpoints").iterdir()
        if path.name != "latest"
    }  # fmt: skip


def test_the_last_and_the_best_stay(tmp_path):
    seen = []
    for step, score in enumerate([0.1, 0.5, 0.5, 0.2, 0.3], 1):
        made(tmp_path, step, score)
        for _ in range(2):  # twice is once
            keep(tmp_path, step, 1, last=2, best=True)
        seen.append(kept(tmp_path))
    assert seen[0] == {"step-1": "1", "best": "1"}
    assert seen[2] == {"step-1": "1", "step-2": "2", "step-3": "3", "best": "2"}
    assert seen[4] == {"step-3": "3", "step-4": "4", "step-5": "5", "best": "2"}
    assert json.loads((tmp_path / "checkpoints/best/score.json").read_text()) == {
        "step": 2,
        "rollout/solved_final": 0.5,
    }


def test_nothing_stays_unless_asked(tmp_path):
    made(tmp_path, 1, 0.5)
    keep(tmp_path, 1, 1, last=0, best=False)
    assert kept(tmp_path) == {}


def test_the_score_is_of_all_updates_since_the_checkpoint_before(tmp_path):
    for step, score in enumerate([0.9, 0.1, 0.4, 0.4], 1):
        made(tmp_path, step, score)
        if step % 2 == 0:
            keep(tmp_path, step, 2, last=0, best=True)
    assert json.loads((tmp_path / "checkpoints/best/score.json").read_text())["step"] == 2


def test_a_decline_is_said(tmp_path):
    """Half of the best over four updates; noise of one update is no decline, nor is a task that was never solved."""
    said = []
    for step, score in enumerate([0.3, 0.5, 0.5, 0.5, 0.1, 0.5, 0.5, 0.0, 0.1, 0.1, 0.1], 1):
        made(tmp_path, step, score)
        said.append(decline(tmp_path, step))
    assert not any(said[:9])
    assert "8% of the last episodes solved, 45% at its best" in said[10]
    made(tmp_path / "never", 1, 0.0)
    for step in range(2, 9):
        made(tmp_path / "never", step, 0.05 if step < 5 else 0.0)
    assert not decline(tmp_path / "never", 8)


@pytest.mark.timeout(3600)
def test_twenty_deaths_end_with_the_same_parameters(tiny_model, tmp_path):
    """One run is left alone, the other is killed at twenty random file operations and taken up again each time."""
    config = {
        "model": str(tiny_model), "turn_limit": 2, "checkpoint_every": 1, "keep_last": 1, "keep_best": True,
        "warm_start": WarmStartConfig(epochs=0), "rollout": RolloutConfig(tasks=2, samples=2, max_new_tokens=4),
        "ppo": PPOConfig(updates=6, learning_rate=1e-3, mini_batches=2),
        "evaluation": EvaluationConfig(split="validation", tasks=1, samples=1),
    }  # fmt: skip
    ends = []
    for name, deaths in (("whole", 0), ("killed", 20)):
        run = Run.create(TrainConfig(out=str(tmp_path / name), **config))
        command = [sys.executable, "-m", "tests.rlef.killed", str(run.folder), "7", str(deaths)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        causes = json.loads(done.stdout.splitlines()[-1])
        assert len(causes) == deaths
        assert deaths == 0 or len(set(causes)) > 5, causes
        checkpoints = run.folder / "checkpoints"
        assert sorted(path.name for path in checkpoints.iterdir()) == [
            "best",
            "latest",
            "step-5",
            "step-6",
            "warm-start",
        ]
        rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
        ends.append(
            (
                [{key: value for key, value in row.items() if not key.startswith("time/")} for row in rows],
                (run.folder / "episodes.jsonl").read_text(),
                AutoModelForCausalLM.from_pretrained(checkpoints / "latest").state_dict(),
                torch.load(checkpoints / "latest" / "trainer.pt", weights_only=True)["state"]["critic"],
            )
        )
    (metrics, episodes, weights, critic), (*others, other_weights, other_critic) = ends
    assert [metrics, episodes] == others
    for one, other in ((weights, other_weights), (critic, other_critic)):
        assert all(torch.equal(one[name], other[name]) for name in one)
