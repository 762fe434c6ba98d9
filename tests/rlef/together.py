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
from rlef.sharding import collected, whole
from tests.rlef.learning import sampled, tiny

CASES = {
    "rlef": {},
    "network": {"critic": "network"},
    "lora": {"rank": 4, "critic": "network", "gradient_checkpointing": True},
    "token": {"value": "token", "gae_lambda": 0.95, "frozen_layers": 1},
    "starter": {"baseline": "leave_one_out"},
    "stopped": {"baseline": "group", "passes": 3, "target_kl": 1e-7},
    "shard": {"shard": True, "critic": "network", "gradient_checkpointing": True},
    "shard, fewer": {"shard": True, "mini_batches": 8, "value": "token", "token_budget": 64, "ema": 0.5},
    "gspo": {"loss": "gspo", "average": "answer", "mini_batches": 8},  # fewer episodes in a mini-batch than processes
}


def learner(processes, model, rank=0, **fields):
    """A learner that starts from `model`."""
    reference = None if rank else tiny()
    add_adapter(model, LoraConfig(rank), 0)
    return PPO(model, reference, PPOConfig(learning_rate=1e-4, warmup=0, **fields), 0, processes=processes)


def learn(processes, **fields):
    """Metrics of two updates, and the parameters after them."""
    model = tiny()
    episodes = sampled(model)
    ppo = learner(processes, model, **fields)
    metrics = [ppo.update(episodes, number) for number in range(2)]
    if ppo.split:
        check_split(ppo)
        check_resumed(ppo, processes, episodes, fields)
    return metrics, parameters_of(ppo)


def parameters_of(ppo):
    """Copies of all parameters, whole."""
    return [whole(value.detach()).clone() for value in [*ppo.model.parameters(), *ppo.critic.parameters()]]


def check_split(ppo):
    """This process has half of every layer, and of its moments."""
    for parameter in ppo.model.model.layers.parameters():
        assert parameter.to_local().numel() * 2 == parameter.numel()
        for moment in ("exp_avg", "exp_avg_sq"):
            assert ppo.optimiser.state[parameter][moment].to_local().numel() * 2 == parameter.numel()


def check_resumed(ppo, processes, episodes, fields):
    """A learner made from what was written goes on with the same bits. `ppo` is as it was."""
    weights, state = processes.tell((collected(ppo.model.state_dict()), copy.deepcopy(ppo.state_dict())))
    model = tiny()
    model.load_state_dict(weights)
    again = learner(processes, model, **fields)
    again.load_state_dict(copy.deepcopy(state))
    third = again.update(episodes, 2)
    more = learner(processes, tiny(), **fields)
    for number in range(3):
        last = more.update(episodes, number)
    assert third == last
    assert all(map(torch.equal, parameters_of(again), parameters_of(more)))
    with again.averaged(), more.averaged():
        assert all(map(torch.equal, parameters_of(again), parameters_of(more)))


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
