"""How fast episodes are sampled: our engine, transformers' `generate` and continuous batching, TRL's GRPO rollout.

    python benchmarks/rollout.py                        # 96 episodes each, every contender at each batch size
    python benchmarks/rollout.py --tasks 2 --samples 2 --tokens 8 --batches 4 --out /tmp/rollout.json   # does it run?

Every contender but TRL plays the same tasks with the same rules in the same sandbox, through the same rollout loop;
only what samples is exchanged. TRL plays them its own way, by tool calls (rollout_trl.py). Plain `generate` and
continuous batching know nothing of turns, so each turn is a new prompt to them; they also need not return
log-probabilities, which ours always does. What they sample differs, so speed is counted in sampled tokens, and episodes
are given beside it. Continuous batching mixes prompts and steps in a forward pass: all of its model time is called
prefill. The limit is measured in the same run: the model's matrix products of one decoding step and nothing else, at
the same batch size. Writes rollout.json next to this file.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from summary import machine

from rlef.envs.dialogue import DialogueSettings
from rlef.policies.engine import TransformersEngine, cast_weights, sampling_dtype
from rlef.policies.interface import Follow, Request, Sample, Sampling, in_rounds
from rlef.policies.load import load_policy
from rlef.rollout import Start, collect
from sandbox import Sandbox
from tasks import load_suite


def main() -> None:
    """Measure every contender at every batch size, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--tasks", type=int, default=24)
    parser.add_argument("--samples", type=int, default=4, help="episodes per task")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64, help="longest answer")
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 96])
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    policy = load_policy(options.model, "You write Python programs.")
    clock = Clock()
    clock.watch(policy.model.base_model)  # copies of the model keep the hooks
    tasks = load_suite("starter")["train"][: options.tasks]
    starts = [Start(task, seed=i) for task in tasks for i in range(options.samples)]
    results = []
    with Sandbox(slots=len(os.sched_getaffinity(0))) as box:
        for name in options.contenders:
            for batch in options.batches:
                limit = matrix_limit(policy.model, batch)
                if name == "trl":
                    results.append(trl(options, batch, box, limit))
                    print(row(results[-1]), flush=True)
                    continue
                contender = CONTENDERS[name](policy, batch)
                engine = TimedEngine(contender, clock)
                hello = Request((-1,), policy.chat.start("Hello"), (0,))
                contender.generate([hello], Sampling(1.0, 1.0, 2))  # what happens once is not counted
                clock.seconds.clear()
                begin = time.perf_counter()
                episodes = collect(
                    starts, engine, policy.chat, TimedBox(box, clock), sampling=Sampling(1.0, 1.0, options.tokens),
                    settings=DialogueSettings(options.turns), context=policy.context,
                )  # fmt: skip
                total = time.perf_counter() - begin
                tokens = sum(len(turn.response_ids) for episode in episodes for turn in episode.turns)
                results.append(
                    {
                        "contender": name, "batch": batch, "tokens_per_s": tokens / total,
                        "episodes_per_min": 60 * len(episodes) / total, "tokens": tokens, "seconds": total,
                        "of_matrix_limit": tokens / total / limit, "matrix_limit_tokens_per_s": limit,
                        "where": clock.shares(total),
                    }
                )  # fmt: skip
                print(row(results[-1]), flush=True)
    best = {name: max((r for r in results if r["contender"] == name), key=lambda r: r["tokens_per_s"])
            for name in options.contenders}  # fmt: skip
    for name, result in best.items():
        print(f"best of {name:22s} {row(result)}")
    options.out.write_text(
        json.dumps(
            {
                "settings": {k: v for k, v in vars(options).items() if k != "out"},
                "machine": {**machine(), "threads": torch.get_num_threads(), "torch": torch.__version__},
                "best": best, "all": results,
            },
            indent=2,
        )
        + "\n"
    )  # fmt: skip


def trl(options: argparse.Namespace, batch: int, box: Sandbox, limit: float) -> dict[str, Any]:
    """TRL's own rollout, which has its own rules: see rollout_trl.py."""
    from rollout_trl import play

    suite, policy = load_suite("starter"), load_policy(options.model)
    tokens, calls, seconds = play(
        policy, suite["train"][: options.tasks], suite["train"][-100:], options.samples, options.turns, options.tokens,
        batch, box,
    )  # fmt: skip
    episodes = options.tasks * options.samples
    return {
        "contender": "trl", "batch": batch, "tokens_per_s": tokens / seconds,
        "episodes_per_min": 60 * episodes / seconds, "tokens": tokens, "seconds": seconds,
        "of_matrix_limit": tokens / seconds / limit, "matrix_limit_tokens_per_s": limit,
        "where": {}, "tool_calls": calls,
    }  # fmt: skip


def row(result: dict[str, Any]) -> str:
    """One line of the table."""
    where = "  ".join(f"{name} {seconds:.1f} s" for name, seconds in result["where"].items())
    return (
        f"{result['contender']:22s} batch {result['batch']:3d}: {result['tokens_per_s']:7.1f} tokens/s  "
        f"{result['episodes_per_min']:6.1f} episodes/min  {result['of_matrix_limit']:4.0%} of the limit  ({where})"
    )


