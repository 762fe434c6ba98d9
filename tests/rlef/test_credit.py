"""Advantages of every estimator against brute force, and how `PPOConfig` chooses among them; NaN where nothing is."""

import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlef.episode import Episode, Turn
from rlef.learners.advantages import group_relative, lambda_returns, leave_one_out, value_advantages
from rlef.learners.batch import in_step, micro_batches, to_batch
from rlef.learners.credit import Credit, assign, at_last_tokens, trimmed, with_contrast
from rlef.ppo_config import PPOConfig

NAN = float("nan")
cells = st.tuples(st.floats(-2, 2, width=32), st.floats(-2, 2, width=32), st.booleans())


def table(rows, column=None, fill=NAN):
    """Lists of different lengths as a tensor, with `fill` after their ends, and the mask."""
    shape = (len(rows), max(map(len, rows)))
    values, mask = torch.full(shape, fill), torch.zeros(shape, dtype=torch.bool)
    for i, row in enumerate(rows):
        values[i, : len(row)] = torch.tensor(row if column is None else [cell[column] for cell in row])
        mask[i, : len(row)] = True
    return values, mask


def gae(rewards, values, gamma, lam, after):
    """Schulman et al., equation 16, as it is printed: a sum of weighted temporal differences."""
    ahead = [*values, after][1:]
    delta = [r + gamma * then - v for r, v, then in zip(rewards, values, ahead, strict=True)]
    return [sum((gamma * lam) ** (k - t) * delta[k] for k in range(t, len(delta))) for t in range(len(delta))]


@given(st.lists(cells, min_size=1, max_size=9), st.floats(0, 1), st.floats(0, 1), st.floats(-1, 1))
def test_generalised_advantages_equal_the_sum_of_temporal_differences(row, gamma, lam, after):
    """Over the steps that are there: as on a grid of tokens, where feedback lies between two answers."""
    kept = [cell for cell in row if cell[2]]
    mask = torch.tensor([[cell[2] for cell in row]])
    rewards, values = (torch.tensor([[cell[k] for cell in row]]).masked_fill(~mask, NAN) for k in (0, 1))
    returns = lambda_returns(rewards, mask, gamma, torch.tensor([after]), values, lam)
    got = value_advantages(returns, values, mask)
    want = gae([cell[0] for cell in kept], [cell[1] for cell in kept], gamma, lam, after)
    assert got[mask].tolist() == pytest.approx(want, abs=1e-3)
    assert not got[~mask].any()


def test_two_turns_with_lambda_worked_by_hand():
    """docs/ppo.md: the same two turns, lambda = 0.5."""
    rewards, values, mask = torch.tensor([[-0.21, 1.02]]), torch.tensor([[0.5, 0.5]]), torch.tensor([[True, True]])
    returns = lambda_returns(rewards, mask, values=values, gae_lambda=0.5)
    assert returns.tolist() == [pytest.approx([-0.21 + 0.5 * 0.5 + 0.5 * 1.02, 1.02])]
    assert value_advantages(returns, values, mask).tolist() == [pytest.approx([0.05, 0.52])]


@given(st.lists(cells, min_size=1, max_size=6), st.floats(0, 1))
def test_lambda_one_is_the_plain_return_to_the_last_bit(row, gamma):
    rewards, mask = table([row], 0)
    values, _ = table([row], 1)
    assert torch.equal(lambda_returns(rewards, mask, gamma), lambda_returns(rewards, mask, gamma, values=values))


def test_lambda_without_values_is_refused():
    with pytest.raises(ValueError, match="needs values"):
        lambda_returns(torch.zeros((1, 2)), torch.ones((1, 2), dtype=torch.bool), gae_lambda=0.9)


def test_discounted_turn_credit_by_hand():
    """Kevin: gamma = 0.4, three turns scored 0, 0.3, 1."""
    got = lambda_returns(torch.tensor([[0.0, 0.3, 1.0]]), torch.ones((1, 3), dtype=torch.bool), 0.4)
    assert got.tolist() == [pytest.approx([0.4 * 0.3 + 0.16, 0.3 + 0.4, 1.0])]


