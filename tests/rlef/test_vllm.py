"""The vLLM engine against a plain forward pass. Runs where vLLM and an accelerator are; the error runs everywhere."""

import importlib.util

import pytest
import torch

from rlef.errors import RlefError
from rlef.policies.interface import Request, Sampling
from rlef.policies.load import load_policy
from rlef.policies.vllm import VLLMEngine

INSTALLED = importlib.util.find_spec("vllm") is not None
with_vllm = pytest.mark.skipif(not INSTALLED or not torch.cuda.is_available(), reason="no vLLM or no accelerator")


@pytest.fixture(scope="module")
def policy(tiny_model):
    return load_policy(str(tiny_model), device="cpu")


@pytest.fixture(scope="module")
def engine(policy):
    return VLLMEngine(policy, context=512, memory=0.3, enforce_eager=True)


@pytest.mark.skipif(INSTALLED, reason="vLLM is installed")
def test_without_vllm_the_remedy_is_named(policy):
    with pytest.raises(RlefError, match="pip install 'rlef"):
        VLLMEngine(policy, context=512)


@with_vllm
def test_logprobs_are_those_of_a_plain_forward_pass(policy, engine):
    prompt = policy.chat.start("Hello")
    requests = [Request((i,), prompt, (i % 2,)) for i in range(4)]
    samples = engine.generate(requests, Sampling(0.7, 0.9, 8, top_k=50))
    assert samples[0] == samples[2]
    assert samples[0].ids != samples[1].ids
    for sample in engine.generate(requests, Sampling(1.0, 1.0, 8)):
        with torch.no_grad():
            scored = torch.log_softmax(policy.model(torch.tensor([[*prompt, *sample.ids]])).logits[0].float(), -1)
        exact = scored[len(prompt) - 1 : -1].gather(-1, torch.tensor(sample.ids)[:, None])[:, 0]
        assert float((exact - torch.tensor(sample.logprobs)).abs().mean()) < 0.1  # bfloat16 there, float32 here


@with_vllm
def test_weights_reach_the_engine(policy, engine):
    request = [Request((0,), policy.chat.start("Hello"), (0,))]
    before = engine.generate(request, Sampling(0.0, 1.0, 8))
    with torch.no_grad():
        policy.model.lm_head.weight.neg_()
    engine.load(policy.model)
    after = engine.generate(request, Sampling(0.0, 1.0, 8))
    policy.model.lm_head.weight.data.neg_()
    engine.load(policy.model)
    assert after != before
    assert engine.generate(request, Sampling(0.0, 1.0, 8)) == before
