"""Compiled layers learn what the others learn, and a machine without a compiler is told."""

import os
import subprocess
import sys

import pytest
import torch

from rlef.learners import optimiser
from rlef.learners import ppo as learner
from rlef.learners.compiled import cannot_compile
from rlef.learners.ppo import PPO
from rlef.policies.engine import TransformersEngine
from rlef.ppo_config import PPOConfig
from tests.rlef.learning import sampled, tiny

PROBE = "from rlef.learners.compiled import cannot_compile; print(cannot_compile())"


def test_compiled_updates_are_the_same(monkeypatch):
    if reason := cannot_compile():
        pytest.skip(f"nothing can be compiled here: {reason}")
    for module in (optimiser, learner):  # no rounding that could hide something
        monkeypatch.setattr(module, "sampling_dtype", lambda device: torch.float32)
    episodes = sampled(tiny())
    ends = []
    for compiled in (False, True):
        model = tiny()
        config = PPOConfig(learning_rate=1e-4, warmup=0, mini_batches=2, critic="network", compile=compiled)
        ppo = PPO(model, tiny(), config, 0)
        layers = [*model.base_model.layers, *ppo.reference.base_model.layers, *ppo.critic.body.layers]
        assert all((layer._compiled_call_impl is not None) == compiled for layer in layers)
        metrics = [ppo.update(episodes, number) for number in range(2)]
        ends.append((metrics, [*model.parameters(), *ppo.critic.parameters()]))
        engine = TransformersEngine(model, frozenset(), torch.float32)  # copies are as they were
        assert all(layer._compiled_call_impl is None for layer in engine._model.base_model.layers)
    for plain, other in zip(ends[0][0], ends[1][0], strict=True):
        assert other == pytest.approx(plain, rel=1e-3, abs=2e-5, nan_ok=True)
    assert not torch.equal(ends[0][1][0], tiny().get_input_embeddings().weight)
    for one, other in zip(ends[0][1], ends[1][1], strict=True):
        assert torch.allclose(one, other, atol=2e-5)


def test_without_a_compiler_there_is_a_reason(tmp_path):
    nowhere = {**os.environ, "CXX": str(tmp_path / "none"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    said = subprocess.run([sys.executable, "-c", PROBE], env=nowhere, capture_output=True, text=True, check=True)
    assert said.stdout.strip() not in ("None", "")
