"""The name verifiers imports a taskset by: `--env.taskset.id rlef_verifiers`. See `rlef.integrations.verifiers`."""

from rlef.integrations.verifiers import *  # noqa: F403
from rlef.integrations.verifiers import __all__  # noqa: F401
