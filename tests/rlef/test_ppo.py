"""Every choice of `PPOConfig`: reachable by a flag, one update on a tiny model, checked; no sandbox needed."""

import copy
import dataclasses
import math
import re
from pathlib import Path

import pytest
import torch

from rlef.cli import parse
from rlef.config import RolloutConfig, TrainConfig, check
from rlef.episode import Episode
from rlef.errors import RlefError
from rlef.learners.batch import action_logprobs, forward, to_batch
from rlef.learners.ppo import PPO
from rlef.ppo_config import PPOConfig
from tests.rlef.learning import sampled, tiny

CHOICES = {
    "rlef": {},
    "lambda": {"gae_lambda": 0.9},
    "token-value": {"value": "token", "gae_lambda": 0.95},
    "leave-one-out": {"baseline": "leave_one_out"},
    "grpo": {"baseline": "group", "scale": "group", "average": "answer"},
    "dr-grpo": {"baseline": "group", "scale": "none", "average": "constant"},
    "dapo": {"baseline": "group", "scale": "group", "clip_high": 0.28, "kl": 0.0},
    "gspo": {"baseline": "group", "scale": "group", "loss": "gspo", "average": "answer", "clip": 3e-4,
             "clip_high": 4e-4},
    "cispo": {"baseline": "group", "scale": "group", "loss": "cispo", "clip": 1.0, "clip_high": 0.28},
    "fc-swe": {"baseline": "leave_one_out", "peers": "task", "credit": "attempt", "scale": "none"},
    "kevin": {"baseline": "group", "scale": "group", "peers": "task", "gamma": 0.4},
    "passes": {"passes": 2, "target_kl": 10.0},
}  # fmt: skip


@pytest.fixture(scope="module")
def episodes():
    return sampled(tiny())


def learner(**fields):
    model = tiny()
    return PPO(model, copy.deepcopy(model), PPOConfig(**({"learning_rate": 1e-3, "warmup": 0} | fields)), 0)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_a_flag_and_learns(name, episodes):
    fields = CHOICES[name]
    flags = [word for field, value in fields.items() for word in (f"--ppo.{field}", str(value))]
    config = parse(TrainConfig, TrainConfig(), flags, "rlef train")
    check(config)
    assert config.ppo == PPOConfig(**fields)
    ppo = learner(**fields)
    metrics = ppo.update(episodes, 0)
    assert all(math.isfinite(value) for value in metrics.values()), metrics
    assert metrics["learn/episodes"] == 8
    assert metrics["learn/optimiser_steps"] == 4 * fields.get("passes", 1)
    assert not same(ppo.model, tiny())
    assert all(torch.isfinite(weight).all() for weight in ppo.model.state_dict().values())


@pytest.mark.parametrize("name", CHOICES)
def test_an_episode_of_nans_that_the_sandbox_failed_on_changes_nothing(name, episodes):
    nan = float("nan")
    turns = [
        dataclasses.replace(t, reward=nan, value=nan, logprobs=(nan,) * len(t.logprobs)) for t in episodes[1].turns
    ]
    poison = dataclasses.replace(episodes[1], turns=tuple(turns), sandbox_failure=True)
    clean, poisoned = learner(**CHOICES[name]), learner(**CHOICES[name])
    assert clean.update(episodes, 0) == poisoned.update([poison, *episodes, poison], 0)
    assert same(clean.model, poisoned.model)
    assert same(clean.critic, poisoned.critic)
    # The control: unmarked, it stops the update before a step, and the policy is as it was.
    control = learner(**CHOICES[name])
    with pytest.raises(RlefError, match="not a number"):
        control.update([dataclasses.replace(poison, sandbox_failure=False), *episodes], 0)
    if control.steps == 0:
        assert same(control.model, tiny())


@pytest.mark.parametrize("name", ["leave-one-out", "grpo", "dr-grpo", "fc-swe", "kevin"])
def test_all_equal_groups_teach_nothing(name):
    """No update, no step, no division by a spread of zero."""
    ppo = learner(**CHOICES[name])
    equal = sampled(tiny(), [[-1.0]] * 4, [0, 0, 1, 1])
    assert ppo.update(equal, 0) == {"learn/episodes": 0.0}
    assert same(ppo.model, tiny())
    assert ppo.steps == 0


def test_an_empty_batch_teaches_nothing():
    ppo = learner()
    assert ppo.update([], 0) == {"learn/episodes": 0.0}
    assert ppo.update([Episode("a", 0, (), truncated=True)], 0) == {"learn/episodes": 0.0}
    assert same(ppo.model, tiny())


def test_the_update_ends_early_on_kl(episodes):
    """The first mini-batch always steps; one that has gone too far is forgotten, in the critic too."""
    far = learner(target_kl=1e-9, passes=3, mini_batches=2, learning_rate=1e-2)
    assert far.update(episodes, 0)["learn/optimiser_steps"] == 1
    once = learner(mini_batches=2, learning_rate=1e-2)
    steps, whole = [], once._step
    once._step = lambda: steps.append(1) or (whole() if len(steps) == 1 else 0.0)
    once.update(episodes, 0)
    assert same(far.model, once.model)


