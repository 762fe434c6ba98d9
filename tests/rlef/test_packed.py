"""Packed weights give the numbers of plain ones, and follow them when they change."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rlef.policies.engine import TransformersEngine
from rlef.policies.interface import Request, Sampling
from rlef.policies.packed import PackedLinear, pack, supported
from tests.rlef.learning import tiny

half = pytest.param(
    torch.bfloat16,
    marks=pytest.mark.skipif(not supported(torch.bfloat16), reason="no oneDNN kernels for bfloat16 on this processor"),
)
precisions = pytest.mark.parametrize("dtype", [torch.float32, half])


@precisions
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 300), st.booleans())
def test_the_numbers_of_the_plain_layer(dtype, rows, inputs, outputs, bias):
    plain = nn.Linear(inputs, outputs, bias).to(dtype)
    x = torch.randn(rows, 3, inputs).to(dtype)
    tolerance = 1e-5 if dtype is torch.float32 else 1e-2
    with torch.no_grad():
        torch.testing.assert_close(PackedLinear(plain)(x), plain(x), atol=tolerance, rtol=tolerance)


@precisions
def test_a_step_without_new_packing_has_the_old_weights(dtype):
    layer, x = PackedLinear(nn.Linear(8, 4).to(dtype)), torch.ones(1, 8).to(dtype)
    with torch.no_grad():
        before = layer(x)
        layer.plain.weight.add_(1)
        assert torch.equal(layer(x), before)
        layer.refresh()
        torch.testing.assert_close(layer(x), layer.plain(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_sampler_follows_the_learner(dtype):
    """A sampler that got new weights says what one says that was made from them, packed or not."""
    learner = tiny()
    sampler = TransformersEngine(learner, frozenset(), dtype)
    assert bool(sampler._packed) == supported(dtype)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    sampler.load(learner)
    request, sampling = Request((0,), (5, 6, 7), (1,)), Sampling(1.0, 1.0, 12)
    fresh = TransformersEngine(learner, frozenset(), dtype).generate([request], sampling)
    assert sampler.generate([request], sampling) == fresh


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_every_linear_layer_is_packed_where_that_can_be(dtype):
    model = tiny().to(dtype)
    layers = [name for name, _ in model.named_parameters()]
    assert len(pack(model)) == (15 if supported(dtype) else 0)  # seven a layer, and the output
    assert [name.replace(".plain", "") for name, _ in model.named_parameters()] == layers
