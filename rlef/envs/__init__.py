"""Environments: a task becomes a dialogue. `gymnasium.make("rlef/CodeRepair-v0")` after `import rlef.envs`."""

import gymnasium

gymnasium.register(
    id="rlef/CodeRepair-v0",
    entry_point="rlef.envs.code_repair:CodeRepairEnv",
    vector_entry_point="rlef.envs.vector:CodeRepairVectorEnv",
)
