"""Sampling options against transformers' own filters, and stop texts on a real model."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from rlef.config import EvaluationConfig, TrainConfig, check, load_config, save_config
from rlef.errors import RlefError
from rlef.policies.drawing import restrict
from rlef.policies.engine import TransformersEngine
from rlef.policies.interface import Request, Sampling
from rlef.policies.load import load_policy


@pytest.fixture(scope="module")
def policy(tiny_model):
    return load_policy(str(tiny_model), device="cpu")


@pytest.fixture(scope="module")
def engine(policy):
    return TransformersEngine(policy.model, policy.chat.stop_ids, torch.float32, decode=policy.chat.text)


@settings(max_examples=60)
@given(
    st.integers(0, 2**31),
    st.sampled_from([0, 1, 3, 50, 1000]),
    st.sampled_from([1.0, 0.95, 0.5, 0.01]),
    st.sampled_from([0.0, 0.02, 0.3, 0.99]),
)
def test_filters_are_those_of_transformers(seed, top_k, top_p, min_p):
    logits = 3 * torch.randn((4, 200), generator=torch.Generator().manual_seed(seed))
    expected = logits
    for wanted, warper in [
        (top_k > 0, TopKLogitsWarper(max(top_k, 1))),
        (top_p < 1, TopPLogitsWarper(top_p)),
        (min_p > 0, MinPLogitsWarper(min_p)),
    ]:
        expected = warper(None, expected) if wanted else expected
    expected = torch.log_softmax(expected, -1).exp()
    kept, names = restrict(torch.log_softmax(logits, -1), top_k, top_p, min_p)
    ours = kept.exp() if names is None else torch.zeros_like(logits).scatter(-1, names, kept.exp())
    assert torch.allclose(ours, expected, atol=1e-5)


def test_one_likeliest_token_is_greedy(policy, engine):
    request = [Request((0,), policy.chat.start("Hello"), (0,))]
    [greedy] = engine.generate(request, Sampling(0.0, 1.0, 6))
    for options in ({"top_k": 1}, {"min_p": 0.9999}, {"top_p": 1e-6}):
        [sample] = engine.generate(request, Sampling(5.0, max_new_tokens=6, **options))
        assert sample.ids == greedy.ids
        assert sample.logprobs == pytest.approx([0.0] * 6, abs=1e-3)


def test_a_stop_text_ends_the_response(policy, engine):
    requests = [Request((i,), policy.chat.start("Hello"), (i,)) for i in range(8)]
    free = engine.generate(requests, Sampling(1.0, max_new_tokens=12))
    stop = tuple({policy.chat.text(sample.ids[4:6])[-4:] for sample in free[:4]} - {""})
    assert stop
    cut = engine.generate(requests, Sampling(1.0, max_new_tokens=12, stop=stop))
    assert any(len(a.ids) < len(b.ids) for a, b in zip(cut, free, strict=True))
    for ours, whole in zip(cut, free, strict=True):
        assert ours.ids == whole.ids[: len(ours.ids)]  # what was sampled before is the same, and kept
        ends = [any(text in policy.chat.text(whole.ids[:n]) for text in stop) for n in range(1, len(whole.ids) + 1)]
        assert len(ours.ids) == (ends.index(True) + 1 if True in ends else len(whole.ids))


def test_stop_texts_need_a_decoder(policy):
    bare = TransformersEngine(policy.model, policy.chat.stop_ids, torch.float32)
    with pytest.raises(ValueError, match="decode"):
        bare.generate([Request((0,), policy.chat.start("x"), (0,))], Sampling(max_new_tokens=2, stop=("x",)))


def test_options_in_the_configuration(tmp_path):
    path = tmp_path / "mine.toml"
    config = TrainConfig(evaluation=EvaluationConfig(top_k=5, min_p=0.1, stop=("```\n", "###")))
    save_config(config, path)
    assert load_config(path) == config
    path.write_text('[evaluation]\nstop = "###"')
    with pytest.raises(RlefError, match="must be a list of str"):
        load_config(path)
    for bad in (EvaluationConfig(top_k=-1), EvaluationConfig(min_p=1.0), EvaluationConfig(stop=("",))):
        with pytest.raises(RlefError, match="must be"):
            check(TrainConfig(evaluation=bad))
