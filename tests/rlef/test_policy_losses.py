"""The later policy losses against brute force: clip-higher, sequence ratio, clipped weight, and what is averaged."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlef.learners.losses import (
    average,
    clipped_weight_loss,
    importance_weight,
    policy_loss,
    sequence_policy_loss,
)

NAN = float("nan")
# A token: log-probability, the old one, advantage, and the turn that sampled it (-1: none).
rows_of = st.lists(
    st.tuples(st.floats(-3, 0, width=32), st.floats(-3, 0, width=32), st.floats(-2, 2, width=32), st.integers(-1, 2)),
    min_size=1,
    max_size=8,
)


def columns(rows):
    turn_ids = torch.tensor([[row[3] for row in rows]])
    table = [torch.tensor([[row[k] for row in rows]]).masked_fill(turn_ids < 0, NAN) for k in range(3)]
    table[0].requires_grad_()
    return *table, turn_ids


def clipped(ratio, advantage, low, high):
    return -min(ratio * advantage, max(min(ratio, 1 + high), 1 - low) * advantage)


def of_turn(rows, turn):
    return [row for row in rows if row[3] == turn]


@given(rows_of)
def test_clip_higher_equals_brute_force(rows):
    """DAPO, with the token mean."""
    logprobs, old, advantages, turn_ids = columns(rows)
    losses, _ = policy_loss(logprobs, old, old, advantages, turn_ids >= 0, 0.2, 0.28)
    want = sum(
        clipped(math.exp(new - was) * min(math.exp(new - was), 1), a, 0.2, 0.28) for new, was, a, t in rows if t >= 0
    )
    assert float(average(losses.detach(), turn_ids, "token")) == pytest.approx(want, abs=1e-3, rel=1e-4)


@given(rows_of)
def test_sequence_ratio_equals_brute_force(rows):
    """GSPO: each answer has the geometric mean of its token ratios, and every answer counts the same."""
    logprobs, old, advantages, turn_ids = columns([(*row[:2], 0.7 * (row[3] + 0.5), row[3]) for row in rows])
    losses, _ = sequence_policy_loss(logprobs, old, advantages, turn_ids, 0.1, 0.3)
    want = 0.0
    for turn in range(3):
        if tokens := of_turn(rows, turn):
            ratio = math.exp(sum(new - was for new, was, *_ in tokens) / len(tokens))
            want += clipped(ratio, 0.7 * (turn + 0.5), 0.1, 0.3)
    assert float(average(losses.detach(), turn_ids, "answer")) == pytest.approx(want, abs=1e-3, rel=1e-4)


def test_sequence_ratio_has_the_papers_gradient():
    """Of -s A, in each token s A / |a|: the gradient of the geometric mean, written out."""
    logprobs = torch.tensor([[-1.0, -2.0, NAN, -0.5]], requires_grad=True)
    old = torch.tensor([[-1.1, -1.9, NAN, -0.8]])
    turn_ids = torch.tensor([[0, 0, -1, 1]])
    losses, facts = sequence_policy_loss(logprobs, old, torch.tensor([[2.0, 2.0, NAN, -1.0]]), turn_ids, 0.2, 0.5)
    average(losses, turn_ids, "answer").backward()
    # Turn 0: the log-ratios are 0.1 and -0.1, so s = 1; turn 1: s = e^0.3.
    assert logprobs.grad.tolist() == [pytest.approx([-1.0, -1.0, 0.0, math.exp(0.3)])]
    assert float(facts["clipped"]) == 0


def test_sequence_ratio_is_clipped_for_all_tokens_of_the_answer():
    logprobs = torch.tensor([[-1.0, -1.0]], requires_grad=True)
    old = torch.tensor([[-2.0, -1.0]])  # the second token has not moved, its answer has
    turn_ids = torch.zeros((1, 2), dtype=torch.long)
    losses, facts = sequence_policy_loss(logprobs, old, torch.ones((1, 2)), turn_ids, 0.2, 0.2)
    losses.sum().backward()
    assert logprobs.grad.tolist() == [[0, 0]]
    assert float(facts["clipped"]) == 2


@given(rows_of)
def test_clipped_weight_equals_brute_force_and_keeps_every_gradient(rows):
    """CISPO: the gradient of a token is its clipped ratio times its advantage, and is nowhere cut off."""
    logprobs, old, advantages, turn_ids = columns(rows)
    losses, _ = clipped_weight_loss(logprobs, old, advantages, turn_ids >= 0, 1.0, 0.3)
    losses.sum().backward()
    for got, loss, (new, was, a, t) in zip(logprobs.grad[0], losses[0], rows, strict=True):
        weight = max(min(math.exp(new - was), 1.3), 0.0)
        assert float(loss.detach()) == pytest.approx(-weight * a * new if t >= 0 else 0.0, abs=1e-4)
        assert float(got) == pytest.approx(-weight * a if t >= 0 else 0.0, abs=1e-4)


@given(rows_of)
def test_importance_weight_is_truncated_and_has_no_gradient(rows):
    logprobs, behaviour, _, turn_ids = columns(rows)
    got = importance_weight(logprobs, behaviour, turn_ids >= 0)
    assert not got.requires_grad
    for weight, (new, was, _, t) in zip(got[0], rows, strict=True):
        assert float(weight) == pytest.approx(min(math.exp(new - was), 1.0) if t >= 0 else 1.0, rel=1e-4)


@given(rows_of)
def test_averages_equal_brute_force(rows):
    logprobs, _, _, turn_ids = columns(rows)
    losses = logprobs.detach().masked_fill(turn_ids < 0, 0.0)
    every = sum(new for new, *_, t in rows if t >= 0)
    answers = [[new for new, *_ in of_turn(rows, turn)] for turn in range(3)]
    assert float(average(losses.detach(), turn_ids, "token")) == pytest.approx(every, abs=1e-4)
    assert float(average(losses, turn_ids, "constant")) == pytest.approx(every, abs=1e-4)
    want = sum(sum(one) / len(one) for one in answers if one)
    assert float(average(losses, turn_ids, "answer")) == pytest.approx(want, abs=1e-4)


def test_one_token_one_turn_is_the_same_in_all():
    """Where the policy has not moved, all losses are the policy gradient: -A times the gradient of log pi."""
    for loss in (
        lambda new, old, a, turn: policy_loss(new, old, old, a, turn >= 0),
        sequence_policy_loss,
        lambda new, old, a, turn: clipped_weight_loss(new, old, a, turn >= 0),
    ):
        logprobs = torch.tensor([[-1.5]], requires_grad=True)
        loss(logprobs, torch.tensor([[-1.5]]), torch.tensor([[0.7]]), torch.tensor([[0]]))[0].sum().backward()
        assert logprobs.grad.tolist() == [[pytest.approx(-0.7)]]
