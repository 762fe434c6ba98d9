"""Learns for two updates with several choices of the learner and prints what comes out, as one process of any number.

`torchrun --nproc-per-node 2 -m tests.rlef.together FILE`: rank 0 writes metrics and parameters; all ranks must end with
the same bits.
"""

import copy
import sys

import torch

import rlef.learners.optimiser
from rlef.learners.ppo import PPO
from rlef.policies.lora import add_adapter
from rlef.ppo_config import LoraConfig, PPOConfig
from rlef.processes import Processes, joined
from tests.rlef.learning import sampled, tiny

CASES = {
    "rlef": {},
    "network": {"critic": "network"},
    "lora": {"rank": 4, "critic": "network", "gradient_checkpointing": True},
    "token": {"value": "token", "gae_lambda": 0.95, "frozen_layers": 1},
    "starter": {"baseline": "leave_one_out"},
    "stopped": {"baseline": "group", "passes": 3, "target_kl": 1e-7},
    "gspo": {"loss": "gspo", "average": "answer", "mini_batches": 8},  # fewer episodes in a mini-batch than processes
}


def learn(processes, rank=0, **fields):
    """Metrics of two updates, and the parameters after them."""
    model = tiny()
    episodes = sampled(model)
    reference = None if rank else copy.deepcopy(model)
    add_adapter(model, LoraConfig(rank), 0)
    ppo = PPO(model, reference, PPOConfig(learning_rate=1e-4, warmup=0, **fields), 0, processes=processes)
    metrics = [ppo.update(episodes, number) for number in range(2)]
    return metrics, [value.detach().clone() for value in [*ppo.model.parameters(), *ppo.critic.parameters()]]


def exact():
    """No rounding to bfloat16, which would hide what is compared."""
    rlef.learners.optimiser.sampling_dtype = lambda device: torch.float32


def main():
    torch.set_num_threads(1)
    exact()
    processes = joined()
    found = {name: learn(processes, **fields) for name, fields in CASES.items()}
    everybody = processes.gather([(processes.rank, found)] if processes.count > 1 else [(0, found)])
    for _, other in everybody[1:]:
        for name in CASES:
            assert found[name][0] == other[name][0], name
            assert all(torch.equal(a, b) for a, b in zip(found[name][1], other[name][1], strict=True)), name
    assert processes.gather(processes.share(range(7))) == list(range(7))
    assert processes.tell(processes.rank) == 0
    if processes.first:
        torch.save({"count": processes.count, "found": found}, sys.argv[1])


if __name__ == "__main__":
    main()
    assert Processes() != joined(), "started without a launcher"
