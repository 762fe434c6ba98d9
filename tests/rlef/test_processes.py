"""Two real processes (gloo) against one: the same losses and parameters, and a run from end to end."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

import tests.rlef.together as together
from rlef.config import EvaluationConfig, PPOConfig, RolloutConfig, TrainConfig, WarmStartConfig, save_config
from rlef.episode import read_episodes
from rlef.processes import Processes
from rlef.run import Run

ROOT = Path(__file__).parents[2]


def launch(*arguments, count=2):
    """torchrun on this machine; returns what it printed."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), "-m"]
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What two processes made of every case; they have compared themselves with each other."""
    file = tmp_path_factory.mktemp("together") / "found.pt"
    launch("tests.rlef.together", str(file))
    saved = torch.load(file)
    assert saved["count"] == 2
    return saved["found"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", together.CASES)
def test_the_losses_and_parameters_of_one_process(name, shared, monkeypatch):
    monkeypatch.setattr("rlef.learners.optimiser.sampling_dtype", lambda device: torch.float32)
    metrics, parameters = together.learn(Processes(), **together.CASES[name])
    for one, two in zip(metrics, shared[name][0], strict=True):
        assert two == pytest.approx(one, rel=1e-5, abs=1e-5, nan_ok=True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(parameters, shared[name][1], strict=True))


def test_the_control_without_sums_is_another_policy(shared, monkeypatch):
    """Half of every mini-batch, as if gradients stayed where they are."""
    monkeypatch.setattr("rlef.learners.optimiser.sampling_dtype", lambda device: torch.float32)

    class Alone(Processes):
        def parts(self, items):
            return [list(items[: len(items) // 2])]

    _, parameters = together.learn(Alone(), **together.CASES["starter"])
    assert not all(torch.allclose(a, b, atol=1e-5) for a, b in zip(parameters, shared["starter"][1], strict=True))


def test_one_process_does_everything_itself():
    alone = Processes()
    numbers, tensor = [3, 1, 2], torch.ones(2)
    assert alone.first
    assert alone.share(numbers) == numbers
    assert alone.gather(numbers) is numbers
    assert alone.tell("a") == "a"
    assert alone.total(0.1) == 0.1
    alone.add([tensor])
    assert tensor.tolist() == [1, 1]
    assert [Processes(rank, 3).share(range(5)) for rank in range(3)] == [[0, 3], [1, 4], [2]]
    assert Processes(1, 3).parts(range(5)) == [[0], [1, 2], [3, 4]]
    assert Processes(0, 3).parts(range(1)) == [[], [], [0]]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("shard", [False, True], ids=["whole", "split"])
def test_a_run_of_two_processes(shard, tiny_model, tmp_path, box):
    """One run folder; each update's episodes are sampled by both, every episode once, and those of one process. One
    process can go on from there."""
    config = TrainConfig(
        model=str(tiny_model), out=str(tmp_path / "runs"), turn_limit=2, checkpoint_every=1, slots=1,
        warm_start=WarmStartConfig(programs=1, repairs=1, epochs=1),
        rollout=RolloutConfig(tasks=3, samples=1, max_new_tokens=8),
        ppo=PPOConfig(updates=2, learning_rate=1e-3, mini_batches=2, shard=shard),
        evaluation=EvaluationConfig(split="validation", tasks=1, samples=1),
    )  # fmt: skip
    save_config(config, tmp_path / "config.toml")
    said = launch("rlef", "train", "--config", str(tmp_path / "config.toml"))
    assert said.count("run folder: ") == 1
    [folder] = (tmp_path / "runs").iterdir()
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2, 2]
    shared = list(read_episodes(folder / "episodes.jsonl"))
    assert (folder / "result.json").exists()
    assert not list(folder.rglob("*.part"))

    from rlef.train import train

    save_config(dataclasses.replace(config, out=str(tmp_path / "alone")), tmp_path / "alone.toml")
    launch("rlef", "train", "--config", str(tmp_path / "alone.toml"), count=1)  # with as many threads
    [alone] = (tmp_path / "alone").iterdir()
    same = list(read_episodes(alone / "episodes.jsonl"))
    assert [(one.task, one.seed, one.step) for one in shared] == [(one.task, one.seed, one.step) for one in same]
    assert [turn.response_ids for one in shared[:3] for turn in one.turns] == [
        turn.response_ids for one in same[:3] for turn in one.turns
    ]
    one, two = (
        AutoModelForCausalLM.from_pretrained(place / "checkpoints" / "warm-start").state_dict()
        for place in (folder, alone)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)

    longer = dataclasses.replace(config, ppo=dataclasses.replace(config.ppo, updates=3))
    save_config(longer, folder / "config.toml")
    train(Run.open(folder))
    assert len(list(read_episodes(folder / "episodes.jsonl"))) == len(shared) + 3
