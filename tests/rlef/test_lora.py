"""LoRA on tiny models: what it trains, what the sampler gets, the reference without a copy, a run that is killed."""

import contextlib
import dataclasses
import io
import json
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from rlef.cli import main
from rlef.config import EvaluationConfig, RolloutConfig, TrainConfig, WarmStartConfig, check
from rlef.episode import Episode, Turn, append_episodes
from rlef.errors import RlefError
from rlef.learners.optimiser import lowest_layers
from rlef.learners.ppo import PPO
from rlef.policies.engine import TransformersEngine
from rlef.policies.lora import add_adapter, has_adapter, merge, merged, merged_weights, switched_off
from rlef.ppo_config import LoraConfig, PPOConfig
from rlef.run import Run
from rlef.train import train
from tests.rlef.learning import killed_in_update, sampled, tiny

LORA = LoraConfig(rank=4)
IDS = torch.arange(12)[None]


def gpt2():
    """Its linear layers are transposed, of a class of their own."""
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=200, n_positions=64, n_embd=32, n_layer=2, n_head=2)).eval()


def adapted(model, config=LORA, trained=True):
    add_adapter(model, config, 0)
    if trained:  # B starts at zero: move it, so that there is something to merge
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if ".lora_B." in name:
                    parameter.normal_(std=0.1)
    return model


@torch.no_grad()
def logits(model):
    return model(input_ids=IDS).logits


@pytest.mark.parametrize("make", [tiny, gpt2])
def test_a_model_with_an_adapter_is_three_models(make):
    """Fresh or switched off: the start exactly. Merged: what it computes, to rounding, with plain weights."""
    start = make()
    assert torch.equal(logits(adapted(make(), trained=False)), logits(start))
    model = adapted(make())
    with switched_off(model):
        assert torch.equal(logits(model), logits(start))
    moved = logits(model)
    assert not torch.allclose(moved, logits(start), atol=1e-2)
    plain = merged(model)
    assert torch.allclose(logits(plain), moved, atol=1e-5)
    assert plain.state_dict().keys() == start.state_dict().keys()
    assert not has_adapter(plain)
    assert all(parameter.requires_grad for parameter in plain.parameters())
    assert all(torch.equal(a, b) for a, b in zip(merged_weights(model), plain.parameters(), strict=True))
    merge(model)
    assert torch.equal(logits(model), logits(plain))


def test_only_adapters_are_trained_and_not_in_frozen_layers():
    model = tiny()
    add_adapter(model, LORA, 0, lowest_layers(model, 1))
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(names) == 2 * 7  # A and B of attention's four matrices and the three of the MLP, output layer left out
    assert all(".lora_" in name and ".layers.1." in name for name in names)
    model = adapted(tiny(), LoraConfig(rank=2, targets=("q_proj", "v_proj")))
    names = {name.split(".")[4] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert names == {"q_proj", "v_proj"}


def test_without_rank_nothing_happens():
    model = tiny()
    add_adapter(model, LoraConfig(), 0)
    merge(model)
    assert not has_adapter(model)
    assert merged(model) is model
    assert all(a is b for a, b in zip(merged_weights(model), model.parameters(), strict=True))


@pytest.mark.parametrize("loads", [False, True])
def test_the_sampler_gets_merged_weights(loads):
    model, dtype = adapted(tiny()), torch.float32
    engine = TransformersEngine(tiny() if loads else model, frozenset(), dtype)
    if loads:
        engine.load(model)
    assert torch.allclose(logits(engine._model), logits(model), atol=1e-5)
    names = [name.replace(".plain", "") for name in engine._model.state_dict()]  # of packed weights
    assert names == list(tiny().state_dict())
    assert has_adapter(model)


def learner(reference=None, model=None, **fields):
    config = PPOConfig(**({"learning_rate": 1e-2, "warmup": 0, "frozen_layers": 1} | fields))
    model = model or tiny()
    add_adapter(model, LORA, 0, lowest_layers(model, config.frozen_layers))
    return PPO(model, reference, config, 0)


def test_the_reference_is_the_policy_without_its_adapter(monkeypatch):
    """Two updates: the same numbers as with a frozen copy of the start. The control leaves the adapter on."""
    monkeypatch.setattr("rlef.learners.ppo.sampling_dtype", lambda device: torch.float32)
    monkeypatch.setattr("rlef.learners.optimiser.sampling_dtype", lambda device: torch.float32)
    metrics = {}
    for name, reference in (("switch", None), ("copy", tiny())):
        ppo = learner(reference)
        ppo.update(sampled(ppo.model), 0)
        metrics[name] = ppo.update(sampled(ppo.model, seed=1), 1)
        with switched_off(ppo.model):
            assert torch.allclose(logits(ppo.model), logits(tiny()), atol=1e-5)
    assert metrics["switch"] == pytest.approx(metrics["copy"], rel=1e-3, abs=1e-5)
    assert abs(metrics["switch"]["kl/reference"]) > 1e-3
    monkeypatch.setattr("rlef.learners.ppo.switched_off", contextlib.nullcontext)
    ppo = learner()
    ppo.update(sampled(ppo.model), 0)
    assert abs(ppo.update(sampled(ppo.model, seed=1), 1)["kl/reference"]) < 1e-5


def test_a_policy_without_adapters_needs_a_reference():
    with pytest.raises(ValueError, match="needs a reference"):
        PPO(tiny(), None, PPOConfig(), 0)


def test_the_state_goes_on_exactly():
    """Through a file, onto a model that only has the start's weights."""
    whole = learner()
    for number in range(2):
        whole.update(sampled(tiny(), seed=number), number)
    first, file = learner(), io.BytesIO()
    first.update(sampled(tiny(), seed=0), 0)
    torch.save(first.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert set(state["weights"]) == {name for name, p in first.model.named_parameters() if p.requires_grad}
    second = learner()
    second.load_state_dict(state)
    second.update(sampled(tiny(), seed=1), 1)
    for one, other in ((whole.model, second.model), (whole.critic, second.critic)):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def small(model, out, **more):
    config = TrainConfig(
        model=str(model), out=str(out), turn_limit=2, checkpoint_every=1, lora=LORA,
        warm_start=WarmStartConfig(programs=2, repairs=2, epochs=1, learning_rate=1e-3),
        rollout=RolloutConfig(tasks=2, samples=2, max_new_tokens=8),
        ppo=PPOConfig(updates=3, learning_rate=1e-3, mini_batches=2),
        evaluation=EvaluationConfig(split="validation", tasks=2, samples=1),
    )  # fmt: skip
    return dataclasses.replace(config, **more)


def numbers(run):
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if not key.startswith("time/")} for row in rows]


