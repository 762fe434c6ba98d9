"""One PPO update on the same batch of episodes: tokens per second and peak memory of three learners.

    python benchmarks/learner.py                                     # ours, a plain PPO, TRL; the embedded model
    python benchmarks/learner.py --model FOLDER --episodes 8 --updates 1 --learners ours plain --rows 4

`ours` is `rlef.learners.ppo.PPO` as the main job has it: layers compiled, memory kept (`rlef.memory`). `plain` is PPO
as it is usually written: whole dialogues padded to the longest of the batch, logits over every position. `trl` is the
loss of TRL's GRPOTrainer (1.16: log-probabilities in chunks), with feedback masked as a tool's. All three have the same
episodes, model, precision and mini-batches, and do the same work: log-probabilities of the frozen reference, forward,
backward, AdamW. Each is measured with micro-batches of one, two and four dialogues (ours: as many tokens as so many of
the longest have), in a process of its own; the first update is a warm-up, in which layers are compiled. Peak memory is
the highest resident size during the updates that are timed, less that of model and reference before the first;
`resident_mb` is all of it. On a busy machine compare `cpu_seconds`. `against` compares ours, size by size, with the
fastest size of each of the others.

    python benchmarks/learner.py --learners ours eager network checkpointing lora

Variants of `ours`: `eager` has `ppo.compile = false`, `rows` reads padded rows and computes a prefix for each dialogue
that has it, `network` has `ppo.critic = "network"`, `checkpointing` has `ppo.gradient_checkpointing`, `lora` has
`lora.rank = 16`.

Writes learner.json next to this file after every measurement; those of earlier calls on the same machine with the same
settings stay in it.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from rlef.memory import keep_memory

OUT = Path(__file__).with_suffix(".json")
KL, CLIP = 0.05, 0.2
SAMPLES = 4


def main() -> None:
    """Measure every learner in a process of its own, then summarise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--learners", nargs="+", default=["ours", "plain", "trl"], choices=LEARNERS)
    parser.add_argument("--episodes", type=int, default=32)
    parser.add_argument("--mini_batches", type=int, default=2)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 2, 4], help="dialogues of a micro-batch")
    parser.add_argument("--updates", type=int, default=2, help="updates that are timed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", choices=LEARNERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        [options.rows] = options.rows
        print(json.dumps(measure(options.only, options)))
        return
    from summary import earlier, machine, write  # late: with torch

    same = ("model", "episodes", "mini_batches", "updates", "threads")
    own = {name: getattr(options, name) for name in same}
    settings = own | {"samples": SAMPLES, "machine": machine()}
    results: dict[str, dict[str, dict[str, float]]] = earlier(options.out, settings, "learners")
    for name, rows in product(options.learners, options.rows):
        # Of an option that is given twice the last one counts.
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name, "--rows", str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"{name}, {rows}: not measured ({last})")
            continue
        results.setdefault(name, {})[str(rows)] = json.loads(done.stdout.splitlines()[-1])
        print(f"{name}, {rows}: {results[name][str(rows)]}", flush=True)
        others = {other: sizes for other, sizes in results.items() if other != "ours" and "ours" in results}
        summary = {
            "command": " ".join(
                [
                    "python benchmarks/learner.py",
                    *(f"--{name} {value}" for name, value in own.items()),
                    "--learners",
                    *results,
                ]
            ),
            "settings": settings,
            "learners": results,
            "against": {other: against(results["ours"], sizes) for other, sizes in others.items()},
        }
        write(options.out, summary)


