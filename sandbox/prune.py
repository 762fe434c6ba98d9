"""Removes what slots have left whose owner is gone: containers, control groups, folders. Never another living owner's.

Nothing should be left: a runner ends when its owner closes the channel or is silent for thirty seconds. What can stay
is a container that was killed or stopped at the wrong moment.
"""

from __future__ import annotations

import os

from sandbox.backends.owner import prune_folders
from sandbox.errors import SandboxError


def prune() -> tuple[list[str], dict[str, str]]:
    """Names of what was removed, and for each backend that could not be asked why."""
    removed, unreachable = prune_folders(), {}
    if os.geteuid() == 0:
        from sandbox.backends.namespaces import prune_groups

        removed += prune_groups()
    try:
        from sandbox.backends.docker import prune_containers

        removed += prune_containers()
    except SandboxError as error:
        unreachable["docker"] = str(error)
    return removed, unreachable