@pytest.mark.timeout(900)
def test_a_run_and_the_same_run_killed(tiny_model, tmp_path, box, monkeypatch):
    """Warm start and RL; the checkpoints are plain models; the killed run ends with the same parameters."""
    whole = Run.create(small(tiny_model, tmp_path / "whole"))
    train(whole)
    run = Run.create(small(tiny_model, tmp_path / "killed"))
    killed_in_update(run, 3, monkeypatch)
    train(Run.open(run.folder))
    assert numbers(run) == numbers(whole)
    states = [
        AutoModelForCausalLM.from_pretrained(folder).state_dict()
        for folder in (
            tiny_model,
            whole.folder / "checkpoints" / "warm-start",
            whole.folder / "checkpoints" / "latest",
            run.folder / "checkpoints" / "latest",
        )
    ]
    start, warm, end, other = states
    assert all(torch.equal(end[name], other[name]) for name in end)
    for before, after in ((start, warm), (warm, end)):
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved
        assert moved == {name for name in before if "_proj." in name}
    saved, again = (
        torch.load(one.folder / "checkpoints" / "latest" / "trainer.pt", weights_only=True)["state"]
        for one in (whole, run)
    )
    assert all(torch.equal(saved["weights"][name], again["weights"][name]) for name in saved["weights"])


def test_supervised_learning_with_an_adapter(tiny_model, tmp_path):
    turn = Turn("question", "```python\nx = 1\n```", "x = 1", ("accepted",), ("accepted",), 1.0, (), ())
    append_episodes(tmp_path / "episodes.jsonl", [Episode("a", 0, (turn,))])
    flags = ["--lora.rank", "4", "--learning_rate", "1e-2", "--out", str(tmp_path / "out")]
    main(["sft", str(tiny_model), str(tmp_path), *flags])
    [folder] = (tmp_path / "out").iterdir()
    before, after = (AutoModelForCausalLM.from_pretrained(place).state_dict() for place in (tiny_model, folder))
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        name for name in before if "_proj." in name
    }


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (LoraConfig(rank=-1), r"lora.rank = -1: must be 0 or more"),
        (LoraConfig(alpha=8), r"lora.rank = 0: must be above 0 with lora.alpha"),
        (LoraConfig(targets=("q_proj",)), r"lora.rank = 0: must be above 0"),
    ],
)
def test_settings_that_cannot_be_meant(config, message):
    with pytest.raises(RlefError, match=message):
        check(TrainConfig(lora=config))


def test_an_unknown_layer_is_named():
    with pytest.raises(RlefError, match=r"no linear layer query; there are: .*q_proj"):
        add_adapter(tiny(), LoraConfig(rank=2, targets=("query", "v_proj")), 0)


def test_without_peft_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(RlefError, match=r"pip install 'rlef\[lora\]'"):
        add_adapter(tiny(), LORA, 0)
