"""Advantages and losses against hand computation and brute force; masked entries hold NaN throughout."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlef.learners.advantages import lambda_returns, normalise, value_advantages
from rlef.learners.losses import explained_variance, mean_log_ratio, policy_loss, value_loss

NAN = float("nan")


def test_two_turns_worked_by_hand():
    """docs/ppo.md, "A case worked by hand": a failed first turn without code, a repair, beta = 0.05, gamma = 1."""
    log_ratio = torch.tensor([[0.2, -0.4]])
    rewards = torch.tensor([[-0.2, 1.0]]) - 0.05 * log_ratio
    mask = torch.tensor([[True, True]])
    returns = lambda_returns(rewards, mask)
    assert returns.tolist() == [pytest.approx([-0.21 + 1.02, 1.02])]
    advantages = value_advantages(returns, torch.tensor([[0.5, 0.5]]), mask)
    assert advantages.tolist() == [pytest.approx([0.31, 0.52])]
    # Mean 0.415, sample standard deviation 0.21 / sqrt(2).
    assert normalise(advantages, mask).tolist() == [pytest.approx([-1 / math.sqrt(2), 1 / math.sqrt(2)], abs=1e-4)]


rows = st.lists(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=4), min_size=1, max_size=5)


@given(rows, st.floats(0, 1), st.booleans())
def test_returns_equal_the_sum(rewards, gamma, cut):
    turns = max(map(len, rewards))
    table = torch.full((len(rewards), turns), NAN)
    mask = torch.zeros(table.shape, dtype=torch.bool)
    for i, row in enumerate(rewards):
        table[i, : len(row)], mask[i, : len(row)] = torch.tensor(row), True
    after = 0.7 if cut else 0.0
    got = lambda_returns(table, mask, gamma, torch.full((len(rewards),), after))
    for i, row in enumerate(rewards):
        for t in range(turns):
            want = 0.0
            if t < len(row):
                want = sum(gamma ** (k - t) * row[k] for k in range(t, len(row))) + gamma ** (len(row) - t) * after
            assert float(got[i, t]) == pytest.approx(want, abs=1e-4)


def test_one_turn_is_the_single_turn_formula():
    rewards, mask = torch.tensor([[1.0], [-1.0]]), torch.ones((2, 1), dtype=torch.bool)
    assert torch.equal(lambda_returns(rewards, mask, 0.3), rewards)


def test_normalise_ignores_what_is_masked_and_knows_equal_rewards():
    mask = torch.tensor([[True, False], [True, True]])
    out = normalise(torch.tensor([[1.0, NAN], [2.0, 3.0]]), mask)
    assert out[0, 1] == 0
    assert float(out[mask].mean()) == pytest.approx(0, abs=1e-6)
    assert float(out[mask].std()) == pytest.approx(1, abs=1e-4)
    assert not normalise(torch.ones((2, 2)), mask).any()
    assert not normalise(torch.full((1, 1), 5.0), torch.tensor([[True]])).any()


def test_scaling_without_centre_leaves_zero_alone():
    out = normalise(torch.tensor([[0.0, 1.0, 3.0]]), torch.ones((1, 3), dtype=torch.bool), centre=False)
    assert out[0, 0] == 0
    assert float(out[0, 2] / out[0, 1]) == pytest.approx(3)


def brute_policy_loss(logprobs, old, behaviour, advantages, clip):
    total = 0.0
    for new, o, b, a in zip(logprobs, old, behaviour, advantages, strict=True):
        ratio = math.exp(new - o) * min(math.exp(new - b), 1.0)
        total -= min(ratio * a, max(min(ratio, 1 + clip), 1 - clip) * a)
    return total


tokens = st.lists(
    st.tuples(*[st.floats(-3, 0, width=32)] * 3, st.floats(-2, 2, width=32), st.booleans()), min_size=1, max_size=8
)


@given(tokens)
def test_policy_loss_equals_brute_force(cells):
    columns = [torch.tensor([[cell[k] for cell in cells]]) for k in range(4)]
    mask = torch.tensor([[cell[4] for cell in cells]])
    filled = [column.masked_fill(~mask, NAN) for column in columns]
    losses, facts = policy_loss(*filled, mask, 0.2)
    kept = [cell for cell in cells if cell[4]]
    want = brute_policy_loss(*(([cell[k] for cell in kept]) for k in range(4)), 0.2)
    assert float(losses.sum()) == pytest.approx(want, abs=1e-3, rel=1e-4)
    assert not losses[~mask].any()
    assert float(facts["approx_kl"]) >= -1e-4


def test_policy_gradient_at_the_start_is_advantage_times_score():
    logprobs = torch.tensor([[-1.0, -2.0, -0.5]], requires_grad=True)
    start = logprobs.detach().clone()
    advantages = torch.tensor([[0.5, -1.5, NAN]])
    mask = torch.tensor([[True, True, False]])
    policy_loss(logprobs, start, start, advantages, mask)[0].sum().backward()
    assert logprobs.grad.tolist() == [[-0.5, 1.5, 0.0]]


def test_clip_stops_the_gradient_and_truncation_only_ever_lowers():
    mask = torch.tensor([[True]])
    far = torch.tensor([[-0.5]], requires_grad=True)  # the ratio to old is e^0.5, far above 1.2
    policy_loss(far, torch.tensor([[-1.0]]), torch.tensor([[-1.0]]), torch.tensor([[1.0]]), mask)[0].sum().backward()
    assert far.grad.tolist() == [[0.0]]
    fresh, _ = policy_loss(*(torch.tensor([[x]]) for x in (-1.0, -1.0, -1.0, 1.0)), mask)
    stale, _ = policy_loss(*(torch.tensor([[x]]) for x in (-1.0, -1.0, -0.8, 1.0)), mask)
    assert float(fresh) == pytest.approx(-1.0)
    assert float(stale) == pytest.approx(-math.exp(-0.2))


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2))
def test_value_loss(value, old, target):
    near = min(max(value, old - 0.2), old + 0.2)
    got = value_loss(*(torch.tensor([[x, NAN]]) for x in (value, old, target)), torch.tensor([[True, False]]))
    assert float(got) == pytest.approx(0.5 * max((value - target) ** 2, (near - target) ** 2), abs=1e-4)


def test_mean_log_ratio_is_the_geometric_mean_per_turn():
    turn_ids = torch.tensor([[-1, 0, 0, -1, 1], [0, -1, -1, -1, -1]])
    logprobs = torch.tensor([[NAN, -1.0, -2.0, NAN, -0.5], [-3.0, NAN, NAN, NAN, NAN]])
    reference = torch.tensor([[NAN, -2.0, -2.5, NAN, -0.5], [-1.0, NAN, NAN, NAN, NAN]])
    assert mean_log_ratio(logprobs, reference, turn_ids, 2).tolist() == [[0.75, 0.0], [-2.0, 0.0]]


def test_explained_variance():
    returns = torch.tensor([1.0, -1.0, 1.0, -1.0])
    assert explained_variance(returns, returns) == 1.0
    assert explained_variance(torch.zeros(4), returns) == 0.0
    assert math.isnan(explained_variance(returns, torch.ones(4)))


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="boolean mask"):
        lambda_returns(torch.zeros((2, 3)), torch.zeros((2, 3)))
    with pytest.raises(ValueError, match="boolean mask"):
        value_advantages(torch.zeros((2, 3)), torch.zeros((2, 2)), torch.ones((2, 3), dtype=torch.bool))