@pytest.mark.parametrize("fields", [{"kl": 0.0}, {"kl": 0.0, "value": "token"}])
def test_the_critic_learns_what_turns_are_worth(episodes, fields):
    """The value of what always earns 1 rises towards 1; of what always earns -1, to -1."""
    good = [episodes[0], episodes[4]]
    bad = [episodes[1], episodes[5]]
    for kind, sign in ((good, 1), (bad, -1)):
        ppo = learner(**fields, critic_learning_rate=1e-2, learning_rate=1e-6, mini_batches=1)
        losses = [ppo.update(kind, number)["losses/value_loss"] for number in range(5)]
        assert losses[-1] < losses[0]
        assert float(ppo.critic.head.bias.detach()) * sign > 0


@pytest.mark.parametrize("name", ["rlef", "token-value", "grpo", "gspo", "cispo", "fc-swe"])
def test_rewarded_answers_become_likelier(name):
    """Four answers to one prompt each, one rewarded: it gains probability, the others lose some."""
    model = tiny()
    ppo = PPO(model, copy.deepcopy(model), PPOConfig(**({"learning_rate": 2e-4, "warmup": 0} | CHOICES[name])), 0)
    batch = sampled(model, [[1.0], [-1.0], [-1.0], [-1.0]], [0, 0, 0, 0])
    tensors = to_batch(batch, range(4))

    def score():
        with torch.no_grad():
            return action_logprobs(model, forward(model, tensors), tensors).sum(-1)

    before = score()
    for number in range(2):
        ppo.update(sampled(model, [[1.0], [-1.0], [-1.0], [-1.0]], [0, 0, 0, 0]), number)
    change = score() - before
    assert change[0] > 0
    assert change[1:].mean() < 0


def test_the_average_follows_the_weights_and_leaves_them_alone(episodes):
    plain, averaging = learner(), learner(ema=0.6)
    expected = [value.detach().clone() for value in averaging.model.parameters()]
    for number in range(3):
        assert plain.update(episodes, number) == averaging.update(episodes, number)
        expected = [0.6 * old + 0.4 * new for old, new in zip(expected, averaging.model.parameters(), strict=True)]
        with averaging.averaged():
            for value, wanted in zip(averaging.model.parameters(), expected, strict=True):
                torch.testing.assert_close(value, wanted)
            assert not same(averaging.model, plain.model)
        assert same(averaging.model, plain.model)
    with plain.averaged():
        assert same(averaging.model, plain.model)


def test_every_logged_metric_is_explained():
    root = Path(__file__).parents[2]
    explained = (root / "docs" / "metrics.md").read_text()
    sources = [root / "rlef" / "train.py", root / "rlef" / "learners" / "ppo.py"]
    names = {name for path in sources for name in re.findall(r'"([a-z]+/[a-z_]+)"', path.read_text())}
    assert len(names) > 25
    assert not {name for name in names if f"`{name}`" not in explained}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gae_lambda": 0.9, "baseline": "group"}, "ppo.gae_lambda = 0.9: must be 1 with ppo.baseline = 'group'"),
        ({"gae_lambda": 1.1}, "ppo.gae_lambda = 1.1: must be between 0 and 1"),
        ({"peers": "task"}, "ppo.peers = 'task': must be 'turn' with ppo.baseline = 'critic'"),
        ({"scale": "group", "baseline": "leave_one_out"}, "ppo.scale = 'group': must be 'batch' or 'none'"),
        ({"value": "token", "baseline": "group"}, "ppo.value = 'token': must be 'turn'"),
        ({"value": "token", "credit": "attempt"}, "ppo.value = 'token': must be 'turn' with ppo.credit = 'attempt'"),
        ({"passes": 0}, "ppo.passes = 0: must be at least 1"),
        ({"target_kl": -1.0}, "ppo.target_kl = -1.0: must be 0 or more"),
        ({"ema": 1.0}, "ppo.ema = 1.0: must be at least 0, below 1"),
        ({"clip_high": -0.1}, "ppo.clip_high = -0.1: must be 0 or more"),
        ({"shard": True, "compile": True}, "ppo.compile = True: must be off with ppo.shard"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(fields, message):
    with pytest.raises(RlefError, match=message.replace("(", r"\(")):
        check(TrainConfig(ppo=PPOConfig(**fields)))


def test_a_comparison_needs_two_samples():
    with pytest.raises(RlefError, match=r"rollout.samples = 1: must be at least 2 with ppo.baseline = 'group'"):
        check(TrainConfig(rollout=RolloutConfig(samples=1), ppo=PPOConfig(baseline="group")))


def test_a_critic_that_is_no_number_stops_the_run_before_the_step(episodes):
    """Its values do not reach the policy's loss here, so the policy's gradient tells nothing."""
    ppo = learner(baseline="leave_one_out")
    with torch.no_grad():
        for parameter in ppo.critic.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(RlefError, match="not a number"):
        ppo.update(episodes, 0)
    assert same(ppo.model, tiny())