groups_of = st.lists(st.integers(0, 2), min_size=5, max_size=5)
rows_of = st.lists(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=4), min_size=1, max_size=5)


def peers_of(rows, groups, i, t, pooled):
    """Returns that the one of episode i, turn t is compared with, itself first."""
    others = [
        other[k]
        for j, other in enumerate(rows)
        for k in range(len(other))
        if groups[j] == groups[i] and (j, k) != (i, t) and (pooled or k == t)
    ]
    return [rows[i][t], *others]


@given(rows_of, groups_of, st.booleans())
def test_leave_one_out_equals_brute_force(rows, groups, pooled):
    returns, mask = table(rows)
    got = leave_one_out(returns, mask, torch.tensor(groups[: len(rows)]), pooled)
    for i, row in enumerate(rows):
        for t in range(returns.shape[1]):
            own, *others = peers_of(rows, groups, i, t, pooled) if t < len(row) else [0.0]
            assert float(got[i, t]) == pytest.approx(own - statistics.fmean(others) if others else 0.0, abs=1e-5)


@given(rows_of, groups_of, st.booleans(), st.booleans())
def test_group_relative_equals_brute_force(rows, groups, pooled, scale):
    returns, mask = table(rows)
    got = group_relative(returns, mask, torch.tensor(groups[: len(rows)]), pooled, scale)
    for i, row in enumerate(rows):
        for t in range(returns.shape[1]):
            want = 0.0
            if t < len(row) and len(peers := peers_of(rows, groups, i, t, pooled)) > 1:
                want = row[t] - statistics.fmean(peers)
                want /= (statistics.stdev(peers) + 1e-6) if scale else 1
            assert float(got[i, t]) == pytest.approx(want, abs=1e-3, rel=1e-3)


def test_one_turn_is_the_papers_formula_of_single_turn():
    """GRPO, Dr. GRPO and RLOO for one answer each, rewards 1, 0, 0, 1; the two kinds of peers are the same then."""
    rewards, mask, group = torch.tensor([[1.0], [0.0], [0.0], [1.0]]), torch.ones((4, 1), dtype=torch.bool), [0] * 4
    for pooled in (False, True):
        options = (rewards, mask, torch.tensor(group), pooled)
        assert group_relative(*options).ravel().tolist() == pytest.approx([0.866, -0.866, -0.866, 0.866], abs=1e-3)
        assert group_relative(*options, scale=False).ravel().tolist() == [0.5, -0.5, -0.5, 0.5]
        assert leave_one_out(*options).ravel().tolist() == pytest.approx([2 / 3, -2 / 3, -2 / 3, 2 / 3])


@given(st.floats(-2, 2, width=32), st.integers(1, 7))
def test_equal_rewards_are_no_advantage_and_rounding_is_not_scaled_up(reward, size):
    returns, mask = torch.full((size, 1), reward), torch.ones((size, 1), dtype=torch.bool)
    assert not group_relative(returns, mask, torch.zeros(size, dtype=torch.long)).any()


def episode(task, rewards, *, passed=False, truncated=False, values=None):
    """An episode whose answers have 2, 3, ... tokens; the last program passes if `passed`."""
    turns = []
    for k, reward in enumerate(rewards):
        good = passed and k == len(rewards) - 1
        turns.append(
            Turn(
                "", "", "p", ("accepted" if good else "wrong_answer",), ("accepted",) if good else None, reward,
                (1, 2), tuple(range(3, 5 + k)), (-1.0,) * (2 + k), value=values[k] if values else 0.0,
            )
        )  # fmt: skip
    return Episode(task, 0, tuple(turns), truncated=truncated)


def credit_of(episodes, log_ratio=None, values=None, **fields):
    batch = to_batch(episodes, range(len(episodes)))
    ratio = torch.zeros(batch.turns.shape) if log_ratio is None else log_ratio
    return assign(episodes, batch, ratio, PPOConfig(**fields), values), batch


