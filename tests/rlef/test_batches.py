"""Batches sampled while the one before is learned from: whose weights they have, what the learner makes of them."""

import copy
import dataclasses
import threading

import pytest
import torch
from transformers import AutoModelForCausalLM

from rlef.batches import Batches
from rlef.config import RolloutConfig, TrainConfig
from rlef.learners.batch import action_logprobs, forward, to_batch
from rlef.learners.ppo import PPO
from rlef.ppo_config import PPOConfig
from rlef.processes import Processes
from rlef.run import Run
from rlef.train import train
from tasks import load_suite
from tests.rlef.learning import killed_in_update, sampled, tiny
from tests.rlef.test_train import episodes, numbers, small


def stale(model, out):
    """With steps that are large beside the rounding of the sampler."""
    config = small(model, out, keep_last=9)
    return dataclasses.replace(
        config, rollout=dataclasses.replace(config.rollout, staleness=1),
        ppo=dataclasses.replace(config.ppo, learning_rate=1e-2, ema=0.0),  # a checkpoint of it is the policy
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory, box):
    run = Run.create(stale(tiny_model, tmp_path_factory.mktemp("runs")))
    train(run)
    return run


def distance(run, name, batch):
    """Mean distance of the recorded log-probabilities from those of a checkpoint."""
    model = AutoModelForCausalLM.from_pretrained(run.folder / "checkpoints" / name)
    tensors = to_batch(batch, range(len(batch)))
    with torch.no_grad():
        logprobs = action_logprobs(model, forward(model, tensors), tensors)
    return float((logprobs - tensors.behaviour)[tensors.action].abs().mean())


def test_the_sampler_is_one_update_behind(finished):
    assert [row["rollout/staleness"] for row in numbers(finished) if "rollout/staleness" in row] == [0, 1, 1]
    last = [one for one in episodes(finished) if one.step == 2]
    assert len(last) == 4
    behind, level = (distance(finished, name, last) for name in ("step-1", "step-2"))
    assert behind < level / 3


@pytest.mark.parametrize("updates_done", [1, 2])
def test_after_a_kill_the_numbers_are_the_same(finished, tiny_model, tmp_path, monkeypatch, updates_done):
    run = Run.create(stale(tiny_model, tmp_path))
    killed_in_update(run, updates_done + 1, monkeypatch)
    train(Run.open(run.folder))
    assert numbers(run) == numbers(finished)
    assert episodes(run) == episodes(finished)


@pytest.mark.parametrize("loss", ["gspo", "cispo"])
def test_the_rivals_compare_with_the_policy_that_sampled(loss, monkeypatch):
    """So for them nothing is computed again."""
    made = sampled(tiny())
    monkeypatch.setattr(PPO, "_old_logprobs", None)
    model = tiny()
    config = PPOConfig(loss=loss, baseline="group", learning_rate=1e-3)
    assert PPO(model, copy.deepcopy(model), config, 0, stale=True).update(made, 0)["learn/episodes"] == 8


@pytest.mark.parametrize("draw", ["in_turn", "learnable"])
def test_the_same_tasks_and_seeds_whenever_they_are_sampled(draw):
    tasks = list(load_suite("starter:L0")["train"])
    config = TrainConfig(rollout=RolloutConfig(tasks=2, samples=2, draw=draw))

    def drawn(early):
        def sample(number, begun):
            return [dataclasses.replace(one, task=start.task.key, seed=start.seed)
                    for one, start in zip(sampled(tiny()), begun, strict=False)]  # fmt: skip

        batches, taken = Batches(tasks, config, Processes(), sample), []
        for number in range(3):
            taken += batches.take(number).episodes
            if early:
                batches.begin(number + 1)
        batches.close()
        return [(one.task, one.seed) for one in taken]

    assert drawn(early=True) == drawn(early=False)


def test_sampling_goes_on_beside_the_learner():
    tasks, learned = list(load_suite("starter:L0")["train"]), threading.Event()

    def sample(number, begun):
        assert number == 0 or learned.wait(60)
        return sampled(tiny())

    batches = Batches(tasks, TrainConfig(), Processes(), sample)
    assert batches.take(0).staleness == 0
    batches.begin(1)
    assert batches.under_way
    learned.set()
    assert batches.ahead() is not None
    assert not batches.under_way
    assert batches.take(1).staleness == 1
    assert batches.ahead() is None
    batches.close()


def test_what_goes_wrong_in_the_sampler_stops_the_run():
    def sample(number, begun):
        raise RuntimeError("no slot")

    batches = Batches(list(load_suite("starter:L0")["train"]), TrainConfig(), Processes(), sample)
    batches.begin(0)
    with pytest.raises(RuntimeError, match="no slot"):
        batches.take(0)


def learned(made, late):
    model = tiny()
    config = PPOConfig(learning_rate=1e-3, warmup=0, baseline="leave_one_out")
    ppo = PPO(model, copy.deepcopy(model), config, 0, stale=late)
    ppo.update(made, 0)
    return torch.cat([weight.flatten() for weight in model.state_dict().values()])


def test_a_policy_that_has_not_moved_is_not_stale(monkeypatch):
    monkeypatch.setattr("rlef.learners.optimiser.sampling_dtype", lambda device: torch.float32)
    made = sampled(tiny())
    # Each of four steps moves a weight by 1e-3, however small its gradient: equal to a hundredth of the way.
    assert torch.allclose(learned(made, True), learned(made, False), atol=4e-5)


def test_ratios_are_with_the_policy_at_the_start_of_the_update(monkeypatch):
    """What an older policy thought half as likely is not taken for a step of this update: nothing is clipped away."""
    monkeypatch.setattr("rlef.learners.optimiser.sampling_dtype", lambda device: torch.float32)
    made = sampled(tiny())
    old = [
        dataclasses.replace(one, turns=tuple(
            dataclasses.replace(turn, logprobs=tuple(value - 0.7 for value in turn.logprobs)) for turn in one.turns
        )) for one in made
    ]  # fmt: skip
    config = PPOConfig(kl=0.0, baseline="leave_one_out", learning_rate=1e-6, warmup=0)
    shares = []
    for late in (True, False):
        model = tiny()
        shares.append(PPO(model, copy.deepcopy(model), config, 0, stale=late).update(old, 0)["losses/clipfrac"])
    assert shares == [0, 1]
