"""Packed weights give the numbers of plain ones, and follow them when they change."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rlef.policies.engine import TransformersEngine
from rlef.policies.interface import Request, Sampling
from rlef.policies.packed import PackedLinear, pack, supported
from tests.rlef.learning import tiny

needed = pytest.mark.skipif(not supported(), reason="no oneDNN kernels for bfloat16 on this processor")


@needed
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 300), st.booleans())
def test_the_numbers_of_the_plain_layer(rows, inputs, outputs, bias):
    plain = nn.Linear(inputs, outputs, bias).bfloat16()
    x = torch.randn(rows, 3, inputs).bfloat16()
    with torch.no_grad():
        torch.testing.assert_close(PackedLinear(plain)(x), plain(x), atol=1e-2, rtol=1e-2)


@needed
def test_a_step_without_new_packing_has_the_old_weights():
    layer, x = PackedLinear(nn.Linear(8, 4).bfloat16()), torch.ones(1, 8).bfloat16()
    with torch.no_grad():
        before = layer(x)
        layer.plain.weight.add_(1)
        assert torch.equal(layer(x), before)
        layer.refresh()
        assert torch.equal(layer(x), layer.plain(x))


def test_the_sampler_follows_the_learner():
    """A sampler that got new weights says what one says that was made from them, packed or not."""
    learner = tiny()
    sampler = TransformersEngine(learner, frozenset(), torch.bfloat16)
    assert bool(sampler._packed) == supported()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    sampler.load(learner)
    request, sampling = Request((0,), (5, 6, 7), (1,)), Sampling(1.0, 1.0, 12)
    fresh = TransformersEngine(learner, frozenset(), torch.bfloat16).generate([request], sampling)
    assert sampler.generate([request], sampling) == fresh


def test_only_what_gains_is_packed():
    model = tiny()
    assert pack(copy.deepcopy(model)) == []
    layers = [name for name, _ in model.named_parameters()]
    half = model.bfloat16()
    assert len(pack(half)) == (15 if supported() else 0)  # seven a layer, and the output
    assert [name.replace(".plain", "") for name, _ in half.named_parameters()] == layers