class Clock:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def watch(self, model: Any) -> None:
        """Time the forward passes: several columns are a prompt, one is a step."""
        starts = []

        def before(module: Any, arguments: Any, named: dict[str, Any]) -> None:
            starts.append(time.perf_counter())

        def after(module: Any, arguments: Any, named: dict[str, Any], output: Any) -> None:
            ids = named.get("input_ids")
            kind = "decode" if ids is not None and ids.shape[1] == 1 else "prefill"
            self.seconds[kind] += time.perf_counter() - starts.pop()

        model.register_forward_pre_hook(before, with_kwargs=True)
        model.register_forward_hook(after, with_kwargs=True)

    def shares(self, total: float) -> dict[str, float]:
        """Prefill, decode, sampling (the rest of generation), sandbox, and what is left: waiting and bookkeeping."""
        seconds = self.seconds
        sampling = seconds["generate"] - seconds["prefill"] - seconds["decode"]
        rest = total - seconds["generate"] - seconds["sandbox"]
        return {
            "prefill": seconds["prefill"], "decode": seconds["decode"], "sampling": sampling,
            "sandbox": seconds["sandbox"], "waiting and rest": rest,
        }  # fmt: skip


class TimedEngine:
    """An engine, and how long it generated."""

    def __init__(self, engine: Any, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, requests: Any, sampling: Sampling, follow: Follow) -> None:
        """As the engine does; what follows an answer is not generation."""
        apart = 0.0

        def timed(ended: Any) -> Any:
            nonlocal apart
            begin = time.perf_counter()
            more = follow(ended)
            apart += time.perf_counter() - begin
            return more

        begin = time.perf_counter()
        self._engine.run(requests, sampling, timed)
        self._clock.seconds["generate"] += time.perf_counter() - begin - apart


class TimedBox:
    """A sandbox, and how long programs were waited for."""

    def __init__(self, box: Sandbox, clock: Clock) -> None:
        self._box, self._clock = box, clock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._box, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                self._clock.seconds["sandbox"] += time.perf_counter() - begin

        return timed


class Plain:
    """`model.generate`, turn by turn, left-padded batches of similar length."""

    def __init__(self, policy: Any, batch: int) -> None:
        import copy

        self.model, self.batch = copy.deepcopy(policy.model).eval(), batch
        self.model.set_attn_implementation("sdpa")
        cast_weights(self.model, sampling_dtype(self.model.device))
        self.stop = sorted(policy.chat.stop_ids)

    def run(self, requests: Any, sampling: Sampling, follow: Follow) -> None:
        """Turn by turn."""
        in_rounds(self.generate, requests, sampling, follow)

    @torch.inference_mode()
    def generate(self, requests: Any, sampling: Sampling) -> list[Sample]:
        """One sample per request, in order."""
        samples: list[Sample] = [Sample((), (), None)] * len(requests)
        order = sorted(range(len(requests)), key=lambda i: len(requests[i].ids))
        for first in range(0, len(order), self.batch):
            chunk = order[first : first + self.batch]
            width = max(len(requests[i].ids) for i in chunk)
            ids = torch.tensor([[0] * (width - len(requests[i].ids)) + list(requests[i].ids) for i in chunk])
            mask = torch.tensor([[0] * (width - len(requests[i].ids)) + [1] * len(requests[i].ids) for i in chunk])
            output = self.model.generate(
                input_ids=ids, attention_mask=mask, do_sample=True, temperature=sampling.temperature, top_k=0,
                top_p=1.0, max_new_tokens=sampling.max_new_tokens, eos_token_id=self.stop, pad_token_id=self.stop[0],
            )  # fmt: skip
            for i, tokens in zip(chunk, output[:, width:].tolist(), strict=True):
                samples[i] = Sample(self._until_stop(tokens), (), None)
        return samples

    def _until_stop(self, tokens: list[int]) -> tuple[int, ...]:
        end = next((n + 1 for n, token in enumerate(tokens) if token in self.stop), len(tokens))
        return tuple(tokens[:end])


class Continuous(Plain):
    """transformers' continuous batching: at most 16 tokens per row of the batch in a forward pass."""

    @torch.inference_mode()
    def generate(self, requests: Any, sampling: Sampling) -> list[Sample]:
        """One sample per request, in order."""
        from transformers import ContinuousBatchingConfig, GenerationConfig

        config = GenerationConfig(
            do_sample=True, temperature=sampling.temperature, top_k=0, top_p=1.0, eos_token_id=self.stop,
            pad_token_id=self.stop[0], max_new_tokens=sampling.max_new_tokens,
        )  # fmt: skip
        budget = ContinuousBatchingConfig(max_batch_tokens=16 * self.batch)
        outputs = self.model.generate_batch(
            [list(request.ids) for request in requests], generation_config=config, continuous_batching_config=budget
        )
        told = sorted(outputs.values(), key=lambda output: int(output.request_id.rpartition("_")[2]))
        return [Sample(self._until_stop(output.generated_tokens), (), None) for output in told]


CONTENDERS: dict[str, Any] = {
    "rlef": lambda policy, batch: TransformersEngine(policy.model, policy.chat.stop_ids, batch=batch),
    "generate": Plain,
    "continuous batching": Continuous,
    "trl": None,
}


def matrix_limit(model: Any, batch: int, repeats: int = 5) -> float:
    """Tokens a second if a decoding step were its matrix products alone, by the best of several tries."""
    dtype = sampling_dtype(model.device)
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    weights = [layer.weight.detach().to(dtype) for layer in layers]
    inputs = {weight.shape[1]: torch.randn(batch, weight.shape[1]).to(dtype) for weight in weights}
    best = float("inf")
    with torch.inference_mode():
        for _ in range(repeats):
            begin = time.perf_counter()
            for weight in weights:
                torch.nn.functional.linear(inputs[weight.shape[1]], weight)
            best = min(best, time.perf_counter() - begin)
    return batch / best


if __name__ == "__main__":
    main()
