"""What tests of the learner share: a tiny model, episodes that it might have sampled, and a run that is killed."""

import dataclasses
import random

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rlef.episode import Episode, Turn
from rlef.learners.batch import action_logprobs, forward, to_batch
from rlef.learners.ppo import PPO
from rlef.train import train

REWARDS = [[1.0], [0.0, -1.0], [-0.2, 1.0], [0.0, 0.0], [1.0], [-1.0], [0.0, 1.0], [0.0, -1.0]]
TASKS = [0, 0, 0, 0, 1, 1, 1, 1]


def tiny():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=200, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def sampled(model, rewards=REWARDS, tasks=TASKS, seed=0):
    """Episodes of random tokens, with the log-probabilities `model` gives them."""
    rng = random.Random(seed)
    blank = []
    for number, (row, task) in enumerate(zip(rewards, tasks, strict=True)):
        turns = []
        for k, reward in enumerate(row):
            good = k == len(row) - 1 and reward > 0
            prompt, answer = ([rng.randrange(200) for _ in range(size)] for size in (6, rng.randint(3, 8)))
            turns.append(
                Turn(
                    "", "", "p", ("accepted" if good else "wrong_answer",), ("accepted",) if good else None, reward,
                    tuple(prompt), tuple(answer), value=0.0,
                )
            )  # fmt: skip
        blank.append(Episode(str(task), number, tuple(turns), truncated=number == 3))
    batch = to_batch(blank, range(len(blank)))
    with torch.no_grad():
        logprobs = action_logprobs(model, forward(model, batch), batch)
    return [
        dataclasses.replace(
            one,
            turns=tuple(
                dataclasses.replace(turn, logprobs=tuple(logprobs[i][batch.turn_ids[i] == k].tolist()))
                for k, turn in enumerate(one.turns)
            ),
        )
        for i, one in enumerate(blank)
    ]


def killed_in_update(run, number, monkeypatch, last_words=lambda: None):
    """Train until `run` has learned in its `number`-th update from now, and recorded nothing of it."""
    update, calls = PPO.update, []

    class Killed(BaseException):
        pass

    def die(self, *args):
        metrics = update(self, *args)
        calls.append(1)
        if len(calls) == number:
            last_words()
            raise Killed
        return metrics

    with monkeypatch.context() as patched:
        patched.setattr(PPO, "update", die)
        with pytest.raises(Killed):
            train(run)
