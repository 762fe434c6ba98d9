"""Gradient checkpointing: the same gradients to rounding, from a fraction of the memory, on models with dropout too."""

import copy

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, OPTConfig, OPTForCausalLM

from rlef.cli import parse
from rlef.config import TrainConfig, WarmStartConfig
from rlef.errors import RlefError
from rlef.learners.batch import action_logprobs, forward, to_batch
from rlef.learners.optimiser import use_gradient_checkpointing
from rlef.learners.ppo import PPO
from rlef.learners.sft import warm_start
from rlef.policies.engine import TransformersEngine
from rlef.policies.interface import Request, Sampling
from rlef.policies.lora import add_adapter, merge
from rlef.ppo_config import LoraConfig, PPOConfig
from tests.rlef.learning import sampled


def made(name):
    torch.manual_seed(0)
    if name == "llama":
        config = LlamaConfig(
            vocab_size=200, hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=2, tie_word_embeddings=True,
        )  # fmt: skip
        return LlamaForCausalLM(config).eval()
    if name == "gpt2":  # dropout in modules of a layer
        return GPT2LMHeadModel(GPT2Config(vocab_size=200, n_positions=64, n_embd=32, n_layer=4, n_head=2)).eval()
    config = OPTConfig(  # dropout by the layer itself
        vocab_size=200, hidden_size=64, ffn_dim=128, num_hidden_layers=4, num_attention_heads=4, word_embed_proj_dim=64,
        max_position_embeddings=64, dropout=0.5,
    )  # fmt: skip
    return OPTForCausalLM(config).eval()


@pytest.fixture(scope="module")
def episodes():
    return sampled(made("llama"))


def gradients(model, episodes):
    """Of the sum of all log-probabilities, and the bytes that the forward pass kept for the backward pass."""
    kept = 0

    def keep(tensor):
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    batch = to_batch(episodes, range(len(episodes)))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden = forward(model, batch)
    action_logprobs(model, hidden, batch).sum().backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}, kept


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", ["llama", "gpt2", "opt"])
def test_the_same_gradients_from_less_memory(name, frozen, episodes):
    plain = made(name)
    if frozen:
        plain.get_input_embeddings().requires_grad_(False)
    less = copy.deepcopy(plain)
    use_gradient_checkpointing(less)
    whole, memory = gradients(plain, episodes)
    again, little = gradients(less, episodes)
    assert whole.keys() == again.keys()
    assert all(torch.allclose(whole[one], again[one], rtol=1e-4, atol=1e-5) for one in whole)
    assert little < memory / 3


def test_the_control_training_mode_as_a_whole_is_another_model(episodes):
    plain, other = made("gpt2"), made("gpt2").train()
    whole, _ = gradients(plain, episodes)
    noisy, _ = gradients(other, episodes)
    assert not all(torch.allclose(whole[one], noisy[one], rtol=1e-2, atol=1e-3) for one in whole)


@pytest.mark.parametrize("lora", [0, 4])
@pytest.mark.parametrize("critic", ["head", "network"])
def test_an_update_ends_at_the_same_parameters(episodes, critic, lora):
    ends = []
    for checkpointing in (False, True):
        model = made("llama")
        reference = None if lora else copy.deepcopy(model)
        add_adapter(model, LoraConfig(lora), 0)
        config = PPOConfig(
            critic=critic, learning_rate=1e-4, warmup=0, mini_batches=1, gradient_checkpointing=checkpointing
        )
        ppo = PPO(model, reference, config, 0)
        metrics = ppo.update(episodes, 0)
        ends.append((metrics, list(ppo.model.parameters()), list(ppo.critic.parameters())))
    assert ends[0][0] == pytest.approx(ends[1][0], rel=1e-4, abs=1e-6, nan_ok=True)
    for one, other in zip(ends[0][1] + ends[0][2], ends[1][1] + ends[1][2], strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_warm_start_and_the_sampler_after_it(episodes):
    """The sampler copies the model while it is checkpointed, and samples what it would have."""
    losses, answers = [], []
    for checkpointing in (False, True):
        model = made("llama")
        add_adapter(model, LoraConfig(2), 0)
        if checkpointing:
            use_gradient_checkpointing(model)
        losses.append(warm_start(model, episodes, WarmStartConfig(learning_rate=1e-3), 0, 2048))
        merge(model)
        engine = TransformersEngine(model, frozenset(), torch.float32)
        requests = [Request((k,), list(range(k + 3)), (0, k)) for k in range(3)]
        answers.append([one.ids for one in engine.generate(requests, Sampling(max_new_tokens=8))])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert answers[0] == answers[1]


def test_it_is_a_flag():
    config = parse(TrainConfig, TrainConfig(), ["--ppo.gradient_checkpointing", "True"], "rlef train")
    assert config.ppo.gradient_checkpointing


def test_a_model_without_it_is_refused():
    class Odd(LlamaForCausalLM):
        supports_gradient_checkpointing = False

    with pytest.raises(RlefError, match="gradient_checkpointing: Odd does not support it"):
        use_gradient_checkpointing(Odd(made("llama").config))