def test_trajectory_local_credit():
    """FC-SWE: [0, 1] stays [0, 1] and is not [1, 1]; all attempts at the problem are one leave-one-out group."""
    samples = [episode("a", [0.0, 1.0], passed=True), episode("a", [0.0, -1.0])]
    credit, _ = credit_of(samples, credit="attempt", baseline="leave_one_out", peers="task", scale="none")
    assert credit.returns.tolist() == [[0, 1], [0, 0]]
    assert credit.advantages.flatten().tolist() == pytest.approx([-1 / 3, 1, -1 / 3, -1 / 3])


def test_group_baselines_worked_by_hand():
    """docs/group_baselines.md: A solves the task at once, B at the second try, C not in two."""
    samples = [episode("a", [1.0], passed=True), episode("a", [0.0, 1.0], passed=True), episode("a", [0.0, -1.0])]

    def of(**fields):
        credit, _ = credit_of(samples, **({"scale": "none", "baseline": "group"} | fields))
        return credit.advantages[credit.steps].tolist()

    assert of(baseline="leave_one_out") == pytest.approx([1, 1, 2, -2, -2])
    assert of() == pytest.approx([2 / 3, 2 / 3, 1, -4 / 3, -1])
    assert of(scale="group") == pytest.approx([0.577, 0.577, 0.707, -1.155, -0.707], abs=1e-3)
    kevin = of(scale="group", peers="task", gamma=0.4)
    assert kevin == pytest.approx([0.906, 0.226, 0.906, -0.679, -1.359], abs=1e-3)
    local = of(baseline="leave_one_out", peers="task", credit="attempt")
    assert local == pytest.approx([0.75, -0.5, 0.75, -0.5, -0.5])


@pytest.mark.parametrize("fields", [{}, {"gae_lambda": 0.5}, {"baseline": "leave_one_out"}, {"baseline": "group"}])
def test_truncated_episodes_bootstrap_and_terminated_ones_do_not(fields):
    samples = [
        episode("a", [0.0, 0.0], truncated=True, values=[0.1, 0.6]),
        episode("a", [0.0, 0.0], values=[0.1, 0.6]),
    ]
    credit, _ = credit_of(samples, gamma=0.5, **fields)
    assert credit.returns[0, 1] == pytest.approx(0.5 * 0.6)
    assert credit.returns[1, 1] == 0


def test_zero_final_reward_is_legal():
    """A reward of 0 at the end is a reward, not a missing one."""
    samples = [episode("a", [0.0]), episode("a", [1.0], passed=True)]
    credit, _ = credit_of(samples, baseline="leave_one_out", scale="none")
    assert credit.advantages.flatten().tolist() == [-1, 1]
    credit, _ = credit_of(samples, scale="none")
    assert credit.advantages.flatten().tolist() == [0, 1]


