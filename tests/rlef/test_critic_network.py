"""The paper's critic: a second network from the same start, trained through; its values come before the update."""

import contextlib
import dataclasses
import io

import pytest
import torch

from rlef.config import TrainConfig, check
from rlef.errors import RlefError
from rlef.learners.batch import micro_batches, to_batch
from rlef.learners.critic import CriticNetwork
from rlef.policies.lora import add_adapter
from rlef.ppo_config import LoraConfig, PPOConfig
from tests.rlef.learning import sampled, tiny
from tests.rlef.test_ppo import learner, same


@pytest.fixture(scope="module")
def episodes():
    """As sampled without a critic."""
    return [
        dataclasses.replace(one, turns=tuple(dataclasses.replace(turn, value=None) for turn in one.turns))
        for one in sampled(tiny())
    ]


def network(**fields):
    return learner(critic="network", **fields)


@pytest.mark.parametrize("value", ["turn", "token"])
def test_values_are_read_at_the_last_prompt_token(episodes, value, monkeypatch):
    """Of each turn, or at the token before each sampled one, by brute force: one episode at a time, from its beginning
    to that token."""
    monkeypatch.setattr("rlef.learners.critic.autocast", contextlib.nullcontext)
    ppo = network(value=value)
    torch.nn.init.normal_(ppo.critic.head.weight)
    everything = to_batch(episodes, range(len(episodes)))
    values = ppo._values(episodes, everything)
    for row, episode in enumerate(episodes):
        ids, at = [], []
        for turn in episode.turns:
            ids += turn.prompt_ids
            at += [len(ids) - 1] if value == "turn" else range(len(ids) - 1, len(ids) + len(turn.response_ids) - 1)
            ids += turn.response_ids
        grid = everything.turns if value == "turn" else everything.action
        for place, found in zip(at, values[row][grid[row]].tolist(), strict=True):
            with torch.no_grad():
                hidden = ppo.critic.body(input_ids=torch.tensor([ids[: place + 1]])).last_hidden_state[0, -1]
                assert float(ppo.critic(hidden)) == pytest.approx(found, abs=1e-3)


def test_both_networks_learn_and_apart_from_each_other(episodes):
    """From the same start. The policy's gradient does not reach the critic, nor the critic's the policy."""
    ppo = network()
    body = ppo.critic.body
    start = tiny().base_model
    assert isinstance(ppo.critic, CriticNetwork)
    assert same(body, start)
    assert not {id(one) for one in body.parameters()} & {id(one) for one in ppo.model.parameters()}
    metrics = ppo.update(episodes, 0)
    assert metrics["losses/value_loss"] > 0
    assert not same(body, start)
    assert not same(body, ppo.model.base_model)
    policy = [parameter.clone() for parameter in ppo.model.parameters()]
    for batch in micro_batches(episodes, range(8), 2048):
        ppo._estimates(batch).sum().backward()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in ppo.model.parameters())
    assert any(parameter.grad.any() for parameter in body.parameters())
    assert all(torch.equal(a, b) for a, b in zip(policy, ppo.model.parameters(), strict=True))


def test_it_learns_what_a_head_cannot(episodes):
    """Values of answers to random prompts: the network fits them, the head on hidden states that nobody shapes not."""
    nothing = {"approx_kl": torch.zeros(1), "clipped": torch.zeros(1)}
    ends = {}
    for name in ("head", "network"):
        ppo = learner(
            critic=name, kl=0.0, critic_learning_rate=1e-2, learning_rate=1e-3, weight_decay=0.0, mini_batches=1,
            value_clip=10.0,
        )  # fmt: skip
        ppo._policy_loss = lambda logprobs, *args: (logprobs * 0, nothing)  # the policy stays
        ends[name] = [ppo.update(episodes, number)["losses/value_loss"] for number in range(30)][-1]
    assert ends["network"] < ends["head"] / 2


def test_values_in_the_record_do_not_matter(episodes):
    nan = float("nan")
    other = [
        dataclasses.replace(one, turns=tuple(dataclasses.replace(turn, value=nan) for turn in one.turns))
        for one in episodes
    ]
    one, two = network(), network()
    first, second = one.update(episodes, 0), two.update(other, 0)
    assert first.pop("losses/explained_variance") == second.pop("losses/explained_variance")
    assert first == second
    assert same(one.model, two.model)
    assert same(one.critic, two.critic)


def test_step_sizes(episodes):
    """The network's is the policy's, with its warm-up; the head has its own."""
    ppo = network(warmup=8, learning_rate=1e-3, critic_learning_rate=1e-2)
    ppo.update(episodes, 0)
    head, body = ppo.critic_optimiser.param_groups
    assert (head["lr"], body["lr"]) == (1e-2, pytest.approx(1e-3 * 4 / 8))
    assert (head["weight_decay"], body["weight_decay"]) == (0.0, 0.1)


@pytest.mark.parametrize("fields", [{}, {"frozen_layers": 1}])
def test_the_state_goes_on_exactly(episodes, fields):
    whole, first, file = network(**fields), network(**fields), io.BytesIO()
    for number in range(2):
        whole.update(episodes, number)
    first.update(episodes, 0)
    torch.save({"model": first.model.state_dict(), **first.state_dict()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    second = network(**fields)
    second.model.load_state_dict(state["model"])
    second.load_state_dict(state)
    second.update(episodes, 1)
    assert same(whole.model, second.model)
    assert same(whole.critic, second.critic)
    frozen = [name for name in state["critic"] if "embed" in name or ".layers.0." in name]
    assert bool(frozen) != bool(fields)


def test_under_lora_it_has_adapters_too(episodes):
    from rlef.learners.ppo import PPO

    model = tiny()
    add_adapter(model, LoraConfig(rank=2), 0)
    ppo = PPO(model, None, PPOConfig(critic="network", learning_rate=1e-2, warmup=0), 0)
    before = {name: value.clone() for name, value in ppo.critic.named_parameters()}
    ppo.update(episodes, 0)
    moved = {name for name, value in ppo.critic.named_parameters() if not torch.equal(value, before[name])}
    assert moved
    assert all(".lora_" in name or name.startswith("head.") for name in moved)
    assert set(ppo.state_dict()["critic"]) >= moved


def test_a_network_without_a_use_is_refused():
    with pytest.raises(RlefError, match=r"ppo.critic = 'network': must be 'head' with ppo.baseline = 'leave_one_out'"):
        check(TrainConfig(ppo=PPOConfig(critic="network", baseline="leave_one_out")))