def against(ours: dict[str, dict[str, float]], other: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Speed and memory of each size of ours, as multiples of the other's fastest size."""
    best = max(other.values(), key=lambda one: one["tokens_per_s"])
    return {
        rows: {measure: round(one[measure] / best[measure], 2) for measure in ("tokens_per_s", "peak_mb")}
        for rows, one in ours.items()
    }


def measure(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Tokens per second and memory of one learner."""
    if name not in ("plain", "trl"):
        keep_memory()
    import torch

    from rlef.policies.load import load_policy

    torch.set_num_threads(options.threads)
    policy = load_policy(options.model)
    episodes = dialogues(options.episodes, len(policy.tokenizer))
    tokens = sum(len(turn.prompt_ids) + len(turn.response_ids) for episode in episodes for turn in episode.turns)
    update = LEARNERS[name](policy, episodes, options)
    start = resident("VmRSS")
    update(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest resident size so far
    began, worked = time.monotonic(), time.process_time()
    for number in range(1, options.updates + 1):
        update(number)
    seconds, cpu = ((now - then) / options.updates for now, then in (
        (time.monotonic(), began), (time.process_time(), worked),
    ))  # fmt: skip
    return {
        "tokens": tokens,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "tokens_per_s": round(tokens / seconds, 1),
        "peak_mb": round(resident("VmHWM") - start),
        "resident_mb": round(resident("VmHWM")),
    }


def dialogues(count: int, vocabulary: int) -> list[Any]:
    """Episodes of one to three turns with the lengths of the starter suite, of random tokens. `SAMPLES` are of each
    task and have its prompt in common, nothing else."""
    from rlef.episode import Episode, Turn

    rng = random.Random(0)

    def ids(low: int, high: int) -> tuple[int, ...]:
        return tuple(rng.randrange(10, vocabulary) for _ in range(rng.randint(low, high)))

    episodes = []
    for number in range(count):
        turns = []
        if number % SAMPLES == 0:
            statement = ids(80, 200)
        for place in range(rng.randint(1, 3)):
            answer = ids(16, 64)
            turns.append(
                Turn(
                    "", "", "p", reward=rng.choice([-1.0, 1.0]), value=0.0,
                    prompt_ids=statement if place == 0 else ids(40, 120), response_ids=answer,
                    logprobs=tuple(rng.uniform(-12, -9) for _ in answer),
                )
            )  # fmt: skip
        episodes.append(Episode(str(number // SAMPLES), number, tuple(turns)))
    return episodes


def ours(
    policy: Any,
    episodes: list[Any],
    options: argparse.Namespace,
    rank: int = 0,
    padded_rows: bool = False,
    **fields: Any,
) -> Any:
    """The learner of this project."""
    from rlef.learners.ppo import PPO
    from rlef.policies.lora import add_adapter
    from rlef.ppo_config import LoraConfig, PPOConfig

    reference = None if rank else copy.deepcopy(policy.model)
    add_adapter(policy.model, LoraConfig(rank), 0)
    longest = max(sum(len(turn.prompt_ids) + len(turn.response_ids) for turn in one.turns) for one in episodes)
    config = PPOConfig(
        mini_batches=options.mini_batches, kl=KL, clip=CLIP, token_budget=options.rows * longest,
        **{"compile": True, **fields},
    )  # fmt: skip
    ppo = PPO(policy.model, reference, config, 0)
    if padded_rows:
        for model in filter(None, (policy.model, reference)):
            model.set_attn_implementation("eager")
    return lambda number: ppo.update(episodes, number)


def padded(episodes: list[Any]) -> Any:
    """(ids, turn_ids, behaviour, attention) of dialogues, all as wide as the longest."""
    from rlef.learners.batch import to_batch

    batch = to_batch(episodes, range(len(episodes)))
    return batch.ids, batch.action, batch.behaviour, batch.attention


def chunks(count: int, options: argparse.Namespace, number: int) -> Any:
    """Mini-batches, each a list of micro-batches of episode numbers."""
    order = random.Random(number).sample(range(count), count)
    for part in range(options.mini_batches):
        chosen = order[part :: options.mini_batches]
        yield [chosen[start : start + options.rows] for start in range(0, len(chosen), options.rows)]


def plain(policy: Any, episodes: list[Any], options: argparse.Namespace) -> Any:
    """PPO with full logits and padding."""
    import torch

    from rlef.learners.losses import policy_loss
    from rlef.learners.optimiser import autocast

    model, reference = policy.model, copy.deepcopy(policy.model).requires_grad_(False)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)
    ids, action, behaviour, attention = padded(episodes)

    def logprobs(network: Any, rows: list[int]) -> torch.Tensor:
        with autocast(network):
            logits = network(input_ids=ids[rows], attention_mask=attention[rows].long(), use_cache=False).logits
        chosen = torch.log_softmax(logits[:, :-1].float(), -1).gather(-1, ids[rows][:, 1:, None])[..., 0]
        return torch.nn.functional.pad(chosen, (1, 0))

    def update(number: int) -> None:
        with torch.no_grad():
            apart = torch.zeros(ids.shape)
            for start in range(0, len(ids), options.rows):
                rows = list(range(start, min(start + options.rows, len(ids))))
                apart[rows] = (behaviour[rows] - logprobs(reference, rows)).masked_fill(~action[rows], 0.0)
        reward = torch.tensor([episode.reward for episode in episodes])
        returns = reward - KL * apart.sum(1) / action.sum(1)
        advantages = ((returns - returns.mean()) / returns.std())[:, None].expand(ids.shape)
        for mini_batch in chunks(len(ids), options, number):
            size = action[[row for rows in mini_batch for row in rows]].sum()
            for rows in mini_batch:
                new, old = logprobs(model, rows), behaviour[rows]
                losses, _ = policy_loss(new, old, old, advantages[rows], action[rows], CLIP)
                (losses.sum() / size).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()

    return update


def trl(policy: Any, episodes: list[Any], options: argparse.Namespace) -> Any:
    """TRL's GRPOTrainer: its loss and its reference log-probabilities, on our batch."""
    import torch
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from rlef.learners.optimiser import autocast

    def no_reward(*_: Any, **columns: Any) -> list[float | None]:
        return [0.0]

    model = policy.model
    arguments = GRPOConfig(
        output_dir="/tmp/rlef-benchmark-trl", use_cpu=model.device.type == "cpu", bf16=False, report_to=[],
        per_device_train_batch_size=options.rows, steps_per_generation=2, num_generations=2, beta=KL, epsilon=CLIP,
        loss_type="bnpo", gradient_checkpointing=False,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=model, args=arguments, reward_funcs=no_reward, processing_class=policy.tokenizer,
        train_dataset=Dataset.from_dict({"prompt": ["x"] * 8}),
    )  # fmt: skip
    reference = trainer.ref_model
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)
    reward = torch.tensor([episode.reward for episode in episodes])
    advantages = (reward - reward.mean()) / reward.std()

    def inputs(rows: list[int]) -> dict[str, torch.Tensor]:
        prompts = [episodes[row].turns[0].prompt_ids for row in rows]
        wide = max(map(len, prompts))
        prompt_ids, prompt_mask = (torch.zeros((len(rows), wide), dtype=torch.long) for _ in range(2))
        for place, prompt in enumerate(prompts):  # padded on the left, as TRL has it
            prompt_ids[place, wide - len(prompt) :], prompt_mask[place, wide - len(prompt) :] = torch.tensor(prompt), 1
        rest = []
        for row in rows:
            first, *later = episodes[row].turns
            cells = [(token, 1, value) for token, value in zip(first.response_ids, first.logprobs, strict=True)]
            for turn in later:
                cells += [(token, 0, 0.0) for token in turn.prompt_ids]
                cells += [(token, 1, value) for token, value in zip(turn.response_ids, turn.logprobs, strict=True)]
            rest.append(cells)
        shape = (len(rows), max(map(len, rest)))
        ids, mask, tool = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
        old = torch.zeros(shape)
        for place, cells in enumerate(rest):
            size = len(cells)
            ids[place, :size] = torch.tensor([cell[0] for cell in cells])
            tool[place, :size] = torch.tensor([cell[1] for cell in cells])
            old[place, :size] = torch.tensor([cell[2] for cell in cells])
            mask[place, :size] = 1
        return {
            "prompt_ids": prompt_ids, "prompt_mask": prompt_mask, "completion_ids": ids, "completion_mask": mask,
            "tool_mask": tool, "old_per_token_logps": old, "advantages": advantages[rows],
        }  # fmt: skip

    def update(number: int) -> None:
        for mini_batch in chunks(len(episodes), options, number):
            trainer.current_gradient_accumulation_steps = len(mini_batch)
            for rows in mini_batch:
                batch = inputs(rows)
                ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
                attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
                with torch.no_grad(), autocast(reference):
                    kept = trainer._get_per_token_logps_and_entropies(
                        reference, ids, attention, batch["completion_ids"].shape[1]
                    )
                batch["ref_per_token_logps"] = kept[0]
                with autocast(model):
                    loss = trainer.compute_loss(model, batch)
                loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()

    return update


def resident(field: str) -> float:
    """A line of /proc/self/status in MB."""
    line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith(field))
    return int(line.split()[1]) / 1024


LEARNERS: dict[str, Callable[[Any, list[Any], argparse.Namespace], Callable[[int], Any]]] = {
    "ours": ours,
    "plain": plain,
    "trl": trl,
    "network": partial(ours, critic="network"),
    "checkpointing": partial(ours, gradient_checkpointing=True),
    "lora": partial(ours, rank=16),
    "eager": partial(ours, compile=False),
    "rows": partial(ours, padded_rows=True),
}

if __name__ == "__main__":
    main()