def test_token_level_steps():
    """The reward of a turn lies on its last token; the return passes over feedback; every token has its own value."""
    samples = [episode("a", [-0.2, 1.0], passed=True), episode("b", [0.5], truncated=True)]
    batch = to_batch(samples, range(2))
    values = torch.full(batch.ids.shape, 0.25).masked_fill(~batch.action, NAN)
    credit, _ = credit_of(samples, torch.tensor([[1.0, 0.0], [0.0, NAN]]), values, value="token", scale="none")
    assert torch.equal(credit.steps, batch.action)
    assert credit.returns[0][batch.action[0]].tolist() == pytest.approx([-0.25 + 1] * 2 + [1] * 3)
    assert credit.returns[1][batch.action[1]].tolist() == pytest.approx([0.5 + 0.25] * 2)
    assert credit.advantages[0][batch.action[0]].tolist() == pytest.approx([0.5] * 2 + [0.75] * 3)
    assert not credit.advantages[~batch.action].any()
    rewards = at_last_tokens(torch.tensor([[-0.25, 1.0], [0.5, NAN]]), batch.turn_ids)
    assert rewards[0].tolist() == [0, 0, 0, -0.25, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("value", ["turn", "token"])
def test_micro_batches_get_the_advantages_of_their_episodes(value):
    samples = [episode("a", [0.0, 1.0]), episode("b", [0.5]), episode("c", [0.0, 0.0, -1.0])]
    values = torch.zeros(to_batch(samples, range(3)).ids.shape) if value == "token" else None
    credit, whole = credit_of(samples, values=values, value=value)
    everything = credit.of_tokens(whole)
    for batch in micro_batches(samples, range(3), 10):
        assert credit.rows(batch).steps.shape == (batch.action if value == "token" else batch.turns).shape
        got = credit.of_tokens(batch)
        for row, i in enumerate(batch.index):
            assert torch.equal(got[row][batch.action[row]], everything[i][whole.action[i]])


@pytest.mark.parametrize("processes", [2, 3, 7])
def test_processes_in_step_have_as_many_batches_and_each_episode_counts_once(processes):
    samples = [episode(str(size), [0.0] * size) for size in (9, 1, 9, 1, 9, 9, 1, 9)]
    shares = [range(8)[rank::processes] for rank in range(processes)]
    alone = [[batch.index for batch in micro_batches(samples, share, 30)] for share in shares]
    together = [list(in_step(samples, shares, rank, 30)) for rank in range(processes)]
    assert len(set(map(len, alone))) > 1, "else nothing waits for anything"
    assert len(set(map(len, together))) == 1
    assert [[batch.index for batch in batches if batch.counts] for batches in together] == alone
    assert {len(batch.index) for batches in together for batch in batches if not batch.counts} == {1}


def test_only_tasks_with_contrast_are_learned_from():
    samples = [
        episode("same", [-1.0]), episode("mixed", [1.0], passed=True), episode("same", [-1.0]),
        episode("mixed", [-1.0]),
        episode("late", [1.0], passed=True), episode("late", [0.0, 1.0], passed=True),
    ]  # fmt: skip

    def left(**fields):
        return {one.task for one in with_contrast(samples, PPOConfig(baseline="group", **fields))}

    assert left() == {"mixed"}
    # Solved at once or later: a difference where all turns are compared and credit is discounted, or the attempt's own.
    assert left(peers="task", gamma=0.4) == {"mixed", "late"}
    assert left(peers="task", credit="attempt") == {"mixed", "late"}


def test_last_turns_without_an_advantage_are_trimmed():
    """They leave the loss of the critic too: a micro-batch is as wide as its longest episode."""
    samples = [episode("a", [0.0, 1.0]), episode("a", [0.0, 0.0, 0.0]), episode("a", [1.0])]
    numbers = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.001, 0.0], [0.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, False], [True, True, True], [True, False, False]])
    kept, credit = trimmed(samples, Credit(numbers, numbers, numbers, mask, False))
    assert [len(one.turns) for one in kept] == [2, 1]
    assert kept[0] == samples[0]
    assert torch.equal(credit.advantages, numbers[:2])
    batch = to_batch(kept, range(2))
    assert torch.equal(credit.rows(batch).steps, batch.turns)


@pytest.mark.parametrize(
    "fields",
    [{}, {"value": "token"}, {"gae_lambda": 0.9}]
    + [
        {"baseline": baseline, "peers": peers, "credit": credit, "scale": scale}
        for baseline, scales in (("leave_one_out", ("batch", "none")), ("group", ("batch", "group", "none")))
        for scale in scales
        for peers in ("turn", "task")
        for credit in ("return", "attempt")
    ],
)
def test_what_is_masked_never_matters(fields):
    """A log-ratio or value of NaN where an episode has no turn reaches no advantage of any estimator."""
    samples = [episode("a", [0.0, 1.0], passed=True), episode("a", [-1.0]), episode("b", [0.0, -1.0])]
    batch = to_batch(samples, range(3))
    ratio = torch.where(batch.turns, 0.1, NAN)
    values = torch.where(batch.action, 0.1, NAN) if fields.get("value") == "token" else None
    credit, _ = credit_of(samples, ratio, values, **fields)
    assert torch.isfinite(credit.advantages).all()
    assert torch.isfinite(credit.returns).all()
